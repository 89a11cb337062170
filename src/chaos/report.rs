//! The report of an experiment, as data.
//!
//! Times are in seconds with microseconds, on the clock of the run, from the beginning of its faults. Times before that
//! are negative.

use regrow_supervisors::BudgetLeft;
use serde::{Deserialize, Serialize};

use crate::chaos::recorder::seconds;

/// The outcome of one run of one experiment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExperimentReport {
    /// The experiment's title.
    pub title: String,
    /// The version of regrow.
    pub version: String,
    /// The seed from which everything was drawn.
    pub seed: u64,
    /// Whether the run was in virtual time.
    pub is_virtual: bool,
    /// Seconds during which faults were injected, less than planned if the run was stopped.
    pub duration: f64,
    /// Seconds from the last fault until the tree was steady; `None` if it never was.
    pub stabilised_after: Option<f64>,
    /// The reason why the run was stopped early, if it was.
    pub stopped: Option<String>,
    /// Every claim, and whether it held before, during and after.
    pub verdicts: Vec<CheckResult>,
    /// The faults that were injected, in order. Of more than ten thousand the latest are kept.
    pub faults: Vec<FaultRecord>,
    /// The children by path. Of children that came and went during the run, the latest ten thousand are kept.
    pub services: Vec<ServiceRecord>,
    /// Sums over all faults, children and calls.
    pub totals: Totals,
    /// The command that shows the same again when `--seed` follows it. `None` for an experiment that was made in code.
    #[serde(default)]
    pub replay: Option<String>,
    /// Everything that happened, in order: the log that is the same in each run of one seed. Of more than twenty
    /// thousand lines the first are kept, and a digest of the rest.
    pub log: Vec<LogLine>,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// Seconds since the beginning.
    pub at: f64,
    /// The event.
    pub what: String,
}

/// A claim about the tree, and whether it held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CheckResult {
    /// The claim.
    pub hypothesis: String,
    /// Whether it held.
    pub held: bool,
    /// The first time at which it did not hold, if known.
    pub broken_at: Option<f64>,
    /// The observation that broke it.
    pub evidence: Option<String>,
}

/// A fault that was injected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FaultRecord {
    /// Its number in the run, from 0.
    pub number: usize,
    /// The fault with its numbers, such as `slow 50ms`.
    pub fault: String,
    /// Its kind, by name.
    pub kind: String,
    /// Paths of the children that it was meant for.
    pub targets: Vec<String>,
    /// Time at which it was injected.
    pub at: f64,
    /// Time at which it first took effect; `None` if it never did, because no message or no start came.
    pub struck_at: Option<f64>,
    /// Time at which it was cleared, if it lasted or had not struck yet.
    pub healed_at: Option<f64>,
    /// The reason why it hit no child, if it did not: none that could be hit, or too many faults at work.
    pub missed: Option<String>,
    /// Seconds from the strike until the first end of an incarnation was seen; `None` if none ended because of it.
    pub detected_after: Option<f64>,
    /// Seconds from the last strike until each child that went down because of it was up again; `None` if none went
    /// down, or not all came up again.
    pub recovered_after: Option<f64>,
    /// Other children that ended after the strike, and before all that went down because of it were up again. Those
    /// that another fault has ended are not among them. At most ten are named.
    pub siblings_touched: Vec<String>,
}

/// A child during the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceRecord {
    /// Its full path.
    pub path: String,
    /// Its lives: from when to when each was up, and how it ended. A life without an end was still going on.
    pub lives: Vec<LifeRecord>,
    /// Number of times that it came up again after the beginning. The first start of a child that came later does not
    /// count. Of many lives, recoveries and spells, the latest hundred to two hundred are kept.
    pub restarts: u64,
    /// Number of times that it was parked. A failed probe lengthens the time, and does not count.
    pub parked: u32,
    /// From when to when it was parked each time. A spell without an end was still going on.
    pub parked_spells: Vec<(f64, Option<f64>)>,
    /// Seconds during which it was not up. For a child that came during the run they count from its first start, or
    /// from its first attempt if it never started, until its spec is forgotten.
    pub unavailable: f64,
    /// The share of that time during which it was up, from 0 to 1.
    pub availability: f64,
    /// Seconds from each of its ends until it was up again.
    pub recoveries: Vec<f64>,
    /// Rest of its restart budget at the end, if it has one and came up again during the run. `None` for a child that
    /// is child that is parked or on probation, because its restarts are not charged.
    pub budget: Option<BudgetRecord>,
    /// Its mailbox: accepted, handled, crashed, returned, dead-lettered, and left in it.
    pub messages: MessageCounts,
}

