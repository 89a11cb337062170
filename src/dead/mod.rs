//! Dead letters: messages that a mailbox accepted and nobody will handle, kept for an operator to look at and to replay.
//!
//! Invariants:
//! 1. Nothing is kept before somebody has asked for it, and never more than was asked for.
//! 2. A message is dropped by nobody who holds a lock, and a destructor that panics harms nobody.
//! 3. A letter is counted as dead-lettered for good. What is replayed is accepted once more, as a new message.

mod graves;
mod replay;

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use regrow_supervisors::Exit;
use tokio::time::Instant;

use crate::current;
use crate::sync::lock;
use crate::world::World;
pub(crate) use graves::Graves;
pub use graves::{DEAD_LETTERS_KEPT, DeadLetters};
pub(crate) use replay::Refused;
pub use replay::{ReplayError, ReplayFailure};

/// Why nobody will handle a message.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum DeadReason {
    /// The mailbox was full, and it had waited longest ([`Overflow::DropOldest`](crate::Overflow::DropOldest)).
    DroppedOldest,
    /// The mailbox was full when it came ([`Overflow::DropNewest`](crate::Overflow::DropNewest)).
    DroppedNewest,
    /// An incarnation ended, and a new life begins with an empty mailbox ([`OnRestart::Drop`](crate::OnRestart::Drop)).
    DroppedOnRestart,
    /// The service was parked.
    Parked,
    /// The service was terminated, ended cleanly or was not wanted.
    Down,
    /// The service's spec was deleted, or its tree is over.
    Gone,
    /// An experiment had it lost on its way.
    Chaos,
    /// It was [redelivered](crate::ServiceChild::redeliver) as often as asked for, and ended every incarnation.
    Poison {
        /// How the last of them ended.
        exit: Exit,
    },
    /// It was redelivered ten times because a peer of the service was not available, and the peer was not the eleventh time
    /// either: see [`PeerUnavailable`](crate::PeerUnavailable).
    PeerUnavailable {
        /// How the last incarnation ended that had it in hand.
        exit: Box<Exit>,
    },
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DroppedOldest => f.write_str("the mailbox was full, and it had waited longest"),
            Self::DroppedNewest => f.write_str("the mailbox was full"),
            Self::DroppedOnRestart => f.write_str("the service was restarted with an empty mailbox"),
            Self::Parked => f.write_str("the service was parked"),
            Self::Down => f.write_str("the service went down"),
            Self::Gone => f.write_str("the service is gone"),
            Self::Chaos => f.write_str("an experiment had it lost"),
            Self::Poison { exit } => write!(f, "it is poison: {exit}"),
            Self::PeerUnavailable { exit } => write!(f, "peer unavailable: {exit}"),
        }
    }
}

/// A message that was accepted and that nobody will handle; got from [`DeadLetters`].
///
/// Clones are the same letter: the message is in it until one of them is replayed or opened. When the last is dropped, so
/// is the message.
///
/// A [`Reply`](crate::Reply) in it answers nobody: the caller was told what became of the call, or had gone.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The service that it was sent to.
    pub path: Arc<str>,
    /// The generation of the service's latest incarnation then.
    pub generation: u64,
    /// The type of the message.
    pub message_type: &'static str,
    /// How many incarnations had it in hand; 0 says that it never ran.
    pub attempt: u32,
    /// Why nobody will handle it.
    pub reason: DeadReason,
    body: Arc<Body>,
}

impl DeadLetter {
    /// How long ago it became a dead letter. (Messages carry no time from when they were sent: reading the clock would cost
    /// as much as sending them does.)
    pub fn age(&self) -> Duration {
        self.body.died.elapsed()
    }

    /// Whether the message is still in it.
    pub fn is_whole(&self) -> bool {
        lock(&self.body.message).is_some()
    }

    /// The message, if it is of this type and still in there.
    ///
    /// # Errors
    ///
    /// The letter, as it was.
    pub fn into_message<M: Send + 'static>(self) -> Result<M, Self> {
        match self.take().map(|message| message.downcast::<M>()) {
            Some(Ok(message)) => Ok(*message),
            Some(Err(message)) => {
                self.put_back(message);
                Err(self)
            }
            None => Err(self),
        }
    }

    /// Puts the message into the mailbox of the service that has the letter's path now, where it is as new: last in line,
    /// with nobody to answer. It obeys the capacity and never waits.
    ///
    /// # Errors
    ///
    /// When that service refuses it, takes other messages or is not there any more, or the message is not in the letter any
    /// more. The letter comes back in the error, as it was.
    pub fn replay(self) -> Result<(), ReplayError> {
        let Some(world) = self.body.world.upgrade() else {
            return Err(ReplayError::new(self, ReplayFailure::NotFound));
        };
        let Some(listed) = world.directory.get(&self.path) else {
            return Err(ReplayError::new(self, ReplayFailure::NotFound));
        };
        let Some(message) = self.take() else { return Err(ReplayError::new(self, ReplayFailure::NotWhole)) };
        match listed.slot.replay(message) {
            Ok(()) => Ok(()),
            Err((refused, message)) => {
                self.put_back(message);
                Err(ReplayError::new(self, refused.into()))
            }
        }
    }

    fn take(&self) -> Option<Message> {
        lock(&self.body.message).take()
    }

    fn put_back(&self, message: Message) {
        let before = lock(&self.body.message).replace(message);
        debug_assert!(before.is_none(), "a message is in one place");
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("path", &self.path)
            .field("generation", &self.generation)
            .field("message_type", &self.message_type)
            .field("attempt", &self.attempt)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, generation, message_type, attempt, reason, .. } = self;
        write!(f, "{message_type} to {path}#{generation}, begun {attempt} times: {reason}")
    }
}

type Message = Box<dyn Any + Send>;

/// What the clones of a letter share.
struct Body {
    path: Arc<str>,
    died: Instant,
    message: Mutex<Option<Message>>,
    world: Weak<World>,
}

/// Invariant 2.
impl Drop for Body {
    fn drop(&mut self) {
        let message = lock(&self.message).take();
        if message.is_some() {
            current::drop_quietly(message, &self.path, "a dead letter");
        }
    }
}
