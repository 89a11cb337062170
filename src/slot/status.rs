//! Where a service stands.

use std::fmt;
use std::time::Instant;

use crate::error::refusal::Refusal;
use crate::slot::dead_letter::DeadReason;

/// The state of a service. What a message meets depends on it:
///
/// | state | `cast`, `send` | `call` |
/// |---|---|---|
/// | `Waiting`, `Starting`, `Up`, `Restarting` | queued | queued |
/// | one of them, and told to stop by an order, or about to end in a way in which nothing starts it again | refused, message back | refused, message back |
/// | `Restarting`, stopped with its group, which has not been started again | queued; a wait for room from below the same supervisor is refused | from below the same supervisor refused, message back; from elsewhere queued |
/// | `Parked` | refused, message back | refused, message back |
/// | `Down` | refused, message back | refused, message back |
/// | `Gone` | refused, message back | refused, message back |
/// | on entering `Parked`, `Down` or `Gone` | dead-lettered | ends as *never ran*, message back |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceState {
    /// Its tree has not started it yet: its turn has not come, or it waits for services that it depends on.
    Waiting,
    /// An incarnation is being started.
    Starting,
    /// An incarnation is up.
    Up,
    /// The last incarnation has ended and the supervisors have not given the service up.
    Restarting,
    /// Put away, to be tried again at this time: it is out of restarts, or a service that it depends on is gone or parked.
    Parked {
        /// When.
        until: Instant,
    },
    /// Terminated, ended cleanly or not wanted. It may return.
    Down,
    /// Its spec was deleted, or its tree is over.
    Gone,
}

impl ServiceState {
    /// What kills a message that waits in this state.
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
    /// Where it stands.
    pub state: ServiceState,
    /// Counts the incarnations that came up, from 1; 0 before the first.
    pub generation: u64,
    /// Whether it is up and ready. A service is ready as soon as it is up, unless its policy says that it
    /// [says so itself](crate::Readiness::WhenSaid).
    pub ready: bool,
}

impl fmt::Display for ServiceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (generation {})", self.state, self.generation)
    }
}

/// Why a child counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    /// Its policy says so.
    BySaying,
    /// Nothing is said of it: it does if its supervisor does.
    WithItsSupervisor,
}
