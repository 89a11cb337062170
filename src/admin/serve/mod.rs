//! Listeners and connections of the admin source.

pub(crate) mod connection;
pub(crate) mod error;
pub(crate) mod listening;
pub(crate) mod patient;
pub(crate) mod tcp;
pub(crate) mod tcp_rules;
#[cfg(unix)]
pub(crate) mod unix;
