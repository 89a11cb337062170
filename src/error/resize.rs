//! Reasons why the number of partitions did not become what was asked for.

use std::fmt;
use std::sync::Arc;

use crate::error::manage::ManageError;
use crate::error::not_running::NotRunning;
use crate::error::orders::{DeleteChildError, StartChildError, StopChildError};
use crate::error::start::StartError;

/// Reason why the number of partitions did not become what was asked for. Partitions that were added or removed before
/// the error stay so: [`Partitions::len`](crate::Partitions::len) tells how far the change has come.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ResizeError {
    /// No partition at all would be left.
    ZeroPartitions {
        /// The supervisor.
        path: Arc<str>,
    },
    /// More partitions were asked for than [`PARTITIONS_MAX`](crate::PARTITIONS_MAX).
    TooMany {
        /// The supervisor.
        path: Arc<str>,
        /// The number that was asked for.
        partitions: usize,
    },
    /// The order would end the code that waits for it: a partition that is to leave gave it. A service ends itself
    /// with [`Context::stop`](crate::Context::stop) or [`exit`](crate::Context::exit). Any other order can be given from
    /// a task that is not linked to an incarnation (`tokio::spawn`).
    ToItself {
        /// The child to be ended.
        path: Arc<str>,
        /// The child that gave the order.
        caller: Arc<str>,
    },
    /// The message that the caller has in hand would have to be finished first, and waits for this. Resize from a task
    /// (`tokio::spawn`, or [`Context::spawn`](crate::Context::spawn)), or with
    /// [`resize_now`](crate::Partitions::resize_now). Nothing was changed.
    InHand {
        /// The partition that gave the order.
        path: Arc<str>,
    },
    /// The number of partitions is as asked for, but the order of messages may not have been kept. This partition did not
    /// finish a message for 5 s, or waited for one that waited for it.
    OrderNotKept {
        /// The partition.
        path: Arc<str>,
    },
    /// A new partition was not started.
    NotStarted(StartChildError),
    /// A new partition said that it is not wanted. No partition can be left out.
    NotWanted {
        /// The partition.
        path: Arc<str>,
    },
    /// A partition that is to leave is still there.
    NotStopped(StopChildError),
    /// A partition that is to leave has ended, and the supervisor still has its spec.
    NotDeleted(DeleteChildError),
    /// The supervisor is not running: it is ending, over, or between two lives (OTP rule 70).
    NotRunning {
        /// The supervisor.
        path: Arc<str>,
    },
}

impl From<NotRunning> for ResizeError {
    fn from(error: NotRunning) -> Self {
        Self::NotRunning { path: error.path }
    }
}

impl From<StartChildError> for ResizeError {
    fn from(error: StartChildError) -> Self {
        match error {
            StartChildError::NotRunning { path } => Self::NotRunning { path },
            error => Self::NotStarted(error),
        }
    }
}

impl From<StopChildError> for ResizeError {
    fn from(error: StopChildError) -> Self {
        match error {
            StopChildError::NotRunning { path } => Self::NotRunning { path },
            StopChildError::ToItself { path, caller } => Self::ToItself { path, caller },
            error => Self::NotStopped(error),
        }
    }
}

impl From<DeleteChildError> for ResizeError {
    fn from(error: DeleteChildError) -> Self {
        match error {
            DeleteChildError::NotRunning { path } => Self::NotRunning { path },
            error => Self::NotDeleted(error),
        }
    }
}

impl fmt::Display for ResizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroPartitions { path } => write!(f, "`{path}` cannot be left without partitions: keep one at least"),
            Self::TooMany { path, partitions } => {
                StartError::TooManyPartitions { path: path.clone(), partitions: *partitions }.fmt(f)
            }
            Self::ToItself { path, caller } => {
                ManageError::ToItself { path: path.clone(), caller: caller.clone() }.fmt(f)
            }
            Self::InHand { path } => {
                write!(
                    f,
                    "the message that `{path}` has in hand would wait for itself: resize from a task, or with `resize_now`"
                )
            }
            Self::OrderNotKept { path } => {
                write!(
                    f,
                    "the partitions were resized, but messages of a key may be out of order: `{path}` did not finish in time"
                )
            }
            Self::NotStarted(error) => error.fmt(f),
            Self::NotWanted { path } => {
                write!(f, "the factory of the partition `{path}` returned `ignore()`, and no partition can be left out")
            }
            Self::NotStopped(error) => error.fmt(f),
            Self::NotDeleted(error) => error.fmt(f),
            Self::NotRunning { path } => ManageError::NotRunning { path: path.clone() }.fmt(f),
        }
    }
}

impl std::error::Error for ResizeError {}
