//! How a tree ends in order, and what is told about it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::Exit;
use tokio::time::Instant;

use crate::supervisor::facts::Fact;
use crate::supervisor::parent::Root;
use crate::time::{later, part};
use crate::tree::Tree;

impl Tree {
    /// Stops the tree in order, youngest child first, depth first, and waits for its end.
    ///
    /// Bounded by the children's shutdown times, unless one of them says [`Shutdown::Wait`](crate::Shutdown::Wait) or
    /// [`Abandon::Never`](crate::Abandon::Never); see [`shutdown_within`](Self::shutdown_within). Calling it again, or at
    /// the same time, waits for the same end.
    pub async fn shutdown(&self) -> ShutdownReport {
        let begun = Instant::now();
        self.begin_shutdown();
        self.report(begun).await
    }

    /// As [`shutdown`](Self::shutdown), but over after `limit` whatever the children say: what has not stopped after
    /// three quarters of it is killed, and what is left at its end is abandoned.
    pub async fn shutdown_within(&self, limit: Duration) -> ShutdownReport {
        let begun = Instant::now();
        self.begin_shutdown();
        for (at, then) in [(part(limit, 4).saturating_mul(3), Fact::Kill), (limit, Fact::Abandon)] {
            if tokio::time::timeout_at(later(begun, at), self.wait()).await.is_err() {
                self.facts.push(then);
            }
        }
        self.report(begun).await
    }

    /// Waits for the end of the tree, which comes by a shutdown, by the root's giving up, or by a kill.
    pub async fn wait(&self) -> Exit {
        match self.wait_for(|root| matches!(root, Root::Ended { .. })).await {
            Root::Ended { exit, .. } => exit,
            Root::Booting | Root::Up => Exit::Killed,
        }
    }

    /// Runs until the tree ends by itself or the process is told to end (Ctrl-C, and SIGTERM on Unix); then shuts the
    /// tree down.
    ///
    /// # Errors
    ///
    /// When the signal handlers cannot be installed. The tree is untouched then.
    #[cfg(feature = "signal")]
    pub async fn run_until_signal(&self) -> std::io::Result<ShutdownReport> {
        let signal = async {
            #[cfg(unix)]
            {
                let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
                tokio::select! {
                    interrupted = tokio::signal::ctrl_c() => interrupted,
                    _ = terminate.recv() => Ok(()),
                }
            }
            #[cfg(not(unix))]
            tokio::signal::ctrl_c().await
        };
        tokio::select! {
            signalled = signal => signalled?,
            _ = self.wait() => {}
        }
        Ok(self.shutdown().await)
    }

    fn begin_shutdown(&self) {
        self.world.begin_shutdown();
        self.facts.push(Fact::Stop(Exit::Shutdown));
    }

    async fn report(&self, begun: Instant) -> ShutdownReport {
        let exit = self.wait().await;
        let casualties = self.world.casualties();
        ShutdownReport { exit, killed: casualties.killed, abandoned: casualties.abandoned, took: begun.elapsed() }
    }
}

/// How a tree was shut down.
#[derive(Debug, Clone)]
pub struct ShutdownReport {
    /// How the root ended.
    pub exit: Exit,
    /// Children that were asked to stop and had to be killed, in that order.
    pub killed: Vec<Arc<str>>,
    /// Children that a kill did not end, and that were left behind.
    pub abandoned: Vec<Arc<str>>,
    /// From the order to the end.
    pub took: Duration,
}

impl ShutdownReport {
    /// Whether everybody stopped as asked.
    pub fn is_clean(&self) -> bool {
        self.killed.is_empty() && self.abandoned.is_empty()
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ended ({}) after {:.1?}", self.exit, self.took)?;
        for (what, who) in [("killed", &self.killed), ("abandoned", &self.abandoned)] {
            if !who.is_empty() {
                write!(f, "; {what}: {}", who.join(", "))?;
            }
        }
        Ok(())
    }
}
