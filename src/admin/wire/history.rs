//! `GET /v1/history`: the record, and the tree as it was.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admin::wire::services::State;

/// Entries of the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// Name of the tree's root.
    pub tree: String,
    /// Moment of the look.
    pub now_ms: u64,
    /// Where the ring of failures begins. Nothing of that kind is missing after it.
    pub failures_begin: Begin,
    /// Where the ring of ordinary starts and ends begins.
    pub ordinary_begin: Begin,
    /// The entries, newest first.
    pub entries: Vec<Entry>,
    /// The tree as it was at `at_ms`, if that was asked for: first what was not well, then the others in the order of the
    /// paths. A page has at most 10,000 children.
    #[serde(default)]
    pub as_it_was: Vec<Was>,
    /// The value for `was_after` of the next page of the tree as it was. Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_was: Option<String>,
    /// The moment of `as_it_was`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub at_ms: Option<u64>,
    /// The value for `before` of the next page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<u64>,
}

/// Begin of a ring.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Begin {
    /// Sequence number of its oldest entry.
    pub seq: u64,
    /// Moment of that entry; the start of the tree if nothing was evicted.
    pub at_ms: u64,
    /// Number of entries that were evicted.
    pub evicted: u64,
}

/// Entry of the record: an event of a child.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Sequence number in its tree.
    pub seq: u64,
    /// Moment.
    pub at_ms: u64,
    /// Full path of the child.
    pub path: String,
    /// Generation that it happened to.
    pub generation: u64,
    /// State before it; absent if the child was not listed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<State>,
    /// Kind of the event, in one word: `started`, `exited`, `parked`, `gave_up`, `acted`, ...
    pub kind: String,
    /// Cause, if it is an end or a failed start.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
    /// The event in words.
    pub text: String,
    /// Whether it is a failure, a park, a give-up or an act of an operator.
    pub is_failure: bool,
    /// The act, if it is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub act: Option<crate::admin::wire::act::Acted>,
}

/// A child as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Was {
    /// Full path.
    pub path: String,
    /// State.
    pub state: State,
    /// Generation.
    pub generation: u64,
}
