//! A store that hangs, and one that answers late.

use regrow::checkpoint::{Checkpoint, Json, Problem, StoreError};
use regrow::{Child, StartError, Supervisor};
use tokio::time::Instant;

use crate::common::tree::SEC;
use crate::held::HeldStore;
use crate::tally::{Count, add, find, plain, tree};

/// Runs `work` with a claimed checkpoint, in a task of a tree `app`, and returns its outcome.
async fn with<R: Send + 'static, Fut: Future<Output = R> + Send + 'static>(
    store: regrow::checkpoint::Checkpoints,
    work: impl FnOnce(Checkpoint<Count>) -> Fut + Send + 'static,
) -> R {
    let (told, outcome) = tokio::sync::oneshot::channel();
    let job = Child::once("job", move |ctx: regrow::TaskContext| async move {
        let checkpoint = ctx.checkpoint(&store).await?;
        drop(told.send(work(checkpoint).await));
        Ok(())
    });
    let tree = Supervisor::one_for_one("app").child(job).start().await.unwrap();
    let outcome = outcome.await.unwrap();
    tree.shutdown().await;
    outcome
}

#[tokio::test(start_paused = true)]
async fn a_claim_without_an_answer_fails_the_start_after_the_limit() {
    let held = HeldStore::new();
    held.set_dead(true);
    let began = Instant::now();
    let store = held.checkpoints().limit(4 * SEC);
    let error: StartError =
        Supervisor::one_for_one("app").child(plain("tally", store)).start().await.map(|_| ()).unwrap_err();
    assert!(began.elapsed() >= 4 * SEC);
    let text = format!("{:#}", anyhow::Error::new(error));
    assert!(text.contains("checkpoint `app/tally` in the store of the test: no answer within 4s"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_hanging_save_gives_up_after_the_limit_and_names_key_and_store() {
    let held = HeldStore::new();
    let (store, holder) = (held.checkpoints().limit(5 * SEC), held.clone());
    let (error, took) = with(store, |mut checkpoint| async move {
        holder.hold();
        let began = Instant::now();
        (checkpoint.save(&Json(1)).await.unwrap_err(), began.elapsed())
    })
    .await;
    assert_eq!(took, 5 * SEC);
    assert_eq!(error.to_string(), "checkpoint `app/job` in the store of the test: no answer within 5s");
    assert!(matches!(error.problem, Problem::TimedOut(limit) if limit == 5 * SEC));
}

#[tokio::test(start_paused = true)]
async fn a_late_save_never_replaces_a_newer_one() {
    let held = HeldStore::new();
    let (store, holder) = (held.checkpoints().limit(SEC), held.clone());
    // The first save is held, and its caller gives up. The second one goes through before it.
    let saved = with(store, |mut checkpoint| async move {
        holder.hold_save(1);
        let gives_up = checkpoint.save(&Json(1)).await;
        assert!(matches!(gives_up.unwrap_err().problem, Problem::TimedOut(_)));
        let newer = checkpoint.save(&Json(2)).await;
        holder.let_go();
        holder.has_done(2).await;
        newer
    })
    .await;
    saved.unwrap();
    let done: Vec<_> = held.has_done(2).await.iter().map(|(stamp, is_done)| (stamp.sequence, *is_done)).collect();
    assert_eq!(done, [(2, true), (1, false)]);
    assert_eq!(held.stored("app/job").await.as_deref(), Some("2"));
}

#[tokio::test(start_paused = true)]
async fn a_late_save_never_crosses_a_newer_claim() {
    let held = HeldStore::new();
    let store = held.checkpoints().limit(SEC);
    let holder = held.clone();
    let error = with(store.clone(), |mut checkpoint| async move {
        holder.hold();
        checkpoint.save(&Json(1)).await.unwrap_err()
    })
    .await;
    assert!(matches!(error.problem, Problem::TimedOut(_)));
    // The next life claims, and then the save of the old one arrives.
    let holder = held.clone();
    let saved = with(store, |mut checkpoint| async move {
        assert!(checkpoint.take().is_none());
        holder.let_go();
        holder.has_done(1).await;
        checkpoint.save(&Json(2)).await
    })
    .await;
    saved.unwrap();
    let done: Vec<_> = held.has_done(2).await.iter().map(|(stamp, done)| (stamp.epoch, *done)).collect();
    assert_eq!(done, [(1, false), (2, true)]);
    assert_eq!(held.stored("app/job").await.as_deref(), Some("2"));
}

#[tokio::test(start_paused = true)]
async fn a_save_that_was_dropped_by_its_caller_goes_on() {
    let held = HeldStore::new();
    let holder = held.clone();
    with(held.checkpoints(), |mut checkpoint| async move {
        holder.hold();
        let cut = tokio::time::timeout(SEC, checkpoint.save(&Json(1))).await;
        assert!(cut.is_err());
        holder.let_go();
        holder.has_done(1).await;
    })
    .await;
    assert_eq!(held.stored("app/job").await.as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_service_whose_store_hangs_once_is_restarted_and_goes_on() {
    let held = HeldStore::new();
    let tree = tree([plain("tally", held.checkpoints().limit(SEC))]).await;
    let tally = find(&tree, "tally");
    assert_eq!(add(&tally, 1).await, 1);
    held.hold();
    tally.call(|reply| crate::tally::Msg::Add(1, reply)).await.unwrap_err();
    held.let_go();
    let refused = held.has_done(2).await[1];
    assert!(!refused.1 || tally.call(crate::tally::Msg::Count).await.unwrap() == 2);
    add(&tally, 1).await;
}

#[tokio::test]
async fn an_error_of_the_store_is_passed_on() {
    let held = HeldStore::new();
    held.fail(Some("no space left"));
    let error = with(held.checkpoints(), |mut checkpoint| async move { checkpoint.save(&Json(1)).await }).await;
    let error = error.unwrap_err();
    assert!(matches!(error.problem, Problem::Store(StoreError::Failed(_))));
    assert_eq!(error.to_string(), "checkpoint `app/job` in the store of the test: no space left");
}

#[tokio::test(start_paused = true)]
async fn a_limit_may_be_as_long_as_its_type_allows_and_as_short() {
    let held = HeldStore::new();
    with(held.checkpoints().limit(std::time::Duration::MAX), |mut checkpoint| async move {
        checkpoint.save(&Json(1)).await
    })
    .await
    .unwrap();
    // No time at all: each claim that has to wait fails, and so does each save.
    let none = held.checkpoints().limit(std::time::Duration::ZERO);
    let saved = with(none, |mut checkpoint| async move { checkpoint.save(&Json(2)).await }).await;
    assert!(matches!(saved.unwrap_err().problem, Problem::TimedOut(limit) if limit.is_zero()));
}
