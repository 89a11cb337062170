//! A store as one incarnation uses it: the place at which experiments fail saves, and hear of claims and saves.
//!
//! Without an experiment, each piece of work reads one number and goes on to the store.

use std::sync::Arc;

use anyhow::anyhow;

use crate::checkpoint::error::StoreError;
use crate::checkpoint::store::{CheckpointStore, Claim, Record, Stamp, StoreFuture};
use crate::context::Inner;
use crate::tree::inject::{Inject, SaveFault};
use crate::tree::shared::Shared;
use crate::tree::statements::{Statement, Stored, Storing};

/// A store, and the incarnation that uses it.
pub(super) struct Observed {
    store: Arc<dyn CheckpointStore>,
    path: Arc<str>,
    shared: Arc<Shared>,
    generation: u64,
}

impl Observed {
    pub(super) fn new<M: Send + 'static>(store: Arc<dyn CheckpointStore>, inner: &Inner<M>) -> Self {
        Self { store, path: inner.slot.path(), shared: inner.shared().clone(), generation: inner.generation() }
    }

    /// Returns the running experiment.
    fn experiment(&self) -> Option<&Arc<dyn Inject>> {
        self.shared.faults().filter(|faults| faults.armed() > 0)
    }

    fn say(&self, experiment: &Arc<dyn Inject>, key: &str, what: Stored) {
        let (path, store) = (self.path.clone(), self.store.describe());
        experiment.say(Statement::Storing(Storing { path, generation: self.generation, store, key: key.into(), what }));
    }
}

impl CheckpointStore for Observed {
    fn claim<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Claim> {
        let Some(experiment) = self.experiment() else { return self.store.claim(key) };
        Box::pin(async move {
            let claim = self.store.claim(key).await?;
            let loaded = claim.latest.as_ref().map(|record| (stamped(record.stamp), crc32fast::hash(&record.bytes)));
            self.say(experiment, key, Stored::Claimed { epoch: claim.epoch, loaded });
            Ok(claim)
        })
    }

    fn save<'a>(&'a self, key: &'a str, record: Record) -> StoreFuture<'a, ()> {
        let Some(experiment) = self.experiment() else { return self.store.save(key, record) };
        Box::pin(async move {
            let stamp = stamped(record.stamp);
            self.say(experiment, key, Stored::Saves(stamp, crc32fast::hash(&record.bytes)));
            match experiment.before_save(self.path.clone(), self.generation).await {
                None => self.store.save(key, record).await?,
                Some(SaveFault::Fail) => return Err(injected("a save that fails")),
                Some(SaveFault::Tear) => {
                    self.store.tear(key, record).await?;
                    return Err(injected("a save that breaks off"));
                }
                Some(SaveFault::Lose) => {}
            }
            self.say(experiment, key, Stored::Saved(stamp));
            Ok(())
        })
    }

    fn discard<'a>(&'a self, key: &'a str, stamp: Stamp) -> StoreFuture<'a, ()> {
        let Some(experiment) = self.experiment() else { return self.store.discard(key, stamp) };
        Box::pin(async move {
            self.say(experiment, key, Stored::Discards(stamped(stamp)));
            match experiment.before_save(self.path.clone(), self.generation).await {
                None => self.store.discard(key, stamp).await?,
                Some(SaveFault::Fail | SaveFault::Tear) => return Err(injected("a discard that fails")),
                Some(SaveFault::Lose) => {}
            }
            self.say(experiment, key, Stored::Discarded(stamped(stamp)));
            Ok(())
        })
    }

    fn tear<'a>(&'a self, key: &'a str, record: Record) -> StoreFuture<'a, ()> {
        self.store.tear(key, record)
    }

    fn describe(&self) -> String {
        self.store.describe()
    }
}

fn stamped(Stamp { epoch, sequence }: Stamp) -> (u64, u64) {
    (epoch, sequence)
}

fn injected(what: &str) -> StoreError {
    StoreError::Failed(anyhow!("an experiment injected {what}"))
}
