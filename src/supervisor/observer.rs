//! Looking over a supervisor's shoulder: what it did, at the moment at which it did it.
//!
//! Events tell what a supervisor knows of its children, when it has come to know it. A trace also wants to know of the
//! supervisor itself, and of the root.

use std::time::Duration;

use regrow_supervisors::{Exit, Report};

/// Told from inside the supervisor; must be quick, and must not panic.
pub(crate) trait Watch: Send + Sync {
    /// All children have been started.
    fn up(&self);
    /// `is_ending`: the supervisor is.
    fn reported(&self, report: &Report, child: &str, is_ending: bool);
    /// It has done all that could be done by now, and waits for news or for this time to come.
    fn worked(&self, due: Option<Duration>);
    /// It has ended, and all its children before it.
    fn ended(&self, exit: &Exit, was_up: bool);
}
