//! `GET /v1/dead-letters`: the messages that no incarnation will handle.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Dead letters: counts, and the letters that are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Letters {
    /// Name of the tree's root.
    pub tree: String,
    /// Moment of the look.
    pub now_ms: u64,
    /// Whether letters are kept. They are kept from the first moment at which the program or an `Admin` asked for them.
    pub are_kept: bool,
    /// Number of letters that are kept now.
    pub kept: u64,
    /// Number of letters that had to make room for newer ones.
    pub dropped: u64,
    /// Kept letters by reason, then by receiver.
    pub by_reason: BTreeMap<String, BTreeMap<String, u64>>,
    /// The letters of this page, oldest first.
    pub letters: Vec<Letter>,
    /// The value for `after` of the next page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<u64>,
}

/// A dead letter. Its content is never shown, unless the service implements the hook for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Letter {
    /// Its number, valid until it is replayed or dropped.
    pub number: u64,
    /// Path of the service that it was sent to.
    pub path: String,
    /// Generation of that service's latest incarnation at that time.
    pub generation: u64,
    /// Type of the message.
    pub message_type: String,
    /// Label of the message, if its service gives it one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label: Option<String>,
    /// Number of incarnations that had it in hand.
    pub attempt: u32,
    /// The reason, in one word.
    pub reason: String,
    /// The reason in words.
    pub reason_text: String,
    /// Time since it became a dead letter.
    pub age_ms: u64,
    /// Whether its message is still in it.
    pub is_whole: bool,
    /// Text of the service about the message, if one letter was asked for and the service implements the hook for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub described: Option<String>,
}
