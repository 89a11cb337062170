//! Arithmetic on time that cannot overflow, in this one place, for operations for which std has no safe method.
//!
//! A `Duration` may be as long as its type allows, and a user may mean "no limit" by it. An operator would then panic,
//! in the caller or in a task of regrow. So a lint refuses operators (`.clippy.toml`), and code calls these functions,
//! or the `saturating_` methods of `Duration`.

use std::time::Duration;

use tokio::time::Instant;

/// Duration that means "for ever" in a deadline: a century, which every clock and timer can count.
const FOR_EVER: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// Returns the moment `by` after `at`. A duration of more than a century counts as a century.
pub(crate) fn later(at: Instant, by: Duration) -> Instant {
    at.checked_add(by.min(FOR_EVER)).unwrap_or(at)
}

/// Time on the clock of a tree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TreeTime {
    /// The moment at which that clock was zero.
    pub(crate) zero: Instant,
    pub(crate) at: Duration,
}

/// Returns one of `parts` equal parts of a time; the whole time for no parts.
pub(crate) fn part(time: Duration, parts: u32) -> Duration {
    time.checked_div(parts).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    // tokio's own timers panic for a moment at the very end of the clock (tokio #8497).
    #[tokio::test]
    async fn a_deadline_that_never_comes_can_be_waited_for() {
        let now = Instant::now();
        let never = later(later(now, Duration::MAX), Duration::MAX);
        assert!(never > later(now, Duration::from_secs(3600)) && later(now, Duration::ZERO) == now);
        let waited = tokio::time::timeout(Duration::from_millis(1), tokio::time::sleep_until(never)).await;
        assert!(waited.is_err());
    }

    #[test]
    fn a_part_of_a_time_is_defined_for_every_number_of_parts() {
        assert_eq!(part(Duration::MAX, 1), Duration::MAX);
        assert_eq!(part(Duration::from_secs(8), 8), Duration::from_secs(1));
        assert_eq!(part(Duration::from_secs(8), 0), Duration::from_secs(8));
    }
}
