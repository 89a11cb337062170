//! What is measured.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A workload, by the name that `--only` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// One producer, one consumer, all messages counted.
    Cast,
    /// One call after another.
    Call,
    /// 64 callers at a time.
    #[value(name = "call-64")]
    #[serde(rename = "call-64")]
    Call64,
    /// 64 producers, one consumer: its mailbox is full most of the time.
    #[value(name = "cast-64")]
    #[serde(rename = "cast-64")]
    Cast64,
    /// 64 producers, each with a consumer of its own.
    #[value(name = "cast-64-own")]
    #[serde(rename = "cast-64-own")]
    Cast64Own,
    /// A child calls another one, one call after another.
    CallInside,
    /// As cast, but looked up by name for each message.
    CastName,
    /// From a panic to the next reply.
    Panic,
    /// From a kill to the next reply.
    Kill,
    /// Many children, killed at random.
    Restarts,
    /// One dies, all are restarted.
    OneForAll,
    /// The eldest dies, all are restarted.
    RestForOne,
    /// Memory of an idle supervised child.
    Bytes,
    /// Start of a big tree, and its stop.
    Start,
    /// Cost of a restart beside more and more siblings.
    Growth,
}

/// Which runtime the work runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// One thread.
    St,
    /// Two worker threads; the driver is a task on one of them.
    Mt,
}

impl Workload {
    /// A line that says what its figures are.
    pub fn title(self) -> &'static str {
        match self {
            Self::Cast => "cast, one producer: ns per message",
            Self::Call => "call, one after another: ns",
            Self::Call64 => "call, 64 callers: ns each",
            Self::Cast64 => "cast, 64 producers to one full mailbox: ns per message",
            Self::Cast64Own => "cast, 64 producers to 64 services: ns per message",
            Self::CallInside => "call from one child to another, one after another: ns",
            Self::CastName => "cast through a name, 1,000 named children: ns per message",
            Self::Panic => "panic to next reply: us",
            Self::Kill => "kill to next reply: us",
            Self::Restarts => "restarts, children killed at random: per second",
            Self::OneForAll => "one_for_all: ms for one restart of the whole group",
            Self::RestForOne => "rest_for_one, the eldest dies: ms for one restart of the whole group",
            Self::Bytes => "memory of an idle supervised child: bytes",
            Self::Start => "start and stop of a big tree: us per child",
            Self::Growth => "cost of one restart beside n siblings: us",
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        value_name(self, f)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        value_name(self, f)
    }
}

/// Writes the name that the command line knows.
pub(crate) fn value_name(value: &impl ValueEnum, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value.to_possible_value() {
        Some(name) => f.pad(name.get_name()),
        None => f.pad("-"),
    }
}
