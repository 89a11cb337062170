//! The line of senders that wait for room in a mailbox, each with its message.
//!
//! As soon as a place is free, the mailbox takes the message of the first sender in line, in the same hold of the
//! locks. So no later message gets that place. A sender that stops waiting either still has its message or has none: no
//! promised place can be lost with it.
//!
//! Invariants:
//! 1. Whenever the lock of the back is held, a mailbox with a line has no room, also by the count of `Slot::front_len`.
//! 2. A line exists only in a state in which the mailbox takes messages. When that state is left, the whole line is
//!    refused.
//! 3. Order of locking: front, back, place. No waker runs and no value of the user is dropped under any of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::base::sync::lock;
use crate::error::refusal::Refusal;
use crate::slot::Slot;
use crate::slot::limit::Limit;
use crate::slot::queue::{Back, Envelope, Front};
use crate::slot::signals::Signals;
use crate::slot::timekeeper::{Timekeeper, Timing};

/// Place of a sender in the line.
pub(crate) struct Place<M> {
    standing: Mutex<PlaceState<M>>,
    /// Number of the supervisor of the waiting incarnation; 0 if no incarnation waits.
    caller: usize,
    /// Time at which the wait began.
    pub(crate) begun: Instant,
    /// Longest time that the wait may last.
    pub(crate) limit: Option<Duration>,
}

pub(super) enum PlaceState<M> {
    /// Waiting. The waker is `None` after it was called, until the sender looks again.
    Waits(Envelope<M>, Option<Waker>),
    /// The mailbox has taken the message.
    LetIn,
    Refused(Refusal, Envelope<M>),
    /// The sender has taken its message back, or has taken the outcome.
    Left,
}

/// State of a sender that waits for room, as the sender sees it.
pub(crate) enum Look<M> {
    /// Still waiting. `is_called`: the waker was called since the last look.
    Waits {
        is_called: bool,
    },
    LetIn,
    Refused(Refusal, Envelope<M>),
}

impl<M> Place<M> {
    /// Reads the state. `waker` is called when it changes.
    pub(crate) fn look(&self, waker: &Waker) -> Look<M> {
        let mut other = None;
        loop {
            let mut standing = lock(&self.standing);
            match &mut *standing {
                PlaceState::Waits(_, Some(known)) if known.will_wake(waker) => return Look::Waits { is_called: false },
                PlaceState::Waits(_, known) if other.is_some() => {
                    std::mem::swap(known, &mut other);
                    return Look::Waits { is_called: other.is_none() };
                }
                // Wakers are cloned and dropped without the lock: both may run foreign code.
                PlaceState::Waits(..) => {
                    drop(standing);
                    other = Some(waker.clone());
                }
                PlaceState::LetIn | PlaceState::Refused(..) | PlaceState::Left => {
                    return match std::mem::replace(&mut *standing, PlaceState::Left) {
                        PlaceState::LetIn => Look::LetIn,
                        PlaceState::Refused(refusal, envelope) => Look::Refused(refusal, envelope),
                        PlaceState::Waits(..) | PlaceState::Left => {
                            unreachable!("a sender that knows its outcome does not look again")
                        }
                    };
                }
            }
        }
    }

    /// Takes the waker of a waiting sender, to be called.
    pub(super) fn take_waker(&self) -> Option<Waker> {
        match &mut *lock(&self.standing) {
            PlaceState::Waits(_, waker) => waker.take(),
            PlaceState::LetIn | PlaceState::Refused(..) | PlaceState::Left => None,
        }
    }

    /// Takes the message; `None` if the sender has left.
    fn let_in(&self) -> Option<(Envelope<M>, Option<Waker>)> {
        self.take(PlaceState::LetIn)
    }

    /// Refuses the sender, if it still waits. Returns whether it did, and adds it to those that must be woken.
    fn refuse(&self, refusal: Refusal, freed: &mut Freed) -> bool {
        let mut standing = lock(&self.standing);
        match std::mem::replace(&mut *standing, PlaceState::Left) {
            PlaceState::Waits(envelope, waker) => {
                *standing = PlaceState::Refused(refusal, envelope);
                freed.wakers.extend(waker);
                true
            }
            other => {
                *standing = other;
                false
            }
        }
    }

