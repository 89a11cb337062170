//! The script of a run: the experiment with everything drawn that can be drawn before it begins.
//!
//! A script can be replayed, and shortened line by line.
//!
//! Invariant: a script depends on the experiment, its seed and the paths of the tree, and on nothing else.

use std::time::Duration;

use fastrand::Rng;
use regrow_supervisors::LONGEST_TIME;

use crate::chaos::error::ExperimentError;
use crate::chaos::experiment::{Experiment, Planned};
use crate::chaos::fault::{Fault, Trigger, When};
use crate::chaos::scope::Scope;
use crate::tree::directory::ChildKind;

/// The faults of one run, line by line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Script {
    /// The lines in the order of their times. Those that follow events come last.
    pub lines: Vec<ScriptStep>,
}

/// A fault of a script, with everything that was drawn for it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ScriptStep {
    /// The time at which the fault strikes.
    pub at: ScriptTime,
    /// The fault.
    pub fault: Fault,
    /// Paths of the children that it strikes, drawn before the run.
    pub victims: Vec<String>,
    /// The time that it lasts, if it is continuous. `None`: until the end of the faults.
    pub lasts: Option<Duration>,
    /// Seed of what is drawn during the run.
    pub seed: u64,
}

/// The time at which a line is due.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ScriptTime {
    /// A time after the beginning.
    Time(Duration),
    /// A delay after each event. The victim is drawn then, from the children that can be hit.
    Event {
        /// The kind of event.
        event: Trigger,
        /// The children with such events.
        of: Scope,
        /// Time between the event and the strike.
        delay: Duration,
    },
}

impl ScriptStep {
    /// Describes a fault at this time. It lasts until the end of the faults if it is continuous, and its seed is 0.
    pub fn new(at: Duration, fault: Fault, victims: &[&str]) -> Self {
        let victims = victims.iter().map(|&path| path.to_owned()).collect();
        Self { at: ScriptTime::Time(at), fault, victims, lasts: None, seed: 0 }
    }

    /// Describes a fault that follows events, and hits one of these children each time.
    pub fn after(event: Trigger, of: Scope, delay: Duration, fault: Fault, victims: &[&str]) -> Self {
        Self { at: ScriptTime::Event { event, of, delay }, ..Self::new(Duration::ZERO, fault, victims) }
    }

    /// Clears the fault again after this time.
    #[must_use]
    pub fn lasting(mut self, time: Duration) -> Self {
        self.lasts = Some(time);
        self
    }

    /// Seed of what is drawn during the run.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

impl Script {
    /// Draws times, victims and seeds.
    ///
    /// # Errors
    ///
    /// No child of the tree is a target, or a fault can hit none of them.
    pub(crate) fn draw(experiment: &Experiment, tree: &[(String, ChildKind)]) -> Result<Self, ExperimentError> {
        let is_target =
            |(path, kind): &&(String, ChildKind)| experiment.targets.iter().any(|scope| scope.matches(path, *kind));
        if !tree.iter().any(|child| is_target(&child)) {
            let targets = experiment.targets.iter().map(ToString::to_string).collect();
            return Err(ExperimentError::NobodyTargeted { targets });
        }
        let mut lines = Vec::new();
        for (number, planned) in experiment.faults.iter().enumerate() {
            // Each fault has a random source of its own, so that removing one leaves the others as they were.
            let mut rng = Rng::with_seed(experiment.seed ^ (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let mut hit: Vec<&str> = Vec::new();
            for (path, kind) in tree {
                if planned.may_hit(&experiment.targets, path, *kind) {
                    hit.push(path);
                }
            }
            if hit.is_empty() && !matches!(planned.fault, Fault::ClockJump(_)) {
                return Err(ExperimentError::NobodyHit { fault: planned.fault.to_string() });
            }
            lines.extend(planned.lines(&mut rng, &hit, experiment.duration));
        }
        let due = |line: &ScriptStep| match line.at {
            ScriptTime::Time(at) => at,
            ScriptTime::Event { .. } => Duration::MAX,
        };
        lines.sort_by_key(due);
        Ok(Self { lines })
    }
}

impl Fault {
    /// Draws the victims among the children that the fault can hit.
    pub(super) fn draw<'v, V>(&self, victims: &'v [V], rng: &mut Rng) -> impl Iterator<Item = &'v V> {
        let count = if let Self::KillTogether(count) = self { *count } else { 1 };
        rng.choose_multiple(victims, count.min(victims.len())).into_iter()
    }
}

impl ScriptStep {
    /// Checks that the line makes sense in an experiment with these targets.
    pub(super) fn check(
        &self,
        targets: &[Scope],
        kind: impl Fn(&str) -> Option<ChildKind>,
    ) -> Result<(), ExperimentError> {
        let (at, delay) = match self.at {
            ScriptTime::Time(at) => (Some(at), None),
            ScriptTime::Event { delay, .. } => (None, Some(delay)),
        };
        if [at, delay, self.lasts].into_iter().flatten().any(|time| time > LONGEST_TIME) {
            return Err(ExperimentError::TooLong("a time in the script"));
        }
        let Self { fault, lasts, .. } = self.clone();
        let at_once = When::At(vec![Duration::ZERO]);
        Planned { fault, scope: Scope::default(), when: at_once, lasts }.check(LONGEST_TIME)?;
        if let ScriptTime::Event { of, .. } = &self.at {
            of.check().map_err(ExperimentError::BadGlob)?;
        }
        if self.victims.is_empty() && !matches!(self.fault, Fault::ClockJump(_)) {
            return Err(ExperimentError::NobodyHit { fault: self.fault.to_string() });
        }
        let is_target = |path: &str| {
            let kind = kind(path).unwrap_or(ChildKind::Service);
            targets.iter().any(|scope| scope.matches(path, kind))
        };
        match self.victims.iter().find(|path| !is_target(path)) {
            Some(path) if !matches!(self.fault, Fault::ClockJump(_)) => {
                Err(ExperimentError::NoTarget { path: path.as_str().into() })
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Planned {
    fn lines(&self, rng: &mut Rng, hit: &[&str], duration: Duration) -> Vec<ScriptStep> {
        let times = match &self.when {
            When::At(times) => times.iter().copied().filter(|time| *time <= duration).collect(),
            When::Every(period) => {
                (1..).map(|number| period.saturating_mul(number)).take_while(|time| *time <= duration).collect()
            }
            When::Rate(rate) => {
                let mut times = Vec::new();
                let mut at = 0.0;
                loop {
                    // The time to the next event of a Poisson process.
                    at += -(1.0 - rng.f64()).ln() / rate;
                    if at > duration.as_secs_f64() {
                        break times;
                    }
                    // Rounded down to a millisecond, the resolution of a runtime's clock.
                    times.push(Duration::from_millis((at * 1000.0) as u64));
                }
            }
            When::After { event, of, delay } => {
                let at = ScriptTime::Event { event: *event, of: of.clone(), delay: *delay };
                let victims = hit.iter().map(|&path| path.to_owned()).collect();
                return vec![ScriptStep {
                    at,
                    fault: self.fault.clone(),
                    victims,
                    lasts: self.lasts,
                    seed: rng.u64(..),
                }];
            }
        };
        let line = |at| {
            let victims = self.fault.draw(hit, rng).map(|&path| path.to_owned()).collect();
            ScriptStep {
                at: ScriptTime::Time(at),
                fault: self.fault.clone(),
                victims,
                lasts: self.lasts,
                seed: rng.u64(..),
            }
        };
        times.into_iter().map(line).collect()
    }
}
