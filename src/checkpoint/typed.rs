//! The checkpoint of one service: it is claimed when the incarnation starts, and saved by that incarnation alone.
//!
//! Invariants:
//! 1. A save that the store was asked for goes on when its caller is dropped, as a write in a thread does. Therefore a
//!    late save is fenced by its stamp, and never by the end of its incarnation.
//! 2. Each save and each discard has a stamp of its own, and stamps grow.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::checkpoint::error::{CheckpointError, Problem, StoreError};
use crate::checkpoint::observed::Observed;
use crate::checkpoint::state::State;
use crate::checkpoint::store::{CheckpointStore, Record, Stamp};
use crate::{Context, Service};

/// Longest time that a claim or a save waits for its store, if nothing else was said.
pub const DEFAULT_STORE_LIMIT: Duration = Duration::from_secs(30);

/// A store, and the terms on which services use it. Clones are cheap, and use the same store.
#[derive(Clone)]
pub struct Checkpoints {
    store: Arc<dyn CheckpointStore>,
    limit: Duration,
}

impl Checkpoints {
    /// Wraps a store, with a limit of 30 s for each claim and save.
    pub fn new(store: impl CheckpointStore) -> Self {
        Self { store: Arc::new(store), limit: DEFAULT_STORE_LIMIT }
    }

    /// Sets the longest time that a claim or a save waits for the store.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

impl fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoints").field("store", &self.store.describe()).field("limit", &self.limit).finish()
    }
}

impl<S: Service> Context<S> {
    /// Claims the checkpoint of this service, and loads its value. Called in a factory. The key is the path of the
    /// service.
    ///
    /// From then on no earlier incarnation can save, in this process or in another one.
    ///
    /// # Errors
    ///
    /// If the store fails or gives no answer in time, and if the value is damaged, was written by a newer program, or
    /// cannot be decoded. The stored value stays as it is.
    pub async fn checkpoint<T: State>(&self, store: &Checkpoints) -> Result<Checkpoint<T>, CheckpointError> {
        let observed = Arc::new(Observed::new(store.store.clone(), self));
        Checkpoint::claim(&Checkpoints { store: observed, ..store.clone() }, self.path()).await
    }
}

/// The claimed checkpoint of a service.
pub struct Checkpoint<T> {
    store: Arc<dyn CheckpointStore>,
    key: Arc<str>,
    limit: Duration,
    newest: Stamp,
    loaded: Option<T>,
    value: PhantomData<fn(&T)>,
}

impl<T: State> Checkpoint<T> {
    async fn claim(Checkpoints { store, limit }: &Checkpoints, key: Arc<str>) -> Result<Self, CheckpointError> {
        let error = |problem| CheckpointError { key: key.clone(), store: store.describe(), problem };
        let claim = match tokio::time::timeout(*limit, store.claim(&key)).await {
            Ok(claim) => claim.map_err(|refused| error(Problem::Store(refused)))?,
            Err(_) => return Err(error(Problem::TimedOut(*limit))),
        };
        let loaded = match claim.latest {
            Some(Record { schema, .. }) if schema > T::SCHEMA => {
                return Err(error(Problem::NewerSchema { stored: schema, known: T::SCHEMA }));
            }
            Some(Record { schema, bytes, .. }) => {
                Some(T::decode(schema, &bytes).map_err(|wrong| error(Problem::Decode(wrong)))?)
            }
            None => None,
        };
        let newest = Stamp { epoch: claim.epoch, sequence: 0 };
        Ok(Self { store: store.clone(), key, limit: *limit, newest, loaded, value: PhantomData })
    }

    /// Takes the value that was stored when the checkpoint was claimed; `None` if there was none.
    pub fn take(&mut self) -> Option<T> {
        self.loaded.take()
    }

    /// Number of this claim. It grows by one with each claim, and can fence other writes of the service.
    pub fn epoch(&self) -> u64 {
        self.newest.epoch
    }

    /// Saves a value. Completes when it is durable: after that it is what the next incarnation begins with.
    ///
    /// # Errors
    ///
    /// If it is not known to be durable. The stored value is then this one or the one before, as a whole.
    pub async fn save(&mut self, value: &T) -> Result<(), CheckpointError> {
        let bytes = value.encode().map_err(|wrong| self.error(Problem::Encode(wrong)))?;
        let stamp = self.next();
        let record = Record { stamp, schema: T::SCHEMA, bytes: bytes.into() };
        let (store, key) = (self.store.clone(), self.key.clone());
        self.detached(async move { store.save(&key, record).await }).await
    }

    /// Removes the stored value.
    ///
    /// # Errors
    ///
    /// Those of [`save`](Self::save).
    pub async fn discard(&mut self) -> Result<(), CheckpointError> {
        let stamp = self.next();
        let (store, key) = (self.store.clone(), self.key.clone());
        self.detached(async move { store.discard(&key, stamp).await }).await
    }

    /// Invariant 2.
    fn next(&mut self) -> Stamp {
        self.newest.sequence += 1;
        self.newest
    }

    /// Runs work of the store in a task, so that it is not cut off with its caller (invariant 1).
    async fn detached(
        &self,
        work: impl Future<Output = Result<(), StoreError>> + Send + 'static,
    ) -> Result<(), CheckpointError> {
        match tokio::time::timeout(self.limit, tokio::spawn(work)).await {
            Ok(Ok(done)) => done.map_err(|refused| self.error(Problem::Store(refused))),
            Ok(Err(panicked)) => Err(self.error(Problem::Store(StoreError::Failed(panicked.into())))),
            Err(_) => Err(self.error(Problem::TimedOut(self.limit))),
        }
    }

    fn error(&self, problem: Problem) -> CheckpointError {
        CheckpointError { key: self.key.clone(), store: self.store.describe(), problem }
    }
}

impl<T> fmt::Debug for Checkpoint<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint").field("key", &self.key).field("newest", &self.newest).finish_non_exhaustive()
    }
}
