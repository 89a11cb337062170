//! Describing a tree: the builder that reads like the tree it builds, and its start.

pub(crate) mod actor;
pub(crate) mod child_entry;
pub(crate) mod configure;
pub(crate) mod dependency_watch;
pub(crate) mod description;
pub(crate) mod driver;
pub(crate) mod dynamic;
mod ends;
pub(crate) mod factory;
pub(crate) mod inbox;
pub(crate) mod manage;
mod many;
pub(crate) mod observer;
pub(crate) mod options;
mod orders;
pub(crate) mod outcome;
mod overdue;
pub(crate) mod parent;
pub(crate) mod partitioned;
mod performing;
pub(crate) mod plan;
mod preparing;
#[cfg(feature = "policy")]
pub(crate) mod reconfigure;
mod refusing;
mod start;
pub(crate) mod start_limits;
pub(crate) mod stop_order;
mod telling;
#[cfg(feature = "chaos")]
mod testify;
#[cfg(not(feature = "chaos"))]
#[path = "mute.rs"]
mod testify;
#[cfg(test)]
pub(crate) mod turns;

use std::fmt;
use std::sync::Arc;

use regrow_supervisors::{AutoShutdown, Exit, Flags, PolicyError, SpecError, StopOrder, Strategy};

use crate::base::name::{self, NameError};
use crate::child::Child;
use crate::supervisor::description::{Base, Description, Shape, supervisor_settings};
use crate::supervisor::partitioned::PARTITIONS_MAX;
use crate::tree::Tree;

/// A supervisor, being described: a whole tree when it is [started](Supervisor::start), a subtree when it is given to
/// another one as a child.
///
/// ```
/// use regrow::{Child, Supervisor};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
/// let tree = Supervisor::one_for_one("app")
///     .intensity(3, Duration::from_secs(5))
///     .child(Child::task("poller", |_| async { std::future::pending().await }))
///     .child(
///         Supervisor::rest_for_one("feeds")
///             .child(Child::task("source", |_| async { std::future::pending().await }))
///             .child(Child::task("sink", |_| async { std::future::pending().await })),
///     )
///     .start()
///     .await?;
/// assert_eq!(tree.directory().entries().len(), 5);
/// tree.shutdown().await;
/// # Ok(()) }
/// ```
#[must_use = "a supervisor does nothing until it is started, or has been given to another one"]
pub struct Supervisor {
    base: Base,
    strategy: Strategy,
    stop_order: StopOrder,
    auto_shutdown: AutoShutdown,
    children: Vec<Child>,
}

impl Supervisor {
    /// A supervisor with this strategy, and OTP's budget of one restart in five seconds.
    pub fn new(name: impl Into<Arc<str>>, strategy: Strategy) -> Self {
        let (stop_order, auto_shutdown) = (StopOrder::default(), AutoShutdown::Never);
        Self { base: Base::new(name), strategy, stop_order, auto_shutdown, children: Vec::new() }
    }

    /// Only a child that dies is restarted: [`Strategy::OneForOne`].
    pub fn one_for_one(name: impl Into<Arc<str>>) -> Self {
        Self::new(name, Strategy::OneForOne)
    }

    /// When a child dies, all are stopped and started again: [`Strategy::OneForAll`].
    pub fn one_for_all(name: impl Into<Arc<str>>) -> Self {
        Self::new(name, Strategy::OneForAll)
    }

    /// When a child dies, it and those after it are stopped and started again: [`Strategy::RestForOne`].
    pub fn rest_for_one(name: impl Into<Arc<str>>) -> Self {
        Self::new(name, Strategy::RestForOne)
    }

    /// Ends the supervisor, as [`AutoShutdown`] says, when significant children end without being restarted (OTP rules 73
    /// to 78).
    pub fn auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Self {
        self.auto_shutdown = auto_shutdown;
        self
    }

    /// Stops children at the same time, at the end of the supervisor and in group restarts: all of them, but one that others
    /// [depend on](crate::Policy::depends_on), directly or through others, is told when they are gone. Each has its own time to
    /// stop from the moment at which it is told. Default: one at a time, the youngest first, as in OTP.
    ///
    /// It shortens a shutdown with many slow children: it takes as long as the slowest chain of dependents.
    pub fn stop_together(mut self) -> Self {
        self.stop_order = StopOrder::Together;
        self
    }

    /// Adds a child. Children start in this order, one after the other. They stop in the reverse order, but for those that
    /// [depend on](crate::Policy::depends_on) others: dependents stop before what they depend on.
    pub fn child(mut self, child: impl Into<Child>) -> Self {
        self.children.push(child.into());
        self
    }

