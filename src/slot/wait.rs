//! Waits of a service for another one, inside a `call` or a `send`: time that the watchdog does not count.
//!
//! A future that is kept and not polled waits for nothing, and its end is not announced. So the watchdog probes an open
//! wait: it wakes its waker, and code that awaits the wait then polls it. Such a wake does no harm; every future must
//! tolerate one.
//!
//! Invariants:
//! 1. A wait is open while code of the incarnation that began it is in it. A wait that is moved to a task belongs to
//!    that task.
//! 2. Waits that overlap (`join!`, `select!`) count once: time is waited while at least one is open.
//! 3. A wait belongs to the message in which it was last polled. It does not count for later messages.
//! 4. A wait that was not polled in two whole polls of its incarnation, after it was probed, is kept and not awaited.
//!    It ended at the time of the first unanswered probe: up to one look late, and never early.
//! 5. No waker is called, cloned or dropped under the lock of the waits, and no service or call is dropped under it.

use std::sync::Arc;
use std::task::Waker;

use tokio::time::Instant;

use crate::base::sync::lock;
use crate::slot::current::{self, Caller};
use crate::slot::signals::Signals;
use crate::slot::waits::{Known, WaitsOn};

/// Wait for another service. Dropping it ends the wait.
#[derive(Default)]
pub(crate) struct Wait {
    /// Address of the signals of the incarnation that began it; 0 if it is not recorded.
    of: usize,
    /// Signals of the incarnation and number of the wait, while it is open.
    open: Option<(Arc<Signals>, u64)>,
}

impl Wait {
    /// Makes a wait of this code. It is recorded only for code of a service, in a tree with a watched child.
    #[inline]
    pub(crate) fn of(caller: Caller) -> Self {
        Self { of: if caller.is_watched { caller.signals } else { 0 }, open: None }
    }

    #[inline]
    pub(crate) fn is_recorded(&self) -> bool {
        self.of != 0
    }

    /// Records that the wait was polled with this waker and goes on. `on` returns what is waited for.
    pub(crate) fn goes_on(&mut self, is_limited: bool, waker: &Waker, on: impl FnOnce() -> WaitsOn) {
        // Invariant 1.
        let mine = current::lent(|signals| (signals.address() == self.of).then(|| signals.clone()));
        let Some(signals) = mine.flatten() else { return self.ends() };
        let message = signals.message_in_hand();
        let (activity, now) = (signals.activity_or_new(), Instant::now());
        if let Some((_, number)) = self.open {
            let rest = lock(&activity.waits).leave_behind(message, now);
            rest.settle();
            if lock(&activity.waits).goes_on(number, waker) {
                return;
            }
            let mut other = Known::Own(waker.clone());
            if lock(&activity.waits).set_waker(number, &mut other) {
                return;
            }
        }
        // It was not open yet, or was found to be kept.
        let (on, waker) = (on(), waker.clone());
        let (number, rest) = {
            let mut waits = lock(&activity.waits);
            let rest = waits.leave_behind(message, now);
            (waits.open(on, is_limited, message, waker, now), rest)
        };
        rest.settle();
        if number == 1
            && let Some(tree) = signals.home().and_then(|home| home.tree())
        {
            tree.remember_waiter(&signals);
        }
        self.open = Some((signals, number));
    }

    /// Ends the wait. A later poll opens it again.
    #[inline]
    pub(crate) fn ends(&mut self) {
        if let Some((signals, number)) = self.open.take() {
            Self::close(&signals, number);
        }
    }

    fn close(signals: &Signals, number: u64) {
        let Some(activity) = signals.activity() else { return };
        let now = Instant::now();
        let closed = lock(&activity.waits).close(number, now);
        drop(closed);
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.ends();
    }
}
