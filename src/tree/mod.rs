//! A running tree: looks up, watches, kills and shuts down its children.

pub(crate) mod at_end;
pub(crate) mod clock;
pub(crate) mod counts;
pub(crate) mod dead_letters;
pub(crate) mod dependencies;
pub(crate) mod directory;
pub(crate) mod effect;
pub(crate) mod ending;
pub(crate) mod figures;
pub(crate) mod history;
pub(crate) mod in_force;
pub(crate) mod inject;
mod lists;
pub(crate) mod living;
pub(crate) mod lookup;
pub(crate) mod open_calls;
pub(crate) mod options;
pub(crate) mod overrides;
pub(crate) mod paths;
pub(crate) mod readiness;
pub(crate) mod renewals;
pub(crate) mod report;
pub(crate) mod required;
pub(crate) mod root;
pub(crate) mod shared;
pub(crate) mod shutdown;
mod siblings;
#[allow(dead_code, reason = "only the judge of an experiment reads them")]
pub(crate) mod statements;
pub(crate) mod stop_order;
pub(crate) mod tables;
pub(crate) mod templates;
pub(crate) mod totals;
pub(crate) mod unwell;
pub(crate) mod why;

use std::fmt;
use std::sync::Arc;

use regrow_supervisors::Exit;
use tokio::sync::watch;

use crate::error::not_running::NotRunning;
use crate::event::Events;
use crate::handle::Handle;
use crate::log::line;
use crate::slot::erased::KillOutcome;
use crate::slot::fact::Fact;
use crate::slot::inbox::Inbox;
use crate::slot::restarts::Restarts;
use crate::slot::status::ServiceStatus;
use crate::tree::dead_letters::DeadLetters;
use crate::tree::directory::{ChildKind, DirectoryEntry};
use crate::tree::lookup::LookupError;
use crate::tree::root::Root;
use crate::tree::shared::Shared;
use crate::tree::why::Why;

/// A running root supervisor and its directory. Many trees can live in one process, and they share nothing.
///
/// A tree does not end when its handles are gone, for its services hold handles of each other. So its end is explicit:
/// [`shutdown`](Self::shutdown). Dropping the tree kills it, and the log says so. Dropping the future of its start
/// stops in order what is up.
pub struct Tree {
    pub(crate) path: Arc<str>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) root: watch::Receiver<Root>,
    pub(crate) is_started: bool,
}

impl Tree {
    /// Whether the tree is over.
    #[cfg(feature = "signal")]
    pub(crate) fn has_ended(&self) -> bool {
        matches!(*self.root.borrow(), Root::Ended { .. })
    }

    /// Counts the children that run, without supervisors.
    pub(crate) fn running(&self) -> usize {
        let listed = self.shared.directory.under(&self.path);
        let runs = listed.iter().filter(|(_, child)| !child.kind.is_supervisor() && child.slot.control().is_some());
        runs.count()
    }

