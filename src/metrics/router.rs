//! The router that serves the text.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::Mutex;

use crate::metrics::{Metrics, prometheus};

/// Returns a router that serves the figures at `/metrics` as Prometheus text.
///
/// The text names services. So serve it where only its readers reach it: there is no token, and no listener that was not
/// asked for. It is collected on a blocking thread, one request at a time.
///
/// ```no_run
/// # async fn example(tree: regrow::Tree) -> anyhow::Result<()> {
/// use regrow::metrics::{Metrics, metrics_router};
///
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:9464").await?;
/// axum::serve(listener, metrics_router(Metrics::new().tree(&tree))).await?;
/// # Ok(()) }
/// ```
pub fn metrics_router(metrics: Metrics) -> Router {
    // Requests wait for their turn here, and not on threads.
    let metrics = Arc::new(Mutex::new(metrics));
    Router::new().route("/metrics", get(move || answer(metrics.clone())))
}

async fn answer(metrics: Arc<Mutex<Metrics>>) -> Response {
    let metrics = metrics.lock_owned().await;
    // The turn ends with the work, also if the client has gone meanwhile.
    match tokio::task::spawn_blocking(move || metrics.render()).await {
        Ok(text) => ([(CONTENT_TYPE, prometheus::CONTENT_TYPE)], text).into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the runtime is shutting down").into_response(),
    }
}
