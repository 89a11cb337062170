//! Errors of stores and of checkpoints.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::checkpoint::store::Stamp;

/// Reason for which a store did not do its work.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// A newer claim or a newer save is stored. The writer is an old incarnation, or its save came late.
    Superseded {
        /// Epoch of the newest claim.
        epoch: u64,
        /// Stamp of the stored value, if one is stored.
        stored: Option<Stamp>,
    },
    /// The stored value is damaged: it does not have the length or the checksum that it was written with.
    Damaged {
        /// Where it is stored, and what is wrong with it.
        what: String,
        /// Whether the value before it is intact.
        has_previous: bool,
    },
    /// Any other fault: no room, no access, no connection.
    Failed(anyhow::Error),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Superseded { epoch, stored: Some(stored) } => {
                write!(f, "superseded: epoch {epoch} has been claimed, and the stored value has {stored}")
            }
            Self::Superseded { epoch, stored: None } => write!(f, "superseded: epoch {epoch} has been claimed"),
            Self::Damaged { what, has_previous: true } => write!(f, "{what}; the value before it is intact"),
            Self::Damaged { what, has_previous: false } => write!(f, "{what}, and there is no value before it"),
            Self::Failed(error) => write!(f, "{error:#}"),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Superseded { .. } | Self::Damaged { .. } => None,
            Self::Failed(error) => error.source(),
        }
    }
}

/// Error of a claim, a save or a discard. It names the key and the store.
#[derive(Debug)]
pub struct CheckpointError {
    /// Key in the store: the path of the service, if no other was given.
    pub key: Arc<str>,
    /// The store, as it [describes](crate::checkpoint::CheckpointStore::describe) itself.
    pub store: String,
    /// What happened.
    pub problem: Problem,
}

/// What happened to a claim, a save or a discard.
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
            Problem::Decode(error) => write!(f, "the stored value cannot be decoded: {error:#}"),
            Problem::NewerSchema { stored, known } => write!(
                f,
                "the stored value has schema {stored}, and this program knows up to {known}: start a newer program, or \
                 discard the value"
            ),
        }
    }
}

impl Error for CheckpointError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.problem {
            Problem::Store(error) => error.source(),
            Problem::Encode(error) | Problem::Decode(error) => error.source(),
            Problem::TimedOut(_) | Problem::NewerSchema { .. } => None,
        }
    }
}
