//! The restarts of a service, by cause, and in the last minute and hour.

use std::time::Duration;

use regrow_supervisors::ExitKind;
use tokio::time::Instant;

use crate::base::time::TreeTime;

/// Causes of an end, in the order of the counters.
pub(crate) const CAUSES: [(ExitKind, &str); 6] = [
    (ExitKind::Normal, "normal"),
    (ExitKind::Shutdown, "shutdown"),
    (ExitKind::Killed, "killed"),
    (ExitKind::Failed, "failed"),
    (ExitKind::Panicked, "panicked"),
    (ExitKind::Hung, "hung"),
];

/// Returns the place of a cause among the counters. The kinds that only rules name have none.
fn place(cause: ExitKind) -> Option<usize> {
    Some(match cause {
        ExitKind::Normal => 0,
        ExitKind::Shutdown => 1,
        ExitKind::Killed => 2,
        ExitKind::Failed => 3,
        ExitKind::Panicked => 4,
        ExitKind::Hung => 5,
        // Those of rules. The enum may grow.
        _ => return None,
    })
}

/// Returns the place of the cause of an end among the counters.
pub(crate) fn place_of(cause: ExitKind) -> usize {
    place(cause).unwrap_or_else(|| unreachable!("an exit has one of the six causes: {cause:?}"))
}

/// Reason for a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RestartCause {
    /// The service itself had ended, or had failed to start, in this way.
    Own(ExitKind),
    /// The service was stopped and started with others: its group, its supervisor, or a service that it depends on.
    TakenAlong,
}

/// Number of restarts by the cause of the end before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByCause(pub(crate) [u64; CAUSES.len()]);

impl ByCause {
    /// Returns the number for this cause. It is zero for [`ExitKind::StartFailed`] and [`ExitKind::NotReady`], which
    /// only the rules of policies use: a failed start counts by its exit.
    pub fn get(&self, cause: ExitKind) -> u64 {
        place(cause).map_or(0, |place| self.0[place])
    }

    /// Returns each cause with its word and its number, also if that is zero.
    pub fn iter(&self) -> impl Iterator<Item = (ExitKind, &'static str, u64)> + '_ {
        CAUSES.iter().zip(self.0).map(|((kind, word), number)| (*kind, *word, number))
    }

    /// Returns the sum over all causes.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// Restarts of a service. A restart is an attempt to start it after an end, or after a start that failed. The first
/// attempt, and a start by order after the service was down, do not count.
///
/// [`Handle::restarts`](crate::Handle::restarts) and [`Directory::restarts`](crate::Directory::restarts) return it. It
/// outlives the restarts of the supervisor, and ends with the service's place in the directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Restarts {
    /// All restarts: those by cause, and those taken along.
    pub total: u64,
    /// Restarts because of its own ends, by their cause.
    pub by_cause: ByCause,
    /// Restarts with others: see [`RestartCause::TakenAlong`].
    pub taken_along: u64,
    /// Restarts in the last 60 s. One between 59 s and 60 s ago may be missing.
    pub last_minute: u64,
    /// Restarts in the last 60 min. One between 59 min and 60 min ago may be missing.
    pub last_hour: u64,
    /// The latest restart, and the time since.
    pub last: Option<(RestartCause, Duration)>,
}

/// Restarts as the slot counts them. Times are those of the tree's clock.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) own: [u64; CAUSES.len()],
    pub(crate) taken_along: u64,
    last: Option<(RestartCause, Duration)>,
    windows: Option<Box<Windows>>,
}

impl Log {
    pub(crate) fn note(&mut self, cause: RestartCause, now: TreeTime) {
        match cause {
            RestartCause::Own(kind) => self.own[place_of(kind)] += 1,
            RestartCause::TakenAlong => self.taken_along += 1,
        }
        self.last = Some((cause, now.at));
        match &mut self.windows {
            Some(windows) => windows.note(now.at),
            None => self.windows = Some(Windows::beginning(now)),
        }
    }

    pub(crate) fn read(&self, now: Instant) -> Restarts {
        let by_cause = ByCause(self.own);
        let now = self.windows.as_ref().map_or(Duration::ZERO, |it| now.saturating_duration_since(it.zero));
        let (last_minute, last_hour) = self.windows.as_ref().map_or((0, 0), |windows| windows.read(now));
        Restarts {
            total: by_cause.total() + self.taken_along,
            by_cause,
            taken_along: self.taken_along,
            last_minute,
            last_hour,
            last: self.last.map(|(cause, at)| (cause, now.saturating_sub(at))),
        }
    }
}

