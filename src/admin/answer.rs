//! Answers: an envelope with the HTTP status that belongs to it.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::wire::envelope::{Envelope, Issue, IssueCode, Outcome};
use crate::admin::wire::greeting::Capability;

/// Answer of a route.
pub(crate) type Answer<T> = Result<Envelope<T>, Refused>;

/// A request that was not granted, with the reason.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    status: StatusCode,
    issue: Box<Issue>,
}

impl Refused {
    /// A refusal of this kind, in these words.
    pub(crate) fn new(code: IssueCode, text: impl Into<String>) -> Self {
        Self { status: status_of(code), issue: Box::new(Issue::new(code, text)) }
    }

    /// Names the path, parameter, header or capability that it is about.
    pub(crate) fn about(mut self, what: impl Into<String>) -> Self {
        self.issue = Box::new(self.issue.about(what));
        self
    }

    /// Gives it another status than that of its kind.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// A request that cannot be read.
    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(IssueCode::BadRequest, text)
    }

    /// A request that needs a capability which the program does not grant here.
    pub(crate) fn missing(capability: Capability) -> Self {
        let (word, name) = match capability {
            Capability::Read => ("read", "Read"),
            Capability::Control => ("control", "Control"),
            Capability::Chaos => ("chaos", "Chaos"),
        };
        let text = format!(
            "this needs the capability `{word}`: the program grants it with `Admin::grant(Capability::{name})`, in code"
        );
        Self::new(IssueCode::MissingCapability, text).about(word)
    }

    /// The reason in words.
    pub(crate) fn text(&self) -> &str {
        &self.issue.text
    }

    /// The status, and the envelope as JSON: for a connection that gets no further.
    pub(crate) fn as_json(&self) -> (StatusCode, Vec<u8>) {
        (self.status, serde_json::to_vec(&self.envelope()).unwrap_or_default())
    }

    fn envelope(&self) -> Envelope<()> {
        let outcome = if self.status.is_server_error() { Outcome::Failed } else { Outcome::Refused };
        Envelope { outcome, ..Envelope::refused((*self.issue).clone()) }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status, Json(self.envelope())).into_response()
    }
}

impl<T: Serialize + JsonSchema> IntoResponse for Envelope<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// The HTTP status of a kind of problem.
fn status_of(code: IssueCode) -> StatusCode {
    match code {
        IssueCode::BadRequest => StatusCode::BAD_REQUEST,
        IssueCode::NotAuthenticated => StatusCode::UNAUTHORIZED,
        IssueCode::MissingCapability | IssueCode::ForbiddenOrigin => StatusCode::FORBIDDEN,
        IssueCode::UnknownTree | IssueCode::UnknownPath | IssueCode::UnknownNumber | IssueCode::NothingMatches => {
            StatusCode::NOT_FOUND
        }
        IssueCode::NotApplicable | IssueCode::AlreadyReplaced | IssueCode::BeforeBegin | IssueCode::SchemaMismatch => {
            StatusCode::CONFLICT
        }
        IssueCode::TreeOver => StatusCode::GONE,
        IssueCode::NotAvailable => StatusCode::NOT_IMPLEMENTED,
        IssueCode::Busy => StatusCode::SERVICE_UNAVAILABLE,
        // A remark, and never a refusal.
        IssueCode::LeftOut => StatusCode::OK,
        IssueCode::ActFailed | IssueCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
