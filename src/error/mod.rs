//! Errors of sends and calls: the reason of a refusal, and the outcome of a call.

pub(crate) mod gave_up;
pub(crate) mod get_or_start;
pub(crate) mod kept;
pub(crate) mod manage;
pub(crate) mod not_running;
pub(crate) mod orders;
pub(crate) mod refusal;
pub(crate) mod request;
pub(crate) mod resize;
pub(crate) mod start;
pub(crate) mod task;
pub(crate) mod unavailable;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use regrow_supervisors::Exit;

use crate::error::refusal::Refusal;
use crate::error::unavailable::{PeerUnavailable, type_name};

/// Message on its way back to its sender.
///
/// It is `Sync` for every message that is `Send`, so that the errors which carry it work with `?` into `anyhow`.
pub struct Returned<M>(Box<Held<M>>);

/// Boxed together, so that errors are small.
struct Held<M> {
    cause: PeerUnavailable,
    message: Mutex<M>,
}

impl<M> Returned<M> {
    pub(crate) fn never_ran(path: Arc<str>, message: M) -> Self {
        Self::new(PeerUnavailable::never_ran(path), message)
    }

    fn new(cause: PeerUnavailable, message: M) -> Self {
        Self(Box::new(Held { cause, message: Mutex::new(message) }))
    }

    /// Returns the message.
    pub fn into_message(self) -> M {
        self.0.message.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the path of the service that it was sent to.
    pub fn path(&self) -> &str {
        self.0.cause.path()
    }
}

impl<M> fmt::Debug for Returned<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Returned").field(&std::any::type_name::<M>()).finish()
    }
}

/// Message that was refused, with the reason. It was not enqueued.
///
/// Its [`source`](std::error::Error::source) is a [`PeerUnavailable`], unless the refusal says nothing about the peer.
pub struct SendError<M>(Returned<M>);

impl<M> SendError<M> {
    pub(crate) fn new(path: Arc<str>, refusal: Refusal, message: M) -> Self {
        Self(Returned::new(PeerUnavailable::refused(path, refusal), message))
    }

    /// Returns the reason of the refusal.
    pub fn refusal(&self) -> Refusal {
        match self.0.0.cause.refusal() {
            Some(refusal) => refusal,
            None => unreachable!("a `SendError` is made with a refusal"),
        }
    }

    /// Returns the path of the service that refused it.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// Returns the message, untouched.
    pub fn into_message(self) -> M {
        self.0.into_message()
    }
}

impl<M> fmt::Debug for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError")
            .field("path", &self.path())
            .field("refusal", &self.refusal())
            .finish_non_exhaustive()
    }
}

