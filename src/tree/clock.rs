//! The clock of a tree: time as its machines count it, from the moment at which the tree was made.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::base::time::{TreeTime, later};

/// The clock, with the time of the system at its zero.
pub(crate) struct Clock(Instant, SystemTime);

#[cfg(test)]
thread_local! {
    /// Time by which the clock of the system is set forward after the trees of this thread are made.
    pub(crate) static SET_SINCE: std::cell::Cell<Duration> = const { std::cell::Cell::new(Duration::ZERO) };
}

impl Clock {
    pub(crate) fn new() -> Self {
        #[cfg(test)]
        let set_since = SET_SINCE.get();
        #[cfg(not(test))]
        let set_since = Duration::ZERO;
        let now = SystemTime::now();
        Self(Instant::now(), now.checked_sub(set_since).unwrap_or(now))
    }

    /// The time as the machines count it.
    pub(crate) fn now(&self) -> Duration {
        self.0.elapsed()
    }

    /// The time of the system when this clock was zero.
    pub(crate) fn boot(&self) -> SystemTime {
        self.1
    }

    /// This time, with the zero of the clock.
    pub(crate) fn at(&self, at: Duration) -> TreeTime {
        TreeTime { zero: self.0, at }
    }

    /// The moment at which the machines will count this time.
    pub(crate) fn moment(&self, at: Duration) -> Instant {
        later(self.0, at)
    }

    /// The time of this moment, as the machines count it.
    pub(crate) fn time_of(&self, moment: std::time::Instant) -> Duration {
        moment.saturating_duration_since(self.0.into_std())
    }
}
