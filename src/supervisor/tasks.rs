//! A pool of one-shot tasks below a dynamic supervisor: each gives its value, or how it ended.

use std::fmt;
use std::sync::Arc;

use regrow_supervisors::Shutdown;
use tokio::task::JoinSet;

use crate::child::Child;
use crate::context::{Context, TaskContext};
use crate::error::orders::StartChildError;
use crate::error::start::StartError;
use crate::error::task::TaskError;
use crate::running_task::{RunningTask, Teller};
use crate::service::Service;
use crate::supervisor::dynamic::DynamicSupervisor;
use crate::supervisor::dynamic_handle::DynamicHandle;
use crate::supervisor::outcome::StartOutcome;
use crate::tree::Tree;
use crate::tree::lookup::LookupError;
use crate::tree::paths::name_of;

/// A supervisor of tasks that run once and give a value, being described: Elixir's `Task.Supervisor`.
///
/// Use it for work that no service should do itself, and that must end with the tree in order: requests to others,
/// reports, uploads. The tasks are children of a [`DynamicSupervisor`] like others: listed in the directory, with
/// events, a shutdown time and a limit on their number. They are temporary, so that none is ever restarted or charged
/// to a budget. [`Tree::tasks`] and [`Context::tasks`] return the handle that runs them.
///
/// When the supervisor stops, it asks all tasks to stop at once. A task that does not listen for
/// [`stopping`](TaskContext::stopping) ends at its next await, and others have 5 s. Code that awaits such a task gets
/// [`TaskError::Ended`].
///
/// ```
/// use regrow::{Supervisor, TaskError, TaskSupervisor};
///
/// # async fn fetch(page: usize) -> usize { page * 10 }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
/// let tree = Supervisor::one_for_one("app").child(TaskSupervisor::new("jobs")).start().await?;
/// let jobs = tree.tasks("app/jobs")?;
///
/// assert_eq!(jobs.run(fetch(1)).await?, 10);
/// let pages = jobs.run_all((1..=100).map(fetch), 8).await; // at most 8 at a time
/// assert_eq!(pages[99].as_ref().ok(), Some(&1000));
/// let broken = jobs.run(async { panic!("no route") }).await;
/// assert!(matches!(broken, Err(TaskError::Panicked(_))));
/// # tree.shutdown().await; Ok(()) }
/// ```
#[must_use = "a supervisor does nothing until it is started, or has been given to another one"]
#[derive(Debug)]
pub struct TaskSupervisor {
    pool: DynamicSupervisor,
}

impl TaskSupervisor {
    /// A supervisor of any number of tasks.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { pool: DynamicSupervisor::new(name) }
    }

    /// Limits the number of tasks that run at a time. It is the [`max_children`](DynamicSupervisor::max_children) of the
    /// supervisor, and errors call it so. More tasks are refused ([`MaxChildren`](StartChildError::MaxChildren)): they do
    /// not wait. Zero is refused when the tree starts.
    pub fn max_tasks(self, tasks: usize) -> Self {
        Self { pool: self.pool.max_children(tasks) }
    }

    /// Sets the way in which the supervisor above stops this one: see [`DynamicSupervisor::shutdown`].
    pub fn shutdown(self, shutdown: Shutdown) -> Self {
        Self { pool: self.pool.shutdown(shutdown) }
    }

    /// Starts a tree that consists of this supervisor.
    ///
    /// # Errors
    ///
    /// Those of [`Supervisor::start`](crate::Supervisor::start).
    pub async fn start(self) -> Result<Tree, StartError> {
        self.pool.start().await
    }
}

/// For settings that only [`DynamicSupervisor`] has.
impl From<TaskSupervisor> for DynamicSupervisor {
    fn from(tasks: TaskSupervisor) -> Self {
        tasks.pool
    }
}

impl From<TaskSupervisor> for Child {
    fn from(tasks: TaskSupervisor) -> Self {
        tasks.pool.into()
    }
}

/// Runs tasks below a dynamic supervisor and gives their values. [`Tree::tasks`], [`Context::tasks`] and
/// [`DynamicHandle::tasks`] return it. Like every handle, it is valid for ever.
///
/// The tasks are named `task-1`, `task-2` and so on, or by number if the supervisor is
/// [numbered](DynamicSupervisor::numbered).
#[derive(Clone)]
pub struct Tasks {
    pool: DynamicHandle,
}

impl Tasks {
    /// The supervisor's full path.
    pub fn path(&self) -> &str {
        self.pool.path()
    }

    /// The supervisor, to look at its tasks and to terminate them.
    pub fn supervisor(&self) -> &DynamicHandle {
        &self.pool
    }

