//! The delay before a restart: a curve, jitter on it, and the steps that a child has taken on the curve.
//!
//! Invariants:
//! 1. No delay is longer than the cap, whatever the jitter.
//! 2. Chance comes from outside, one source per child: two children never draw the same delays because they share one.
//! 3. Nothing overflows: a curve that would overflow has reached its cap long before.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::time::scaled;

/// The longest time that any setting may name. A setting without a limit uses the word for that instead.
pub const LONGEST_TIME: Duration = Duration::from_secs(366 * 24 * 3600);

/// The spread of delays, so that many children that died together do not come back together.
///
/// An example shows the effect. A hundred children lose a service that they all need, which is down for eight seconds.
/// Delays begin at 100 ms and double, up to 10 s. A start takes 0.1 ms, and time is virtual
/// (`supervisors/tests/policies/thundering_herd.rs`).
///
/// | restart | attempts | of these failed | worst 100 ms, 1st second | worst 100 ms, later | last child up |
/// |---|---:|---:|---:|---:|---:|
/// | immediate (OTP) | 80099 | 79999 | 1000 | 1000 | 8.01 s |
/// | exponential | 700 | 600 | 100 | 100 | 12.71 s |
/// | full jitter | 811 | 711 | 121 | 17 | 17.99 s |
/// | decorrelated jitter | 993 | 893 | 61 | 21 | 16.61 s |
/// | wake on ready | 100 | 0 | 0 | 100 | 8.01 s |
///
/// Jitter saves no attempts: it makes more of them than plain delays, and its last child is up later. Its gain is the
/// later peak: 17 or 21 starts in 100 ms, while plain delays have all 100, again and again. If the missing service is
/// part of the tree, [`depends_on`](crate::Policy::depends_on) beats every curve: no child tries in vain. All hundred
/// start within 10 ms of its return then, and a supervisor's `max_starting` is there for that peak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Jitter {
    /// No jitter.
    #[default]
    None,
    /// Anywhere between nothing and the delay of the curve.
    Full,
    /// Anywhere between the first delay and three times the delay before, up to the cap. The factor has no part in it.
    Decorrelated,
}

/// The delays before restarts of a child: a curve and its jitter.
///
/// ```
/// use regrow_supervisors::{Backoff, Jitter};
/// use std::time::Duration;
///
/// let backoff = Backoff::new(Duration::from_millis(100)).max_delay(Duration::from_secs(30)).jitter(Jitter::Full);
/// assert_eq!(backoff.curve(0), Duration::from_millis(100));
/// assert_eq!(backoff.curve(3), Duration::from_millis(800));
/// assert_eq!(backoff.curve(1000), Duration::from_secs(30));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Backoff {
    shape: Shape,
    jitter: Jitter,
}

#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Growing {
        first: Duration,
        factor: f64,
        max: Duration,
    },
    /// Listed delays, and the name of a growth setting that was called on the list, where it has no effect.
    Listed(Arc<[Duration]>, Option<&'static str>),
}

impl Backoff {
    /// Doubles from `first` up to thirty seconds, or up to `first` if that is longer. Without jitter.
    pub fn new(first: Duration) -> Self {
        let max = first.max(Duration::from_secs(30));
        Self { shape: Shape::Growing { first, factor: 2.0, max }, jitter: Jitter::None }
    }

    /// These delays, one after the other; the last one repeats.
    pub fn listed(delays: impl Into<Arc<[Duration]>>) -> Self {
        Self { shape: Shape::Listed(delays.into(), None), jitter: Jitter::None }
    }

    /// Sets the factor by which each delay is longer than the one before: 1 or more. [`check`](Self::check) refuses it
    /// for a list.
    pub fn factor(mut self, by: f64) -> Self {
        match &mut self.shape {
            Shape::Growing { factor, .. } => *factor = by,
            Shape::Listed(_, idle) => *idle = Some("factor"),
        }
        self
    }

    /// Sets the cap: no delay is longer. [`check`](Self::check) refuses it for a list.
    pub fn max_delay(mut self, cap: Duration) -> Self {
        match &mut self.shape {
            Shape::Growing { max, .. } => *max = cap,
            Shape::Listed(_, idle) => *idle = Some("max_delay"),
        }
        self
    }

    /// Sets the jitter.
    pub fn jitter(self, jitter: Jitter) -> Self {
        Self { jitter, ..self }
    }

    /// Returns the delays, if they are listed.
    pub fn list(&self) -> Option<&[Duration]> {
        match &self.shape {
            Shape::Growing { .. } => None,
            Shape::Listed(delays, _) => Some(delays),
        }
    }

    /// Returns the first delay, the factor and the cap, if the delays grow.
    pub fn growth(&self) -> Option<(Duration, f64, Duration)> {
        match &self.shape {
            Shape::Growing { first, factor, max } => Some((*first, *factor, *max)),
            Shape::Listed(..) => None,
        }
    }

    /// Returns the jitter.
    pub fn spread(&self) -> Jitter {
        self.jitter
    }

