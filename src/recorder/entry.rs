//! An entry of the history, as a reader gets it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::{Exit, ExitKind};

use crate::event::EventKind;
use crate::recorder::state::HistoryState;
use crate::recorder::word::Word;

/// Entry of the [history](crate::History) of a tree: one event, or one of the few facts that are no event.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// Its number. Numbers begin with 1 and grow by one with each entry of the tree, in both rings together.
    pub seq: u64,
    /// Time on the clock of the tree, which begins when the tree is made. It never runs backwards from one entry to the
    /// next.
    pub at: Duration,
    /// Full path of the child.
    pub path: Arc<str>,
    /// Generation that it happened to; for a failed start, the latest one before.
    pub generation: u64,
    /// State that the child had before.
    pub before: HistoryState,
    /// Kind of the entry, with what belongs to it.
    pub kind: HistoryKind,
}

/// Kind of an entry.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum HistoryKind {
    /// An event, as the subscribers of [`Tree::events`](crate::Tree::events) get it.
    Event(EventKind),
    /// The root is up, with everything below it that it waits for.
    TreeUp,
    /// The root has ended.
    TreeOver {
        /// Exit of the root. A root that gave up ends as [`Exit::Shutdown`], and its
        /// [`GaveUp`](EventKind::GaveUp) comes before.
        exit: Exit,
    },
    /// The child left the tree without an event: its supervisor ended or left, or has a new description in which the
    /// child is missing.
    Lost,
}

impl HistoryEntry {
    /// State that the child has after this entry.
    pub fn after(&self) -> HistoryState {
        self.kind.after().unwrap_or(self.before)
    }
}

impl HistoryKind {
    /// The event, if it is one.
    pub fn event(&self) -> Option<&EventKind> {
        match self {
            Self::Event(event) => Some(event),
            Self::TreeUp | Self::TreeOver { .. } | Self::Lost => None,
        }
    }

    /// Returns one word for the kind: that of the [event](EventKind::word), or `tree_up`, `tree_over`, `lost`.
    pub fn word(&self) -> &'static str {
        Word::of(self).name()
    }

    /// The cause of an end, if an incarnation ended.
    pub fn cause(&self) -> Option<ExitKind> {
        Word::of(self).cause()
    }

    /// Whether it is a failure, a park, a give-up, an order to restart or an act of an operator. A tree that is over has
    /// failed if its root did not end in order.
    ///
    /// Such entries have a ring of their own. The begin and the end of the tree are in it, too.
    pub fn is_failure(&self) -> bool {
        match self {
            Self::Event(event) => Word::of_event(event).is_kept_apart(),
            Self::TreeOver { exit } => exit.is_abnormal(),
            Self::TreeUp | Self::Lost => false,
        }
    }

    /// State of the child after such an entry. `None`: it stays as it is.
    pub(crate) fn after(&self) -> Option<HistoryState> {
        Word::of(self).after()
    }
}

impl fmt::Display for HistoryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => event.fmt(f),
            Self::TreeUp => f.write_str("tree is up"),
            Self::TreeOver { exit } => write!(f, "tree is over: {exit}"),
            Self::Lost => f.write_str("is lost with its supervisor"),
        }
    }
}

impl fmt::Display for HistoryEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{} {}", self.path, self.generation, self.kind)
    }
}
