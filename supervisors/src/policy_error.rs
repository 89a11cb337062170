//! The checks of a policy, and what they find.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::backoff::{BackoffError, LONGEST_TIME};
use crate::dependency::{Dependency, DependencyCondition};
use crate::give_up::GiveUp;
use crate::kept::KeptThen;
use crate::policy::Policy;

/// The reason why a [`Policy`] is invalid.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PolicyError {
    /// A curve is invalid.
    Backoff(BackoffError),
    /// This setting may not be zero.
    Zero(&'static str),
    /// This setting is longer than [`LONGEST_TIME`].
    TooLong(&'static str),
    /// No part of the messages is more than this percentage.
    NeverExceeded(u8),
    /// The child is to be restarted with this job, which has to be completed: a job has no life that goes on.
    RestartWithJob(Arc<str>),
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backoff(error) => error.fmt(f),
            Self::Zero(what) => write!(f, "{what} is zero"),
            Self::TooLong(what) => write!(f, "{what} is longer than a year"),
            Self::NeverExceeded(percent) => {
                write!(f, "a failure_rate of more than {percent} percent never happens: set it to 99 or less")
            }
            Self::RestartWithJob(job) => {
                write!(
                    f,
                    "it is to be restarted with the job `{job}`, which has to be completed: leave out one of the two"
                )
            }
        }
    }
}

impl std::error::Error for PolicyError {}

impl Policy {
    /// Checks the policy.
    ///
    /// # Errors
    ///
    /// The first setting that is invalid.
    pub fn check(&self) -> Result<(), PolicyError> {
        let not_ready = self.not_ready.clone().unwrap_or_default();
        let probes = match &self.on_give_up {
            Some(GiveUp::Park(probes)) => Some(probes),
            Some(GiveUp::Escalate | GiveUp::Stop | GiveUp::EndTree) | None => None,
        };
        let kept_probes = match self.kept.as_ref().map(|rule| &rule.then) {
            Some(KeptThen::Park(probes)) => Some(probes),
            Some(KeptThen::BeginEmpty) | None => None,
        };
        for backoff in [self.backoff.as_ref(), not_ready.backoff.as_ref(), probes, kept_probes].into_iter().flatten() {
            backoff.check().map_err(PolicyError::Backoff)?;
        }
        if [probes, kept_probes].into_iter().flatten().any(|probes| probes.curve(0).is_zero()) {
            return Err(PolicyError::Zero("the first delay of a parked child"));
        }
        for period in [self.budget, not_ready.budget].into_iter().flatten().filter_map(|budget| budget.limit) {
            span("the budget's period", Some(period.1))?;
        }
        let dependencies = self.depends_on.as_deref().unwrap_or_default();
        let is_job = |on: &&Dependency| on.restart && on.condition == DependencyCondition::Completed;
        if let Some(job) = dependencies.iter().find(is_job) {
            return Err(PolicyError::RestartWithJob(job.name.clone()));
        }
        if let Some(rate) = self.failure_rate {
            span("the window of failure_rate", Some(rate.within))?;
            if rate.messages_min == 0 {
                return Err(PolicyError::Zero("the number of messages of failure_rate"));
            }
            if rate.percent >= 100 {
                return Err(PolicyError::NeverExceeded(rate.percent));
            }
        }
        if self.kept.as_ref().is_some_and(|rule| rule.lives_max == 0) {
            return Err(PolicyError::Zero("the number of lives of kept"));
        }
        span("reset_after", self.reset_after)?;
        span("start_timeout", self.start_timeout)?;
        span("watchdog", self.watchdog)?;
        if self.reset_after_messages == Some(0) {
            return Err(PolicyError::Zero("reset_after_messages"));
        }
        Ok(())
    }
}

fn span(what: &'static str, time: Option<Duration>) -> Result<(), PolicyError> {
    match time {
        Some(time) if time.is_zero() => Err(PolicyError::Zero(what)),
        Some(time) if time > LONGEST_TIME => Err(PolicyError::TooLong(what)),
        Some(_) | None => Ok(()),
    }
}
