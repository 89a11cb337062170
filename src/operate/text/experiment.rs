//! `regrow experiment`: experiments that run or have run.

use crate::admin::wire::experiment::ExperimentState;
use crate::operate::text::screen::{Colour, Screen};
use crate::operate::text::{ago, safe, safe_lines};

/// Returns experiments, a line each, and the report of each that is over.
pub fn experiments(experiments: &[ExperimentState], now_ms: u64, screen: &Screen) -> String {
    let mut out = String::new();
    for experiment in experiments {
        let (state, colour) = match (experiment.is_over, experiment.passed) {
            (false, _) => ("runs", Colour::Yellow),
            (true, Some(true)) => ("passed", Colour::Green),
            (true, Some(false)) => ("failed", Colour::Red),
            (true, None) => ("over", Colour::Dim),
        };
        out.push_str(&format!(
            "{}  {}  on {}, begun {}: {}\n",
            experiment.number,
            screen.paint(Colour::Bold, &safe(&experiment.name)),
            safe(&experiment.tree),
            ago(experiment.started_at_ms, now_ms),
            screen.paint(colour, state),
        ));
        let report = experiment.report.as_deref().unwrap_or_default();
        safe_lines(report).for_each(|line| out.push_str(&format!("   {line}\n")));
    }
    if experiments.is_empty() {
        out.push_str("no experiments\n");
    }
    out
}
