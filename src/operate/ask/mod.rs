//! Requests to the admin source, and its answers.

pub(crate) mod answer;
pub(crate) mod exchange;
pub(crate) mod parameters;
pub(crate) mod source;
pub(crate) mod sse;
pub(crate) mod viewer;
