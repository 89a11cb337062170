//! Requests without boilerplate: what `#[regrow::service]` makes of an impl block, and the calls that it makes.

#[path = "../common/mod.rs"]
mod common;

mod answers;
mod ends;
mod labels;
mod shapes;
mod shop;
mod ways;
