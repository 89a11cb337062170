//! Readiness of a tree: the required children, those that are not ready, and why.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::ChildState;

use crate::error::refusal::Refusal;
use crate::handle::Handle;
use crate::slot::status::{Counts, ServiceState, ServiceStatus};
use crate::tree::directory::{ChildKind, Listed};
use crate::tree::paths::path_of;
use crate::tree::shared::Shared;
use crate::tree::why::Why;
use crate::tree::{Directory, Tree};

impl Shared {
    /// The required children, in the order of their paths. Settings that a child inherits from its supervisor are read
    /// each time, as they may have changed.
    ///
    /// The children of dynamic supervisors, of which there may be very many, are not looked at: those that count say so
    /// themselves, and are known.
    pub(super) fn required(&self) -> Vec<(Arc<str>, Listed)> {
        let said = self.required.said().into_iter().filter_map(|path| {
            let listed = self.directory.get(&path)?;
            (listed.slot.counts() == Some(Counts::BySaying)).then_some((path, listed))
        });
        let mut all = Vec::from_iter(said);
        let tops: Vec<_> = self.directory.roots().into_iter().chain(all.iter().map(|(path, _)| path.clone())).collect();
        tops.iter().for_each(|top| self.required_below(top, &mut all));
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        all.dedup_by(|(a, _), (b, _)| a == b);
        all
    }

    /// Adds what counts below a supervisor that counts.
    fn required_below(&self, top: &str, all: &mut Vec<(Arc<str>, Listed)>) {
        let counts = |listed: &Listed| listed.kind != ChildKind::Dynamic && listed.slot.counts().is_some();
        // The root counts, and says nothing.
        let is_root = !top.contains('/');
        let is_entered = |path: &str, listed: &Listed| match is_root && path == top {
            true => listed.kind != ChildKind::Dynamic,
            false => counts(listed),
        };
        let found = self.directory.slices(top, is_entered).flatten();
        all.extend(found.filter(|(path, listed)| **path != *top && listed.slot.counts().is_some()));
    }

    /// The required children that are not ready. A child that ended as it should, or is not wanted, is not missing.
    pub(crate) fn missing(&self) -> Vec<(Arc<str>, Listed, ServiceStatus)> {
        let seen = self.required().into_iter().map(|(path, listed)| (path, listed.slot.status(), listed));
        let is_missed = |listed: &Listed, status: ServiceStatus| match status.state {
            ServiceState::Down => listed.slot.completion().is_none(),
            ServiceState::Waiting
            | ServiceState::Starting
            | ServiceState::Up
            | ServiceState::Restarting
            | ServiceState::Parked { .. }
            | ServiceState::Gone => !status.ready,
        };
        seen.filter(|(_, status, listed)| is_missed(listed, *status)).map(|(path, seen, it)| (path, it, seen)).collect()
    }

    pub(crate) fn is_ready(&self) -> bool {
        // This is read first: a drain answers at once, however many children the tree has.
        let is_ready = !self.ending.is_draining() && self.missing().is_empty();
        if is_ready {
            self.required.note_ready();
        }
        is_ready
    }

    /// Waits until all required children are ready (`true`), or until one of them is not coming back without an order.
    async fn readiness(&self) -> bool {
        self.all_ready(true).await
    }

    /// Waits until all required children are ready for the first time (`true`), or until the tree ends. A child that
    /// needs an order to come back is waited for.
    pub(crate) async fn first_readiness(&self) -> bool {
        self.required.were_ready() || self.all_ready(false).await
    }

    /// Waits until all required children are ready (`true`), or until the tree ends. `is_order_too_late`: it also ends
    /// the wait if one of them is not coming back without an order.
    async fn all_ready(&self, is_order_too_late: bool) -> bool {
        loop {
            // Both are enabled before anything is read, so that no change after that is missed.
            let mut ending = pin!(self.ending.begins.notified());
            let mut changed = pin!(self.required.changed.notified());
            ending.as_mut().enable();
            changed.as_mut().enable();
            let missing = self.missing();
            let needs_order = || missing.iter().any(|(_, _, status)| is_gone(status.state));
            if self.is_ending() || (is_order_too_late && needs_order()) {
                return false;
            }
            if missing.is_empty() {
                self.required.note_ready();
                return true;
            }
            // The children are awaited one after the other. All are read once more when the last one is ready, and when
            // one goes down.
            for (_, listed, seen) in missing {
                let mut status = listed.slot.watch();
                if *status.borrow_and_update() != seen {
                    continue;
                }
                tokio::select! {
                    _ = status.changed() => {}
                    () = &mut ending => break,
                    () = &mut changed => break,
                }
            }
        }
    }

    async fn missing_and_why(self: &Arc<Self>) -> Vec<Unready> {
        let mut unready = Vec::new();
        for (path, _, status) in self.missing() {
            let why = self.why(&path).await.unwrap_or_else(|_| Why::unknown(path.clone(), status));
            unready.push(Unready { path, status, why });
        }
        unready
    }
}

fn is_gone(state: ServiceState) -> bool {
    match state {
        ServiceState::Down | ServiceState::Gone => true,
        ServiceState::Waiting
        | ServiceState::Starting
        | ServiceState::Up
        | ServiceState::Restarting
        | ServiceState::Parked { .. } => false,
    }
}

