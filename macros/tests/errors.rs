//! Mistakes in an impl block: each is reported at the user's token, with what to write.
//!
//! Beside each case in `errors/` is what rustc prints for it. `TRYBUILD=overwrite cargo test -p regrow-macros` writes
//! these files again.

#[test]
fn every_mistake_is_reported_at_its_token_with_what_to_write() {
    trybuild::TestCases::new().compile_fail("tests/errors/*.rs");
}
