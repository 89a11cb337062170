//! The schema in the repository is the one that the types make.

use regrow::policy::schema;

#[test]
fn the_schema_in_the_repository_is_up_to_date() {
    let stored = include_str!("../../.schema/policy.json");
    assert!(
        stored == schema(),
        "the format has changed: run `cargo run -q --features cli -- policy schema > .schema/policy.json`"
    );
}

#[test]
fn the_schema_knows_every_table_and_describes_every_field() {
    let text = schema();
    for name in
        ["\"defaults\"", "\"supervisor\"", "\"path\"", "\"reset_after_messages\"", "\"budget_clock\"", "\"when_said\""]
    {
        assert!(text.contains(name), "{name}");
    }
}
