//! Reasons for which a mailbox refuses a message.

use std::fmt;
use std::time::Instant;

/// Reason for which a mailbox refuses a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// A bounded mailbox has no room. A sender that waits for room gets this when its time limit is over: see
    /// [`ServiceChild::wait_for_room`](crate::ServiceChild::wait_for_room).
    Full,
    /// The service is parked: it has used up its restarts, a service that it depends on is gone or parked, or an order
    /// says so.
    Parked {
        /// Time of the next try. `None`: an order has to revive it, or the service that it waits for.
        until: Option<Instant>,
    },
    /// The service was terminated, ended cleanly or was not wanted. An order can start it again.
    Down,
    /// The service's spec was deleted, or its tree is over.
    Gone,
    /// The service was ordered to stop, or is stopping itself, and no restart follows.
    Stopping,
    /// The service was stopped with its group, in a group restart or at the end of a supervisor, and the group has not
    /// been started again. A call, and a wait for room, from code below the same supervisor are refused, because the
    /// group may be waiting for that code. Other senders are not affected. At the end of the whole tree the service is
    /// [`Gone`](Self::Gone) instead, and refuses every message.
    StoppedWithGroup,
    /// A service called itself, or waited for room in its own mailbox. The call could never be answered.
    ToItself,
    /// The mailbox has no room, and a wait for room would close a circle. Its service waits for room in another mailbox
    /// or for an answer, and that chain of waits leads back to this sender. Handle the message in another way, or
    /// `cast`.
    Circle,
    /// A [`Child::thread`](crate::Child::thread) was asked to stop or was killed while it waited for room.
    Interrupted,
}

impl Refusal {
    /// Whether the state of the peer is the reason.
    pub(crate) fn is_of_peer(self) -> bool {
        match self {
            Self::Full
            | Self::Parked { .. }
            | Self::Down
            | Self::Gone
            | Self::Stopping
            | Self::StoppedWithGroup
            | Self::Circle => true,
            Self::ToItself | Self::Interrupted => false,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("its mailbox is full"),
            Self::Parked { until: None } => f.write_str("it is parked until it is revived"),
            Self::Parked { until: Some(until) } => {
                let left = until.saturating_duration_since(Instant::now());
                write!(f, "it is parked and will be tried again in {left:.1?}")
            }
            Self::Down => f.write_str("it is down"),
            Self::Gone => f.write_str("it is gone for good"),
            Self::Stopping => f.write_str("it is stopping"),
            Self::StoppedWithGroup => f.write_str("it was stopped with its group, which may be waiting for the sender"),
            Self::ToItself => f.write_str("a service cannot wait for itself"),
            Self::Circle => f.write_str(
                "its mailbox is full, and waiting for room would close a circle of services that wait for each other",
            ),
            Self::Interrupted => {
                f.write_str("its mailbox is full, and the thread that waited for room was asked to stop, or killed")
            }
        }
    }
}
