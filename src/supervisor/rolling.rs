//! Rolling restarts: the children of a supervisor are restarted by order, a few at a time.

use std::fmt;
use std::sync::Arc;

use regrow_supervisors::ChildState;
use tokio::task::JoinSet;

use crate::base::background::yield_once;
use crate::error::orders::RestartError;
use crate::slot::status::{ServiceState, ServiceStatus};
use crate::supervisor::dynamic_handle::DynamicHandle;
use crate::supervisor::manage::SupervisorHandle;
use crate::supervisor::outcome::{StartOutcome, StartedChild};
use crate::supervisor::partitions::Partitions;

impl<M: Send + 'static> Partitions<M> {
    /// Restarts all partitions by order, by number, at most `at_most` at a time (0 counts as 1), each as
    /// [`Handle::restart`](crate::Handle::restart) does. A partition counts as restarted when its new incarnation is
    /// ready, and then the next one begins. Returns the number of restarted partitions.
    ///
    /// The first failure ends the roll: no other partition is restarted after it. Partitions that are down when their turn
    /// comes are left out, and so are those that are parked until an order revives them. One that is being stopped is
    /// waited for, and left out if it is down or gone then. A partition that is parked while it is restarted has failed.
    /// Dropping the future stops the roll as well. Restarts that are under way are carried out.
    ///
    /// ```
    /// use regrow::Partitioned;
    /// use regrow::testing::{Journal, ProbeMsg};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let journal = Journal::new();
    /// let tree = Partitioned::new("cache", 4, move |_| journal.probe("partition")).start().await?;
    /// let cache = tree.partitions::<ProbeMsg>("cache")?;
    ///
    /// assert_eq!(cache.restart_rolling(2, "new settings").await?, 4);
    /// assert!(cache.handles().iter().all(|partition| partition.generation() == 2));
    /// # tree.shutdown().await; Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The first failure, and the number of partitions that were restarted before it. Code of a partition is refused
    /// before anything is restarted ([`ToItself`](RestartError::ToItself)).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn restart_rolling(&self, at_most: usize, reason: impl Into<Arc<str>>) -> Result<usize, RollingError> {
        self.supervisor().roll(at_most, reason.into()).await
    }
}

impl DynamicHandle {
    /// Restarts all children by order, eldest first, at most `at_most` at a time: see
    /// [`Partitions::restart_rolling`]. Children that end meanwhile are left out, and so are those that are started
    /// after the call.
    ///
    /// # Errors
    ///
    /// Those of [`Partitions::restart_rolling`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn restart_rolling(&self, at_most: usize, reason: impl Into<Arc<str>>) -> Result<usize, RollingError> {
        self.supervisor().roll(at_most, reason.into()).await
    }
}

