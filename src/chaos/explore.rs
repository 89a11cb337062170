//! Many seeds, and the smallest script that still fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::panics;
use crate::base::sync::lock;
use crate::base::time::part;
use crate::chaos::report::{CheckResult, ExperimentReport};
use crate::chaos::script::{Script, ScriptStep, ScriptTime};
use crate::chaos::simulation::{Simulation, SimulationError};

/// Results of many seeds.
#[derive(Debug)]
pub struct Exploration {
    /// Number of seeds that were run.
    pub seeds: u64,
    /// Runs in which a claim did not hold, or that were stopped, by seed.
    pub failures: Vec<FailingSeed>,
    /// Seeds for which there is no report, and why.
    pub errors: Vec<(u64, SimulationError)>,
}

/// A seed for which the experiment did not pass.
#[derive(Debug, Clone)]
pub struct FailingSeed {
    /// The seed.
    pub seed: u64,
    /// The failure: a broken claim, or the reason why the run was stopped.
    pub what: String,
    /// The observation that broke the claim.
    pub evidence: String,
    /// The script that was played.
    pub script: Script,
}

/// A failure with the smallest script found that still shows it.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// The failure, with the script that is left.
    pub failure: FailingSeed,
    /// Number of faults before.
    pub before: usize,
    /// Number of runs that it took.
    pub runs: u32,
}

impl Simulation {
    /// Runs `count` seeds from `first` on, on as many threads as there are cores. Blocks the calling thread.
    pub fn explore(&self, first: u64, count: u64) -> Exploration {
        self.explore_until(first, count, usize::MAX)
    }

    /// Runs seeds as [`explore`](Self::explore) does, but starts no more after `failures_max` failures.
    pub fn explore_until(&self, first: u64, count: u64, failures_max: usize) -> Exploration {
        let next = AtomicU64::new(0);
        let found = Mutex::new(Exploration { seeds: 0, failures: Vec::new(), errors: Vec::new() });
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count || lock(&found).failures.len() >= failures_max {
                            return;
                        }
                        let seed = first.wrapping_add(number);
                        // A scene that panics is reported like any other that cannot be set up.
                        let tried = catch_unwind(AssertUnwindSafe(|| self.try_seed(seed))).unwrap_or_else(|panic| {
                            let error = anyhow::anyhow!("it panicked: {}", panics::text_of(&*panic));
                            Err(SimulationError::NoScene { seed, error })
                        });
                        let mut found = lock(&found);
                        found.seeds += 1;
                        match tried {
                            Ok(failure) => found.failures.extend(failure),
                            Err(error) => found.errors.push((seed, error)),
                        }
                    }
                });
            }
        });
        let mut found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        found.failures.sort_by_key(|failure| failure.seed);
        found.errors.sort_by_key(|(seed, _)| *seed);
        found
    }

    /// Runs this seed, and returns its failure if it fails.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub fn try_seed(&self, seed: u64) -> Result<Option<FailingSeed>, SimulationError> {
        let report = self.run(seed)?;
        if report.passed() {
            return Ok(None);
        }
        let script = self.script(seed)?;
        Ok(report.failure().map(|(what, evidence)| FailingSeed { seed, what, evidence, script }))
    }

    /// Removes faults, and simplifies the rest, as long as the same claim fails.
    ///
    /// # Errors
    ///
    /// [`Holds`](SimulationError::Holds) if the script does not fail again, and as for [`run`](Self::run).
    pub fn shrink(&self, failure: &FailingSeed) -> Result<Shrunk, SimulationError> {
        let mut search = Search { simulation: self, failure: failure.clone(), runs: 0 };
        let before = failure.script.lines.len();
        if !search.still_fails(failure.script.lines.clone())? {
            return Err(SimulationError::Holds { seed: failure.seed });
        }
        search.take_away()?;
        search.simplify()?;
        // The simpler faults may have made others needless.
        search.take_away()?;
        search.take_away_and_move()?;
        Ok(Shrunk { failure: search.failure, before, runs: search.runs })
    }
}

