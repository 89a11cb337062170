//! The meter of a supervisor: its clock, its restart budget, and the time that the budget leaves out.
//!
//! Invariants:
//! 1. The clock never runs backwards.
//! 2. A change of the budget's clock makes no spent unit older or younger.

use std::time::Duration;

use crate::intensity::{Budget, Intensity};
use crate::spec::BudgetClock;

#[derive(Debug, Clone, Default)]
pub(crate) struct Meter {
    now: Duration,
    budget: Budget,
    clock: BudgetClock,
    /// The number of children that are being stopped.
    stops: usize,
    /// The time since which at least one child has been in the middle of a stop.
    stops_since: Option<Duration>,
    /// The time that the budget leaves out, without the stops that are going on.
    left_out: Duration,
}

impl Meter {
    pub(crate) fn new(intensity: Intensity) -> Self {
        Self { budget: Budget::new(intensity), ..Self::default() }
    }

    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    /// Advances the clock to `now`, never backwards (invariant 1).
    pub(crate) fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// Returns the moment at which `time` has passed from now.
    pub(crate) fn after(&self, time: Duration) -> Duration {
        self.now.saturating_add(time)
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(crate) fn budget_mut(&mut self) -> &mut Budget {
        &mut self.budget
    }

    /// Replaces the limits of the budget. Spent units stay spent.
    pub(crate) fn set_intensity(&mut self, intensity: Intensity) {
        self.budget.set(intensity);
    }

    pub(crate) fn clock(&self) -> BudgetClock {
        self.clock
    }

    /// Returns the present moment on the clock by which budgets are measured.
    pub(crate) fn budget_now(&self) -> Duration {
        self.budget_time(self.now)
    }

    /// Translates a moment, which is not before now, to the clock by which budgets are measured.
    pub(crate) fn budget_time(&self, time: Duration) -> Duration {
        let going_on = match (self.clock, self.stops_since) {
            (BudgetClock::WithoutStops, Some(since)) => time.saturating_sub(since),
            (BudgetClock::WithoutStops, None) | (BudgetClock::All, _) => Duration::ZERO,
        };
        time.saturating_sub(self.left_out.saturating_add(going_on))
    }

    /// Measures the budget by another clock from now on. Time that was left out stays left out (invariant 2).
    pub(crate) fn set_clock(&mut self, clock: BudgetClock) {
        self.left_out = self.now.saturating_sub(self.budget_now());
        self.stops_since = self.stops_since.and(Some(self.now));
        self.clock = clock;
    }

    /// Notes that one more child is being stopped.
    pub(crate) fn stop_begins(&mut self) {
        self.stops += 1;
        self.stops_since.get_or_insert(self.now);
    }

    /// Notes that one child fewer is being stopped.
    pub(crate) fn stop_ends(&mut self) {
        self.stops -= 1;
        if self.stops == 0 {
            self.left_out = self.now.saturating_sub(self.budget_now());
            self.stops_since = None;
        }
    }
}
