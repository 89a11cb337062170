//! `/livez`, `/readyz` and `/startupz`: one word each, and no names, counts or acts.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::time::Instant;

use super::{DEFAULT_ANSWER_LIMIT, HealthSource};
use crate::base::time::later;

/// Makes a router with the probes of these trees, for an axum app of your own. [`serve_health`](super::serve_health)
/// serves it on an address of its own.
///
/// | request | 200 `ok` | 503 |
/// |---|---|---|
/// | `GET /livez` | all trees live, and answer within [one second](DEFAULT_ANSWER_LIMIT) | `not live`: a root is over, or its runtime is blocked |
/// | `GET /readyz` | all trees are ready, and none is draining | `not ready` |
/// | `GET /startupz` | all trees were ready once | `not started` |
///
/// `HEAD` gets the same answer without the word; other methods get 405, and other paths 404. The query is ignored. No
/// answer contains a name or a number, no header of the request is looked at, and answers are not to be cached. Without
/// any tree, nothing holds and every answer is 503.
///
/// The router does not keep the trees alive. When a tree is over, it goes on to answer, and says so.
///
/// ```
/// use regrow::{Supervisor, health::health_router, testing::Journal};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
/// let tree = Supervisor::one_for_one("shop").child(Journal::new().probe("db")).start().await?;
/// let app = axum::Router::new()
///     .route("/", axum::routing::get(async || "a shop"))
///     .merge(health_router([tree.health_source()]));
/// # let _: axum::Router = app;
/// # tree.shutdown().await; Ok(()) }
/// ```
pub fn health_router(sources: impl IntoIterator<Item = HealthSource>) -> Router {
    let sources: Arc<[HealthSource]> = sources.into_iter().collect();
    let (live, ready, started) = (sources.clone(), sources.clone(), sources);
    Router::new()
        .route("/livez", get(async move || answer(are_live(&live).await, "not live")))
        .route("/readyz", get(async move || answer(all(&ready, |tree| tree.health().is_ready()), "not ready")))
        .route("/startupz", get(async move || answer(all(&started, |tree| tree.health().is_started()), "not started")))
}

/// Whether all trees answer within one limit.
async fn are_live(sources: &[HealthSource]) -> bool {
    let until = later(Instant::now(), DEFAULT_ANSWER_LIMIT);
    for source in sources {
        let left = until.saturating_duration_since(Instant::now());
        if !source.check_life(left).await.is_live() {
            return false;
        }
    }
    !sources.is_empty()
}

fn all(sources: &[HealthSource], holds: impl Fn(&HealthSource) -> bool) -> bool {
    !sources.is_empty() && sources.iter().all(holds)
}

fn answer(holds: bool, otherwise: &'static str) -> impl IntoResponse {
    let (status, word) = if holds { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, otherwise) };
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, word)
}
