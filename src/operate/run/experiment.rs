//! `regrow experiment`: faults injected into a running program.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use hyper::Method;

use crate::admin::wire::experiment::{ExperimentRequest, ExperimentState};
use crate::admin::wire::query::StopQuery;
use crate::operate::ask::parameters::address;
use crate::operate::ask::source::Source;
use crate::operate::code::Code;
use crate::operate::options::Target;
use crate::operate::run::act::reason;
use crate::operate::run::one::now_ms;
use crate::operate::run::output::Output;
use crate::operate::text::{experiments, safe};
use crate::operate::trouble::Trouble;

/// Subcommands of `regrow experiment`.
#[derive(Debug, Subcommand)]
pub(crate) enum Experiment {
    /// Runs an experiment in the program. The file is sent as its content. The program has to grant the capability.
    Run(Run),
    /// Lists the experiments that run or have run, with their reports.
    List(List),
    /// Stops an experiment and takes its faults back.
    Stop(Stop),
}

/// Options of `regrow experiment run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The experiment, in TOML.
    file: PathBuf,
    /// Name of the tree's root. It may be left out if the program has one tree.
    #[arg(long)]
    tree: Option<String>,
    /// The reason, for the log, the events and the record.
    #[arg(long, short, value_parser = reason)]
    reason: String,
    /// The seed to use instead of the one in the file.
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    target: Target,
}

/// Options of `regrow experiment list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    target: Target,
}

/// Options of `regrow experiment stop`.
#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// Number of the experiment.
    number: u64,
    /// The reason, for the log, the events and the record.
    #[arg(long, short, value_parser = reason)]
    reason: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Experiment {
    /// Returns the options of the program that is meant.
    pub(crate) fn target(&self) -> &Target {
        match self {
            Self::Run(run) => &run.target,
            Self::List(list) => &list.target,
            Self::Stop(stop) => &stop.target,
        }
    }

    pub(crate) fn run(&self, output: &Output) -> Result<Code, Trouble> {
        let one =
            |experiment: &ExperimentState, screen: &_| experiments(std::slice::from_ref(experiment), now_ms(), screen);
        match self {
            Self::Run(run) => output.answer(&run.run()?, one)?,
            Self::Stop(stop) => {
                let source = Source::find(&stop.target)?;
                let query = StopQuery { reason: stop.reason.clone() };
                let address = address(&format!("/v1/experiments/{}", stop.number), &query);
                output.answer(&source.change(Method::DELETE, &address, None::<&()>)?, one)?;
            }
            Self::List(list) => {
                let answer = Source::find(&list.target)?.look::<Vec<ExperimentState>>("/v1/experiments", &())?;
                output.answer(&answer, |all, screen| experiments(all, now_ms(), screen))?;
            }
        }
        Ok(Code::Done)
    }
}

impl Run {
    fn run(&self) -> Result<crate::operate::ask::answer::Answer<ExperimentState>, Trouble> {
        let file = fs::read_to_string(&self.file).map_err(|error| {
            Trouble::usage(format!("{} cannot be read: {error}", safe(&self.file.display().to_string())))
        })?;
        let source = Source::find(&self.target)?;
        let tree = source.tree(self.tree.as_deref())?;
        let request = ExperimentRequest { tree, file, reason: self.reason.clone(), seed: self.seed };
        source.change(Method::POST, "/v1/experiments", Some(&request))
    }
}
