//! The mailbox that is made before its service.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::handle::Handle;
use crate::slot::Slot;
use crate::slot::erased::AnySlot;
use crate::slot::settings::Settings;
use crate::slot::status::ServiceState;

/// Mailbox of a service that does not exist yet. Made by [`mailbox`], and given to a child with
/// [`ServiceChild::mailbox`](crate::ServiceChild::mailbox).
///
/// Messages sent before the tree starts wait in it. If it is dropped without having been given to a child, it is gone,
/// and so are its messages.
pub struct Mailbox<M: Send + 'static> {
    slot: Option<Arc<Slot<M>>>,
}

/// Makes a mailbox and the handle to it, before anything runs. Services that know each other then need no `Option`, no
/// start order and no look-up by name.
///
/// ```
/// use regrow::{Handle, mailbox};
///
/// #[derive(Clone)]
/// struct Peers { ping: Handle<u32>, pong: Handle<u32> }
///
/// let (ping_mailbox, ping) = mailbox();
/// let (pong_mailbox, pong) = mailbox();
/// let peers = Peers { ping, pong };
/// peers.ping.cast(1)?;
/// # drop((ping_mailbox, pong_mailbox));
/// # Ok::<(), regrow::SendError<u32>>(())
/// ```
pub fn mailbox<M: Send + 'static>() -> (Mailbox<M>, Handle<M>) {
    let slot = Slot::new(Settings::default());
    (Mailbox { slot: Some(slot.clone()) }, Handle::new(slot))
}

impl<M: Send + 'static> Mailbox<M> {
    /// Hands the slot over to the child.
    pub(crate) fn into_slot(mut self) -> Arc<Slot<M>> {
        match self.slot.take() {
            Some(slot) => slot,
            None => unreachable!("the slot is taken only once, by value"),
        }
    }
}

impl<M: Send + 'static> Drop for Mailbox<M> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.close_as(ServiceState::Gone);
        }
    }
}

/// Slot of a child that may never run. Unless it was listed in a directory, dropping this closes the slot, so that no
/// caller waits for a tree that was refused.
pub(crate) struct Reserved {
    slot: Arc<dyn AnySlot>,
    is_listed: AtomicBool,
}

impl Reserved {
    pub(crate) fn new(slot: Arc<dyn AnySlot>) -> Self {
        Self { slot, is_listed: AtomicBool::new(false) }
    }

    pub(crate) fn slot(&self) -> &Arc<dyn AnySlot> {
        &self.slot
    }

    pub(crate) fn set_listed(&self) {
        self.is_listed.store(true, Ordering::Relaxed);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if !*self.is_listed.get_mut() {
            self.slot.close(ServiceState::Gone);
        }
    }
}

impl<M: Send + 'static> fmt::Debug for Mailbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("message", &std::any::type_name::<M>()).finish()
    }
}
