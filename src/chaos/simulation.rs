//! Runs in virtual time: the tree under a paused clock on one thread, so that each run of one seed is the same.
//!
//! Invariants:
//! 1. Two runs of one seed write the same log, byte for byte; a scene that does not is refused, with the first
//!    difference.
//! 2. Nothing of one run reaches the next: each has its own runtime.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::chaos::error::ExperimentError;
use crate::chaos::experiment::Experiment;
use crate::chaos::report::{ExperimentReport, LogLine};
use crate::chaos::run::Chaos;
use crate::chaos::script::Script;
use crate::tree::Tree;
use crate::tree::directory::ChildKind;

/// A tree that has been started, and the experiment to carry out on it.
#[derive(Debug)]
pub struct SimulatedTree {
    pub(crate) tree: Tree,
    pub(crate) experiment: Experiment,
}

impl SimulatedTree {
    /// Pairs a tree with an experiment.
    pub fn new(tree: Tree, experiment: Experiment) -> Self {
        Self { tree, experiment }
    }
}

/// A scene that can be set up again and again in virtual time, for one seed after the other.
///
/// `set` starts the tree, and whatever works with it, inside a runtime that is made for the run. It has to draw
/// everything random from the seed. The seed is also the experiment's and, by
/// [`Supervisor::seed`](crate::Supervisor::seed), the tree's. Children on threads are refused, because their time is
/// not virtual.
///
/// A run blocks the calling thread, and has its own thread and runtime. It can be called inside and outside of a
/// runtime.
///
/// ```
/// use regrow::chaos::{Experiment, Fault, SimulatedTree, Simulation, When};
/// use regrow::testing::Journal;
/// use regrow::{Intensity, Supervisor};
/// use std::time::Duration;
///
/// let simulation = Simulation::new(|seed| async move {
///     let app = Supervisor::one_for_one("app").seed(seed).budget(Intensity::unlimited());
///     let tree = app.child(Journal::new().probe("a")).start().await?;
///     let kills = Experiment::new("kills").target("app/*").fault(Fault::Kill, "app/*", When::Rate(3.0));
///     Ok(SimulatedTree::new(tree, kills))
/// });
/// let report = simulation.run(7)?;
/// assert!(report.passed());
/// simulation.check_repeatable(7)?;
/// # Ok::<(), regrow::chaos::SimulationError>(())
/// ```
#[derive(Clone)]
pub struct Simulation {
    set: Set,
    patience: Duration,
}

/// The shortest patience, because a thread needs some time to begin.
const PATIENCE_MIN: Duration = Duration::from_millis(100);

type Setting = std::pin::Pin<Box<dyn Future<Output = anyhow::Result<SimulatedTree>>>>;
type Set = Arc<dyn Fn(u64) -> Setting + Send + Sync>;

impl Simulation {
    /// Describes the scene that `set` sets up for a seed.
    pub fn new<F, Fut>(set: F) -> Self
    where
        F: Fn(u64) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = anyhow::Result<SimulatedTree>> + 'static,
    {
        Self { set: Arc::new(move |seed| Box::pin(set(seed))), patience: Duration::from_secs(30) }
    }

    /// Sets the real time in which the clock of a run has to advance. If the clock stands still for longer, the run is
    /// given up as [stuck](SimulationError::Stuck). Default: 30 seconds; less than 100 ms count as 100 ms.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience: patience.max(PATIENCE_MIN), ..self }
    }

    /// Runs the experiment for this seed.
    ///
    /// # Errors
    ///
    /// The scene could not be set up or has threads, the experiment was refused, or the run is stuck.
    pub fn run(&self, seed: u64) -> Result<ExperimentReport, SimulationError> {
        Ok(self.play(seed, None, true)?.0)
    }

    /// Draws the script of this seed: what [`replay`](Self::replay) plays, and what shrinking begins with.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub fn script(&self, seed: u64) -> Result<Script, SimulationError> {
        Ok(self.play(seed, None, false)?.1)
    }

    /// Plays a script in place of the one that the seed draws.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub fn replay(&self, seed: u64, script: Script) -> Result<ExperimentReport, SimulationError> {
        Ok(self.play(seed, Some(script), true)?.0)
    }

    /// Runs the experiment twice, and compares the logs.
    ///
    /// # Errors
    ///
    /// [`NotRepeatable`](SimulationError::NotRepeatable) with the first difference, and as for [`run`](Self::run).
    pub fn check_repeatable(&self, seed: u64) -> Result<ExperimentReport, SimulationError> {
        let (first, second) = (self.run(seed)?, self.run(seed)?);
        // Invariant 1.
        if first.log == second.log {
            return Ok(first);
        }
        let line = first.log.iter().zip(&second.log).take_while(|(first, second)| first == second).count();
        let told = |log: &[LogLine]| log.get(line).map_or("(nothing more)".to_owned(), ToString::to_string);
        Err(SimulationError::NotRepeatable { seed, line: line + 1, first: told(&first.log), second: told(&second.log) })
    }

    /// Returns the report and the script that the seed draws. Without `runs` only the script is wanted.
    fn play(
        &self,
        seed: u64,
        script: Option<Script>,
        runs: bool,
    ) -> Result<(ExperimentReport, Script), SimulationError> {
        let set = self.set.clone();
        let pulse = Arc::new(AtomicU64::new(0));
        let (beats, (told, played)) = (pulse.clone(), mpsc::channel());
        // The run has a thread: code that never lets the clock advance cannot be ended, only left behind.
        let thread = std::thread::Builder::new().name(format!("simulation {seed}")).spawn(move || {
            // The receiver may have given up.
            let _ = told.send(catch_unwind(AssertUnwindSafe(|| play(&*set, seed, script, runs, beats))));
        });
        thread.map_err(|error| SimulationError::NoScene { seed, error: error.into() })?;
        let mut seen = 0;
        loop {
            match played.recv_timeout(self.patience) {
                Ok(Ok(played)) => return played,
                Ok(Err(panic)) => resume_unwind(panic),
                Err(_) if pulse.load(Ordering::Relaxed) == seen => {
                    return Err(SimulationError::Stuck { seed, after: self.patience });
                }
                Err(_) => seen = pulse.load(Ordering::Relaxed),
            }
        }
    }
}

