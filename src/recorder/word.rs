//! The kinds of entries as one byte: their names, their ring, and what each does to the state of its child.

use regrow_supervisors::{Exit, ExitKind};

use crate::event::EventKind;
use crate::recorder::entry::HistoryKind;
use crate::recorder::state::HistoryState;

/// Kind of an entry, with the cause of an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Word {
    Started,
    StartFailed,
    Ignored,
    ExitedNormal,
    ExitedShutdown,
    ExitedKilled,
    ExitedFailed,
    ExitedPanicked,
    ExitedHung,
    ShutdownError,
    Abandoned,
    Delayed,
    Waiting,
    TooManyFailures,
    KeptSetAside,
    Renewed,
    DependencyGone,
    Parked,
    Overdue,
    Overran,
    RestartOrdered,
    Blocks,
    Down,
    Gone,
    GaveUp,
    GivenUp,
    Acted,
    TreeUp,
    TreeOver,
    Lost,
}

impl Word {
    /// All words, each in the place of its number.
    pub(crate) const ALL: [Self; 30] = [
        Self::Started,
        Self::StartFailed,
        Self::Ignored,
        Self::ExitedNormal,
        Self::ExitedShutdown,
        Self::ExitedKilled,
        Self::ExitedFailed,
        Self::ExitedPanicked,
        Self::ExitedHung,
        Self::ShutdownError,
        Self::Abandoned,
        Self::Delayed,
        Self::Waiting,
        Self::TooManyFailures,
        Self::KeptSetAside,
        Self::Renewed,
        Self::DependencyGone,
        Self::Parked,
        Self::Overdue,
        Self::Overran,
        Self::RestartOrdered,
        Self::Blocks,
        Self::Down,
        Self::Gone,
        Self::GaveUp,
        Self::GivenUp,
        Self::Acted,
        Self::TreeUp,
        Self::TreeOver,
        Self::Lost,
    ];

    pub(crate) fn of(kind: &HistoryKind) -> Self {
        match kind {
            HistoryKind::Event(event) => Self::of_event(event),
            HistoryKind::TreeUp => Self::TreeUp,
            HistoryKind::TreeOver { .. } => Self::TreeOver,
            HistoryKind::Lost => Self::Lost,
        }
    }

    pub(super) fn of_event(event: &EventKind) -> Self {
        match event {
            EventKind::Started { .. } => Self::Started,
            EventKind::StartFailed { .. } => Self::StartFailed,
            EventKind::Ignored => Self::Ignored,
            EventKind::Exited { exit } => Self::of_exit(exit),
            EventKind::ShutdownError { .. } => Self::ShutdownError,
            EventKind::Abandoned => Self::Abandoned,
            EventKind::Delayed { .. } => Self::Delayed,
            EventKind::Waiting => Self::Waiting,
            EventKind::TooManyFailures { .. } => Self::TooManyFailures,
            EventKind::KeptSetAside { .. } => Self::KeptSetAside,
            EventKind::Renewed { .. } => Self::Renewed,
            EventKind::DependencyGone { .. } => Self::DependencyGone,
            EventKind::Parked { .. } => Self::Parked,
            EventKind::Overdue { .. } => Self::Overdue,
            EventKind::Overran { .. } => Self::Overran,
            EventKind::RestartOrdered { .. } => Self::RestartOrdered,
            EventKind::Blocks { .. } => Self::Blocks,
            EventKind::Down => Self::Down,
            EventKind::Gone => Self::Gone,
            EventKind::GaveUp { .. } => Self::GaveUp,
            EventKind::GivenUp { .. } => Self::GivenUp,
            EventKind::Acted { .. } => Self::Acted,
        }
    }

    fn of_exit(exit: &Exit) -> Self {
        match exit {
            Exit::Normal => Self::ExitedNormal,
            Exit::Shutdown | Exit::ShutdownWith(_) | Exit::ChildFailedToStart { .. } => Self::ExitedShutdown,
            Exit::Killed => Self::ExitedKilled,
            Exit::Panicked(_) => Self::ExitedPanicked,
            Exit::Hung(_) => Self::ExitedHung,
            // A failure. The enum may grow.
            _ => Self::ExitedFailed,
        }
    }

