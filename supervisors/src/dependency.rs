//! Settings of a service about others that it needs: the services, the condition for each, and what to do without them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A service that has to be there before another one is started, and the condition for that.
///
/// ```
/// use regrow_supervisors::{Dependency, Policy};
///
/// let web = Policy::default().depends_on([Dependency::ready("db"), Dependency::completed("migrate")]);
/// // Names alone ask for services that are ready.
/// assert_eq!(Policy::default().depends_on(["db"]), Policy::default().depends_on([Dependency::ready("db")]));
/// # assert_eq!(web.depends_on.unwrap().len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dependency {
    /// The name of a sibling, or the full path of any other service behind a slash, as in `/shop/db`.
    pub name: Arc<str>,
    /// The condition that it has to meet.
    pub condition: DependencyCondition,
    /// Whether the dependent is restarted when the service is ready again in a new life: see [`restart`](Self::restart).
    pub restart: bool,
}

/// The condition under which a service counts as there for its dependents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DependencyCondition {
    /// The service is ready. Holds while it is.
    ///
    /// A job that became ready and then ended normally counts too in two cases. It counts for the first start of a
    /// dependent, and for a dependent that was waiting when the job ended. Otherwise such a job is gone: ask for
    /// [`Completed`](Self::Completed).
    #[default]
    Ready,
    /// A job that has ended as [`Exit::Normal`](crate::Exit::Normal) without being told to, or answered its start with
    /// *ignore*. A shutdown, a termination or a kill does not count. The job counts until a new attempt to start it
    /// begins, also after its spec is forgotten.
    Completed,
}

impl Dependency {
    /// A service that has to be ready.
    pub fn ready(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), condition: DependencyCondition::Ready, restart: false }
    }

    /// A job that has to be completed.
    pub fn completed(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), condition: DependencyCondition::Completed, restart: false }
    }

    /// Restarts the dependent too when the service is ready again in a new life, for a dependent that keeps something of
    /// that life, such as a session or a subscription.
    ///
    /// The restart is planned: the dependent is asked to stop, has its shutdown time, and is started alone. No budget is
    /// charged, no delay is served, and its siblings are left alone, whatever the strategy, its restart type and its
    /// rules. It happens once for each life of the service, and not if the dependent began its own life after that.
    /// Meanwhile the mailbox of the dependent is kept or dropped as at each restart.
    ///
    /// Refused for a job that has to be [completed](Self::completed). Also refused if new lives would follow each other
    /// in a circle, such as between children of one_for_all, or if the service comes behind its dependent in
    /// rest_for_one.
    ///
    /// ```
    /// use regrow_supervisors::{Dependency, Policy};
    /// let api = Policy::default().depends_on([Dependency::ready("/app/db").restart(), "cache".into()]);
    /// # assert!(api.check().is_ok());
    /// ```
    #[must_use]
    pub fn restart(self) -> Self {
        Self { restart: true, ..self }
    }
}

impl<N: Into<Arc<str>>> From<N> for Dependency {
    fn from(name: N) -> Self {
        Self::ready(name)
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.condition {
            DependencyCondition::Ready if self.restart => write!(f, "{} (restarted with it)", self.name),
            DependencyCondition::Ready => f.write_str(&self.name),
            DependencyCondition::Completed => write!(f, "{} (completed)", self.name),
        }
    }
}

/// The choice for a child when a service that it depends on is gone for good. Such a service was deleted or terminated,
/// ended without a restart, or was never there.
///
/// A child that is up is left alone: this is about its next start. Whatever the choice, the child is started when the
/// service is back. A service that is parked is not gone: its dependents wait for it, and refuse messages meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DependencyGone {
    /// The child is parked: it refuses messages, and looks again at the times of its
    /// [`on_give_up`](field@crate::Policy::on_give_up) schedule. Without a schedule it looks again after 30 seconds. No
    /// budget is charged.
    #[default]
    Park,
    /// The start fails, and counts like any failed start. It is charged to the budget and tried again after the delay.
    Fail,
    /// The child is started without the service.
    GoOn,
}

/// The part of a child in the health of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// The tree is not ready while this child is not.
    Required,
    /// The child does not count.
    Optional,
}

/// The latest news of a service that children depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlook {
    /// Whether it is ready, or may become so.
    pub prospect: Prospect,
    /// Set if the last life ended normally without being told to, or was not wanted, and no other has begun since.
    pub completion: Option<Completion>,
    /// The number of the present life, by which a new one is told from the one before. Zero if that is not known.
    pub life: u64,
}

/// Whether a service is ready, or may become so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prospect {
    /// The service is ready.
    Ready,
    /// The service is being started, is to be started, or is about to end.
    MayCome,
    /// The service is parked.
    Parked {
        /// The time at which it is tried again. `None`: it stays parked until an order revives it.
        until: Option<Duration>,
    },
    /// Only an order brings it back.
    Gone,
}

/// A life that ended normally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion {
    /// Whether the life had become ready before.
    pub was_ready: bool,
}

impl From<Prospect> for Outlook {
    fn from(prospect: Prospect) -> Self {
        Self { prospect, completion: None, life: 0 }
    }
}
