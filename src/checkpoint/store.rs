//! The contract of a store: what it keeps for each key, and which writer may write.
//!
//! Invariants that each store keeps, whatever process or thread its callers are in:
//! 1. An epoch is raised by a claim only, by one, and in one step with the reading of the value. No two claims of a key
//!    get the same epoch. A discard does not reset it.
//! 2. A save or a discard with a stamp that is not newer than that of each one before, or with another epoch than that of
//!    the newest claim, changes nothing and is refused.
//! 3. A save that was acknowledged is what the next claim returns, also after a crash of the machine, unless a later save
//!    came between. A save that was not acknowledged is there as a whole, or not at all.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::checkpoint::error::StoreError;

/// Future of a store's work.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A place for the latest state of each service: files, a database, memory.
///
/// A store keeps one value for each key, the latest. It does not look into it. For each key it also keeps two facts for
/// ever: the epoch of the newest claim, and the stamp of the newest save or discard.
///
/// All methods may be called at the same time, also for one key. A save is carried to its end, also if its incarnation
/// ends; only the end of the runtime drops it. A claim and a discard may be dropped, for instance when the
/// [limit](crate::checkpoint::Checkpoints::limit) has passed. Each then takes place as a whole or not at all. Blocking work
/// belongs into `tokio::task::spawn_blocking`.
///
/// The [contract tests](crate::checkpoint::contract) check a store of your own:
///
/// ```
/// use regrow::checkpoint::{CheckpointStore, Claim, Record, Stamp, StoreError, StoreFuture, contract};
/// use std::collections::HashMap;
/// use std::sync::Arc;
/// use tokio::sync::Mutex;
///
/// #[derive(Default)]
/// struct Entry { epoch: u64, newest: Option<Stamp>, value: Option<Record> }
///
/// impl Entry {
///     fn change(&mut self, stamp: Stamp, value: Option<Record>) -> Result<(), StoreError> {
///         if stamp.epoch != self.epoch || self.newest.is_some_and(|newest| newest >= stamp) {
///             return Err(StoreError::Superseded { epoch: self.epoch, stored: self.newest });
///         }
///         // A discard leaves its stamp, so that a late save does not bring the value back.
///         (self.newest, self.value) = (Some(stamp), value);
///         Ok(())
///     }
/// }
///
/// #[derive(Default, Clone)]
/// struct MyStore(Arc<Mutex<HashMap<String, Entry>>>);
///
/// impl CheckpointStore for MyStore {
///     fn claim<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Claim> {
///         Box::pin(async move {
///             let mut entries = self.0.lock().await;
///             let entry = entries.entry(key.to_owned()).or_default();
///             entry.epoch += 1;
///             Ok(Claim { epoch: entry.epoch, latest: entry.value.clone() })
///         })
///     }
///     fn save<'a>(&'a self, key: &'a str, record: Record) -> StoreFuture<'a, ()> {
///         Box::pin(async move {
///             self.0.lock().await.entry(key.to_owned()).or_default().change(record.stamp, Some(record))
///         })
///     }
///     fn discard<'a>(&'a self, key: &'a str, stamp: Stamp) -> StoreFuture<'a, ()> {
///         Box::pin(async move { self.0.lock().await.entry(key.to_owned()).or_default().change(stamp, None) })
///     }
///     fn describe(&self) -> String { "a map".into() }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
/// let store = MyStore::default();
/// contract::check(|| async { store.clone() }).await?;
/// # Ok(()) }
/// ```
pub trait CheckpointStore: Send + Sync + 'static {
    /// Raises the epoch of `key` by one, and returns it with the stored value. The first claim returns epoch 1.
    fn claim<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Claim>;

    /// Stores a value, if its stamp has the epoch of the newest claim and is newer than that of each save and discard
    /// before. If not, it changes nothing and fails with [`StoreError::Superseded`]. Completes when the value would
    /// survive a crash of the machine.
    fn save<'a>(&'a self, key: &'a str, record: Record) -> StoreFuture<'a, ()>;

    /// Removes the value, on the same condition as a save. The epoch stays, and the stamp of the discard is the newest.
    fn discard<'a>(&'a self, key: &'a str, stamp: Stamp) -> StoreFuture<'a, ()>;

    /// Leaves what a save leaves if the process dies in the middle of it. The value that was stored before stays. Only
    /// experiments call it, for the fault `save_tear`.
    ///
    /// The default does nothing: that is right for a store in which no part of a save is ever seen.
    fn tear<'a>(&'a self, key: &'a str, record: Record) -> StoreFuture<'a, ()> {
        let _ = (key, record);
        Box::pin(async { Ok(()) })
    }

    /// Names the store in errors and logs: `the directory /var/lib/shop`. Experiments take stores with the same name for the
    /// same store.
    fn describe(&self) -> String;
}

/// The place of a save in the history of its key. Stamps are ordered: by epoch, then by sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Number of the claim under which it was made. It is a fence: a store refuses an older one.
    pub epoch: u64,
    /// Number of the save under its claim, from 1.
    pub sequence: u64,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {}, save {}", self.epoch, self.sequence)
    }
}

/// A value as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the history of the key.
    pub stamp: Stamp,
    /// Version of its format, as its [type](crate::checkpoint::State::SCHEMA) gives it.
    pub schema: u32,
    /// The encoded value.
    pub bytes: Arc<[u8]>,
}

/// Answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The new epoch: saves under this claim carry it.
    pub epoch: u64,
    /// The latest value, if one is stored.
    pub latest: Option<Record>,
}
