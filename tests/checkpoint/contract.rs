//! The contract tests: the stores of the library pass them, and stores with a flaw fail by the name of the rule.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use regrow::checkpoint::contract::{self, Rule};
use regrow::checkpoint::{CheckpointStore, Claim, FileStore, MemoryStore, Record, Stamp, StoreError, StoreFuture};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_in_memory_keeps_the_contract() {
    let store = MemoryStore::new();
    contract::check(|| async { store.clone() }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_in_files_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    contract::check(|| async { FileStore::open(directory.path()).unwrap() }).await.unwrap();
}

#[cfg(feature = "checkpoint-sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_in_sqlite_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    contract::check(|| async { regrow::checkpoint::SqliteStore::open(&path).unwrap() }).await.unwrap();
}

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    None,
    FirstEpochIsZero,
    ReopeningSkipsAnEpoch,
    SavesAreCountedAsClaims,
    ClaimsRace,
    OnlyTheFirstSaveCounts,
    EpochIsNotChecked,
    NewerEpochIsAccepted,
    SequenceIsNotChecked,
    SameStampIsAccepted,
    RefusedSaveIsStored,
    DiscardForgetsItsStamp,
    DiscardDoesNothing,
    DiscardResetsTheEpoch,
    BytesEndAtZero,
    SchemaHasOneByte,
    KeysIgnoreCase,
    KeysAreCutOff,
    ForgetsWhenReopened,
    HandlesRememberTheirEpoch,
    LastSaveWins,
    RefusalIsAFailure,
    RefusalTellsTheStampOfTheRefused,
}

#[derive(Clone, Default)]
struct Entry {
    epoch: u64,
    newest: Option<Stamp>,
    latest: Option<Record>,
}

type Entries = Arc<Mutex<BTreeMap<String, Entry>>>;

struct Flawed {
    flaw: Flaw,
    entries: Entries,
    /// What this handle claimed.
    claimed: Mutex<BTreeMap<String, u64>>,
}

impl Flawed {
    fn open(flaw: Flaw, entries: &Entries) -> Self {
        let entries = if flaw == Flaw::ForgetsWhenReopened { Entries::default() } else { entries.clone() };
        Self { flaw, entries, claimed: Mutex::default() }
    }

    fn key(&self, key: &str) -> String {
        match self.flaw {
            Flaw::KeysIgnoreCase => key.to_lowercase(),
            Flaw::KeysAreCutOff => key.chars().take(100).collect(),
            _ => key.to_owned(),
        }
    }

    fn write(&self, key: &str, stamp: Stamp, value: Option<Record>) -> Result<(), StoreError> {
        let key = self.key(key);
        let mut entries = self.entries.lock().unwrap();
        let entry = entries.entry(key.clone()).or_default();
        let epoch = match self.flaw {
            Flaw::HandlesRememberTheirEpoch => self.claimed.lock().unwrap().get(&key).copied().unwrap_or(0),
            _ => entry.epoch,
        };
        let is_late = match (self.flaw, entry.newest) {
            (Flaw::SequenceIsNotChecked, Some(newest)) => newest.epoch > stamp.epoch,
            (Flaw::SameStampIsAccepted, Some(newest)) => newest > stamp,
            (Flaw::LastSaveWins, Some(newest)) => newest == stamp,
            (_, newest) => newest.is_some_and(|newest| newest >= stamp),
        };
        let is_foreign = match self.flaw {
            Flaw::EpochIsNotChecked => false,
            Flaw::NewerEpochIsAccepted => stamp.epoch < epoch,
            _ => stamp.epoch != epoch,
        };
        if is_foreign || is_late {
            let stored = entry.newest;
            return match self.flaw {
                Flaw::RefusedSaveIsStored => {
                    entry.latest = value;
                    Err(StoreError::Superseded { epoch: entry.epoch, stored })
                }
                Flaw::RefusalIsAFailure => Err(StoreError::Failed(anyhow::anyhow!("no"))),
                Flaw::RefusalTellsTheStampOfTheRefused => {
                    Err(StoreError::Superseded { epoch: entry.epoch, stored: Some(stamp) })
                }
                _ => Err(StoreError::Superseded { epoch: entry.epoch, stored }),
            };
        }
        match (self.flaw, value) {
            (Flaw::OnlyTheFirstSaveCounts, Some(_)) if entry.latest.is_some() => return Ok(()),
            (Flaw::DiscardDoesNothing, None) => return Ok(()),
            (Flaw::DiscardForgetsItsStamp, None) => {
                (entry.newest, entry.latest) = (None, None);
                return Ok(());
            }
            (Flaw::DiscardResetsTheEpoch, None) => {
                *entry = Entry::default();
                return Ok(());
            }
            (Flaw::BytesEndAtZero, Some(mut record)) => {
                record.bytes = record.bytes.iter().copied().take_while(|byte| *byte != 0).collect();
                entry.latest = Some(record);
            }
            (Flaw::SchemaHasOneByte, Some(mut record)) => {
                record.schema &= 0xff;
                entry.latest = Some(record);
            }
            (_, value) => entry.latest = value,
        }
        entry.newest = Some(stamp);
        Ok(())
    }
}

