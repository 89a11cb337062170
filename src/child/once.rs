//! The one-shot task as a child.

use std::sync::{Arc, Mutex};

use regrow_supervisors::{Abandon, Policy, Restart, Shutdown};

use crate::child::{Child, ServiceChild};
use crate::context::TaskContext;
use crate::incarnation::maker::Maker;
use crate::incarnation::once::{self, Once, Outcome, Plain};
use crate::incarnation::{Life, OnKill, SpawnArgs};
use crate::slot::NoMessages;
use crate::tree::directory::ChildKind;

impl Child {
    /// A task that runs once and is never started again: a job that owns what it works on. It is temporary: after its
    /// end, however it ends, its supervisor forgets it.
    ///
    /// A supervisor that is restarted leaves out the one-shot tasks of its description that have succeeded. One that has
    /// not succeeded fails again at once, because its work cannot be repeated: children that
    /// [depend on its completion](crate::Policy::depends_on_completed) must not take it for completed. The same holds
    /// for a [restart by order](crate::Tree::restart), which ends a task that runs.
    ///
    /// To have the value of such a task, use a [`TaskSupervisor`](crate::TaskSupervisor).
    ///
    /// ```
    /// use regrow::{Child, DynamicSupervisor};
    ///
    /// # struct Upload; impl Upload { async fn finish(self) -> anyhow::Result<()> { Ok(()) } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let tree = DynamicSupervisor::new("uploads").start().await?;
    /// let upload = Upload; // not `Clone`
    /// tree.dynamic("uploads")?.start_child(Child::once("one", |_ctx| upload.finish())).await?;
    /// # tree.shutdown().await; Ok(()) }
    /// ```
    pub fn once<F, Fut>(name: impl Into<Arc<str>>, work: F) -> OnceChild
    where
        F: FnOnce(TaskContext) -> Fut + Send + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        Self::once_and(name, work, Plain)
    }

    /// Does what [`once`](Self::once) does, with the outcome given to `outcome`.
    pub(crate) fn once_and<F, Fut, O>(name: impl Into<Arc<str>>, work: F, outcome: O) -> OnceChild
    where
        F: FnOnce(TaskContext) -> Fut + Send + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Send,
        O: Outcome<Fut::Output>,
    {
        let maker = Maker::new(Mutex::new(Once::Due(work, outcome)), |maker, args: SpawnArgs| -> Life {
            let body = once::live(args.inner::<NoMessages>(), maker);
            args.live(OnKill::Drop, Box::pin(body))
        });
        let child = ServiceChild::new(name, ChildKind::Task, maker);
        OnceChild { child: child.restart_by_default(Restart::Temporary) }
    }
}

/// A task that runs once, being described. [`Child::once`] makes it.
#[must_use = "a child does nothing until a supervisor has it"]
#[derive(Debug)]
pub struct OnceChild {
    child: ServiceChild<NoMessages>,
}

impl OnceChild {
    /// Sets the way in which it is stopped. Default: asked to stop, and killed after five seconds.
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.child = self.child.shutdown(shutdown);
        self
    }

    /// Sets what happens if a kill does not end it: see [`TaskChild::abandon`](crate::TaskChild::abandon).
    pub fn abandon(mut self, abandon: Abandon) -> Self {
        self.child = self.child.abandon(abandon);
        self
    }

    /// Sets its policy: its dependencies, its readiness, its watchdog. Settings about restarts have no effect.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.child = self.child.policy(policy);
        self
    }

    /// Lets its end also end its supervisor, as that supervisor's [`AutoShutdown`](crate::AutoShutdown) says.
    pub fn significant(mut self) -> Self {
        self.child = self.child.significant();
        self
    }
}

impl From<OnceChild> for Child {
    fn from(once: OnceChild) -> Self {
        once.child.into()
    }
}
