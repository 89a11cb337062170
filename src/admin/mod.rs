//! The admin source: what an operator sees of running trees, and what an operator may do, over a unix socket.

#[allow(dead_code, reason = "TEMP")]
pub(crate) mod row;
#[allow(dead_code, reason = "TEMP")]
pub(crate) mod services;
#[allow(dead_code, reason = "TEMP")]
pub(crate) mod template;
#[allow(dead_code, reason = "TEMP")]
pub(crate) mod viewer;
pub mod wire;
