//! How a tree ends in order, and what is told about it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::Exit;
use tokio::time::Instant;

use crate::base::time::{later, part};
use crate::error::gave_up::GaveUp;
use crate::log::{line, one_line};
use crate::slot::fact::Fact;
use crate::tree::Tree;
use crate::tree::ending::Notes;
use crate::tree::root::Root;
use crate::tree::shared::caller_within;

/// The longest time that is left, out of a limit, for what was killed to end.
pub(crate) const LAST_PART: Duration = Duration::from_secs(1);

/// When a bounded shutdown kills what is left, and when it abandons what a kill did not end. Without a limit neither
/// comes.
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
    /// Bounded by the children's shutdown times, unless one of them says [`Shutdown::Wait`](crate::Shutdown::Wait) or
    /// [`Abandon::Never`](crate::Abandon::Never); see [`shutdown_within`](Self::shutdown_within). Calling it again, or at
    /// the same time, waits for the same end. Messages that were left in mailboxes are dropped in tasks of their own; their
    /// destructors are waited for, for one second at most.
    ///
    /// Code of a service in the tree, or of a task linked to it, cannot wait for this. The order is refused, and the
    /// tree goes on. The report comes at once, and says so in [`refused`](ShutdownReport::refused). Order it from
    /// outside, or end the root with [`SupervisorHandle::stop`](crate::SupervisorHandle::stop), which does not wait.
    pub async fn shutdown(&self) -> ShutdownReport {
        if let Some(refusal) = self.refusal() {
            return refusal;
        }
        let begun = Instant::now();
        self.order_stop();
        self.report(begun, None).await
    }

    /// As [`shutdown`](Self::shutdown), but over after `limit` whatever the children say.
    ///
    /// The last quarter of the limit, and one second of it at most, is kept for the worst case. Then everything that is left
    /// is killed at once, at all levels and in no order. What has not ended at the end of the limit is abandoned, and named
    /// in the report. A limit of more than a century counts as a century. Refused as [`shutdown`](Self::shutdown) is.
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

    /// Waits for the end of the tree, and says how it came: by a shutdown, by the root's giving up, or by a kill.
    ///
    /// [`took`](ShutdownReport::took) is the time from the moment at which the root began to end. Code of a service in the tree
    /// never sees it: it has ended before.
    pub async fn wait(&self) -> ShutdownReport {
        let exit = self.ended().await;
        ShutdownReport::new(self.path().into(), exit, self.shared.ending.notes())
    }

    /// Whether the tree was told to end, or is ending without that: from the first signal of `run_until_signal`, or the order
    /// to shut down, until after its end.
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

    /// Waits for the end, and no longer than until then.
    pub(crate) async fn has_ended_by(&self, at: Option<Instant>) -> bool {
        match at {
            Some(at) => tokio::time::timeout_at(at, self.ended()).await.is_ok(),
            None => {
                self.ended().await;
                true
            }
        }
    }

    /// Waits for the end, and until then for the destructors of what was left behind.
    pub(crate) async fn report(&self, begun: Instant, until: Option<Instant>) -> ShutdownReport {
        let exit = self.ended().await;
        let took = begun.elapsed();
        let patience = later(Instant::now(), LAST_PART);
        let until = until.map_or(patience, |until| until.min(patience));
        // What still runs then runs on, and is nothing of the tree's.
        let _ = tokio::time::timeout_at(until, self.shared.sweeps.are_done()).await;
        let report = ShutdownReport::new(self.path().into(), exit, self.shared.ending.notes());
        ShutdownReport { took, ..report }
    }
}

/// How a tree ended.
///
/// The exit alone does not say whether the end was wanted: a root that gives up ends as `shutdown`, as one does that was
/// asked to (OTP rule 28). [`is_clean`](Self::is_clean) does.
///
/// When displayed, it is one line:
///
/// ```text
/// ended (shutdown) after 1.2s
/// gave up on `app/http`: failed: Address already in use (os error 98) (the budget of 1 restart in 5s is used up); ended (shutdown) after 12.1ms
/// ended (killed) after 25.0s; killed: app/worker-3; abandoned: app/report
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// The path of the root.
    pub path: Arc<str>,
    /// How the root ended.
    pub exit: Exit,
    /// Why the root ended itself, if it did: on which child it gave up, after which exit.
    pub gave_up: Option<Arc<GaveUp>>,
    /// Children that ended by a fault of their own while the tree stopped: a failure, a panic, a kill from outside.
    pub failed: Vec<StopFailure>,
    /// Children that were asked to stop, had to be killed, and ended by that; in that order.
    pub killed: Vec<Arc<str>>,
    /// Children that were killed before it was their turn to be asked, and ended by that: the tree was killed, or its limit
    /// was reached. Their stop hooks did not run.
    pub unasked: Vec<Arc<str>>,
    /// Children that a kill did not end, and that were left behind. They are named here and nowhere else.
    pub abandoned: Vec<Arc<str>>,
    /// The service whose code ordered the shutdown, and would have waited for its own end. The order was refused and
    /// the tree goes on. The rest of the report says nothing then.
    pub refused: Option<Arc<str>>,
    /// From the order to the end.
    pub took: Duration,
}

