//! Parking by order: a child is set aside until it is revived.

use std::sync::Arc;

use regrow_supervisors::Order;

use crate::error::orders::ParkError;
use crate::handle::Handle;
use crate::supervisor::dynamic_handle::DynamicHandle;
use crate::supervisor::manage::SupervisorHandle;
use crate::tree::Tree;
use crate::tree::shared::Shared;

impl<M: Send + 'static> Handle<M> {
    /// Sets the service aside until an order [revives](SupervisorHandle::revive) it, for work on something that it uses,
    /// or because it does harm.
    ///
    /// A service with an incarnation is stopped by its shutdown rule: the message in hand is finished, and the
    /// [stop hook](crate::Service::stopped) runs. A start that is under way or due is cut short. A service that is parked
    /// for its budget, or for a service that it depends on, is not tried any more. Completes when no incarnation is left.
    ///
    /// A mailbox that drains is worked off. Other messages that are queued become dead letters, and calls get theirs back. From the request to stop on, senders are
    /// refused: [`Stopping`](crate::Refusal::Stopping), then [`Parked`](crate::Refusal::Parked). No sibling is touched, a
    /// group that waits for the service is started without it, and a restart of the group passes it over. Services that
    /// depend on it are left alone. If one of them is to be started meanwhile, it is parked too, until this one is
    /// revived.
    ///
    /// No time brings the service back. A new life of its supervisor does: it starts all of its described children. An
    /// order to terminate the service makes it an ordinary one that is down. A revival forgets all its failures.
    ///
    /// The event [`Parked`](crate::EventKind::Parked), [`why`](Self::why) and the log have the `reason`. Dropping the
    /// future does not undo the order.
    ///
    /// ```
    /// use regrow::testing::{Journal, ProbeMsg};
    /// use regrow::{Refusal, Supervisor};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let tree = Supervisor::one_for_one("shop").child(Journal::new().probe("mail")).start().await?;
    /// let mail = tree.lookup::<ProbeMsg>("shop/mail")?;
    ///
    /// mail.park("the provider blocks us").await?;
    /// assert_eq!(mail.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Parked { until: None });
    /// assert!(mail.why().await.to_string().starts_with("`shop/mail` is parked by order: the provider blocks us"));
    ///
    /// tree.revive("shop/mail").await?;
    /// # mail.wait_ready().await?; tree.shutdown().await; Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// * [`NotFound`](ParkError::NotFound), or a supervisor that is not running.
    /// * [`Parked`](ParkError::Parked) by another order, [`Stopping`](ParkError::Stopping), [`Down`](ParkError::Down).
    /// * [`Starting`](ParkError::Starting), if the order that brought the service waits for its start.
    /// * [`ToItself`](ParkError::ToItself), if code of the service, or of one below it, waits for this.
    pub async fn park(&self, reason: impl Into<Arc<str>>) -> Result<(), ParkError> {
        let path = self.path();
        match Shared::of(self.slot()) {
            Some(shared) => shared.park(&path, reason.into()).await,
            None => Err(ParkError::NotFound { path }),
        }
    }
}

impl Tree {
    /// Sets the child of any kind with this path aside until it is [revived](Self::revive): see [`Handle::park`]. A
    /// supervisor stops everything below it, and everything below refuses messages.
    ///
    /// # Errors
    ///
    /// Those of [`Handle::park`], and [`IsRoot`](ParkError::IsRoot).
    pub async fn park(&self, path: &str, reason: impl Into<Arc<str>>) -> Result<(), ParkError> {
        self.shared.park(path, reason.into()).await
    }
}

impl Shared {
    async fn park(self: &Arc<Self>, path: &str, reason: Arc<str>) -> Result<(), ParkError> {
        let not_found = || ParkError::NotFound { path: path.into() };
        let Some((scope, name)) = path.rsplit_once('/') else {
            let is_root = self.directory.get(path).is_some();
            return Err(if is_root { ParkError::IsRoot { path: path.into() } } else { not_found() });
        };
        self.supervisor_of(scope).ok_or_else(not_found)?.park(name, reason).await
    }
}

impl SupervisorHandle {
    /// Sets a child aside until it is [revived](Self::revive): see [`Handle::park`].
    ///
    /// # Errors
    ///
    /// Those of [`Handle::park`].
    pub async fn park(&self, name: &str, reason: impl Into<Arc<str>>) -> Result<(), ParkError> {
        self.refuse_own_end(name).map_err(ParkError::of)?;
        let order = Order::Park { id: name.into(), reason: reason.into() };
        self.order(order, Vec::new(), |_, _| ()).await.map_err(ParkError::of)
    }
}

impl DynamicHandle {
    /// Sets a child aside until it is [revived](Self::revive): see [`Handle::park`]. It counts as one of the
    /// [`max_children`](crate::DynamicSupervisor::max_children) meanwhile.
    ///
    /// # Errors
    ///
    /// Those of [`Handle::park`].
    pub async fn park(&self, name: &str, reason: impl Into<Arc<str>>) -> Result<(), ParkError> {
        self.supervisor().park(name, reason).await
    }
}
