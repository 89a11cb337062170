//! The probes on an address of their own.

use std::fmt;
use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio::time::Duration;

use super::connections::Connections;
use super::{HealthSource, health_router};
use crate::base::hook;

/// Serves the probes of [`health_router`] on an address of their own, in the runtime around it, until the returned
/// value is dropped. After the end of a tree it goes on to answer, with 503.
///
/// The probes need no token, and tell nothing but three words. Bind the address that the orchestrator asks (under
/// Kubernetes the pod's: `0.0.0.0:8081`), and do not make it public. With port 0, the system chooses one, which
/// [`address`](HealthServer::address) tells.
///
/// No client can keep a probe out for long. At most 256 connections are open, and the oldest is closed for a new one.
/// Each ends after ten seconds, or 16 KiB of requests.
///
/// ```no_run
/// use regrow::{Supervisor, health::serve_health};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
/// let tree = Supervisor::one_for_one("shop").start().await?;
/// let _health = serve_health("0.0.0.0:8081".parse()?, [tree.health_source()])?;
/// tree.run_until_signal().drain(Duration::from_secs(5)).within(Duration::from_secs(25)).await?;
/// # Ok(()) }
/// ```
///
/// In a test, with a port that the system chooses:
///
/// ```
/// use regrow::{Supervisor, health::serve_health, testing::Journal};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
/// let tree = Supervisor::one_for_one("shop").child(Journal::new().probe("db")).start().await?;
/// let health = serve_health("127.0.0.1:0".parse()?, [tree.health_source()])?;
/// println!("curl http://{}/readyz", health.address());
/// tree.shutdown().await;
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// The address cannot be bound: it is taken, is no address of this machine, or needs a right that the process does not
/// have. Also outside of a tokio runtime, or in one without the I/O or the time driver.
pub fn serve_health(
    address: SocketAddr,
    sources: impl IntoIterator<Item = HealthSource>,
) -> Result<HealthServer, ServeHealthError> {
    let failed = |error| ServeHealthError { address, error };
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    // tokio reports a missing runtime or driver only by a panic.
    let listener = hook::probe(|| {
        drop(tokio::time::sleep(Duration::ZERO));
        TcpListener::from_std(listener)
    });
    let listener = listener.unwrap_or_else(|| Err(io::Error::other(NO_RUNTIME))).map_err(failed)?;
    let serve = axum::serve(Connections::new(listener), health_router(sources)).into_future();
    // Each request is a task of axum's, so a panic there does not end this one.
    let task = tokio::spawn(async move { drop(serve.await) }).abort_handle();
    Ok(HealthServer { address, task })
}

const NO_RUNTIME: &str =
    "it needs a tokio runtime around it, with the I/O and the time driver: build one with `enable_all`";

/// The server of [`serve_health`]. Dropping it frees the address and closes the connections.
#[derive(Debug)]
#[must_use = "it serves until it is dropped"]
pub struct HealthServer {
    address: SocketAddr,
    task: AbortHandle,
}

impl HealthServer {
    /// The address on which it serves, with the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HealthServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The error of [`serve_health`]: the address cannot be served.
#[derive(Debug)]
#[non_exhaustive]
pub struct ServeHealthError {
    /// The address.
    pub address: SocketAddr,
    /// The error of the system.
    pub error: io::Error,
}

impl fmt::Display for ServeHealthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, error } = self;
        write!(f, "cannot serve health on {address}: ")?;
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                f.write_str("another socket has this address: choose another one, or end the program that has it")
            }
            io::ErrorKind::AddrNotAvailable => f.write_str("this machine does not have that address"),
            io::ErrorKind::PermissionDenied => {
                write!(f, "this process may not bind that port ({error}): choose one above 1023")
            }
            _ => error.fmt(f),
        }
    }
}

impl std::error::Error for ServeHealthError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
