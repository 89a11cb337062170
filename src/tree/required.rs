//! The required children of a tree: wakes the tasks that wait for them, and knows whether all were ready once.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Wakes the tasks that wait for a tree to be ready. Each slot knows whether its child is required.
#[derive(Default)]
pub(crate) struct Required {
    /// Notified when the set of required children changes, and when one of them goes down.
    pub(super) changed: Notify,
    /// Whether all of them were seen ready at the same time, once.
    were_ready: AtomicBool,
}

impl Required {
    /// Wakes the waiting tasks, as the set of required children or the state of one has changed.
    pub(crate) fn wake(&self) {
        self.changed.notify_waiters();
    }

    /// Remembers that all were seen ready.
    pub(crate) fn note_ready(&self) {
        self.were_ready.store(true, Ordering::Release);
    }

    /// Whether all were seen ready at the same time, now or earlier.
    pub(crate) fn were_ready(&self) -> bool {
        self.were_ready.load(Ordering::Acquire)
    }
}
