//! The store in memory, for tests: its values survive restarts of services, and end with the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::base::sync::lock;
use crate::checkpoint::error::StoreError;
use crate::checkpoint::store::{CheckpointStore, Claim, Record, Stamp, StoreFuture};

/// A store in memory, for tests. Clones are the same store.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    entries: Arc<Mutex<BTreeMap<String, Entry>>>,
}

#[derive(Debug, Default)]
struct Entry {
    epoch: u64,
    /// Stamp of the newest save or discard.
    newest: Option<Stamp>,
    latest: Option<Record>,
}

impl Entry {
    /// Refuses a stamp that is not of the newest claim, or not newer than the newest save.
    fn admit(&mut self, stamp: Stamp) -> Result<(), StoreError> {
        if stamp.epoch != self.epoch || self.newest.is_some_and(|newest| newest >= stamp) {
            return Err(StoreError::Superseded { epoch: self.epoch, stored: self.newest });
        }
        self.newest = Some(stamp);
        Ok(())
    }
}

impl MemoryStore {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, key: &str, work: impl FnOnce(&mut Entry) -> T) -> T {
        work(lock(&self.entries).entry(key.to_owned()).or_default())
    }
}

impl CheckpointStore for MemoryStore {
    fn claim<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Claim> {
        Box::pin(async move {
            Ok(self.with(key, |entry| {
                entry.epoch += 1;
                Claim { epoch: entry.epoch, latest: entry.latest.clone() }
            }))
        })
    }

    fn save<'a>(&'a self, key: &'a str, record: Record) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.with(key, |entry| {
                entry.admit(record.stamp)?;
                entry.latest = Some(record);
                Ok(())
            })
        })
    }

    fn discard<'a>(&'a self, key: &'a str, stamp: Stamp) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.with(key, |entry| {
                entry.admit(stamp)?;
                entry.latest = None;
                Ok(())
            })
        })
    }

    fn describe(&self) -> String {
        "the store in memory".into()
    }
}
