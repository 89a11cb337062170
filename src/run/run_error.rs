//! The error of a tree that does not run until a signal comes: a `main` returns it, and it is one line.

use std::fmt;

use crate::error::start::StartError;
use crate::tree::report::{ShutdownReport, UncleanEnd, write_in_one_line};

/// The reason why a tree does not run until a signal comes.
///
/// Displayed, and debugged as `main` does with its error, it is one line. The line names the child on which the tree
/// gave up, the exit of that child, and the budget that was used up.
#[non_exhaustive]
pub enum RunError {
    /// The process cannot listen for signals. Nothing was started, and a running tree is untouched.
    Signals(std::io::Error),
    /// The tree did not start. Nothing of it is left.
    Start(StartError),
    /// The tree ended without an order: its root gave up or was killed.
    Ended(UncleanEnd),
}

impl RunError {
    /// The report about the end of the tree, if it was up.
    pub fn report(&self) -> Option<&ShutdownReport> {
        match self {
            Self::Signals(_) | Self::Start(_) => None,
            Self::Ended(end) => Some(end.report()),
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signals(error) => write_in_one_line(f, &format!("cannot listen for signals: {error}")),
            Self::Start(error) => write_in_one_line(f, &error.to_string()),
            Self::Ended(end) => end.fmt(f),
        }
    }
}

impl fmt::Debug for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for RunError {}
