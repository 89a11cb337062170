//! The restart of a running child by order.

use std::sync::Arc;

use regrow_supervisors::Order;

use crate::error::orders::RestartError;
use crate::handle::Handle;
use crate::supervisor::manage::SupervisorHandle;
use crate::supervisor::outcome::StartOutcome;
use crate::tree::Tree;
use crate::tree::shared::Shared;

impl<M: Send + 'static> Handle<M> {
    /// Restarts the service on purpose, for new settings or a new certificate: a restart that is no failure.
    ///
    /// The service stops as its shutdown rule says: the message in hand is finished, a mailbox that drains is worked
    /// off, and the [stop hook](crate::Service::stopped) runs. Then its factory builds the next incarnation. Completes
    /// when that is up, and returns its generation.
    ///
    /// No budget is charged, the restart has no delay, and no sibling is touched, whatever the strategy. The restart type
    /// does not matter: a temporary service is restarted too. Meanwhile the mailbox accepts messages. What is queued
    /// reaches the next incarnation, or is shed if the mailbox [drops](crate::OnRestart) it. A service that does not stop
    /// in its shutdown time is killed, and loses the message in hand.
    ///
    /// Orders that come before the old incarnation has ended merge: they complete with the same new incarnation. While
    /// that one starts, an order is [refused](RestartError::Starting). An order to terminate the service wins.
    ///
    /// The event [`RestartOrdered`](crate::EventKind::RestartOrdered), [`why`](Self::why) and the log have the `reason`.
    /// The next incarnation finds it in [`last_exit`](crate::Context::last_exit), as
    /// [`ShutdownWith`](crate::Exit::ShutdownWith). Dropping the future does not undo the order.
    ///
    /// ```
    /// use regrow::testing::{Journal, ProbeMsg};
    /// use regrow::{Intensity, Supervisor};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let none = Intensity::new(0, Duration::from_secs(5));
    /// let tree = Supervisor::one_for_all("app").budget(none).child(Journal::new().probe("tls")).start().await?;
    /// let tls = tree.lookup::<ProbeMsg>("app/tls")?;
    ///
    /// let restarted = tls.restart("new certificate").await?.up();
    /// assert_eq!(restarted.map(|up| up.generation), Some(2));
    /// assert!(tls.why().await.to_string().contains("new certificate"));
    /// # tree.shutdown().await; Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If the service is not up, nothing is changed: [`Starting`](RestartError::Starting),
    /// [`Restarting`](RestartError::Restarting), [`Parked`](RestartError::Parked), [`Down`](RestartError::Down),
    /// [`Stopping`](RestartError::Stopping), [`NotFound`](RestartError::NotFound), or a supervisor that is not running.
    /// Code of the service itself is refused: [`ToItself`](RestartError::ToItself).
    ///
    /// [`Failed`](RestartError::Failed) if the new incarnation does not start. This failure counts like any other: the
    /// supervisor reports it and tries again, by the policy, the strategy and the budget.
    pub async fn restart(&self, reason: impl Into<Arc<str>>) -> Result<StartOutcome, RestartError> {
        let path = self.path();
        match Shared::of(self.slot()) {
            Some(shared) => shared.restart(&path, reason.into()).await,
            None => Err(RestartError::NotFound { path }),
        }
    }
}

impl Tree {
    /// Restarts the child of any kind with this path: see [`Handle::restart`]. A supervisor stops everything below it,
    /// and starts it again. The services below keep their handles and, if their mailboxes say so, their messages.
    ///
    /// # Errors
    ///
    /// Those of [`Handle::restart`], and [`IsRoot`](RestartError::IsRoot).
    pub async fn restart(&self, path: &str, reason: impl Into<Arc<str>>) -> Result<StartOutcome, RestartError> {
        self.shared.restart(path, reason.into()).await
    }
}

impl Shared {
    async fn restart(self: &Arc<Self>, path: &str, reason: Arc<str>) -> Result<StartOutcome, RestartError> {
        let not_found = || RestartError::NotFound { path: path.into() };
        let Some((scope, name)) = path.rsplit_once('/') else {
            let is_root = self.directory.get(path).is_some();
            return Err(if is_root { RestartError::IsRoot { path: path.into() } } else { not_found() });
        };
        self.supervisor_of(scope).ok_or_else(not_found)?.renew(name, reason).await
    }
}

impl SupervisorHandle {
    /// Restarts a running child.
    pub(super) async fn renew(&self, name: &str, reason: Arc<str>) -> Result<StartOutcome, RestartError> {
        self.refuse_own_end(name).map_err(RestartError::of)?;
        let order = Order::RenewChild { id: name.into(), reason };
        self.start(order, Vec::new(), |_| ()).await.map_err(RestartError::of)
    }
}
