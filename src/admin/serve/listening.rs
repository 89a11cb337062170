//! A listener that runs: one task accepts, and each connection has a task that ends with it.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use crate::admin::answer::Refused;
use crate::admin::serve::connection;
use crate::admin::wire::envelope::IssueCode;
use crate::log::line;

/// Connections at the same time. More of them are refused.
pub(crate) const CONNECTIONS_MAX: usize = 64;
/// Refusals at the same time. More connections are closed without a word.
const REFUSALS_MAX: usize = 16;
/// Pause after the system has refused to accept: most often there are too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Listener of an [`Admin`](crate::admin::Admin). Dropping it ends the listener and its connections, and removes the socket.
#[must_use = "dropping it ends the listener"]
pub struct Listening {
    place: Place,
    task: AbortHandle,
}

/// Where a listener listens.
#[derive(Debug)]
pub(crate) enum Place {
    #[cfg_attr(not(unix), allow(dead_code, reason = "there are no unix sockets"))]
    Unix(Socket),
    Tcp(SocketAddr),
}

/// Socket in the file system, removed with its listener.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) path: PathBuf,
    /// Device and number of the file, so that a socket which took its place is left alone.
    pub(crate) file: (u64, u64),
}

impl Listening {
    /// The path of the socket. `None` for a listener on TCP.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Unix(socket) => Some(&socket.path),
            Place::Tcp(_) => None,
        }
    }

    /// The address. `None` for a listener on a unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.place {
            Place::Unix(_) => None,
            Place::Tcp(address) => Some(address),
        }
    }

    /// Accepts from now on.
    pub(crate) fn begin<L: Accept>(place: Place, listener: L) -> Self {
        Self { place, task: tokio::spawn(accept(listener)).abort_handle() }
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // The connections are in a set that the task owns, and end with it.
        self.task.abort();
    }
}

/// Source of connections, and the routes that each may use.
pub(crate) trait Accept: Send + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for a connection.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Returns the routes for this connection, or the reason why it may use none.
    fn admit(&self, stream: &Self::Stream) -> Result<Router, Refused>;
}

async fn accept<L: Accept>(mut listener: L) {
    let open = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            // Those that are over are taken out, so that the set does not grow.
            Some(_) = connections.join_next() => continue,
        };
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) if is_of_the_client(&error) => continue,
            Err(error) => {
                line!(WARN, { error = %error }, "the admin source cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let refused = match (listener.admit(&stream), open.clone().try_acquire_owned()) {
            (Ok(router), Ok(permit)) => {
                connections.spawn(async move {
                    connection::serve(stream, router).await;
                    drop(permit);
                });
                continue;
            }
            (Err(refused), _) => refused,
            (Ok(_), Err(_)) => {
                let text = format!("{CONNECTIONS_MAX} clients are connected, and no more are let in: try again later");
                Refused::new(IssueCode::Busy, text)
            }
        };
        if let Ok(permit) = refusals.clone().try_acquire_owned() {
            connections.spawn(async move {
                connection::refuse(stream, refused).await;
                drop(permit);
            });
        }
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
