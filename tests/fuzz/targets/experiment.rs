//! Experiment files.

use std::time::Duration;

use regrow::chaos::{Experiment, ExperimentFileError, SimulatedTree, Simulation};

use crate::targets::is_line_of;
use crate::targets::policy::{is_clean, shop};
use crate::targets::report::is_well_formed;

/// A file. If it can be read, it is run on a small tree in virtual time, cut to a second.
pub(super) fn file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Experiment::parse(text) {
        Ok(experiment) => {
            experiment.check().expect("it was checked when it was read");
            if is_small(text) {
                run(experiment);
            }
        }
        Err(error) => {
            let told = error.to_string();
            assert!(!told.is_empty(), "refused without a reason");
            is_clean(&told);
            if let ExperimentFileError::Syntax(_) = error {
                let line = told.split("line ").nth(1).and_then(|rest| rest.split([',', ' ', ':']).next()?.parse().ok());
                line.into_iter().for_each(|line| is_line_of(line, text));
            }
        }
    }
}

/// Whether a run surely takes no long time, and no thread: files may ask for a million faults a second. Faults that panic or
/// block are left to the tests of experiments, because here each panic is a mistake.
fn is_small(text: &str) -> bool {
    let digits_max = text.split(|letter: char| !letter.is_ascii_digit()).map(str::len).max().unwrap_or(0);
    digits_max < 4 && !["panic", "block", "us\"", "ns\""].iter().any(|word| text.contains(word))
}

fn run(experiment: Experiment) {
    let experiment = experiment.duration(Duration::from_secs(1)).stabilise_within(Duration::from_secs(1));
    // A look for each nanosecond of it would take hours.
    let experiment = experiment.look_every(Duration::from_millis(100));
    if experiment.check().is_err() {
        return;
    }
    let simulation = Simulation::new(move |_| {
        let experiment = experiment.clone();
        async move { Ok(SimulatedTree::new(shop().await, experiment)) }
    });
    match simulation.run(7) {
        Ok(report) => {
            is_well_formed(&report.to_html());
            let counts = report.verdicts.iter().find(|verdict| verdict.hypothesis.contains("message counts"));
            assert!(counts.is_none_or(|verdict| verdict.held), "{counts:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
