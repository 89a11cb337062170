//! The records of an incarnation's waits for others. `wait.rs` says when one begins and ends, and has the invariants.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::call::fate::Fate;
use crate::slot::erased::AnySlot;

/// Waits of one incarnation.
#[derive(Default)]
pub(crate) struct Waits {
    open: Vec<Open>,
    /// Number of waits that were ever opened.
    number: u64,
    /// Time since which at least one is open.
    since: Option<Instant>,
    /// Total time of those that are over.
    total: Duration,
    /// Time of the last probe.
    probed_at: Option<Instant>,
}

pub(super) struct Open {
    number: u64,
    since: Instant,
    on: WaitsOn,
    is_limited: bool,
    /// Message in hand when it was last polled.
    message: Option<u64>,
    /// Called when the wait is to be polled. That poll brings a new waker.
    waker: Known,
    /// Present if it was probed, and has not been polled since.
    probe: Option<Probe>,
    /// Whether it was polled after the last probe.
    is_awaited: bool,
}

/// Waker that is called without the lock, perhaps at each look of the watchdog. It moves into an `Arc` when it is first
/// called. Most are never called, so most waits need no allocation.
pub(super) enum Known {
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

struct Probe {
    at: Instant,
    /// Counter of polls at that moment.
    polls: u64,
}

/// Target of a wait: an answer of this service, or room in its mailbox.
pub(crate) struct WaitsOn {
    slot: Arc<dyn AnySlot>,
    what: What,
}

/// Object of a wait, as far as it can be seen from outside.
pub(crate) enum What {
    Answer(Arc<dyn Fate>),
    Room(Arc<dyn PlaceInLine>),
}

/// Place of a sender in a line.
pub(crate) trait PlaceInLine: Send + Sync {
    /// Whether it still waits: it was neither let in nor refused.
    fn is_waiting(&self) -> bool;
}

impl WaitsOn {
    pub(crate) fn new(slot: Arc<dyn AnySlot>, what: What) -> Self {
        Self { slot, what }
    }

    /// Whether the outcome is there, though the waiter may not have run since.
    fn is_over(&self) -> bool {
        match &self.what {
            What::Answer(call) => !call.is_open(),
            What::Room(place) => !place.is_waiting(),
        }
    }

    /// Whether the answer may come from anywhere.
    fn is_elsewhere(&self) -> bool {
        match &self.what {
            What::Answer(call) => call.is_elsewhere(),
            What::Room(_) => false,
        }
    }
}

/// Waits that could all last for ever.
pub(crate) struct Endless {
    /// Numbers of the waits.
    pub(crate) numbers: Vec<u64>,
    /// Services that are waited for.
    pub(crate) on: Vec<Arc<dyn AnySlot>>,
    /// Time since which all of them are waited for.
    pub(crate) since: Instant,
}

/// Work that a look at the waits leaves: wakers to call and waits to drop, without the lock (invariant 5).
#[must_use]
#[derive(Default)]
pub(crate) struct Rest {
    wake: Vec<Arc<Waker>>,
    _ended: Vec<Open>,
}

impl Rest {
    pub(crate) fn settle(self) {
        self.wake.iter().for_each(|waker| waker.wake_by_ref());
    }
}

impl Waits {
    pub(crate) fn waited(&self, now: Instant) -> Duration {
        let since = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.total.saturating_add(since)
    }

    pub(crate) fn is_any_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Returns the first service that it still waits for, and the start of that wait.
    pub(crate) fn on(&self) -> Option<(Arc<str>, Instant)> {
        self.open.first().map(|open| (open.on.slot.path(), open.since))
    }

    /// Returns the first service for which it still waits for an answer, and the start of that wait.
    pub(crate) fn on_answer(&self) -> Option<(Arc<str>, Instant)> {
        let answer = |open: &&Open| matches!(open.on.what, What::Answer(_)) && !open.on.is_over();
        self.open.iter().find(answer).map(|open| (open.on.slot.path(), open.since))
    }

    /// Returns the waits, if all of them could last for ever. `None` if one has a limit, is over, or may not be
    /// awaited. Also `None` if a reply was put off or handed on: it may come from anywhere.
    pub(crate) fn endless(&self) -> Option<Endless> {
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

    /// Ends the waits that belong to another message (invariant 3).
    pub(crate) fn leave_behind(&mut self, message: Option<u64>, now: Instant) -> Rest {
        if self.open.iter().all(|open| open.message == message) {
            return Rest::default();
        }
        let ended = self.open.extract_if(.., |open| open.message != message).collect();
        self.count_until(now);
        Rest { wake: Vec::new(), _ended: ended }
    }

    /// Ends the waits that are kept and not awaited, and probes the others, unless the last probe was less than `pause`
    /// ago. `polls` is the counter of polls of the incarnation. It is `None` for a thread, which has none: its waits
    /// get `patience` instead.
    pub(crate) fn probe(&mut self, polls: Option<u64>, now: Instant, pause: Duration, patience: Duration) -> Rest {
        let is_kept = |open: &Open| {
            open.probe.as_ref().is_some_and(|probe| match polls {
                // A poll that was under way does not count.
                Some(polls) => polls.wrapping_sub(probe.polls.wrapping_add(probe.polls & 1)) >= 4,
                None => now.saturating_duration_since(probe.at) >= patience,
            })
        };
        let mut rest = Rest::default();
        while let Some(at) = self.open.iter().position(is_kept) {
            let ended = self.open.remove(at);
            let probed_at = ended.probe.as_ref().map_or(now, |probe| probe.at);
            rest._ended.push(ended);
            // Invariant 4.
            self.count_until(probed_at);
        }
        if self.probed_at.is_some_and(|at| now.saturating_duration_since(at) < pause) || self.open.is_empty() {
            return rest;
        }
        self.probed_at = Some(now);
        for open in &mut self.open {
            open.is_awaited &= open.probe.is_none();
            open.probe.get_or_insert(Probe { at: now, polls: polls.unwrap_or_default() });
            rest.wake.push(open.waker.share());
        }
        rest
    }

    /// Records that one of them was polled and goes on. `false` if it is not open, or has another waker now.
    pub(crate) fn goes_on(&mut self, number: u64, waker: &Waker) -> bool {
        let Some(open) = self.open.iter_mut().find(|open| open.number == number) else { return false };
        open.is_awaited |= open.probe.take().is_some();
        open.waker.will_wake(waker)
    }

    pub(super) fn set_waker(&mut self, number: u64, waker: &mut Known) -> bool {
        let open = self.open.iter_mut().find(|open| open.number == number);
        open.map(|open| std::mem::swap(&mut open.waker, waker)).is_some()
    }

    pub(crate) fn open(
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
            probe: None,
            is_awaited: false,
        };
        self.open.push(open);
        number
    }

    pub(super) fn close(&mut self, number: u64, now: Instant) -> Option<Open> {
        let at = self.open.iter().position(|open| open.number == number)?;
        let closed = self.open.remove(at);
        self.count_until(now);
        Some(closed)
    }

    /// Counts the time waited until `end`, at which one of them was over, unless others went on (invariant 2).
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
