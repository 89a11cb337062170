//! Acts of operators on a tree, with the person, the reason and the outcome.

use std::fmt;
use std::sync::Arc;

/// Act of an operator, with the person or program that acted, the reason and the outcome.
///
/// It is an event ([`EventKind::Acted`](crate::EventKind::Acted)), a line in the log, and an entry of the
/// [history](crate::History).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Kind of the act.
    pub kind: ActKind,
    /// Person or program that acted, as the source of the act knows it: `uid 0`, `token ops`.
    pub by: Arc<str>,
    /// Reason that came with it.
    pub reason: Arc<str>,
    /// Generation that was meant. `None`: the present one, whichever it was.
    pub generation: Option<u64>,
    /// Outcome.
    pub outcome: ActOutcome,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, by, reason, generation, outcome } = self;
        write!(f, "{kind} by {by}")?;
        if let Some(generation) = generation {
            write!(f, ", meant for generation {generation}")?;
        }
        write!(f, " ({reason}): {outcome}")
    }
}

/// Kind of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActKind {
    /// The present incarnation is killed.
    Kill,
    /// The child ends in order and is started again.
    Restart,
    /// The child ends in order and stays down.
    Terminate,
    /// A child that is down is started.
    Start,
    /// The child is set aside until it is revived.
    Park,
    /// A child that is parked is tried now.
    Revive,
    /// A dead letter is sent again.
    Replay,
    /// The policy files are read again.
    ReloadPolicy,
    /// An experiment with faults begins.
    RunExperiment,
    /// An experiment is stopped.
    StopExperiment,
}

impl ActKind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Kill,
        Self::Restart,
        Self::Terminate,
        Self::Start,
        Self::Park,
        Self::Revive,
        Self::Replay,
        Self::ReloadPolicy,
        Self::RunExperiment,
        Self::StopExperiment,
    ];

    /// Returns one word for the kind, the same in logs and queries.
    pub fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::Terminate => "terminate",
            Self::Start => "start",
            Self::Park => "park",
            Self::Revive => "revive",
            Self::Replay => "replay",
            Self::ReloadPolicy => "reload_policy",
            Self::RunExperiment => "run_experiment",
            Self::StopExperiment => "stop_experiment",
        }
    }
}

impl fmt::Display for ActKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Outcome of an act.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActOutcome {
    /// The act was carried out. Its consequences follow as events.
    Done,
    /// Nothing was done, for this reason.
    Refused(Arc<str>),
}

impl fmt::Display for ActOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Refused(why) => write!(f, "refused: {why}"),
        }
    }
}
