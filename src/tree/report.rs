//! The report about the end of a tree.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::Exit;

use crate::error::gave_up::GaveUp;
use crate::log::{line, one_line};
use crate::tree::ending::{Notes, StopFailure};

/// Report about the end of a tree.
///
/// The exit alone does not say whether the end was wanted: a root that gives up ends as `shutdown`, and so does a root
/// that was asked to stop (OTP rule 28). [`is_clean`](Self::is_clean) tells.
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
    /// The exit of the root.
    pub exit: Exit,
    /// The child on which the root gave up, and the exit that led to it, if the root ended itself.
    pub gave_up: Option<Arc<GaveUp>>,
    /// Children that were down when the tree stopped, because their budget was used up and their policy says
    /// [`GiveUp::Stop`](crate::GiveUp::Stop). Children of dynamic supervisors are forgotten, and not among them.
    pub given_up: Vec<Arc<GaveUp>>,
    /// Children that ended by their own fault while the tree stopped: a failure, a panic, a kill from outside.
    pub failed: Vec<StopFailure>,
    /// Children that were asked to stop and ended only by a kill, in that order.
    pub killed: Vec<Arc<str>>,
    /// Children that ended by a kill before they were asked to stop: the tree was killed, or its limit was reached.
    /// Their stop hooks did not run.
    pub unasked: Vec<Arc<str>>,
    /// Children that outlived their kill and were left behind. They are named here and nowhere else.
    pub abandoned: Vec<Arc<str>>,
    /// The service that ordered the shutdown, and would have waited for its own end. The order was refused and the tree
    /// goes on. The rest of the report says nothing then.
    pub refused: Option<Arc<str>>,
    /// Time from the order to the end.
    pub took: Duration,
}

impl ShutdownReport {
    /// The time is counted from the moment at which the root began to end.
    pub(crate) fn new(path: Arc<str>, exit: Exit, notes: Notes) -> Self {
        let Notes { gave_up, given_up, failed, killed, unasked, abandoned, began, over } = notes;
        let took = over.zip(began).map(|(over, began)| over.saturating_sub(began)).unwrap_or_default();
        Self { path, exit, gave_up, given_up, failed, killed, unasked, abandoned, refused: None, took }
    }

    /// Logs the end of the root. An end that was not clean is a warning with the report.
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
    /// It was not if the root gave up or was killed, or if a child failed, panicked, was killed or was abandoned while
    /// the tree stopped. Nor was it if a child had ended for good before that (see [`given_up`](Self::given_up)). A child
    /// with [`Shutdown::Kill`](crate::Shutdown::Kill) stops as asked when it is killed.
    pub fn is_clean(&self) -> bool {
        self.was_wanted()
            && [&self.killed, &self.unasked, &self.abandoned].iter().all(|names| names.is_empty())
            && self.failed.is_empty()
            && self.given_up.is_empty()
    }

    /// Whether the root ended because it was asked to, or because its work was done. It neither gave up nor was killed,
    /// nor failed to boot. Some of its children may have ended badly: see [`is_clean`](Self::is_clean).
    pub fn was_wanted(&self) -> bool {
        self.gave_up.is_none()
            && self.refused.is_none()
            && matches!(self.exit, Exit::Normal | Exit::Shutdown | Exit::ShutdownWith(_))
    }

    /// Returns the report, or an error if the end was not [clean](Self::is_clean): for a `main` that exits non-zero
    /// then.
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
    /// The end was not clean. The error carries the report, and says in one line what was wrong.
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
        let given_up: Vec<_> = self.given_up.iter().map(|why| format!("{} ({})", why.child, why.exit)).collect();
        say_names(f, "ended for good before that", &given_up)?;
        say_names(f, "failed while it stopped", &self.failed)?;
        say_names(f, "killed", &self.killed)?;
        say_names(f, "killed before it was asked", &self.unasked)?;
        say_names(f, "abandoned", &self.abandoned)
    }
}

/// Number of names that a line has room for.
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

    /// The report about the end.
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

/// Writes a text of several lines as one. The text of a panic may have many lines, and readers look for the reason on
/// the last one.
pub(crate) fn write_in_one_line(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for (at, line) in text.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        if at > 0 {
            f.write_str(" ")?;
        }
        f.write_str(line)?;
    }
    Ok(())
}
