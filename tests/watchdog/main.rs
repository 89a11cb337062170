//! The hang watchdog, and what `why` says of a busy service.

#[path = "../common/mod.rs"]
mod common;

mod blocked;
mod hangs;
mod present_waits;
mod waits;
mod why_busy;
