//! Claims whose starts were killed: the store goes on with them, as a thread does.

use std::sync::Arc;

use regrow::ServiceState;
use regrow::checkpoint::{CheckpointStore, Checkpoints, Claim, MemoryStore, Record, Stamp, StoreError, StoreFuture};
use tokio::sync::watch;

use crate::common::tree::{SEC, soon};
use crate::tally::{add, find, plain, tree};

/// A store that works on each claim in a task of its own, and holds the second one back.
#[derive(Clone)]
struct Threads {
    memory: MemoryStore,
    /// Number of claims that it was asked for.
    asked: Arc<watch::Sender<u32>>,
    holds: Arc<watch::Sender<bool>>,
}

impl CheckpointStore for Threads {
    fn claim<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Claim> {
        let (store, key) = (self.clone(), key.to_owned());
        self.asked.send_modify(|asked| *asked += 1);
        let number = *self.asked.borrow();
        let claim = tokio::spawn(async move {
            if number == 2 {
                store.holds.subscribe().wait_for(|holds| !holds).await.unwrap();
            }
            store.memory.claim(&key).await
        });
        Box::pin(async move { claim.await.map_err(|ended| StoreError::Failed(ended.into()))? })
    }

    fn save<'a>(&'a self, key: &'a str, record: Record) -> StoreFuture<'a, ()> {
        self.memory.save(key, record)
    }

    fn discard<'a>(&'a self, key: &'a str, stamp: Stamp) -> StoreFuture<'a, ()> {
        self.memory.discard(key, stamp)
    }

    fn describe(&self) -> String {
        "threads".into()
    }
}

// Found with the bank under 200 kills a second: the claim of a start that was killed came after that of the next start, and
// the next save of a service that was well was refused: "superseded".
#[tokio::test(start_paused = true)]
async fn a_claim_of_a_killed_start_is_over_before_the_next_one_begins() {
    let store = Threads {
        memory: MemoryStore::new(),
        asked: Arc::new(watch::Sender::new(0)),
        holds: Arc::new(watch::Sender::new(true)),
    };
    let tree = tree([plain("tally", Checkpoints::new(store.clone()))]).await;
    let tally = find(&tree, "tally");
    assert_eq!(add(&tally, 1).await, 1);

    tally.kill().unwrap();
    soon("the second claim", store.asked.subscribe().wait_for(|asked| *asked == 2)).await.unwrap();
    tally.kill().unwrap();
    // All that can happen without the second claim has happened then.
    tokio::time::sleep(SEC).await;
    assert_eq!(*store.asked.borrow(), 2, "the third start waits for the claim of the second");
    store.holds.send_replace(false);

    soon("the third start", tally.watch().wait_for(|status| status.state == ServiceState::Up)).await.unwrap();
    assert_eq!((add(&tally, 1).await, tally.generation()), (2, 2));
    assert_eq!(add(&tally, 1).await, 3);
    assert_eq!((*store.asked.borrow(), tally.generation()), (3, 2));
    assert_eq!(store.memory.claim("app/tally").await.unwrap().epoch, 4);
    tree.shutdown().await;
}
