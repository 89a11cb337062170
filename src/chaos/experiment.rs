//! An experiment: the faults that a tree is put under, and the claims about it meanwhile.
//!
//! Invariant: an experiment that makes no sense is refused before any fault is active.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::LONGEST_TIME;

use crate::chaos::error::ExperimentError;
use crate::chaos::fault::{Fault, Times, When};
use crate::chaos::scope::Scope;
use crate::tree::directory::ChildKind;

/// Faults and claims for a tree, being described. [`Chaos::run`](crate::chaos::Chaos::run) carries them out.
///
/// ```
/// use regrow::chaos::{Experiment, Fault, When};
/// use std::time::Duration;
///
/// const SEC: Duration = Duration::from_secs(1);
/// let experiment = Experiment::new("the workers die and the shop does not")
///     .seed(7)
///     .duration(60 * SEC)
///     .target("shop/workers/*")
///     .fault(Fault::Kill, "shop/workers/*", When::Rate(2.0))
///     .lasting(Fault::Slow(SEC / 10), "**", When::Every(10 * SEC), 3 * SEC)
///     .availability(0.9);
/// assert!(experiment.check().is_ok());
/// ```
#[derive(Debug, Clone)]
#[must_use = "an experiment does nothing until it is run"]
pub struct Experiment {
    pub(crate) title: String,
    pub(crate) seed: u64,
    pub(crate) duration: Duration,
    pub(crate) targets: Vec<Scope>,
    pub(crate) faults: Vec<Planned>,
    pub(crate) at_once_max: Option<usize>,
    pub(crate) stabilise: Duration,
    pub(crate) look_every: Duration,
    pub(crate) hypothesis: Hypothesis,
    pub(crate) probes: Vec<Probe>,
    pub(crate) rollbacks: Vec<Probe>,
    pub(crate) stop_when_broken: bool,
    pub(crate) escalations_max: Option<u32>,
    /// The command that carries the experiment out again, without the seed.
    pub(crate) replay: Option<String>,
}

/// A script has a line for each strike of a fault.
const STRIKES_MAX: u128 = 1_000_000;

/// A fault, the children that it may hit, when it strikes, and how long it lasts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Planned {
    pub(crate) fault: Fault,
    pub(crate) scope: Scope,
    pub(crate) when: When,
    pub(crate) lasts: Option<Duration>,
}

/// The claims about every tree, and those that the experiment makes about this one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hypothesis {
    pub(crate) everybody_up: bool,
    pub(crate) supervision: bool,
    pub(crate) restarts_max: Option<u64>,
    pub(crate) availability_min: Option<f64>,
}

/// A claim of the user's, checked before, during and after.
#[derive(Clone)]
pub(crate) struct Probe {
    pub(crate) name: Arc<str>,
    /// Number of looks in a row that may fail.
    pub(crate) tolerance: u32,
    pub(crate) look: Look,
}

pub(crate) type Look = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>> + Send + Sync>;

