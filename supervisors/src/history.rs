//! The history of a child's failures, from one life to the next: steps on delay curves, the child's own budgets,
//! parking, and the last end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::backoff::{Backoff, Chance, NoChance, Steps};
use crate::exit::Exit;
use crate::give_up::{GiveUp, GiveUpReason};
use crate::intensity::{Budget, Intensity};
use crate::kept::KeptThen;
use crate::policy::Policy;
use crate::rate::{FailuresSeen, Window};
use crate::rule::ExitKind;

/// An unexpected end of a life, or a start that failed.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    /// The second kind of this end, besides its exit: a start that failed, or a life that was never ready.
    pub(crate) phase: Option<ExitKind>,
    /// The time for which the life was ready, if it became ready.
    pub(crate) lived: Duration,
    /// Whether the life handled as many messages as make it a success.
    pub(crate) is_proven: bool,
    /// Whether the life began with a kept value, and has not replaced it.
    pub(crate) has_kept: bool,
    /// Whether the child is a supervisor that ended because the whole tree is to end.
    pub(crate) ends_tree: bool,
}

/// The end that led to the present state of a child.
#[derive(Clone)]
pub(crate) struct Cause {
    pub(crate) exit: Exit,
    pub(crate) phase: Option<ExitKind>,
    pub(crate) rule: Option<usize>,
    pub(crate) at: Duration,
}

/// Prints only what a decision may come to depend on.
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
    /// For lives that never were, if the policy sets them apart.
    pub(crate) unready: Curve,
    /// The probes of a child that is parked, or blocked because a service that it depends on is gone.
    pub(crate) probes: Steps,
    /// Whether the child is parked, or on probation after that.
    pub(crate) is_half_open: bool,
    /// Whether it is parked, or on probation after that, because its kept value was set aside.
    pub(crate) parks_for_kept: bool,
    /// The number of lives in a row that began with the kept value of the present one and ended by their own fault.
    pub(crate) kept_failed: u32,
    /// Set while the child is down because its policy ended it for good.
    pub(crate) given_up: Option<Box<GiveUpReason>>,
    /// The messages that failed, if the policy counts them.
    pub(crate) failures: Option<Box<FailureHistory>>,
    /// The service with which the child was restarted last, and the time.
    pub(crate) renewed: Option<Box<Renewed>>,
    /// The reason of the order that parked the child, while it is parked for that.
    pub(crate) parked_by_order: Option<Arc<str>>,
}

/// The messages of a child that failed.
#[derive(Debug, Clone, Default)]
pub(crate) struct FailureHistory {
    pub(crate) window: Window,
    /// Set if too many failed, until the decision about that is taken.
    pub(crate) over_rate: Option<FailuresSeen>,
    /// The failures for which the child is parked, or was last.
    pub(crate) parked_for: Option<FailuresSeen>,
}

/// A restart of a child with a service that it depends on.
#[derive(Clone)]
pub(crate) struct Renewed {
    pub(crate) name: Arc<str>,
    pub(crate) at: Duration,
}

/// Prints nothing, for no decision comes to depend on it.
impl fmt::Debug for Renewed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renewed")
    }
}

/// Steps on a delay curve, and a budget.
#[derive(Debug, Clone, Default)]
pub(crate) struct Curve {
    pub(crate) steps: Steps,
    budget: Option<Budget>,
}

impl Curve {
    /// Returns the budget with the limits in force. Spent units stay spent.
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

    /// Returns the budget that the next restart is charged to, if the child has one of its own.
    pub(crate) fn own_budget(&mut self, policy: &Policy) -> Option<&mut Budget> {
        match policy.not_ready.as_ref().and_then(|not_ready| not_ready.budget) {
            Some(limits) if self.was_unready() => Some(self.unready.budget(limits)),
            Some(_) | None => policy.budget.map(|limits| self.died.budget(limits)),
        }
    }

    /// Returns the delay before the next restart, and takes a step on the curve.
    pub(crate) fn next_delay(&mut self, policy: &Policy) -> Duration {
        let apart = policy.not_ready.as_ref().and_then(|not_ready| not_ready.backoff.as_ref());
        let (backoff, steps) = match apart {
            Some(apart) if self.was_unready() => (Some(apart), &mut self.unready.steps),
            Some(_) | None => (policy.backoff.as_ref(), &mut self.died.steps),
        };
        backoff.map_or(Duration::ZERO, |backoff| draw(steps, backoff, &mut self.chance))
    }

    /// Returns the time until the next probe, and takes a step.
    pub(crate) fn next_probe(&mut self, policy: &Policy) -> Duration {
        let for_kept = policy.kept.as_ref().filter(|_| self.parks_for_kept).map(|rule| &rule.then);
        if let Some(KeptThen::Park(probes)) = for_kept {
            return draw(&mut self.probes, probes, &mut self.chance);
        }
        let probes = match &policy.on_give_up {
            Some(GiveUp::Park(probes)) => probes.clone(),
            // A rule parked the child, and the policy has no schedule.
            Some(GiveUp::Escalate | GiveUp::Stop | GiveUp::EndTree) | None => GiveUp::probes(Duration::from_secs(30)),
        };
        draw(&mut self.probes, &probes, &mut self.chance)
    }

    /// Begins a start. Looks at a missing dependency were no failures, and are forgotten. A child that had ended for
    /// good has its full budget back.
    pub(crate) fn begin_start(&mut self) {
        if self.given_up.is_some() {
            self.clear();
        }
        if let Some(failures) = &mut self.failures {
            failures.over_rate = None;
        }
        self.parked_by_order = None;
        // On probation, the schedule that it was parked on stays in force.
        if !self.is_half_open {
            (self.parks_for_kept, self.probes) = (false, Steps::default());
        }
    }

    /// Notes a success: every curve starts again at its first delay. A child that was on probation has its full budget
    /// back.
    pub(crate) fn reset(&mut self) {
        if std::mem::take(&mut self.is_half_open) {
            self.clear();
        }
        (self.died.steps, self.unready.steps, self.probes) = Default::default();
    }

    /// Forgets every failure.
    pub(crate) fn clear(&mut self) {
        (self.died, self.unready, self.probes) = Default::default();
        (self.is_half_open, self.parks_for_kept, self.given_up) = (false, false, None);
        self.forget_failures();
    }

    /// Begins with an empty window of failures.
    pub(crate) fn forget_failures(&mut self) {
        if let Some(failures) = &mut self.failures {
            (failures.window, failures.over_rate) = Default::default();
        }
    }

    /// Takes the failures that are too many, as the reason for what follows.
    pub(crate) fn take_overrate(&mut self) -> Option<FailuresSeen> {
        let failures = self.failures.as_mut()?;
        let seen = failures.over_rate.take()?;
        failures.parked_for = Some(seen);
        Some(seen)
    }
}

fn draw(steps: &mut Steps, backoff: &Backoff, chance: &mut Option<Box<dyn Chance>>) -> Duration {
    match chance {
        Some(chance) => steps.next(backoff, &mut **chance),
        None => steps.next(backoff, &mut NoChance),
    }
}
