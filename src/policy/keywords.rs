//! Values for which a file has one of a few words.

use std::fmt;

use regrow_supervisors::{BudgetClock, DependencyGone, ExitKind, Health, Jitter, Readiness, Restart, RuleAction};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::json;

use crate::policy::field::Leaf;
use crate::policy::reader::{Reader, Value, nearest, short};
use crate::slot::settings::{OnRestart, Overflow};

/// A type with a word for each of its values.
pub(crate) trait Words: Copy + PartialEq + fmt::Debug + 'static {
    /// Each word, its value, and a description, which is also the one in `.schema/policy.json`.
    const WORDS: &'static [(&'static str, Self, &'static str)];

    /// Advice for a word that was valid in an earlier version.
    fn instead_of(_: &str) -> Option<&'static str> {
        None
    }
}

/// The word for a value.
pub(crate) fn word<W: Words>(value: W) -> &'static str {
    W::WORDS.iter().find(|(_, known, _)| *known == value).map_or("?", |(word, ..)| word)
}

/// All words for a message: `a`, `b` or `c`.
fn choice<W: Words>() -> String {
    let words: Vec<_> = W::WORDS.iter().map(|(word, ..)| format!("\"{word}\"")).collect();
    match words.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        Some(_) | None => words.join(""),
    }
}

/// A value that a file gives by its word.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct OneOf<W>(pub(crate) W);

impl<W: Words> fmt::Display for OneOf<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(self.0))
    }
}

impl<W: Words> Leaf for OneOf<W> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let text = reader.text(value, &choice::<W>())?;
        if let Some((_, value, _)) = W::WORDS.iter().find(|(word, ..)| *word == text) {
            return Some(Self(*value));
        }
        if let Some(instead) = W::instead_of(text) {
            let fault = format!("\"{}\" is no longer a word here", short(text));
            return reader.refuse_with(value, fault, &choice::<W>(), Some(instead.into()));
        }
        let near =
            nearest(text, W::WORDS.iter().map(|(word, ..)| *word)).map(|near| format!("did you mean \"{near}\"?"));
        reader.refuse_with(value, format!("unknown word \"{}\"", short(text)), &choice::<W>(), near)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<_> =
            W::WORDS.iter().map(|(word, _, about)| json!({ "const": word, "description": about })).collect();
        json_schema!({ "oneOf": words })
    }
}

impl Words for Restart {
    const WORDS: &'static [(&'static str, Self, &'static str)] = &[
        ("permanent", Self::Permanent, "restarted after every end"),
        ("transient", Self::Transient, "restarted after abnormal ends"),
        ("temporary", Self::Temporary, "never restarted"),
    ];
}

impl Words for Jitter {
    const WORDS: &'static [(&'static str, Self, &'static str)] = &[
        ("none", Self::None, "the delay of the curve, exactly"),
        ("full", Self::Full, "anywhere between nothing and the delay of the curve"),
        ("decorrelated", Self::Decorrelated, "anywhere between the first delay and three times the delay before"),
    ];
}

impl Words for BudgetClock {
    const WORDS: &'static [(&'static str, Self, &'static str)] = &[
        ("all", Self::All, "all the time that passes"),
        ("without_stops", Self::WithoutStops, "the time in which no child was being stopped"),
    ];
}

impl Words for Readiness {
    const WORDS: &'static [(&'static str, Self, &'static str)] = &[
        ("when_up", Self::WhenUp, "ready as soon as it is up"),
        ("when_said", Self::WhenSaid, "ready when it says so"),
    ];
}

impl Words for DependencyGone {
    const WORDS: &'static [(&'static str, Self, &'static str)] = &[
        ("park", Self::Park, "it is parked until the service is back"),
        ("fail", Self::Fail, "its start fails, and is counted"),
        ("go_on", Self::GoOn, "it starts without the service"),
    ];
}

impl Words for Health {
    const WORDS: &'static [(&'static str, Self, &'static str)] = &[
        ("required", Self::Required, "the tree is not ready while this one is not"),
        ("optional", Self::Optional, "it does not count"),
    ];
}

impl Words for Overflow {
    const WORDS: &'static [(&'static str, Self, &'static str)] = &[
        ("refuse", Self::Refuse, "refuses one more message and gives it back"),
        ("drop_oldest", Self::DropOldest, "sheds the message that has waited longest"),
        ("drop_newest", Self::DropNewest, "takes the new message and sheds it at once"),
    ];

    fn instead_of(word: &str) -> Option<&'static str> {
        (word == "wait").then_some(
            "calls and sends always wait for room now: leave this out, and say how long they wait with `room_wait = \"5s\"` \
             or `\"unlimited\"`",
        )
    }
}

impl Words for OnRestart {
    const WORDS: &'static [(&'static str, Self, &'static str)] = &[
        ("keep", Self::Keep, "queued messages reach the next life"),
        ("drop", Self::Drop, "queued messages are shed"),
    ];
}

impl Words for ExitKind {
    const WORDS: &'static [(&'static str, Self, &'static str)] = &[
        ("panicked", Self::Panicked, "it panicked"),
        ("failed", Self::Failed, "it returned an error"),
        ("killed", Self::Killed, "it was killed"),
        ("hung", Self::Hung, "it hung, and was killed for it"),
        ("start_failed", Self::StartFailed, "it did not come up"),
        ("not_ready", Self::NotReady, "it came up and did not become ready"),
        ("normal", Self::Normal, "it finished by itself"),
        ("shutdown", Self::Shutdown, "it was shut down by somebody other than its supervisor"),
    ];
}

impl Words for RuleAction {
    const WORDS: &'static [(&'static str, Self, &'static str)] = &[
        ("restart", Self::Restart, "restarts it, as the strategy says"),
        ("restart_group", Self::RestartGroup, "restarts it and all its siblings"),
        ("park", Self::Park, "puts it away, to be tried again later"),
        ("stop", Self::Stop, "lets it rest"),
        ("escalate", Self::Escalate, "lets the supervisor give up"),
    ];
}
