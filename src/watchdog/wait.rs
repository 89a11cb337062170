//! Time that does not count: in which the handler of a service waits for another one, inside a `call` or a `send`.
//!
//! A future that is kept and not polled waits for nothing, and nothing tells its end. So an open wait is asked for: the
//! watchdog wakes its waker, and code that awaits it polls it then. Such a wake does no harm; a future must bear one.
//!
//! Invariants:
//! 1. A wait is open while code of the incarnation that began it is in it. What is moved to a task is that task's affair.
//! 2. Waits that overlap (`join!`, `select!`) count once: time is waited while at least one is open.
//! 3. A wait belongs to the message in which it was last polled. It is none for the messages after that.
//! 4. A wait that was not polled in two whole polls of its incarnation, after it was asked for, is kept and not awaited. It
//!    ended when it was first asked for in vain: up to a look late, and never early.
//! 5. No waker is called, cloned or dropped under the lock of the waits, and no service or call is dropped under it.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::call::Fate;
use crate::current::{self, Caller};
use crate::slot::AnySlot;
use crate::slot::signals::Signals;
use crate::sync::lock;

/// The waits of one incarnation.
#[derive(Default)]
pub(super) struct Waits {
    open: Vec<Open>,
    /// Counts those that were ever opened.
    number: u64,
    /// Since when at least one is open.
    since: Option<Instant>,
    /// The time of those that are over.
    total: Duration,
    /// When they were last asked for.
    asked_at: Option<Instant>,
}

struct Open {
    number: u64,
    since: Instant,
    on: WaitsOn,
    is_limited: bool,
    /// The message in hand when it was last polled.
    message: Option<u64>,
    /// Called when the wait is to be polled; that poll brings a new one.
    waker: Known,
    /// It was asked for, and has not been polled since.
    asked: Option<Asked>,
    /// It was polled when it was last asked for.
    is_awaited: bool,
}

/// A waker that is called without the lock, maybe at each look of the watchdog. It moves into an `Arc` when it is first
/// called. Most are never called, so most waits need no allocation.
enum Known {
    Own(Waker),
    Shared(Arc<Waker>),
}

impl Known {
    fn will_wake(&self, other: &Waker) -> bool {
        match self {
            Self::Own(waker) => waker.will_wake(other),
            Self::Shared(waker) => waker.will_wake(other),
        }
    }

    fn share(&mut self) -> Arc<Waker> {
        let shared = match std::mem::replace(self, Self::Own(Waker::noop().clone())) {
            Self::Own(waker) => Arc::new(waker),
            Self::Shared(waker) => waker,
        };
        *self = Self::Shared(shared.clone());
        shared
    }
}

struct Asked {
    at: Instant,
    /// The counter of polls at that moment.
    polls: u64,
}

/// What is waited for: an answer of this service, or room in its mailbox.
pub(crate) struct WaitsOn {
    slot: Arc<dyn AnySlot>,
    what: What,
}

/// What a wait waits for, as far as it can be looked at from outside.
pub(crate) enum What {
    Answer(Arc<dyn Fate>),
    Room(Arc<dyn PlaceInLine>),
}

/// A sender's place in a line.
pub(crate) trait PlaceInLine: Send + Sync {
    /// It still waits: it was neither let in nor refused.
    fn is_waiting(&self) -> bool;
}

impl WaitsOn {
    pub(crate) fn new(slot: Arc<dyn AnySlot>, what: What) -> Self {
        Self { slot, what }
    }

    /// The outcome is there, though the waiter may not have had its turn since.
    fn is_over(&self) -> bool {
        match &self.what {
            What::Answer(call) => !call.is_open(),
            What::Room(place) => !place.is_waiting(),
        }
    }

    /// The answer may come from anywhere.
    fn is_elsewhere(&self) -> bool {
        match &self.what {
            What::Answer(call) => call.is_elsewhere(),
            What::Room(_) => false,
        }
    }
}

/// Waits that could all last for ever.
pub(super) struct Endless {
    /// Which they are.
    pub(super) numbers: Vec<u64>,
    /// The services that are waited for.
    pub(super) on: Vec<Arc<dyn AnySlot>>,
    /// Since when all of them are waited for.
    pub(super) since: Instant,
}

/// What is left of a look at the waits: to be done, or to be dropped, without the lock (invariant 5).
#[must_use]
#[derive(Default)]
pub(super) struct Rest {
    wake: Vec<Arc<Waker>>,
    _ended: Vec<Open>,
}

impl Rest {
    pub(super) fn settle(self) {
        self.wake.iter().for_each(|waker| waker.wake_by_ref());
    }
}

impl Waits {
    pub(super) fn waited(&self, now: Instant) -> Duration {
        let since = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.total.saturating_add(since)
    }

    pub(super) fn is_any_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// The first service that it still waits for, and since when.
    pub(super) fn on(&self) -> Option<(Arc<str>, Instant)> {
        self.open.first().map(|open| (open.on.slot.path(), open.since))
    }

    /// Whose answer it waits for, and since when: of several the first.
    pub(super) fn on_answer(&self) -> Option<(Arc<str>, Instant)> {
        let answer = |open: &&Open| matches!(open.on.what, What::Answer(_)) && !open.on.is_over();
        self.open.iter().find(answer).map(|open| (open.on.slot.path(), open.since))
    }