    fn take(&self, then: PlaceState<M>) -> Option<(Envelope<M>, Option<Waker>)> {
        let mut standing = lock(&self.standing);
        match std::mem::replace(&mut *standing, then) {
            PlaceState::Waits(envelope, waker) => Some((envelope, waker)),
            other => {
                let unused = std::mem::replace(&mut *standing, other);
                debug_assert!(
                    !matches!(unused, PlaceState::Waits(..) | PlaceState::Refused(..)),
                    "it holds no message"
                );
                None
            }
        }
    }
}

impl<M: Send> crate::slot::waits::PlaceInLine for Place<M> {
    fn is_waiting(&self) -> bool {
        matches!(*lock(&self.standing), PlaceState::Waits(..))
    }
}

/// Line of a mailbox: made by the first sender that waits, and removed with the last.
pub(crate) struct Line<M>(pub(super) Option<Box<Queue<M>>>);

pub(super) struct Queue<M> {
    pub(super) places: VecDeque<Arc<Place<M>>>,
    /// Number of places that the senders have left. They are removed when they are many.
    left: usize,
    /// Time of the last log line about senders that have no path.
    told: Option<Instant>,
    /// Sender that owns the timer, which also wakes the senders behind it.
    pub(super) timekeeper: Option<Timekeeper>,
}

impl<M> Line<M> {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the callers of the senders in line.
    pub(crate) fn callers(&self) -> impl Iterator<Item = usize> {
        self.0.iter().flat_map(|queue| queue.places.iter().map(|place| place.caller))
    }

    /// Number of senders that wait.
    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.places.len() - queue.left)
    }

    fn push(&mut self, place: Arc<Place<M>>) {
        let new = || Box::new(Queue { places: VecDeque::new(), left: 0, told: None, timekeeper: None });
        self.0.get_or_insert_with(new).places.push_back(place);
    }

    /// Takes the message of the first sender that still waits.
    fn first(&mut self) -> Option<(Envelope<M>, Option<Waker>)> {
        let queue = self.0.as_mut()?;
        let mut first = None;
        while first.is_none()
            && let Some(place) = queue.places.pop_front()
        {
            first = place.let_in();
            queue.left -= usize::from(first.is_none());
        }
        self.close_up();
        first
    }

    /// Records that a sender has left its place.
    fn note_left(&mut self) {
        let Some(queue) = &mut self.0 else { return };
        queue.left += 1;
        if queue.left > queue.places.len() / 2 {
            queue.places.retain(|place| matches!(*lock(&place.standing), PlaceState::Waits(..)));
            queue.left = 0;
        }
        self.close_up();
    }

    fn close_up(&mut self) {
        if self.0.as_ref().is_some_and(|queue| queue.places.len() == queue.left) {
            self.0 = None;
        }
    }
}

/// Senders that have been let in or refused, and must be woken when no lock is held.
///
/// A busy pump wakes them when it next yields.
#[derive(Default)]
pub(crate) struct Freed {
    wakers: Vec<Waker>,
    /// Incarnation that sleeps, and now has a message.
    signals: Option<Arc<Signals>>,
}

impl Freed {
    #[inline]
    pub(crate) fn flush(&mut self) {
        // There is seldom a line.
        if !self.wakers.is_empty() || self.signals.is_some() {
            self.wake();
        }
    }

    #[inline(never)]
    fn wake(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
        if let Some(signals) = self.signals.take() {
            signals.wake();
        }
    }
}

impl Drop for Freed {
    #[inline]
    fn drop(&mut self) {
        self.flush();
    }
}

/// Outcome of joining the line.
pub(crate) enum Joined<M> {
    Waits {
        place: Arc<Place<M>>,
        /// Whether the timer of an earlier sender also wakes this one.
        is_timed: bool,
    },
    /// There was room after all.
    Accepted,
    Refused(Refusal, Envelope<M>),
}

