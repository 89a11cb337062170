//! Experiments that operators send to a running program, through its admin source.

use std::sync::Arc;

use crate::admin::experiments::{Experimenter, Prepared, Report};
use crate::admin::shown::Shown;
use crate::admin::{Admin, Capability};
use crate::chaos::{Chaos, Experiment};
use crate::tree::Directory;

impl Admin {
    /// Grants [`Capability::Chaos`] as [`grant`](Self::grant) does, and lets clients with it run experiments on the trees.
    ///
    /// An experiment is sent as the content of its file, runs alone in its tree, and can be stopped at any time, which
    /// takes its faults back.
    #[must_use]
    pub fn allow_experiments(self) -> Self {
        self.experiments().allow(Arc::new(Sent));
        self.grant(Capability::Chaos)
    }
}

struct Sent;

impl Experimenter for Sent {
    fn prepare(&self, shown: &Shown, file: &str, seed: Option<u64>) -> Result<Prepared, String> {
        let mut experiment = Experiment::parse(file).map_err(|error| error.to_string())?;
        if let Some(seed) = seed {
            experiment = experiment.seed(seed);
        }
        let chaos = Chaos::over(shown.name.clone(), Directory { shared: shown.shared.clone() });
        let name = experiment.title.to_string();
        let run = Box::pin(async move {
            match chaos.run(experiment).await {
                Ok(report) => Ok(Report { passed: report.passed(), text: report.to_string() }),
                Err(error) => Err(error.to_string()),
            }
        });
        Ok(Prepared { name, run })
    }
}
