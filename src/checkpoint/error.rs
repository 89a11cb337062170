//! Errors of stores and of checkpoints.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::checkpoint::store::Stamp;
use crate::error::Interruption;
use crate::error::unavailable::PeerUnavailable;

/// Reason for which a store did not do its work.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// A newer claim or a newer save is stored. The writer is an old incarnation, or its save came late.
    Superseded {
        /// Epoch of the newest claim.
        epoch: u64,
        /// Stamp of the stored value, or of the discard that removed it, if there is one.
        stored: Option<Stamp>,
    },
    /// The stored value is damaged: it does not have the length or the checksum that it was written with.
    Damaged {
        /// Where it is stored, what is wrong with it, and what to do.
        what: String,
        /// Whether the value before it is intact.
        has_previous: bool,
    },
    /// Any other fault: no room, no access, no connection. It can be downcast to what the store got, for instance an
    /// [`io::Error`](std::io::Error).
    Failed(anyhow::Error),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Superseded { epoch, stored: Some(stored) } => {
                write!(f, "superseded: epoch {epoch} has been claimed, and the newest save has {stored}")
            }
            Self::Superseded { epoch, stored: None } => write!(f, "superseded: epoch {epoch} has been claimed"),
            Self::Damaged { what, has_previous: _ } => f.write_str(what),
            Self::Failed(error) => write!(f, "{error:#}"),
        }
    }
}

/// The text has all causes, so that one line tells them. None is told again as a source, except what decides about the
/// message in hand.
impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Superseded { .. } | Self::Damaged { .. } => None,
            Self::Failed(error) => deciding_cause(error),
        }
    }
}

/// The cause for which an end is no fault of the message in hand, if there is one.
fn deciding_cause(error: &anyhow::Error) -> Option<&(dyn Error + 'static)> {
    error.chain().find(|cause| cause.is::<PeerUnavailable>() || cause.is::<Interruption>())
}

/// Error of a claim, a save or a discard. It names the key and the store.
///
/// Its text has all causes. To look for one in code, match [`problem`](Self::problem): the errors in it can be
/// downcast.
#[derive(Debug)]
#[non_exhaustive]
pub struct CheckpointError {
    /// Key in the store: the path of the service, if no other was given.
    pub key: Arc<str>,
    /// The store, as it [describes](crate::checkpoint::CheckpointStore::describe) itself.
    pub store: String,
    /// The problem.
    pub problem: Problem,
    /// Claim or save that came first, if the store refused this one as superseded.
    pub superseded_by: Option<SupersededBy>,
}

/// Claim or save that came before a save, so that the store refused it as superseded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SupersededBy {
    /// A newer save of the same incarnation: this one came late.
    NewerSave,
    /// A later claim of the same service, most often by its next incarnation: this one was abandoned, or a part of it runs on
    /// outside of it.
    LaterIncarnation,
    /// Another service of this process, with this path. Both use the same key.
    Service(Arc<str>),
    /// A claim of another process, of another `Checkpoints` of this process, or one that timed out and took place later.
    Elsewhere,
}

impl fmt::Display for SupersededBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewerSave => f.write_str("a newer save came first"),
            Self::LaterIncarnation => f.write_str("the service has claimed it again, most often in its next incarnation"),
            Self::Service(path) => write!(
                f,
                "the service `{}` has claimed it with the same key: give one of the two a key of its own, with \
                 `checkpoint_at`",
                path.trim_start_matches('/')
            ),
            Self::Elsewhere => f.write_str(
                "it was claimed elsewhere: by another process, by another `Checkpoints` of this one, by a discard, or by a \
                 claim that timed out and came late. If it was another process, stop that, or give each a key of its own",
            ),
        }
    }
}

/// Problem of a claim, a save or a discard.
#[derive(Debug)]
#[non_exhaustive]
pub enum Problem {
    /// The store refused or failed.
    Store(StoreError),
    /// The store gave no answer within the limit. The save may still take place, unless a newer one or a claim comes
    /// first.
    TimedOut(Duration),
    /// The value could not be encoded.
    Encode(anyhow::Error),
    /// The stored value could not be decoded.
    Decode(anyhow::Error),
    /// The stored value was written by a newer program.
    NewerSchema {
        /// Version of the stored value.
        stored: u32,
        /// Newest version that this program knows.
        known: u32,
    },
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "checkpoint `{}` in {}: ", self.key, self.store)?;
        match &self.problem {
            Problem::Store(error) => write!(f, "{error}"),
            Problem::TimedOut(limit) => write!(f, "no answer within {limit:?}"),
            Problem::Encode(error) => write!(f, "the value cannot be encoded: {error:#}"),
            Problem::Decode(error) => write!(
                f,
                "the stored value cannot be decoded: {error:#}. It stays stored: start a program that can read it, or \
                 remove it with `Checkpoints::discard`"
            ),
            Problem::NewerSchema { stored, known } => write!(
                f,
                "the stored value has schema {stored}, and this program knows up to {known}. It stays stored: start a \
                 newer program, or remove it with `Checkpoints::discard`"
            ),
        }?;
        match &self.superseded_by {
            Some(by) => write!(f, "; {by}"),
            None => Ok(()),
        }
    }
}

impl Error for CheckpointError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.problem {
            Problem::Store(error) => error.source(),
            Problem::Encode(error) | Problem::Decode(error) => deciding_cause(error),
            Problem::TimedOut(_) | Problem::NewerSchema { .. } => None,
        }
    }
}

/// Error of a wait for a save: nothing is saved any more.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NotSaved {
    /// The key in the store.
    pub key: Arc<str>,
    /// The store, as it [describes](crate::checkpoint::CheckpointStore::describe) itself.
    pub store: Arc<str>,
    /// Text of the error: a save failed, or a change panicked. `None` if the incarnation ended before the save.
    pub failure: Option<Arc<str>>,
}

impl NotSaved {
    pub(super) fn of(error: &CheckpointError) -> Self {
        let failure = Some(error.to_string().into());
        Self { key: error.key.clone(), store: error.store.as_str().into(), failure }
    }

    pub(super) fn half_changed(key: &Arc<str>, store: &str) -> Self {
        let failure =
            format!("checkpoint `{key}` in {store}: a change panicked halfway, and nothing is saved after that");
        Self { key: key.clone(), store: store.into(), failure: Some(failure.into()) }
    }

    pub(super) fn ended(key: &Arc<str>, store: &str) -> Self {
        Self { key: key.clone(), store: store.into(), failure: None }
    }
}

impl fmt::Display for NotSaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.failure {
            // It names key and store.
            Some(failure) => f.write_str(failure),
            None => write!(
                f,
                "checkpoint `{}` in {}: the incarnation ended before its last change was saved",
                self.key, self.store
            ),
        }
    }
}

impl Error for NotSaved {}