impl Experiment {
    /// Describes an experiment of ten seconds with seed 0, and no targets and faults yet. It claims that the message
    /// counts of mailboxes add up, that supervision does what strategies and policies say, that no acknowledged save is
    /// lost, and that all targets are up before and after.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            seed: 0,
            duration: Duration::from_secs(10),
            targets: Vec::new(),
            faults: Vec::new(),
            at_once_max: None,
            stabilise: Duration::from_secs(30),
            look_every: Duration::from_secs(1),
            hypothesis: Hypothesis {
                everybody_up: true,
                supervision: true,
                restarts_max: None,
                availability_min: None,
            },
            probes: Vec::new(),
            rollbacks: Vec::new(),
            stop_when_broken: false,
            escalations_max: None,
            replay: None,
        }
    }

    /// Sets the seed from which times, victims and shares are drawn. Default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets the time during which faults are injected. Default: ten seconds.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = duration;
        self
    }

    /// Opens these children to faults. Only targets are hit. A child that comes after the beginning is none, whatever
    /// its path, and neither is a job that was done before.
    pub fn target(mut self, scope: impl Into<Scope>) -> Self {
        self.targets.push(scope.into());
        self
    }

    /// Adds a fault that strikes one of the targets in scope, at these times.
    pub fn fault(mut self, fault: Fault, scope: impl Into<Scope>, when: When) -> Self {
        self.faults.push(Planned { fault, scope: scope.into(), when, lasts: None });
        self
    }

    /// Adds a fault as [`fault`](Self::fault) does, which is cleared again after `lasts`.
    pub fn lasting(mut self, fault: Fault, scope: impl Into<Scope>, when: When, lasts: Duration) -> Self {
        self.faults.push(Planned { fault, scope: scope.into(), when, lasts: Some(lasts) });
        self
    }

    /// Limits the number of faults that are at work at the same time; more are not injected, and reported as missed. An
    /// instantaneous fault is at work until its victim is up again. Default: no limit.
    pub fn at_once(mut self, faults: usize) -> Self {
        self.at_once_max = Some(faults);
        self
    }

    /// Sets the time that the tree may take to become steady after the last fault. Default: 30 seconds.
    pub fn stabilise_within(mut self, limit: Duration) -> Self {
        self.stabilise = limit;
        self
    }

    /// Sets the time between two checks of the claims. Default: one second.
    pub fn look_every(mut self, period: Duration) -> Self {
        self.look_every = period;
        self
    }

    /// Adds a claim of your own, checked before, during and after the faults. It holds if `look` returns `Ok`, and does
    /// not if `look` returns an error or panics.
    pub fn probe<F, Fut>(self, name: impl Into<Arc<str>>, look: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.tolerant_probe(name, 0, look)
    }

    /// Adds a claim as [`probe`](Self::probe) does, but during the faults up to `tolerance` looks in a row may fail.
    pub fn tolerant_probe<F, Fut>(mut self, name: impl Into<Arc<str>>, tolerance: u32, look: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let look: Look = Arc::new(move || Box::pin(look()));
        self.probes.push(Probe { name: name.into(), tolerance, look });
        self
    }

    /// Undoes something of yours when the faults are over, such as what a probe has done elsewhere. The faults of an
    /// experiment need none: they are cleared anyway.
    ///
    /// `undo` is called once, however the run ends, before the tree is given its time to become steady. When the future
    /// of the run is dropped, it runs in a task. An error, a panic, and more than five seconds are in the report as a
    /// claim that did not hold.
    pub fn rollback<F, Fut>(mut self, name: impl Into<Arc<str>>, undo: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let look: Look = Arc::new(move || Box::pin(undo()));
        self.rollbacks.push(Probe { name: name.into(), tolerance: 0, look });
        self
    }

    /// Takes back the claim that every target is up before and after.
    pub fn allow_unavailable(mut self) -> Self {
        self.hypothesis.everybody_up = false;
        self
    }

    /// Takes back the claims about supervision.
    ///
    /// Otherwise five claims about supervision are checked for every tree: restarts touch only the children that they may touch, children
    /// stop and start in their order, delays and budgets are kept, and no service has two incarnations alive at the
    /// same time.
    pub fn supervision_is_not_judged(mut self) -> Self {
        self.hypothesis.supervision = false;
        self
    }

    /// Claims that each service comes up at most `restarts` times after the beginning.
    pub fn restarts_max(mut self, restarts: u64) -> Self {
        self.hypothesis.restarts_max = Some(restarts);
        self
    }

    /// Claims that services among the targets are up for at least this share of the time on average, from 0 to 1.
    /// Supervisors do not count.
    pub fn availability(mut self, share: f64) -> Self {
        self.hypothesis.availability_min = Some(share);
        self
    }

    /// Stops the run as soon as a claim does not hold.
    pub fn stop_when_broken(mut self) -> Self {
        self.stop_when_broken = true;
        self
    }

    /// Stops the run when more than `escalations` supervisors have given up.
    pub fn stop_after_escalations(mut self, escalations: u32) -> Self {
        self.escalations_max = Some(escalations);
        self
    }

    /// Checks that the experiment makes sense, as far as can be said without a tree.
    ///
    /// # Errors
    ///
    /// The first thing that does not make sense.
    pub fn check(&self) -> Result<(), ExperimentError> {
        if self.targets.is_empty() {
            return Err(ExperimentError::NoTargets);
        }
        if self.faults.is_empty() {
            return Err(ExperimentError::NoFaults);
        }
        self.check_frame()?;
        self.faults.iter().try_for_each(|planned| planned.check(self.duration))
    }

    /// Checks all but the faults.
    pub(crate) fn check_frame(&self) -> Result<(), ExperimentError> {
        if self.targets.is_empty() {
            return Err(ExperimentError::NoTargets);
        }
        let names = self.probes.iter().map(|probe| &probe.name);
        if let Some(name) =
            names.clone().enumerate().find_map(|(at, name)| names.clone().take(at).find(|other| *other == name))
        {
            return Err(ExperimentError::SameProbe { name: name.clone() });
        }
        let of = |planned: &Planned| if let When::After { of, .. } = &planned.when { Some(of.clone()) } else { None };
        let faults = self.faults.iter().flat_map(|planned| [Some(planned.scope.clone()), of(planned)]).flatten();
        for scope in self.targets.iter().cloned().chain(faults) {
            scope.check().map_err(ExperimentError::BadGlob)?;
        }
        let zero = |what, time: Duration| if time.is_zero() { Err(ExperimentError::Zero(what)) } else { Ok(()) };
        let long =
            |what, time: Duration| if time > LONGEST_TIME { Err(ExperimentError::TooLong(what)) } else { Ok(()) };
        long("the duration", self.duration)?;
        long("the time to become steady in", self.stabilise)?;
        long("the time between two looks", self.look_every)?;
        zero("the duration", self.duration)?;
        zero("the time between two looks", self.look_every)?;
        if self.at_once_max == Some(0) {
            return Err(ExperimentError::Zero("the number of faults at once"));
        }
        if let Some(share) = self.hypothesis.availability_min {
            share_of("availability", share)?;
        }
        Ok(())
    }
}