impl Tree {
    /// Waits until everything that is required is ready: see [`Policy::health`](field@crate::Policy::health). By
    /// default, the services of static and partitioned supervisors are required. Tasks and the children of dynamic
    /// supervisors are not.
    ///
    /// [`start`](crate::Supervisor::start) returns when the boot is complete. Some services may not be ready then:
    /// those that [say themselves](crate::Readiness::WhenSaid) when they are ready, and those that wait for others. A
    /// service that ended normally, or is not wanted, is not waited for.
    ///
    /// ```
    /// use regrow::{Child, Health, Policy, Readiness, Supervisor};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let http = Child::task("http", |ctx| async move {
    ///     let _listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    ///     ctx.ready();
    ///     ctx.stopping().await;
    ///     Ok(())
    /// });
    /// let http = http.policy(Policy::default().readiness(Readiness::WhenSaid).health(Health::Required));
    /// let tree = Supervisor::one_for_one("app").child(http).start().await?;
    /// tree.ready(Duration::from_secs(5)).await?;
    /// assert!(tree.directory().is_ready());
    /// # tree.shutdown().await; Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The error has all required children that are not ready, and why. It comes in these cases:
    ///
    /// * `limit` has passed.
    /// * A required child is down or gone, and only an order brings it back. The error comes at once.
    /// * The tree ends.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled.
    pub async fn ready(&self, limit: Duration) -> Result<(), ReadyError> {
        let is_late = match tokio::time::timeout(limit, self.shared.readiness()).await {
            Ok(true) => return Ok(()),
            Ok(false) => None,
            Err(_) => Some(limit),
        };
        Err(ReadyError { limit: is_late, missing: self.shared.missing_and_why().await })
    }
}

impl Directory {
    /// Whether everything that is required is ready now, and the tree is not [draining](Tree::is_draining): for a
    /// readiness probe. See [`Tree::ready`], and [`regrow::health`](crate::health) for probes over HTTP.
    pub fn is_ready(&self) -> bool {
        self.shared().is_ready()
    }

    /// The paths of the required children that are not ready now.
    pub fn not_ready(&self) -> Vec<Arc<str>> {
        self.shared().missing().into_iter().map(|(path, ..)| path).collect()
    }
}

impl<M: Send + 'static> Handle<M> {
    /// Waits until the service is ready. It waits through starts, delays and restarts, without a time limit.
    ///
    /// # Errors
    ///
    /// The service refuses messages: it is parked, down or gone, or an order has asked it to stop. If it is parked, the
    /// error names the time of its next try.
    ///
    /// A parked service is waited for if it is being tried, or if the services that it was parked for have come back.
    /// Code that may not wait for the service now gets [`StoppedWithGroup`](Refusal::StoppedWithGroup).
    pub async fn wait_ready(&self) -> Result<(), NotReadyError> {
        let mut watch = self.watch();
        loop {
            let status = *watch.borrow_and_update();
            match self.refusal_of_waits() {
                None if status.state == ServiceState::Up && status.ready => return Ok(()),
                None => {}
                Some(Refusal::Parked { .. }) if self.is_to_come().await => {}
                // The status changed while the supervisor was asked.
                Some(refusal @ Refusal::Parked { .. }) if self.refusal_of_waits() != Some(refusal) => continue,
                Some(refusal) => return Err(NotReadyError { path: self.path(), refusal }),
            }
            if watch.changed().await.is_err() {
                return Err(NotReadyError { path: self.path(), refusal: Refusal::Gone });
            }
        }
    }

    /// Whether a parked service is coming up: it is being tried, or the services that it was parked for are back.
    async fn is_to_come(&self) -> bool {
        let (Some(shared), Why { standing: Some(standing), waits_for, path, .. }) =
            (Shared::of(self.slot()), self.why().await)
        else {
            return false;
        };
        let Some((scope, _)) = path.rsplit_once('/') else { return false };
        let may_come = |name: &Arc<str>| {
            let listed = shared.directory.get(&path_of(scope, name));
            listed.is_some_and(|listed| listed.slot.status().state.refusal().is_none())
        };
        match standing {
            ChildState::Retrying | ChildState::Waiting | ChildState::Starting | ChildState::Up => true,
            // The supervisor is about to learn that they are back.
            ChildState::Parked => !waits_for.is_empty() && waits_for.iter().all(may_come),
            ChildState::Stopping | ChildState::Down => false,
        }
    }
}

/// The error of [`Tree::ready`]: a tree that is not ready.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReadyError {
    /// The time limit that has passed. `None` if a missing service needs an order to come back, or if the tree ends.
    pub limit: Option<Duration>,
    /// All services that are required and not ready.
    pub missing: Vec<Unready>,
}

/// A service that is required and not ready.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Unready {
    /// Its full path.
    pub path: Arc<str>,
    /// Its status.
    pub status: ServiceStatus,
    /// The reason: a paragraph when it is displayed, one line with `{:#}`.
    pub why: Why,
}

/// Writes one line for each service; [`Unready::why`] tells more.
impl fmt::Display for ReadyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit {
            Some(limit) => write!(f, "not ready after {limit:?}:")?,
            None if self.missing.is_empty() => return f.write_str("not ready: the tree is ending"),
            None => f.write_str("not ready, and these services need an order to come back:")?,
        }
        self.missing.iter().try_for_each(|unready| write!(f, "\n  {:#}", unready.why))
    }
}

impl std::error::Error for ReadyError {}

/// The error of [`Handle::wait_ready`]: a service that is not ready and refuses messages.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotReadyError {
    /// The service.
    pub path: Arc<str>,
    /// The reason of the refusal.
    pub refusal: Refusal,
}

impl fmt::Display for NotReadyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not ready: {}", self.path, self.refusal)
    }
}

impl std::error::Error for NotReadyError {}
