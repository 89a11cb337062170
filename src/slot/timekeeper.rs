//! The timer of a line of senders: one sender has it, for itself and for the senders behind it.
//!
//! Most waits for room end long before their timer would ring, and a timer costs more than such a wait. So one sender of
//! the line has a timer, and senders that come later use it, too: their own limits end no sooner than it rings.
//!
//! Invariants:
//! 1. A sender leans on the timer of another only if the timer is of the same runtime, was set before the sender came, and
//!    rings no later than its own timer would. Runtimes differ in pace: one may be paused, or have no thread that runs it.
//! 2. When the timer rings, or its owner drops it, all waiting senders are woken, and each sets its own timer. The ring
//!    itself wakes them: the future that owns the timer may be kept and not polled.

use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};
use std::time::Duration;

use tokio::runtime;

use crate::slot::Slot;
use crate::slot::line::{Line, Place};
use crate::sync::lock;

/// The time after which a sender's own timer would first ring, and the runtime of that timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timing {
    pub(crate) runtime: runtime::Id,
    pub(crate) after: Duration,
}

/// The sender that owns the timer of the line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timekeeper {
    /// Address of its place in the line, which lives longer than the timer.
    place: usize,
    timing: Timing,
}

impl<M> Line<M> {
    /// Whether a sender that comes now can use the timer of the line (invariant 1).
    pub(super) fn is_timed(&self, timing: Option<Timing>) -> bool {
        let timekeeper = self.0.as_ref().and_then(|queue| queue.timekeeper);
        timekeeper.zip(timing).is_some_and(|(keeper, timing)| {
            keeper.timing.runtime == timing.runtime && keeper.timing.after <= timing.after
        })
    }
}

/// Held by the sender that owns the timer. Its drop gives the timer up (invariant 2).
pub(crate) struct Keeping<M: Send + 'static> {
    slot: Arc<Slot<M>>,
    place: Arc<Place<M>>,
    bell: Waker,
}

impl<M: Send + 'static> Keeping<M> {
    /// The waker that its timer calls.
    pub(crate) fn bell(&self) -> &Waker {
        &self.bell
    }
}

impl<M: Send + 'static> Drop for Keeping<M> {
    fn drop(&mut self) {
        self.slot.keep_no_time(Arc::as_ptr(&self.place).addr());
    }
}

impl<M: Send + 'static> Slot<M> {
    /// Notes that the sender at this place sets a timer. If the line has none yet, later senders use this one.
    pub(crate) fn keep_time(self: &Arc<Self>, place: &Arc<Place<M>>, timing: Timing) -> Option<Keeping<M>> {
        let address = Arc::as_ptr(place).addr();
        let bell = Waker::from(Arc::new(Bell { slot: Arc::downgrade(self), place: address }));
        let keeping = Keeping { slot: self.clone(), place: place.clone(), bell };
        let is_kept = {
            let mut front = lock(&self.front);
            match &mut front.line.0 {
                Some(queue) if queue.timekeeper.is_none() => {
                    queue.timekeeper = Some(Timekeeper { place: address, timing });
                    true
                }
                _ => false,
            }
        };
        is_kept.then_some(keeping)
    }

    /// Takes the line's timer from the sender at this place, if it owned it, and wakes all waiting senders.
    fn keep_no_time(&self, place: usize) {
        let wakers: Vec<_> = {
            let mut front = lock(&self.front);
            match &mut front.line.0 {
                Some(queue) if queue.timekeeper.is_some_and(|keeper| keeper.place == place) => {
                    queue.timekeeper = None;
                    queue.places.iter().filter_map(|place| place.take_waker()).collect()
                }
                _ => return,
            }
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// Waker of the line's timer: it wakes all waiting senders.
struct Bell<M> {
    slot: Weak<Slot<M>>,
    place: usize,
}

impl<M: Send + 'static> Wake for Bell<M> {
    fn wake(self: Arc<Self>) {
        if let Some(slot) = self.slot.upgrade() {
            slot.keep_no_time(self.place);
        }
    }
}