    /// The root's name, with which every path begins.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Finds a service by its full path, such as `"bank/ledger"`.
    ///
    /// # Errors
    ///
    /// There is no such service, or it takes other messages. The error names the kind of child that is there instead,
    /// and a path that may have been meant.
    pub fn lookup<M: Send + 'static>(&self, path: &str) -> Result<Handle<M>, LookupError> {
        self.shared.directory.find_full(path)
    }

    /// The directory, which can be kept and shared apart from the tree.
    pub fn directory(&self) -> Directory {
        Directory { shared: self.shared.clone() }
    }

    /// The events of the tree from now on.
    pub fn events(&self) -> Events {
        Events::new(self.shared.subscribe(), &self.shared.counts)
    }

    /// The messages that were accepted and will not be handled, from the first call of this method on. A message
    /// becomes a dead letter if a mailbox's policy drops it, if its service is parked, goes down or is gone, or if it
    /// is poison.
    ///
    /// ```
    /// # use regrow::{Child, Context, DeadReason, Intensity, Service, Supervisor};
    /// struct Parser;
    /// impl Service for Parser {
    ///     type Msg = String;
    ///     async fn handle(&mut self, line: String, _: &mut Context<Self>) -> anyhow::Result<()> {
    ///         line.parse::<i64>()?;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let parser = Child::service("parser", |_| async { Ok(Parser) }).redeliver(1);
    /// let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(parser).start().await?;
    /// let letters = tree.dead_letters();
    /// tree.lookup::<String>("app/parser")?.cast("four".into())?;
    ///
    /// let letter = letters.next().await.expect("it is poison");
    /// assert!(matches!(letter.reason, DeadReason::Poison { .. }));
    /// assert_eq!(letter.attempt, 2);
    /// assert_eq!(letter.into_message::<String>().unwrap(), "four"); // or: letter.replay()?
    /// # tree.shutdown().await; Ok(()) }
    /// ```
    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters::new(self.shared.keep_dead_letters())
    }

    /// Kills the child of any kind with this path. A service is killed as by [`Handle::kill`]. A supervisor is killed
    /// with its subtree, which is gone before the supervisor is restarted.
    ///
    /// # Errors
    ///
    /// Nothing has this path, or the child is not running.
    pub fn kill(&self, path: &str) -> Result<(), KillError> {
        self.directory().kill(path)
    }

    /// Tells why the child with this path is in its present state: in words when it is displayed, and as data.
    ///
    /// # Errors
    ///
    /// Nothing has this path.
    pub async fn why(&self, path: &str) -> Result<Why, LookupError> {
        self.shared.why(path).await
    }

    pub(crate) async fn wait_for(&self, test: impl FnMut(&Root) -> bool) -> Root {
        let mut root = self.root.clone();
        match root.wait_for(test).await {
            Ok(root) => root.clone(),
            // The runtime took the root away before the root could report its end.
            Err(_) => Root::Ended { exit: Exit::Killed, was_up: false },
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if !matches!(*self.root.borrow(), Root::Ended { .. }) {
            if self.is_started {
                line!(WARN, { path = %self.path }, "the tree was dropped while it ran and is killed: use `Tree::shutdown`");
                self.inbox.push(Fact::Kill);
            } else {
                line!(WARN, { path = %self.path }, "the start of the tree was dropped: what is up is stopped in order");
                self.order_stop();
            }
        }
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("path", &self.path).field("root", &*self.root.borrow()).finish_non_exhaustive()
    }
}

/// The paths of a tree and the children there. It is a view: it does not keep the tree alive, and survives it.
#[derive(Clone)]
pub struct Directory {
    pub(crate) shared: Arc<Shared>,
}

