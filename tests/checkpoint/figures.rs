//! Age and cost of saves, as they can be seen.

use std::time::Duration;

use regrow::checkpoint::{Checkpoints, MemoryStore};

use crate::common::log::Log;
use crate::common::tree::{SEC, up};
use crate::held::HeldStore;
use crate::tally::{Msg, add, find, grouped, plain, tree};

#[tokio::test(start_paused = true)]
async fn the_figures_of_a_service_tell_number_size_age_and_epoch() {
    let held = HeldStore::new();
    let tree = tree([plain("tally", held.checkpoints())]).await;
    let tally = find(&tree, "tally");
    assert_eq!((tally.saves().unwrap().saves, tally.saves().unwrap().last), (0, None));
    add(&tally, 1_000).await;
    tokio::time::sleep(2 * SEC).await;
    let saves = tally.saves().unwrap();
    let last = saves.last.unwrap();
    assert_eq!((saves.epoch, saves.saves, saves.failures, saves.failure), (1, 1, 0, None));
    assert_eq!((last.bytes, last.took, last.age), (4, Duration::ZERO, 2 * SEC));
    let why = tally.why().await;
    assert_eq!(why.saves.as_ref().unwrap().saves, 1);
    let why = why.to_string();
    assert!(why.contains(" Its state was saved 2.0s ago: epoch 1, 4 bytes in 0.0ns."), "{why}");
}

#[tokio::test(start_paused = true)]
async fn the_figures_go_on_over_restarts_and_tell_a_failure_until_the_next_save() {
    let (log, _listening) = Log::listen();
    let held = HeldStore::new();
    let tree = tree([plain("tally", held.checkpoints())]).await;
    let tally = find(&tree, "tally");
    add(&tally, 1).await;
    held.fail(Some("no space left"));
    tally.call(|reply| Msg::Add(1, reply)).await.unwrap_err();
    up(&tree, "app/tally", 2).await;
    let why = tally.why().await.to_string();
    // Found by a newcomer: two copies of the error made the paragraph too long to be read.
    assert!(why.contains("; the last save failed, as its last end says."), "{why}");
    assert_eq!(why.matches("checkpoint `app/tally` in the store of the test: no space left").count(), 1, "{why}");
    let saves = tally.saves().unwrap().to_string();
    assert!(saves.ends_with("; the last save failed: checkpoint `app/tally` in the store of the test: no space left"));
    let line = "WARN a save failed path=app/tally generation=1 key=app/tally store=the store of the test \
                error=checkpoint `app/tally` in the store of the test: no space left";
    assert!(log.take().iter().any(|written| written.starts_with(line)));
    held.fail(None);
    add(&tally, 1).await;
    let saves = tally.saves().unwrap();
    assert_eq!((saves.epoch, saves.saves, saves.failures, saves.failure), (2, 2, 1, None));
}

#[tokio::test]
async fn a_group_commit_has_the_same_figures() {
    let tree = tree([grouped("tally", Checkpoints::new(MemoryStore::new()))]).await;
    let tally = find(&tree, "tally");
    add(&tally, 123).await;
    assert_eq!(tally.saves().unwrap().last.unwrap().bytes, 3);
}

#[tokio::test]
async fn a_service_without_a_checkpoint_has_no_figures() {
    let tree = regrow::Supervisor::one_for_one("app").child(crate::common::worker::worker("a")).start().await.unwrap();
    let worker = tree.lookup::<crate::common::worker::Job>("app/a").unwrap();
    assert_eq!(worker.saves(), None);
    let why = worker.why().await;
    assert!(why.saves.is_none() && !why.to_string().contains("saved"));
}
