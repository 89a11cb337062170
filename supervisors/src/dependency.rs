//! What one service can say about others that it needs: which, when they count as there, and what to do without them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A service that has to be there before another one is started, and what *there* means.
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
    /// A sibling by its name, any other service by its full path behind a slash, as in `/shop/db`.
    pub name: Arc<str>,
    /// When it counts as there.
    pub condition: DependencyCondition,
}

/// When a service that another one depends on counts as there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DependencyCondition {
    /// While it is ready.
    ///
    /// A job that became ready and then ended normally counts too in two cases: for the first start of a dependent, and
    /// for a dependent that was waiting when the job ended. Otherwise such a job is gone: ask for [`Completed`](Self::Completed).
    #[default]
    Ready,
    /// Once it has ended as [`Exit::Normal`](crate::Exit::Normal) by itself, or its start was answered with *ignore*. A
    /// shutdown, a termination or a kill does not count. It counts until a new attempt to start the job begins, also after
    /// the job's spec is forgotten.
    Completed,
}

impl Dependency {
    /// A service that has to be ready.
    pub fn ready(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), condition: DependencyCondition::Ready }
    }

    /// A job that has to be completed.
    pub fn completed(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), condition: DependencyCondition::Completed }
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
            DependencyCondition::Ready => f.write_str(&self.name),
            DependencyCondition::Completed => write!(f, "{} (completed)", self.name),
        }
    }
}

/// What becomes of a child when a service that it depends on is gone for good: deleted, terminated, ended without a
/// restart, or never there.
///
/// A child that is up is left alone: this is about its next start. Whatever was decided, the child is started when the
/// service is back. A service that is parked is not gone: its dependents wait for it, and refuse messages meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DependencyGone {
    /// The child is parked: it refuses messages, and looks again at the times of its
    /// [`on_give_up`](field@crate::Policy::on_give_up) schedule, after 30 seconds unless that says otherwise. Nothing is
    /// charged to a budget.
    #[default]
    Park,
    /// The start fails, and counts as a failed start does: it is charged to the budget and tried again after the delay.
    Fail,
    /// The child is started without the service.
    GoOn,
}

/// Whether the tree counts as ready without this child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// The tree is not ready while this child is not.
    Required,
    /// The child does not count.
    Optional,
}

/// What is known of a service that children depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlook {
    /// Whether it is ready, or may become so.
    pub prospect: Prospect,
    /// Set when its last life ended normally by itself, or was not wanted, and no other has begun since.
    pub completion: Option<Completion>,
}

/// Whether a service is ready, or may become so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prospect {
    /// It is ready.
    Ready,
    /// It is being started, is to be started, or is about to end.
    MayCome,
    /// It is parked, and tried again at this time.
    Parked {
        /// When.
        until: Duration,
    },
    /// Only an order brings it back.
    Gone,
}

/// A life that ended as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion {
    /// It had become ready before.
    pub was_ready: bool,
}

impl From<Prospect> for Outlook {
    fn from(prospect: Prospect) -> Self {
        Self { prospect, completion: None }
    }
}
