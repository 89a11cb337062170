//! The ordered end of a tree, and the report about it.

use std::time::Duration;

use regrow_supervisors::Exit;
use tokio::time::Instant;

use crate::base::time::{later, part};
use crate::log::line;
use crate::slot::fact::Fact;
use crate::tree::Tree;
use crate::tree::ending::Notes;
use crate::tree::report::ShutdownReport;
use crate::tree::root::Root;
use crate::tree::shared::caller_within;

/// The longest part of a limit that is kept for killed children to end.
pub(crate) const LAST_PART: Duration = Duration::from_secs(1);

/// Moments at which a bounded shutdown kills what is left, and abandons what a kill did not end. Without a limit there
/// are none.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bounds {
    pub(crate) kill_at: Option<Instant>,
    pub(crate) abandon_at: Option<Instant>,
}

impl Bounds {
    pub(crate) fn new(begun: Instant, limit: Duration) -> Self {
        let kill = limit.saturating_sub(LAST_PART.min(part(limit, 4)));
        Self { kill_at: Some(later(begun, kill)), abandon_at: Some(later(begun, limit)) }
    }
}

impl Tree {
    /// Stops the tree in order, youngest child first, depth first, and waits for its end.
    ///
    /// The children's shutdown times limit the wait, unless one of them says [`Shutdown::Wait`](crate::Shutdown::Wait)
    /// or [`Abandon::Never`](crate::Abandon::Never): see [`shutdown_within`](Self::shutdown_within). A second call,
    /// later or at the same time, waits for the same end. Messages that were left in mailboxes are dropped in separate
    /// tasks. Their destructors are waited for, for one second at most.
    ///
    /// Code of a service in the tree, or of a task linked to it, cannot wait for this. The order is refused, and the
    /// tree goes on. The report comes at once, and says so in [`refused`](ShutdownReport::refused). Give the order from
    /// outside, or end the root with [`SupervisorHandle::stop`](crate::SupervisorHandle::stop), which does not wait.
    pub async fn shutdown(&self) -> ShutdownReport {
        if let Some(refusal) = self.refusal() {
            return refusal;
        }
        let begun = Instant::now();
        self.order_stop();
        self.report(begun, None).await
    }

    /// Does what [`shutdown`](Self::shutdown) does, but ends after `limit`, whatever the shutdown times of the children
    /// are.
    ///
    /// A quarter of the limit, at most one second, is kept for the worst case. When it begins, everything that is left
    /// is killed at once, at all levels and in no order. Children that have not ended at the end of the limit are
    /// abandoned, and named in the report. A limit of more than a century counts as a century. The order is refused to
    /// the same code as [`shutdown`](Self::shutdown) is.
    pub async fn shutdown_within(&self, limit: Duration) -> ShutdownReport {
        if let Some(refusal) = self.refusal() {
            return refusal;
        }
        let begun = Instant::now();
        self.order_stop();
        let Bounds { kill_at, abandon_at } = Bounds::new(begun, limit);
        if !self.has_ended_by(kill_at).await {
            let (path, children) = (self.path(), self.running());
            line!(WARN, { path = %path, children }, "the limit is reached: killing all that is left");
            self.kill_all();
        }
        if !self.has_ended_by(abandon_at).await {
            self.inbox.push(Fact::Abandon);
        }
        self.report(begun, abandon_at).await
    }

    /// Waits for the end of the tree, and reports how it came: by a shutdown, by the root's giving up, or by a kill.
    ///
    /// [`took`](ShutdownReport::took) is the time from the moment at which the root began to end. Code of a service in
    /// the tree never sees the report: it has ended before.
    pub async fn wait(&self) -> ShutdownReport {
        let exit = self.ended().await;
        ShutdownReport::new(self.path().into(), exit, self.shared.ending.notes())
    }

    /// Whether the tree was asked to end, or is ending without that. It is true from the first signal of
    /// `run_until_signal`, or the order to shut down, until after the end.
    ///
    /// A readiness probe answers *not ready* then. See also [`Directory::is_draining`](crate::Directory::is_draining).
    pub fn is_draining(&self) -> bool {
        self.shared.ending.is_draining()
    }

    /// The report for code of the tree itself, which would wait for its own end.
    fn refusal(&self) -> Option<ShutdownReport> {
        let caller = caller_within(&self.shared, self.path())?;
        let path = self.path();
        line!(ERROR, { path = %path, caller = %caller }, "shutdown refused: a service of the tree cannot wait for its own end");
        let exit = Exit::failed(format!("`{caller}` would end with the tree, and cannot wait for that"));
        Some(ShutdownReport { refused: Some(caller), ..ShutdownReport::new(path.into(), exit, Notes::default()) })
    }

    pub(crate) fn order_stop(&self) {
        self.shared.ending.begin_to_note();
        self.inbox.push(Fact::Stop(Exit::Shutdown));
    }

    /// Kills everything that is left, at all levels at once.
    pub(crate) fn kill_all(&self) {
        self.shared.ending.begin_to_note();
        self.shared.ending.hurry();
        // The root is told first, so that it takes no end below it for one that calls for a restart.
        self.inbox.push(Fact::Kill);
        self.shared.kill_all(self.path());
    }

    pub(crate) async fn ended(&self) -> Exit {
        match self.wait_for(|root| matches!(root, Root::Ended { .. })).await {
            Root::Ended { exit, .. } => exit,
            Root::Booting | Root::Up => Exit::Killed,
        }
    }

    /// Waits for the end until this moment. Returns whether the tree has ended.
    pub(crate) async fn has_ended_by(&self, at: Option<Instant>) -> bool {
        match at {
            Some(at) => tokio::time::timeout_at(at, self.ended()).await.is_ok(),
            None => {
                self.ended().await;
                true
            }
        }
    }

    /// Waits for the end, and until then also for the destructors of messages that were left behind.
    pub(crate) async fn report(&self, begun: Instant, until: Option<Instant>) -> ShutdownReport {
        let exit = self.ended().await;
        let took = begun.elapsed();
        let patience = later(Instant::now(), LAST_PART);
        let until = until.map_or(patience, |until| until.min(patience));
        // A destructor that still runs then runs on, and is no part of the tree.
        let _ = tokio::time::timeout_at(until, self.shared.sweeps.are_done()).await;
        let report = ShutdownReport::new(self.path().into(), exit, self.shared.ending.notes());
        ShutdownReport { took, ..report }
    }
}
