//! The commands: each asks the source, then prints.

pub(crate) mod act;
pub(crate) mod dump;
pub(crate) mod events;
pub(crate) mod experiment;
pub(crate) mod follow;
pub(crate) mod history;
pub(crate) mod letters;
pub(crate) mod one;
pub(crate) mod output;
pub(crate) mod services;
