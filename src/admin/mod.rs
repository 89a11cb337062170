//! The admin source: what an operator sees of running trees, and what an operator may do, over a unix socket.

pub mod wire;
