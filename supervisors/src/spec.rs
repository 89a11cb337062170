//! The words of supervision: what a supervisor is told about each child before anything runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Which children are restarted when one of them dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Strategy {
    /// Only the one that died. Pick it when the children do not depend on each other (OTP rule 29).
    #[default]
    OneForOne,
    /// All of them, stopped youngest first and started eldest first. Pick it when none can work without the others
    /// (OTP rules 33 to 37).
    OneForAll,
    /// The one that died and those started after it. Pick it when later children depend on earlier ones (OTP rules 38
    /// to 42).
    RestForOne,
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneForOne => "one_for_one",
            Self::OneForAll => "one_for_all",
            Self::RestForOne => "rest_for_one",
        })
    }
}

/// Which unexpected exits call for a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Restart {
    /// Every one, a normal end included (OTP rule 14).
    #[default]
    Permanent,
    /// Abnormal ones only: killed, failed, panicked (OTP rule 15).
    Transient,
    /// None. The spec is forgotten when the child ends (OTP rules 16, 17).
    Temporary,
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permanent => "permanent",
            Self::Transient => "transient",
            Self::Temporary => "temporary",
        })
    }
}

/// How a child is stopped (OTP rules 47 to 49).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shutdown {
    /// Killed at once, without being asked.
    Kill,
    /// Asked; killed when it is still there after this time. Zero still lets the child see the request.
    After(Duration),
    /// Asked, and waited for without limit. OTP's choice for supervisors, whose children have limits of their own.
    Wait,
}

/// What happens to a child that a kill does not end, because its code never yields.
///
/// Erlang needs no such word: there a kill always works. Here a thread that is busy cannot be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Abandon {
    /// This long after the kill the supervisor stops waiting, reports the child by name and goes on.
    After(Duration),
    /// The supervisor waits for ever.
    Never,
}

/// What a supervisor knows of one child.
///
/// ```
/// use regrow_supervisors::{ChildSpec, Restart, Shutdown};
/// use std::time::Duration;
///
/// let spec = ChildSpec::new("cache").restart(Restart::Transient).shutdown(Shutdown::After(Duration::from_secs(1)));
/// assert_eq!(spec.id(), "cache");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildSpec {
    pub(crate) id: Arc<str>,
    pub(crate) restart: Restart,
    pub(crate) shutdown: Shutdown,
    pub(crate) abandon: Abandon,
}

impl ChildSpec {
    /// A permanent worker: five seconds to stop (OTP rule 2), and five more after a kill before it is abandoned.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self {
            id: id.into(),
            restart: Restart::Permanent,
            shutdown: Shutdown::After(Duration::from_secs(5)),
            abandon: Abandon::After(Duration::from_secs(5)),
        }
    }

    /// A permanent supervisor: waited for without limit, whether asked or killed, since its own children have limits.
    pub fn supervisor(id: impl Into<Arc<str>>) -> Self {
        Self::new(id).shutdown(Shutdown::Wait).abandon(Abandon::Never)
    }

    /// Sets which exits call for a restart.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// Sets how the child is stopped.
    #[must_use]
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }

    /// Sets how long a killed child may linger.
    #[must_use]
    pub fn abandon(mut self, abandon: Abandon) -> Self {
        self.abandon = abandon;
        self
    }

    /// The child's name, unique among its siblings.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Which exits call for a restart.
    pub fn restart_type(&self) -> Restart {
        self.restart
    }

    /// How the child is stopped.
    pub fn shutdown_rule(&self) -> Shutdown {
        self.shutdown
    }

    /// What happens when a kill does not end it.
    pub fn abandon_rule(&self) -> Abandon {
        self.abandon
    }
}

/// Why a set of child specs was refused. Nothing has been started when this is returned (OTP rule 5).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpecError {
    /// Two children carry this name.
    DuplicateId(Arc<str>),
    /// A restart budget whose window has no length.
    ZeroPeriod,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateId(id) => write!(f, "two children are named `{id}`"),
            Self::ZeroPeriod => f.write_str("the restart budget's period is zero"),
        }
    }
}

impl std::error::Error for SpecError {}
