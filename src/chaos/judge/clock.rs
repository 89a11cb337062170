//! The clock of a budget, as the judge reads it: all time counts, or only the time in which no child was being stopped.

use std::time::Duration;

use regrow_supervisors::BudgetClock;

#[derive(Debug)]
pub(super) struct Clock {
    kind: BudgetClock,
    /// Number of children that are being stopped.
    stops: usize,
    since: Duration,
    left_out: Duration,
    /// Whether a stop may have begun that was not stated.
    has_doubt: bool,
}

impl Clock {
    pub(super) fn new(kind: BudgetClock) -> Self {
        Self { kind, stops: 0, since: Duration::ZERO, left_out: Duration::ZERO, has_doubt: false }
    }

    /// Sets the kind of the clock, which an order may change.
    pub(super) fn set(&mut self, kind: BudgetClock) {
        self.has_doubt |= self.kind != kind;
        self.kind = kind;
    }

    pub(super) fn doubt(&mut self) {
        self.has_doubt = true;
    }

    pub(super) fn is_unsure(&self) -> bool {
        self.has_doubt && self.kind == BudgetClock::WithoutStops
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stops > 0
    }

    pub(super) fn stop_begins(&mut self, at: Duration) {
        if self.stops == 0 {
            self.since = at;
        }
        self.stops += 1;
    }

    pub(super) fn stop_is_over(&mut self, at: Duration) {
        if self.stops > 0 {
            self.stops -= 1;
            if self.stops == 0 {
                self.left_out = self.left_out.saturating_add(at.saturating_sub(self.since));
            }
        }
    }

    pub(super) fn read(&self, at: Duration) -> Duration {
        match self.kind {
            BudgetClock::All => at,
            BudgetClock::WithoutStops => {
                let going_on = if self.stops > 0 { at.saturating_sub(self.since) } else { Duration::ZERO };
                at.saturating_sub(self.left_out.saturating_add(going_on))
            }
        }
    }
}
