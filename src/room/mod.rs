//! The wait for room in a full mailbox: of a `send`, of a `call` before it is sent, and of their blocking kin.
//!
//! | file | idea |
//! |---|---|
//! | `mod.rs` | the wait: stand in line, be let in, refused, or out of time |
//! | `alarm.rs` | its time limit, with and without a runtime |
//! | `circle.rs` | which incarnation waits for room where, and the circles that would close |
//!
//! Invariants:
//! 1. A sender stands in line from its first poll on, and not before. One that is dropped before the mailbox has taken its
//!    message takes the message with it.
//! 2. A limit that is over and a place that becomes free at the same time end in one of the two: the line decides.
//! 3. Nothing here happens to a message that finds room.

mod alarm;
mod circle;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::call::Fate;
use crate::current::{self, Caller};
use crate::error::Refusal;
use crate::log::{line, millis};
use crate::slot::line::{Joined, Look, Place};
use crate::slot::queue::Envelope;
use crate::slot::timekeeper::{Keeping, Timing};
use crate::slot::{AnySlot, IfFull, Push, Slot};
use crate::watchdog::{Wait, WaitsOn, What};
use alarm::Alarm;
use circle::Entry;
pub(crate) use circle::{RoomWait, Rooms};

/// A wait for room that is longer is told in the log and by `why`.
pub(crate) const LONG: Duration = Duration::from_secs(1);

/// A message that waits for room in a mailbox: done when the mailbox has taken it, or has not.
pub(crate) struct ForRoom<M: Send + 'static> {
    slot: Arc<Slot<M>>,
    stage: Stage<M>,
    /// How long it waits; the mailbox's own limit is looked up when the wait begins.
    limit: Limit,
    alarm: Option<Alarm>,
    /// Whether it uses the timer of another sender, and has set none itself yet.
    leans: bool,
    /// Present while its timer is the one of the line.
    keeping: Option<Keeping<M>>,
    /// Not in the log yet.
    is_news: bool,
    is_blocking: bool,
    entry: Option<Entry>,
    wait: Wait,
}

enum Stage<M> {
    Unsent(Envelope<M>),
    InLine(Arc<Place<M>>),
    Done,
}

/// How long a sender waits for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    OfMailbox,
    None,
}

/// Why the mailbox has not taken the message, and the message.
pub(crate) type Refused<M> = (Refusal, M);

impl<M: Send + 'static> ForRoom<M> {
    pub(crate) fn new(slot: &Arc<Slot<M>>, message: M, call: Option<Arc<dyn Fate>>, limit: Limit) -> Box<Self> {
        Box::new(Self {
            slot: slot.clone(),
            stage: Stage::Unsent(Envelope { message, call }),
            limit,
            alarm: None,
            leans: false,
            keeping: None,
            is_news: true,
            is_blocking: false,
            entry: None,
            wait: Wait::default(),
        })
    }

    fn rest(&mut self) {
        self.alarm = None;
        self.keeping = None;
        self.entry = None;
        self.wait.ends();
    }

    /// Comes to the end of the line.
    fn join(&mut self, cx: &Context<'_>) -> Poll<Result<(), Refused<M>>> {
        let Stage::Unsent(envelope) = std::mem::replace(&mut self.stage, Stage::Done) else {
            unreachable!("it joins once, with its message")
        };
        let caller = Caller::here();
        if caller.signals != 0 && self.slot.is_home_of(caller.signals) {
            // There may be room by now; a service may have sent to itself before it read.
            let from = if envelope.call.is_some() { caller.signals } else { 0 };
            return Poll::Ready(match self.slot.push(envelope.message, envelope.call, from, IfFull::Refuse) {
                Push::Accepted => Ok(()),
                Push::Refused(Refusal::Full, message, _) => Err((Refusal::ToItself, message)),
                Push::Refused(refusal, message, _) => Err((refusal, message)),
            });
        }
        let limit = match self.limit {
            Limit::OfMailbox => self.slot.settings().room_wait,
            Limit::None => None,
        };
        let timing = self.timing(limit);
        match self.slot.join_line(envelope, caller.supervisor, cx.waker(), timing) {
            Joined::Accepted => return Poll::Ready(Ok(())),
            Joined::Refused(refusal, envelope) => return Poll::Ready(Err((refusal, envelope.message))),
            Joined::Waits { place, is_timed: true } => {
                self.alarm = Some(Alarm::leaning(limit));
                self.stage = Stage::InLine(place);
                self.leans = true;
            }
            Joined::Waits { place, is_timed: false } => {
                let alarm = Alarm::new(limit, self.is_blocking);
                if let Some(timing) = timing.filter(|_| alarm.is_of_runtime()) {
                    self.keeping = self.slot.keep_time(&place, timing);
                }
                self.alarm = Some(alarm);
                self.stage = Stage::InLine(place);
            }
        }
        self.wait = Wait::of(caller);
        Poll::Pending
    }

    /// The time to the first ring of a wait with this limit, and the runtime of its timer. `None` without a timer.
    fn timing(&self, limit: Option<Duration>) -> Option<Timing> {
        if self.is_blocking {
            return None;
        }
        let runtime = tokio::runtime::Handle::try_current().ok()?.id();
        Some(Timing { runtime, after: alarm::first(limit)? })
    }

    /// Notes which incarnation waits, if its code does.
    fn goes_on(&mut self, mut is_to_look: bool, waker: &Waker) -> Poll<Result<(), Refused<M>>> {
        let is_limited = self.alarm.as_ref().is_some_and(Alarm::is_limited);
        if self.wait.is_recorded()
            && let Stage::InLine(place) = &self.stage
        {
            let on = || WaitsOn::new(self.slot.clone(), What::Room(place.clone()));
            self.wait.goes_on(is_limited, waker, on);
        }
        if let Some(entry) = self.entry.as_ref().filter(|entry| entry.is_of_caller()) {
            entry.goes_on();
        } else {
            self.entry = None;
            if let Some(signals) = current::lent(Arc::clone) {
                let slot: Arc<dyn AnySlot> = self.slot.clone();
                // Entered first, looked at then: of two waits that close a circle at the same time one sees the other.
                self.entry = Some(Entry::new(signals, slot));
                is_to_look = true;
            }
        }
        if is_to_look && self.entry.as_ref().is_some_and(Entry::closes_circle) {
            return Poll::Ready(self.give_up(Refusal::Circle));
        }
        Poll::Pending
    }

    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refused<M>>> {
        loop {
            let Some(alarm) = &mut self.alarm else { return Poll::Pending };
            let polled = match &self.keeping {
                Some(keeping) => alarm.poll(&mut Context::from_waker(keeping.bell())),
                None => alarm.poll(cx),
            };
            let Poll::Ready(rings) = polled else { return Poll::Pending };
            self.keeping = None;
            match rings {
                alarm::Ring::Look => {
                    if let Poll::Ready(outcome) = self.goes_on(true, cx.waker()) {
                        return Poll::Ready(outcome);
                    }
                }
                alarm::Ring::IsLong => {
                    if std::mem::take(&mut self.is_news) {
                        self.tell();
                    }
                    if let Poll::Ready(outcome) = self.goes_on(true, cx.waker()) {
                        return Poll::Ready(outcome);
                    }
                }
                alarm::Ring::IsOver => return Poll::Ready(self.give_up(Refusal::Full)),
            }
        }
    }

    #[cold]
    fn tell(&self) {
        let (peer, waiting) = (self.slot.path(), self.slot.waiting_for_room());
        match self.entry.as_ref().and_then(Entry::path) {
            Some(path) => line!(
                WARN,
                { path = %path, peer = %peer, waiting, waited_ms = millis(LONG) },
                "child waits for room in the mailbox of a peer"
            ),
            // Senders without a path may be many: one line speaks for all of them.
            None if self.slot.is_to_be_told(LONG) => line!(
                WARN,
                { peer = %peer, waiting, waited_ms = millis(LONG) },
                "code outside of the tree's services waits for room in a mailbox"
            ),
            None => {}
        }
    }
}

