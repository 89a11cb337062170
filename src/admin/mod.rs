//! The admin source: what an operator sees of running trees, and what an operator may do, over a unix socket.
//!
//! `dump` is the history of a tree in a file.

pub(crate) mod dump;
pub mod wire;

pub use dump::entry::{DumpAct, DumpEntry, DumpExit};
pub use dump::header::{DumpCount, DumpHeader, DumpRing};
pub use dump::read::{Dump, DumpDamage, DumpError};
