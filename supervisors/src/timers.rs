//! The timers of a supervisor: the deadlines of its children, the earliest first.
//!
//! Invariant: at most one entry for each child. Its deadline is kept beside the child, so that no search is needed.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::children::ChildKey;

#[derive(Debug, Clone, Default)]
pub(crate) struct Timers {
    deadlines: BTreeSet<(Duration, ChildKey)>,
}

impl Timers {
    /// Replaces the deadline `before` of a child with `deadline`.
    pub(crate) fn replace(&mut self, key: ChildKey, before: Option<Duration>, deadline: Option<Duration>) {
        if let Some(before) = before {
            self.deadlines.remove(&(before, key));
        }
        self.deadlines.extend(deadline.map(|deadline| (deadline, key)));
    }

    /// Returns the earliest deadline.
    pub(crate) fn earliest(&self) -> Option<Duration> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// Returns the child with the earliest deadline, if that has come at `now`.
    pub(crate) fn due(&self, now: Duration) -> Option<ChildKey> {
        self.deadlines.first().filter(|(deadline, _)| *deadline <= now).map(|&(_, key)| key)
    }

    pub(crate) fn tables(&self) -> [(&'static str, usize); 1] {
        [("machine: timers", self.deadlines.len())]
    }
}
