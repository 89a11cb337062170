//! Checkpoints: the stores and their contract.

mod contract;
mod files;
#[cfg(feature = "checkpoint-sqlite")]
mod sqlite;
