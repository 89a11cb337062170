//! The sender in a line that keeps the time for those behind it.
//!
//! Most waits for room end long before any timer of theirs rings, and a timer costs more than such a wait. So one sender
//! has a timer, and those that come later lean on it: their time is not up before it rings.
//!
//! Invariants:
//! 1. A sender leans on a timer only if that is one of its own runtime, was set before it came, and rings after no longer a
//!    time than its own would. Runtimes need not go at the same pace: one may be paused, or have no thread that runs it.
//! 2. When the timer rings, or its owner gives it up, the owner and those behind it are called, and each sets a timer of its
//!    own. The ring itself calls them: the future that owns the timer may be kept and not polled.
//! 3. A ring may come too early: tokio calls a waker, in place of setting a timer, in a task that has had its share. So an
//!    owner that is called looks whether it still keeps the time, and if not, its timer calls it alone.

use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};
use std::time::Duration;

use tokio::runtime;

use crate::slot::Slot;
use crate::slot::line::{Line, Place, Queue};
use crate::sync::lock;

/// When the first timer of a sender would ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timing {
    pub(crate) runtime: runtime::Id,
    pub(crate) after: Duration,
}

/// The sender that keeps the time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timekeeper {
    /// The address of its place, which outlives its timer.
    place: usize,
    timing: Timing,
}

impl<M> Line<M> {
    /// Whether one that comes now can lean on the timer of another (invariant 1).
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

/// What the sender that keeps the time holds. Dropping it is the end of that (invariant 2).
pub(crate) struct Keeping<M: Send + 'static> {
    slot: Arc<Slot<M>>,
    place: Arc<Place<M>>,
    bell: Waker,
}

impl<M: Send + 'static> Keeping<M> {
    /// Whether no ring has ended it (invariant 3).
    pub(crate) fn is_kept(&self) -> bool {
        let place = Arc::as_ptr(&self.place).addr();
        let front = lock(&self.slot.front);
        front.line.0.as_ref().is_some_and(|queue| queue.is_timekeeper(place))
    }

    /// What its timer is to call.
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
    /// The sender at this place sets a timer now. If none keeps the time yet, those that come later lean on it.
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

    /// The sender at this place keeps the time no longer, if it did: that sender and those behind it are called.
    fn keep_no_time(&self, place: usize) {
        let wakers: Vec<_> = {
            let mut front = lock(&self.front);
            match &mut front.line.0 {
                Some(queue) if queue.is_timekeeper(place) => {
                    queue.timekeeper = None;
                    // None that came before leans on it; if it is not in line any more, all came later.
                    let at = queue.places.iter().rposition(|other| Arc::as_ptr(other).addr() == place);
                    queue.places.range(at.unwrap_or_default()..).filter_map(|place| place.take_waker()).collect()
                }
                _ => return,
            }
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// Rings when the time is up of the sender that keeps it.
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
