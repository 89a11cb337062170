//! Wakes the tasks that wait for a tree to be ready.

use tokio::sync::Notify;

/// Wakes the tasks that wait for a tree to be ready. Each slot knows whether its child is required.
#[derive(Default)]
pub(crate) struct Required {
    /// Notified when the set of required children changes, and when one of them goes down.
    pub(super) changed: Notify,
}

impl Required {
    /// Wakes the waiting tasks, as the set of required children or the state of one has changed.
    pub(crate) fn wake(&self) {
        self.changed.notify_waiters();
    }
}
