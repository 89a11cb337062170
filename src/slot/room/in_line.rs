//! A sender in line for room: its timer, the record of its wait, and its outcome.
//!
//! It is small, because a future of `send` holds it, and each idle child reserves room for what its handler may await.
//! The message is in the separate block of the line ([`Place`]), and so is what never changes. The rest is made only if
//! it is needed. Most senders use the timer of another sender, and are let in before it fires.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::error::refusal::Refusal;
use crate::log::{line, millis};
use crate::slot::current::{self, Caller};
use crate::slot::erased::AnySlot;
use crate::slot::limit::Limit;
use crate::slot::line::{Joined, Look, Place};
use crate::slot::queue::Envelope;
use crate::slot::room::alarm::{self, Alarm};
use crate::slot::room::circle::Entry;
use crate::slot::room::{LONG, Refused};
use crate::slot::timekeeper::{Keeping, Timing};
use crate::slot::wait::Wait;
use crate::slot::waits::{WaitsOn, What};
use crate::slot::{IfFull, Push, Slot};

/// Sender in the line of a full mailbox: completes when the mailbox has taken its message, or has refused it.
pub(crate) struct InLine<M: Send + 'static> {
    slot: Arc<Slot<M>>,
    place: Arc<Place<M>>,
    extras: Option<Box<Extras<M>>>,
    /// Whether it uses the timer of another sender, and has set none itself yet.
    leans: bool,
    /// Whether it has joined, and was not polled since.
    is_new: bool,
    /// Whether its outcome is known.
    is_done: bool,
}

/// Parts of a sender that has a timer itself, is a service, or is reported in the log.
struct Extras<M: Send + 'static> {
    alarm: Option<Alarm>,
    /// Present while its timer is the one of the line.
    keeping: Option<Keeping<M>>,
    entry: Option<Entry>,
    wait: Wait,
    is_in_log: bool,
}