impl Directory {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Finds a service by its full path.
    ///
    /// # Errors
    ///
    /// There is no such service, or it takes other messages. The error names the kind of child that is there instead,
    /// and a path that may have been meant.
    pub fn lookup<M: Send + 'static>(&self, path: &str) -> Result<Handle<M>, LookupError> {
        self.shared.directory.find_full(path)
    }

    /// Returns the lines of all children, in the order of the paths. Each line is consistent in itself; the lines are
    /// read one after the other.
    pub fn entries(&self) -> Vec<DirectoryEntry> {
        self.shared.directory.entries()
    }

    /// Returns the lines of the children that pass the filter, in the order of the paths. The status and the counters
    /// of other children are not read. The filter runs in the calling thread, under no lock.
    ///
    /// ```
    /// # use regrow::{ChildKind, ServiceState, Supervisor, testing::Journal};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// # let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await?;
    /// let services = tree.directory().entries_where(|_path, kind| kind == ChildKind::Service);
    /// assert_eq!(&*services[0].path, "app/a");
    /// # tree.shutdown().await; Ok(()) }
    /// ```
    pub fn entries_where(&self, filter: impl FnMut(&str, ChildKind) -> bool) -> Vec<DirectoryEntry> {
        self.shared.directory.entries_where(filter)
    }

    /// Returns the lines of this path and of everything below it, in the order of the paths. Nothing else is read. The
    /// list is empty if nothing has this path.
    pub fn entries_below(&self, path: &str) -> Vec<DirectoryEntry> {
        self.shared.directory.entries_below(path)
    }

    /// Returns the line of one path.
    pub fn entry(&self, path: &str) -> Option<DirectoryEntry> {
        self.shared.directory.entry(path)
    }

    /// The status of the child with this path, of any kind.
    pub fn status(&self, path: &str) -> Option<ServiceStatus> {
        Some(self.shared.directory.get(path)?.slot.status())
    }

    /// The kind of the child with this path.
    pub fn kind(&self, path: &str) -> Option<ChildKind> {
        Some(self.shared.directory.get(path)?.kind)
    }

    /// Returns the restarts of the child with this path, of any kind: see [`Restarts`].
    pub fn restarts(&self, path: &str) -> Option<Restarts> {
        Some(self.shared.directory.get(path)?.slot.restarts())
    }

    /// Whether the tree was asked to end or is ending: see [`Tree::is_draining`]. A service gets the directory from
    /// [`Context::directory`](crate::Context::directory).
    pub fn is_draining(&self) -> bool {
        self.shared.ending.is_draining()
    }

    /// Follows the status of the child with this path, of any kind: see [`Handle::watch`](crate::Handle::watch).
    pub fn watch(&self, path: &str) -> Option<watch::Receiver<ServiceStatus>> {
        Some(self.shared.directory.get(path)?.slot.watch())
    }

    /// Kills the child of any kind with this path: see [`Tree::kill`].
    ///
    /// # Errors
    ///
    /// Nothing has this path, or the child is not running.
    pub fn kill(&self, path: &str) -> Result<(), KillError> {
        let Some(listed) = self.shared.directory.get(path) else {
            return Err(KillError::NotFound { path: path.into() });
        };
        if listed.slot.kill() { Ok(()) } else { Err(NotRunning { path: path.into() }.into()) }
    }

    /// Kills the child of any kind with this path, if this is its present generation. A generation that came up since is
    /// not hit, however short the time. See [`Tree::kill`].
    ///
    /// ```
    /// use regrow::testing::{Journal, ProbeMsg};
    /// use regrow::{KillError, Supervisor};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let tree = Supervisor::one_for_one("app").child(Journal::new().probe("web")).start().await?;
    /// let outdated = tree.directory().kill_generation("app/web", 7).unwrap_err();
    /// assert_eq!(outdated, KillError::Replaced { path: "app/web".into(), meant: 7, latest: 1 });
    /// tree.directory().kill_generation("app/web", 1)?;
    /// # tree.shutdown().await; Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Nothing has this path, the child is not running, or another generation is its latest.
    pub fn kill_generation(&self, path: &str, generation: u64) -> Result<(), KillError> {
        let Some(listed) = self.shared.directory.get(path) else {
            return Err(KillError::NotFound { path: path.into() });
        };
        match listed.slot.kill_generation(generation) {
            KillOutcome::Killed => Ok(()),
            KillOutcome::NotRunning => Err(NotRunning { path: path.into() }.into()),
            KillOutcome::Replaced { latest } => {
                Err(KillError::Replaced { path: path.into(), meant: generation, latest })
            }
        }
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries().iter().map(|entry| &entry.path)).finish()
    }
}

/// The reason why nothing was killed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KillError {
    /// Nothing has this path.
    NotFound {
        /// The path that was asked for.
        path: Arc<str>,
    },
    /// The child is between two lives, not started yet, or over.
    NotRunning(NotRunning),
    /// The generation that was meant is not the latest.
    Replaced {
        /// The child.
        path: Arc<str>,
        /// The generation that was meant.
        meant: u64,
        /// The latest generation that came up.
        latest: u64,
    },
}

impl From<NotRunning> for KillError {
    fn from(error: NotRunning) -> Self {
        Self::NotRunning(error)
    }
}

impl fmt::Display for KillError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { path } => write!(f, "nothing is named `{path}` in this tree"),
            Self::NotRunning(error) => error.fmt(f),
            Self::Replaced { path, meant, latest } => {
                write!(f, "`{path}` is already replaced: generation {meant} was meant, {latest} is the latest")
            }
        }
    }
}

impl std::error::Error for KillError {}
