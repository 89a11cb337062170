//! The store under test, with calls that say what went wrong.

use std::sync::Arc;

use crate::checkpoint::contract::Rule;
use crate::checkpoint::error::StoreError;
use crate::checkpoint::store::{CheckpointStore, Claim, Record, Stamp};

/// Way in which a store broke a rule.
pub(super) struct Broken(pub(super) String);

/// Ends a rule if the condition does not hold.
macro_rules! ensure {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err($crate::checkpoint::contract::bench::Broken(format!($($text)+)));
        }
    };
}
pub(super) use ensure;

/// A store, how it is opened again, and keys of its own.
pub(super) struct Bench<S, O> {
    pub(super) store: Arc<S>,
    open: O,
    pub(super) key: String,
}

impl<S: CheckpointStore, F: Future<Output = S>, O: Fn() -> F> Bench<S, O> {
    pub(super) async fn new(rule: Rule, open: O) -> Self {
        let store = Arc::new(open().await);
        Self { store, open, key: format!("contract-{:016x}/{rule:?}", fastrand::u64(..)) }
    }

    /// Another handle of the same store.
    pub(super) async fn reopen(&self) -> Arc<S> {
        Arc::new((self.open)().await)
    }

    pub(super) async fn claim(&self) -> Result<Claim, Broken> {
        claim(&*self.store, &self.key).await
    }

    pub(super) async fn save(&self, stamp: Stamp, text: &str) -> Result<(), Broken> {
        save(&*self.store, &self.key, stamp, text).await
    }

    /// Saves what must be refused.
    pub(super) async fn save_in_vain(&self, stamp: Stamp, why: &str) -> Result<(), Broken> {
        match self.store.save(&self.key, record(stamp, "refused")).await {
            Err(StoreError::Superseded { .. }) => Ok(()),
            Err(other) => {
                Err(Broken(format!("a save with {stamp} failed with `{other}` and not as superseded; {why}")))
            }
            Ok(()) => Err(Broken(format!("a save with {stamp} was accepted; {why}"))),
        }
    }

    /// Discards what must stay.
    pub(super) async fn discard_in_vain(&self, stamp: Stamp, why: &str) -> Result<(), Broken> {
        match self.store.discard(&self.key, stamp).await {
            Err(StoreError::Superseded { .. }) => Ok(()),
            Err(other) => {
                Err(Broken(format!("a discard with {stamp} failed with `{other}` and not as superseded; {why}")))
            }
            Ok(()) => Err(Broken(format!("a discard with {stamp} was accepted; {why}"))),
        }
    }

    pub(super) async fn discard(&self, stamp: Stamp) -> Result<(), Broken> {
        let discarded = self.store.discard(&self.key, stamp).await;
        discarded.map_err(|error| Broken(format!("a discard with {stamp} failed: {error}")))
    }

    /// Claims, and expects a value.
    pub(super) async fn expect(&self, stamp: Stamp, text: &str, after: &str) -> Result<Claim, Broken> {
        let claim = self.claim().await?;
        expect(&claim, stamp, text, after)?;
        Ok(claim)
    }
}

pub(super) fn at(epoch: u64, sequence: u64) -> Stamp {
    Stamp { epoch, sequence }
}

pub(super) fn record(stamp: Stamp, text: &str) -> Record {
    Record { stamp, schema: 1, bytes: text.as_bytes().into() }
}

pub(super) async fn claim(store: &impl CheckpointStore, key: &str) -> Result<Claim, Broken> {
    store.claim(key).await.map_err(|error| Broken(format!("a claim of `{}` failed: {error}", key.escape_debug())))
}

pub(super) async fn save(store: &impl CheckpointStore, key: &str, stamp: Stamp, text: &str) -> Result<(), Broken> {
    let saved = store.save(key, record(stamp, text)).await;
    saved.map_err(|error| Broken(format!("a save of `{}` with {stamp} failed: {error}", key.escape_debug())))
}

pub(super) fn expect(claim: &Claim, stamp: Stamp, text: &str, after: &str) -> Result<(), Broken> {
    let wanted = record(stamp, text);
    match &claim.latest {
        Some(latest) if *latest == wanted => Ok(()),
        latest => Err(Broken(format!(
            "{after}, the claim returned {}, and should have returned `{text}` with {stamp}",
            show(latest.as_ref())
        ))),
    }
}

pub(super) fn show(record: Option<&Record>) -> String {
    match record {
        Some(Record { stamp, bytes, .. }) => {
            let shown: String = String::from_utf8_lossy(bytes).chars().take(40).collect();
            format!("`{}` with {stamp}", shown.escape_debug())
        }
        None => "no value".into(),
    }
}
