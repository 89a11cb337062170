//! Draining: before a planned stop, what is queued at that moment is still handled, and no more.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use regrow::{Child, Context, Handle, Overflow, Refusal, ServiceChild, ServiceState, Shutdown, Strategy, Tree};

use crate::common::mail::{self, *};

/// Queues the numbers behind a held worker, and lets it go on when it is asked to stop.
async fn is_shut_down_with_ten_queued(child: ServiceChild<Job>) -> (Tree, Handle<Job>, Log) {
    let (tree, handle) = tree_of(child).await;
    let (held, log) = (busy(&handle).await, Log::default());
    for number in 0..10 {
        handle.cast(log.note(number)).unwrap();
    }
    held.then(until_asked());
    soon(tree.shutdown()).await;
    (tree, handle, log)
}

#[tokio::test]
async fn a_stop_handles_what_is_queued_when_asked_to_drain() {
    let (_tree, handle, log) = is_shut_down_with_ten_queued(worker("worker").drain()).await;
    assert_eq!(log.seen(), (0..10).collect::<Vec<_>>());
    let books = handle.accounting();
    assert_eq!((books.handled, books.dead_lettered), (11, 0), "{books}");
}

#[tokio::test]
async fn a_stop_sheds_what_is_queued_unless_asked_to_drain() {
    let (_tree, handle, log) = is_shut_down_with_ten_queued(worker("worker")).await;
    assert!(log.seen().is_empty());
    let books = handle.accounting();
    assert_eq!((books.handled, books.dead_lettered), (1, 10), "{books}");
}

#[tokio::test]
async fn what_comes_during_the_drain_is_refused() {
    let (tree, handle) = tree_of(worker("worker").drain()).await;
    let (held, log) = (busy(&handle).await, Log::default());
    for number in 0..3 {
        let (note, late) = (log.clone(), log.note(number + 100));
        let job = run(async move |ctx| {
            note.write(number);
            assert_eq!(ctx.handle().cast(late).unwrap_err().refusal(), Refusal::Stopping);
            Ok(())
        });
        handle.cast(job).unwrap();
    }
    held.then(until_asked());
    soon(tree.shutdown()).await;
    assert_eq!((log.seen(), handle.accounting().dead_lettered), (vec![0, 1, 2], 0));
}

#[tokio::test]
async fn a_queued_call_is_answered_by_the_drain() {
    let (tree, handle) = tree_of(worker("worker").drain()).await;
    let held = busy(&handle).await;
    let call = handle.call(|reply| answers(reply, 42));
    held.then(until_asked());
    let shutdown = tokio::spawn(async move { tree.shutdown().await });
    assert_eq!(soon(call).await.unwrap(), 42);
    soon(shutdown).await.unwrap();
}

#[tokio::test]
async fn an_idle_service_has_nothing_to_drain() {
    let (tree, handle) = tree_of(worker("worker").drain()).await;
    caught_up(&handle).await;
    assert!(soon(tree.shutdown()).await.is_clean());
}

#[tokio::test]
async fn a_crash_during_the_drain_ends_it() {
    let (tree, handle) = tree_of(worker("worker").drain()).await;
    let (held, log) = (busy(&handle).await, Log::default());
    handle.cast(log.note(1)).unwrap();
    handle.cast(panics()).unwrap();
    handle.cast(log.note(2)).unwrap();
    held.then(until_asked());
    soon(tree.shutdown()).await;
    let books = handle.accounting();
    assert_eq!((log.seen(), books.crashed, books.dead_lettered), (vec![1], 1, 1), "{books}");
}

