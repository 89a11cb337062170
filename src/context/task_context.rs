//! The context of a task.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::Exit;

use crate::context::Inner;
use crate::handle::Handle;
use crate::slot::NoMessages;
use crate::tree::Directory;
use crate::tree::lookup::LookupError;

/// Context of a task: its peers, its own tasks, and the exit of its last life.
#[derive(Clone)]
pub struct TaskContext {
    pub(crate) inner: Inner<NoMessages>,
}

impl TaskContext {
    pub(crate) fn new(inner: Inner<NoMessages>) -> Self {
        Self { inner }
    }

    /// Finds a service by name, as [`Context::lookup`](crate::Context::lookup) does.
    ///
    /// # Errors
    ///
    /// If there is no such service, or it takes other messages.
    pub fn lookup<M: Send + 'static>(&self, name: &str) -> Result<Handle<M>, LookupError> {
        self.inner.lookup(name)
    }

    /// Returns the directory of the whole tree: see [`Context::directory`](crate::Context::directory).
    pub fn directory(&self) -> Directory {
        self.inner.directory()
    }

    /// Returns the task's full path.
    pub fn path(&self) -> Arc<str> {
        self.inner.slot.path()
    }

    /// Returns the generation of this incarnation.
    pub fn generation(&self) -> u64 {
        self.inner.generation()
    }

    /// Returns the exit of the life before this one; `None` for the first.
    pub fn last_exit(&self) -> Option<&Exit> {
        self.inner.last_exit()
    }

    /// Says that this task is ready: see [`Context::ready`](crate::Context::ready).
    pub fn ready(&self) {
        self.inner.ready();
    }

    /// Tells the [watchdog](crate::Policy::watchdog) that this task is alive. A task has no messages that could be
    /// timed. A watched task hangs, and is killed, if it has not called this for longer than the limit.
    ///
    /// The time begins when the task starts, and again at each call. Time inside regrow's own `call` and `send` does
    /// not count. Without a watchdog it does nothing. It costs one atomic addition.
    ///
    /// ```
    /// use regrow::{Child, Policy, Supervisor};
    /// use std::time::Duration;
    ///
    /// # async fn poll_the_meter() -> anyhow::Result<()> { Ok(()) }
    /// let poller = Child::task("poller", |ctx| async move {
    ///     loop {
    ///         ctx.alive();
    ///         poll_the_meter().await?; // may take 30 s, and no longer
    ///         tokio::time::sleep(Duration::from_secs(10)).await;
    ///     }
    /// });
    /// let poller = poller.policy(Policy::default().watchdog(Duration::from_secs(40)));
    /// # let _ = Supervisor::one_for_one("app").child(poller);
    /// ```
    pub fn alive(&self) {
        self.inner.alive();
    }

    /// Tells the [watchdog](crate::Policy::watchdog) that the next sign of life may take `time` longer. The limit
    /// begins to count only after that time. [`alive`](Self::alive) ends the extension. Without a watchdog it does
    /// nothing.
    pub fn extend_deadline(&self, time: Duration) {
        self.inner.extend_deadline(time);
    }

    /// Completes when the supervisor asks the task to stop. It also completes if this incarnation is over and the
    /// future has been moved elsewhere.
    ///
    /// A task that never calls this is dropped at its next await when it must stop. For a task that has called it the
    /// supervisor waits, within the shutdown time, so that the task can finish in its own way.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + use<> {
        let signals = self.inner.signals.clone();
        signals.listens();
        async move { signals.told_to_stop().await }
    }
}

impl fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskContext").field("path", &self.path()).field("generation", &self.generation()).finish()
    }
}
