//! The error of a replay.

use std::fmt;

use crate::error::refusal::Refusal;
use crate::slot::erased::Refused;
use crate::tree::dead_letters::DeadLetter;

/// A dead letter that was not replayed, with the reason and the letter itself.
pub struct ReplayError {
    letter: Box<DeadLetter>,
    failure: ReplayFailure,
}

/// The reason why a dead letter was not replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayFailure {
    /// Its message was replayed or taken before.
    NotWhole,
    /// Its message is being looked at: see [`DeadLetter::peek`].
    InUse,
    /// Nothing has its path any more.
    NotFound,
    /// The service that has its path now takes other messages.
    OtherType {
        /// The messages it takes.
        found: &'static str,
    },
    /// The mailbox refused it.
    Refused(Refusal),
}

impl From<Refused> for ReplayFailure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::ByMailbox(refusal) => Self::Refused(refusal),
            Refused::OtherType { found } => Self::OtherType { found },
        }
    }
}

impl ReplayError {
    pub(crate) fn new(letter: DeadLetter, failure: ReplayFailure) -> Self {
        Self { letter: Box::new(letter), failure }
    }

    /// The reason.
    pub fn failure(&self) -> ReplayFailure {
        self.failure
    }

    /// The letter, as it was.
    pub fn into_letter(self) -> DeadLetter {
        *self.letter
    }
}

impl fmt::Debug for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayError").field("failure", &self.failure).field("letter", &self.letter).finish()
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.letter.path;
        match self.failure {
            ReplayFailure::NotWhole => write!(f, "the message to `{path}` is not in its letter any more"),
            ReplayFailure::InUse => write!(f, "the message to `{path}` is being looked at: try again"),
            ReplayFailure::NotFound => write!(f, "nothing is named `{path}` in this tree any more"),
            ReplayFailure::OtherType { found } => {
                write!(f, "`{path}` takes messages of type `{found}` now, not `{}`", self.letter.message_type)
            }
            ReplayFailure::Refused(refusal) => write!(f, "`{path}` refused the message: {refusal}"),
        }
    }
}

impl std::error::Error for ReplayError {}
