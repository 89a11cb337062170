//! `POST /v1/acts`: what an operator orders. A request carries the header `x-regrow-act: 1`, which a form cannot send.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An order of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActRequest {
    /// The act.
    pub act: ActKind,
    /// Path of the child; for `replay` the tree's name and for `reload_policy` the tree's name.
    pub path: String,
    /// The reason, for the log, the events and the record. Not empty.
    pub reason: String,
    /// The generation that is meant: a newer one refuses the act.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub generation: Option<u64>,
    /// For `replay`: the numbers of the letters; empty for all that match `reason_of_letters` and `receiver`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub letters: Vec<u64>,
    /// For `replay` without numbers: the receiver of the letters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub receiver: Option<String>,
}

/// Kind of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActKind {
    /// Kill the incarnation: an unexpected exit, counted.
    Kill,
    /// Restart in order: the message in hand is finished, no budget is charged.
    Restart,
    /// Stop it and leave it down.
    Terminate,
    /// Start a child that is down.
    Start,
    /// Stop it and set it aside until it is revived.
    Park,
    /// Start a parked or delayed child now.
    Revive,
    /// Put dead letters into the mailboxes of their services.
    Replay,
    /// Read the policy files again.
    ReloadPolicy,
    /// Run an experiment: see `/v1/experiments`.
    RunExperiment,
    /// Stop an experiment.
    StopExperiment,
}

/// An act that was carried out or refused, as the record holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Acted {
    /// The act.
    pub act: ActKind,
    /// Path that it was about.
    pub path: String,
    /// The operator: `uid 1000`, `token deploy`, or what the program's own code said.
    pub by: String,
    /// The reason that came with it.
    pub reason: String,
    /// The generation that was meant.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub generation: Option<u64>,
    /// Outcome in words.
    pub outcome: String,
    /// Whether it was carried out.
    pub is_done: bool,
}