impl CheckpointStore for Flawed {
    fn claim<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Claim> {
        Box::pin(async move {
            let key = self.key(key);
            let read = self.entries.lock().unwrap().entry(key.clone()).or_default().clone();
            let mut epoch = read.epoch;
            if self.flaw == Flaw::ClaimsRace {
                tokio::task::yield_now().await;
            } else {
                epoch = self.entries.lock().unwrap()[&key].epoch;
            }
            let mut claimed = self.claimed.lock().unwrap();
            epoch += match self.flaw {
                Flaw::FirstEpochIsZero if epoch == 0 && read.newest.is_none() && !claimed.contains_key(&key) => 0,
                Flaw::ReopeningSkipsAnEpoch if epoch > 0 && !claimed.contains_key(&key) => 2,
                Flaw::SavesAreCountedAsClaims if read.newest.is_some() => 2,
                _ => 1,
            };
            claimed.insert(key.clone(), epoch);
            self.entries.lock().unwrap().get_mut(&key).unwrap().epoch = epoch;
            Ok(Claim { epoch, latest: read.latest })
        })
    }

    fn save<'a>(&'a self, key: &'a str, record: Record) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.write(key, record.stamp, Some(record)) })
    }

    fn discard<'a>(&'a self, key: &'a str, stamp: Stamp) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.write(key, stamp, None) })
    }

    fn describe(&self) -> String {
        format!("a store with the flaw {:?}", self.flaw)
    }
}

#[tokio::test]
async fn a_store_with_a_flaw_breaks_the_rule_that_is_about_it() {
    let flaws = [
        (Flaw::FirstEpochIsZero, Rule::FirstClaim),
        (Flaw::ReopeningSkipsAnEpoch, Rule::SurvivesReopening),
        (Flaw::SavesAreCountedAsClaims, Rule::EpochsGrowByOne),
        (Flaw::ClaimsRace, Rule::ConcurrentClaims),
        (Flaw::OnlyTheFirstSaveCounts, Rule::LatestOnly),
        (Flaw::EpochIsNotChecked, Rule::OldEpochIsRefused),
        (Flaw::NewerEpochIsAccepted, Rule::UnclaimedEpochIsRefused),
        (Flaw::SequenceIsNotChecked, Rule::LateSaveIsRefused),
        (Flaw::SameStampIsAccepted, Rule::SameStampIsRefused),
        (Flaw::RefusedSaveIsStored, Rule::OldEpochIsRefused),
        (Flaw::DiscardForgetsItsStamp, Rule::LateSaveAfterDiscard),
        (Flaw::DiscardDoesNothing, Rule::DiscardRemovesValue),
        (Flaw::DiscardResetsTheEpoch, Rule::DiscardKeepsEpoch),
        (Flaw::BytesEndAtZero, Rule::AnyContent),
        (Flaw::SchemaHasOneByte, Rule::AnyContent),
        (Flaw::KeysIgnoreCase, Rule::KeysDoNotMix),
        (Flaw::KeysAreCutOff, Rule::KeysDoNotMix),
        (Flaw::ForgetsWhenReopened, Rule::SurvivesReopening),
        (Flaw::HandlesRememberTheirEpoch, Rule::HandlesSeeEachOther),
        (Flaw::LastSaveWins, Rule::LateSaveIsRefused),
        (Flaw::RefusalIsAFailure, Rule::RefusalSaysWhy),
        (Flaw::RefusalTellsTheStampOfTheRefused, Rule::RefusalSaysWhy),
    ];
    let broken = async |flaw| {
        let entries = Entries::default();
        let mut broken = Vec::new();
        for rule in Rule::ALL {
            if let Err(error) = rule.check(async || Flawed::open(flaw, &entries)).await {
                assert_eq!(error.rule, *rule);
                assert!(error.to_string().contains(&format!("{rule:?}")), "{error}");
                broken.push(*rule);
            }
        }
        broken
    };
    assert_eq!(broken(Flaw::None).await, [], "a store without a flaw");
    let mut seen = Vec::new();
    for (flaw, rule) in flaws {
        let broken = broken(flaw).await;
        assert!(broken.contains(&rule), "{flaw:?} breaks {broken:?} and not {rule:?}");
        let entries = Entries::default();
        // All of them together end at the first.
        let first = contract::check(async || Flawed::open(flaw, &entries)).await.unwrap_err();
        assert_eq!(first.rule, broken[0]);
        seen.extend(broken);
    }
    for rule in Rule::ALL {
        assert!(seen.contains(rule), "no flaw breaks {rule:?}");
    }
}
