//! The routes, a file each, and what all of them have in common.

mod acts;
pub(crate) mod events;
mod experiments;
mod failing;
mod greeting;
mod history;
mod letters;
mod pages;
mod past;
pub(crate) mod reading;
mod service;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};

use crate::admin::answer::Refused;
use crate::admin::door::Door;
use crate::admin::schema::schema;
use crate::admin::wire::SCHEMA;
use crate::admin::wire::envelope::IssueCode;
#[cfg(feature = "metrics")]
use crate::metrics::metrics_router;

/// Header in which a client says which version of the data it reads.
const SCHEMA_HEADER: &str = "x-regrow-schema";
/// Time after which a request that only looks is given up.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Returns all routes of a door.
pub(crate) fn router(door: Arc<Door>) -> Router {
    let looks = Router::new()
        .route("/v1", get(greeting::greet))
        .route("/v1/", get(greeting::greet))
        .route("/v1/services", get(pages::services))
        .route("/v1/service", get(service::service))
        .route("/v1/history", get(history::history))
        .route("/v1/history/dump", get(history::dump))
        .route("/v1/dead-letters", get(letters::list))
        .route("/v1/dead-letters/{number}", get(letters::one))
        .route("/v1/schema", get(send_schema))
        .layer(from_fn(in_time));
    // Acts end when they are done, and their own time is said there.
    let acts = Router::new()
        .route("/v1/acts", post(acts::act))
        .route("/v1/experiments", get(experiments::list).post(experiments::run))
        .route("/v1/experiments/{number}", delete(experiments::stop));
    #[cfg(feature = "metrics")]
    let looks = looks.merge(scraped(&door));
    let streams = Router::new().route("/v1/events", get(events::events));
    looks
        .merge(acts)
        .merge(streams)
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .with_state(door)
        .layer(from_fn(of_this_version))
        .layer(from_fn(with_headers))
}

/// Returns the route of the metrics, if the program gave a collector.
#[cfg(feature = "metrics")]
fn scraped(door: &Door) -> Router<Arc<Door>> {
    door.source.metrics.get().map_or_else(Router::new, |metrics| metrics_router(metrics.clone()).with_state(()))
}

/// Refuses a client that reads another version of the data.
async fn of_this_version(request: Request, next: Next) -> Response {
    match request.headers().get(SCHEMA_HEADER) {
        Some(asked) if asked.as_bytes() != SCHEMA.to_string().as_bytes() => {
            let asked = String::from_utf8_lossy(asked.as_bytes()).into_owned();
            let text = format!(
                "the client reads version {asked} of the data, and this program sends version {SCHEMA}: use the `regrow` \
                 command of the version {} of this program",
                env!("CARGO_PKG_VERSION")
            );
            Refused::new(IssueCode::SchemaMismatch, text).about(SCHEMA_HEADER).into_response()
        }
        Some(_) | None => next.run(request).await,
    }
}

/// Says that no answer may be kept or taken for something else than it is.
async fn with_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Gives up on a request that takes too long.
async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_LIMIT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let text = format!("there is no answer after {ANSWER_LIMIT:?}: the program is too busy");
            Refused::new(IssueCode::Busy, text).into_response()
        }
    }
}

async fn no_route(request: Request) -> Refused {
    let text = format!("there is nothing at `{}`: everything is below `/v1`", request.uri().path());
    Refused::bad(text).with_status(StatusCode::NOT_FOUND)
}

async fn no_method(request: Request) -> Refused {
    let text = format!("`{}` does not take {}", request.uri().path(), request.method());
    Refused::bad(text).with_status(StatusCode::METHOD_NOT_ALLOWED)
}

async fn send_schema() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/schema+json")], schema())
}