/// The rest of a restart budget.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BudgetRecord {
    /// Restarts that would still have been forgiven.
    pub left: u32,
    /// Restarts that the budget forgives.
    pub restarts_max: u32,
    /// Window of the budget, in seconds.
    pub within: f64,
    /// Whether the budget is the child's own, and not shared with its siblings.
    pub is_own: bool,
}

impl From<BudgetLeft> for BudgetRecord {
    fn from(BudgetLeft { left, restarts_max, within, is_own }: BudgetLeft) -> Self {
        Self { left, restarts_max, within: seconds(within), is_own }
    }
}

/// A life of a child.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LifeRecord {
    /// Its generation.
    pub generation: u64,
    /// Time at which it came up.
    pub from: f64,
    /// Time at which it ended.
    pub to: Option<f64>,
    /// Its exit.
    pub exit: Option<String>,
}

/// Outcomes of messages between the beginning and the end of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MessageCounts {
    /// Accepted during the run, or waiting or in hand at its beginning.
    pub accepted: u64,
    /// Handled to the end.
    pub handled: u64,
    /// Lost with the incarnation that was handling them.
    pub crashed: u64,
    /// Given back to callers.
    pub returned: u64,
    /// Shed, as dead letters.
    pub dead_lettered: u64,
    /// Handed over again after a crash.
    pub repeated: u64,
    /// Waiting or in hand at the end.
    pub left: u64,
}

/// Sums over all faults, children and calls.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Totals {
    /// Numbers of faults that hit a child, by kind.
    pub faults: Vec<(String, u32)>,
    /// Faults that hit no child.
    pub missed: u32,
    /// Faults that waited for a message or a start that never came.
    #[serde(default)]
    pub unstruck: u32,
    /// Number of times that children came up again after the beginning. First starts do not count.
    pub restarts: u64,
    /// Number of times that supervisors gave up.
    pub escalations: u32,
    /// Number of times that children were parked.
    pub parked: u32,
    /// Incarnations that were abandoned.
    pub abandoned: u32,
    /// Seconds from an end until the service was up again: half of the times that are kept are no longer than this.
    pub recovery_p50: Option<f64>,
    /// The same, of which 99 % are no longer than this.
    pub recovery_p99: Option<f64>,
    /// The longest of them.
    pub recovery_max: Option<f64>,
    /// Seconds from a fault until the end that it caused was seen: half of them are no longer than this.
    pub detection_p50: Option<f64>,
    /// See [`detection_p50`](Self::detection_p50).
    pub detection_p99: Option<f64>,
    /// See [`detection_p50`](Self::detection_p50).
    pub detection_max: Option<f64>,
    /// The mean share of the time during which services were up, from 0 to 1.
    pub availability: f64,
    /// The messages of all mailboxes.
    pub messages: MessageCounts,
    /// Calls that ended during the run, through handles of this process, by outcome: `answered`, `refused`,
    /// `never ran`, `crashed`, `unanswered`, `timed out`.
    pub calls: Vec<(String, u64)>,
}

impl Totals {
    /// Returns the number of faults that hit a child.
    pub fn hit(&self) -> u64 {
        self.faults.iter().map(|(_, number)| u64::from(*number)).sum()
    }

    /// Returns the number of faults that were injected, whether they hit a child or not.
    pub(crate) fn injected(&self) -> usize {
        self.hit() as usize + self.missed as usize + self.unstruck as usize
    }
}

impl ExperimentReport {
    /// Whether every claim held and the run came to its end.
    pub fn passed(&self) -> bool {
        self.stopped.is_none() && self.verdicts.iter().all(|verdict| verdict.held)
    }
}
