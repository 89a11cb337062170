//! The reasons against one more restart: a budget that is spent, a rule, a child without which the supervisor ends.

use std::time::Duration;

use crate::rate::FailuresSeen;

/// The rest of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetLeft {
    /// Restarts that are still forgiven.
    pub left: u32,
    /// All restarts that are forgiven in the period.
    pub restarts_max: u32,
    /// The period.
    pub within: Duration,
    /// Whether the budget is the child's own, and not the one it shares with its siblings.
    pub is_own: bool,
}

/// The reason why a supervisor ended itself over a child, or ended a child for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GiveUpReason {
    /// The budget that the restart would have been charged to is used up.
    Budget(BudgetLeft),
    /// A rule of the child's policy escalates: its place in the list, from 0.
    Rule(usize),
    /// Too many of its messages failed: [`Policy::failure_rate`](field@crate::Policy::failure_rate).
    Failures(FailuresSeen),
    /// The child was significant and is not restarted ([OTP rules 74 to 76](crate::rules)).
    Significant,
    /// The child is a supervisor that ended because a child below it ends the whole tree:
    /// [`GiveUp::EndTree`](crate::GiveUp::EndTree).
    EndOfTree,
}
