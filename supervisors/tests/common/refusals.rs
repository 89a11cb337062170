//! What each order may be refused for. The errors of the runtime's methods are made of these lists.

use regrow_supervisors::{Order, OrderError};

/// The kinds of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    Start,
    Terminate,
    Restart,
    Renew,
    Delete,
    Revive,
    Park,
    Describe,
    Read,
}

impl Verb {
    pub(crate) fn of(order: &Order) -> Self {
        match order {
            Order::StartChild(_) => Self::Start,
            Order::TerminateChild(_) => Self::Terminate,
            Order::RestartChild(_) => Self::Restart,
            Order::RenewChild { .. } => Self::Renew,
            Order::DeleteChild(_) => Self::Delete,
            Order::Revive(_) => Self::Revive,
            Order::Park { .. } => Self::Park,
            Order::Meant { order, .. } => Self::of(order),
            Order::Reconfigure(..) | Order::Limit { .. } | Order::Adjust(_) => Self::Describe,
            Order::Read => Self::Read,
        }
    }

    /// Whether an order of this kind may be refused for this reason. Each may find its supervisor over.
    pub(crate) fn may_be_refused(self, error: &OrderError) -> bool {
        use OrderError as E;
        match error {
            E::Over => true,
            E::AlreadyStarted(_) | E::MaxChildren => self == Self::Start,
            E::AlreadyPresent => matches!(self, Self::Start | Self::Revive),
            E::Refused(_) => matches!(self, Self::Start | Self::Describe),
            E::Failed(_) => matches!(self, Self::Start | Self::Restart | Self::Renew),
            E::NotFound => {
                matches!(self, Self::Terminate | Self::Restart | Self::Renew | Self::Delete | Self::Revive | Self::Park)
            }
            E::Restarting => matches!(self, Self::Restart | Self::Renew | Self::Delete),
            E::Running => matches!(self, Self::Restart | Self::Delete | Self::Revive),
            E::Stopping => {
                matches!(self, Self::Start | Self::Restart | Self::Renew | Self::Delete | Self::Revive | Self::Park)
            }
            E::Starting | E::Down => matches!(self, Self::Renew | Self::Park),
            E::Parked => matches!(self, Self::Restart | Self::Renew | Self::Park),
            // The worlds say when this is right.
            E::Replaced => !matches!(self, Self::Start | Self::Describe | Self::Read),
            E::WrongKind => matches!(self, Self::Restart | Self::Delete | Self::Describe),
            _ => false,
        }
    }
}
