//! The admin source, over real sockets: what it shows, what it refuses, what it does.

#[path = "../common/mod.rs"]
mod common;

mod acts;
mod attacks;
mod client;
mod events;
mod figures;
mod hostile;
mod idle;
mod letters;
mod looks;
mod nuisance;
mod schema;
#[cfg(feature = "metrics")]
mod scraped;
mod security;
mod tcp;
