//! Helpers that the test programs share. Each program includes all of them and uses a part.
//!
//! | file | idea |
//! |---|---|
//! | `tree.rs` | waiting for events and states, counting lives, services that are slow, inert or fail to start |
//! | `worker.rs` | the service of most tests: it runs the jobs that it gets |
//! | `mail.rs` | workers that are held still, gates, and a log of the handled numbers |
//! | `watched.rs` | workers under a watchdog |
//! | `story.rs` | a record of events, in order, by services and their stop hooks |
//! | `redelivering.rs` | a service whose messages can be cloned, for redelivery |
//! | `book.rs` | a service that begins with what the one before has kept |
//! | `consistent.rs` | the views of a tree, which must agree |
//! | `kinds.rs` | bare tasks and ractor actors |
//! | `pool.rs`, `partitions.rs` | dynamic and partitioned supervisors |
//! | `disk.rs` | a disk that is soon full |
//! | `log.rs` | the log of a thread, line by line |
#![allow(dead_code, reason = "each test program uses a part of its own")]

pub(crate) mod book;
pub(crate) mod consistent;
pub(crate) mod disk;
pub(crate) mod kinds;
pub(crate) mod log;
pub(crate) mod mail;
pub(crate) mod partitions;
pub(crate) mod pool;
pub(crate) mod redelivering;
pub(crate) mod story;
pub(crate) mod tree;
pub(crate) mod watched;
pub(crate) mod worker;
