//! Times of a measured service: the wait in the mailbox, the handling of a message, and the outage after an end.
//!
//! A service that did not ask for them has no [`Measure`], and pays nothing per message. The mailbox of a measured one has
//! no fast way in ([`Back::has_room_at_once`]), and its pump has an [`Activity`](crate::slot::activity::Activity) that
//! marks it.
//!
//! Invariant: messages leave a queue at its head. So the times of arrival are a queue beside it, without a place in each
//! envelope. What left the mailbox unread is noticed by the lengths of the two. A message that was put back has no time of
//! arrival, and its second wait is not measured.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::base::sync::lock;
use crate::slot::Slot;
use crate::slot::queue::{Back, Measure};
use crate::slot::signals::Signals;
use crate::slot::tally::Times;

impl Measure {
    /// Notes a message that joins `queued` others.
    pub(crate) fn came(&mut self, queued: usize, now: Instant) {
        // The pump may have taken one more a moment ago, and not handed it to the handler yet.
        self.forget_gone(queued.saturating_add(1));
        self.arrivals.push_back(now);
    }

    /// Notes that a message was taken, and `queued` others are left. With `is_new` it has not run before.
    fn took(&mut self, queued: usize, is_new: bool, now: Instant) {
        if let Some(came) = self.forget_gone(queued).filter(|_| is_new) {
            self.times.wait.record(now.saturating_duration_since(came));
        }
    }

    /// Forgets all but the arrivals of the last `queued` messages, and returns the latest of those forgotten.
    fn forget_gone(&mut self, queued: usize) -> Option<Instant> {
        let gone = self.arrivals.len().saturating_sub(queued);
        let latest = self.arrivals.drain(..gone).next_back();
        if self.arrivals.is_empty() && self.arrivals.capacity() > ROOMY {
            self.arrivals = VecDeque::new();
        }
        latest
    }

    /// Notes an end, unless the outage has begun before.
    pub(crate) fn ended(&mut self, now: Instant) {
        self.ended_at.get_or_insert(now);
    }

    /// Notes that the service is ready.
    pub(crate) fn is_ready(&mut self, now: Instant) {
        if let Some(ended_at) = self.ended_at.take() {
            self.times.restart.record(now.saturating_duration_since(ended_at));
        }
    }

    /// Returns the age of the oldest of `queued` messages.
    pub(crate) fn oldest(&self, queued: usize, now: Instant) -> Option<Duration> {
        let gone = self.arrivals.len().saturating_sub(queued);
        self.arrivals.get(gone).map(|came| now.saturating_duration_since(*came))
    }
}

/// Capacity above which an empty queue of arrivals gives its memory back.
const ROOMY: usize = 256;

impl<M> Back<M> {
    pub(crate) fn measure(&mut self) -> Option<&mut Measure> {
        self.losses.as_mut()?.measure.as_deref_mut()
    }

    /// Returns the times measured so far.
    pub(super) fn times(&self) -> Option<&Times> {
        Some(&self.losses.as_ref()?.measure.as_ref()?.times)
    }
}

impl<M: Send + 'static> Slot<M> {
    /// Notes that the handler of a measured service is about to get its message.
    pub(crate) fn note_begun(&self, signals: &Arc<Signals>) {
        let now = Instant::now();
        let mut front = lock(&self.front);
        if !front.is_owned_by(signals) {
            return;
        }
        let Some(in_hand) = &mut front.in_hand else { return };
        in_hand.spare.get_or_insert_default().begun = Some(now);
        let is_new = !front.tries.have_begun();
        let mut back = lock(&self.back);
        let queued = front.batch.len() + back.queue.len();
        if let Some(measure) = back.measure() {
            measure.took(queued, is_new, now);
        }
    }

    /// Notes that the work on a message is over, whatever its outcome.
    pub(super) fn note_done(&self, begun: Instant) {
        let time = begun.elapsed();
        if let Some(measure) = lock(&self.back).measure() {
            measure.times.handling.record(time);
        }
    }
}
