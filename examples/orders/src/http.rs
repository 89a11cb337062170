//! The web server: a task that is supervised as everything else is.
//!
//! It is ready when it listens. If its port is taken, it fails and is tried again, and in the end the root gives up
//! with that reason. When it is asked to stop, it takes no more connections and answers the requests that it has taken.

use std::time::Duration;

use anyhow::Context as _;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use regrow::{Child, ChildKind, Directory, Handle, Partitions, Restart, TaskChild, TaskContext};
use tokio::net::TcpListener;

use crate::database::Query;
use crate::order::{NewOrder, Trouble};
use crate::worker::Place;

/// Time limit of a request, including the wait for room in a mailbox.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

#[derive(Clone)]
struct App {
    directory: Directory,
    workers: Partitions<Place>,
    database: Handle<Query>,
}

pub fn child(listen: String) -> TaskChild {
    Child::task("http", move |ctx| serve(listen.clone(), ctx)).restart(Restart::Permanent)
}

async fn serve(listen: String, ctx: TaskContext) -> anyhow::Result<()> {
    let app =
        App { directory: ctx.directory(), workers: ctx.partitions("workers")?, database: ctx.lookup("database")? };
    let listener = TcpListener::bind(&listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    println!("listening on {}", listener.local_addr()?);
    ctx.ready();
    let router = Router::new()
        .route("/orders", post(place))
        .route("/orders/{id}", get(find))
        .route("/tree", get(tree))
        .with_state(app);
    axum::serve(listener, router).with_graceful_shutdown(ctx.stopping()).await?;
    Ok(())
}

async fn place(State(app): State<App>, Json(order): Json<NewOrder>) -> Response {
    let worker = app.workers.handle_for(&order.customer);
    let placed = worker.call_within(REQUEST_LIMIT, |reply| Place { order, reply }).await;
    match placed.unwrap_or_else(|error| Err(error.into())) {
        Ok(order) => (StatusCode::CREATED, Json(order)).into_response(),
        Err(trouble) => trouble.into_response(),
    }
}

async fn find(State(app): State<App>, Path(id): Path<i64>) -> Response {
    match app.database.call_within(REQUEST_LIMIT, |reply| Query::Find(id, reply)).await.map_err(Trouble::from) {
        Ok(Some(order)) => Json(order).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(trouble) => trouble.into_response(),
    }
}

/// For operators: each service with its state, its generation and its mailbox.
async fn tree(State(app): State<App>) -> String {
    let line = |entry: regrow::DirectoryEntry| {
        let (path, books) = (entry.path, entry.accounting);
        format!("{path}: {}, queued {}, in hand {}\n", entry.status, books.queued, books.in_hand)
    };
    app.directory.entries().into_iter().filter(|entry| entry.kind != ChildKind::Task).map(line).collect()
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        match self {
            Self::Busy(why) => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")], why).into_response(),
            Self::Unclear(why) => (StatusCode::INTERNAL_SERVER_ERROR, why).into_response(),
        }
    }
}
