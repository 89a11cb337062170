//! A budget by rate: the part of a child's messages that may fail within a window.
//!
//! Invariants:
//! 1. The window moves by a tenth of its length. It has at most ten tenths, the present one among them.
//! 2. Only counts are kept, and the clock is read when a failure is counted. Messages that were handled between two
//!    failures are taken as evenly spread over that time.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// The part of a child's messages that may fail within a window, before the child is parked or given up.
///
/// `FailureRate::new(50, 20, Duration::from_secs(10))`: more than 50 % of at least 20 messages in 10 s are too many. A
/// message fails if the service says so (`ctx.failure(error)`), or crashes or hangs with it. A kill from outside does
/// not count.
///
/// The window moves by a tenth of its length. The supervisor learns of failures when they happen, and takes the messages
/// between two of them as evenly spread over that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FailureRate {
    pub(crate) percent: u8,
    pub(crate) messages_min: u64,
    pub(crate) within: Duration,
}

impl FailureRate {
    /// More than `percent` of at least `messages_min` messages within `within` are too many. With zero percent, each
    /// failure is one too many from `messages_min` messages on.
    ///
    /// Refused when the supervisor is made: 100 percent or more, which is never exceeded, no messages, and a window that
    /// is zero or longer than a year.
    pub const fn new(percent: u8, messages_min: u64, within: Duration) -> Self {
        Self { percent, messages_min, within }
    }

    /// Returns the percentage that is not too much yet.
    pub fn percent(&self) -> u8 {
        self.percent
    }

    /// Returns the number of messages from which on the rate counts.
    pub fn messages_min(&self) -> u64 {
        self.messages_min
    }

    /// Returns the length of the window.
    pub fn within(&self) -> Duration {
        self.within
    }
}

/// The failures in a window, as of the latest failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailuresSeen {
    /// Messages that failed.
    pub failed: u64,
    /// All messages, those that failed among them.
    pub messages: u64,
    /// The length of the window.
    pub within: Duration,
}

impl fmt::Display for FailuresSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { failed, messages, within } = self;
        write!(f, "{failed} of {messages} messages in {within:?} failed")
    }
}

/// The counts of the messages in a window.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    /// The latest tenth is last.
    tenths: VecDeque<Tenth>,
    /// The time up to which messages were counted.
    counted_to: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Tenth {
    number: u128,
    messages: u64,
    failed: u64,
}

const TENTHS: u128 = 10;

impl Window {
    /// Counts this many messages, of which some failed just now. `begun`: the time from which on the first are counted.
    pub(crate) fn note(&mut self, rate: FailureRate, (messages, failed): (u64, u64), begun: Duration, now: Duration) {
        let from = self.counted_to.unwrap_or(begun).min(now);
        self.counted_to = Some(now);
        let width = rate.within.as_nanos().div_ceil(TENTHS).max(1);
        let (from, to) = (from.as_nanos(), now.as_nanos());
        let present = to / width;
        let oldest = present.saturating_sub(TENTHS - 1);
        self.tenths.retain(|tenth| tenth.number >= oldest);
        // Invariant 2. What is left over by the division belongs to the present tenth.
        let (fine, time) = (messages.saturating_sub(failed), to.saturating_sub(from));
        let mut left = fine;
        for number in (from / width).max(oldest)..present {
            let begin = from.max(number.saturating_mul(width));
            let part = number.saturating_add(1).saturating_mul(width).saturating_sub(begin);
            let share = u128::from(fine).saturating_mul(part).checked_div(time).unwrap_or_default();
            let share = u64::try_from(share).unwrap_or(u64::MAX).min(left);
            left -= share;
            self.add(number, share, 0);
        }
        let before = oldest.saturating_mul(width);
        if from < before {
            // Those that were handled before the window began.
            let share = u128::from(fine).saturating_mul(before.saturating_sub(from)).checked_div(time);
            left = left.saturating_sub(u64::try_from(share.unwrap_or_default()).unwrap_or(u64::MAX));
        }
        self.add(present, left.saturating_add(failed), failed);
    }

