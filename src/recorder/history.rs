//! The history of a tree: what its recorder has noted, as data.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use regrow_supervisors::ExitKind;

use crate::base::name::is_within;
use crate::recorder::Copied;
use crate::recorder::entry::{HistoryEntry, HistoryKind};
use crate::recorder::rewind::{self, PastStatus, Step, TooEarly};
use crate::recorder::state::HistoryState;
use crate::slot::status::{ServiceState, ServiceStatus};

/// History of a tree: the latest events of its children, oldest first.
///
/// The latest 4,096 failures, parks, give-ups and acts of operators are kept, and apart from them the latest 4,096
/// ordinary starts and ends, which cannot push failures out. Both are merged here by their numbers. Entries are written
/// at such events only, and never for a message.
///
/// ```
/// use regrow::testing::{Journal, ProbeMsg};
/// use regrow::{HistoryState, Supervisor};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
/// let tree = Supervisor::one_for_one("app").child(Journal::new().probe("web")).start().await?;
/// tree.kill("app/web")?;
/// # regrow::testing::until(tree.directory().watch("app/web").unwrap(), |status| status.generation == 2).await;
/// tree.shutdown().await;
///
/// let history = tree.history();
/// let lines: Vec<_> = history.of("app/web").map(|entry| entry.to_string()).collect();
/// assert_eq!(lines[..2], ["app/web#1 started", "app/web#1 exited: killed"]);
///
/// let killed = history.of("app/web").nth(1).unwrap();
/// assert_eq!((killed.before, killed.after()), (HistoryState::Up, HistoryState::Restarting));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct History {
    /// Path of the root.
    pub tree: Arc<str>,
    /// The entries, oldest first.
    pub entries: Vec<HistoryEntry>,
    /// Begin of the ring of failures, parks, give-ups and acts.
    pub failures: RingBegins,
    /// Begin of the ring of ordinary starts and ends.
    pub ordinary: RingBegins,
    /// Number of the entries that were ever noted, by kind and cause. What exceeds the entries was pushed out.
    pub counts: Vec<WordCount>,
    /// Time of this copy, on the clock of the tree.
    pub now: Duration,
    /// Time of the system when the clock of the tree was zero. Later changes of the system's clock do not show.
    pub boot: SystemTime,
    /// State of each path that is listed or has an entry, at the time of this copy.
    present: Vec<PastStatus>,
}

/// Begin of a ring of the history. What came before has been pushed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RingBegins {
    /// Number from which on no entry is missing.
    pub seq: u64,
    /// Time from which on no entry is missing: that of the latest entry that was pushed out. Zero if none was.
    pub at: Duration,
    /// Whether entries were pushed out.
    pub is_cut: bool,
    /// Number of entries that were pushed out.
    pub evicted: u64,
}

/// Number of the entries of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WordCount {
    /// Kind, as one word: see [`HistoryKind::word`](crate::HistoryKind::word).
    pub kind: &'static str,
    /// Cause, if an incarnation ended.
    pub cause: Option<ExitKind>,
    /// Number of the entries ever noted.
    pub count: u64,
}

impl History {
    /// Makes the history of a copy. `listed` are the paths of the directory with the states in their slots, read before
    /// the copy was made.
    pub(crate) fn new(
        tree: Arc<str>,
        mut copied: Copied,
        listed: Vec<PastStatus>,
        now: Duration,
        boot: SystemTime,
    ) -> Self {
        let entries = copied.take_entries();
        let present = rewind::present(listed, entries.iter().map(Step::of));
        let Copied { failures, ordinary, counts, .. } = copied;
        Self { tree, entries, failures, ordinary, counts, now, boot, present }
    }

    /// Entries of this path, oldest first.
    pub fn of(&self, path: &str) -> impl DoubleEndedIterator<Item = &HistoryEntry> {
        self.entries.iter().filter(move |entry| *entry.path == *path)
    }

    /// Entries of this path and of all paths below it, oldest first.
    pub fn below(&self, path: &str) -> impl DoubleEndedIterator<Item = &HistoryEntry> {
        self.entries.iter().filter(move |entry| is_within(&entry.path, path))
    }

    /// Time of the system at a time of the tree.
    pub fn system_time(&self, at: Duration) -> SystemTime {
        self.boot.checked_add(at).unwrap_or(self.boot)
    }

    /// Time of the tree at a time of the system. Zero before the tree was made.
    pub fn tree_time(&self, time: SystemTime) -> Duration {
        time.duration_since(self.boot).unwrap_or_default()
    }

    /// Returns the tree as it was at this time of its clock, in the order of the paths: the state and the generation of
    /// each child, as the events up to then had told them. Events at this very time have happened. A later time than
    /// [`now`](Self::now) is now.
    ///
    /// The entries are undone one by one, from the present back. Children that were gone by then are left out. What is
    /// below a supervisor that is down or parked is in that state, too. If the
    /// tree was over, all of them are [gone](HistoryState::Gone).
    ///
    /// # Errors
    ///
    /// Entries since then have been pushed out. The error has the earliest time that can be told.
    pub fn at(&self, time: Duration) -> Result<Vec<PastStatus>, TooEarly> {
        let begins = self.failures.at.max(self.ordinary.at);
        if time < begins {
            return Err(TooEarly { asked: time, begins });
        }
        let over = self.entries.iter().rfind(|entry| matches!(entry.kind, HistoryKind::TreeOver { .. }));
        let is_over = over.is_some_and(|over| over.at <= time);
        let undone = self.entries.iter().rev().take_while(|entry| entry.at > time);
        Ok(rewind::rewind(&self.present, undone.map(Step::of), is_over))
    }
}

/// State of a path that is listed, for [`History::new`].
pub(crate) fn listed(path: Arc<str>, recorded: u8, status: ServiceStatus) -> PastStatus {
    let state = HistoryState::from_byte(recorded);
    // An incarnation that has just come up counts when the event tells it.
    let is_ahead = status.state == ServiceState::Up && state != HistoryState::Up;
    PastStatus { path, state, generation: status.generation.saturating_sub(u64::from(is_ahead)) }
}
