//! The envelope of every answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admin::wire::SCHEMA;

/// Answer of the admin source: an outcome, the data that were asked for, and the problems met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope<T> {
    /// Version of the data: [`SCHEMA`].
    pub schema: u32,
    /// Whether the data are there.
    pub outcome: Outcome,
    /// The data; absent if the outcome is not `ok`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<T>,
    /// Problems, and remarks that the reader needs beside the data.
    #[serde(default)]
    pub issues: Vec<Issue>,
}

/// Outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The data are there, or the act was carried out.
    Ok,
    /// The request was refused, or what it names is not there. Nothing was changed.
    Refused,
    /// The server met an error of its own.
    Failed,
}

/// A problem, in words and as a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Issue {
    /// Kind of the problem. Programs compare this.
    pub code: IssueCode,
    /// The problem in words: what is wrong, and what to do.
    pub text: String,
    /// The path, parameter, header or capability that it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub about: Option<String>,
}

/// Kind of a problem. A client maps it to its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IssueCode {
    /// A parameter or the content cannot be read.
    BadRequest,
    /// No token, or a wrong one.
    NotAuthenticated,
    /// The server does not grant the capability that the request needs.
    MissingCapability,
    /// The host or the origin of the request is not allowed, or a required header is missing.
    ForbiddenOrigin,
    /// No tree has this name. `about` is the name.
    UnknownTree,
    /// No child has this path. `about` is the path.
    UnknownPath,
    /// No dead letter, experiment or other thing has this number.
    UnknownNumber,
    /// No service matches the filter.
    NothingMatches,
    /// A remark beside the data: the answer would be too large, and something was left out of it.
    LeftOut,
    /// The act does not apply to this kind of child, or to its state.
    NotApplicable,
    /// The generation that was meant is not the present one any more.
    AlreadyReplaced,
    /// The moment that was asked for lies before the begin of the record.
    BeforeBegin,
    /// The tree is over. Its reason is shown for a minute.
    TreeOver,
    /// The client and the server speak different versions of the data.
    SchemaMismatch,
    /// The server was built without the feature that the request needs, or was given nothing to act on.
    NotAvailable,
    /// The server has too many connections, or an experiment runs in this tree. Try again later.
    Busy,
    /// The act was carried out and failed.
    ActFailed,
    /// The server met an error of its own.
    Internal,
}

impl<T> Envelope<T> {
    /// An answer with data.
    pub fn ok(data: T) -> Self {
        Self { schema: SCHEMA, outcome: Outcome::Ok, data: Some(data), issues: Vec::new() }
    }

    /// A refusal, for one reason.
    pub fn refused(issue: Issue) -> Self {
        Self { schema: SCHEMA, outcome: Outcome::Refused, data: None, issues: vec![issue] }
    }

    /// Adds a problem that the reader should know of.
    #[must_use]
    pub fn with_issue(mut self, issue: Issue) -> Self {
        self.issues.push(issue);
        self
    }
}

impl Issue {
    /// A problem of this kind, in these words.
    pub fn new(code: IssueCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), about: None }
    }

    /// Names the path, parameter, header or capability that it is about.
    #[must_use]
    pub fn about(mut self, what: impl Into<String>) -> Self {
        self.about = Some(what.into());
        self
    }
}
