//! The end of the restarts of a child: the reaction, and the reasons against one more. A budget is spent, or a rule says
//! so, or a child ended without which the supervisor ends.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::rate::FailuresSeen;

/// The reaction to a restart that would be one more than the budget forgives.
///
/// ```
/// use regrow_supervisors::{GiveUp, Intensity, Policy};
/// use std::time::Duration;
///
/// let within = Duration::from_secs(60);
/// // A session that keeps failing is ended. The other sessions work on.
/// let session = Policy::default().budget(Intensity::new(3, within)).on_give_up(GiveUp::Stop);
/// // Without its license the program must not run at all.
/// let license = Policy::default().budget(Intensity::new(3, within)).on_give_up(GiveUp::EndTree);
/// # assert!(session.check().is_ok() && license.check().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum GiveUp {
    /// The supervisor stops its children and ends: the failure goes on to its parent ([OTP rule 28](crate::rules)).
    #[default]
    Escalate,
    /// The child alone is parked and tried again on this schedule, once each time. A life that is a success, as it is
    /// for the delays, ends that: the budget is then as if nothing had been spent. A child that ends earlier is parked
    /// again, for the next longer time.
    ///
    /// While it is parked the child refuses messages: callers get theirs back at once instead of waiting with it.
    Park(Backoff),
    /// The child alone ends for good: it is down, and its siblings and its supervisor are left alone. A group restart
    /// passes it over. Only an order starts it again, with its full budget, or a new life of the supervisor.
    ///
    /// A dynamic supervisor forgets the child. The end counts as a failure: the tree is not ready without a child that
    /// is required. A significant child ends as one that is not restarted.
    Stop,
    /// The whole tree ends, for a child that the program cannot live without. Each supervisor above the child ends, the
    /// innermost first, and none of them asks its own budget.
    EndTree,
}

impl GiveUp {
    /// Parks the child, and tries it after `first`, then after twice as long each time, up to an hour.
    pub fn park(first: Duration) -> Self {
        Self::Park(Self::probes(first))
    }

    pub(crate) fn probes(first: Duration) -> Backoff {
        Backoff::new(first).max_delay(first.max(Duration::from_secs(3600)))
    }
}

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
