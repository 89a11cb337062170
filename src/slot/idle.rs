//! The end of a service that has nothing to do: its mailbox is found empty and closed in one hold of the locks.
//!
//! Invariant: a message is either in the mailbox before the hold, and then the mailbox stays open, or it comes after the
//! hold and is refused. No accepted message is shed by such an end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
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
    /// count. `false`, and nothing has changed, if a message waits, if the incarnation is not up or was asked to stop, or
    /// if its supervisor would start the service again.
    pub(crate) fn stop_if_idle(&self, signals: &Arc<Signals>) -> bool {
        let fails = signals.chosen().is_some_and(|exit| exit.is_abnormal());
        // A service that is asked to stop may be started again with its group, and its mailbox stays open for that. The
        // same holds for one that has chosen to fail.
        if signals.comes_back() || signals.is_told_to_stop() || fails {
            return false;
        }
        let before = {
            let front = lock(&self.front);
            let mut back = lock(&self.back);
            let is_open = match back.bar {
                None => true,
                // It is being terminated, and takes no more messages already.
                Some(Bar::Dismissed) => true,
                Some(Bar::Withdrawn(_)) => false,
            };
            // While it is held, messages are on their way to it.
            let is_empty = !back.is_held() && front.batch.is_empty() && back.queue.is_empty() && front.line.is_empty();
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

    /// Ready when the pump has something to do. Otherwise the next sender wakes the pump, and so does the end of a hold.
    pub(crate) fn poll_work(&self, signals: &Arc<Signals>) -> Poll<()> {
        let front = lock(&self.front);
        if signals.is_signalled() || !front.is_owned_by(signals) { Poll::Ready(()) } else { self.poll_queued(&front) }
    }

    /// Whether the reply to a message that was handled is still to come. A service that owes one is not idle.
    pub(crate) fn owes_a_reply(&self) -> bool {
        let deferred = lock(&self.front).rare.as_ref().map(|rare| rare.deferred.clone());
        // A call may be dropped here, so the lock is free.
        deferred.into_iter().flatten().any(|call| call.upgrade().is_some_and(|call| call.is_open()))
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