/// A child that ended by a fault of its own while its tree stopped.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StopFailure {
    /// The child's full path.
    pub path: Arc<str>,
    /// How it ended.
    pub exit: Exit,
}

impl ShutdownReport {
    /// It took the time from the moment at which the root began to end.
    pub(crate) fn new(path: Arc<str>, exit: Exit, notes: Notes) -> Self {
        let Notes { gave_up, failed, killed, unasked, abandoned, began, over } = notes;
        let took = over.zip(began).map(|(over, began)| over.saturating_sub(began)).unwrap_or_default();
        Self { path, exit, gave_up, failed, killed, unasked, abandoned, refused: None, took }
    }

    /// The root has ended. An end that was not clean is a warning, which says how the tree ended.
    pub(crate) fn log(&self, was_up: bool) {
        let report = self;
        let (path, kind, text) = (&report.path, report.exit.kind(), one_line(&report.exit));
        if report.is_clean() {
            line!(INFO, { path = %path, exit.kind = %kind, exit.text = %text, was_up }, "tree is over");
        } else {
            line!(WARN, { path = %path, exit.kind = %kind, exit.text = %text, was_up, report = %one_line(report) }, "tree is over");
        }
    }

    /// Whether the end was wanted, and every child stopped as asked.
    ///
    /// It was not if the root gave up or was killed, and if a child failed, panicked, was killed or was abandoned while the
    /// tree stopped. Children that are to be killed ([`Shutdown::Kill`](crate::Shutdown::Kill)) do stop as asked.
    pub fn is_clean(&self) -> bool {
        self.was_wanted()
            && [&self.killed, &self.unasked, &self.abandoned].iter().all(|names| names.is_empty())
            && self.failed.is_empty()
    }

    /// Whether the root ended because it was asked to, or because its work was done: it neither gave up nor was killed, nor
    /// failed to boot. Some of its children may have ended badly: see [`is_clean`](Self::is_clean).
    pub fn was_wanted(&self) -> bool {
        self.gave_up.is_none()
            && self.refused.is_none()
            && matches!(self.exit, Exit::Normal | Exit::Shutdown | Exit::ShutdownWith(_))
    }

    /// The report, or an error if the end was not [clean](Self::is_clean): for a `main` that exits non-zero then.
    ///
    /// ```
    /// # use regrow::{Supervisor, testing::Journal};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await?;
    /// let report = tree.shutdown().await.into_result()?;
    /// # assert!(report.is_clean()); Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If the end was not clean. The error carries the report, and says in one line what was wrong.
    pub fn into_result(self) -> Result<Self, UncleanEnd> {
        if self.is_clean() { Ok(self) } else { Err(UncleanEnd(Box::new(self))) }
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(caller) = &self.refused {
            return write!(f, "goes on: `{caller}` would end with it, and cannot wait for that");
        }
        if let Some(gave_up) = &self.gave_up {
            write!(f, "{gave_up}; ")?;
        }
        write!(f, "ended ({}) after {:.1?}", self.exit, self.took)?;
        say_names(f, "failed while it stopped", &self.failed)?;
        say_names(f, "killed", &self.killed)?;
        say_names(f, "killed before it was asked", &self.unasked)?;
        say_names(f, "abandoned", &self.abandoned)
    }
}

impl fmt::Display for StopFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.path, self.exit)
    }
}

/// A line has room for so many names.
const NAMES_MAX: usize = 10;

fn say_names(f: &mut fmt::Formatter<'_>, what: &str, names: &[impl fmt::Display]) -> fmt::Result {
    for (at, name) in names.iter().take(NAMES_MAX).enumerate() {
        if at == 0 { write!(f, "; {what}: {name}")? } else { write!(f, ", {name}")? }
    }
    match names.len().saturating_sub(NAMES_MAX) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

/// An end of a tree that was not clean.
///
/// Displayed, and debugged as `main` does with its error, it is one line that says what was wrong.
pub struct UncleanEnd(Box<ShutdownReport>);

impl UncleanEnd {
    #[cfg(feature = "signal")]
    pub(crate) fn new(report: ShutdownReport) -> Self {
        Self(Box::new(report))
    }

    /// How the tree ended.
    pub fn report(&self) -> &ShutdownReport {
        &self.0
    }
}

impl fmt::Display for UncleanEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_in_one_line(f, &format!("the tree `{}` {}", self.0.path, self.0))
    }
}

impl fmt::Debug for UncleanEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for UncleanEnd {}

/// The text of a panic may have many lines, and the reason for an end is looked for on the last one.
pub(crate) fn write_in_one_line(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for (at, line) in text.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        if at > 0 {
            f.write_str(" ")?;
        }
        f.write_str(line)?;
    }
    Ok(())
}
