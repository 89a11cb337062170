//! Reasons for which a tree, or a child, was not started.

use std::fmt;
use std::sync::Arc;

use regrow_supervisors::{Exit, PolicyError, SpecError};

use crate::base::name::{self, NameError, PARTITIONS_MAX};

/// Reason for which a tree did not start. Nothing of it is left running.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StartError {
    /// A child has a name that is not allowed.
    InvalidName {
        /// Path of the supervisor that has the child; empty for the root.
        supervisor: Arc<str>,
        /// The name.
        name: Arc<str>,
        /// Reason why the name is not allowed.
        why: NameError,
    },
    /// A child lives more than [`NESTING_MAX`](crate::NESTING_MAX) names deep.
    TooDeep {
        /// First path that is too long.
        path: Arc<str>,
    },
    /// Two children of one supervisor have the same name.
    DuplicateName {
        /// Path that both would have.
        path: Arc<str>,
    },
    /// A mailbox has capacity zero.
    ZeroCapacity {
        /// Path of the child.
        path: Arc<str>,
    },
    /// [Redelivery](crate::ServiceChild::redeliver) of one message alone would use up the restart budget.
    TooManyRedeliveries {
        /// Path of the child.
        path: Arc<str>,
        /// Number of times that a message would be redelivered.
        redeliveries: u32,
        /// Number of restarts that the budget forgives.
        restarts_max: u32,
    },
    /// A setting has no effect on this kind of child, or beside another setting of the child.
    NoEffect {
        /// Path of the child.
        path: Arc<str>,
        /// Name of the setting.
        setting: &'static str,
        /// Reason why it has no effect.
        why: &'static str,
    },
    /// A restart budget has a window of zero length.
    ZeroPeriod {
        /// Path of the supervisor.
        path: Arc<str>,
    },
    /// A child is significant, but its supervisor has no automatic shutdown, or the child is permanent (OTP rule 73).
    BadSignificance {
        /// Path of the child.
        path: Arc<str>,
        /// Whether the reason is that the child is permanent.
        is_permanent: bool,
    },
    /// A dynamic supervisor may have no children.
    ZeroChildren {
        /// Path of the supervisor.
        path: Arc<str>,
    },
    /// A partitioned supervisor has no partitions.
    ZeroPartitions {
        /// Path of the supervisor.
        path: Arc<str>,
    },
    /// A partitioned supervisor has more than [`PARTITIONS_MAX`] partitions.
    TooManyPartitions {
        /// Path of the supervisor.
        path: Arc<str>,
        /// Number of partitions that there would be.
        partitions: usize,
    },
    /// The restart policy of a child is not valid.
    BadPolicy {
        /// Path of the child. For the defaults of a supervisor it ends in `/*`.
        path: Arc<str>,
        /// Error in the policy.
        error: PolicyError,
    },
    /// A child depends on something that is not in the tree.
    UnknownDependency {
        /// Path of the child.
        path: Arc<str>,
        /// Name that the child depends on.
        name: Arc<str>,
    },
    /// Children depend on each other in a circle: each on the next, and the last on the first.
    DependencyCycle {
        /// Paths of the children, in the order of the circle.
        cycle: Vec<Arc<str>>,
    },
    /// Restarts of dependents with the services that they depend on follow each other in a circle: a new life of each
    /// path brings a new life to the next, and the last to the first. A strategy or a supervisor may be a part of it.
    RestartCircle {
        /// Paths, in the order of the circle.
        circle: Vec<Arc<str>>,
    },
    /// `start` was called outside of a tokio runtime.
    NoRuntime,
    /// The tokio runtime was built without `enable_time`.
    NoTimer,
    /// The root's [`init`](crate::Supervisor::init) said that the tree is not wanted now.
    NotWanted {
        /// Path of the root.
        path: Arc<str>,
    },
    /// A child failed to start. [`Exit::ChildFailedToStart`] nests as the tree does.
    Boot {
        /// Path of the root.
        path: Arc<str>,
        /// Exit of the root.
        exit: Exit,
    },
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
                "`{path}` redelivers a message {redeliveries} {}, and its budget forgives {restarts_max} {}: redeliver less \
                 often, or forgive more",
                if *redeliveries == 1 { "time" } else { "times" },
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
            Self::BadPolicy { path, error } => write!(f, "the restart policy of `{path}` is not valid: {error}"),
            Self::UnknownDependency { path, name } => {
                write!(
                    f,
                    "`{path}` depends on `{name}`, which is not in the tree: name a sibling, or a full path that begins with a slash"
                )
            }
            Self::DependencyCycle { cycle } => {
                f.write_str("services depend on each other in a circle: ")?;
                cycle.iter().try_for_each(|path| write!(f, "{path} -> "))?;
                f.write_str(cycle.first().map_or("", |first| first))?;
                f.write_str("; leave one of these dependencies out")
            }
            Self::RestartCircle { circle } => {
                f.write_str("restarts would follow each other in a circle: ")?;
                circle.iter().try_for_each(|path| write!(f, "{path} -> "))?;
                f.write_str(circle.first().map_or("", |first| first))?;
                f.write_str("; leave out `restart` of a dependency, or take another strategy")
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

impl StartError {
    pub(crate) fn from_spec(path: &Arc<str>, error: SpecError) -> Self {
        match error {
            SpecError::DuplicateId(id) => Self::DuplicateName { path: format!("{path}/{id}").into() },
            SpecError::ZeroPeriod => Self::ZeroPeriod { path: path.clone() },
            SpecError::ZeroChildren => Self::ZeroChildren { path: path.clone() },
            SpecError::NeverSignificant(id) => {
                Self::BadSignificance { path: format!("{path}/{id}").into(), is_permanent: false }
            }
            SpecError::RestartCircle { service, dependent, .. } => {
                Self::RestartCircle { circle: [dependent, service].map(|id| format!("{path}/{id}").into()).to_vec() }
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
