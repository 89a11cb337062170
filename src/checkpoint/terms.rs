//! A store, and the terms on which services use it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::checkpoint::claims::Claims;
use crate::checkpoint::error::{CheckpointError, Problem, StoreError};
use crate::checkpoint::store::{CheckpointStore, Claim, Stamp};

/// Longest time that a claim or a save waits for its store, if nothing else was said.
pub const DEFAULT_STORE_LIMIT: Duration = Duration::from_secs(30);

/// A store, and the terms on which services use it. Clones are cheap, and use the same store.
///
/// Make one for each store, and give clones of it to all services: then an error can name the service of this process that
/// has the same key. A key is taken by one service at a time, and the next claim ends the right of the one before.
#[derive(Clone)]
pub struct Checkpoints {
    pub(super) store: Arc<dyn CheckpointStore>,
    pub(super) limit: Duration,
    pub(super) claims: Claims,
}

impl Checkpoints {
    /// Wraps a store, with a limit of 30 s for each claim and save.
    pub fn new(store: impl CheckpointStore) -> Self {
        Self { store: Arc::new(store), limit: DEFAULT_STORE_LIMIT, claims: Claims::default() }
    }

    /// Sets the longest time that a claim or a save waits for the store. With zero, each save
    /// fails, and each claim that the store does not answer at once.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Removes the value of a key: for a value that no program can read any more, and for a service that is no more.
    ///
    /// It claims the key. A service that holds it can save no more: its next save fails as superseded. The number of the
    /// newest claim stays stored, so each key that was ever used takes a little room: a folder with two small files, or a row.
    /// A damaged value cannot be claimed, and so not be removed like this: its error says what to do.
    ///
    /// # Errors
    ///
    /// If the store fails or gives no answer in time.
    pub async fn discard(&self, key: &str) -> Result<(), CheckpointError> {
        let Claim { epoch, .. } = self.within(key, self.store.claim(key)).await?;
        self.within(key, self.store.discard(key, Stamp { epoch, sequence: 1 })).await
    }

    /// Waits for the store, no longer than the limit.
    pub(super) async fn within<T>(
        &self,
        key: &str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, CheckpointError> {
        match tokio::time::timeout(self.limit, work).await {
            Ok(done) => done.map_err(|refused| self.error(key, Problem::Store(refused))),
            Err(_) => Err(self.error(key, Problem::TimedOut(self.limit))),
        }
    }

    pub(super) fn error(&self, key: &str, problem: Problem) -> CheckpointError {
        CheckpointError { key: key.into(), store: self.store.describe(), problem, superseded_by: None }
    }
}

impl fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoints").field("store", &self.store.describe()).field("limit", &self.limit).finish()
    }
}
