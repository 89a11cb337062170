//! The incarnations of a tree that wait for others, as long as a child of the tree is watched.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use crate::base::sync::lock;
use crate::base::thrift;
use crate::slot::activity::Activity;
use crate::slot::signals::Signals;

#[derive(Default)]
pub(crate) struct Waiters {
    /// A child is watched. Only then are waits recorded.
    is_on: AtomicBool,
    /// Incarnations that have waited for others.
    waiters: Mutex<Vec<Weak<Signals>>>,
}

impl Waiters {
    /// Whether a child of the tree is watched.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    pub(crate) fn set_on(&self, is_on: bool) {
        self.is_on.store(is_on, Ordering::Relaxed);
    }

    /// Remembers an incarnation that waits for another one for the first time.
    pub(crate) fn remember(&self, signals: &Arc<Signals>) {
        thrift::remember(&mut lock(&self.waiters), Arc::downgrade(signals));
    }

    /// The incarnations that wait for others now.
    pub(crate) fn waiting(&self) -> Vec<Arc<Signals>> {
        let waiters: Vec<_> = lock(&self.waiters).iter().filter_map(Weak::upgrade).collect();
        waiters.into_iter().filter(|signals| signals.activity().is_some_and(Activity::is_waiting)).collect()
    }

    /// How many are remembered.
    pub(crate) fn len(&self) -> usize {
        lock(&self.waiters).len()
    }
}

impl fmt::Debug for Waiters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiters").field("is_on", &self.is_on).finish_non_exhaustive()
    }
}
