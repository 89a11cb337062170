//! The envelope of an answer, opened.

use hyper::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::admin::wire::SCHEMA;
use crate::admin::wire::envelope::{Issue, IssueCode};
use crate::operate::text::safe;
use crate::operate::trouble::Trouble;

/// Data of an answer: typed for the text, and as they came for `--json`.
#[derive(Debug, Clone)]
pub(crate) struct Answer<T> {
    pub(crate) data: T,
    pub(crate) raw: Value,
    /// Remarks that the reader needs beside the data.
    pub(crate) issues: Vec<Issue>,
}

/// Opens the envelope.
///
/// # Errors
///
/// The answer is a refusal or a failure, is of another version, or cannot be read.
pub(crate) fn open<T: DeserializeOwned>(status: StatusCode, content: &[u8]) -> Result<Answer<T>, Trouble> {
    let Ok(mut envelope) = serde_json::from_slice::<Value>(content) else {
        return Err(unreadable(status, content));
    };
    let issues: Vec<Issue> = envelope["issues"].as_array().into_iter().flatten().map(issue).collect();
    match envelope["schema"].as_u64() {
        Some(schema) if schema == u64::from(SCHEMA) => {}
        Some(schema) => return Err(Trouble::schema(schema)),
        None => return Err(unreadable(status, content)),
    }
    let raw = envelope["data"].take();
    if envelope["outcome"] != "ok" {
        return Err(Trouble::of(&issues));
    }
    let data = T::deserialize(&raw).map_err(|error| Trouble::lost(format!("the answer cannot be read: {error}")))?;
    Ok(Answer { data, raw, issues })
}

/// Reads a problem. A kind that a newer program has is an error of its own, in its words.
fn issue(value: &Value) -> Issue {
    serde_json::from_value(value.clone())
        .unwrap_or_else(|_| Issue::new(IssueCode::Internal, value["text"].as_str().unwrap_or("an unknown problem")))
}

fn unreadable(status: StatusCode, content: &[u8]) -> Trouble {
    let begin: String = String::from_utf8_lossy(content).chars().take(200).collect();
    Trouble::lost(format!("this is no admin source of regrow: it answered {status}: {}", safe(&begin)))
}
