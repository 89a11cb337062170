//! The checkpoint of one service: it is claimed when the incarnation starts, and saved by that incarnation alone.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::checkpoint::claimed::Claimed;
use crate::checkpoint::error::{CheckpointError, Problem};
use crate::checkpoint::group::GroupCommit;
use crate::checkpoint::observed::Observed;
use crate::checkpoint::state::State;
use crate::checkpoint::store::Record;
use crate::checkpoint::terms::Checkpoints;
use crate::context::Inner;
use crate::slot::blocking::block_on;
use crate::slot::saves::SaveFigures;
use crate::{Context, Inbox, Service, TaskContext};

impl<M: Send + 'static> Inner<M> {
    fn checkpoint<T: State>(
        &self,
        store: &Checkpoints,
        key: Arc<str>,
    ) -> impl Future<Output = Result<Checkpoint<T>, CheckpointError>> + Send + use<M, T> {
        let observed = Arc::new(Observed::new(store.store.clone(), self));
        let terms = Checkpoints { store: observed, ..store.clone() };
        let claim = Claimed::claim(terms, key, self.slot.clone(), self.signals.clone());
        async move {
            let (claimed, latest) = claim.await?;
            Checkpoint::load(claimed, latest)
        }
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
        self.inner().checkpoint(store, self.path()).await
    }

    /// Claims a checkpoint with a key other than the path: for a service that has several, that was renamed, or that has
    /// the same path in trees that share a store.
    ///
    /// Two services with the same key supersede each other: the second claim ends the right of the first to save. A line
    /// in the log says so, and the error of the next save of the first names the second.
    ///
    /// # Errors
    ///
    /// Those of [`checkpoint`](Self::checkpoint).
    pub async fn checkpoint_at<T: State>(
        &self,
        store: &Checkpoints,
        key: impl Into<Arc<str>>,
    ) -> Result<Checkpoint<T>, CheckpointError> {
        self.inner().checkpoint(store, key.into()).await
    }
}

impl TaskContext {
    /// Claims the checkpoint of this task, as [`Context::checkpoint`] does.
    ///
    /// # Errors
    ///
    /// Those of [`Context::checkpoint`].
    pub async fn checkpoint<T: State>(&self, store: &Checkpoints) -> Result<Checkpoint<T>, CheckpointError> {
        self.inner.checkpoint(store, self.path()).await
    }

    /// Claims a checkpoint with a key other than the path, as [`Context::checkpoint_at`] does.
    ///
    /// # Errors
    ///
    /// Those of [`Context::checkpoint`].
    pub async fn checkpoint_at<T: State>(
        &self,
        store: &Checkpoints,
        key: impl Into<Arc<str>>,
    ) -> Result<Checkpoint<T>, CheckpointError> {
        self.inner.checkpoint(store, key.into()).await
    }
}

impl<M: Send + 'static> Inbox<M> {
    /// Claims the checkpoint of this thread, as [`Context::checkpoint`] does. Blocks the thread, no longer than the limit
    /// of the store. [`Checkpoint::blocking_save`] saves.
    ///
    /// # Errors
    ///
    /// Those of [`Context::checkpoint`].
    pub fn checkpoint<T: State>(&self, store: &Checkpoints) -> Result<Checkpoint<T>, CheckpointError> {
        block_on(self.inner().checkpoint(store, self.path()))
    }

    /// Claims a checkpoint with a key other than the path, as [`Context::checkpoint_at`] does. Blocks the thread, no
    /// longer than the limit of the store.
    ///
    /// # Errors
    ///
    /// Those of [`Context::checkpoint`].
    pub fn checkpoint_at<T: State>(
        &self,
        store: &Checkpoints,
        key: impl Into<Arc<str>>,
    ) -> Result<Checkpoint<T>, CheckpointError> {
        block_on(self.inner().checkpoint(store, key.into()))
    }
}

