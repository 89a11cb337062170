//! Dead letters: messages that a mailbox accepted and that will not be handled. An operator can look at them and replay
//! them.
//!
//! Invariants:
//! 1. Nothing is kept before the first request for dead letters, and never more than the capacity.
//! 2. No message is dropped under a lock, and a destructor that panics harms no other code.
//! 3. A letter is counted as dead-lettered for good. A replayed message is accepted once more, as a new one.
//! 4. A message is in one place: in its letter, lent to code that looks at it, or taken. A letter without its message
//!    is in no list.
//! 5. The user's code looks at a message without a lock.

mod queue;
mod replay;

use std::any::Any;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use std::{fmt, mem};

use tokio::time::Instant;

use crate::base::sweep;
use crate::base::sync::lock;
use crate::slot::dead_letter::DeadReason;
use crate::tree::shared::Shared;
pub(crate) use queue::Queue;
pub use queue::{DEFAULT_DEAD_LETTER_CAPACITY, DeadLetters};
pub use replay::{ReplayError, ReplayFailure};

/// A message that was accepted and will not be handled. [`DeadLetters`] returns it.
///
/// Clones are the same letter. The message is in it until one of them is replayed or opened, which also takes the
/// letter out of [`DeadLetters`]. When the last clone is dropped, so is the message. [`peek`](Self::peek) looks at a
/// message and leaves it there.
///
/// A [`Reply`](crate::Reply) in it reaches no caller: the caller got the outcome of its call already, or is gone.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The service that it was sent to.
    pub path: Arc<str>,
    /// The generation of the service's latest incarnation at that time.
    pub generation: u64,
    /// The type of the message.
    pub message_type: &'static str,
    /// Number of incarnations that had it in hand; 0 if it never ran.
    pub attempt: u32,
    /// The reason why it will not be handled.
    pub reason: DeadReason,
    body: Arc<Body>,
}

impl DeadLetter {
    /// Time since it became a dead letter. (Messages carry no time of sending, because reading the clock would cost as
    /// much as the sending.)
    pub fn age(&self) -> Duration {
        self.body.died.elapsed()
    }

