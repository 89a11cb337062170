//! A child as the judge knows it: its state, and what is expected of it.

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
    /// Its last end, if its supervisor has not fully dealt with it yet.
    pub(super) call: Option<Call>,
    /// Whether something called for its start: the boot, its group, an order.
    pub(super) may_start: bool,
    /// Whether the restart of a forgotten child takes it along.
    pub(super) may_stop: bool,
    /// Whether an order about it is being carried out, or was since its last start.
    pub(super) is_ordered: bool,
    pub(super) orders: u32,
    /// Set if it was stopped with its group, or is part of the boot. Inside is the end that the stop was for, by number
    /// and path, if it was for one alone.
    pub(super) stopped_for: Option<Option<(u64, Arc<str>)>>,
    /// The number of the statement about that stop.
    pub(super) stopped_at: u64,
    /// The earliest time at which one of the ends that the stop may have been for lets the group start.
    pub(super) stopped_until: Duration,
    pub(super) history: History,
}

/// The history that outlives a life.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) died: Account,
    /// The account of lives that were never ready.
    pub(super) unready: Account,
    pub(super) probes: Steps,
    pub(super) probe_before: Duration,
    /// Whether it was parked, and has not lasted since.
    pub(super) is_half_open: Option<Tri>,
    /// Whether it is parked because its kept value was set aside, or has not lasted since. `None`: no.
    pub(super) parks_for_kept: Option<Tri>,
}

#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) steps: Steps,
    /// The longest that the last delay can have been.
    pub(super) before: Duration,
    pub(super) units: Units,
}

impl History {
    pub(super) fn half_open(&self) -> Tri {
        self.is_half_open.unwrap_or(Tri::No)
    }

    /// Makes the history uncertain, because the supervisor may have forgotten it.
    pub(super) fn blur(&mut self) {
        for account in [&mut self.died, &mut self.unready] {
            account.steps.least = 0;
            account.units.blur();
        }
        self.probes.least = 0;
        if self.half_open() == Tri::Yes {
            self.is_half_open = Some(Tri::Maybe);
        }
        self.parks_for_kept = self.parks_for_kept.map(|_| Tri::Maybe);
    }
}

/// Restarts that still count.
#[derive(Debug, Default)]
pub(super) struct Units(VecDeque<Unit>);

/// A restart that was charged between two moments.
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

    /// Counts the restarts in the period that ends now, both edges included: those that count for certain, and all that
    /// may.
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

/// A life of a child.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) attempt: Option<u64>,
    /// The number of the statement about its start.
    pub(super) number: u64,
    pub(super) is_up: bool,
    /// The time since which it has been ready.
    pub(super) ready_at: Option<Duration>,
    /// Whether it was told to stop, and will end because of that.
    pub(super) is_told: bool,
    /// Whether it is being killed, because it takes too long or from outside.
    pub(super) is_doomed: bool,
    /// Whether it began before the experiment.
    pub(super) is_foreign: bool,
    pub(super) by_order: bool,
}

impl Life {
    /// Makes a life that is being started.
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

/// Reason why a child has no life, beside an end to be dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    No,
    /// The child waits for services that it depends on.
    Waits,
    /// The child waits for its next probe, between these times.
    Parked {
        from: Duration,
        by: Duration,
    },
    /// The child is parked by order.
    Aside,
    /// The child stays down.
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
    /// Whether a group restart may have swallowed it.
    pub(super) may_be_swallowed: bool,
    /// Whether the group of another child, which ended before or after, includes it.
    pub(super) is_covered: bool,
    /// Whether nothing is known for certain.
    pub(super) is_loose: bool,
    pub(super) is_charged: bool,
    pub(super) was_put_off: bool,
    /// Whether it is on probation: then it has to be parked again.
    pub(super) is_probation: Tri,
    /// The earliest time of a start.
    pub(super) earliest: Duration,
    /// The greatest delay.
    pub(super) most: Duration,
    /// The latest time by which the supervisor has to act on it.
    pub(super) by: Option<Duration>,
}

impl Call {
    /// Whether it leads to a restart, if the budget allows.
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
            stopped_until: Duration::MAX,
            history: History::default(),
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
        if is_apart { &mut self.history.unready } else { &mut self.history.died }
    }

    /// Whether nothing is going on with it.
    pub(super) fn is_settled(&self) -> bool {
        self.call.is_none()
            && self.orders == 0
            && self.life.as_ref().is_none_or(|life| life.is_up && !life.is_told && !life.is_doomed)
    }
}
