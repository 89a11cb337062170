//! Runs of experiments on a running tree, in real or in virtual time: the two differ only in the clock.
//!
//! Invariant: no fault is active after the run, however it ends, also if its future is dropped half way.

use std::marker::PhantomData;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::chaos::error::ExperimentError;
use crate::chaos::experiment::Experiment;
use crate::chaos::fault::Fault;
use crate::chaos::injector::Injector;
use crate::chaos::report::ExperimentReport;
use crate::chaos::schedule::Schedule;
use crate::chaos::script::Script;
use crate::log::{line, one_line};
use crate::tree::{Directory, Tree};

/// Experiments on a running tree.
///
/// ```
/// use regrow::chaos::{Chaos, Experiment, Fault, When};
/// use regrow::testing::Journal;
/// use regrow::{Intensity, Supervisor};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> anyhow::Result<()> {
/// let journal = Journal::new();
/// let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(journal.probe("a")).start().await?;
/// let every_second = When::Every(Duration::from_secs(1));
/// let experiment = Experiment::new("kills").target("app/*").fault(Fault::Kill, "app/*", every_second);
/// let report = Chaos::new(&tree).run(experiment).await?;
/// assert!(report.passed());
/// assert_eq!(report.totals.restarts, 10);
/// # tree.shutdown().await; Ok(()) }
/// ```
#[derive(Debug)]
pub struct Chaos<'a> {
    /// Path of the root.
    tree: Arc<str>,
    directory: Directory,
    is_virtual: bool,
    of: PhantomData<&'a Tree>,
}

impl Chaos<'static> {
    /// Prepares experiments on the tree with this directory, in real time. The tree may end meanwhile.
    #[cfg_attr(
        not(feature = "admin"),
        allow(dead_code, reason = "only the admin source has no tree, and it is a feature")
    )]
    pub(crate) fn over(tree: Arc<str>, directory: Directory) -> Self {
        Self { tree, directory, is_virtual: false, of: PhantomData }
    }
}

impl<'a> Chaos<'a> {
    /// Prepares experiments on this tree, in real time.
    pub fn new(tree: &'a Tree) -> Self {
        Self { tree: tree.path.clone(), directory: tree.directory(), is_virtual: false, of: PhantomData }
    }

    /// Prepares experiments on a tree that runs on one thread with a paused clock.
    pub(crate) fn in_virtual_time(tree: &'a Tree) -> Self {
        Self { is_virtual: true, ..Self::new(tree) }
    }

    /// Carries the experiment out.
    ///
    /// Dropping the future clears all faults and ends the experiment.
    ///
    /// # Errors
    ///
    /// An experiment that makes no sense, or can hit no child of this tree; a tree that has ended, or is under another
    /// experiment. No fault was active then. Whether the claims held is in the [report](ExperimentReport::passed).
    pub async fn run(&self, experiment: Experiment) -> Result<ExperimentReport, ExperimentError> {
        experiment.check()?;
        let children: Vec<_> =
            self.directory.entries().iter().map(|entry| (entry.path.to_string(), entry.kind)).collect();
        let script = Script::draw(&experiment, &children)?;
        self.play(&experiment, script).await
    }

    /// Carries a script out, with the targets and claims of an experiment. The experiment's faults are not used.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub async fn play(&self, experiment: &Experiment, script: Script) -> Result<ExperimentReport, ExperimentError> {
        if !self.is_virtual && script.lines.iter().any(|line| matches!(line.fault, Fault::ClockJump(_))) {
            return Err(ExperimentError::LiveClock);
        }
        experiment.check_frame()?;
        script.lines.iter().try_for_each(|line| line.check(&experiment.targets, |path| self.directory.kind(path)))?;
        let shared = self.directory.shared();
        if shared.is_ending() {
            return Err(ExperimentError::Over { path: self.tree.clone() });
        }
        let (tell, told) = mpsc::unbounded_channel();
        let (say, said) = mpsc::unbounded_channel();
        let injector = Injector::new(shared.clone(), tell, say)?;
        let _announced = (!self.is_virtual).then(|| Announced::new(&self.tree, experiment, &script));
        let tree = (self.tree.clone(), self.directory.clone());
        Ok(Schedule::new(tree, experiment, script, injector, self.is_virtual).run(told, said).await)
    }
}

/// Log lines around a run on a live tree: failures in between are due to the experiment.
struct Announced {
    path: String,
    experiment: String,
}

impl Announced {
    fn new(path: &str, experiment: &Experiment, script: &Script) -> Self {
        let (path, experiment) = (path.to_owned(), experiment.title.to_string());
        let faults = script.lines.len();
        line!(WARN, { path = %path, experiment = %one_line(&experiment), faults }, "an experiment begins: it injects faults");
        Self { path, experiment }
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        let Self { path, experiment } = self;
        line!(WARN, { path = %path, experiment = %one_line(experiment) }, "the experiment is over");
    }
}
