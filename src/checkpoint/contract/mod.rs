//! Contract tests of a store: the rules that each [store](crate::checkpoint::CheckpointStore) keeps, to run on your own.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
//! use regrow::checkpoint::{FileStore, contract};
//!
//! let directory = tempfile::tempdir()?;
//! contract::check(|| async { FileStore::open(directory.path()).unwrap() }).await?;
//! # Ok(()) }
//! ```
//!
//! The rules cannot show that an acknowledged save survives a crash of the machine: that takes a test that cuts the power,
//! or loses what was not synced.

mod bench;
mod rules;

use std::error::Error;
use std::fmt;

use crate::checkpoint::store::CheckpointStore;
use bench::Bench;

/// Checks all rules, one after the other. `open` opens the same store again each time.
///
/// The keys begin with `contract-` and a number drawn at random, so that the rules can be checked on a store that is in
/// use, and again. Each rule leaves its keys behind: a store removes no key.
///
/// # Errors
///
/// The first rule that the store breaks.
///
/// # Panics
///
/// Outside of a tokio runtime, and if `open` does.
pub async fn check<S: CheckpointStore, F: Future<Output = S>>(open: impl Fn() -> F) -> Result<(), ContractError> {
    for rule in Rule::ALL {
        rule.check(&open).await?;
    }
    Ok(())
}

/// Rule of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// The first claim of a key has epoch 1, and no value.
    FirstClaim,
    /// Each claim of a key raises its epoch by one.
    EpochsGrowByOne,
    /// No two claims get the same epoch, also if they are made at the same time.
    ConcurrentClaims,
    /// A claim returns the latest save, with its stamp, and no other one.
    LatestOnly,
    /// A save and a discard of an earlier epoch are refused, and change nothing.
    OldEpochIsRefused,
    /// A save and a discard of an epoch that was not claimed are refused, and change nothing.
    UnclaimedEpochIsRefused,
    /// A save that comes after a newer one is refused, and changes nothing.
    LateSaveIsRefused,
    /// A stamp is used once: a second save with it is refused, and changes nothing.
    SameStampIsRefused,
    /// A late save does not bring back a value that was discarded.
    LateSaveAfterDiscard,
    /// The value is gone after a discard.
    DiscardRemovesValue,
    /// The epoch stays as it was after a discard.
    DiscardKeepsEpoch,
    /// Schema and bytes come back as they were saved: none, each of the 256, and 8 MiB of them.
    AnyContent,
    /// Keys do not mix, whatever characters they have and however long they are.
    KeysDoNotMix,
    /// Value, stamp and epoch are there when the store is opened again.
    SurvivesReopening,
    /// Another handle of the same store sees claims and saves at once.
    HandlesSeeEachOther,
    /// Saves that are made at the same time leave the one with the newest stamp.
    ConcurrentSaves,
    /// A refusal is `StoreError::Superseded`, with the epoch of the newest claim and the stamp of the stored value.
    RefusalSaysWhy,
}

impl Rule {
    /// All rules.
    pub const ALL: &'static [Self] = &[
        Self::FirstClaim,
        Self::EpochsGrowByOne,
        Self::ConcurrentClaims,
        Self::LatestOnly,
        Self::OldEpochIsRefused,
        Self::UnclaimedEpochIsRefused,
        Self::LateSaveIsRefused,
        Self::SameStampIsRefused,
        Self::LateSaveAfterDiscard,
        Self::DiscardRemovesValue,
        Self::DiscardKeepsEpoch,
        Self::AnyContent,
        Self::KeysDoNotMix,
        Self::SurvivesReopening,
        Self::HandlesSeeEachOther,
        Self::ConcurrentSaves,
        Self::RefusalSaysWhy,
    ];

    /// Checks this rule alone. `open` opens the same store again each time.
    ///
    /// # Errors
    ///
    /// If the store breaks it.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, and if `open` does.
    pub async fn check<S: CheckpointStore, F: Future<Output = S>>(
        self,
        open: impl Fn() -> F,
    ) -> Result<(), ContractError> {
        let bench = Bench::new(self, open).await;
        let kept = match self {
            Self::FirstClaim => rules::first_claim(&bench).await,
            Self::EpochsGrowByOne => rules::epochs_grow_by_one(&bench).await,
            Self::ConcurrentClaims => rules::concurrent_claims(&bench).await,
            Self::LatestOnly => rules::latest_only(&bench).await,
            Self::OldEpochIsRefused => rules::old_epoch_is_refused(&bench).await,
            Self::UnclaimedEpochIsRefused => rules::unclaimed_epoch_is_refused(&bench).await,
            Self::LateSaveIsRefused => rules::late_save_is_refused(&bench).await,
            Self::SameStampIsRefused => rules::same_stamp_is_refused(&bench).await,
            Self::LateSaveAfterDiscard => rules::late_save_after_discard(&bench).await,
            Self::DiscardRemovesValue => rules::discard_removes_value(&bench).await,
            Self::DiscardKeepsEpoch => rules::discard_keeps_epoch(&bench).await,
            Self::AnyContent => rules::any_content(&bench).await,
            Self::KeysDoNotMix => rules::keys_do_not_mix(&bench).await,
            Self::SurvivesReopening => rules::survives_reopening(&bench).await,
            Self::HandlesSeeEachOther => rules::handles_see_each_other(&bench).await,
            Self::ConcurrentSaves => rules::concurrent_saves(&bench).await,
            Self::RefusalSaysWhy => rules::refusal_says_why(&bench).await,
        };
        kept.map_err(|broken| ContractError { rule: self, what: broken.0 })
    }
}

/// Rule of the contract that a store breaks, and how.
#[derive(Debug, Clone)]
pub struct ContractError {
    /// The rule.
    pub rule: Rule,
    /// Deed of the store, and the one that was expected.
    pub what: String,
}

impl fmt::Display for ContractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store breaks the rule {:?}: {}", self.rule, self.what)
    }
}

impl Error for ContractError {}
