//! Health of trees: as data, and over HTTP, by requests that are written by hand.

#[path = "../common/mod.rs"]
mod common;
mod http;

mod blocked;
mod crowds;
mod data;
mod drains;
mod probes;
mod serving;