    /// Adds many children.
    pub fn children(mut self, children: impl IntoIterator<Item = impl Into<Child>>) -> Self {
        self.children.extend(children.into_iter().map(Into::into));
        self
    }

    /// Starts the tree: all mailboxes are made and listed in the directory first, then the children start in order.
    /// Returns when all are up, also those whose first start a [rule](crate::ExitRule) lets be tried again.
    ///
    /// It does not wait for a child that waits for others ([`Policy::depends_on`](crate::Policy::depends_on)), that a rule has
    /// parked or stopped, or that is not wanted, nor for services to say that they are ready: see
    /// [`Tree::ready`](crate::Tree::ready).
    ///
    /// Dropping the future before it completes, as a limit or `select!` does, stops in order what is up. Nothing waits for
    /// that, and the log says so.
    ///
    /// # Errors
    ///
    /// A description that makes no sense is refused before anything starts. When a child fails to start, its elders are
    /// stopped in reverse order and the reason comes back, nested as the tree is (OTP rules 11, 12). The same holds when a
    /// rule lets it be tried again and the budget is used up before it is up.
    pub async fn start(self) -> Result<Tree, StartError> {
        Tree::start(self.into()).await
    }
}

supervisor_settings!(Supervisor);

impl From<Supervisor> for Description {
    fn from(supervisor: Supervisor) -> Self {
        let Supervisor {
            base: Base { spec, intensity, init, watch, terms },
            strategy,
            stop_order,
            auto_shutdown,
            children,
        } = supervisor;
        Self {
            spec,
            shape: Shape::Static(Flags { strategy, intensity, auto_shutdown, stop_order }),
            children,
            init,
            watch,
            terms,
        }
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("spec", &self.base.spec)
            .field("strategy", &self.strategy)
            .field("children", &self.children)
            .finish_non_exhaustive()
    }
}

/// Why a tree did not start. Nothing of it is left running.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StartError {
    /// A name that no child may have.
    InvalidName {
        /// The supervisor that has the child; empty for the root.
        supervisor: Arc<str>,
        /// The name.
        name: Arc<str>,
        /// Why it is none.
        why: NameError,
    },
    /// A child lives more than [`NESTING_MAX`](crate::NESTING_MAX) names deep.
    TooDeep {
        /// The first path that is too long.
        path: Arc<str>,
    },
    /// Two children of one supervisor have one name.
    DuplicateName {
        /// The path that both would have.
        path: Arc<str>,
    },
    /// A mailbox that could hold nothing.
    ZeroCapacity {
        /// The child.
        path: Arc<str>,
    },
    /// [Redelivery](crate::ServiceChild::redeliver) of one message alone would use up the restarts that are forgiven.
    TooManyRedeliveries {
        /// The child.
        path: Arc<str>,
        /// How often a message would be redelivered.
        redeliveries: u32,
        /// How many restarts its budget forgives.
        restarts_max: u32,
    },
    /// A setting that has no effect on the child that it is said for: on this kind of child, or beside another setting.
    NoEffect {
        /// The child.
        path: Arc<str>,
        /// The setting.
        setting: &'static str,
        /// Why it has no effect.
        why: &'static str,
    },
    /// A restart budget whose window has no length.
    ZeroPeriod {
        /// The supervisor.
        path: Arc<str>,
    },
    /// A child is significant, and its supervisor has no automatic shutdown, or the child is permanent (OTP rule 73).
    BadSignificance {
        /// The child.
        path: Arc<str>,
        /// Whether it is the child's being permanent.
        is_permanent: bool,
    },
    /// A dynamic supervisor that may have no children.
    ZeroChildren {
        /// The supervisor.
        path: Arc<str>,
    },
    /// A partitioned supervisor without partitions.
    ZeroPartitions {
        /// The supervisor.
        path: Arc<str>,
    },
    /// A partitioned supervisor with more than [`PARTITIONS_MAX`] partitions.
    TooManyPartitions {
        /// The supervisor.
        path: Arc<str>,
        /// How many there would be.
        partitions: usize,
    },
    /// A child's restart policy makes no sense.
    BadPolicy {
        /// The child.
        path: Arc<str>,
        /// Why.
        error: PolicyError,
    },
    /// A child depends on something that is not in the tree.
    UnknownDependency {
        /// The child.
        path: Arc<str>,
        /// What it depends on.
        name: Arc<str>,
    },
    /// Children that depend on each other in a circle: each on the next, and the last on the first.
    DependencyCycle {
        /// The paths.
        cycle: Vec<Arc<str>>,
    },
    /// `start` was called outside of a tokio runtime.
    NoRuntime,
    /// The tokio runtime was built without `enable_time`.
    NoTimer,
    /// The root's [`init`](Supervisor::init) said that the tree is not wanted now.
    NotWanted {
        /// The root.
        path: Arc<str>,
    },
    /// A child failed to start, and this is how the root ended. [`Exit::ChildFailedToStart`] nests as the tree does.
    Boot {
        /// The root.
        path: Arc<str>,
        /// Why.
        exit: Exit,
    },
}

