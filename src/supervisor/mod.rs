//! Describing a tree: the builder that reads like the tree it builds, and its start.

pub(crate) mod actor;
pub(crate) mod child_entry;
pub(crate) mod configure;
mod dependencies;
pub(crate) mod dependency_watch;
pub(crate) mod description;
pub(crate) mod driver;
pub(crate) mod dynamic;
pub(crate) mod dynamic_handle;
pub(crate) mod effect;
mod ends;
pub(crate) mod factory;
mod lookup;
pub(crate) mod manage;
mod many;
pub(crate) mod observer;
mod orders;
pub(crate) mod outcome;
mod overdue;
pub(crate) mod parent;
pub(crate) mod partitioned;
pub(crate) mod partitions;
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
mod testify;
mod tree;

use std::fmt;
use std::sync::Arc;

use regrow_supervisors::{AutoShutdown, Flags, StopOrder, Strategy};

use crate::child::Child;
use crate::error::start::StartError;
use crate::supervisor::description::{Base, Description, Shape, supervisor_settings};
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
