//! The attribute [`macro@service`] of the package `regrow`, which re-exports it with its docs (feature `macros`).
//!
//! # Layout
//!
//! | file | idea |
//! |---|---|
//! | `options.rs` | the arguments of the attribute: visibility, names, derives |
//! | `block.rs` | the impl block, checked: its requests and its stop hook |
//! | `mark.rs` | `#[call]`, `#[cast]` and `#[stopped]` above a method |
//! | `method.rs` | methods: the request that one handles, or the stop hook |
//! | `parameters.rs`, `answer.rs` | the arguments of a method, and what its return value is for |
//! | `types.rs` | types of arguments and answers: what a message can hold, and the parts of a `Result` |
//! | `generics.rs` | the parameters of the impl block that its messages need |
//! | `expand.rs`, `client.rs` | what is made: messages and `Service` impl; the client |
//!
//! Every error is at a token of the user, names what is wrong there and says what to write. All errors of a block are
//! reported at once, and the block itself stays, so that they do not cause further ones.

mod answer;
mod block;
mod client;
mod expand;
mod generics;
mod mark;
mod method;
mod options;
mod parameters;
#[cfg(test)]
mod tests;
mod types;

use proc_macro::TokenStream;

#[allow(missing_docs, reason = "docs here would end the page of `regrow::service`")]
#[proc_macro_attribute]
pub fn service(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::service(arguments.into(), &item.into()).into()
}
