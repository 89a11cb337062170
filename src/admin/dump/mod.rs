//! The history of a tree as a file of JSON lines: a header, and then a line for each entry, oldest first.
//!
//! | file | idea |
//! |---|---|
//! | `header.rs`, `entry.rs` | the lines |
//! | `write.rs` | the history as lines, and as a file that appears whole or not at all |
//! | `read.rs` | the lines of a file, which may be cut off or damaged |
//! | `at_end.rs` | the file that is written when a root gives up |

mod at_end;
pub(crate) mod entry;
pub(crate) mod header;
pub(crate) mod read;
mod write;

/// Version of the lines. A reader refuses another one.
pub(crate) const SCHEMA: u32 = 1;
