//! The timer of a line of senders: one sender owns it, for itself and for the senders behind it.
//!
//! Most waits for room end long before their timer would fire, and a timer costs more than such a wait. So one sender
//! of the line has a timer, and later senders use it too: their limits end no sooner than it fires.
//!
//! Invariants:
//! 1. A sender uses the timer of another one only if that timer is of the same runtime and was set before the sender
//!    came. It must also fire no later than the sender's own timer would. Runtimes differ in pace: one may be paused,
//!    or have no thread that runs it.
//! 2. When the timer fires, or its owner drops it, the owner and the senders behind it are woken, and each sets its own
//!    timer. The timer itself wakes them: the future that owns the timer may be kept and not polled.
//! 3. A timer may fire too early: in a task that has used up its turn, tokio calls the waker and sets no timer. So an
//!    owner that is woken checks whether it still owns the line's timer. If not, its timer wakes only itself.

use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};
use std::time::Duration;

use tokio::runtime;

use crate::base::sync::lock;
use crate::slot::Slot;
use crate::slot::line::{Line, Place, Queue};

/// Time after which a sender's own timer would first fire, and the runtime of that timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timing {
    pub(crate) runtime: runtime::Id,
    pub(crate) after: Duration,
}

/// Sender that owns the timer of the line.
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

impl<M> Queue<M> {
    fn is_timekeeper(&self, place: usize) -> bool {
        self.timekeeper.is_some_and(|keeper| keeper.place == place)
    }
}

/// Ownership of the line's timer by a sender. Dropping it gives the timer up (invariant 2).
pub(crate) struct Keeping<M: Send + 'static> {
    slot: Arc<Slot<M>>,
    place: Arc<Place<M>>,
    waker: Waker,
}

impl<M: Send + 'static> Keeping<M> {
    /// Whether the sender still owns the timer: it has not fired (invariant 3).
    pub(crate) fn is_kept(&self) -> bool {
        let place = Arc::as_ptr(&self.place).addr();
        let front = lock(&self.slot.front);
        front.line.0.as_ref().is_some_and(|queue| queue.is_timekeeper(place))
    }

    /// Returns the waker that the timer calls.
    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }
}

impl<M: Send + 'static> Drop for Keeping<M> {
    fn drop(&mut self) {
        self.slot.keep_no_time(Arc::as_ptr(&self.place).addr());
    }
}

impl<M: Send + 'static> Slot<M> {
    /// Records that the sender at this place sets a timer. If the line has none yet, later senders use this one.
    pub(crate) fn keep_time(self: &Arc<Self>, place: &Arc<Place<M>>, timing: Timing) -> Option<Keeping<M>> {
        let address = Arc::as_ptr(place).addr();
        let waker = Waker::from(Arc::new(LineWaker { slot: Arc::downgrade(self), place: address }));
        let keeping = Keeping { slot: self.clone(), place: place.clone(), waker };
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

    /// Removes the line's timer from the sender at this place, if it owned it, and wakes that sender and those behind
    /// it.
    fn keep_no_time(&self, place: usize) {
        let wakers: Vec<_> = {
            let mut front = lock(&self.front);
            match &mut front.line.0 {
                Some(queue) if queue.is_timekeeper(place) => {
                    queue.timekeeper = None;
                    // No earlier sender uses it. If the owner is no longer in line, all that are left came later.
                    let at = queue.places.iter().rposition(|other| Arc::as_ptr(other).addr() == place);
                    queue.places.range(at.unwrap_or_default()..).filter_map(|place| place.take_waker()).collect()
                }
                _ => return,
            }
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// Waker of the line's timer: it wakes the senders that use the timer.
struct LineWaker<M> {
    slot: Weak<Slot<M>>,
    place: usize,
}

impl<M: Send + 'static> Wake for LineWaker<M> {
    fn wake(self: Arc<Self>) {
        if let Some(slot) = self.slot.upgrade() {
            slot.keep_no_time(self.place);
        }
    }
}