    /// Runs a future as a task of this supervisor, and returns its value. Dropping the future of this call does not
    /// end the task; see [`spawn`](Self::spawn) for a task that can be cancelled.
    ///
    /// # Errors
    ///
    /// How the task ended, or why it was not started: see [`TaskError`].
    pub async fn run<F>(&self, future: F) -> Result<F::Output, TaskError>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.run_with(|_| future).await
    }

    /// Does what [`run`](Self::run) does, for work that needs its context: to look up peers, or to end in its own way
    /// when the supervisor [stops](TaskContext::stopping).
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run).
    pub async fn run_with<W, F>(&self, work: W) -> Result<F::Output, TaskError>
    where
        W: FnOnce(TaskContext) -> F + Send + 'static,
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_with(work).await?.await
    }

    /// Runs futures as tasks of this supervisor, at most `at_most` at a time (0 counts as 1). Returns their outcomes in
    /// the order of `futures`. A task that ends without a value does not keep the others from running.
    ///
    /// If the supervisor has a limit ([`max_tasks`](TaskSupervisor::max_tasks)), a future that finds it full is dropped,
    /// and its outcome is [`NotStarted`](TaskError::NotStarted). So `at_most` is best less than that limit.
    ///
    /// `futures` is asked for the next one when a task has ended, so a long list is never in memory as a whole. If the
    /// future of this call is dropped, no more tasks start, and those that run go on.
    ///
    /// # Panics
    ///
    /// If the iterator panics, and outside of a tokio runtime.
    pub async fn run_all<F>(
        &self,
        futures: impl IntoIterator<Item = F>,
        at_most: usize,
    ) -> Vec<Result<F::Output, TaskError>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let mut to_come = futures.into_iter().enumerate();
        let (mut running, mut outcomes) = (JoinSet::new(), Vec::new());
        loop {
            while running.len() < at_most.max(1)
                && let Some((place, future)) = to_come.next()
            {
                outcomes.push(Err(TaskError::Cancelled));
                let tasks = self.clone();
                running.spawn(async move { (place, tasks.run(future).await) });
            }
            match running.join_next().await {
                None => return outcomes,
                Some(Ok((place, outcome))) => outcomes[place] = outcome,
                // Only the end of the runtime cancels such a wait.
                Some(Err(_)) => {}
            }
        }
    }

    /// Starts a future as a task of this supervisor. Completes when the task runs, and returns it: to be awaited, or
    /// cancelled.
    ///
    /// # Errors
    ///
    /// Too many tasks ([`MaxChildren`](StartChildError::MaxChildren)), or a supervisor that is not running.
    pub async fn spawn<F>(&self, future: F) -> Result<RunningTask<F::Output>, StartChildError>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_with(|_| future).await
    }

    /// Does what [`spawn`](Self::spawn) does, for work that needs its context.
    ///
    /// # Errors
    ///
    /// Those of [`spawn`](Self::spawn).
    pub async fn spawn_with<W, F>(&self, work: W) -> Result<RunningTask<F::Output>, StartChildError>
    where
        W: FnOnce(TaskContext) -> F + Send + 'static,
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (teller, value) = Teller::pair();
        let path = match self.pool.start_task(Child::once_and("task", work, teller)).await? {
            StartOutcome::Up(up) => up.path,
            StartOutcome::Ignored => unreachable!("the first start of a one-shot task runs it"),
        };
        let pool = self.pool.clone();
        let cancel = move || {
            pool.supervisor().terminate_later(name_of(&path));
        };
        Ok(RunningTask::new(value, cancel))
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tasks").field(&self.path()).finish()
    }
}

impl DynamicHandle {
    /// Runs one-shot tasks below this supervisor, beside its other children.
    pub fn tasks(&self) -> Tasks {
        Tasks { pool: self.clone() }
    }
}

impl Tree {
    /// Runs one-shot tasks below the [`TaskSupervisor`], or the dynamic supervisor, with this full path.
    ///
    /// # Errors
    ///
    /// Nothing has this path, or it is not the path of such a supervisor.
    pub fn tasks(&self, path: &str) -> Result<Tasks, LookupError> {
        Ok(self.dynamic(path)?.tasks())
    }
}

impl<S: Service> Context<S> {
    /// Runs one-shot tasks below a [`TaskSupervisor`] or a dynamic supervisor, found by name as
    /// [`lookup`](Self::lookup) finds services. Unlike those of [`run`](Self::run), they do not end with this
    /// incarnation.
    ///
    /// # Errors
    ///
    /// Nothing has that name, or it is not the name of such a supervisor.
    pub fn tasks(&self, name: &str) -> Result<Tasks, LookupError> {
        Ok(self.dynamic(name)?.tasks())
    }
}

impl TaskContext {
    /// Runs one-shot tasks below a [`TaskSupervisor`] or a dynamic supervisor: see [`Context::tasks`].
    ///
    /// # Errors
    ///
    /// Nothing has that name, or it is not the name of such a supervisor.
    pub fn tasks(&self, name: &str) -> Result<Tasks, LookupError> {
        Ok(self.dynamic(name)?.tasks())
    }
}
