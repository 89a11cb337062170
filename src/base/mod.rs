//! Helpers for all other modules: locks that outlive a panic, arithmetic on time, background tasks, names, texts for a terminal.

pub(crate) mod background;
pub(crate) mod hook;
pub(crate) mod name;
pub(crate) mod on_demand;
pub(crate) mod panics;
pub(crate) mod plain;
pub(crate) mod runtime;
pub(crate) mod sweep;
pub(crate) mod sync;
pub(crate) mod thrift;
pub(crate) mod time;
pub(crate) mod wake;
