//! How a mailbox is set up, and the mailbox that is made before its service.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::handle::Handle;
use crate::slot::status::ServiceState;
use crate::slot::{AnySlot, Slot};

/// What a full mailbox does with one more message that cannot wait: of a [`cast`](Handle::cast) or a
/// [`try_call`](Handle::try_call). A [`send`](Handle::send) and a [`call`](Handle::call) wait for room, whatever this says:
/// see [`ServiceChild::wait_for_room`](crate::ServiceChild::wait_for_room).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// Refuses it and gives it back.
    #[default]
    Refuse,
    /// Sheds the message that has waited longest and takes the new one. It has its place before the senders that wait for
    /// room: it has made that place itself.
    DropOldest,
    /// Takes the new message and sheds it at once: the sender sees success.
    DropNewest,
}

/// What happens to queued messages at an end that may be followed by a new life: a crash, a group restart, a restart
/// of the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnRestart {
    /// They reach the next incarnation, in order. Only the message in hand is lost, unless it is
    /// [redelivered](crate::ServiceChild::redeliver).
    #[default]
    Keep,
    /// They are shed, as in OTP, where a new process has an empty mailbox (OTP rule 104). So is what comes in until the
    /// next attempt to start begins.
    Drop,
}

/// How many messages a mailbox holds unless told otherwise.
pub const DEFAULT_MAILBOX_CAPACITY: usize = 1024;

/// How long a sender waits for room in a mailbox unless told otherwise.
pub const DEFAULT_ROOM_WAIT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) capacity: usize,
    pub(crate) overflow: Overflow,
    pub(crate) on_restart: OnRestart,
    /// How long senders wait for room. None: without limit.
    pub(crate) room_wait: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            capacity: DEFAULT_MAILBOX_CAPACITY,
            overflow: Overflow::default(),
            on_restart: OnRestart::default(),
            room_wait: Some(DEFAULT_ROOM_WAIT),
        }
    }
}

/// A mailbox whose service does not exist yet, to be given to a child with
/// [`mailbox`](crate::ServiceChild::mailbox). Made by [`mailbox`].
///
/// Messages sent before the tree starts wait in it. A mailbox that is dropped without having been given to a child is
/// gone, and so are they.
pub struct Mailbox<M: Send + 'static> {
    slot: Option<Arc<Slot<M>>>,
}

/// Makes a mailbox and the handle to it, before anything runs: services that know each other need no `Option`, no start
/// order and no look-up by name.
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
    /// The child takes it over.
    pub(crate) fn into_slot(mut self) -> Arc<Slot<M>> {
        match self.slot.take() {
            Some(slot) => slot,
            None => unreachable!("the slot is taken once, by value"),
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

/// A slot that belongs to a child which may never run: unless it was listed in a directory, it is closed when dropped,
/// so that nobody waits for a tree that was refused.
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