/// Claimed checkpoint of a service: it saves the latest state, and gives it to the next incarnation.
///
/// ```
/// use regrow::checkpoint::{Checkpoint, Checkpoints, Json, MemoryStore};
/// use regrow::{Child, Context, Reply, Service, Supervisor};
///
/// struct Counter { count: Json<u64>, checkpoint: Checkpoint<Json<u64>> }
///
/// impl Service for Counter {
///     type Msg = Reply<u64>;
///     async fn handle(&mut self, reply: Reply<u64>, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
///         *self.count += 1;
///         self.checkpoint.save(&self.count).await?; // durable now
///         reply.send(*self.count); // so the answer is never taken back
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
/// let store = Checkpoints::new(MemoryStore::new());
/// let counter = Child::service("counter", move |ctx| {
///     let store = store.clone();
///     async move {
///         let mut checkpoint = ctx.checkpoint(&store).await?;
///         Ok(Counter { count: checkpoint.take().unwrap_or_default(), checkpoint })
///     }
/// });
/// let tree = Supervisor::one_for_one("app").child(counter).start().await?;
/// let counter = tree.lookup::<Reply<u64>>("app/counter")?;
/// assert_eq!(counter.call(|reply| reply).await?, 1);
/// counter.kill()?;
/// assert_eq!(counter.call(|reply| reply).await?, 2);
/// # tree.shutdown().await; Ok(()) }
/// ```
///
/// If a caller gives up between the save and the reply, or the incarnation ends there, the change is saved and the call
/// has no answer. The same holds for a message that is [redelivered](crate::ServiceChild::redeliver): the state may
/// contain it already. A number in the message, and the last one in the state, let the service recognise it.
///
/// A service that saves often saves several messages at once with [`group_commit`](Self::group_commit).
pub struct Checkpoint<T> {
    claimed: Claimed,
    loaded: Option<T>,
    value: PhantomData<fn(&T)>,
}

impl<T: State> Checkpoint<T> {
    fn load(claimed: Claimed, latest: Option<Record>) -> Result<Self, CheckpointError> {
        let error = |problem| claimed.terms.error(&claimed.key, problem);
        let loaded = match latest {
            Some(Record { schema, .. }) if schema > T::SCHEMA => {
                return Err(error(Problem::NewerSchema { stored: schema, known: T::SCHEMA }));
            }
            Some(Record { schema, bytes, .. }) => {
                Some(T::decode(schema, &bytes).map_err(|wrong| error(Problem::Decode(wrong)))?)
            }
            None => None,
        };
        Ok(Self { claimed, loaded, value: PhantomData })
    }

    /// Takes the value that was stored when the checkpoint was claimed; `None` if there was none.
    pub fn take(&mut self) -> Option<T> {
        self.loaded.take()
    }

    /// Returns the number of this claim. It grows by one with each claim of the key, and can fence other writes of the
    /// service.
    pub fn epoch(&self) -> u64 {
        self.claimed.epoch()
    }

    /// Returns the figures of the service's saves.
    pub fn figures(&self) -> SaveFigures {
        self.claimed.saves.figures()
    }

    /// Saves a value. Completes when it is durable: after that it is what the next incarnation begins with. The value is
    /// encoded by the call, and not by the first poll.
    ///
    /// If the future is dropped, the save may take place or not.
    ///
    /// # Errors
    ///
    /// If it is not known to be durable. The stored value is then this one or the one before, as a whole.
    pub fn save<'a>(&'a mut self, value: &T) -> impl Future<Output = Result<(), CheckpointError>> + Send + use<'a, T> {
        let encoded = value.encode();
        let claimed = &mut self.claimed;
        async move {
            match encoded {
                Ok(bytes) => claimed.save(T::SCHEMA, bytes).await,
                Err(wrong) => Err(claimed.not_encoded(wrong)),
            }
        }
    }

    /// Does what [`save`](Self::save) does, in a [thread](crate::Child::thread): it blocks, no longer than the limit of
    /// the store.
    ///
    /// # Errors
    ///
    /// Those of [`save`](Self::save).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn blocking_save(&mut self, value: &T) -> Result<(), CheckpointError> {
        block_on(self.save(value))
    }

    /// Removes the stored value. The next incarnation begins without one.
    ///
    /// # Errors
    ///
    /// Those of [`save`](Self::save).
    pub async fn discard(&mut self) -> Result<(), CheckpointError> {
        self.claimed.discard().await
    }

    /// Hands the checkpoint to a task that saves the newest state, and keeps replies until it is saved: see
    /// [`GroupCommit`]. The state is the stored one; without one, `initial` makes it.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn group_commit(mut self, initial: impl FnOnce() -> T) -> GroupCommit<T>
    where
        T: Clone + Sync,
    {
        let state = self.loaded.take().unwrap_or_else(initial);
        GroupCommit::new(self.claimed, state)
    }
}

impl<T> fmt::Debug for Checkpoint<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint")
            .field("key", &self.claimed.key)
            .field("epoch", &self.claimed.epoch())
            .finish_non_exhaustive()
    }
}