impl<M: Send + 'static> InLine<M> {
    /// Joins the end of the line. Breaks with the outcome if it is known at once.
    ///
    /// `waker` may be one that does nothing, if the first poll follows before anything else is done.
    pub(crate) fn join(
        slot: &Arc<Slot<M>>,
        envelope: Envelope<M>,
        limit: Limit,
        waker: Waker,
        is_blocking: bool,
    ) -> ControlFlow<Result<(), Refused<M>>, Self> {
        let caller = Caller::here();
        if caller.signals != 0 && slot.is_home_of(caller.signals) {
            // There may be room by now; a service may have sent to itself before it read.
            let Envelope { message, call } = envelope;
            let pushed = match call {
                Some(call) => slot.push_call(message, call, caller.signals, IfFull::Refuse),
                None => slot.push(message, IfFull::Refuse),
            };
            return ControlFlow::Break(match pushed {
                Push::Accepted => Ok(()),
                Push::Refused(Refusal::Full, message, _) => Err((Refusal::ToItself, message)),
                Push::Refused(refusal, message, _) => Err((refusal, message)),
            });
        }
        let runtime = if is_blocking { None } else { tokio::runtime::Handle::try_current().ok() };
        // `None` without a timer.
        let timing = |limit| Some(Timing { runtime: runtime.as_ref()?.id(), after: alarm::first(limit)? });
        let (place, is_timed) = match slot.join_line(envelope, limit, caller.supervisor, waker, timing) {
            Joined::Accepted => return ControlFlow::Break(Ok(())),
            Joined::Refused(refusal, envelope) => return ControlFlow::Break(Err((refusal, envelope.message))),
            Joined::Waits { place, is_timed } => (place, is_timed),
        };
        let mut this = Self { slot: slot.clone(), place, extras: None, leans: is_timed, is_new: true, is_done: false };
        if !is_timed {
            let limit = this.place.limit;
            let alarm = Alarm::new(limit, is_blocking);
            if let Some(timing) = timing(limit).filter(|_| alarm.is_of_runtime()) {
                this.extras().keeping = slot.keep_time(&this.place, timing);
            }
            this.extras().alarm = Some(alarm);
        }
        if caller.is_watched {
            this.extras().wait = Wait::of(caller);
        }
        ControlFlow::Continue(this)
    }

    fn extras(&mut self) -> &mut Extras<M> {
        self.extras.get_or_insert_with(|| {
            Box::new(Extras { alarm: None, keeping: None, entry: None, wait: Wait::default(), is_in_log: false })
        })
    }

    /// Returns when a thread should poll it again, if nothing wakes it before.
    pub(crate) fn due(&self) -> Option<std::time::Instant> {
        self.extras.as_ref()?.alarm.as_ref()?.due()
    }

    /// Stops waiting for this reason, unless the outcome is there by now (invariant 2 of the wait).
    pub(crate) fn give_up(&mut self, refusal: Refusal) -> Result<(), Refused<M>> {
        let outcome = match self.slot.leave_line(&self.place) {
            Some(envelope) => {
                self.slot.count_refusal(refusal);
                Err((refusal, envelope.message))
            }
            None => match self.place.look(Waker::noop()) {
                Look::LetIn => Ok(()),
                Look::Refused(refusal, envelope) => Err((refusal, envelope.message)),
                Look::Waits { .. } => unreachable!("a sender that could not leave the line is in it no more"),
            },
        };
        self.rest();
        outcome
    }

    fn rest(&mut self) {
        self.is_done = true;
        self.extras = None;
    }

    /// Records that it still waits, and sets its timer if it uses no other. Ready if that ends the wait.
    pub(super) fn goes_on(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refused<M>>> {
        self.is_new = false;
        if let Poll::Ready(outcome) = self.note(false, cx.waker()) {
            return Poll::Ready(outcome);
        }
        if self.leans { Poll::Pending } else { self.poll_alarm(cx) }
    }

    /// Records which incarnation waits, if code of one does. `is_to_look`: looks for a circle.
    fn note(&mut self, mut is_to_look: bool, waker: &Waker) -> Poll<Result<(), Refused<M>>> {
        if let Some(extras) = &mut self.extras {
            if extras.wait.is_recorded() {
                let on = || WaitsOn::new(self.slot.clone(), What::Room(self.place.clone()));
                extras.wait.goes_on(self.place.limit.is_some(), waker, on);
            }
            extras.entry.take_if(|entry| !entry.is_of_caller());
        }
        if let Some(entry) = self.entry() {
            entry.goes_on();
        } else if let Some(signals) = current::lent(Arc::clone) {
            let slot: Arc<dyn AnySlot> = self.slot.clone();
            // Entered first, then checked: of two waits that close a circle at the same time, one sees the other.
            self.extras().entry = Some(Entry::new(signals, slot));
            is_to_look = true;
        }
        if is_to_look && self.entry().is_some_and(Entry::closes_circle) {
            return Poll::Ready(self.give_up(Refusal::Circle));
        }
        Poll::Pending
    }

    fn entry(&self) -> Option<&Entry> {
        self.extras.as_ref()?.entry.as_ref()
    }

    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refused<M>>> {
        loop {
            let (begun, limit) = (self.place.begun, self.place.limit);
            let extras = self.extras();
            let alarm = extras.alarm.get_or_insert_with(|| Alarm::leaning(begun, limit));
            let polled = match &extras.keeping {
                Some(keeping) => alarm.poll(&mut Context::from_waker(keeping.waker())),
                None => alarm.poll(cx),
            };
            let Poll::Ready(rings) = polled else { return Poll::Pending };
            extras.keeping = None;
            match rings {
                alarm::Ring::Look => {}
                alarm::Ring::IsLong => {
                    if !std::mem::replace(&mut extras.is_in_log, true) {
                        self.tell();
                    }
                }
                alarm::Ring::IsOver => return Poll::Ready(self.give_up(Refusal::Full)),
            }
            if let Poll::Ready(outcome) = self.note(true, cx.waker()) {
                return Poll::Ready(outcome);
            }
        }
    }

    #[cold]
    fn tell(&self) {
        let (peer, waiting) = (self.slot.path(), self.slot.waiting_for_room());
        match self.entry().and_then(Entry::path) {
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

impl<M: Send + 'static> Unpin for InLine<M> {}

impl<M: Send + 'static> Future for InLine<M> {
    type Output = Result<(), Refused<M>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        assert!(!this.is_done, "a wait for room was polled after it had completed");
        let outcome = match this.place.look(cx.waker()) {
            Look::LetIn => Ok(()),
            Look::Refused(refusal, envelope) => Err((refusal, envelope.message)),
            Look::Waits { is_called } => {
                // The timer that it used has fired, or is gone, or this may be another executor.
                this.leans &= this.is_new && !is_called;
                if let Some(extras) = &mut this.extras {
                    extras.keeping.take_if(|keeping| !keeping.is_kept());
                }
                return this.goes_on(cx);
            }
        };
        this.rest();
        Poll::Ready(outcome)
    }
}

impl<M: Send + 'static> Drop for InLine<M> {
    fn drop(&mut self) {
        if !self.is_done {
            // Invariant 1 of the wait. The message is dropped here, where no lock is held.
            let _unsent = self.slot.leave_line(&self.place);
        }
    }
}
