//! The end of a service that has nothing to do: its mailbox is found empty and closed in one hold of the locks.
//!
//! Invariant: a message is either in the mailbox before the hold, and then the mailbox stays open, or it comes after the
//! hold and is refused. No accepted message is shed by such an end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use regrow_supervisors::Exit;

use crate::base::sync::lock;
use crate::slot::Slot;
use crate::slot::bar::Bar;
use crate::slot::settings::Settings;
use crate::slot::signals::Signals;
use crate::slot::status::ServiceState;

impl<M: Send + 'static> Slot<M> {
    /// Closes the mailbox and lets the incarnation end normally, if no message waits. A message in hand does not
    /// count. `false`, and nothing has changed, if a message waits, if the incarnation is not up, or if its supervisor
    /// would start the service again.
    pub(crate) fn stop_if_idle(&self, signals: &Arc<Signals>) -> bool {
        let fails = signals.chosen().is_some_and(|exit| exit.is_abnormal());
        if signals.comes_back() || fails {
            return false;
        }
        // Read before the bar: a termination sets the bar first. Of an incarnation that is stopped without being
        // terminated, its supervisor decides whether another one follows, which has the messages.
        let is_stopped = signals.is_told_to_stop();
        let before = {
            let front = lock(&self.front);
            let mut back = lock(&self.back);
            let is_open = match back.bar {
                None => !is_stopped,
                // It is being terminated, and takes no more messages already.
                Some(Bar::Dismissed) => true,
                Some(Bar::Withdrawn(_)) => false,
            };
            let is_empty = front.batch.is_empty() && back.queue.is_empty() && front.line.is_empty();
            let is_here = front.is_owned_by(signals) && back.state == ServiceState::Up;
            if !(is_open && is_empty && is_here) {
                return false;
            }
            back.bar.replace(Bar::Dismissed)
        };
        drop(before);
        signals.leave(Exit::Normal);
        // The status is the same, but tasks that wait for it are refused from now on.
        self.publish();
        true
    }

    /// Whether the reply to a message that was handled is still to come. A service that owes one is not idle.
    pub(crate) fn owes_a_reply(&self) -> bool {
        let deferred = lock(&self.front).deferred.clone();
        // A call may be dropped here, so the lock is free.
        deferred
            .into_iter()
            .flat_map(|deferred| *deferred)
            .any(|call| call.upgrade().is_some_and(|call| call.is_open()))
    }

    /// Time without a message after which the incarnation ends.
    #[inline]
    pub(crate) fn idle_limit(&self) -> Option<Duration> {
        if self.has_idle_limit.load(Ordering::Relaxed) { lock(&self.back).settings().idle_after } else { None }
    }

    pub(super) fn note_idle_limit(&self, settings: Settings) {
        self.has_idle_limit.store(settings.idle_after.is_some(), Ordering::Relaxed);
    }
}
