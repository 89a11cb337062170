//! The web server: a task that is supervised as everything else is.
//!
//! It is ready when it listens. If its port is taken, it fails and is tried again, and in the end the root gives up with
//! that reason. When it is asked to stop, it takes no more connections and answers the requests that it has taken.
//!
//! The socket is kept for the next life. A connection that comes while the server is restarted waits for that life, and is
//! not refused.

mod answers;
mod guard;
mod orders;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::routing::{get, post};
use regrow::{Child, Handle, Restart, TaskChild, TaskContext, Template};
use tokio::sync::{Semaphore, watch};

use crate::database::Query;
use crate::existing::statistics::Seen;

pub use orders::Figures;

/// Requests that are served at the same time. More are refused at once, which is better than to serve all of them too late.
const REQUESTS_MAX: usize = 2000;

/// What the server is made of in each life.
#[derive(Clone)]
pub struct Server {
    pub listen: SocketAddr,
    /// The admin source, and the token that opens it.
    pub admin: Option<(Router, Arc<str>)>,
    /// Size of the database, as the old task measures it.
    pub size: watch::Receiver<u64>,
}

#[derive(Clone)]
struct App {
    sessions: Template<String>,
    database: Handle<Query>,
    statistics: Handle<Seen>,
    size: watch::Receiver<u64>,
    room: Arc<Semaphore>,
}

pub fn child(server: Server) -> TaskChild {
    Child::task_with("http", server, serve).restart(Restart::Permanent)
}

async fn serve(server: Server, ctx: TaskContext) -> anyhow::Result<()> {
    let app = App {
        sessions: ctx.dynamic("sessions")?.template()?,
        database: ctx.lookup("database")?,
        statistics: ctx.lookup("existing/statistics")?,
        size: server.size,
        room: Arc::new(Semaphore::new(REQUESTS_MAX)),
    };
    let listener = tokio::net::TcpListener::from_std(listener(server.listen, &ctx)?)?;
    let shop = Router::new()
        .route("/orders", post(orders::take))
        .route("/orders/{id}", get(orders::find))
        .route("/customers/{name}", get(orders::customer))
        .route("/statistics", get(orders::statistics))
        .with_state(app);
    let router = match server.admin {
        Some((admin, token)) => shop.nest("/admin", guard::guarded(admin, token)),
        None => shop,
    };
    ctx.ready();
    axum::serve(listener, router).with_graceful_shutdown(ctx.stopping()).await?;
    // The socket is closed now: connections that come later are refused, and a load balancer tries elsewhere.
    ctx.forget_kept();
    Ok(())
}

/// The socket of the life before this one, or a new one.
fn listener(address: SocketAddr, ctx: &TaskContext) -> anyhow::Result<TcpListener> {
    if let Some(kept) = ctx.kept::<TcpListener>()? {
        return Ok(kept.try_clone()?);
    }
    let listener = TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    listener.set_nonblocking(true)?;
    println!("listening on {}", listener.local_addr()?);
    ctx.keep_now(listener.try_clone()?)?;
    Ok(listener)
}