impl SupervisorHandle {
    /// Restarts all children by order, in start order, at most `at_most` at a time: see
    /// [`Partitions::restart_rolling`]. Children that are down, or parked until an order revives them, are left out.
    ///
    /// # Errors
    ///
    /// Those of [`Partitions::restart_rolling`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn restart_rolling(&self, at_most: usize, reason: impl Into<Arc<str>>) -> Result<usize, RollingError> {
        self.roll(at_most, reason.into()).await
    }

    async fn roll(&self, at_most: usize, reason: Arc<str>) -> Result<usize, RollingError> {
        let refused = |error| RollingError { restarted: 0, cause: RollingCause::NotRestarted(error) };
        if let Some(caller) = self.caller_within() {
            return Err(refused(RestartError::ToItself { path: caller.clone(), caller }));
        }
        let children = self.which_children().await.map_err(|error| refused(error.into()))?;
        let mut to_come = children.into_iter().filter(|child| child.standing != ChildState::Down);
        let (mut under_way, mut restarted) = (JoinSet::new(), 0);
        loop {
            while under_way.len() < at_most.max(1)
                && let Some(child) = to_come.next()
            {
                let (supervisor, reason) = (self.clone(), reason.clone());
                under_way.spawn(async move { supervisor.renew_until_ready(&child.name, reason).await });
            }
            match under_way.join_next().await {
                None => return Ok(restarted),
                Some(Ok(Ok(was_there))) => restarted += usize::from(was_there),
                Some(Ok(Err(cause))) => return Err(RollingError { restarted, cause }),
                // Only the end of the runtime cancels such a task.
                Some(Err(_)) => {
                    let cause = RollingCause::NotRestarted(self.over().into());
                    return Err(RollingError { restarted, cause });
                }
            }
        }
    }

    /// Restarts a child and waits until it is ready. `false` if the child is gone, rests, or is set aside.
    async fn renew_until_ready(&self, name: &str, reason: Arc<str>) -> Result<bool, RollingCause> {
        let restarted = loop {
            let status = self.shared.directory.get(&self.child_path(name)).map(|listed| listed.slot.status());
            // Its next life is a new one in any case. A child that is set aside later has not come up with what is new.
            if status.is_some_and(|status| status.state == ServiceState::Parked { until: None }) {
                return Ok(false);
            }
            match self.renew(name, reason.clone()).await {
                // Whether it comes back is known when it is gone.
                Err(RestartError::Stopping { path }) => {
                    self.has_left(&path, status.map(|status| status.generation)).await;
                }
                restarted => break restarted,
            }
        };
        match restarted {
            Ok(StartOutcome::Up(up)) => self.is_ready(&up).await.map(|()| true).map_err(|status| {
                let path = up.path.clone();
                RollingCause::NotReady { path, status }
            }),
            // The child is not wanted with the new settings.
            Ok(StartOutcome::Ignored) => Ok(true),
            Err(RestartError::NotFound { .. } | RestartError::Down { .. }) => Ok(false),
            Err(error) => Err(RollingCause::NotRestarted(error)),
        }
    }

    /// Waits until the incarnation of a child that had this generation has left.
    async fn has_left(&self, path: &str, generation: Option<u64>) {
        let Some(listed) = self.shared.directory.get(path) else { return };
        let mut watch = listed.slot.watch();
        // An error says that it is gone.
        let _ = watch.wait_for(|now| now.state != ServiceState::Up || Some(now.generation) != generation).await;
        yield_once().await;
    }

    /// Waits until this incarnation of a child is ready. If it ends before, returns the status that was seen then.
    async fn is_ready(&self, up: &StartedChild) -> Result<(), ServiceStatus> {
        let gone = ServiceStatus { state: ServiceState::Gone, generation: up.generation, ready: false };
        let Some(listed) = self.shared.directory.get(&up.path) else { return Err(gone) };
        let mut watch = listed.slot.watch();
        loop {
            let status = *watch.borrow_and_update();
            match status.state {
                ServiceState::Up if status.generation == up.generation && status.ready => return Ok(()),
                ServiceState::Up if status.generation == up.generation => {}
                ServiceState::Up
                | ServiceState::Waiting
                | ServiceState::Starting
                | ServiceState::Restarting
                | ServiceState::Parked { .. }
                | ServiceState::Down
                | ServiceState::Gone => return Err(status),
            }
            if watch.changed().await.is_err() {
                return Err(gone);
            }
        }
    }
}

/// Reason why a rolling restart ended before its last child.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RollingError {
    /// Number of children that were restarted and ready before that.
    pub restarted: usize,
    /// The first failure.
    pub cause: RollingCause,
}

/// First failure of a rolling restart.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RollingCause {
    /// A child was not restarted, or the roll was refused. The error names the child, or the supervisor.
    NotRestarted(RestartError),
    /// The new incarnation of this child came up, and ended before it was ready.
    NotReady {
        /// The child.
        path: Arc<str>,
        /// The status of the child then.
        status: ServiceStatus,
    },
}

impl fmt::Display for RollingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the rolling restart stopped after {} children: {}", self.restarted, self.cause)
    }
}

impl fmt::Display for RollingCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRestarted(error) => error.fmt(f),
            Self::NotReady { path, status } => {
                write!(f, "`{path}` came up, and ended before it was ready: it is {status}")
            }
        }
    }
}

impl std::error::Error for RollingError {}
