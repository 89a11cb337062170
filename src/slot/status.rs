//! The state of a service.

use std::fmt;
use std::time::Instant;

use crate::error::refusal::Refusal;
use crate::slot::dead_letter::DeadReason;

/// State of a service. It decides what happens to a message:
///
/// | state | `cast`, `send` | `call` |
/// |---|---|---|
/// | `Waiting`, `Starting`, `Up`, `Restarting` | queued | queued |
/// | one of them, and ordered to stop, or about to end with no restart to follow | refused, message back | refused, message back |
/// | `Restarting`, stopped with its group, which has not been started again | queued; a wait for room from below the same supervisor is refused | refused from below the same supervisor, message back; queued from elsewhere |
/// | `Parked` | refused, message back | refused, message back |
/// | `Down` | refused, message back | refused, message back |
/// | `Gone` | refused, message back | refused, message back |
/// | on entering `Parked`, `Down` or `Gone` | dead-lettered | ends as *never ran*, message back |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceState {
    /// The tree has not started the service yet: its turn has not come, or it waits for services that it depends on.
    Waiting,
    /// An incarnation is being started.
    Starting,
    /// An incarnation is up.
    Up,
    /// The last incarnation has ended, and the supervisors have not given the service up.
    Restarting,
    /// The service is set aside. Its restart budget is used up, a service that it depends on is gone or parked, or an
    /// order says so.
    Parked {
        /// Time of the next try. `None`: the service is parked by order, or the one that it waits for is. An order has to
        /// revive that one.
        until: Option<Instant>,
    },
    /// The service was terminated, ended cleanly or was not wanted. It may be started again.
    Down,
    /// The service's spec was deleted, or its tree is over.
    Gone,
}

impl ServiceState {
    /// Returns the reason for which queued messages become dead letters in this state.
    pub(crate) fn dead_reason(self) -> Option<DeadReason> {
        match self {
            Self::Waiting | Self::Starting | Self::Up | Self::Restarting => None,
            Self::Parked { .. } => Some(DeadReason::Parked),
            Self::Down => Some(DeadReason::Down),
            Self::Gone => Some(DeadReason::Gone),
        }
    }

    pub(crate) fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Waiting | Self::Starting | Self::Up | Self::Restarting => None,
            Self::Parked { until } => Some(Refusal::Parked { until }),
            Self::Down => Some(Refusal::Down),
            Self::Gone => Some(Refusal::Gone),
        }
    }
}

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Restarting => "restarting",
            Self::Parked { .. } => "parked",
            Self::Down => "down",
            Self::Gone => "gone",
        })
    }
}

/// The state of a service and the generation of its latest incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceStatus {
    /// State of the service.
    pub state: ServiceState,
    /// Number of incarnations that came up: 1 for the first, and 0 before it. It goes on when a new description makes
    /// another kind of child of the service, and begins again when the service has left the tree and is added again.
    pub generation: u64,
    /// Whether it is up and ready. A service is ready as soon as it is up, unless its policy is
    /// [`Readiness::WhenSaid`](crate::Readiness::WhenSaid).
    pub ready: bool,
}

impl fmt::Display for ServiceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (generation {})", self.state, self.generation)
    }
}

/// Reason for which the readiness of a tree depends on a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    /// The policy of the child says so.
    BySaying,
    /// The policy says nothing: the child counts if its supervisor does.
    WithItsSupervisor,
}
