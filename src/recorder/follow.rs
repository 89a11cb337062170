//! Readers that wait for the next entry. While there is none, an entry costs one look at a counter.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The readers that wait for entries of one recorder.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    count: AtomicUsize,
    noted: Notify,
}

#[cfg_attr(not(feature = "admin"), allow(dead_code, reason = "only the admin source follows, and it is a feature"))]
impl Followers {
    /// Counts a reader, before it reads for the first time.
    pub(crate) fn begin(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends what `begin` began.
    pub(crate) fn end(&self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }

    /// Notified after each entry. A reader enables its wait, reads the rings, and then waits.
    pub(crate) fn noted(&self) -> &Notify {
        &self.noted
    }

    /// Wakes the readers.
    pub(super) fn wake(&self) {
        // A reader is counted before it reads the rings. So one that has missed an entry was counted when the lock of the
        // rings was taken for that entry, and this look comes after that.
        if self.count.load(Ordering::Relaxed) > 0 {
            self.noted.notify_waiters();
        }
    }
}
