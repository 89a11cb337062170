//! The words of supervision: settings of a supervisor and of its children, made before anything runs.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::dependency::{Dependency, DependencyGone};
use crate::intensity::Intensity;
use crate::names::NameHashing;
use crate::policy::Policy;
use crate::policy_error::PolicyError;

/// The choice of children that are restarted when one of them dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Strategy {
    /// Only the child that died. Pick it if the children do not depend on each other ([OTP rule 29](crate::rules)).
    #[default]
    OneForOne,
    /// All children, stopped youngest first and started eldest first. Pick it if none can work without the others (OTP
    /// rules 33 to 37).
    OneForAll,
    /// The child that died and those started after it. Pick it if later children depend on earlier ones (OTP rules 38
    /// to 42).
    RestForOne,
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneForOne => "one_for_one",
            Self::OneForAll => "one_for_all",
            Self::RestForOne => "rest_for_one",
        })
    }
}

/// The unexpected exits that call for a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Restart {
    /// Every one, a normal end included ([OTP rule 14](crate::rules)).
    #[default]
    Permanent,
    /// Abnormal ones only: killed, failed, panicked (OTP rule 15).
    Transient,
    /// None. The spec is forgotten when the child ends (OTP rules 16, 17).
    Temporary,
}

/// The way in which a child is stopped ([OTP rules 47 to 49](crate::rules)). Also the limit for a child that ends
/// without being told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shutdown {
    /// The child is killed at once, without being asked. A child that ends without being told has its [`Abandon`] time
    /// for that.
    Kill,
    /// The child is asked, and killed if it is still there after this time. With zero it still sees the request.
    After(Duration),
    /// The child is asked, and waited for without limit. OTP's choice for supervisors, because their children have
    /// limits.
    Wait,
}

/// The limit for a child that a kill does not end, because its code never yields.
///
/// Erlang has no need for it: there a kill always works. Here a thread that is busy cannot be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Abandon {
    /// This long after the kill the supervisor stops waiting, reports the child by name and goes on.
    After(Duration),
    /// The supervisor waits for ever.
    Never,
}

/// The condition under which the end of a significant child ends its supervisor ([OTP rules 73 to 78](crate::rules)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AutoShutdown {
    /// Never.
    #[default]
    Never,
    /// A significant child ends and is not restarted.
    AnySignificant,
    /// A significant child ends and is not restarted, and no other significant child is left.
    AllSignificant,
}

impl fmt::Display for AutoShutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "never",
            Self::AnySignificant => "any_significant",
            Self::AllSignificant => "all_significant",
        })
    }
}

/// The clock that the window of a restart budget is measured by.
///
/// In OTP a child that takes long to stop makes the budget useless: the window passes while the group stops (OTP issue
/// 4648). The second clock prevents that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum BudgetClock {
    /// All the time that passes, as in OTP.
    #[default]
    All,
    /// The time in which no child was being stopped.
    WithoutStops,
}

/// The number of children that a static supervisor stops at a time. Whatever the setting, a child is stopped before
/// those that it depends on, if the same operation stops both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum StopOrder {
    /// A single child at a time, the youngest first ([OTP rules 33, 55](crate::rules)).
    #[default]
    OneByOne,
    /// All of them when the supervisor ends, and one at a time in group restarts.
    TogetherAtEnd,
    /// All of them, at the end and in group restarts.
    Together,
}

/// Settings of a static supervisor ([OTP rule 1](crate::rules)). The default is OTP's: one_for_one, one restart in five
/// seconds, no automatic shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// The children that are restarted when one of them dies.
    pub strategy: Strategy,
    /// The restarts that are forgiven, and the period.
    pub intensity: Intensity,
    /// The condition under which a significant child ends the supervisor.
    pub auto_shutdown: AutoShutdown,
    /// The number of children that are stopped at a time.
    pub stop_order: StopOrder,
}

impl From<Strategy> for Flags {
    fn from(strategy: Strategy) -> Self {
        Self { strategy, ..Self::default() }
    }
}

