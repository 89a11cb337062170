//! Wakes those that wait for a tree to be ready.

use tokio::sync::Notify;

/// The bell of those that wait for a tree to be ready. Each slot knows whether its child counts.
#[derive(Default)]
pub(crate) struct Required {
    /// Rung when one more counts, or one less, and when one goes down.
    pub(super) changed: Notify,
}

impl Required {
    /// Whether a child counts, or how it stands, has changed: those that wait for all to be ready look again.
    pub(crate) fn ring(&self) {
        self.changed.notify_waiters();
    }
}
