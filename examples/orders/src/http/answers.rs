//! Trouble as an answer: what a customer may rely on.
//!
//! | status | meaning | what the customer does |
//! |---|---|---|
//! | 400, 422 | the request makes no sense | mends it |
//! | 409 | the key belongs to another order of the customer | takes another key |
//! | 429 | the customer orders faster than is allowed | waits, as `retry-after` says |
//! | 503 | not known to be done | repeats it with the same key, as `retry-after` says |
//!
//! No other status of 5xx is ever meant: one that comes is a bug.

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};

use super::orders::StatusOr;
use crate::order::Trouble;

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let again = [(RETRY_AFTER, "1")];
        match self {
            Self::Invalid(why) => (StatusCode::UNPROCESSABLE_ENTITY, why).into_response(),
            Self::KeyInUse => (StatusCode::CONFLICT, "the idempotency-key belongs to another order").into_response(),
            Self::TooFast => (StatusCode::TOO_MANY_REQUESTS, again, "too many orders of one customer").into_response(),
            Self::Busy(why) => (StatusCode::SERVICE_UNAVAILABLE, again, why).into_response(),
        }
    }
}

impl IntoResponse for StatusOr {
    fn into_response(self) -> Response {
        match self {
            Self::Status(status) => status.into_response(),
            Self::Trouble(trouble) => trouble.into_response(),
        }
    }
}
