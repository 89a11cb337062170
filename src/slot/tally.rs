//! Everything that a slot has counted, as numbers that can be added up: for one service, and for all with one template.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::refusal::Refusal;
use crate::slot::accounting::Accounting;
use crate::slot::dead_letter::DeadReason;
use crate::slot::histogram::Histogram;
use crate::slot::restarts::{self, CAUSES};
use crate::slot::status::ServiceState;

/// Counters that few services need: those of ends, restarts and refusals.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) exits: [u64; CAUSES.len()],
    pub(crate) restarts: restarts::Log,
    pub(crate) starts_failed: u64,
    pub(crate) starts_ignored: u64,
    pub(crate) gave_up: u64,
    pub(crate) budget: Option<Budget>,
    pub(crate) dead: Option<Box<[u64; DeadReason::KINDS.len()]>>,
    pub(crate) refused: Option<Box<[u64; Refusal::KINDS.len()]>>,
}

/// Sums of what one service has counted, or all services with one template.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    pub(crate) accounting: Accounting,
    /// Incarnations that came up.
    pub(crate) starts: u64,
    pub(crate) starts_failed: u64,
    pub(crate) starts_ignored: u64,
    pub(crate) exits: [u64; CAUSES.len()],
    pub(crate) restarts: [u64; CAUSES.len()],
    pub(crate) taken_along: u64,
    pub(crate) last_minute: u64,
    pub(crate) last_hour: u64,
    pub(crate) gave_up: u64,
    pub(crate) dead: [u64; DeadReason::KINDS.len()],
    pub(crate) refused: [u64; Refusal::KINDS.len()],
    /// Present if a service is measured.
    pub(crate) times: Option<Box<Times>>,
}

/// Histograms of a measured service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Times {
    /// Time in the mailbox.
    pub(crate) wait: Histogram,
    /// Time in the handler.
    pub(crate) handling: Histogram,
    /// Time from an end until the service is ready again.
    pub(crate) restart: Histogram,
}

impl Times {
    /// Changes each histogram by that of `other`.
    pub(crate) fn change(&mut self, other: &Self, change: impl Fn(&mut Histogram, &Histogram)) {
        change(&mut self.wait, &other.wait);
        change(&mut self.handling, &other.handling);
        change(&mut self.restart, &other.restart);
    }
}

/// Counters of a slot and its present state, as of one moment.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) tally: Tally,
    pub(crate) state: ServiceState,
    /// Queued messages as a part of the capacity.
    pub(crate) fullness: f64,
    /// Age of the oldest queued message, if that is measured.
    pub(crate) oldest: Option<Duration>,
    /// Time for which the handler has had its message, if that is measured.
    pub(crate) running: Option<Duration>,
    /// Restarts that the budget of this supervisor still forgives, if one was charged to it.
    pub(crate) budget: Option<u32>,
}

/// Restart budget of a supervisor after the last failure below it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) left: u32,
    pub(crate) restarts_max: u32,
    /// Time from which on nothing of it is spent any more.
    pub(crate) until: Option<Instant>,
}

impl Budget {
    pub(crate) fn left_at(self, now: Instant) -> u32 {
        if self.until.is_some_and(|until| until < now) { self.restarts_max } else { self.left }
    }
}

impl Tally {
    /// Changes each counter by that of `other`.
    fn change(&mut self, other: &Self, change: impl Fn(&mut u64, u64)) {
        let (own, add) = (&mut self.accounting, &other.accounting);
        for (own, other) in [
            (&mut own.accepted, add.accepted),
            (&mut own.handled, add.handled),
            (&mut own.crashed, add.crashed),
            (&mut own.returned, add.returned),
            (&mut own.dead_lettered, add.dead_lettered),
            (&mut own.queued, add.queued),
            (&mut own.in_hand, add.in_hand),
            (&mut own.attempts, add.attempts),
            (&mut own.redelivered, add.redelivered),
            (&mut self.starts, other.starts),
            (&mut self.starts_failed, other.starts_failed),
            (&mut self.starts_ignored, other.starts_ignored),
            (&mut self.taken_along, other.taken_along),
            (&mut self.last_minute, other.last_minute),
            (&mut self.last_hour, other.last_hour),
            (&mut self.gave_up, other.gave_up),
        ] {
            change(own, other);
        }
        self.exits.iter_mut().zip(other.exits).for_each(|(own, other)| change(own, other));
        self.restarts.iter_mut().zip(other.restarts).for_each(|(own, other)| change(own, other));
        self.dead.iter_mut().zip(other.dead).for_each(|(own, other)| change(own, other));
        self.refused.iter_mut().zip(other.refused).for_each(|(own, other)| change(own, other));
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.change(other, |own, other| *own = own.wrapping_add(other));
        if let Some(times) = &other.times {
            self.times.get_or_insert_default().change(times, Histogram::add);
        }
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        self.change(other, |own, other| *own = own.saturating_sub(other));
        if let (Some(own), Some(times)) = (&mut self.times, &other.times) {
            own.change(times, Histogram::subtract);
        }
    }

    /// Keeps only what is counted for ever: a service that has ended waits for nothing and restarts no more.
    pub(crate) fn for_good(self) -> Self {
        Self { last_minute: 0, last_hour: 0, ..self }
    }
}