/// Restarts of the last 60 s and 60 min.
#[derive(Debug)]
struct Windows {
    /// The moment at which the tree's clock was zero.
    zero: Instant,
    seconds: Ring,
    minutes: Ring,
}

impl Windows {
    /// Windows with one restart.
    #[cold]
    fn beginning(now: TreeTime) -> Box<Self> {
        let mut windows = Box::new(Self { zero: now.zero, seconds: Ring::default(), minutes: Ring::default() });
        windows.note(now.at);
        windows
    }

    fn note(&mut self, now: Duration) {
        let second = now.as_secs();
        self.seconds.note(second);
        self.minutes.note(second / 60);
    }

    fn read(&self, now: Duration) -> (u64, u64) {
        let second = now.as_secs();
        (self.seconds.sum(second), self.minutes.sum(second / 60))
    }
}

const SPANS: u64 = 60;

/// Counters of the last 60 spans of time, of equal length.
#[derive(Debug)]
struct Ring {
    /// Number of the span that was counted last.
    newest: u64,
    counts: [u32; SPANS as usize],
}

impl Default for Ring {
    fn default() -> Self {
        Self { newest: 0, counts: [0; SPANS as usize] }
    }
}

impl Ring {
    fn note(&mut self, span: u64) {
        if span > self.newest {
            self.pass_to(span);
        }
        let count = &mut self.counts[(self.newest % SPANS) as usize];
        *count = count.saturating_add(1);
    }

    /// Begins the spans up to this one.
    #[cold]
    fn pass_to(&mut self, span: u64) {
        for passed in (self.newest + 1..=span).rev().take(self.counts.len()) {
            self.counts[(passed % SPANS) as usize] = 0;
        }
        self.newest = span;
    }

    /// Returns the sum of the 60 spans up to this one.
    fn sum(&self, span: u64) -> u64 {
        let oldest = (span + 1).saturating_sub(SPANS);
        let kept = (self.newest + 1).saturating_sub(SPANS);
        (oldest.max(kept)..=self.newest).map(|span| u64::from(self.counts[(span % SPANS) as usize])).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, secs: u64) -> Instant {
        start + Duration::from_secs(secs)
    }

    fn noted(start: Instant, secs: u64) -> TreeTime {
        TreeTime { zero: start, at: Duration::from_secs(secs) }
    }

    #[test]
    fn each_cause_has_the_place_that_its_word_has() {
        for (number, (kind, word)) in CAUSES.into_iter().enumerate() {
            assert_eq!((place(kind), kind.word()), (Some(number), word));
        }
    }

    #[test]
    fn restarts_leave_the_windows_as_time_passes() {
        let start = Instant::now();
        let mut log = Log::default();
        log.note(RestartCause::Own(ExitKind::Panicked), noted(start, 0));
        log.note(RestartCause::TakenAlong, noted(start, 30));
        let at = |secs| {
            let read = log.read(after(start, secs));
            (read.last_minute, read.last_hour)
        };
        assert_eq!(at(30), (2, 2));
        assert_eq!(at(59), (2, 2));
        assert_eq!(at(60), (1, 2));
        assert_eq!(at(90), (0, 2));
        assert_eq!(at(59 * 60 + 59), (0, 2));
        assert_eq!(at(3600), (0, 0));
        let read = log.read(after(start, 31));
        assert_eq!((read.total, read.taken_along, read.by_cause.get(ExitKind::Panicked)), (2, 1, 1));
        assert_eq!(read.last, Some((RestartCause::TakenAlong, Duration::from_secs(1))));
    }

    #[test]
    fn a_ring_that_was_not_used_for_long_begins_again() {
        let start = Instant::now();
        let mut log = Log::default();
        for second in 0..200 {
            log.note(RestartCause::TakenAlong, noted(start, second));
        }
        assert_eq!(log.read(after(start, 199)).last_minute, 60);
        log.note(RestartCause::TakenAlong, noted(start, 1_000_000));
        let read = log.read(after(start, 1_000_000));
        assert_eq!((read.last_minute, read.last_hour, read.total), (1, 1, 201));
    }
}
