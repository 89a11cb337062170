//! What a tree needs of the tokio runtime that it is started in. What is missing is said where it is asked for, and is no panic
//! of a task later.

use std::time::Duration;

use crate::base::hook;
use crate::error::start::StartError;

/// Whether a tree can live in the runtime around this code.
pub(crate) fn check() -> Result<(), StartError> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(StartError::NoRuntime);
    }
    // tokio tells only by a panic that it has no timer.
    hook::probe(|| drop(tokio::time::sleep(Duration::ZERO))).ok_or(StartError::NoTimer)
}

/// Asks the runtime for signals. tokio tells only by a panic that it has no driver for them.
#[cfg(feature = "signal")]
#[cfg_attr(not(all(unix, feature = "policy")), allow(dead_code, reason = "not every set of features asks"))]
pub(crate) fn signals<T>(listen: impl FnOnce() -> std::io::Result<T>) -> std::io::Result<T> {
    hook::probe(listen).unwrap_or_else(|| {
        let what =
            "the tokio runtime has no I/O driver, and signals need one: build it with `enable_io` or `enable_all`";
        Err(std::io::Error::other(what))
    })
}
