//! Operations on a tree from outside of it.

pub(crate) mod dump;

pub use dump::entry::{DumpAct, DumpEntry, DumpExit};
pub use dump::header::{DumpCount, DumpHeader, DumpRing};
pub use dump::read::{Dump, DumpDamage, DumpError};
