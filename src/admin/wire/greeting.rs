//! `GET /v1`: what this server is, and what the client may do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// First answer of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Greeting {
    /// Version of regrow.
    pub version: String,
    /// Name of the program, as its code gave it.
    pub program: String,
    /// Number of the process.
    pub pid: u32,
    /// A random text that is new for each `Admin`.
    pub boot: String,
    /// Moment at which the server was made.
    pub started_at_ms: u64,
    /// The time of the server now.
    pub now_ms: u64,
    /// The trees, in the order in which they were added.
    pub trees: Vec<Tree>,
    /// The capabilities that this client has.
    pub capabilities: Vec<Capability>,
    /// Parts that are compiled in: `policy`, `checkpoint`, `health`; and those that were also given to the server: `chaos` (it
    /// runs experiments), `metrics` (`GET /metrics`).
    pub parts: Vec<String>,
}

impl Greeting {
    /// Returns the time now on the clock of a tree's record; that of the server, if it shows no such tree.
    pub fn now_of(&self, tree: &str) -> u64 {
        let known = self.trees.iter().find(|known| known.name == tree);
        known.map_or(self.now_ms, |known| known.now_ms)
    }
}

/// A tree that the server shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tree {
    /// Name of its root.
    pub name: String,
    /// State of the root.
    pub state: TreeState,
    /// The reason of its end, if it is over.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended: Option<String>,
    /// Moment of its end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended_at_ms: Option<u64>,
    /// Whether it is ready, and why not.
    pub ready: bool,
    /// The required children that are not ready, at most ten.
    #[serde(default)]
    pub not_ready: Vec<String>,
    /// A random text with which the positions in its stream of events begin: `BOOT:TREE:SEQ`. They mean nothing in another
    /// tree of the same name.
    #[serde(default)]
    pub boot: String,
    /// The time of its record now: moments of the record are on this clock. It was set by that of the system when the tree was
    /// made, and has not been changed since.
    #[serde(default)]
    pub now_ms: u64,
    /// Sequence number of the newest entry of its record.
    pub newest: u64,
}

/// State of a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TreeState {
    /// Starting its children.
    Starting,
    /// Running.
    Up,
    /// Asked to end, or ending.
    Draining,
    /// Ended as asked.
    Ended,
    /// Ended because it gave up or was killed.
    Failed,
}

/// Permission of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Look at everything but the contents of messages and states.
    Read,
    /// Kill, restart, terminate, start, park, revive, replay, reload a policy.
    Control,
    /// Run and stop experiments.
    Chaos,
}