    /// The message's [label](crate::Service::label), if its service gives it one.
    pub fn label(&self) -> Option<&'static str> {
        self.body.label
    }

    /// Whether the message is still in it.
    pub fn is_whole(&self) -> bool {
        !matches!(&*lock(&self.body.message), Content::Taken)
    }

    /// Shows the message to `look`, if it is an `M`, and leaves it where it is.
    ///
    /// `None` if the message is of another type, was taken, or is being looked at through another clone at this moment.
    /// While `look` runs the message cannot be taken either: [`replay`](Self::replay) then fails with
    /// [`ReplayFailure::InUse`], and [`into_message`](Self::into_message) hands the letter back.
    ///
    /// If `look` panics, the message stays in the letter.
    ///
    /// ```
    /// # use regrow::DeadLetter;
    /// fn size(letter: &DeadLetter) -> Option<usize> {
    ///     letter.peek(|line: &String| line.len())
    /// }
    /// ```
    pub fn peek<M: Send + 'static, R>(&self, look: impl FnOnce(&M) -> R) -> Option<R> {
        let lent = Lent { message: Some(self.body.swap(Content::Lent)?), body: &self.body };
        lent.message.as_ref()?.downcast_ref::<M>().map(look)
    }

    /// Number of the letter in its tree. Numbers begin with 1 and grow with each letter that is kept.
    pub fn number(&self) -> u64 {
        self.body.number
    }

    /// Describes the message in the words of the service that has the letter's path now. `None` if that service does not
    /// [describe](crate::Service::describe_message) its messages, or takes others, or if the message is not in the letter.
    pub fn describe(&self) -> Option<String> {
        let slot = self.body.shared.upgrade()?.directory.get(&self.path)?.slot;
        let lent = Lent { message: Some(self.body.swap(Content::Lent)?), body: &self.body };
        lent.message.as_deref().and_then(|message| slot.describe(message))
    }

    /// Returns the message, if it is of this type and still in the letter.
    ///
    /// # Errors
    ///
    /// The letter as it was, if the message is of another type or not in it.
    pub fn into_message<M: Send + 'static>(self) -> Result<M, Self> {
        match self.take().map(|message| message.downcast::<M>()) {
            Some(Ok(message)) => {
                self.leave_list();
                Ok(*message)
            }
            Some(Err(message)) => {
                self.body.put_back(message);
                Err(self)
            }
            None => Err(self),
        }
    }

    /// Puts the message into the mailbox of the service that has the letter's path now. It is like a new message: last
    /// in line, and without a caller to answer. It obeys the capacity and never waits.
    ///
    /// # Errors
    ///
    /// * The service refuses the message, takes other messages, or is not there any more.
    /// * The message is not in the letter any more, or is being looked at.
    ///
    /// The letter comes back in the error, as it was, and stays in its list.
    pub fn replay(self) -> Result<(), ReplayError> {
        let Some(shared) = self.body.shared.upgrade() else {
            return Err(ReplayError::new(self, ReplayFailure::NotFound));
        };
        let Some(listed) = shared.directory.get(&self.path) else {
            return Err(ReplayError::new(self, ReplayFailure::NotFound));
        };
        let Some(message) = self.take() else {
            let failure = if self.is_whole() { ReplayFailure::InUse } else { ReplayFailure::NotWhole };
            return Err(ReplayError::new(self, failure));
        };
        match listed.slot.replay(message) {
            Ok(()) => {
                self.leave_list();
                Ok(())
            }
            Err((refused, message)) => {
                self.body.put_back(message);
                Err(ReplayError::new(self, refused.into()))
            }
        }
    }

    fn take(&self) -> Option<Message> {
        self.body.swap(Content::Taken)
    }

    /// Takes the letter out of its list (invariant 4).
    fn leave_list(&self) {
        if let Some(dead_letter_queue) = self.body.dead_letter_queue.upgrade() {
            dead_letter_queue.remove(self);
        }
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.body, &other.body)
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("path", &self.path)
            .field("generation", &self.generation)
            .field("message_type", &self.message_type)
            .field("label", &self.label())
            .field("attempt", &self.attempt)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, generation, message_type, attempt, reason, .. } = self;
        f.write_str(message_type)?;
        if let Some(label) = self.label() {
            write!(f, " `{label}`")?;
        }
        write!(f, " to {path}#{generation}, begun {attempt} times: {reason}")
    }
}

type Message = Box<dyn Any + Send>;

/// The place of a message.
enum Content {
    Here(Message),
    /// The user's code looks at it.
    Lent,
    Taken,
}

/// The part that the clones of a letter share.
struct Body {
    number: u64,
    path: Arc<str>,
    label: Option<&'static str>,
    died: Instant,
    message: Mutex<Content>,
    shared: Weak<Shared>,
    dead_letter_queue: Weak<Queue>,
}

impl Body {
    /// Takes the message out, if it is here, and puts `instead` in its place.
    fn swap(&self, instead: Content) -> Option<Message> {
        let mut content = lock(&self.message);
        match mem::replace(&mut *content, instead) {
            Content::Here(message) => Some(message),
            elsewhere @ (Content::Lent | Content::Taken) => {
                *content = elsewhere;
                None
            }
        }
    }

    fn put_back(&self, message: Message) {
        let before = mem::replace(&mut *lock(&self.message), Content::Here(message));
        debug_assert!(!matches!(before, Content::Here(_)), "a message is in one place");
    }
}

/// A message that is being looked at. It goes back when the look is over, even by a panic.
struct Lent<'a> {
    message: Option<Message>,
    body: &'a Body,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            self.body.put_back(message);
        }
    }
}

/// Drops the message under invariant 2.
impl Drop for Body {
    fn drop(&mut self) {
        if let Some(message) = self.swap(Content::Taken) {
            sweep::drop_quietly(message, &self.path, "a dead letter");
        }
    }
}