impl Flags {
    /// Checks flags and specs together (OTP rules 4, 5).
    ///
    /// # Errors
    ///
    /// The first fault that is found.
    pub fn check<'a>(&self, specs: impl IntoIterator<Item = &'a ChildSpec>) -> Result<(), SpecError> {
        if self.has_no_period() {
            return Err(SpecError::ZeroPeriod);
        }
        let specs: Vec<_> = specs.into_iter().collect();
        let mut ids = HashSet::with_capacity_and_hasher(specs.len(), NameHashing::default());
        for spec in &specs {
            self.check_child(spec)?;
            if !ids.insert(&spec.id) {
                return Err(SpecError::DuplicateId(spec.id.clone()));
            }
        }
        self.check_restarts(specs)
    }

    fn has_no_period(&self) -> bool {
        self.intensity.limit.is_some_and(|(_, period)| period.is_zero())
    }

    /// Whether the flags and each spec are sound, the names of all specs and the restarts with siblings left aside.
    pub(crate) fn is_sound(&self, specs: &[ChildSpec]) -> bool {
        !self.has_no_period() && specs.iter().all(|spec| self.check_child(spec).is_ok())
    }

    /// Checks that no child is restarted with a sibling that the strategy restarts with the child. Takes the specs of all
    /// children, in start order.
    pub(crate) fn check_restarts<'a>(&self, specs: impl IntoIterator<Item = &'a ChildSpec>) -> Result<(), SpecError> {
        let strategy = self.strategy;
        if strategy == Strategy::OneForOne {
            return Ok(());
        }
        let specs: Vec<_> = specs.into_iter().collect();
        // Few specs have such dependencies.
        if !specs.iter().any(|spec| spec.dependencies().iter().any(|on| on.restart)) {
            return Ok(());
        }
        let (mut ids, mut renewed) = (HashSet::new(), Vec::new());
        for spec in specs {
            ids.insert(&spec.id);
            let on = spec.dependencies().iter().filter(|on| on.restart);
            renewed.extend(on.map(|on| (&on.name, &spec.id, ids.contains(&on.name))));
        }
        let is_circle = |(service, _, is_elder): &(&Arc<str>, _, bool)| match strategy {
            Strategy::OneForOne => false,
            Strategy::OneForAll => ids.contains(service),
            Strategy::RestForOne => ids.contains(service) && !is_elder,
        };
        match renewed.into_iter().find(is_circle) {
            Some((service, dependent, _)) => {
                Err(SpecError::RestartCircle { service: service.clone(), dependent: dependent.clone(), strategy })
            }
            None => Ok(()),
        }
    }

    /// Checks one spec with these flags (OTP rule 73).
    pub(crate) fn check_child(&self, spec: &ChildSpec) -> Result<(), SpecError> {
        match (spec.terms.significant, self.auto_shutdown, spec.terms.restart) {
            (true, AutoShutdown::Never, _) => return Err(SpecError::NeverSignificant(spec.id.clone())),
            (true, _, Restart::Permanent) => return Err(SpecError::PermanentSignificant(spec.id.clone())),
            (true, _, Restart::Transient | Restart::Temporary) | (false, _, _) => {}
        }
        let checked = spec.terms.policy.as_ref().map_or(Ok(()), |policy| policy.check());
        checked.map_err(|error| SpecError::Policy(spec.id.clone(), error))
    }
}

/// The description of a child for its supervisor.
///
/// ```
/// use regrow_supervisors::{ChildSpec, Restart, Shutdown};
/// use std::time::Duration;
///
/// let spec = ChildSpec::new("cache").restart(Restart::Transient).shutdown(Shutdown::After(Duration::from_secs(1)));
/// assert_eq!(spec.id(), "cache");
/// ```
#[derive(Clone, PartialEq)]
#[must_use]
pub struct ChildSpec {
    pub(crate) id: Arc<str>,
    /// Shared by all copies of this spec, and by all children with default terms.
    pub(crate) terms: Arc<Terms>,
}