impl Planned {
    pub(super) fn check(&self, duration: Duration) -> Result<(), ExperimentError> {
        let fault = || self.fault.to_string();
        match &self.fault {
            Fault::Drop(share) | Fault::Duplicate(share) | Fault::Reorder(share) => {
                share_of(self.fault.name(), *share)?
            }
            Fault::KillTogether(0) => return Err(ExperimentError::Never { fault: fault(), why: "its count is zero" }),
            counted if counted.times() == Some(Times::Count(0)) => {
                return Err(ExperimentError::Never { fault: fault(), why: "its count is zero" });
            }
            _ => {}
        }
        let by = match self.fault {
            Fault::SlowStart(time)
            | Fault::Flap(time)
            | Fault::Slow(time)
            | Fault::Block(time)
            | Fault::Delay(time)
            | Fault::SaveDelay(time)
            | Fault::ClockJump(time) => Some(time),
            _ => None,
        };
        if by.is_some_and(|time| time.is_zero()) {
            return Err(ExperimentError::Never { fault: fault(), why: "its time is zero" });
        }
        let delay = if let When::After { delay, .. } = self.when { Some(delay) } else { None };
        if [by, self.lasts, delay].into_iter().flatten().any(|time| time > LONGEST_TIME) {
            return Err(ExperimentError::TooLong("a time of a fault"));
        }
        match (self.fault.is_continuous(), self.lasts) {
            (false, Some(_)) => return Err(ExperimentError::Blow { fault: fault() }),
            (_, Some(time)) if time.is_zero() => {
                return Err(ExperimentError::Never { fault: fault(), why: "it lasts for zero time" });
            }
            (_, _) => {}
        }
        let never = |why| Err(ExperimentError::Never { fault: fault(), why });
        match &self.when {
            When::Every(period) if period.is_zero() => never("it strikes every 0 s"),
            When::Every(period) if duration.as_nanos() / period.as_nanos() > STRIKES_MAX => {
                never("it strikes more than a million times")
            }
            When::Rate(rate) if rate * duration.as_secs_f64() > STRIKES_MAX as f64 => {
                never("it strikes more than a million times")
            }
            When::Every(period) if *period > duration => never("its first time is after the end"),
            When::At(times) if times.is_empty() => never("it has no times"),
            When::At(times) if times.iter().any(|time| *time > duration) => never("at a time that is after the end"),
            When::Rate(rate) if !rate.is_finite() || *rate <= 0.0 => never("its rate is not above zero"),
            When::Rate(rate) if rate * duration.as_secs_f64() < 0.01 => {
                never("it is expected less than once in a hundred runs")
            }
            When::Rate(rate) if *rate > 1e6 => never("its rate is above a million a second"),
            When::Every(_) | When::At(_) | When::Rate(_) | When::After { .. } => Ok(()),
        }
    }

    /// Whether the fault may hit this child of the tree.
    pub(crate) fn may_hit(&self, targets: &[Scope], path: &str, kind: ChildKind) -> bool {
        self.fault.can_hit(kind)
            && self.scope.matches(path, kind)
            && targets.iter().any(|target| target.matches(path, kind))
    }
}

fn share_of(what: &'static str, share: f64) -> Result<(), ExperimentError> {
    if (0.0..=1.0).contains(&share) { Ok(()) } else { Err(ExperimentError::Share { what, share }) }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("name", &self.name).field("tolerance", &self.tolerance).finish_non_exhaustive()
    }
}
