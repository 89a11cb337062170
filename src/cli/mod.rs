//! The commands of the command line, a file each, and the demo trees that they need.

pub(crate) mod chaos;
mod demo;
pub(crate) mod policy;
mod soak;
mod tills;
pub(crate) mod trace;