impl<M: Send + 'static> Slot<M> {
    /// Joins the line for room, or puts the message in at once if there is room. `caller` is the number of the
    /// supervisor of the waiting incarnation; 0 for none. `timing` returns the timer of a wait with a given limit.
    pub(crate) fn join_line(
        &self,
        envelope: Envelope<M>,
        limit: Limit,
        caller: usize,
        waker: Waker,
        timing: impl FnOnce(Option<Duration>) -> Option<Timing>,
    ) -> Joined<M> {
        let begun = Instant::now();
        let mut front = lock(&self.front);
        let mut back = lock(&self.back);
        if let Some(refusal) = back.refusal(true) {
            drop((back, front));
            self.count_refusal(refusal);
            return Joined::Refused(refusal, envelope);
        }
        if back.has_room(front.batch.len()) {
            let signals = back.accept_with_time(envelope, front.batch.len());
            drop((back, front));
            if let Some(signals) = signals {
                signals.wake();
            }
            return Joined::Accepted;
        }
        let limit = match limit {
            Limit::OfMailbox => back.settings().room_wait,
            Limit::None => None,
        };
        let standing = Mutex::new(PlaceState::Waits(envelope, Some(waker)));
        let place = Arc::new(Place { standing, caller, begun, limit });
        let is_timed = front.line.is_timed(timing(limit));
        front.line.push(place.clone());
        Joined::Waits { place, is_timed }
    }

    /// Takes the message back, unless the mailbox has taken it or its sender has been refused.
    pub(crate) fn leave_line(&self, place: &Place<M>) -> Option<Envelope<M>> {
        let taken = {
            let mut front = lock(&self.front);
            let taken = place.take(PlaceState::Left);
            if taken.is_some() {
                front.line.note_left();
            }
            taken
        };
        taken.map(|(envelope, _waker)| envelope)
    }

    /// Number of senders that wait for room.
    pub(crate) fn waiting_for_room(&self) -> usize {
        lock(&self.front).line.len()
    }

    /// Whether to log a sender that has no path. All of them together are logged once per `pause`.
    pub(crate) fn is_to_be_told(&self, pause: Duration) -> bool {
        let (now, mut front) = (Instant::now(), lock(&self.front));
        let Some(queue) = &mut front.line.0 else { return true };
        let is_due = queue.told.is_none_or(|told| now.saturating_duration_since(told) >= pause);
        if is_due {
            queue.told = Some(now);
        }
        is_due
    }

    /// Takes messages from the line while there is room (invariant 1).
    pub(super) fn let_in(&self, front: &mut Front<M>, back: &mut Back<M>, freed: &mut Freed) {
        while !front.line.is_empty() && back.has_room(front.batch.len()) {
            let Some((envelope, waker)) = front.line.first() else { return };
            freed.wakers.extend(waker);
            if let Some(signals) = back.accept_with_time(envelope, front.batch.len()) {
                freed.signals = Some(signals);
            }
        }
    }

    /// Refuses every sender in line (invariant 2).
    pub(super) fn refuse_line(&self, front: &mut Front<M>, back: &mut Back<M>, refusal: Refusal, freed: &mut Freed) {
        if let Some(queue) = front.line.0.take() {
            let refused = queue.places.iter().filter(|place| place.refuse(refusal, freed)).count();
            back.note_refused(refusal, refused);
        }
    }

    /// Refuses the senders in line that have a caller for which `is_one` is true, and returns their number.
    pub(super) fn refuse_in_line(
        &self,
        front: &mut Front<M>,
        is_one: impl Fn(usize) -> bool,
        refusal: Refusal,
        freed: &mut Freed,
    ) -> usize {
        let Some(queue) = &mut front.line.0 else { return 0 };
        let refused = queue.places.iter().filter(|place| is_one(place.caller) && place.refuse(refusal, freed)).count();
        queue.places.retain(|place| matches!(*lock(&place.standing), PlaceState::Waits(..)));
        queue.left = 0;
        front.line.close_up();
        refused
    }

    /// Makes an empty list of senders to be woken.
    pub(crate) fn freed(&self) -> Freed {
        Freed::default()
    }
}
