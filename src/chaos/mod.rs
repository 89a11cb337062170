//! Chaos: experiments on running trees.

mod book;
#[cfg(feature = "cli")]
pub mod cli;
pub mod demo;
mod experiment;
mod explore;
mod fault;
mod figures;
mod file;
mod html;
mod json;
mod looks;
mod report;
mod run;
mod rust;
mod script;
pub(crate) mod seam;
mod simulation;
mod soak;
mod summary;
mod text;

pub use experiment::{Experiment, ExperimentError};
pub use explore::{Exploration, Failure, Shrunk};
pub use fault::{Fault, Scope, Times, Trigger, When};
pub use file::ExperimentFileError;
pub use report::{FaultRecord, Life, LogLine, Messages, Report, ServiceRecord, Totals, Verdict};
pub use run::Chaos;
pub use script::{At, Line, Script};
pub use simulation::{Scene, Simulation, SimulationError};
pub use soak::{Soak, soak};
