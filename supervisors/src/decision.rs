//! The decision about a child that has ended.

use std::time::Duration;

use crate::child::Held;
use crate::give_up::GiveUpReason;

/// A decision about a child that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Rest,
    /// Restart the child after this delay. If the start is not paid, the budget is charged when its turn comes.
    Restart(Held, Duration),
    Park,
    /// End the child alone, for good.
    Stop(GiveUpReason),
    GiveUp(GiveUpReason),
    /// Give up, and let each supervisor above do the same.
    EndTree(GiveUpReason),
}

impl Decision {
    /// Whether the child is not started again, and its supervisor goes on.
    pub(crate) fn is_rest(self) -> bool {
        match self {
            Self::Rest | Self::Stop(_) => true,
            Self::Restart(..) | Self::Park | Self::GiveUp(_) | Self::EndTree(_) => false,
        }
    }

    /// Whether its supervisor goes on without the child: it rests, or is parked.
    pub(crate) fn goes_without_it(self) -> bool {
        self.is_rest() || self == Self::Park
    }
}
