//! What the log says, line by line.

#[path = "../common/mod.rs"]
mod common;

mod lines;
mod operators;