#[tokio::test(start_paused = true)]
async fn the_drain_takes_no_longer_than_the_shutdown_time() {
    let child = worker("worker").drain().shutdown(Shutdown::After(Duration::from_secs(4)));
    let (tree, handle) = tree_of(child).await;
    let log = Log::default();
    for number in 0..10 {
        let log = log.clone();
        let job = run(async move |_| {
            tokio::time::sleep(Duration::from_secs(2)).await;
            log.write(number);
            Ok(())
        });
        handle.cast(job).unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let report = soon(tree.shutdown()).await;
    assert_eq!(report.took, Duration::from_secs(4));
    assert_eq!(report.killed, ["app/worker".into()]);
    let books = handle.accounting();
    assert_eq!((log.seen(), books.crashed, books.dead_lettered), (vec![0, 1], 1, 7), "{books}");
}

#[tokio::test]
async fn a_group_restart_drains_too_and_keeps_what_comes_later() {
    let group = forgiving(Strategy::OneForAll).child(worker("elder")).child(worker("worker").drain());
    let tree = soon(group.start()).await.unwrap();
    let (elder, handle) = (tree.lookup::<Job>("app/elder").unwrap(), tree.lookup::<Job>("app/worker").unwrap());
    let (held, log) = (busy(&handle).await, Log::default());
    let (note, later) = (log.clone(), log.note(2));
    let job = run(async move |ctx| {
        note.write(ctx.generation());
        Ok(ctx.handle().cast(later)?)
    });
    handle.cast(job).unwrap();
    held.then(until_asked());
    elder.kill().unwrap();
    until_generation(&handle, 2).await;
    caught_up(&handle).await;
    assert_eq!((log.seen(), handle.accounting().dead_lettered), (vec![1, 2], 0));
}

#[tokio::test]
async fn leaving_drains_nothing() {
    let (_tree, handle) = tree_of(worker("worker").drain().restart(regrow::Restart::Transient)).await;
    let (held, log) = (busy(&handle).await, Log::default());
    handle.cast(log.note(1)).unwrap();
    held.then(leaves());
    until_state(&handle, ServiceState::Down).await;
    assert_eq!((log.seen(), handle.accounting().dead_lettered), (vec![], 1));
}

#[tokio::test]
async fn a_stop_during_the_start_has_nothing_to_drain_with() {
    let gate = Gate::open();
    let child = Child::service_with("worker", gate.clone(), |gate, _| async move {
        gate.pass().await;
        Ok(Worker::default())
    });
    let (tree, handle) = tree_of(child.drain()).await;
    gate.set_open(false);
    handle.kill().unwrap();
    until_state(&handle, ServiceState::Starting).await;
    let log = Log::default();
    handle.cast(log.note(1)).unwrap();
    soon(tree.shutdown()).await;
    assert_eq!((log.seen(), handle.accounting().dead_lettered), (vec![], 1));
}

async fn asked(ctx: &Context<Worker>) {
    while !ctx.is_stopping() {
        tokio::task::yield_now().await;
    }
}

/// The worker of a group, held, which is stopped with the group while it has a message in hand: the generations that ran the
/// numbers queued before the order, and then those sent behind it.
async fn group_stop(worker: ServiceChild<Job>, before: &[u64], behind: &'static [u64]) -> Vec<(u64, u64)> {
    let group = forgiving(Strategy::OneForAll).child(mail::worker("elder")).child(worker.drain());
    let tree = soon(group.start()).await.unwrap();
    let (elder, handle) = (tree.lookup::<Job>("app/elder").unwrap(), tree.lookup::<Job>("app/worker").unwrap());
    let (held, ran) = (busy(&handle).await, Arc::new(Mutex::new(Vec::new())));
    let notes = |ran: &Arc<Mutex<Vec<_>>>, number: u64| {
        let ran = ran.clone();
        run(async move |ctx| {
            ran.lock().unwrap().push((ctx.generation(), number));
            Ok(())
        })
    };
    for number in before {
        handle.cast(notes(&ran, *number)).unwrap();
    }
    let late: Vec<_> = behind.iter().map(|number| notes(&ran, *number)).collect();
    held.then(run(async move |ctx| {
        asked(&ctx).await;
        late.into_iter().for_each(|job| ctx.handle().cast(job).unwrap());
        Ok(())
    }));
    elder.kill().unwrap();
    until_generation(&handle, 2).await;
    caught_up(&handle).await;
    std::mem::take(&mut *ran.lock().unwrap())
}

/// Found by a tester: what came while the last message before the order was in hand was drained as well.
#[tokio::test]
async fn the_drain_is_what_was_queued_at_the_order_and_not_at_the_end_of_the_message_in_hand() {
    assert_eq!(group_stop(worker("worker"), &[1, 2], &[3]).await, [(1, 1), (1, 2), (2, 3)]);
    assert_eq!(group_stop(worker("worker"), &[], &[1]).await, [(2, 1)]);
}

#[tokio::test]
async fn a_queue_that_shrinks_during_the_drain_is_not_made_up_for_by_later_messages() {
    let worker = worker("worker").capacity(2).overflow(Overflow::DropOldest);
    assert_eq!(group_stop(worker, &[1, 2], &[3]).await, [(1, 2), (2, 3)]);
}

#[tokio::test]
async fn a_service_that_is_terminated_drains_and_refuses_what_comes_behind_the_order() {
    let (tree, handle) = tree_of(worker("worker").drain()).await;
    let (held, log) = (busy(&handle).await, Log::default());
    handle.cast(log.note(1)).unwrap();
    let late = log.note(2);
    held.then(run(async move |ctx| {
        asked(&ctx).await;
        assert_eq!(ctx.handle().cast(late).unwrap_err().refusal(), Refusal::Stopping);
        Ok(())
    }));
    soon(tree.supervisor("app").unwrap().terminate_child("worker")).await.unwrap();
    assert_eq!(log.seen(), [1]);
}
