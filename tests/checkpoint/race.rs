//! Kills at random moments: an addition that was acknowledged is never lost.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use regrow::checkpoint::{Checkpoints, FileStore, MemoryStore};
use regrow::{CallError, Handle, ServiceChild};

use crate::common::tree::{soon, turns};
use crate::tally::{Msg, count, find, grouped, plain, tree};

/// Adds one at a time from several callers, and kills meanwhile. Returns the additions that were acknowledged, and those
/// whose fate is open.
async fn adds_under_kills(tally: &Handle<Msg>, seed: u64) -> (u64, u64) {
    let callers = (0..4).map(|caller| {
        let (tally, mut random) = (tally.clone(), StdRng::seed_from_u64(seed * 31 + caller));
        tokio::spawn(async move {
            let (mut acknowledged, mut open) = (0, 0);
            for _ in 0..25 {
                match soon("the end of a call", tally.call(|reply| Msg::Add(1, reply))).await {
                    Ok(_) => acknowledged += 1,
                    Err(CallError::Crashed { .. }) => open += 1,
                    Err(error) => panic!("seed {seed}: {error}"),
                }
                turns(random.random_range(0..3)).await;
            }
            (acknowledged, open)
        })
    });
    let callers: Vec<_> = callers.collect();
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..10 {
        turns(random.random_range(0..30)).await;
        // Between two lives there is nothing to kill.
        let _ = tally.kill();
    }
    let mut sums = (0, 0);
    for caller in callers {
        let (acknowledged, open) = caller.await.unwrap();
        sums = (sums.0 + acknowledged, sums.1 + open);
    }
    sums
}

/// The count lies between what was acknowledged and what was sent, in the life that follows and in a later tree.
async fn check(child: impl Fn(Checkpoints) -> ServiceChild<Msg>, seed: u64) {
    check_with(Checkpoints::new(MemoryStore::new()), child, seed).await;
}

async fn check_with(store: Checkpoints, child: impl Fn(Checkpoints) -> ServiceChild<Msg>, seed: u64) {
    let first = tree([child(store.clone())]).await;
    let tally = find(&first, "tally");
    let (acknowledged, open) = adds_under_kills(&tally, seed).await;
    let counted = count(&tally).await;
    let possible = acknowledged..=acknowledged + open;
    assert!(possible.contains(&counted), "seed {seed}: {counted} is not in {possible:?}");
    assert!(first.shutdown().await.is_clean(), "seed {seed}");
    let second = tree([child(store)]).await;
    assert_eq!(count(&find(&second, "tally")).await, counted, "seed {seed}");
    assert!(second.shutdown().await.is_clean(), "seed {seed}");
}

#[tokio::test]
async fn acknowledged_additions_survive_kills_at_random_with_a_save_per_message() {
    for seed in 0..20 {
        check(|store| plain("tally", store), seed).await;
    }
}

#[tokio::test]
async fn acknowledged_additions_survive_kills_at_random_with_group_commit() {
    for seed in 0..20 {
        check(|store| grouped("tally", store), seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn acknowledged_additions_survive_kills_at_random_on_several_threads() {
    for seed in 0..20 {
        check(|store| grouped("tally", store), seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn acknowledged_additions_survive_kills_at_random_in_files_and_in_sqlite() {
    for seed in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        let files = FileStore::open(directory.path()).unwrap();
        let is_grouped = seed % 2 == 0;
        let child = |store| if is_grouped { grouped("tally", store) } else { plain("tally", store) };
        check_with(Checkpoints::new(files), child, seed).await;
        #[cfg(feature = "checkpoint-sqlite")]
        {
            let store = regrow::checkpoint::SqliteStore::open(directory.path().join("tally.db")).unwrap();
            check_with(Checkpoints::new(store), child, seed).await;
        }
    }
}

#[tokio::test]
async fn no_cast_is_lost_over_orderly_restarts_at_random() {
    for seed in 0..20 {
        let (store, mut random) = (Checkpoints::new(MemoryStore::new()), StdRng::seed_from_u64(seed));
        let tree = tree([grouped("tally", store)]).await;
        let tally = find(&tree, "tally");
        let mut sent = 0;
        for _ in 0..10 {
            for _ in 0..random.random_range(0..5) {
                tally.cast(Msg::Note(1)).unwrap();
                sent += 1;
            }
            turns(random.random_range(0..5)).await;
            soon("a restart", tally.restart("by chance")).await.unwrap();
        }
        assert_eq!(count(&tally).await, sent, "seed {seed}");
        assert!(tree.shutdown().await.is_clean(), "seed {seed}");
    }
}
