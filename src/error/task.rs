//! The error of a task that gives no value.

use std::fmt;

use regrow_supervisors::{Exit, Panic};

use crate::error::orders::StartChildError;

/// Reason why a [`RunningTask`](crate::RunningTask) gives no value.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum TaskError {
    /// The task panicked.
    Panicked(Panic),
    /// The task was cancelled by its handle, or its runtime has ended.
    Cancelled,
    /// The task was ended from outside. For a task of a service: the exit of that incarnation, with which it ended. For
    /// a task of a pool: its own exit, which is [`Shutdown`](Exit::Shutdown) if an order or the end of the pool stopped
    /// it, [`Killed`](Exit::Killed) or [`Hung`](Exit::Hung).
    Ended(Exit),
    /// The pool did not start the task. Nothing of it ran.
    NotStarted(StartChildError),
}

impl TaskError {
    /// The error of a task that ended as `exit`.
    pub(crate) fn of(exit: Exit) -> Self {
        match exit {
            Exit::Panicked(panic) => Self::Panicked(panic),
            exit => Self::Ended(exit),
        }
    }
}

impl From<StartChildError> for TaskError {
    fn from(error: StartChildError) -> Self {
        Self::NotStarted(error)
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(panic) => write!(f, "the task panicked: {panic}"),
            Self::Cancelled => f.write_str("the task was cancelled"),
            Self::Ended(exit) => write!(f, "the task was ended before it had a value: {exit}"),
            Self::NotStarted(error) => write!(f, "the task was not started: {error}"),
        }
    }
}

impl std::error::Error for TaskError {}
