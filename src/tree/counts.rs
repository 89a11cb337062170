//! Counters of a tree as a whole: what no single service counts.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::event::act::ActKind;

/// Counters of a tree. Each is raised at a rare event.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) reloads_applied: Count,
    pub(crate) reloads_refused: Count,
    /// Events that subscribers lost because they were too slow.
    pub(crate) events_missed: Count,
    /// Messages refused by services that are gone.
    pub(crate) refused_by_gone: Count,
    /// Whether a reader has asked for restart budgets. Before that, no supervisor notes what is left of its own.
    are_budgets_read: AtomicBool,
    /// In the order of [`ActKind::ALL`].
    acts: [Acts; ActKind::ALL.len()],
}

#[derive(Debug, Default)]
struct Acts {
    done: Count,
    refused: Count,
}

/// Counter that only rises.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counts {
    /// Begins to note restart budgets.
    pub(crate) fn read_budgets(&self) {
        self.are_budgets_read.store(true, Ordering::Relaxed);
    }

    pub(crate) fn are_budgets_read(&self) -> bool {
        self.are_budgets_read.load(Ordering::Relaxed)
    }

    /// Counts an act of an operator.
    #[allow(dead_code, reason = "only the admin source carries acts out, and it is a feature")]
    pub(crate) fn note_act(&self, kind: ActKind, is_done: bool) {
        let Acts { done, refused } = &self.acts[kind as usize];
        if is_done { done.add(1) } else { refused.add(1) }
    }

    /// Returns each act with the numbers of those that were done and refused.
    pub(crate) fn acts(&self) -> impl Iterator<Item = (&'static str, u64, u64)> + '_ {
        ActKind::ALL
            .iter()
            .zip(&self.acts)
            .map(|(kind, Acts { done, refused })| (kind.word(), done.get(), refused.get()))
    }
}
