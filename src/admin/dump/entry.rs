//! A line of a dump: an entry of the history.

use std::time::Duration;

use regrow_supervisors::{DependencyGone, Exit};
use serde::{Deserialize, Serialize};

use crate::admin::dump::header::micros;
use crate::event::EventKind;
use crate::event::act::{Act, ActOutcome};
use crate::recorder::entry::{HistoryEntry, HistoryKind};

/// Line of a dump: an [entry](crate::HistoryEntry) of the history. Times are microseconds on the clock of the tree. What
/// an entry does not have is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DumpEntry {
    /// Its number.
    pub seq: u64,
    /// Its time.
    pub at_us: u64,
    /// Full path of the child.
    pub path: String,
    /// Generation that it happened to.
    pub generation: u64,
    /// State of the child before, as one word: see [`HistoryState::word`](crate::HistoryState::word).
    pub before: String,
    /// State of the child after.
    pub after: String,
    /// Kind, as one word: see [`HistoryKind::word`](crate::HistoryKind::word).
    pub event: String,
    /// Whether it is a failure, a park, a give-up or an act: see [`HistoryKind::is_failure`](crate::HistoryKind::is_failure).
    /// Left out if not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_failure: bool,
    /// The entry in words, without the path.
    pub text: String,
    /// Exit that belongs to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<DumpExit>,
    /// Line that the factory gave about the incarnation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<String>,
    /// Time until the restart or the next try; of an outage or of a block, its length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_us: Option<u64>,
    /// Starts that an outage took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Path of another child: the service that it depends on, or the child that was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
    /// Consequence of a dependency that is gone: `park`, `fail`, `go_on`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then: Option<String>,
    /// Reason of an order or of a give-up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Act of an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<DumpAct>,
}

/// Exit in a line of a dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DumpExit {
    /// Its kind: `normal`, `shutdown`, `killed`, `failed`, `panicked`, `hung`.
    pub kind: String,
    /// Its text. It may have control characters in it.
    pub text: String,
}

/// Act in a line of a dump: see [`Act`](crate::Act).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DumpAct {
    /// Kind, as one word: see [`ActKind::word`](crate::ActKind::word).
    pub kind: String,
    /// Person or program that acted.
    pub by: String,
    /// Reason that came with it.
    pub reason: String,
    /// Generation that was meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Reason of a refusal. Left out if the act was carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl DumpEntry {
    /// Time on the clock of the tree.
    pub fn at(&self) -> Duration {
        Duration::from_micros(self.at_us)
    }

    pub(super) fn of(entry: &HistoryEntry) -> Self {
        let line = Self {
            seq: entry.seq,
            at_us: micros(entry.at),
            path: entry.path.to_string(),
            generation: entry.generation,
            before: entry.before.word().to_owned(),
            after: entry.after().word().to_owned(),
            event: entry.kind.word().to_owned(),
            is_failure: entry.kind.is_failure(),
            text: entry.kind.to_string(),
            ..Self::default()
        };
        match &entry.kind {
            HistoryKind::Event(event) => line.with(event),
            HistoryKind::TreeOver { exit } => Self { exit: exit_of(exit), ..line },
            HistoryKind::TreeUp | HistoryKind::Lost => line,
        }
    }

    /// The line with what belongs to the kind of event.
    fn with(self, event: &EventKind) -> Self {
        let time = |time: Duration| Some(micros(time));
        let text = |text: &str| Some(text.to_owned());
        match event {
            EventKind::Started { info, outage } => Self {
                info: info.as_deref().and_then(text),
                time_us: outage.and_then(|outage| time(outage.time)),
                attempts: outage.map(|outage| outage.attempts),
                ..self
            },
            EventKind::StartFailed { exit }
            | EventKind::Exited { exit }
            | EventKind::ShutdownError { exit }
            | EventKind::Overdue { exit }
            | EventKind::Overran { exit }
            | EventKind::TooManyFailures { exit, .. }
            | EventKind::KeptSetAside { exit, .. } => Self { exit: exit_of(exit), ..self },
            EventKind::Delayed { delay } => Self { time_us: time(*delay), ..self },
            EventKind::Parked { probe_in, reason } => {
                Self { time_us: probe_in.and_then(time), reason: reason.as_deref().and_then(text), ..self }
            }
            EventKind::Blocks { time: blocked } => Self { time_us: time(*blocked), ..self },
            EventKind::Renewed { dependency } => Self { other: text(dependency), ..self },
            EventKind::DependencyGone { dependency, then } => {
                let then = match then {
                    DependencyGone::Park => "park",
                    DependencyGone::Fail => "fail",
                    DependencyGone::GoOn => "go_on",
                };
                Self { other: text(dependency), then: text(then), ..self }
            }
            EventKind::RestartOrdered { reason } => Self { reason: text(reason), ..self },
            EventKind::GaveUp { why } | EventKind::GivenUp { why } => Self {
                exit: exit_of(&why.innermost().exit),
                other: text(&why.child),
                reason: Some(why.reason_text()),
                ..self
            },
            EventKind::Acted { act } => Self { act: Some(DumpAct::of(act)), ..self },
            EventKind::Ignored | EventKind::Abandoned | EventKind::Waiting | EventKind::Down | EventKind::Gone => self,
        }
    }
}

impl DumpAct {
    fn of(act: &Act) -> Self {
        let refused = match &act.outcome {
            ActOutcome::Done => None,
            ActOutcome::Refused(why) => Some(why.to_string()),
        };
        Self {
            kind: act.kind.word().to_owned(),
            by: act.by.to_string(),
            reason: act.reason.to_string(),
            generation: act.generation,
            refused,
        }
    }
}

fn exit_of(exit: &Exit) -> Option<DumpExit> {
    Some(DumpExit { kind: exit.kind().to_owned(), text: exit.to_string() })
}
