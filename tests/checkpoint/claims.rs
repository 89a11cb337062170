//! Fences: an old incarnation, a second service with the same key, another tree.

use std::time::Duration;

use regrow::checkpoint::{Checkpoint, Json, Problem, StoreError, SupersededBy};
use regrow::{Abandon, CallError, Child, Handle, Inbox, Intensity, Reply, Supervisor};

use crate::common::log::Log;
use crate::common::tree::{Gate, soon, up};
use crate::held::HeldStore;
use crate::tally::{Count, Msg, add, count, error_in, find, plain, tree};

// A task that is abandoned, a node that was frozen: the code goes on when its successor works already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_incarnation_that_writes_after_the_new_one_began_is_refused() {
    let (held, gate) = (HeldStore::new(), Gate::default());
    let _opener = gate.opener();
    let (told, mut errors) = tokio::sync::mpsc::unbounded_channel();
    let (store, passes) = (held.checkpoints(), gate.clone());
    let tally = Child::thread("tally", move |inbox: Inbox<Reply<u64>>| {
        let generation = inbox.generation();
        let mut checkpoint: Checkpoint<Count> = inbox.checkpoint(&store)?;
        let mut count = checkpoint.take().unwrap_or_default();
        for reply in inbox {
            *count += generation;
            if generation == 1 && *count == 2 {
                passes.pass();
                let saved = checkpoint.blocking_save(&Json(99));
                drop(told.send((saved, reply.send(99))));
                return Ok(());
            }
            checkpoint.blocking_save(&count)?;
            reply.send(*count);
        }
        Ok(())
    });
    let app = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    let tree = app.child(tally.abandon(Abandon::After(Duration::from_millis(10)))).start().await.unwrap();
    let tally: Handle<Reply<u64>> = tree.lookup("app/tally").unwrap();
    assert_eq!(tally.call(|reply| reply).await.unwrap(), 1);
    let cut_off = tokio::spawn(tally.call(|reply| reply));
    gate.reached().await;
    tally.kill().unwrap();
    up(&tree, "app/tally", 2).await;
    assert_eq!(tally.call(|reply| reply).await.unwrap(), 3);

    gate.open();
    let (saved, has_answered) = soon("the old incarnation", errors.recv()).await.unwrap();
    let error = saved.unwrap_err();
    assert!(matches!(error.problem, Problem::Store(StoreError::Superseded { epoch: 2, .. })), "{error}");
    assert_eq!(error.superseded_by, Some(SupersededBy::LaterIncarnation));
    assert!(!has_answered && matches!(cut_off.await.unwrap(), Err(CallError::Crashed { .. })));
    assert_eq!(tally.saves().unwrap().failures, 0, "the figures are of the present incarnation");
    assert_eq!(tally.call(|reply| reply).await.unwrap(), 5);
    assert!(tree.shutdown().await.is_clean());
    assert_eq!(held.stored("app/tally").await.as_deref(), Some("5"));
}

#[tokio::test]
async fn two_services_with_one_key_supersede_each_other_and_the_error_names_the_other() {
    let (log, _listening) = Log::listen();
    let held = HeldStore::new();
    // Both use the same `Checkpoints`, so that each can be told of the other.
    let store = held.checkpoints();
    let child = |name: &str| {
        Child::service_with(name, store.clone(), |store, ctx: regrow::Context<Shared>| async move {
            let mut checkpoint = ctx.checkpoint_at(&store, "shared").await?;
            Ok(Shared { count: checkpoint.take().unwrap_or_default(), checkpoint })
        })
    };
    let app = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    let tree = app.child(child("a")).child(child("b")).start().await.unwrap();
    let lines = log.take();
    let claim = "WARN child claims a checkpoint that another incarnation still holds: that one can save no more path=app/b \
                 generation=1 key=shared store=the store of the test epoch=2 before=app/a before_generation=1";
    assert!(lines.iter().any(|line| line.starts_with(claim)), "{lines:#?}");

    let a: Handle<Reply<u64>> = tree.lookup("app/a").unwrap();
    let Err(CallError::Crashed { exit, .. }) = a.call(|reply| reply).await else { panic!("it was answered") };
    let error = error_in(&exit);
    assert_eq!(error.superseded_by, Some(SupersededBy::Service("app/b".into())));
    let text = error.to_string();
    assert!(text.starts_with("checkpoint `shared` in the store of the test: superseded"), "{text}");
    assert!(text.contains("the service `app/b` has claimed it with the same key: give one of the two a key"), "{text}");
    let saves = "WARN a save failed path=app/a generation=1 key=shared store=the store of the test error=checkpoint";
    assert!(log.take().iter().any(|line| line.starts_with(saves)));
}

struct Shared {
    count: Count,
    checkpoint: Checkpoint<Count>,
}

impl regrow::Service for Shared {
    type Msg = Reply<u64>;

    async fn handle(&mut self, reply: Reply<u64>, _: &mut regrow::Context<Self>) -> anyhow::Result<()> {
        *self.count += 1;
        self.checkpoint.save(&self.count).await?;
        reply.send(*self.count);
        Ok(())
    }
}

#[tokio::test]
async fn a_claim_that_this_process_does_not_know_is_another_process() {
    let held = HeldStore::new();
    let tree = tree([plain("tally", held.checkpoints())]).await;
    let tally = find(&tree, "tally");
    add(&tally, 1).await;
    assert_eq!(held.stored("app/tally").await.as_deref(), Some("1")); // which claims
    let Err(CallError::Crashed { exit, .. }) = tally.call(|reply| Msg::Add(1, reply)).await else { panic!() };
    let error = error_in(&exit);
    assert_eq!(error.superseded_by, Some(SupersededBy::Elsewhere));
    assert!(error.to_string().contains("another process has claimed it"), "{error}");
    assert_eq!(count(&tally).await, 1);
}

#[tokio::test]
async fn services_with_keys_of_their_own_do_not_meet() {
    let held = HeldStore::new();
    let tree = tree([plain("a", held.checkpoints()), plain("b", held.checkpoints())]).await;
    for number in 1..=3 {
        assert_eq!(add(&find(&tree, "a"), 1).await, number);
        assert_eq!(add(&find(&tree, "b"), 10).await, 10 * number);
    }
}
