//! The restart budget: the number of restarts that are forgiven within a period.
//!
//! Invariants:
//! 1. The window is closed at its far edge: a restart exactly one period old still counts (OTP rule 26, without OTP's
//!    truncation to whole seconds).
//! 2. Units expire by age and by nothing else (OTP rule 27).

use std::collections::VecDeque;
use std::time::Duration;

/// Restarts forgiven before the supervisor gives up.
///
/// `Intensity::new(3, Duration::from_secs(5))` forgives three restarts in any five seconds; a fourth escalates.
/// A restart exactly five seconds old still counts. The default is OTP's: one restart in five seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Intensity {
    pub(crate) limit: Option<(u32, Duration)>,
}

impl Intensity {
    /// At most `restarts_max` restarts within any `period`. Zero restarts means that the first one gives up.
    ///
    /// A zero `period` is refused when the supervisor is made: [`SpecError::ZeroPeriod`](crate::SpecError::ZeroPeriod).
    pub const fn new(restarts_max: u32, period: Duration) -> Self {
        Self { limit: Some((restarts_max, period)) }
    }

    /// Returns the number of restarts that are forgiven; `None` without a limit.
    pub fn restarts_max(&self) -> Option<u32> {
        self.limit.map(|(restarts_max, _)| restarts_max)
    }

    /// Returns the period; `None` without a limit.
    pub fn period(&self) -> Option<Duration> {
        self.limit.map(|(_, period)| period)
    }

    /// No limit: the supervisor never gives up. Use it for services that must come back at any cost. A start that
    /// always fails is then tried again at once, for ever.
    pub const fn unlimited() -> Self {
        Self { limit: None }
    }
}

impl Default for Intensity {
    fn default() -> Self {
        Self::new(1, Duration::from_secs(5))
    }
}

/// The restarts that still count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Budget {
    intensity: Intensity,
    spent: VecDeque<Duration>,
}

impl Budget {
    pub(crate) fn new(intensity: Intensity) -> Self {
        Self { intensity, spent: VecDeque::new() }
    }

    /// Sets other limits. Spent units stay spent (OTP rule 95).
    pub(crate) fn set(&mut self, intensity: Intensity) {
        self.intensity = intensity;
    }

    pub(crate) fn period(&self) -> Option<Duration> {
        self.intensity.period()
    }

    /// Spends one unit at `now`. Returns `false` if that is one more than forgiven (OTP rules 20, 21).
    pub(crate) fn spend(&mut self, now: Duration) -> bool {
        let Some((restarts_max, period)) = self.intensity.limit else { return true };
        // Invariant 1: `>`, not `>=`.
        while self.spent.front().is_some_and(|&at| now.saturating_sub(at) > period) {
            self.spent.pop_front();
        }
        let is_forgiven = self.spent.len() < restarts_max as usize;
        // A unit that is not forgiven leads to no restart. If the child is parked for it, the unit must not weigh on
        // its siblings.
        self.spent.extend(is_forgiven.then_some(now));
        is_forgiven
    }

    /// Returns the restarts that are still forgiven at `now`, and the limits: restarts and period. `None` without a
    /// limit.
    pub(crate) fn left(&self, now: Duration) -> Option<(u32, u32, Duration)> {
        let (restarts_max, period) = self.intensity.limit?;
        let counted = self.spent.iter().filter(|&&at| now.saturating_sub(at) <= period).count();
        let counted = u32::try_from(counted).unwrap_or(u32::MAX);
        Some((restarts_max.saturating_sub(counted), restarts_max, period))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_restart_exactly_one_period_old_still_counts() {
        let mut budget = Budget::new(Intensity::new(1, 1000 * MS));
        assert!(budget.spend(Duration::ZERO));
        assert!(!budget.spend(1000 * MS));
    }

    #[test]
    fn a_millisecond_later_it_does_not() {
        let mut budget = Budget::new(Intensity::new(1, 1000 * MS));
        assert!(budget.spend(Duration::ZERO));
        assert!(budget.spend(1001 * MS));
    }

    // kameo's budget looked at the gap between two restarts and gave up at any steady pace below the limit.
    #[test]
    fn a_pace_below_the_limit_lives_for_ever() {
        let mut budget = Budget::new(Intensity::new(3, 300 * MS));
        assert!((0..10_000).all(|crash| budget.spend(crash * 101 * MS)));
        let mut burst = Budget::new(Intensity::new(3, 300 * MS));
        let forgiven = (0..4).filter(|&crash| burst.spend(crash * 10 * MS)).count();
        assert_eq!(forgiven, 3);
    }

    #[test]
    fn zero_restarts_forgives_none_and_unlimited_all() {
        assert!(!Budget::new(Intensity::new(0, 1000 * MS)).spend(Duration::ZERO));
        let mut unlimited = Budget::new(Intensity::unlimited());
        assert!((0..1000).all(|_| unlimited.spend(Duration::ZERO)));
    }
}
