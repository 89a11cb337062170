//! State in a store: checkpoints, group commit, the stores and their contract.

#[path = "../common/mod.rs"]
mod common;
mod held;
mod tally;

mod claims;
mod contract;
mod damaged;
mod figures;
mod files;
mod group;
mod hostile;
mod late;
mod lives;
mod race;
mod schemas;
mod sessions;
#[cfg(feature = "checkpoint-sqlite")]
mod sqlite;
mod stops;
mod turns;
