//! State in a store: checkpoints, group commit, and the stores themselves.

#[path = "../common/mod.rs"]
mod common;
mod held;
mod tally;

mod claims;
mod figures;
mod group;
mod late;
mod lives;
mod race;
mod schemas;
mod stops;
