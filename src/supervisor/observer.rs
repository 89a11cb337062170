//! The observer of a supervisor: it sees what the supervisor does, at the moment at which it does it.
//!
//! Events report what a supervisor knows of its children, when it learns it. The OTP player also observes the
//! supervisor itself and the root.

use std::time::Duration;

use regrow_supervisors::{Exit, Report};

/// Observer of a supervisor. It is called from inside the supervisor, must be quick, and must not panic.
pub(crate) trait Watch: Send + Sync {
    /// All children have been started.
    fn up(&self);
    /// The machine made this report. `is_ending`: the supervisor is ending.
    fn reported(&self, report: &Report, child: &str, is_ending: bool);
    /// The supervisor has done all that could be done by now, and waits for facts or for the time `due`.
    fn worked(&self, due: Option<Duration>);
    /// The supervisor has ended, and all its children before it.
    fn ended(&self, exit: &Exit, was_up: bool);
}
