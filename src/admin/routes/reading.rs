//! Parameters and content of a request, with a clear reason if they cannot be read.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Path, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use crate::admin::answer::Refused;
use crate::admin::wire::envelope::IssueCode;

/// Header that a request which changes something must have, with the value `1`. A form of a web page cannot send it.
pub(crate) const ACT_HEADER: &str = "x-regrow-act";
/// Time in which the content of a request has to be there.
const CONTENT_LIMIT: Duration = Duration::from_secs(10);

/// Parameters of a request.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(error) => {
                let text = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
                Err(Refused::bad(format!("the parameters cannot be read: {text}")).about(parts.uri.path()))
            }
        }
    }
}

/// Number at the end of a path.
pub(crate) struct Numbered(pub(crate) u64);

impl<S: Send + Sync> FromRequestParts<S> for Numbered {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        // Bytes that are no text are refused by axum, in words without an envelope.
        let text = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) =
            text.map_err(|error| Refused::bad(format!("the path cannot be read: {}", error.body_text())))?;
        let number = text.parse().map_err(|_| Refused::bad("the path ends with a number").about(text))?;
        Ok(Self(number))
    }
}

/// Reads an order: JSON of at most so many bytes, in a request that only a program could have sent.
pub(crate) async fn order<T: DeserializeOwned>(request: Request, bytes_max: usize) -> Result<T, Refused> {
    let (parts, body) = request.into_parts();
    only_by_a_program(&parts.headers)?;
    if !is_json(&parts.headers) {
        let text = "the content has to be JSON, with the header `content-type: application/json`";
        return Err(Refused::bad(text).about("content-type").with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let bytes = content(body, bytes_max).await?;
    serde_json::from_slice(&bytes).map_err(|error| Refused::bad(format!("the content cannot be read: {error}")))
}

/// Refuses a request that a form of a web page could have sent.
pub(crate) fn only_by_a_program(headers: &HeaderMap) -> Result<(), Refused> {
    if headers.get(ACT_HEADER).is_some_and(|value| value == "1") {
        return Ok(());
    }
    let text = format!("a request that changes something needs the header `{ACT_HEADER}: 1`");
    Err(Refused::new(IssueCode::ForbiddenOrigin, text).about(ACT_HEADER))
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) else { return false };
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

async fn content(body: Body, bytes_max: usize) -> Result<axum::body::Bytes, Refused> {
    match tokio::time::timeout(CONTENT_LIMIT, to_bytes(body, bytes_max)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            let text = format!("the content is larger than {bytes_max} bytes, or broke off");
            Err(Refused::bad(text).with_status(StatusCode::PAYLOAD_TOO_LARGE))
        }
        Err(_) => {
            let text = format!("the content was not there after {CONTENT_LIMIT:?}");
            Err(Refused::bad(text).with_status(StatusCode::REQUEST_TIMEOUT))
        }
    }
}
