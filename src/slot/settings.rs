//! The settings of a mailbox.

use std::time::Duration;

/// Reaction of a full mailbox to a message that cannot wait: a [`cast`](crate::Handle::cast) or a
/// [`try_call`](crate::Handle::try_call). A [`send`](crate::Handle::send) and a [`call`](crate::Handle::call) wait for
/// room, whatever this says: see [`ServiceChild::wait_for_room`](crate::ServiceChild::wait_for_room).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// Refuses the message and gives it back.
    #[default]
    Refuse,
    /// Sheds the oldest waiting message and takes the new one. The new message does not queue behind senders that wait
    /// for room, because it made its own room.
    DropOldest,
    /// Takes the new message and sheds it at once: the sender sees success.
    DropNewest,
}

/// Treatment of queued messages at an end that may be followed by a new life: a crash, a group restart, a restart of
/// the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnRestart {
    /// Queued messages reach the next incarnation, in order. Only the message in hand is lost, unless it is
    /// [redelivered](crate::ServiceChild::redeliver).
    #[default]
    Keep,
    /// Queued messages are shed, as in OTP, where a new process has an empty mailbox (OTP rule 104). So are messages
    /// that come before the next attempt to start begins.
    Drop,
}

/// Number of messages that a mailbox holds by default.
pub const DEFAULT_MAILBOX_CAPACITY: usize = 1024;

/// Time that a sender waits for room in a mailbox by default.
pub const DEFAULT_ROOM_WAIT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) capacity: usize,
    pub(crate) overflow: Overflow,
    pub(crate) on_restart: OnRestart,
    /// Time that senders wait for room. `None`: without limit.
    pub(crate) room_wait: Option<Duration>,
    /// Time without a message after which an incarnation ends. `None`: never.
    pub(crate) idle_after: Option<Duration>,
    /// Whether a call with a caller that waits no more is left out.
    pub(crate) skips_abandoned: bool,
    /// Whether its times are measured.
    pub(crate) is_measured: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            capacity: DEFAULT_MAILBOX_CAPACITY,
            overflow: Overflow::default(),
            on_restart: OnRestart::default(),
            room_wait: Some(DEFAULT_ROOM_WAIT),
            idle_after: None,
            skips_abandoned: false,
            is_measured: false,
        }
    }
}
