//! The passes: a process for each measurement, the systems interleaved so that noise hits all alike, and medians.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::host::Host;
use crate::job::{Job, Outcome};
use crate::scale::Scale;
use crate::system::SystemName;
use crate::workload::{Mode, Workload};

/// What is measured how often.
#[derive(Debug)]
pub struct Plan {
    pub systems: Vec<SystemName>,
    pub modes: Vec<Mode>,
    pub passes: usize,
    pub scale: Scale,
    /// How long one job may take before it is taken for hung.
    pub limit: Duration,
}

/// The figures of all passes, put together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    pub workload: String,
    pub system: SystemName,
    pub mode: Mode,
    pub median: f64,
    pub min: f64,
    pub max: f64,
    pub unit: String,
    /// How many children the tree had.
    pub children: usize,
}

/// All that came of a workload.
#[derive(Debug, Default)]
pub struct Results {
    pub summaries: Vec<Summary>,
    /// What was lost, and by whom.
    pub failures: Vec<String>,
    pub notes: Vec<String>,
}

impl Plan {
    /// Measures one workload on all systems that can do it.
    pub fn measure(&self, workload: Workload, host: &Host) -> Results {
        let mut results = Results::default();
        for mode in &self.modes {
            let able = self.systems.iter().filter(|system| system.can(workload) && host.has(**system));
            let mut jobs: Vec<Job> = able.flat_map(|system| self.scale.jobs(workload, *system, *mode)).collect();
            // Small trees first, and all systems at one size beside each other.
            jobs.sort_by_key(|job| if workload == Workload::Growth { job.children } else { 0 });
            self.measure_jobs(jobs, host, &mut results);
        }
        results.notes.sort();
        results.notes.dedup();
        results
    }

    fn measure_jobs(&self, mut jobs: Vec<Job>, host: &Host, results: &mut Results) {
        let mut figures = BTreeMap::<(SystemName, usize, Mode, String, String), Vec<f64>>::new();
        for _ in 0..self.passes {
            jobs.retain(|job| match perform(job, host, self.limit) {
                Ok(outcome) => {
                    for figure in outcome.figures {
                        let key = (job.system, job.children, job.mode, figure.name, figure.unit);
                        figures.entry(key).or_default().push(figure.value);
                    }
                    results.notes.extend(outcome.notes.iter().map(|note| format!("{}: {note}", job.system)));
                    true
                }
                Err(error) => {
                    let Job { workload, system, mode, children, .. } = job;
                    results.failures.push(format!("{workload}, {system}, {mode}, {children} children: {error:#}"));
                    false
                }
            });
        }
        for ((system, children, mode, workload, unit), mut values) in figures {
            values.sort_by(f64::total_cmp);
            let (min, max) = (values[0], values[values.len() - 1]);
            results.summaries.push(Summary {
                workload,
                system,
                mode,
                median: median(&values),
                min,
                max,
                unit,
                children,
            });
        }
    }
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// Does a job in a process of its own.
fn perform(job: &Job, host: &Host, limit: Duration) -> Result<Outcome> {
    let mut command = host.command(job)?.context("its program is left out")?;
    let output = run(&mut command, limit)?;
    let outcome: Outcome = serde_json::from_str(output.trim()).with_context(|| format!("it printed `{output}`"))?;
    if let Some(bad) = outcome.figures.iter().find(|figure| !figure.value.is_finite() || figure.value <= 0.0) {
        bail!("{} cannot be {} {}", bad.name, bad.value, bad.unit);
    }
    Ok(outcome)
}

/// Runs to the end and returns what was printed.
fn run(command: &mut Command, limit: Duration) -> Result<String> {
    // With a backtrace asked for, every panic and every error would take one, and that is what would be measured.
    command.env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let status = wait(&mut child, limit)?;
    let (mut output, mut complaint) = (String::new(), String::new());
    // All that is printed fits into a pipe's buffer, so it could end without having been read.
    if let (Some(stdout), Some(stderr)) = (&mut child.stdout, &mut child.stderr) {
        stdout.read_to_string(&mut output)?;
        stderr.read_to_string(&mut complaint)?;
    }
    if !status.success() {
        bail!("{status}: {}", complaint.trim());
    }
    Ok(output)
}

fn wait(child: &mut Child, limit: Duration) -> Result<std::process::ExitStatus> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if begun.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            bail!("hung: not done after {limit:?}");
        }
        sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn a_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert_eq!(median(&[1.0, 2.0, 9.0]), 2.0);
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), 3.0);
    }
}
