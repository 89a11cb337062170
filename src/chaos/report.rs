//! What an experiment found, as data.
//!
//! Times are in seconds with microseconds, on the clock of the run, from the beginning of its faults; where something has
//! happened before that, they are negative.

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
    /// The seed from which everything that was drawn was drawn.
    pub seed: u64,
    /// In virtual time.
    pub is_virtual: bool,
    /// How long faults were injected, which is less than was planned if it was stopped.
    pub duration: f64,
    /// How long it took after the last fault until the tree was steady; none if it never was.
    pub stabilised_after: Option<f64>,
    /// Why the run was stopped before its time, if it was.
    pub stopped: Option<String>,
    /// Every hypothesis, and whether it held before, during and after.
    pub verdicts: Vec<CheckResult>,
    /// What was injected, in order. Of more than ten thousand the latest are kept.
    pub faults: Vec<FaultRecord>,
    /// What became of each child, by path. Of children that came and went during the run, the latest ten thousand are kept.
    pub services: Vec<ServiceRecord>,
    /// All of it taken together.
    pub totals: Totals,
    /// The command that shows the same again when `--seed` follows it. None for an experiment that was made in code, for
    /// which no command is known.
    #[serde(default)]
    pub replay: Option<String>,
    /// Everything that happened, in order: the log that two runs of one seed have in common. Of more than twenty thousand
    /// lines the first are kept, and a digest of the rest.
    pub log: Vec<LogLine>,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// When.
    pub at: f64,
    /// What.
    pub what: String,
}

/// A hypothesis about the tree, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CheckResult {
    /// What was claimed.
    pub hypothesis: String,
    /// It held.
    pub held: bool,
    /// When it was first seen not to hold, if it did not.
    pub broken_at: Option<f64>,
    /// What was seen instead.
    pub evidence: Option<String>,
}

/// One fault that was injected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FaultRecord {
    /// Its number in the run, from 0.
    pub number: usize,
    /// What.
    pub fault: String,
    /// Its kind, by name.
    pub kind: String,
    /// Whom it was meant for.
    pub targets: Vec<String>,
    /// When it was injected.
    pub at: f64,
    /// When it first took effect; none where it never did, for no message or no start came by.
    pub struck_at: Option<f64>,
    /// When it was healed, where it lasted, or had not struck yet.
    pub healed_at: Option<f64>,
    /// It found nobody to hit, or too many faults at work already.
    pub missed: Option<String>,
    /// How long it took from the strike until the end of the first incarnation was seen; none where none ended of it.
    pub detected_after: Option<f64>,
    /// How long it took from the last strike until everybody who went down of it was up again; none where nobody went, or
    /// not all came.
    pub recovered_after: Option<f64>,
    /// Others that ended after the strike, and before all that went down of it were up again. Those that another fault has
    /// ended are not among them. At most ten are named.
    pub siblings_touched: Vec<String>,
}

/// What became of one child.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceRecord {
    /// Its full path.
    pub path: String,
    /// Its lives: from when to when each was up, and how it ended. A life without end was still going on.
    pub lives: Vec<LifeRecord>,
    /// How often it came up again after the beginning. The first start of a child that came later is none. Of many lives, recoveries and spells a hundred to two hundred of the latest
    /// are kept.
    pub restarts: u64,
    /// How often it was parked. A probe that failed lengthens the time, and is not counted.
    pub parked: u32,
    /// From when to when it was parked each time. One without end was still going on.
    pub parked_spells: Vec<(f64, Option<f64>)>,
    /// Seconds in which it was not up. For a child that came during the run they count from its first start until its spec
    /// is forgotten; if it never started, from its first attempt.
    pub unavailable: f64,
    /// The share of that time in which it was up.
    pub availability: f64,
    /// How long it took each time from an end until it was up again.
    pub recoveries: Vec<f64>,
    /// What was left of its restart budget at the end, if it has one and came up again during the run. None for a child that
    /// is parked or on probation: its restarts are not charged.
    pub budget: Option<BudgetRecord>,
    /// Its mailbox: accepted, handled, crashed, returned, dead-lettered, and left in it.
    pub messages: MessageCounts,
}

/// What was left of a restart budget.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BudgetRecord {
    /// Restarts that would still have been forgiven.
    pub left: u32,
    /// Out of so many.
    pub restarts_max: u32,
    /// In so many seconds.
    pub within: f64,
    /// The child's own, and not the one that it shares with its siblings.
    pub is_own: bool,
}

impl From<BudgetLeft> for BudgetRecord {
    fn from(BudgetLeft { left, restarts_max, within, is_own }: BudgetLeft) -> Self {
        Self { left, restarts_max, within: seconds(within), is_own }
    }
}

/// One life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LifeRecord {
    /// Its generation.
    pub generation: u64,
    /// When it came up.
    pub from: f64,
    /// When it ended.
    pub to: Option<f64>,
    /// How it ended.
    pub exit: Option<String>,
}

/// What became of messages between the beginning and the end of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MessageCounts {
    /// Accepted, and waiting or in hand at the beginning.
    pub accepted: u64,
    /// Worked on to the end.
    pub handled: u64,
    /// Lost with the incarnation that had them in hand.
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

/// All of it taken together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Totals {
    /// Faults that hit somebody, by kind.
    pub faults: Vec<(String, u32)>,
    /// Faults that hit nobody.
    pub missed: u32,
    /// Faults that waited for a message, or a start, which never came.
    #[serde(default)]
    pub unstruck: u32,
    /// How often children came up again after the beginning. First starts are none.
    pub restarts: u64,
    /// How often supervisors gave up.
    pub escalations: u32,
    /// How often children were parked.
    pub parked: u32,
    /// Incarnations that were abandoned.
    pub abandoned: u32,
    /// From an end until the service was up again: half of the times that are kept are no longer than this.
    pub recovery_p50: Option<f64>,
    /// Of a hundred of them, 99 are no longer than this.
    pub recovery_p99: Option<f64>,
    /// None was ever longer than this.
    pub recovery_max: Option<f64>,
    /// From a fault until the end that it caused was seen, the same three.
    pub detection_p50: Option<f64>,
    /// See [`detection_p50`](Self::detection_p50).
    pub detection_p99: Option<f64>,
    /// See [`detection_p50`](Self::detection_p50).
    pub detection_max: Option<f64>,
    /// The mean share of the time in which services were up.
    pub availability: f64,
    /// The messages of all mailboxes.
    pub messages: MessageCounts,
    /// Calls that ended during the run, through handles of this process, by what became of them: `answered`, `refused`,
    /// `never ran`, `crashed`, `unanswered`, `timed out`.
    pub calls: Vec<(String, u64)>,
}

impl Totals {
    /// Faults that hit somebody.
    pub fn hit(&self) -> u64 {
        self.faults.iter().map(|(_, number)| u64::from(*number)).sum()
    }

    /// Faults that were injected, and hit somebody or nobody.
    pub(crate) fn injected(&self) -> usize {
        self.hit() as usize + self.missed as usize + self.unstruck as usize
    }
}

impl ExperimentReport {
    /// Whether every hypothesis held and the run came to its end.
    pub fn passed(&self) -> bool {
        self.stopped.is_none() && self.verdicts.iter().all(|verdict| verdict.held)
    }
}