impl StartError {
    pub(crate) fn from_spec(path: &Arc<str>, error: SpecError) -> Self {
        match error {
            SpecError::DuplicateId(id) => Self::DuplicateName { path: format!("{path}/{id}").into() },
            SpecError::ZeroPeriod => Self::ZeroPeriod { path: path.clone() },
            SpecError::ZeroChildren => Self::ZeroChildren { path: path.clone() },
            SpecError::NeverSignificant(id) => {
                Self::BadSignificance { path: format!("{path}/{id}").into(), is_permanent: false }
            }
            SpecError::DependencyCycle(cycle) => Self::DependencyCycle { cycle },
            SpecError::PermanentSignificant(id) => {
                Self::BadSignificance { path: format!("{path}/{id}").into(), is_permanent: true }
            }
            SpecError::Policy(id, error) => Self::BadPolicy { path: format!("{path}/{id}").into(), error },
            _ => unreachable!("every error of the machine's constructor is known here"),
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName { supervisor, name, why } if supervisor.is_empty() => {
                write!(f, "the root's name `{}` {why}: choose another", name::shown(name))
            }
            Self::InvalidName { supervisor, name, why } => {
                write!(f, "a child of `{supervisor}` has the name `{}`, which {why}: choose another", name::shown(name))
            }
            Self::TooDeep { path } => {
                write!(f, "supervisors are nested more than {} deep, at `{path}`: put them side by side", name::NESTING_MAX)
            }
            Self::DuplicateName { path } => write!(f, "two children are named `{path}`: rename one"),
            Self::ZeroCapacity { path } => write!(f, "the mailbox of `{path}` has capacity zero: give it one or more"),
            Self::TooManyRedeliveries { path, redeliveries, restarts_max } => write!(
                f,
                "`{path}` redelivers a message {redeliveries} times, and its budget forgives {restarts_max} {}: redeliver less \
                 often, or forgive more",
                if *restarts_max == 1 { "restart" } else { "restarts" }
            ),
            Self::NoEffect { path, setting, why } => write!(f, "`{setting}` has no effect on `{path}`: {why}"),
            Self::ZeroPeriod { path } => write!(f, "the restart budget of `{path}` has a period of zero: give it a longer one"),
            Self::BadSignificance { path, is_permanent: true } => {
                write!(f, "`{path}` is significant and permanent, which cannot both be: make it transient or temporary")
            }
            Self::BadSignificance { path, is_permanent: false } => {
                write!(f, "`{path}` is significant, and its supervisor has no automatic shutdown: set `auto_shutdown` there")
            }
            Self::ZeroChildren { path } => write!(f, "the dynamic supervisor `{path}` may have no children at all: raise `max_children`"),
            Self::ZeroPartitions { path } => write!(f, "the partitioned supervisor `{path}` has no partitions: give it one or more"),
            Self::TooManyPartitions { path, partitions } => {
                write!(f, "`{path}` would have {partitions} partitions: no more than {PARTITIONS_MAX} are possible")
            }
            Self::BadPolicy { path, error } => write!(f, "the restart policy of `{path}` makes no sense: {error}"),
            Self::UnknownDependency { path, name } => {
                write!(
                    f,
                    "`{path}` depends on `{name}`, which is nowhere in the tree: name a sibling, or a full path with a slash before it"
                )
            }
            Self::DependencyCycle { cycle } => {
                f.write_str("services depend on each other in a circle: ")?;
                cycle.iter().try_for_each(|path| write!(f, "{path} -> "))?;
                f.write_str(cycle.first().map_or("", |first| first))?;
                f.write_str("; leave one of these dependencies out")
            }
            Self::NotWanted { path } => write!(f, "`{path}` is not wanted: its `init` said so"),
            Self::NoRuntime => f.write_str("a tree can only be started inside a tokio runtime"),
            Self::NoTimer => f.write_str(
                "the tokio runtime has no timer, and a tree needs one: build the runtime with `enable_time` or `enable_all`",
            ),
            Self::Boot { path, exit } => write!(f, "`{path}` did not start: {exit}"),
        }
    }
}

impl std::error::Error for StartError {}
