//! A word for each kind of event, the same in histories, dumps and queries.

use crate::event::EventKind;

impl EventKind {
    /// Returns one word for the kind, without what belongs to it: `started`, `start_failed`, `gave_up`.
    ///
    /// ```
    /// assert_eq!(regrow::EventKind::Gone.word(), "gone");
    /// ```
    pub fn word(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::StartFailed { .. } => "start_failed",
            Self::Ignored => "ignored",
            Self::Exited { .. } => "exited",
            Self::ShutdownError { .. } => "shutdown_error",
            Self::Abandoned => "abandoned",
            Self::Delayed { .. } => "delayed",
            Self::Waiting => "waiting",
            Self::TooManyFailures { .. } => "too_many_failures",
            Self::KeptSetAside { .. } => "kept_set_aside",
            Self::Renewed { .. } => "renewed",
            Self::DependencyGone { .. } => "dependency_gone",
            Self::Parked { .. } => "parked",
            Self::Overdue { .. } => "overdue",
            Self::Overran { .. } => "overran",
            Self::RestartOrdered { .. } => "restart_ordered",
            Self::Blocks { .. } => "blocks",
            Self::Down => "down",
            Self::Gone => "gone",
            Self::GaveUp { .. } => "gave_up",
            Self::GivenUp { .. } => "given_up",
            Self::Acted { .. } => "acted",
        }
    }
}
