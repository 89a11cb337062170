//! A child as the judge knows it: how it stands, and what is expected of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::{ChildSpec, Readiness, RuleAction};

use crate::chaos::judge::reading::{Phase, Scope, Steps, Tri};

#[derive(Debug)]
pub(super) struct Child {
    pub(super) spec: ChildSpec,
    /// Its place in the start order.
    pub(super) place: u64,
    pub(super) life: Option<Life>,
    pub(super) held: Held,
    /// Its end, which its supervisor has not dealt with to the end yet.
    pub(super) call: Option<Call>,
    /// Something called for its start: the boot, its group, an order.
    pub(super) may_start: bool,
    /// The restart of one that has been forgotten takes it along.
    pub(super) may_stop: bool,
    /// An order about it is being carried out, or was since its last start.
    pub(super) is_ordered: bool,
    pub(super) orders: u32,
    /// It was stopped with its group, or is part of the boot; for this end, by its number and its path, if for one
    /// alone.
    pub(super) stopped_for: Option<Option<(u64, Arc<str>)>>,
    /// When that was, counted in testimonies.
    pub(super) stopped_at: u64,
    pub(super) track: Track,
}

/// What is remembered from one life to the next.
#[derive(Debug, Default)]
pub(super) struct Track {
    pub(super) died: Account,
    /// For lives that were never ready.
    pub(super) unready: Account,
    pub(super) probes: Steps,
    pub(super) probe_before: Duration,
    /// It was parked, and has not lasted since.
    pub(super) is_half_open: Option<Tri>,
}

#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) steps: Steps,
    /// The longest that the last delay can have been.
    pub(super) before: Duration,
    pub(super) units: Units,
}

impl Track {
    pub(super) fn half_open(&self) -> Tri {
        self.is_half_open.unwrap_or(Tri::No)
    }

    /// What it was may have been forgotten.
    pub(super) fn blur(&mut self) {
        for account in [&mut self.died, &mut self.unready] {
            account.steps.least = 0;
            account.units.blur();
        }
        self.probes.least = 0;
        if self.half_open() == Tri::Yes {
            self.is_half_open = Some(Tri::Maybe);
        }
    }
}

/// Restarts that still count.
#[derive(Debug, Default)]
pub(super) struct Units(VecDeque<Unit>);

/// One restart, charged between two moments.
#[derive(Debug)]
struct Unit {
    from: Duration,
    to: Duration,
    is_certain: bool,
}

impl Units {
    pub(super) fn add(&mut self, from: Duration, to: Duration, is_certain: bool) {
        self.0.push_back(Unit { from, to, is_certain });
    }

    /// Those in the period that ends now, its far edge included: those that count for certain, and those that may.
    pub(super) fn count(&mut self, period: Duration, now: Duration) -> (usize, usize) {
        let counts = |at: Duration| now.saturating_sub(at) <= period;
        self.0.retain(|unit| counts(unit.to));
        (self.0.iter().filter(|unit| unit.is_certain && counts(unit.from)).count(), self.0.len())
    }

    pub(super) fn blur(&mut self) {
        self.0.iter_mut().for_each(|unit| unit.is_certain = false);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// One life of a child.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) attempt: Option<u64>,
    /// When its start was told of, counted in testimonies.
    pub(super) number: u64,
    pub(super) is_up: bool,
    /// Since when it is ready.
    pub(super) ready_at: Option<Duration>,
    /// It was told to stop, and will end for that.
    pub(super) is_told: bool,
    /// It is killed because it takes too long, or by others.
    pub(super) is_doomed: bool,
    /// It began before the judge came.
    pub(super) is_foreign: bool,
    pub(super) by_order: bool,
}

impl Life {
    /// It is being started.
    pub(super) fn begun(attempt: Option<u64>, number: u64) -> Self {
        Self {
            attempt,
            number,
            is_up: false,
            ready_at: None,
            is_told: false,
            is_doomed: false,
            is_foreign: false,
            by_order: false,
        }
    }

    pub(super) fn is_starting(&self) -> bool {
        !self.is_up && !self.is_told
    }
}

/// What a child that has no life waits for, beside a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    No,
    /// For services that it depends on.
    Waits,
    /// For its next probe, which is to come between these times.
    Parked {
        from: Duration,
        by: Duration,
    },
    /// It rests.
    Rests,
}

/// An unexpected end, or a start that failed.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) number: u64,
    pub(super) at: Duration,
    /// The same on the clock of the budget.
    pub(super) budget_at: Duration,
    pub(super) phase: Phase,
    pub(super) then: RuleAction,
    pub(super) counts: bool,
    pub(super) scope: Scope,
    /// A group restart may have swallowed it.
    pub(super) may_be_swallowed: bool,
    /// The group of another, whose end came before or after, includes it.
    pub(super) is_covered: bool,
    /// Nothing is known for certain.
    pub(super) is_loose: bool,
    pub(super) is_charged: bool,
    pub(super) was_put_off: bool,
    /// It is on probation: it is to be parked again.
    pub(super) is_probation: Tri,
    /// No start before this.
    pub(super) earliest: Duration,
    /// The greatest delay.
    pub(super) most: Duration,
    /// Something is to come of it by then.
    pub(super) by: Option<Duration>,
}

impl Call {
    /// A restart comes of it, if the budget allows.
    pub(super) fn restarts(&self) -> bool {
        matches!(self.then, RuleAction::Restart | RuleAction::RestartGroup)
    }

    pub(super) fn is_certain(&self) -> bool {
        !self.may_be_swallowed && !self.is_loose
    }
}

impl Child {
    pub(super) fn new(spec: ChildSpec, place: u64) -> Self {
        Self {
            spec,
            place,
            life: None,
            held: Held::No,
            call: None,
            may_start: false,
            may_stop: false,
            is_ordered: false,
            orders: 0,
            stopped_for: None,
            stopped_at: u64::MAX,
            track: Track::default(),
        }
    }

    pub(super) fn says_ready(&self) -> bool {
        self.spec.policy_rule().readiness == Some(Readiness::WhenSaid)
    }

    pub(super) fn is_starting(&self) -> bool {
        self.life.as_ref().is_some_and(Life::is_starting)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.is_told)
    }

    pub(super) fn account(&mut self, is_apart: bool) -> &mut Account {
        if is_apart { &mut self.track.unready } else { &mut self.track.died }
    }

    /// Nothing is on the way with it.
    pub(super) fn is_settled(&self) -> bool {
        self.call.is_none()
            && self.orders == 0
            && self.life.as_ref().is_none_or(|life| life.is_up && !life.is_told && !life.is_doomed)
    }
}
