//! What the test programs share. Each program takes all of it and uses a part.
//!
//! | file | idea |
//! |---|---|
//! | `tree.rs` | waiting for events and states, counting lives, services that are slow, inert or fail to start |
//! | `mail.rs` | a service that runs what it is sent, and ways to hold it still |
//! | `clerk.rs` | the same with a label on each message, for the watchdog |
//! | `hooked.rs` | the same with a stop hook of the test's own |
//! | `redelivering.rs` | a service whose messages can be cloned, for redelivery |
//! | `kinds.rs` | bare tasks and ractor actors |
//! | `pool.rs`, `partitions.rs` | dynamic and partitioned supervisors |
//! | `log.rs` | the log of a thread, line by line |
#![allow(dead_code, reason = "each test program uses a part of its own")]

pub(crate) mod clerk;
pub(crate) mod hooked;
pub(crate) mod kinds;
pub(crate) mod log;
pub(crate) mod mail;
pub(crate) mod partitions;
pub(crate) mod pool;
pub(crate) mod redelivering;
pub(crate) mod tree;