impl<M> fmt::Display for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` refused the message `{}`: {}", self.path(), type_name::<M>(), self.refusal())
    }
}

impl<M> std::error::Error for SendError<M> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.refusal() {
            Refusal::Interrupted => Some(&Interruption),
            refusal => refusal.is_of_peer().then_some(&self.0.0.cause as _),
        }
    }
}

/// Cause of the errors of a thread that must stop. A thread that fails with it has stopped as asked.
#[derive(Debug)]
pub(crate) struct Interruption;

impl fmt::Display for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the thread was asked to stop, or killed")
    }
}

impl std::error::Error for Interruption {}

/// Reason why a call has no answer.
///
/// If the peer refused or never ran the message, its [`source`](std::error::Error::source) is a [`PeerUnavailable`].
#[non_exhaustive]
pub enum CallError<M> {
    /// The message was refused and is returned here. It never entered the mailbox.
    Refused(SendError<M>),
    /// The message was accepted but never ran, and is returned here. Repeating the call is safe.
    NeverRan(Returned<M>),
    /// The service ended with this exit while it worked on the call or held the reply. The call may have had effects.
    #[non_exhaustive]
    Crashed {
        /// Path of the service that was called.
        path: Arc<str>,
        /// Exit of the incarnation that had the reply. Boxed, because a crash is rare and each call has room for its
        /// error: [`CallError::exit`] looks inside.
        exit: Box<Exit>,
    },
    /// A live service dropped the reply without answering.
    #[non_exhaustive]
    Unanswered {
        /// Path of the service that was called.
        path: Arc<str>,
    },
    /// The time limit is over, and the message had been accepted before. (If it still waited for room, it is
    /// [`Refused`](Self::Refused) and comes back.)
    #[non_exhaustive]
    TimedOut {
        /// Path of the service that was called.
        path: Arc<str>,
        /// Whether the message still waits in the mailbox. It will run, unless it is shed first.
        queued: bool,
    },
    /// The caller is a [`Child::thread`](crate::Child::thread) that was asked to stop or killed while it waited for the
    /// answer. (If the message still waited for room, it is [`Refused`](Self::Refused) and comes back.)
    #[non_exhaustive]
    Interrupted {
        /// Path of the service that was called.
        path: Arc<str>,
        /// Whether the message still waits in the mailbox. It will run, unless it is shed first.
        queued: bool,
    },
}

impl<M> CallError<M> {
    /// Whether the message certainly had no effect, so that repeating it is safe.
    pub fn is_safe_to_repeat(&self) -> bool {
        match self {
            Self::Refused(_) | Self::NeverRan(_) => true,
            Self::Crashed { .. } | Self::Unanswered { .. } | Self::TimedOut { .. } | Self::Interrupted { .. } => false,
        }
    }

    /// Returns the message, if it came back.
    pub fn into_message(self) -> Option<M> {
        match self {
            Self::Refused(error) => Some(error.into_message()),
            Self::NeverRan(returned) => Some(returned.into_message()),
            Self::Crashed { .. } | Self::Unanswered { .. } | Self::TimedOut { .. } | Self::Interrupted { .. } => None,
        }
    }

    /// Returns the exit of the service that worked on the call or held the reply, if the call
    /// [`Crashed`](Self::Crashed).
    ///
    /// ```
    /// use regrow::{CallError, Exit};
    ///
    /// fn was_killed<M>(error: &CallError<M>) -> bool {
    ///     matches!(error.exit(), Some(Exit::Killed))
    /// }
    /// ```
    pub fn exit(&self) -> Option<&Exit> {
        match self {
            Self::Crashed { exit, .. } => Some(exit),
            Self::Refused(_)
            | Self::NeverRan(_)
            | Self::Unanswered { .. }
            | Self::TimedOut { .. }
            | Self::Interrupted { .. } => None,
        }
    }

    /// Returns the path of the service that was called.
    pub fn path(&self) -> &str {
        match self {
            Self::Refused(error) => error.path(),
            Self::NeverRan(returned) => returned.path(),
            Self::Crashed { path, .. }
            | Self::Unanswered { path }
            | Self::TimedOut { path, .. }
            | Self::Interrupted { path, .. } => path,
        }
    }
}

impl<M> fmt::Debug for CallError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => f.debug_tuple("Refused").field(error).finish(),
            Self::NeverRan(returned) => f.debug_tuple("NeverRan").field(returned).finish(),
            Self::Crashed { path, exit } => f.debug_struct("Crashed").field("path", path).field("exit", exit).finish(),
            Self::Unanswered { path } => f.debug_struct("Unanswered").field("path", path).finish(),
            Self::TimedOut { path, queued } => {
                f.debug_struct("TimedOut").field("path", path).field("queued", queued).finish()
            }
            Self::Interrupted { path, queued } => {
                f.debug_struct("Interrupted").field("path", path).field("queued", queued).finish()
            }
        }
    }
}

impl<M> fmt::Display for CallError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, message) = (self.path(), type_name::<M>());
        let still_queued = |queued: &bool| if *queued { "; its message is still queued" } else { "" };
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::NeverRan(_) => write!(f, "`{path}` never ran the call `{message}`; it is safe to repeat"),
            Self::Crashed { exit, .. } => write!(f, "`{path}` ended while it worked on the call `{message}`: {exit}"),
            Self::Unanswered { .. } => write!(f, "`{path}` dropped the reply to `{message}` without answering"),
            Self::TimedOut { queued, .. } => {
                write!(f, "the call `{message}` to `{path}` timed out{}", still_queued(queued))
            }
            Self::Interrupted { queued, .. } => {
                write!(
                    f,
                    "the thread that called `{path}` with `{message}` was asked to stop, or killed{}",
                    still_queued(queued)
                )
            }
        }
    }
}

impl<M> std::error::Error for CallError<M> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(error) => error.source(),
            Self::NeverRan(returned) => Some(&returned.0.cause),
            Self::Interrupted { .. } => Some(&Interruption),
            Self::Crashed { .. } | Self::Unanswered { .. } | Self::TimedOut { .. } => None,
        }
    }
}