impl<M: Send + 'static> Unpin for ForRoom<M> {}

/// A wait for room, as a call sees it.
pub(crate) trait Sending<M>: Future<Output = Result<(), Refused<M>>> + Unpin + Send {
    /// A thread polls it that has no timers: it looks at [`due`](Self::due) itself.
    fn set_blocking(&mut self);
    /// When a thread should poll it again, if nothing wakes it before.
    fn due(&self) -> Option<std::time::Instant>;
    /// Stops waiting for this reason, unless the outcome is there by now (invariant 2).
    fn give_up(&mut self, refusal: Refusal) -> Result<(), Refused<M>>;
}

impl<M: Send + 'static> Sending<M> for ForRoom<M> {
    fn set_blocking(&mut self) {
        self.is_blocking = true;
    }

    fn due(&self) -> Option<std::time::Instant> {
        self.alarm.as_ref().and_then(Alarm::due)
    }

    fn give_up(&mut self, refusal: Refusal) -> Result<(), Refused<M>> {
        let outcome = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Unsent(envelope) => Err((refusal, envelope.message)),
            Stage::InLine(place) => match self.slot.leave_line(&place) {
                Some(envelope) => Err((refusal, envelope.message)),
                None => match place.look(Waker::noop()) {
                    Look::LetIn => Ok(()),
                    Look::Refused(refusal, envelope) => Err((refusal, envelope.message)),
                    Look::Waits => unreachable!("a sender that could not leave the line is in it no more"),
                },
            },
            Stage::Done => panic!("a wait for room was polled after it had completed"),
        };
        self.rest();
        outcome
    }
}

impl<M: Send + 'static> Future for ForRoom<M> {
    type Output = Result<(), Refused<M>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match &this.stage {
            Stage::Unsent(_) => {
                if let Poll::Ready(outcome) = this.join(cx) {
                    return Poll::Ready(outcome);
                }
            }
            Stage::InLine(place) => {
                let outcome = match place.look(cx.waker()) {
                    Look::Waits => {
                        this.leans = false;
                        this.keeping.take_if(|keeping| !keeping.is_kept());
                        None
                    }
                    Look::LetIn => Some(Ok(())),
                    Look::Refused(refusal, envelope) => Some(Err((refusal, envelope.message))),
                };
                if let Some(outcome) = outcome {
                    this.stage = Stage::Done;
                    this.rest();
                    return Poll::Ready(outcome);
                }
            }
            Stage::Done => panic!("a wait for room was polled after it had completed"),
        }
        if let Poll::Ready(outcome) = this.goes_on(false, cx.waker()) {
            return Poll::Ready(outcome);
        }
        if this.leans { Poll::Pending } else { this.poll_alarm(cx) }
    }
}

impl<M: Send + 'static> Drop for ForRoom<M> {
    fn drop(&mut self) {
        if let Stage::InLine(place) = std::mem::replace(&mut self.stage, Stage::Done) {
            // Invariant 1. It is dropped here, where no lock is held.
            let _unsent = self.slot.leave_line(&place);
            self.rest();
        }
    }
}
