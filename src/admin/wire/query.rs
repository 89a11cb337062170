//! The parameters of the requests that only look.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admin::wire::services::State;

/// Parameters of `GET /v1/services`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServicesQuery {
    /// Name of a tree's root; all trees without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
    /// Only this path and what is below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below: Option<String>,
    /// Only paths that match this pattern: `shop/*/db`, `**/pool`, or a plain text that the path contains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Only this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Only this kind of child.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Order of the rows.
    pub sort: Sort,
    /// Whether the order is turned round.
    pub reverse: bool,
    /// Rows of a page: 100 by default, at most 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where the page begins: `next` of the page before. In the order of the paths each service that is there all the time
    /// comes exactly once. In other orders one whose value changes between two pages may come twice or not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Groups by template instead of rows.
    pub group: bool,
    /// Whether children that are up and yet not in order are searched for: see `Services::doubtful`. In a large tree that is a
    /// look at all children, unless there was one in the last seconds.
    pub doubtful: bool,
    /// A text that the viewer made up. With it the server gives lower bounds of ages from the viewer's last look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub viewer: Option<String>,
}

/// Order of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// By path, a supervisor before its children. Pages in this order are cheap.
    #[default]
    Path,
    /// Most restarts in the last hour first.
    Restarts,
    /// Longest mailbox first.
    Mailbox,
    /// Largest change of the mailbox since the viewer's last look first.
    Growth,
    /// Highest generation first.
    Generation,
    /// Longest in its present state first.
    Since,
}

/// Parameters of `GET /v1/history`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HistoryQuery {
    /// Name of a tree's root; may be left out if the server shows one tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
    /// Only this path and what is below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below: Option<String>,
    /// Only failures, parks, give-ups and acts.
    pub failures: bool,
    /// Entries at most: 100 by default, at most 8,192.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only entries with a smaller sequence number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// The tree as it was at the end of this millisecond.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<u64>,
    /// Where the page of the tree as it was begins: `next_was` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was_after: Option<String>,
}

/// Parameters of `GET /v1/service`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceQuery {
    /// Full path.
    pub path: String,
    /// A text that the viewer made up, as in [`ServicesQuery::viewer`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub viewer: Option<String>,
}

/// Parameters of `GET /v1/history/dump`, which answers with the lines of a dump and without an envelope.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DumpQuery {
    /// Name of a tree's root; may be left out if the server shows one tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
}

/// Parameters of `GET /v1/dead-letters`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LettersQuery {
    /// Name of a tree's root; may be left out if the server shows one tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
    /// Only letters to this path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
    /// Only letters with this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Letters at most: 100 by default, at most 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only letters with a greater number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

/// Parameters of `GET /v1/dead-letters/NUMBER`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LetterQuery {
    /// Name of a tree's root; may be left out if the server shows one tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
}

/// Parameters of `DELETE /v1/experiments/NUMBER`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StopQuery {
    /// The reason, for the log, the events and the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Parameters of `GET /v1/events`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EventsQuery {
    /// Name of a tree's root; may be left out if the server shows one tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
    /// Only failures, parks, give-ups and acts, and what undoes them.
    pub failures: bool,
    /// Position to resume at, as in `Last-Event-ID`, for clients that cannot set that header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}
