//! Everything that a slot has counted, as numbers that can be added up: for one service, and for all with one template.

use std::ops::AddAssign;

use crate::error::refusal::Refusal;
use crate::slot::accounting::Accounting;
use crate::slot::dead_letter::DeadReason;
use crate::slot::restarts::{self, CAUSES};

/// Counters that few services need: those of ends, restarts and refusals.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) exits: [u64; CAUSES.len()],
    pub(crate) restarts: restarts::Log,
    pub(crate) starts_failed: u64,
    pub(crate) starts_ignored: u64,
    pub(crate) gave_up: u64,
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

    pub(crate) fn subtract(&mut self, other: &Self) {
        self.change(other, |own, other| *own = own.saturating_sub(other));
    }

    /// Keeps only what is counted for ever: a service that has ended waits for nothing and restarts no more.
    pub(crate) fn for_good(self) -> Self {
        Self { last_minute: 0, last_hour: 0, ..self }
    }
}

impl AddAssign<&Tally> for Tally {
    fn add_assign(&mut self, other: &Tally) {
        self.change(other, |own, other| *own = own.wrapping_add(other));
    }
}