    /// Returns the delay before restart number `step`, counted from 0, without jitter.
    pub fn curve(&self, step: u32) -> Duration {
        match &self.shape {
            Shape::Growing { first, factor, max } => {
                let grown = first.as_secs_f64() * factor.powi(step.min(10_000).cast_signed());
                // Invariant 3: a result that no duration can hold is beyond the cap. Zero stays zero, whatever the
                // factor.
                let delay = Duration::try_from_secs_f64(grown).unwrap_or(*max).min(*max);
                if first.is_zero() { Duration::ZERO } else { delay }
            }
            Shape::Listed(delays, _) => {
                let last = delays.len().saturating_sub(1);
                delays.get(last.min(step as usize)).copied().unwrap_or_default()
            }
        }
    }

    /// Returns the longest delay of the curve.
    pub fn longest(&self) -> Duration {
        match &self.shape {
            Shape::Growing { max, .. } => *max,
            Shape::Listed(delays, _) => delays.iter().copied().max().unwrap_or_default(),
        }
    }

    /// Checks the curve.
    ///
    /// # Errors
    ///
    /// The first setting that is invalid.
    pub fn check(&self) -> Result<(), BackoffError> {
        match &self.shape {
            Shape::Listed(_, Some(setting)) => Err(BackoffError::NoGrowth(setting)),
            Shape::Listed(delays, _) if delays.is_empty() => Err(BackoffError::EmptyList),
            Shape::Listed(delays, _) => match delays.iter().find(|delay| **delay > LONGEST_TIME) {
                Some(&delay) => Err(BackoffError::TooLong(delay)),
                None => Ok(()),
            },
            Shape::Growing { factor, .. } if !(1.0..=1000.0).contains(factor) => Err(BackoffError::Factor(*factor)),
            Shape::Growing { first, max, .. } if max < first => {
                Err(BackoffError::CapBelowFirst { first: *first, max: *max })
            }
            Shape::Growing { max, .. } if *max > LONGEST_TIME => Err(BackoffError::TooLong(*max)),
            Shape::Growing { .. } => Ok(()),
        }
    }

    /// Draws the next delay of a child that has taken these steps, with jitter.
    fn draw(&self, steps: &Steps, chance: &mut dyn Chance) -> Duration {
        let curve = self.curve(steps.taken);
        match self.jitter {
            Jitter::None => curve,
            // Invariant 1: a product may be rounded up.
            Jitter::Full => scaled(curve, unit(chance)).min(curve),
            Jitter::Decorrelated => {
                let (low, cap) = (self.curve(0), self.longest());
                let high = steps.previous.max(low).saturating_mul(3).min(cap);
                low.saturating_add(scaled(high.saturating_sub(low), unit(chance))).min(cap)
            }
        }
    }
}

fn unit(chance: &mut dyn Chance) -> f64 {
    let drawn = chance.draw();
    if drawn.is_nan() { 0.0 } else { drawn.clamp(0.0, 1.0) }
}

/// A child's source of chance. The runtime gives each child its own source, made from a seed.
pub trait Chance: Send + fmt::Debug {
    /// Draws a number from 0 (included) to 1, all equally likely. A number outside counts as the nearer end, NaN as 0.
    fn draw(&mut self) -> f64;
    /// Returns the same source at the same place, for a machine that is copied.
    fn copied(&self) -> Box<dyn Chance>;
}

impl Clone for Box<dyn Chance> {
    fn clone(&self) -> Self {
        self.copied()
    }
}

/// The source of a child without one: always the middle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoChance;

impl Chance for NoChance {
    fn draw(&mut self) -> f64 {
        0.5
    }

    fn copied(&self) -> Box<dyn Chance> {
        Box::new(*self)
    }
}

/// The steps that a child has taken on a curve.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Steps {
    pub(crate) taken: u32,
    previous: Duration,
}

impl Steps {
    pub(crate) fn next(&mut self, backoff: &Backoff, chance: &mut dyn Chance) -> Duration {
        let delay = backoff.draw(self, chance);
        self.taken = self.taken.saturating_add(1);
        self.previous = delay;
        delay
    }
}

/// The reason why a [`Backoff`] is invalid.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum BackoffError {
    /// A list without delays.
    EmptyList,
    /// This setting was called on a list of delays, which does not grow.
    NoGrowth(&'static str),
    /// A factor below 1, above 1000, or none at all.
    Factor(f64),
    /// The cap is shorter than the first delay.
    CapBelowFirst {
        /// The first delay.
        first: Duration,
        /// The cap.
        max: Duration,
    },
    /// Longer than [`LONGEST_TIME`].
    TooLong(Duration),
}

impl fmt::Display for BackoffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyList => f.write_str("the list of delays is empty"),
            Self::NoGrowth(setting) => write!(f, "`{setting}` has no effect on a list of delays: leave it out"),
            Self::Factor(factor) => write!(f, "the factor {factor} is not between 1 and 1000"),
            Self::CapBelowFirst { first, max } => {
                write!(f, "the longest delay, {max:?}, is shorter than the first, {first:?}")
            }
            Self::TooLong(delay) => write!(f, "a delay of {} days is longer than a year", delay.as_secs() / 86400),
        }
    }
}

impl std::error::Error for BackoffError {}
