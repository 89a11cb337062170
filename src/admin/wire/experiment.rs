//! `POST /v1/experiments`, `GET /v1/experiments`, `DELETE /v1/experiments/NUMBER`: experiments with faults.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An experiment to run. The file is sent as its content, never as a path on the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExperimentRequest {
    /// Name of the tree's root.
    pub tree: String,
    /// Content of the experiment file, in TOML.
    pub file: String,
    /// The reason, for the log, the events and the record.
    pub reason: String,
    /// Seed instead of that of the file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seed: Option<u64>,
}

/// An experiment that runs or has run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExperimentState {
    /// Its number.
    pub number: u64,
    /// Name of the tree's root.
    pub tree: String,
    /// Name, as its file gives it.
    pub name: String,
    /// Moment of its begin.
    pub started_at_ms: u64,
    /// Whether it is over.
    pub is_over: bool,
    /// Its report as text, when it is over.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub report: Option<String>,
    /// Whether every claim and check held, when it is over.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub passed: Option<bool>,
}
