//! Long walks: every history of small trees, and random lives of larger ones, beside an independent model.

#[path = "../common/mod.rs"]
mod common;

mod every_order;
mod every_reaction;
mod exhaustive;
mod policies;
mod properties;
mod steps;
