//! Requirements of a tree on the tokio runtime in which it is started. A missing part is reported when it is asked for,
//! instead of by a panic of a task later.

use std::time::Duration;

use crate::base::hook;
use crate::error::start::StartError;

/// Checks that a tree can live in the runtime around this code.
pub(crate) fn check() -> Result<(), StartError> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(StartError::NoRuntime);
    }
    // tokio reports a missing timer only by a panic.
    hook::probe(|| drop(tokio::time::sleep(Duration::ZERO))).ok_or(StartError::NoTimer)
}

/// Asks the runtime for signals. tokio reports a missing driver for them only by a panic.
#[cfg(feature = "signal")]
#[cfg_attr(not(all(unix, feature = "policy")), allow(dead_code, reason = "not every set of features asks"))]
pub(crate) fn signals<T>(listen: impl FnOnce() -> std::io::Result<T>) -> std::io::Result<T> {
    hook::probe(listen).unwrap_or_else(|| {
        let what =
            "the tokio runtime has no I/O driver, and signals need one: build it with `enable_io` or `enable_all`";
        Err(std::io::Error::other(what))
    })
}
