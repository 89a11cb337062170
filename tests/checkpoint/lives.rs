//! A save per message: each life begins with what was saved last, and a reply goes out after its save.

use regrow::checkpoint::{Checkpoint, Checkpoints, Json, MemoryStore};
use regrow::{CallError, Child, Exit, Intensity, Reply, Supervisor};

use crate::common::tree::{soon, up};
use crate::held::HeldStore;
use crate::tally::{Count, Msg, add, count, find, plain, tree};

// WAkka #19: after several crashes, the state of the first crash came back each time.
#[tokio::test]
async fn five_crashes_in_a_row_each_begin_with_the_value_saved_last() {
    let tree = tree([plain("tally", Checkpoints::new(MemoryStore::new()))]).await;
    let tally = find(&tree, "tally");
    for life in 1..=5 {
        assert_eq!(add(&tally, 10).await, 10 * life);
        tally.cast(Msg::Panic).unwrap();
        up(&tree, "app/tally", life + 1).await;
        assert_eq!(count(&tally).await, 10 * life);
    }
}

// Proto.Actor #192: there was only ever one snapshot. #221: off by one on replay.
#[tokio::test]
async fn a_store_keeps_the_latest_value_only() {
    let held = HeldStore::new();
    let tree = tree([plain("tally", held.checkpoints())]).await;
    let tally = find(&tree, "tally");
    for _ in 0..3 {
        add(&tally, 1).await;
    }
    assert_eq!(held.stored("app/tally").await.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_reply_is_sent_after_the_save_that_it_tells_of() {
    let held = HeldStore::new();
    let tree = tree([plain("tally", held.checkpoints())]).await;
    let tally = find(&tree, "tally");
    held.hold();
    let mut call = tally.call(|reply| Msg::Add(5, reply));
    held.was_asked(1).await;
    let answer = tokio::select! { biased; answer = &mut call => Some(answer), () = tokio::task::yield_now() => None };
    assert!(answer.is_none(), "{answer:?}");
    held.let_go();
    assert_eq!(call.await.unwrap(), 5);
}

#[tokio::test]
async fn a_crash_before_the_save_takes_nothing_back_that_was_answered() {
    let held = HeldStore::new();
    let tree = tree([plain("tally", held.checkpoints())]).await;
    let tally = find(&tree, "tally");
    assert_eq!(add(&tally, 1).await, 1);
    held.hold();
    let call = tokio::spawn(tally.call(|reply| Msg::Add(5, reply)));
    held.was_asked(2).await;
    tally.kill().unwrap();
    up(&tree, "app/tally", 2).await;
    assert!(matches!(call.await.unwrap(), Err(CallError::Crashed { .. })));
    // The save of the dead incarnation goes on. It belongs to an older epoch now, and is refused.
    held.let_go();
    assert!(!held.has_done(2).await[1].1);
    assert_eq!(count(&tally).await, 1);
}

#[tokio::test]
async fn a_crash_between_the_save_and_the_reply_keeps_the_change_and_tells_the_caller() {
    let tree = tree([plain("tally", Checkpoints::new(MemoryStore::new()))]).await;
    let tally = find(&tree, "tally");
    let outcome = tally.call(|reply| Msg::AddAndPanic(5, reply)).await;
    assert!(matches!(outcome, Err(CallError::Crashed { exit, .. }) if matches!(*exit, Exit::Panicked(_))));
    assert_eq!(count(&tally).await, 5);
}

#[tokio::test]
async fn a_service_begins_with_the_value_of_an_earlier_tree() {
    let store = Checkpoints::new(MemoryStore::new());
    for life in 1..=3 {
        let tree = tree([plain("tally", store.clone())]).await;
        assert_eq!(add(&find(&tree, "tally"), 1).await, life);
        assert!(tree.shutdown().await.is_clean());
    }
}

#[tokio::test]
async fn a_discarded_value_is_gone_and_the_epoch_goes_on() {
    let store = Checkpoints::new(MemoryStore::new());
    let tree = tree([plain("tally", store.clone())]).await;
    let tally = find(&tree, "tally");
    add(&tally, 7).await;
    assert_eq!(tally.saves().unwrap().epoch, 1);
    store.discard("app/tally").await.unwrap();
    // The service was superseded by the one that discards. It fails at its next save, and begins without a value.
    let outcome = tally.call(|reply| Msg::Add(1, reply)).await;
    assert!(matches!(outcome, Err(CallError::Crashed { .. })), "{outcome:?}");
    assert_eq!(count(&tally).await, 0);
    assert_eq!(tally.saves().unwrap().epoch, 3);
}

#[tokio::test]
async fn a_task_claims_and_saves_its_checkpoint() {
    let held = HeldStore::new();
    let store = held.checkpoints();
    let work = Child::task("job", move |ctx| {
        let store = store.clone();
        async move {
            let mut checkpoint: Checkpoint<Count> = ctx.checkpoint(&store).await?;
            let Json(page) = checkpoint.take().unwrap_or_default();
            checkpoint.save(&Json(page + 1)).await?;
            anyhow::ensure!(page == 2, "page {page} is not the last one");
            Ok(())
        }
    });
    let app = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    let tree = app.child(work).start().await.unwrap();
    held.has_done(3).await;
    assert!(tree.shutdown().await.is_clean());
    assert_eq!(held.stored("app/job").await.as_deref(), Some("3"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_claims_and_saves_its_checkpoint() {
    let store = Checkpoints::new(MemoryStore::new());
    let counter = Child::thread("counter", move |inbox: regrow::Inbox<Reply<u64>>| {
        let mut checkpoint: Checkpoint<Count> = inbox.checkpoint(&store)?;
        let mut count = checkpoint.take().unwrap_or_default();
        for reply in inbox {
            *count += 1;
            checkpoint.blocking_save(&count)?;
            reply.send(*count);
            anyhow::ensure!(*count != 2, "two");
        }
        Ok(())
    });
    let app = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    let tree = app.child(counter).start().await.unwrap();
    let counter = tree.lookup::<Reply<u64>>("app/counter").unwrap();
    for number in 1..=4 {
        assert_eq!(soon("an answer", counter.call(|reply| reply)).await.unwrap(), number);
    }
    assert!(counter.generation() >= 2);
}

#[tokio::test]
async fn a_value_of_100_mib_is_saved_and_comes_back() {
    const SIZE: usize = 100 << 20;
    struct Blob(Vec<u8>);
    impl regrow::checkpoint::State for Blob {
        fn encode(&self) -> anyhow::Result<Vec<u8>> {
            Ok(self.0.clone())
        }
        fn decode(_: u32, bytes: &[u8]) -> anyhow::Result<Self> {
            Ok(Self(bytes.to_vec()))
        }
    }
    let held = HeldStore::new();
    let store = held.checkpoints();
    let work = Child::task("job", move |ctx| {
        let store = store.clone();
        async move {
            let mut checkpoint: Checkpoint<Blob> = ctx.checkpoint(&store).await?;
            match checkpoint.take() {
                None => {
                    checkpoint.save(&Blob(vec![7; SIZE])).await?;
                    anyhow::bail!("once more")
                }
                Some(Blob(bytes)) => {
                    anyhow::ensure!(bytes.len() == SIZE && bytes.iter().all(|byte| *byte == 7));
                    assert_eq!(checkpoint.figures().last.unwrap().bytes, SIZE as u64);
                    checkpoint.save(&Blob(Vec::new())).await?;
                    Ok(())
                }
            }
        }
    });
    let tree = Supervisor::one_for_one("app").child(work).start().await.unwrap();
    held.has_done(2).await;
    assert!(tree.shutdown().await.is_clean());
    assert_eq!(held.stored("app/job").await.as_deref(), Some(""));
}
