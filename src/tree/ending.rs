//! The end of a tree: the orders for it, and the faults on the way.
//!
//! Invariant: names are noted from the order to shut down on, or from the moment at which the root begins to end.
//! Earlier ends belong to a running tree.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use regrow_supervisors::Exit;
use tokio::sync::Notify;

use crate::base::name::is_below;
use crate::base::sync::lock;
use crate::error::gave_up::GaveUp;

#[derive(Default)]
pub(crate) struct Ending {
    /// Whether the tree was asked to end, or ends: readiness is off.
    is_draining: AtomicBool,
    /// Whether names are noted (the invariant).
    is_noting: AtomicBool,
    /// Whether the limit of a bounded shutdown is reached. A supervisor that is killed then kills all its children at
    /// once.
    is_hurried: AtomicBool,
    /// Whether the root is ending, so that nothing that ends now comes back.
    is_ending: AtomicBool,
    /// Notified when the root begins to end.
    pub(crate) begins: Arc<Notify>,
    notes: Mutex<Notes>,
}

/// The notes about the end, for the report.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes {
    pub(crate) gave_up: Option<Arc<GaveUp>>,
    pub(crate) given_up: Vec<Arc<GaveUp>>,
    pub(crate) failed: Vec<StopFailure>,
    pub(crate) killed: Vec<Arc<str>>,
    pub(crate) unasked: Vec<Arc<str>>,
    pub(crate) abandoned: Vec<Arc<str>>,
    /// Time at which the root began to end. `over`: time at which it was over.
    pub(crate) began: Option<Duration>,
    pub(crate) over: Option<Duration>,
}

/// A child that ended by its own fault while its tree stopped.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StopFailure {
    /// The child's full path.
    pub path: Arc<str>,
    /// Its exit.
    pub exit: Exit,
}

impl fmt::Display for StopFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.path, self.exit)
    }
}

impl Notes {
    fn add_abandoned(&mut self, path: &Arc<str>) {
        self.killed.retain(|killed| killed != path);
        self.unasked.retain(|killed| killed != path);
        self.abandoned.push(path.clone());
    }

    /// Notes a kill. An abandoned child is named as abandoned alone.
    fn add_killed(&mut self, path: &Arc<str>, is_unasked: bool) {
        if !self.abandoned.contains(path) {
            let names = if is_unasked { &mut self.unasked } else { &mut self.killed };
            names.push(path.clone());
        }
    }
}

impl Ending {
    pub(crate) fn begin_to_drain(&self) {
        self.is_draining.store(true, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// Begins to note names, as a shutdown is ordered.
    pub(crate) fn begin_to_note(&self) {
        self.begin_to_drain();
        self.is_noting.store(true, Ordering::Release);
    }

    pub(crate) fn is_noting(&self) -> bool {
        self.is_noting.load(Ordering::Acquire)
    }

    pub(crate) fn hurry(&self) {
        self.is_hurried.store(true, Ordering::Release);
    }

    pub(crate) fn is_hurried(&self) -> bool {
        self.is_hurried.load(Ordering::Acquire)
    }

    /// Marks the root as ending. Returns `false` if it was marked already.
    pub(crate) fn begin(&self, now: Duration) -> bool {
        self.begin_to_note();
        let is_new = !self.is_ending.swap(true, Ordering::AcqRel);
        if is_new {
            lock(&self.notes).began = Some(now);
        }
        is_new
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.is_ending.load(Ordering::Acquire)
    }

    pub(crate) fn is_over(&self, now: Duration) {
        lock(&self.notes).over.get_or_insert(now);
    }

    pub(crate) fn notes(&self) -> Notes {
        lock(&self.notes).clone()
    }

    /// Notes that the root gave up.
    pub(crate) fn gave_up(&self, gave_up: Arc<GaveUp>) {
        lock(&self.notes).gave_up.get_or_insert(gave_up);
    }

    pub(crate) fn root_gave_up(&self) -> Option<Arc<GaveUp>> {
        lock(&self.notes).gave_up.clone()
    }

    /// Notes a child that had ended for good before the tree stopped.
    pub(crate) fn given_up(&self, given_up: &Arc<GaveUp>) {
        self.note(|notes| notes.given_up.push(given_up.clone()));
    }

    /// Notes a child that was asked to stop, and ended by a kill.
    pub(crate) fn killed(&self, path: &Arc<str>) {
        self.note(|notes| notes.add_killed(path, false));
    }

    /// Notes a child that was killed before it was asked to stop.
    pub(crate) fn killed_unasked(&self, path: &Arc<str>) {
        self.note(|notes| notes.add_killed(path, true));
    }

    /// Notes an abandoned life. The supervisors above it only waited for it.
    pub(crate) fn abandoned(&self, path: &Arc<str>) {
        self.note(|notes| {
            notes.abandoned.retain(|above| !is_below(path, above));
            notes.add_abandoned(path);
        });
    }

    /// Notes an abandoned supervisor, unless an abandoned child below it is named: the supervisor only waited for that
    /// one.
    pub(crate) fn abandoned_supervisor(&self, path: &Arc<str>) {
        self.note(|notes| {
            if !notes.abandoned.iter().any(|below| is_below(below, path)) {
                notes.add_abandoned(path);
            }
        });
    }

    /// Notes a child that ended by its own fault. An abandoned child counts as killed, and is named as abandoned.
    pub(crate) fn failed(&self, path: &Arc<str>, exit: &Exit) {
        self.note(|notes| {
            if !(matches!(exit, Exit::Killed) && notes.abandoned.contains(path)) {
                notes.failed.push(StopFailure { path: path.clone(), exit: exit.clone() });
            }
        });
    }

    fn note(&self, note: impl FnOnce(&mut Notes)) {
        if self.is_noting() {
            note(&mut lock(&self.notes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Found by CI on a busy machine: the root had cut off what hung, and the supervisor between them found nothing to
    // cut off.
    #[test]
    fn a_supervisor_that_only_waited_is_not_named_whatever_is_told_first() {
        let [leaf, above] = ["app/sub/stuck", "app/sub"].map(Arc::<str>::from);
        for is_leaf_first in [true, false] {
            let ending = Ending::default();
            ending.begin_to_note();
            if is_leaf_first {
                ending.abandoned(&leaf);
            }
            ending.abandoned_supervisor(&above);
            if !is_leaf_first {
                ending.abandoned(&leaf);
            }
            assert_eq!(*ending.notes().abandoned, *std::slice::from_ref(&leaf));
        }
        let ending = Ending::default();
        ending.begin_to_note();
        ending.abandoned(&"app/submarine".into());
        ending.abandoned_supervisor(&above);
        assert_eq!(ending.notes().abandoned.len(), 2, "names that begin alike are not below each other");
    }
}
