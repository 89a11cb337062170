//! Reasons for which the child with a name was neither found nor started.

use std::fmt;
use std::sync::Arc;

use crate::error::orders::StartChildError;
use crate::tree::lookup::LookupError;

/// Reason why [`get_or_start`](crate::Template::get_or_start) returned no handle.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum GetOrStartError {
    /// The child was not there, and could not be started. The error inside is never
    /// [`AlreadyStarted`](StartChildError::AlreadyStarted) or [`AlreadyPresent`](StartChildError::AlreadyPresent).
    Start(StartChildError),
    /// The child was not there, and its start, which another caller had ordered, did not succeed. That caller's error
    /// has the reason, and so has the event [`StartFailed`](crate::EventKind::StartFailed).
    StartFailed {
        /// The child.
        path: Arc<str>,
    },
    /// The child takes other messages than those of the handle that was asked for.
    Lookup(LookupError),
    /// The factory said that the child is [not wanted](crate::ignore()).
    Ignored {
        /// The child.
        path: Arc<str>,
    },
    /// The child is ending, and its own code, or code below it, asked for it. The call would wait for the end of its
    /// caller.
    ToItself {
        /// The child.
        path: Arc<str>,
        /// The child that asked.
        caller: Arc<str>,
    },
    /// The supervisor [numbers](crate::DynamicSupervisor::numbered) its children, so none can be asked for by its name.
    Numbered {
        /// The supervisor.
        path: Arc<str>,
    },
}

impl From<StartChildError> for GetOrStartError {
    fn from(error: StartChildError) -> Self {
        Self::Start(error)
    }
}

impl From<LookupError> for GetOrStartError {
    fn from(error: LookupError) -> Self {
        Self::Lookup(error)
    }
}

impl fmt::Display for GetOrStartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => error.fmt(f),
            Self::StartFailed { path } => {
                write!(
                    f,
                    "`{path}` did not start: the reason is in the error of the caller that ordered it, and in the events"
                )
            }
            Self::Lookup(error) => error.fmt(f),
            Self::Ignored { path } => write!(f, "`{path}` was not started: its factory returned `ignore()`"),
            Self::ToItself { path, caller } => {
                write!(
                    f,
                    "`{path}` is ending, and `{caller}` would wait for its own end: ask from a task outside of it (`tokio::spawn`)"
                )
            }
            Self::Numbered { path } => {
                write!(f, "`{path}` numbers its children, so none has a name to be found by: leave out `numbered`")
            }
        }
    }
}

impl std::error::Error for GetOrStartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start(error) => Some(error),
            Self::Lookup(error) => Some(error),
            Self::StartFailed { .. } | Self::Ignored { .. } | Self::ToItself { .. } | Self::Numbered { .. } => None,
        }
    }
}