    fn add(&mut self, number: u128, messages: u64, failed: u64) {
        match self.tenths.iter_mut().find(|tenth| tenth.number == number) {
            Some(tenth) => {
                tenth.messages = tenth.messages.saturating_add(messages);
                tenth.failed = tenth.failed.saturating_add(failed);
            }
            None => self.tenths.push_back(Tenth { number, messages, failed }),
        }
    }

    /// Returns the failures in the window, as of the latest one. `None` if there are none.
    pub(crate) fn seen(&self, rate: FailureRate) -> Option<FailuresSeen> {
        let sum = |count: fn(&Tenth) -> u64| self.tenths.iter().map(count).fold(0, u64::saturating_add);
        let (messages, failed) = (sum(|tenth| tenth.messages), sum(|tenth| tenth.failed));
        (failed > 0).then_some(FailuresSeen { failed, messages, within: rate.within })
    }

    /// Returns the failures in the window, if they are too many.
    pub(crate) fn exceeded(&self, rate: FailureRate) -> Option<FailuresSeen> {
        let is_too_much = |seen: &FailuresSeen| {
            let (failed, messages) = (u128::from(seen.failed), u128::from(seen.messages));
            seen.messages >= rate.messages_min
                && failed.saturating_mul(100) > messages.saturating_mul(rate.percent.into())
        };
        self.seen(rate).filter(is_too_much)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEC: Duration = Duration::from_secs(1);
    const RATE: FailureRate = FailureRate::new(50, 10, Duration::from_secs(10));

    fn noted(window: &mut Window, messages: u64, failed: u64, at: u32) -> Option<(u64, u64)> {
        window.note(RATE, (messages, failed), Duration::ZERO, at * SEC);
        window.exceeded(RATE).map(|seen| (seen.failed, seen.messages))
    }

    #[test]
    fn more_than_the_part_of_at_least_so_many_messages_is_too_much() {
        let mut window = Window::default();
        assert_eq!(noted(&mut window, 9, 9, 1), None, "too few messages");
        assert_eq!(noted(&mut window, 1, 1, 1), Some((10, 10)));
        let mut window = Window::default();
        assert_eq!(noted(&mut window, 20, 10, 1), None, "exactly the part");
        assert_eq!(noted(&mut window, 1, 1, 1), Some((11, 21)));
    }

    #[test]
    fn failures_leave_the_window_when_they_are_old() {
        let mut window = Window::default();
        assert_eq!(noted(&mut window, 9, 9, 0), None);
        // The window reaches from the tenth that begins at 1 s to now.
        assert_eq!(noted(&mut window, 1, 1, 10), None);
        let seen = window.seen(RATE).expect("one");
        assert_eq!((seen.failed, seen.messages), (1, 1));
    }

    #[test]
    fn messages_between_two_failures_are_spread_over_that_time_and_none_is_lost_in_the_window() {
        let mut window = Window::default();
        assert_eq!(noted(&mut window, 1, 1, 0), None);
        // 900 in nine seconds are all in the window.
        assert_eq!(noted(&mut window, 901, 1, 9), None);
        assert_eq!(window.seen(RATE).map(|seen| (seen.failed, seen.messages)), Some((2, 902)));
        // Of 3,600 in an hour, those of the window's nine full tenths are.
        let mut window = Window::default();
        assert_eq!(noted(&mut window, 3601, 1, 3600), None);
        assert_eq!(window.seen(RATE).map(|seen| (seen.failed, seen.messages)), Some((1, 10)));
        // No time at all has passed.
        let mut window = Window::default();
        assert_eq!(noted(&mut window, 30, 20, 0), Some((20, 30)));
    }

    #[test]
    fn the_largest_counts_and_times_do_not_overflow() {
        let rate = FailureRate::new(99, u64::MAX, Duration::MAX);
        let mut window = Window::default();
        for _ in 0..3 {
            window.note(rate, (u64::MAX, u64::MAX), Duration::ZERO, Duration::MAX);
        }
        assert!(window.exceeded(rate).is_some());
    }
}
