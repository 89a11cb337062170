//! Calls, handles and look-ups: what becomes of what is asked of a service.

#[path = "../common/mod.rs"]
mod common;

mod absent_peers;
mod blocking;
mod closing;
mod errors;
mod fates;
mod handles;
mod lookups;
mod recipients;
mod redelivered_calls;
mod replies;
mod self_calls;
mod states;
mod time_limits;
mod waits;
mod ways;
