//! From an operating system's signal to the exit status of the process.

mod builder;
pub(crate) mod os_signals;
pub(crate) mod run_error;
pub(crate) mod until_signal;
