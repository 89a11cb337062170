//! What is remembered of a child's failures, from one life to the next: where it stands on its curves, what is left of
//! its own budgets, whether it is being probed, and the end that led here.

use std::fmt;
use std::time::Duration;

use crate::backoff::{Backoff, Chance, NoChance, Steps};
use crate::exit::Exit;
use crate::intensity::{Budget, Intensity};
use crate::policy::{GiveUp, Policy};
use crate::rule::ExitKind;

/// How a life ended that should not have, or a start that came to nothing.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    /// What else it is beside the exit: a start that failed, a life that was never ready.
    pub(crate) phase: Option<ExitKind>,
    /// How long it was ready.
    pub(crate) lived: Duration,
    /// It handled as many messages as begin the curve anew.
    pub(crate) is_proven: bool,
}

/// The end that led to where a child stands.
#[derive(Clone)]
pub(crate) struct Cause {
    pub(crate) exit: Exit,
    pub(crate) phase: Option<ExitKind>,
    pub(crate) rule: Option<usize>,
    pub(crate) at: Duration,
}

/// Only what a decision may come to depend on.
impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cause").field("phase", &self.phase).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub(crate) cause: Option<Cause>,
    chance: Option<Box<dyn Chance>>,
    /// For lives that were ready.
    pub(crate) died: Curve,
    /// For those that never were, where the policy sets them apart.
    pub(crate) unready: Curve,
    /// The probes of a child that is parked, or blocked because a service that it depends on is gone.
    pub(crate) probes: Steps,
    /// It is parked, or lives on probation after that.
    pub(crate) is_half_open: bool,
}

/// A curve and a budget.
#[derive(Debug, Clone, Default)]
pub(crate) struct Curve {
    pub(crate) steps: Steps,
    budget: Option<Budget>,
}

impl Curve {
    /// The budget under the limits in force; what is spent stays spent.
    pub(crate) fn budget(&mut self, limits: Intensity) -> &mut Budget {
        let budget = self.budget.get_or_insert_with(|| Budget::new(limits));
        budget.set(limits);
        budget
    }
}

impl History {
    pub(crate) fn set_chance(&mut self, chance: Box<dyn Chance>) {
        self.chance = Some(chance);
    }

    /// Whether the latest end was before the child was ready.
    fn was_unready(&self) -> bool {
        self.cause.as_ref().is_some_and(|cause| matches!(cause.phase, Some(ExitKind::StartFailed | ExitKind::NotReady)))
    }

    /// The budget that the next restart is charged to, where the child has one of its own.
    pub(crate) fn own_budget(&mut self, policy: &Policy) -> Option<&mut Budget> {
        match policy.not_ready.as_ref().and_then(|not_ready| not_ready.budget) {
            Some(limits) if self.was_unready() => Some(self.unready.budget(limits)),
            Some(_) | None => policy.budget.map(|limits| self.died.budget(limits)),
        }
    }

    /// The wait before the next restart.
    pub(crate) fn next_delay(&mut self, policy: &Policy) -> Duration {
        let apart = policy.not_ready.as_ref().and_then(|not_ready| not_ready.backoff.as_ref());
        let (backoff, steps) = match apart {
            Some(apart) if self.was_unready() => (Some(apart), &mut self.unready.steps),
            Some(_) | None => (policy.backoff.as_ref(), &mut self.died.steps),
        };
        backoff.map_or(Duration::ZERO, |backoff| draw(steps, backoff, &mut self.chance))
    }

    /// The wait before the next probe.
    pub(crate) fn next_probe(&mut self, policy: &Policy) -> Duration {
        let probes = match &policy.on_give_up {
            Some(GiveUp::Park(probes)) => probes.clone(),
            // By a rule, and nothing is said of when.
            Some(GiveUp::Escalate) | None => GiveUp::probes(Duration::from_secs(30)),
        };
        draw(&mut self.probes, &probes, &mut self.chance)
    }

    /// A start begins. Times at which it was looked whether a dependency is back are no failures.
    pub(crate) fn forget_looks(&mut self) {
        if !self.is_half_open {
            self.probes = Steps::default();
        }
    }

    /// A success: every curve begins anew. A child that was on probation has its budget back too.
    pub(crate) fn reset(&mut self) {
        if std::mem::take(&mut self.is_half_open) {
            self.clear();
        }
        (self.died.steps, self.unready.steps, self.probes) = Default::default();
    }

    /// As if it had never failed.
    pub(crate) fn clear(&mut self) {
        (self.died, self.unready, self.probes) = Default::default();
        self.is_half_open = false;
    }
}

fn draw(steps: &mut Steps, backoff: &Backoff, chance: &mut Option<Box<dyn Chance>>) -> Duration {
    match chance {
        Some(chance) => steps.next(backoff, &mut **chance),
        None => steps.next(backoff, &mut NoChance),
    }
}
