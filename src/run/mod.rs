//! From an operating system's signal to the exit status of the process.

pub(crate) mod os_signals;
pub(crate) mod run_error;
pub(crate) mod until_signal;
