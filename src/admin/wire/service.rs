//! `GET /v1/service?path=`: one service in full.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admin::wire::history::Entry;
use crate::admin::wire::services::Service;

/// A child in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceInFull {
    /// Its row.
    pub service: Service,
    /// The reason for its state: one paragraph.
    pub why: String,
    /// The reason in one line.
    pub why_short: String,
    /// Every setting in force, with its origin. Empty if the server was built without policies.
    pub policy: Vec<Setting>,
    /// Type of its messages.
    pub message_type: String,
    /// The services that it depends on.
    pub depends_on: Vec<Dependency>,
    /// Its entries of the record, newest first, at most 100.
    pub history: Vec<Entry>,
    /// Text of the service about its own state, if it implements the hook for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub described: Option<String>,
    /// The acts that apply to it now.
    pub acts: Vec<String>,
}

/// A setting in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Setting {
    /// Name, as in a policy file.
    pub field: String,
    /// Value, as text.
    pub value: String,
    /// `FILE:LINE`, `environment VARIABLE`, `the code` or `default`.
    pub origin: String,
}

/// A service that another one depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dependency {
    /// Its path, as the policy names it.
    pub path: String,
    /// Whether it is ready now.
    pub ready: bool,
}
