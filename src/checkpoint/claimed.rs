//! A claim that an incarnation holds on a key: what saves and discards, without the type of the value.
//!
//! Invariants:
//! 1. A save that the store was asked for goes on when its caller is dropped, as a write in a thread does. Therefore a
//!    late save is fenced by its stamp, and never by the end of its incarnation.
//! 2. Each save and each discard has a stamp of its own, and stamps grow.
//! 3. A fenced incarnation changes no figures: they are of the present one.
//! 4. A claim that the store was asked for goes on too, and is over before the next claim of its key begins. If it came
//!    after that one, a killed start would supersede the incarnation that follows it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::checkpoint::claims::Holder;
use crate::checkpoint::error::{CheckpointError, Problem, StoreError, SupersededBy};
use crate::checkpoint::store::{Claim, Record, Stamp};
use crate::checkpoint::terms::Checkpoints;
use crate::log::{line, one_line};
use crate::slot::erased::AnySlot;
use crate::slot::saves::Saves;
use crate::slot::signals::Signals;

/// A claim, and the incarnation that holds it.
pub(super) struct Claimed {
    pub(super) terms: Checkpoints,
    pub(super) key: Arc<str>,
    pub(super) slot: Arc<dyn AnySlot>,
    pub(super) signals: Arc<Signals>,
    pub(super) saves: Arc<Saves>,
    newest: Stamp,
}

impl Claimed {
    /// Claims a key for an incarnation. Returns the claim and the stored value.
    pub(super) async fn claim(
        terms: Checkpoints,
        key: Arc<str>,
        slot: Arc<dyn AnySlot>,
        signals: Arc<Signals>,
    ) -> Result<(Self, Option<Record>), CheckpointError> {
        let Claim { epoch, latest } = terms.within(&key, in_turn(&terms, &key)).await?;
        let saves = slot.saves_or_new();
        saves.claimed(epoch);
        let before = terms.claims.enter(&key, Holder::new(epoch, &slot, &signals));
        let claimed = Self { terms, key, slot, signals, saves, newest: Stamp { epoch, sequence: 0 } };
        if let Some(before) = before {
            claimed.say_superseded(&before);
        }
        Ok((claimed, latest))
    }

    pub(super) fn epoch(&self) -> u64 {
        self.newest.epoch
    }

    /// Saves a value, and completes when it is durable.
    pub(super) async fn save(&mut self, schema: u32, bytes: Vec<u8>) -> Result<(), CheckpointError> {
        let (stamp, size, started) = (self.next(), bytes.len() as u64, Instant::now());
        let record = Record { stamp, schema, bytes: bytes.into() };
        let (store, key) = (self.terms.store.clone(), self.key.clone());
        let done = self.detached(stamp, async move { store.save(&key, record).await }).await;
        // Invariant 3.
        if done.is_ok() && !self.signals.is_fenced() {
            self.saves.saved(stamp.epoch, size, started.elapsed());
        }
        done.inspect_err(|error| self.failed(error))
    }

    /// Removes the stored value, and completes when that is durable.
    pub(super) async fn discard(&mut self) -> Result<(), CheckpointError> {
        let stamp = self.next();
        let (store, key) = (self.terms.store.clone(), self.key.clone());
        let done = self.detached(stamp, async move { store.discard(&key, stamp).await }).await;
        done.inspect_err(|error| self.failed(error))
    }

    /// Invariant 2.
    fn next(&mut self) -> Stamp {
        self.newest.sequence += 1;
        self.newest
    }

    /// Runs work of the store in a task, so that it is not cut off with its caller (invariant 1).
    async fn detached(
        &self,
        stamp: Stamp,
        work: impl Future<Output = Result<(), StoreError>> + Send + 'static,
    ) -> Result<(), CheckpointError> {
        let task = tokio::spawn(work);
        let work = async { task.await.unwrap_or_else(|panicked| Err(StoreError::Failed(panicked.into()))) };
        self.terms.within(&self.key, work).await.map_err(|mut error| {
            if let Problem::Store(StoreError::Superseded { epoch, .. }) = error.problem {
                error.superseded_by = Some(self.superseded_by(stamp, epoch));
            }
            error
        })
    }

    fn superseded_by(&self, stamp: Stamp, epoch: u64) -> SupersededBy {
        match self.terms.claims.newest(&self.key) {
            _ if epoch <= stamp.epoch => SupersededBy::NewerSave,
            Some(newest) if newest.epoch <= stamp.epoch => SupersededBy::Elsewhere,
            Some(newest) if newest.is_of(&self.slot) => SupersededBy::LaterIncarnation,
            Some(newest) => SupersededBy::Service(newest.path),
            None => SupersededBy::Elsewhere,
        }
    }

    /// The error of a save whose value has no encoding.
    pub(super) fn not_encoded(&self, wrong: anyhow::Error) -> CheckpointError {
        let error = self.terms.error(&self.key, Problem::Encode(wrong));
        self.failed(&error);
        error
    }

    /// Counts a save that failed, and writes it to the log.
    fn failed(&self, error: &CheckpointError) {
        // Invariant 3.
        let is_fenced = self.signals.is_fenced();
        let is_news = if is_fenced { self.saves.is_news() } else { self.saves.failed(error.to_string().into()) };
        if is_news {
            let (path, generation) = (self.slot.path(), self.signals.origin().generation);
            let (key, store, error) = (one_line(&self.key), one_line(&error.store), one_line(error));
            line!(WARN, { path = %path, generation, key = %key, store = %store, error = %error }, "a save failed");
        }
    }

    fn say_superseded(&self, before: &Holder) {
        let (path, generation, epoch) = (self.slot.path(), self.signals.origin().generation, self.epoch());
        let store = self.terms.store.describe();
        let (key, store, holder) = (one_line(&self.key), one_line(&store), one_line(&before.path));
        line!(
            WARN,
            {
                path = %path, generation, key = %key, store = %store, epoch,
                before = %holder, before_generation = before.generation
            },
            "child claims a checkpoint that is still held: its holder can save no more"
        );
    }
}

/// Claims a key when no other claim of it is under way in this process (invariant 4).
fn in_turn(terms: &Checkpoints, key: &Arc<str>) -> impl Future<Output = Result<Claim, StoreError>> + Send + use<> {
    let (store, limit, key, turn) = (terms.store.clone(), terms.limit, key.clone(), terms.claims.turns.of(key));
    async move {
        let (mut answer, answered) = oneshot::channel();
        let mut work = Box::pin(async move {
            let my_turn = turn.lock().await;
            if answer.is_closed() {
                // Its incarnation ended before its turn came.
                return;
            }
            match tokio::time::timeout(limit, store.claim(&key)).await {
                // The caller may be gone.
                Ok(claimed) => drop(answer.send(claimed)),
                Err(_) => {
                    // A store that hangs does not keep the turn for ever. The caller gives up at the same time.
                    drop(my_turn);
                    answer.closed().await;
                }
            }
        });
        // A store that answers at once needs no task.
        if poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx).is_pending())).await {
            tokio::spawn(work);
        }
        answered.await.unwrap_or_else(|_| Err(StoreError::Failed(anyhow::anyhow!("the store panicked"))))
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        self.terms.claims.leave(&self.key, self.newest.epoch);
    }
}
