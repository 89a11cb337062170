//! A stream of failures only, and of what undoes them.

use std::collections::HashSet;
use std::sync::Arc;

use crate::admin::wire::event::Child;
use crate::recorder::entry::HistoryEntry;
use crate::recorder::state::HistoryState;

/// Children whose failure a client knows, and whose return or leave it does not know yet. It holds as many paths as fail.
#[derive(Default)]
pub(super) struct Failing(HashSet<Arc<str>>);

impl Failing {
    /// The failures that a client knows after these entries.
    pub(super) fn after(entries: &[HistoryEntry]) -> Self {
        let mut failing = Self::default();
        for entry in entries {
            failing.tells(entry);
        }
        failing
    }

    /// Notes what a client reads in a snapshot.
    pub(super) fn note(&mut self, children: &[Child]) {
        let unwell = children.iter().filter(|child| child.state.is_unwell());
        self.0.extend(unwell.map(|child| Arc::from(&*child.path)));
    }

    /// Whether the client is told: of a failure, a park, a give-up or an act, and of what undoes one that it knows. The
    /// ordinary start and leave of other children are not told.
    pub(super) fn tells(&mut self, entry: &HistoryEntry) -> bool {
        if entry.kind.is_failure() {
            self.0.insert(entry.path.clone());
            return true;
        }
        match entry.kind.after() {
            Some(HistoryState::Up | HistoryState::Down | HistoryState::Gone) => self.0.remove(&entry.path),
            Some(HistoryState::Absent | HistoryState::Waiting | HistoryState::Restarting | HistoryState::Parked)
            | None => false,
        }
    }
}