/// The parts of a spec besides the name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Terms {
    pub(crate) restart: Restart,
    pub(crate) shutdown: Shutdown,
    pub(crate) abandon: Abandon,
    pub(crate) significant: bool,
    /// Empty for OTP's.
    pub(crate) policy: Option<Arc<Policy>>,
}

/// The default terms of a worker and of a supervisor.
static WORKER: LazyLock<Arc<Terms>> = LazyLock::new(|| {
    Arc::new(Terms {
        restart: Restart::Permanent,
        shutdown: Shutdown::After(Duration::from_secs(5)),
        abandon: Abandon::After(Duration::from_secs(5)),
        significant: false,
        policy: None,
    })
});
static SUPERVISOR: LazyLock<Arc<Terms>> =
    LazyLock::new(|| Arc::new(Terms { shutdown: Shutdown::Wait, abandon: Abandon::Never, ..Terms::clone(&WORKER) }));

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, terms } = self;
        let Terms { restart, shutdown, abandon, significant, policy } = &**terms;
        let mut spec = f.debug_struct("ChildSpec");
        spec.field("id", id).field("restart", restart).field("shutdown", shutdown).field("abandon", abandon);
        spec.field("significant", significant).field("policy", policy).finish()
    }
}

impl ChildSpec {
    /// A permanent worker: five seconds to stop ([OTP rule 2](crate::rules)), and five more after a kill before it is
    /// abandoned.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self { id: id.into(), terms: WORKER.clone() }
    }

    /// A permanent supervisor: waited for without limit, whether asked or killed, because its own children have limits.
    pub fn supervisor(id: impl Into<Arc<str>>) -> Self {
        Self { id: id.into(), terms: SUPERVISOR.clone() }
    }

    /// Gives it another name.
    pub fn named(self, id: impl Into<Arc<str>>) -> Self {
        Self { id: id.into(), ..self }
    }

    /// Changes a copy of the terms if others share them.
    fn with(mut self, change: impl FnOnce(&mut Terms)) -> Self {
        change(Arc::make_mut(&mut self.terms));
        self
    }

    /// Sets which exits call for a restart.
    pub fn restart(self, restart: Restart) -> Self {
        self.with(|terms| terms.restart = restart)
    }

    /// Sets how the child is stopped.
    pub fn shutdown(self, shutdown: Shutdown) -> Self {
        self.with(|terms| terms.shutdown = shutdown)
    }

    /// Sets how long a killed child may linger.
    pub fn abandon(self, abandon: Abandon) -> Self {
        self.with(|terms| terms.abandon = abandon)
    }

    /// Makes the child significant: its end may end its supervisor, as [`AutoShutdown`] says. Refused for permanent
    /// children, and if there is no automatic shutdown (OTP rule 73).
    pub fn significant(self, significant: bool) -> Self {
        self.with(|terms| terms.significant = significant)
    }

    /// Sets the restart policy.
    pub fn policy(self, policy: Policy) -> Self {
        let policy = (policy != Policy::default()).then(|| Arc::new(policy));
        if self.terms.policy.is_none() && policy.is_none() {
            return self;
        }
        self.with(|terms| terms.policy = policy)
    }

    /// Returns the restart policy.
    pub fn policy_rule(&self) -> Policy {
        self.own_policy().cloned().unwrap_or_default()
    }

    /// Returns the restart policy, unless it is OTP's.
    pub fn own_policy(&self) -> Option<&Policy> {
        self.terms.policy.as_deref()
    }

    /// Returns the services that have to be ready, and the jobs that have to be completed, before the child is started.
    pub fn dependencies(&self) -> &[Dependency] {
        self.own_policy().and_then(|policy| policy.depends_on.as_deref()).unwrap_or_default()
    }

    /// Whether the child is restarted when this service is ready again in a new life.
    pub(crate) fn is_renewed_with(&self, name: &str) -> bool {
        self.dependencies().iter().any(|on| on.restart && *on.name == *name)
    }

    /// Returns the choice for a start when one of those is gone for good.
    pub fn when_dependency_is_gone(&self) -> DependencyGone {
        self.own_policy().and_then(|policy| policy.on_dependency_gone).unwrap_or_default()
    }

    /// Returns the time limit for a message in hand, if there is one.
    pub fn watchdog_limit(&self) -> Option<Duration> {
        self.own_policy()?.watchdog
    }

    /// Returns the child's name, unique among its siblings.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the exits that call for a restart.
    pub fn restart_type(&self) -> Restart {
        self.terms.restart
    }

    /// Returns the way in which the child is stopped.
    pub fn shutdown_rule(&self) -> Shutdown {
        self.terms.shutdown
    }

    /// Whether the end of the child may end its supervisor.
    pub fn is_significant(&self) -> bool {
        self.terms.significant
    }

    /// Returns the limit for a child that a kill does not end.
    pub fn abandon_rule(&self) -> Abandon {
        self.terms.abandon
    }
}

