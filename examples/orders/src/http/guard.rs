//! The program's own guard before the admin source. The source itself checks no identity when it is mounted.
//!
//! Here it is one token. A program with users asks its own sessions instead, and names the operator who is logged in: the
//! name is in the log and in the record of each act.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use regrow::admin::Operator;

pub(super) fn guarded(admin: Router, token: Arc<str>) -> Router {
    admin.layer(from_fn(move |mut request: Request, next: Next| {
        let token = token.clone();
        async move {
            if !is_allowed(&request, &token) {
                return StatusCode::UNAUTHORIZED.into_response();
            }
            request.extensions_mut().insert(Operator::new("token of the shop"));
            next.run(request).await
        }
    }))
}

fn is_allowed(request: &Request, token: &str) -> bool {
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    given.is_some_and(|given| is_equal(given, token.as_bytes()))
}

/// Takes the same time wherever the two differ, so that a token cannot be guessed letter by letter.
fn is_equal(given: &[u8], token: &[u8]) -> bool {
    given.len() == token.len() && given.iter().zip(token).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}
