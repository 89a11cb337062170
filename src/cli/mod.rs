//! The commands of the command line, a file each.

pub(crate) mod policy;
pub(crate) mod trace;
