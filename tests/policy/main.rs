//! Policies in files: read, checked, layered, applied, followed and simulated.

#[path = "../common/mod.rs"]
mod common;

mod dependencies;
mod following;
mod layers;
mod mistakes;
mod mutations;
mod ranks;
mod reload;
mod schema;
mod simulation;
mod whole_files;
