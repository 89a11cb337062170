//! The builder of a supervisor, which reads like the tree that it builds.

pub(crate) mod actions;
pub(crate) mod actor;
#[allow(dead_code, reason = "only the admin source calls it, and it is a feature")]
pub(crate) mod acts;
mod check_order;
pub(crate) mod child_entry;
pub(crate) mod configure;
mod dependencies;
pub(crate) mod dependency_watch;
pub(crate) mod description;
pub(crate) mod driver;
pub(crate) mod dynamic;
pub(crate) mod dynamic_handle;
pub(crate) mod effect;
pub(crate) mod factory;
pub(crate) mod failures;
pub(crate) mod get_or_start;
pub(crate) mod give_order;
mod handover;
mod lookup;
pub(crate) mod manage;
mod meant;
pub(crate) mod observer;
mod orders;
pub(crate) mod outcome;
mod overdue;
pub(crate) mod parent;
mod park;
pub(crate) mod partitioned;
pub(crate) mod partitions;
pub(crate) mod plan;
pub(crate) mod policy_needs;
#[cfg(feature = "policy")]
pub(crate) mod reconfigure;
pub(crate) mod refusals;
pub(crate) mod reports;
mod restart;
pub(crate) mod rolling;
pub(crate) mod settings;
mod start;
pub(crate) mod start_limits;
pub(crate) mod start_many;
pub(crate) mod stop_order;
pub(crate) mod subtrees;
pub(crate) mod tasks;
pub(crate) mod testimony;
mod tree;
pub(crate) mod unwanted_ends;

use std::fmt;
use std::sync::Arc;

use regrow_supervisors::{AutoShutdown, Flags, StopOrder, Strategy};

use crate::child::Child;
use crate::error::start::StartError;
use crate::supervisor::description::{Base, Description, Shape};
use crate::tree::Tree;

/// A supervisor, being described. It is a whole tree when it is [started](Supervisor::start), and a subtree when
/// another supervisor has it as a child.
///
/// # Which supervisor do I want?
///
/// Take `Supervisor` unless its children come at run time, or are copies of one service:
///
/// | | [`Supervisor`] | [`DynamicSupervisor`](crate::DynamicSupervisor) | [`Partitioned`](crate::Partitioned) |
/// |---|---|---|---|
/// | children are known | when the tree is written | at run time: one per connection, user, job | by their number |
/// | children differ | yes, each has its own kind and settings | may differ; a template makes equal ones | no, one service many times |
/// | a message finds its child by | path | path or number | key: a hash picks the partition |
/// | a failure restarts | what the strategy says: one, all, or the rest | the child alone | the child alone |
/// | order of starts | as written, one after the other | as ordered, at the same time | by number, one after the other |
/// | order of stops | youngest first, or [together](Supervisor::stop_together) | all at the same time | all at the same time |
/// | children after its own restart | all are started again | none | all are started again |
///
/// 1. **Are the children written down in your code?** Then it is a `Supervisor`. Only here a failure can restart
///    siblings too, and only here the children start in the order that you write.
/// 2. **Do children come and go?** Then it is a `DynamicSupervisor`. A child that has finished leaves nothing behind.
/// 3. **Is one service too slow for its load, and can the work be split by key?** Then it is a `Partitioned`. The
///    number of partitions can be changed at run time; the state of a key does not move with it.
/// 4. **Does each part of the keys need more than one service?** Then it is a
///    [`Partitioned::supervisors`](crate::Partitioned::supervisors), with a subtree for each part.
/// 5. **Does the work run once and give a value?** Then it is a [`TaskSupervisor`](crate::TaskSupervisor).
///
/// [`SupervisorHandle::start_child`](crate::SupervisorHandle::start_child) also adds a child to a running `Supervisor`.
/// That is for rare changes: such a child keeps its spec when it ends, unless it is temporary.
///
/// # Example
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

    /// A supervisor that restarts only the child that died: [`Strategy::OneForOne`].
    pub fn one_for_one(name: impl Into<Arc<str>>) -> Self {
        Self::new(name, Strategy::OneForOne)
    }

    /// A supervisor that stops and restarts all children when one dies: [`Strategy::OneForAll`].
    pub fn one_for_all(name: impl Into<Arc<str>>) -> Self {
        Self::new(name, Strategy::OneForAll)
    }

    /// A supervisor that stops and restarts the child that died and those after it: [`Strategy::RestForOne`].
    pub fn rest_for_one(name: impl Into<Arc<str>>) -> Self {
        Self::new(name, Strategy::RestForOne)
    }

    /// Ends the supervisor, as [`AutoShutdown`] says, when significant children end without being restarted (OTP rules 73
    /// to 78).
    pub fn auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Self {
        self.auto_shutdown = auto_shutdown;
        self
    }

    /// Stops children at the same time, at the end of the supervisor and in group restarts. Default: one at a time, the
    /// youngest first, as in OTP.
    ///
    /// A child that others [depend on](crate::Policy::depends_on), directly or through others, is asked to stop when
    /// they are gone. Each child has its own time to stop, counted from the request. A shutdown of many slow children
    /// takes as long as the slowest chain of dependents.
    pub fn stop_together(mut self) -> Self {
        self.stop_order = StopOrder::Together;
        self
    }

    /// Adds a child. Children start in this order, one after the other, and stop in the reverse order. A child that
    /// [depends on](crate::Policy::depends_on) another one stops before it.
    pub fn child(mut self, child: impl Into<Child>) -> Self {
        self.children.push(child.into());
        self
    }

    /// Adds many children.
    pub fn children(mut self, children: impl IntoIterator<Item = impl Into<Child>>) -> Self {
        self.children.extend(children.into_iter().map(Into::into));
        self
    }

    /// Starts the tree. All mailboxes are made and listed in the directory first, then the children start in order.
    /// Returns when all are up. That includes a child with a first start that failed, if a [rule](crate::ExitRule)
    /// retries it.
    ///
    /// It does not wait for a child that waits for others ([`Policy::depends_on`](crate::Policy::depends_on)), that a
    /// rule has parked or stopped, or that is not wanted. Nor does it wait for services to say that they are ready: see
    /// [`Tree::ready`](crate::Tree::ready).
    ///
    /// Dropping the future before it completes, as a limit or `select!` does, stops in order what is up. Nothing waits
    /// for that stop, and the log says so.
    ///
    /// # Errors
    ///
    /// A description that makes no sense is refused before anything starts. If a child fails to start, the children
    /// before it are stopped in reverse order. The error carries the reason, nested as the tree is (OTP rules 11, 12).
    /// The same holds if a rule retries the start and the budget is used up before the child is up.
    pub async fn start(self) -> Result<Tree, StartError> {
        Tree::start(self.into()).await
    }
}

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