    /// The name in dumps and queries. Ends have one name, whatever their cause.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::StartFailed => "start_failed",
            Self::Ignored => "ignored",
            Self::ExitedNormal
            | Self::ExitedShutdown
            | Self::ExitedKilled
            | Self::ExitedFailed
            | Self::ExitedPanicked
            | Self::ExitedHung => "exited",
            Self::ShutdownError => "shutdown_error",
            Self::Abandoned => "abandoned",
            Self::Delayed => "delayed",
            Self::Waiting => "waiting",
            Self::TooManyFailures => "too_many_failures",
            Self::KeptSetAside => "kept_set_aside",
            Self::Renewed => "renewed",
            Self::DependencyGone => "dependency_gone",
            Self::Parked => "parked",
            Self::Overdue => "overdue",
            Self::Overran => "overran",
            Self::RestartOrdered => "restart_ordered",
            Self::Blocks => "blocks",
            Self::Down => "down",
            Self::Gone => "gone",
            Self::GaveUp => "gave_up",
            Self::GivenUp => "given_up",
            Self::Acted => "acted",
            Self::TreeUp => "tree_up",
            Self::TreeOver => "tree_over",
            Self::Lost => "lost",
        }
    }

    /// The cause of an end.
    pub(crate) fn cause(self) -> Option<ExitKind> {
        match self {
            Self::ExitedNormal => Some(ExitKind::Normal),
            Self::ExitedShutdown => Some(ExitKind::Shutdown),
            Self::ExitedKilled => Some(ExitKind::Killed),
            Self::ExitedFailed => Some(ExitKind::Failed),
            Self::ExitedPanicked => Some(ExitKind::Panicked),
            Self::ExitedHung => Some(ExitKind::Hung),
            _ => None,
        }
    }

    /// Whether such an entry is in the ring of failures, parks, give-ups and acts. That of ordinary starts and ends has
    /// the others. The begin and the end of the tree are kept as long as failures, and are none.
    pub(super) fn is_kept_apart(self) -> bool {
        match self {
            Self::TreeUp | Self::TreeOver => true,
            Self::Started
            | Self::Ignored
            | Self::ExitedNormal
            | Self::ExitedShutdown
            | Self::Delayed
            | Self::Waiting
            | Self::Renewed
            | Self::Down
            | Self::Gone
            | Self::Lost => false,
            Self::StartFailed
            | Self::ExitedKilled
            | Self::ExitedFailed
            | Self::ExitedPanicked
            | Self::ExitedHung
            | Self::ShutdownError
            | Self::Abandoned
            | Self::TooManyFailures
            | Self::KeptSetAside
            | Self::DependencyGone
            | Self::Parked
            | Self::Overdue
            | Self::Overran
            | Self::RestartOrdered
            | Self::Blocks
            | Self::GaveUp
            | Self::GivenUp
            | Self::Acted => true,
        }
    }

    /// The state of the child after such an entry. `None`: it stays as it is.
    pub(crate) fn after(self) -> Option<HistoryState> {
        match self {
            Self::Started | Self::TreeUp => Some(HistoryState::Up),
            Self::StartFailed
            | Self::ExitedNormal
            | Self::ExitedShutdown
            | Self::ExitedKilled
            | Self::ExitedFailed
            | Self::ExitedPanicked
            | Self::ExitedHung
            | Self::Abandoned
            | Self::Delayed => Some(HistoryState::Restarting),
            Self::Waiting => Some(HistoryState::Waiting),
            Self::Parked => Some(HistoryState::Parked),
            Self::Ignored | Self::Down => Some(HistoryState::Down),
            Self::Gone | Self::Lost | Self::TreeOver => Some(HistoryState::Gone),
            Self::ShutdownError
            | Self::TooManyFailures
            | Self::KeptSetAside
            | Self::Renewed
            | Self::DependencyGone
            | Self::Overdue
            | Self::Overran
            | Self::RestartOrdered
            | Self::Blocks
            | Self::GaveUp
            | Self::GivenUp
            | Self::Acted => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_in_the_place_of_its_number() {
        for (place, word) in Word::ALL.into_iter().enumerate() {
            assert_eq!(place, word as usize, "{word:?}");
        }
    }
}
