//! Why a mailbox takes no message.

use std::fmt;
use std::time::Instant;

/// Why a mailbox refuses a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// A bounded mailbox has no room. A sender that waits for room gets this when its time is up: see
    /// [`ServiceChild::wait_for_room`](crate::ServiceChild::wait_for_room).
    Full,
    /// The service has used up its restarts and is parked; it is tried again at this time.
    Parked {
        /// When.
        until: Instant,
    },
    /// The service was terminated, ended cleanly or was not wanted. An order can bring it back.
    Down,
    /// The service's spec was deleted, or its tree is over.
    Gone,
    /// An order has told the service to stop, or it ends because it wants to, and nothing starts it again by itself.
    Stopping,
    /// The service was stopped together with others, in a group restart or at the end of a supervisor, and its group has not
    /// been started again. Refused are a call, and a wait for room, from code below the same supervisor: the group may be
    /// waiting for that code. Other senders are not concerned. At the end of the whole tree the service is
    /// [`Gone`](Self::Gone) instead, and refuses every message.
    StoppedWithGroup,
    /// A service called itself, or waited for room in its own mailbox. It could never be answered.
    ToItself,
    /// The mailbox has no room, and to wait for room would close a circle: its service waits itself, for room in another
    /// mailbox or for an answer, and along such waits for this sender. Handle the message in another way, or `cast`.
    Circle,
    /// The wait for room was that of a [`Child::thread`](crate::Child::thread), which was told to stop or killed.
    Interrupted,
}

impl Refusal {
    /// Whether it is the peer's state that is to blame.
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
            Self::Parked { until } => {
                let left = until.saturating_duration_since(Instant::now());
                write!(f, "it is parked and will be tried again in {left:.1?}")
            }
            Self::Down => f.write_str("it is down"),
            Self::Gone => f.write_str("it is gone for good"),
            Self::Stopping => f.write_str("it is stopping"),
            Self::StoppedWithGroup => f.write_str("it was stopped with its group, which may be waiting for the sender"),
            Self::ToItself => f.write_str("a service cannot wait for itself"),
            Self::Circle => {
                f.write_str("its mailbox is full, and to wait for room would close a circle of services that wait")
            }
            Self::Interrupted => f.write_str("its mailbox is full, and the thread that waited for room is to stop"),
        }
    }
}
