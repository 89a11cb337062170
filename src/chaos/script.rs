//! The script of a run: the experiment with everything drawn that can be drawn before it begins. A script can be replayed,
//! and shortened line by line.
//!
//! Invariant: a script depends on the experiment, its seed and the paths of the tree, and on nothing else.

use std::time::Duration;

use fastrand::Rng;
use regrow_supervisors::LONGEST_TIME;

use crate::chaos::error::ExperimentError;
use crate::chaos::experiment::{Experiment, Planned};
use crate::chaos::fault::{Fault, Scope, Trigger, When};
use crate::tree::directory::ChildKind;

/// What is done, line by line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Script {
    /// In the order of their times; those that follow events come last.
    pub lines: Vec<ScriptStep>,
}

/// One fault.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ScriptStep {
    /// When.
    pub at: ScriptTime,
    /// What.
    pub fault: Fault,
    /// Whom, drawn beforehand.
    pub victims: Vec<String>,
    /// How long, where it lasts. None: until the end of the faults.
    pub lasts: Option<Duration>,
    /// What is drawn during the run is drawn from this.
    pub seed: u64,
}

/// When a line is due.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ScriptTime {
    /// So long after the beginning.
    Time(Duration),
    /// So long after each event; the victim is drawn then, from those who can be hit.
    Event {
        /// Which.
        event: Trigger,
        /// Whose.
        of: Scope,
        /// How long after it.
        delay: Duration,
    },
}

impl ScriptStep {
    /// A fault at this time.
    pub fn new(at: Duration, fault: Fault, victims: &[&str]) -> Self {
        let victims = victims.iter().map(|&path| path.to_owned()).collect();
        Self { at: ScriptTime::Time(at), fault, victims, lasts: None, seed: 0 }
    }

    /// A fault that follows events, and hits one of these.
    pub fn after(event: Trigger, of: Scope, delay: Duration, fault: Fault, victims: &[&str]) -> Self {
        Self { at: ScriptTime::Event { event, of, delay }, ..Self::new(Duration::ZERO, fault, victims) }
    }

    /// Healed after a while.
    #[must_use]
    pub fn lasting(mut self, time: Duration) -> Self {
        self.lasts = Some(time);
        self
    }

    /// What is drawn during the run is drawn from this.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

impl Script {
    /// Draws everything.
    ///
    /// # Errors
    ///
    /// When nobody in the tree is a target, or a fault can hit none of them.
    pub(crate) fn draw(experiment: &Experiment, tree: &[(String, ChildKind)]) -> Result<Self, ExperimentError> {
        let is_target =
            |(path, kind): &&(String, ChildKind)| experiment.targets.iter().any(|scope| scope.matches(path, *kind));
        if !tree.iter().any(|child| is_target(&child)) {
            let targets = experiment.targets.iter().map(ToString::to_string).collect();
            return Err(ExperimentError::NobodyTargeted { targets });
        }
        let mut lines = Vec::new();
        for (number, planned) in experiment.faults.iter().enumerate() {
            // Each fault has chance of its own: to take one out leaves the others as they were.
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
    /// Whom it strikes, of those whom it can hit.
    pub(super) fn draw<'v, V>(&self, victims: &'v [V], rng: &mut Rng) -> impl Iterator<Item = &'v V> {
        let count = if let Self::KillTogether(count) = self { *count } else { 1 };
        rng.choose_multiple(victims, count.min(victims.len())).into_iter()
    }
}

impl ScriptStep {
    /// Whether it makes sense in an experiment with these targets.
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
                    // To the millisecond, which is what the clock of a runtime knows.
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