fn play(
    set: &(dyn Fn(u64) -> Setting + Send + Sync),
    seed: u64,
    script: Option<Script>,
    runs: bool,
    pulse: Arc<AtomicU64>,
) -> Result<(ExperimentReport, Script), SimulationError> {
    // Invariant 2.
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true);
    // A runtime parks when nothing is left to do at this instant. Then the clock advances.
    builder.on_thread_park(move || {
        pulse.fetch_add(1, Ordering::Relaxed);
    });
    let runtime = builder.build().map_err(|error| SimulationError::NoScene { seed, error: error.into() })?;
    let played = runtime.block_on(async {
        let SimulatedTree { tree, experiment } =
            set(seed).await.map_err(|error| SimulationError::NoScene { seed, error })?;
        let mut experiment = experiment.seed(seed);
        experiment.check()?;
        let entries = tree.directory().entries();
        if let Some(entry) = entries.iter().find(|entry| entry.kind == ChildKind::Thread) {
            return Err(SimulationError::Thread { path: entry.path.clone() });
        }
        let children: Vec<_> = entries.iter().map(|entry| (entry.path.to_string(), entry.kind)).collect();
        let drawn = Script::draw(&experiment, &children)?;
        if !runs {
            // Only the script is wanted, and the full duration would have to pass.
            experiment.duration = Duration::from_nanos(1);
        }
        let script = if runs { script.unwrap_or_else(|| drawn.clone()) } else { Script::default() };
        let report = Chaos::in_virtual_time(&tree).play(&experiment, script).await?;
        tree.shutdown_within(Duration::from_secs(60)).await;
        Ok((report, drawn))
    });
    // Tasks that have not ended are left behind, and threads that block too.
    runtime.shutdown_background();
    played
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation").finish_non_exhaustive()
    }
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:12.6}  {}", self.at, self.what)
    }
}

/// Error of a run in virtual time: there is no report.
#[derive(Debug)]
#[non_exhaustive]
pub enum SimulationError {
    /// The scene could not be set up.
    NoScene {
        /// The seed of the run.
        seed: u64,
        /// The cause.
        error: anyhow::Error,
    },
    /// A child is a thread, and its time is not virtual.
    Thread {
        /// The path of the child.
        path: Arc<str>,
    },
    /// The clock of the run stood still while real time went on. A task is busy for ever, or waits for something
    /// outside of the runtime. The thread of the run was left behind.
    Stuck {
        /// The seed of the run.
        seed: u64,
        /// Real time for which the clock stood still.
        after: Duration,
    },
    /// The failure to shrink does not happen again when its script is played.
    Holds {
        /// The seed.
        seed: u64,
    },
    /// The experiment was refused.
    Refused(ExperimentError),
    /// Two runs of one seed wrote different logs.
    NotRepeatable {
        /// The seed.
        seed: u64,
        /// The first line of the logs that differs, from 1.
        line: usize,
        /// That line of the first run.
        first: String,
        /// That line of the second run.
        second: String,
    },
}

impl From<ExperimentError> for SimulationError {
    fn from(error: ExperimentError) -> Self {
        Self::Refused(error)
    }
}

impl fmt::Display for SimulationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoScene { seed, error } => write!(f, "the scene for seed {seed} could not be set up: {error:#}"),
            Self::Thread { path } => {
                write!(f, "`{path}` is a thread, and its time is not virtual: run the experiment live")
            }
            Self::Holds { seed } => write!(f, "seed {seed} does not fail again when its script is played"),
            Self::Stuck { seed, after } => write!(
                f,
                "the run of seed {seed} is stuck: its clock stood still for {after:?}, because a task is busy for ever or blocks"
            ),
            Self::Refused(error) => error.fmt(f),
            Self::NotRepeatable { seed, line, first, second } => write!(
                f,
                "two runs of seed {seed} differ in line {line} of their logs, so the seed cannot be replayed:\n  {first}\n  {second}"
            ),
        }
    }
}

impl std::error::Error for SimulationError {}