    /// The waits, if all of them could keep it waiting for ever. A wait that has a limit ends, and one whose outcome is
    /// there is over. A reply that was put off or handed on may come from anywhere. None if one of them may not be
    /// awaited.
    pub(super) fn endless(&self) -> Option<Endless> {
        let ends = |open: &Open| open.is_limited || !open.is_awaited || open.on.is_over() || open.on.is_elsewhere();
        if self.open.iter().any(ends) {
            return None;
        }
        Some(Endless {
            numbers: self.open.iter().map(|open| open.number).collect(),
            on: self.open.iter().map(|open| open.on.slot.clone()).collect(),
            since: self.open.iter().map(|open| open.since).max()?,
        })
    }

    /// Ends those that were left behind by another message (invariant 3).
    pub(super) fn leave_behind(&mut self, message: Option<u64>, now: Instant) -> Rest {
        if self.open.iter().all(|open| open.message == message) {
            return Rest::default();
        }
        let ended = self.open.extract_if(.., |open| open.message != message).collect();
        self.count_until(now);
        Rest { wake: Vec::new(), _ended: ended }
    }

    /// Ends those that are kept and not awaited, and asks for the others, unless that was less than `pause` ago. `polls` is
    /// the counter of polls of the incarnation; `None` for a thread, which has none: it is given `prompt`.
    pub(super) fn ask(&mut self, polls: Option<u64>, now: Instant, pause: Duration, patience: Duration) -> Rest {
        let is_kept = |open: &Open| {
            open.asked.as_ref().is_some_and(|asked| match polls {
                // A poll that was under way does not count.
                Some(polls) => polls.wrapping_sub(asked.polls.wrapping_add(asked.polls & 1)) >= 4,
                None => now.saturating_duration_since(asked.at) >= patience,
            })
        };
        let mut rest = Rest::default();
        while let Some(at) = self.open.iter().position(is_kept) {
            let ended = self.open.remove(at);
            let asked_at = ended.asked.as_ref().map_or(now, |asked| asked.at);
            rest._ended.push(ended);
            // Invariant 4.
            self.count_until(asked_at);
        }
        if self.asked_at.is_some_and(|at| now.saturating_duration_since(at) < pause) || self.open.is_empty() {
            return rest;
        }
        self.asked_at = Some(now);
        for open in &mut self.open {
            open.is_awaited &= open.asked.is_none();
            open.asked.get_or_insert(Asked { at: now, polls: polls.unwrap_or_default() });
            rest.wake.push(open.waker.share());
        }
        rest
    }

    /// One of them was polled, and goes on. `false` if it is not open, or has another waker now.
    pub(super) fn goes_on(&mut self, number: u64, waker: &Waker) -> bool {
        let Some(open) = self.open.iter_mut().find(|open| open.number == number) else { return false };
        open.is_awaited |= open.asked.take().is_some();
        open.waker.will_wake(waker)
    }

    fn set_waker(&mut self, number: u64, waker: &mut Known) -> bool {
        let open = self.open.iter_mut().find(|open| open.number == number);
        open.map(|open| std::mem::swap(&mut open.waker, waker)).is_some()
    }

    pub(super) fn open(
        &mut self,
        on: WaitsOn,
        is_limited: bool,
        message: Option<u64>,
        waker: Waker,
        now: Instant,
    ) -> u64 {
        self.number += 1;
        self.since.get_or_insert(now);
        let number = self.number;
        let open = Open {
            number,
            since: now,
            on,
            is_limited,
            message,
            waker: Known::Own(waker),
            asked: None,
            is_awaited: false,
        };
        self.open.push(open);
        number
    }

    fn close(&mut self, number: u64, now: Instant) -> Option<Open> {
        let at = self.open.iter().position(|open| open.number == number)?;
        let closed = self.open.remove(at);
        self.count_until(now);
        Some(closed)
    }

    /// One of them was over at that moment: what was waited until then is counted, unless others went on (invariant 2).
    fn count_until(&mut self, end: Instant) {
        let next = self.open.iter().map(|open| open.since).min();
        if let Some(since) = self.since
            && next.is_none_or(|next| next > end)
        {
            self.total = self.total.saturating_add(end.saturating_duration_since(since));
            self.since = next;
        }
    }
}

/// One wait for another service, of code that may have to wait. Dropping it is the end of it.
#[derive(Default)]
pub(crate) struct Wait {
    /// The address of the port of the incarnation whose code began it; 0 if it is not recorded.
    of: usize,
    /// The port and the number of the wait, while it is open.
    open: Option<(Arc<Signals>, u64)>,
}

impl Wait {
    /// A wait of this code. It is recorded only for code of a service, in a tree with a watched child.
    #[inline]
    pub(crate) fn of(caller: Caller) -> Self {
        Self { of: if caller.is_watched { caller.signals } else { 0 }, open: None }
    }

    #[inline]
    pub(crate) fn is_recorded(&self) -> bool {
        self.of != 0
    }

    /// Notes that the wait was polled with this waker and goes on. `on` says for what.
    pub(crate) fn goes_on(&mut self, is_limited: bool, waker: &Waker, on: impl FnOnce() -> WaitsOn) {
        // Invariant 1.
        let mine = current::lent(|signals| (Arc::as_ptr(signals).addr() == self.of).then(|| signals.clone()));
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
        if number == 1 {
            signals.watchdog().remember_waiter(&signals);
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
