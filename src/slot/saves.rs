//! Figures of the saves of a service: their number, age, size and cost. A service that saves nothing has none.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::base::sync::lock;

/// Time after which a failure in a row of failures is news again.
const NEWS_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Figures of the saves of a service, over all of its incarnations in this tree. See
/// [`Handle::saves`](crate::Handle::saves).
///
/// If a service has several checkpoints, the counts are of all of them, and the rest is of the one that was used last.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SaveFigures {
    /// Number of the latest claim.
    pub epoch: u64,
    /// Number of saves that are durable.
    pub saves: u64,
    /// Number of saves that failed, or gave no answer in time.
    pub failures: u64,
    /// The newest save that is durable. `None` if this process has made none.
    pub last: Option<LastSave>,
    /// Error of the newest save, if it failed.
    pub failure: Option<Arc<str>>,
}

/// Figures of one save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastSave {
    /// Size of the encoded value, in bytes.
    pub bytes: u64,
    /// Time that the store took.
    pub took: Duration,
    /// Time since the save became durable.
    pub age: Duration,
}

impl fmt::Display for SaveFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last {
            Some(LastSave { bytes: size, took, age }) => {
                write!(f, "saved {age:.1?} ago: epoch {}, {} in {took:.1?}", self.epoch, bytes(size))?;
            }
            None => write!(f, "not saved yet by this process: epoch {}", self.epoch)?,
        }
        match &self.failure {
            Some(failure) => write!(f, "; the last save failed: {failure}"),
            None => Ok(()),
        }
    }
}

/// A number of bytes with separators: `1,204 bytes`.
fn bytes(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + if number == 1 { " byte" } else { " bytes" }
}

/// The figures, as they grow.
#[derive(Debug, Default)]
pub(crate) struct Saves(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    epoch: u64,
    saves: u64,
    failures: u64,
    /// Size, time and moment of the newest durable save.
    last: Option<(u64, Duration, Instant)>,
    failure: Option<Arc<str>>,
    /// Moment at which a failure was last news.
    told: Option<Instant>,
}

#[allow(dead_code, reason = "only checkpoints call it, and they are a feature")]
impl Saves {
    pub(crate) fn claimed(&self, epoch: u64) {
        lock(&self.0).epoch = epoch;
    }

    pub(crate) fn saved(&self, epoch: u64, bytes: u64, took: Duration) {
        let mut counts = lock(&self.0);
        counts.epoch = epoch;
        counts.saves = counts.saves.saturating_add(1);
        counts.last = Some((bytes, took, Instant::now()));
        (counts.failure, counts.told) = (None, None);
    }

    /// Counts a failure. `true` if it is news: the first in a row, and one a second after that.
    pub(crate) fn failed(&self, failure: Arc<str>) -> bool {
        {
            let mut counts = lock(&self.0);
            counts.failures = counts.failures.saturating_add(1);
            counts.failure = Some(failure);
        }
        self.is_news()
    }

    /// Whether a failure is to be told now.
    pub(crate) fn is_news(&self) -> bool {
        let now = Instant::now();
        let mut counts = lock(&self.0);
        let is_news = counts.told.is_none_or(|told| now.saturating_duration_since(told) >= NEWS_AGAIN_AFTER);
        if is_news {
            counts.told = Some(now);
        }
        is_news
    }
}

impl Saves {
    pub(crate) fn figures(&self) -> SaveFigures {
        let counts = lock(&self.0);
        let last = counts.last.map(|(bytes, took, at)| LastSave { bytes, took, age: at.elapsed() });
        let (epoch, saves, failures) = (counts.epoch, counts.saves, counts.failures);
        SaveFigures { epoch, saves, failures, last, failure: counts.failure.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_groups_of_three_digits() {
        let told = [0, 1, 999, 1_000, 1_204, 104_857_600].map(bytes);
        assert_eq!(told, ["0 bytes", "1 byte", "999 bytes", "1,000 bytes", "1,204 bytes", "104,857,600 bytes"]);
    }
}
