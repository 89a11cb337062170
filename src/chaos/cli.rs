//! The command line of experiments, for any tree.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;

use crate::chaos::explore::Exploration;
use crate::chaos::report::ExperimentReport;
use crate::chaos::{Chaos, Experiment, SimulatedTree, Simulation};
use crate::tree::Tree;

/// Subcommands of `regrow chaos`, and of a program that calls [`main`].
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// Carries out an experiment and prints its report.
    Run {
        /// The experiment, in TOML.
        file: PathBuf,
        /// Run in virtual time instead of real time.
        #[arg(long = "virtual")]
        is_virtual: bool,
        /// The seed to use instead of the one in the file.
        #[arg(long)]
        seed: Option<u64>,
        /// Files that the report is written to.
        #[command(flatten)]
        output: Output,
    },
    /// Carries out an experiment in virtual time, twice, and prints the log, which has to be the same in both runs.
    Replay {
        /// The experiment, in TOML.
        file: PathBuf,
        /// The seed to replay.
        #[arg(long)]
        seed: u64,
        /// Files that the report is written to.
        #[command(flatten)]
        output: Output,
    },
    /// Tries many seeds in virtual time, and shrinks the first failure to a Rust test.
    Explore {
        /// The experiment, in TOML.
        file: PathBuf,
        /// Number of seeds.
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
        seeds: u64,
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
    /// Checks experiments, and prints how many faults each would inject.
    Check {
        /// The experiments, in TOML.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// Files that a report is written to.
#[derive(Debug, Clone, clap::Args)]
pub struct Output {
    /// Writes the report as a page of HTML, which needs no network.
    #[arg(long)]
    html: Option<PathBuf>,
    /// Writes the report as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

type Start = Arc<dyn Fn(u64) -> std::pin::Pin<Box<dyn Future<Output = anyhow::Result<Tree>> + Send>> + Send + Sync>;

/// Reads the arguments of the process and carries out the subcommand that they name, for a tree of your own: `start`
/// starts the tree, and whatever works with it, for a seed.
///
/// Arguments that are wrong end the process, with a message and the exit code 2. See [`Command::run`] for the exit
/// code.
///
/// ```no_run
/// # async fn start(_seed: u64) -> anyhow::Result<regrow::Tree> { unimplemented!() }
/// fn main() -> std::process::ExitCode {
///     regrow::chaos::cli::main(start)
/// }
/// ```
pub fn main<F, Fut>(start: F) -> ExitCode
where
    F: Fn(u64) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = anyhow::Result<Tree>> + Send + 'static,
{
    #[derive(Debug, clap::Parser)]
    struct Arguments {
        #[command(subcommand)]
        command: Command,
    }
    let program = std::env::args().next().unwrap_or_default();
    <Arguments as clap::Parser>::parse().command.run(&program, start)
}

impl Command {
    /// Carries out the subcommand for the tree that `start` starts for a seed. Reports go to the standard output,
    /// errors to the standard error. A report names the command that replays the run; `program` is the beginning of
    /// that command, such as `regrow chaos`.
    ///
    /// The exit code is 0 if every claim held, 1 if one did not, and 2 if nothing could be carried out.
    pub fn run<F, Fut>(self, program: &str, start: F) -> ExitCode
    where
        F: Fn(u64) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = anyhow::Result<Tree>> + Send + 'static,
    {
        run(self, program, Arc::new(move |seed| Box::pin(start(seed))))
    }
}

fn run(command: Command, program: &str, start: Start) -> ExitCode {
    let replay_command = |file: &Path| Some(format!("{program} replay {}", file.display()));
    let done = match command {
        Command::Run { file, is_virtual, seed, output } => run_file(&file, is_virtual, seed, start)
            .and_then(|report| output.write(ExperimentReport { replay: replay_command(&file), ..report })),
        Command::Replay { file, seed, output } => replay(&file, seed, start)
            .and_then(|report| output.write(ExperimentReport { replay: replay_command(&file), ..report })),
        Command::Explore { file, seeds, from } => explore(&file, from, seeds, start),
        Command::Check { files } => {
            if check(&files, &start) {
                Ok(true)
            } else {
                Err(anyhow::anyhow!("some of the experiments cannot be carried out"))
            }
        }
    };
    exit_code(done)
}

/// Returns the exit code of a subcommand, for subcommands of your own beside these: 0 if `done` says that every claim
/// held, 1 if one did not, and 2 for an error, which goes to the standard error.
pub fn exit_code(done: anyhow::Result<bool>) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

fn read(file: &Path) -> anyhow::Result<Experiment> {
    Experiment::read(file).with_context(|| file.display().to_string())
}

fn simulation(experiment: &Experiment, start: Start) -> Simulation {
    let experiment = experiment.clone();
    Simulation::new(move |seed| {
        let (start, experiment) = (start.clone(), experiment.clone());
        async move { Ok(SimulatedTree::new(start(seed).await?, experiment)) }
    })
}

fn run_file(file: &Path, is_virtual: bool, seed: Option<u64>, start: Start) -> anyhow::Result<ExperimentReport> {
    let mut experiment = read(file)?;
    let seed = seed.unwrap_or(experiment.seed);
    if is_virtual {
        return simulation(&experiment, start).run(seed).with_context(|| file.display().to_string());
    }
    experiment = experiment.seed(seed);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let tree = start(seed).await?;
        let report = Chaos::new(&tree).run(experiment).await.with_context(|| file.display().to_string())?;
        tree.shutdown_within(Duration::from_secs(30)).await;
        Ok(report)
    })
}

fn replay(file: &Path, seed: u64, start: Start) -> anyhow::Result<ExperimentReport> {
    let checked = simulation(&read(file)?, start).check_repeatable(seed);
    let report = checked.with_context(|| file.display().to_string())?;
    report.log.iter().for_each(|line| say(&line.to_string()));
    Ok(report)
}

fn explore(file: &Path, from: u64, seeds: u64, start: Start) -> anyhow::Result<bool> {
    let simulation = simulation(&read(file)?, start);
    let Exploration { seeds, failures, errors, .. } = simulation.explore(from, seeds);
    say(&format!("{seeds} seeds from {from} on: {} failed", failures.len()));
    for (seed, error) in errors.iter().take(10) {
        say(&format!("  seed {seed} could not be run: {error}"));
    }
    for failure in failures.iter().take(10) {
        say(&format!("  seed {}: {}: {}", failure.seed, failure.what, failure.evidence));
    }
    let Some(first) = failures.first() else {
        anyhow::ensure!(errors.is_empty(), "{} of {seeds} seeds could not be run", errors.len());
        return Ok(true);
    };
    let shrunk = simulation.shrink(first)?;
    let left = shrunk.failure.script.lines.len();
    say(&format!("seed {}: {} faults shrunk to {left} in {} runs:\n", first.seed, shrunk.before, shrunk.runs));
    say(&shrunk.failure.to_rust_test());
    Ok(false)
}

fn check(files: &[PathBuf], start: &Start) -> bool {
    let mut are_good = true;
    for file in files {
        let name = file.display();
        let checked = read(file).and_then(|experiment| {
            let script = simulation(&experiment, start.clone()).script(experiment.seed);
            Ok((experiment, script.with_context(|| name.to_string())?))
        });
        match checked {
            Ok((experiment, script)) => {
                say(&format!("{name}: {} faults in {:?}: good", script.lines.len(), experiment.duration))
            }
            Err(error) => {
                eprintln!("{error:#}");
                are_good = false;
            }
        }
    }
    are_good
}

/// Prints a line. An error is ignored: the reader of the output may have closed it.
fn say(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}

impl Output {
    /// Prints the report, and writes the files that were asked for. Returns whether the experiment passed.
    #[allow(clippy::needless_pass_by_value, reason = "made for this")]
    fn write(&self, report: ExperimentReport) -> anyhow::Result<bool> {
        say(&report.to_string());
        self.save(&report)?;
        Ok(report.passed())
    }

    /// Writes the files that were asked for.
    ///
    /// # Errors
    ///
    /// A file that could not be written.
    pub fn save(&self, report: &ExperimentReport) -> anyhow::Result<()> {
        if let Some(path) = &self.html {
            std::fs::write(path, report.to_html()).with_context(|| path.display().to_string())?;
        }
        if let Some(path) = &self.json {
            std::fs::write(path, report.to_json()).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }
}