/// The reason why a set of child specs was refused. Nothing has been started then ([OTP rule 5](crate::rules)).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SpecError {
    /// Two children carry this name.
    DuplicateId(Arc<str>),
    /// The period of a restart budget is zero.
    ZeroPeriod,
    /// This child is significant, and its supervisor has no automatic shutdown (OTP rule 73).
    NeverSignificant(Arc<str>),
    /// This child is significant and permanent, and would always be restarted (OTP rule 73).
    PermanentSignificant(Arc<str>),
    /// The limit of children of a dynamic supervisor is zero.
    ZeroChildren,
    /// These services wait for each other in a circle.
    DependencyCycle(Vec<Arc<str>>),
    /// This child is to be restarted with a sibling, and the strategy restarts the sibling with the child.
    RestartCircle {
        /// The sibling that the child depends on.
        service: Arc<str>,
        /// The child.
        dependent: Arc<str>,
        /// The strategy of the supervisor.
        strategy: Strategy,
    },
    /// The policy of this child is invalid.
    Policy(Arc<str>, PolicyError),
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateId(id) => write!(f, "two children are named `{id}`"),
            Self::ZeroPeriod => f.write_str("the restart budget's period is zero"),
            Self::NeverSignificant(id) => {
                write!(f, "`{id}` is significant, and its supervisor never shuts down by itself")
            }
            Self::ZeroChildren => f.write_str("a dynamic supervisor may have no children at all"),
            Self::DependencyCycle(paths) => {
                f.write_str("services depend on each other in a circle: ")?;
                paths.iter().try_for_each(|path| write!(f, "{path} -> "))?;
                f.write_str(paths.first().map_or("", |first| first))
            }
            Self::RestartCircle { service, dependent, strategy } => {
                write!(
                    f,
                    "`{dependent}` is to be restarted with `{service}`, and {strategy} restarts `{service}` with "
                )?;
                write!(f, "`{dependent}`: leave out `restart` of that dependency")
            }
            Self::PermanentSignificant(id) => write!(f, "`{id}` is significant and permanent, which cannot both be"),
            Self::Policy(id, error) => write!(f, "the policy of `{id}`: {error}"),
        }
    }
}

impl std::error::Error for SpecError {}

#[cfg(test)]
mod tests {
    use super::*;

    // A million ordinary children have one set of terms.
    #[test]
    fn specs_share_their_terms_until_one_of_them_is_changed() {
        let (plain, other) = (ChildSpec::new("a"), ChildSpec::new("b"));
        assert!(Arc::ptr_eq(&plain.terms, &other.terms));
        let changed = plain.clone().restart(Restart::Transient);
        assert_eq!((plain.restart_type(), other.restart_type()), (Restart::Permanent, Restart::Permanent));
        assert!(Arc::ptr_eq(&changed.terms, &changed.clone().terms));
        let silent = plain.clone().policy(Policy::default());
        assert!(Arc::ptr_eq(&plain.terms, &silent.terms), "nothing was said");
        assert_eq!(changed.restart(Restart::Permanent), plain);
    }
}
