//! Why a message was refused, and what became of a call.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use regrow_supervisors::Exit;

/// A message on its way back to its sender.
///
/// It is `Sync` for every message that is `Send`, so that the errors which carry it work with `?` into `anyhow`.
pub struct Returned<M>(Box<Mutex<M>>);

impl<M> Returned<M> {
    pub(crate) fn new(message: M) -> Self {
        Self(Box::new(Mutex::new(message)))
    }

    /// The message.
    pub fn into_message(self) -> M {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> fmt::Debug for Returned<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Returned").field(&std::any::type_name::<M>()).finish()
    }
}

/// Why a mailbox refuses a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// A bounded mailbox has no room. Try later, or wait with [`Handle::send`](crate::Handle::send).
    Full,
    /// The service has used up its restarts and is parked; it is tried again at this time.
    Parked {
        /// When.
        until: Instant,
    },
    /// The service was terminated, ended cleanly or was not wanted. An order can bring it back.
    Down,
    /// The service's spec was deleted, or its tree is over.
    Gone,
    /// An order has told the service to stop, and nothing starts it again by itself.
    Stopping,
    /// The service was stopped together with others, in a group restart or at the end of a supervisor, and its group has not
    /// been started again. Refused are a call, and a wait for room, from code below the same supervisor: the group may be
    /// waiting for that code. Other senders are not concerned.
    StoppedWithGroup,
    /// A service called itself, or waited for room in its own mailbox. It could never be answered.
    ToItself,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("its mailbox is full"),
            Self::Parked { until } => {
                let left = until.saturating_duration_since(Instant::now());
                write!(f, "it is parked and will be tried again in {left:.1?}")
            }
            Self::Down => f.write_str("it is down"),
            Self::Gone => f.write_str("it is gone for good"),
            Self::Stopping => f.write_str("it is being terminated"),
            Self::StoppedWithGroup => f.write_str("it was stopped with its group, which may be waiting for the sender"),
            Self::ToItself => f.write_str("a service cannot wait for itself"),
        }
    }
}

/// A message that was refused, with the reason and the message itself. Nothing was enqueued.
pub struct SendError<M> {
    path: std::sync::Arc<str>,
    refusal: Refusal,
    message: Returned<M>,
}

impl<M> SendError<M> {
    pub(crate) fn new(path: std::sync::Arc<str>, refusal: Refusal, message: M) -> Self {
        Self { path, refusal, message: Returned::new(message) }
    }

    /// Why it was refused.
    pub fn refusal(&self) -> Refusal {
        self.refusal
    }

    /// The service that refused it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The message, untouched.
    pub fn into_message(self) -> M {
        self.message.into_message()
    }
}

impl<M> fmt::Debug for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").field("path", &self.path).field("refusal", &self.refusal).finish_non_exhaustive()
    }
}

impl<M> fmt::Display for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` refused the message: {}", self.path, self.refusal)
    }
}

impl<M> std::error::Error for SendError<M> {}

/// What became of a call that was not answered.
pub enum CallError<M> {
    /// The message was refused and is in here. It never entered the mailbox.
    Refused(SendError<M>),
    /// The message was accepted but never ran, and is in here. Repeating it is safe.
    NeverRan(Returned<M>),
    /// The service ended in this way while it worked on the call, or held the reply. It may have had effects.
    Crashed(Exit),
    /// A live service dropped the reply without answering.
    Unanswered,
    /// The time asked for is up.
    TimedOut {
        /// Whether the message still waits in the mailbox. It will run, unless it is shed first.
        queued: bool,
    },
}

impl<M> CallError<M> {
    /// Whether the message certainly had no effect, so that repeating it is safe.
    pub fn is_safe_to_repeat(&self) -> bool {
        match self {
            Self::Refused(_) | Self::NeverRan(_) => true,
            Self::Crashed(_) | Self::Unanswered | Self::TimedOut { .. } => false,
        }
    }

    /// The message, where it came back.
    pub fn into_message(self) -> Option<M> {
        match self {
            Self::Refused(error) => Some(error.into_message()),
            Self::NeverRan(returned) => Some(returned.into_message()),
            Self::Crashed(_) | Self::Unanswered | Self::TimedOut { .. } => None,
        }
    }
}

impl<M> fmt::Debug for CallError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => f.debug_tuple("Refused").field(error).finish(),
            Self::NeverRan(returned) => f.debug_tuple("NeverRan").field(returned).finish(),
            Self::Crashed(exit) => f.debug_tuple("Crashed").field(exit).finish(),
            Self::Unanswered => f.write_str("Unanswered"),
            Self::TimedOut { queued } => f.debug_struct("TimedOut").field("queued", queued).finish(),
        }
    }
}

impl<M> fmt::Display for CallError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::NeverRan(_) => f.write_str("the call never ran; it is safe to repeat"),
            Self::Crashed(exit) => write!(f, "the service ended while it worked on the call: {exit}"),
            Self::Unanswered => f.write_str("the service dropped the reply without answering"),
            Self::TimedOut { queued: true } => f.write_str("the call timed out; its message is still queued"),
            Self::TimedOut { queued: false } => f.write_str("the call timed out"),
        }
    }
}

impl<M> std::error::Error for CallError<M> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        None
    }
}
