//! How a mailbox is set up.

use std::time::Duration;

/// What a full mailbox does with one more message that cannot wait: of a [`cast`](crate::Handle::cast) or a
/// [`try_call`](crate::Handle::try_call). A [`send`](crate::Handle::send) and a [`call`](crate::Handle::call) wait for room, whatever this says:
/// see [`ServiceChild::wait_for_room`](crate::ServiceChild::wait_for_room).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
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
#[non_exhaustive]
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
