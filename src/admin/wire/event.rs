//! `GET /v1/events`: server-sent events. The id of each is `BOOT:TREE:SEQ`; a client resumes with `Last-Event-ID`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admin::wire::history::Entry;
use crate::admin::wire::services::State;

/// Message of the stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "a message is written or read, and not kept")]
pub enum Message {
    /// Begin of a snapshot: what was known of the tree is to be forgotten. It comes first, unless the stream was resumed at
    /// a position that was still held.
    SnapshotBegins {
        /// Name of the tree's root.
        tree: String,
        /// Entries up to this one are in the snapshot.
        seq: u64,
        /// Moment.
        at_ms: u64,
    },
    /// Part of a snapshot.
    Snapshot {
        /// Name of the tree's root.
        tree: String,
        /// Some children.
        children: Vec<Child>,
    },
    /// End of a snapshot.
    SnapshotEnds {
        /// Name of the tree's root.
        tree: String,
        /// Number of children in it.
        children: u64,
    },
    /// The stream goes on where the client was.
    Resumed {
        /// Name of the tree's root.
        tree: String,
        /// The position.
        seq: u64,
    },
    /// An event.
    Event {
        /// Name of the tree's root.
        tree: String,
        /// The event.
        entry: Entry,
        /// State of the child after it; absent if it is not listed any more.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        after: Option<State>,
    },
    /// Events are missing: the record did not hold them any more. A snapshot follows.
    Gap {
        /// Name of the tree's root.
        tree: String,
        /// Last position that was sent, or that the client named.
        from: u64,
        /// First position that is still held.
        to: u64,
    },
    /// The tree is over. No event of it follows.
    TreeOver {
        /// Name of the tree's root.
        tree: String,
        /// The reason.
        reason: String,
    },
}

/// A child in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Child {
    /// Full path.
    pub path: String,
    /// State.
    pub state: State,
    /// Generation.
    pub generation: u64,
}
