//! Commands of the command line, one file each.

pub(crate) mod policy;
pub(crate) mod trace;