impl ExperimentReport {
    /// Returns the first claim that failed, and what was seen.
    pub(crate) fn failure(&self) -> Option<(String, String)> {
        let broken = self.verdicts.iter().filter(|verdict| !verdict.held);
        // A claim that only the end could break comes last.
        let at = |verdict: &&CheckResult| verdict.broken_at.unwrap_or(f64::INFINITY);
        let broken = broken.min_by(|one, other| at(one).total_cmp(&at(other)));
        let broken = broken.map(|verdict| (verdict.hypothesis.clone(), verdict.evidence.clone().unwrap_or_default()));
        broken.or_else(|| self.stopped.clone().map(|why| (why.clone(), why)))
    }
}

struct Search<'a> {
    simulation: &'a Simulation,
    failure: FailingSeed,
    runs: u32,
}

impl Search<'_> {
    /// Whether the same claim fails with these lines. If so, they are kept.
    fn still_fails(&mut self, lines: Vec<ScriptStep>) -> Result<bool, SimulationError> {
        self.runs += 1;
        let script = Script { lines };
        let report = self.simulation.replay(self.failure.seed, script.clone())?;
        let same = report.failure().filter(|(what, _)| *what == self.failure.what);
        if let Some((_, evidence)) = same {
            (self.failure.script, self.failure.evidence) = (script, evidence);
            return Ok(true);
        }
        Ok(false)
    }

    /// Zeller's delta debugging: leaves out smaller and smaller pieces, until no single line can go.
    fn take_away(&mut self) -> Result<(), SimulationError> {
        let mut piece = self.failure.script.lines.len();
        while piece > 0 {
            let mut from = 0;
            while from < self.failure.script.lines.len() {
                let lines = &self.failure.script.lines;
                let to = (from + piece).min(lines.len());
                let rest = lines[..from].iter().chain(&lines[to..]).cloned().collect();
                if !self.still_fails(rest)? {
                    from = to;
                }
            }
            piece /= 2;
        }
        Ok(())
    }

    /// Removes single faults, and moves the others a little. A fault may be needed only because it delays what others
    /// meet.
    fn take_away_and_move(&mut self) -> Result<(), SimulationError> {
        let mut at = 0;
        while at < self.failure.script.lines.len() && self.failure.script.lines.len() > 1 {
            let mut rest = self.failure.script.lines.clone();
            rest.remove(at);
            let mut is_needed = true;
            for ms in (-MOVES_MAX..=MOVES_MAX).filter(|ms| *ms != 0) {
                if self.still_fails(rest.iter().map(|line| line.moved(ms)).collect())? {
                    is_needed = false;
                    break;
                }
            }
            at += usize::from(is_needed);
        }
        Ok(())
    }

    /// Tries round times, one victim, and shorter faults.
    fn simplify(&mut self) -> Result<(), SimulationError> {
        for at in 0..self.failure.script.lines.len() {
            for change in [ScriptStep::rounded, ScriptStep::halved, ScriptStep::halved, ScriptStep::alone] {
                let mut lines = self.failure.script.lines.clone();
                if change(&mut lines[at]) {
                    self.still_fails(lines)?;
                }
            }
        }
        Ok(())
    }
}

/// Milliseconds by which faults are moved when one is taken away.
const MOVES_MAX: i64 = 12;

impl ScriptStep {
    fn moved(&self, ms: i64) -> Self {
        let mut line = self.clone();
        if let ScriptTime::Time(at) = &mut line.at {
            let by = Duration::from_millis(ms.unsigned_abs());
            *at = if ms < 0 { at.saturating_sub(by) } else { at.saturating_add(by) };
        }
        line
    }

    fn rounded(&mut self) -> bool {
        let ScriptTime::Time(at) = &mut self.at else { return false };
        let rounded =
            Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(u64::MAX).div_ceil(100).saturating_mul(100));
        std::mem::replace(at, rounded) != rounded
    }

    fn halved(&mut self) -> bool {
        let Some(lasts) = &mut self.lasts else { return false };
        *lasts = part(*lasts, 2);
        !lasts.is_zero()
    }

    fn alone(&mut self) -> bool {
        let has_more = self.victims.len() > 1 && matches!(self.at, ScriptTime::Time(_));
        self.victims.truncate(if has_more { 1 } else { usize::MAX });
        has_more
    }
}
