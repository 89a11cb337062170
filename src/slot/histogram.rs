//! Histograms of times, with fixed bounds.

use std::time::Duration;

/// Upper bounds of the buckets in nanoseconds. The last bucket has none.
const BOUNDS: [u64; 16] = [
    10_000,
    100_000,
    500_000,
    1_000_000,
    5_000_000,
    10_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
    60_000_000_000,
];

/// Number of times in each bucket, and their sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Histogram([Bucket; BOUNDS.len() + 1]);

/// Times between two bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bucket {
    pub(crate) count: u64,
    /// Sum of the times in nanoseconds.
    nanos: u64,
}

impl Bucket {
    /// Returns the mean of the times in seconds. It lies in the bucket.
    #[cfg(feature = "metrics")]
    pub(crate) fn mean(self) -> f64 {
        Duration::from_nanos(self.nanos / self.count.max(1)).as_secs_f64()
    }
}

impl Histogram {
    /// Returns the upper bounds in seconds.
    #[cfg(feature = "metrics")]
    pub(crate) fn bounds() -> [f64; BOUNDS.len()] {
        BOUNDS.map(|nanos| Duration::from_nanos(nanos).as_secs_f64())
    }

    pub(crate) fn record(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let place = BOUNDS.partition_point(|bound| *bound < nanos);
        let bucket = &mut self.0[place];
        bucket.count += 1;
        bucket.nanos = bucket.nanos.saturating_add(nanos);
    }

    #[cfg(test)]
    fn count(&self) -> u64 {
        self.0.iter().map(|bucket| bucket.count).sum()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            own.count = own.count.saturating_add(other.count);
            own.nanos = own.nanos.saturating_add(other.nanos);
        }
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            own.count = own.count.saturating_sub(other.count);
            own.nanos = own.nanos.saturating_sub(other.nanos);
        }
    }

    /// Returns the buckets that hold a time.
    #[cfg(feature = "metrics")]
    pub(crate) fn buckets(&self) -> impl Iterator<Item = Bucket> + '_ {
        self.0.iter().copied().filter(|bucket| bucket.count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_bucket_whose_bound_it_does_not_exceed() {
        let mut histogram = Histogram::default();
        for micros in [0, 10, 11, 1_000, 60_000_000, 60_000_001] {
            histogram.record(Duration::from_micros(micros));
        }
        let counts = histogram.0.map(|bucket| bucket.count);
        assert_eq!((counts[0], counts[1], counts[3], counts[15], counts[16]), (2, 1, 1, 1, 1));
        assert_eq!(histogram.count(), 6);
    }
}
