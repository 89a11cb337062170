//! What happens to queued messages when an incarnation ends: kept for the next by default, shed where asked.

use std::time::Duration;

use regrow::testing::until;
use regrow::{CallError, Handle, OnRestart, Refusal, Reply, Restart, ServiceState, Strategy, Supervisor, Tree};

use crate::common::mail::*;

/// How the message in hand is lost.
#[derive(Debug, Clone, Copy)]
enum Crash {
    Panic,
    Error,
    Kill,
}

const CRASHES: [Crash; 3] = [Crash::Panic, Crash::Error, Crash::Kill];

impl Crash {
    /// Crashes the worker while it has the held message in hand.
    fn strike(self, handle: &Handle<Job>, held: Held) {
        match self {
            Self::Panic => held.then(panics()),
            Self::Error => held.then(fails()),
            Self::Kill => handle.kill().unwrap(),
        }
    }
}

fn answers_noted(number: u64, log: &Log, reply: Reply<u64>) -> Job {
    let log = log.clone();
    run(async move |_| {
        log.write(number);
        reply.send(number);
        Ok(())
    })
}

/// `app/elder` and `app/worker` under a strategy that restarts both when the elder dies.
async fn group(strategy: Strategy, on_restart: OnRestart) -> (Tree, Handle<Job>, Handle<Job>) {
    let tree = forgiving(strategy).child(worker("elder")).child(worker("worker").on_restart(on_restart));
    let tree = soon(tree.start()).await.unwrap();
    let (elder, handle) = (tree.lookup("app/elder").unwrap(), tree.lookup("app/worker").unwrap());
    (tree, elder, handle)
}

/// A worker `app/inner/worker` whose supervisor gives up at its first crash, and is restarted then.
async fn nested(on_restart: OnRestart) -> (Tree, Handle<Job>) {
    let inner = Supervisor::one_for_one("inner").intensity(0, Duration::from_secs(5));
    let inner = inner.child(worker("worker").on_restart(on_restart));
    let tree = soon(forgiving(Strategy::OneForOne).child(inner).start()).await.unwrap();
    let handle = tree.lookup("app/inner/worker").unwrap();
    (tree, handle)
}

fn note_all(handle: &Handle<Job>, log: &Log, numbers: std::ops::Range<u64>) {
    for number in numbers {
        handle.cast(log.note(number)).unwrap();
    }
}

#[tokio::test]
async fn only_the_message_in_hand_is_lost_and_the_others_keep_their_order() {
    for crash in CRASHES {
        let (_tree, handle) = tree_of(worker("worker")).await;
        let (held, log) = (busy(&handle).await, Log::default());
        note_all(&handle, &log, 0..100);
        crash.strike(&handle, held);
        caught_up(&handle).await;
        assert_eq!((handle.generation(), log.seen()), (2, (0..100).collect::<Vec<_>>()), "{crash:?}");
        let books = handle.accounting();
        assert_eq!((books.crashed, books.dead_lettered, books.returned), (1, 0, 0), "{crash:?}: {books}");
    }
}

#[tokio::test]
async fn a_queued_call_is_answered_by_the_next_incarnation() {
    for crash in CRASHES {
        let (_tree, handle) = tree_of(worker("worker")).await;
        let (held, log) = (busy(&handle).await, Log::default());
        let call = handle.call(|reply| answers_noted(7, &log, reply));
        crash.strike(&handle, held);
        assert_eq!(soon(call).await.unwrap(), 7, "{crash:?}");
        assert_eq!(handle.generation(), 2);
    }
}

/// Akka and Pekko #669: the stash was lost when a second failure came while it was being replayed.
#[tokio::test]
async fn kept_messages_survive_a_second_crash_while_they_are_replayed() {
    for first in CRASHES {
        for second in CRASHES {
            let (_tree, handle) = tree_of(worker("worker")).await;
            let (held, log) = (busy(&handle).await, Log::default());
            note_all(&handle, &log, 0..10);
            let (job, mut held_again) = hold();
            handle.cast(job).unwrap();
            note_all(&handle, &log, 10..20);
            let call = handle.call(|reply| answers_noted(20, &log, reply));

            first.strike(&handle, held);
            held_again.begun().await;
            assert_eq!(log.seen(), (0..10).collect::<Vec<_>>(), "{first:?}, then {second:?}");
            note_all(&handle, &log, 21..30);
            second.strike(&handle, held_again);
            assert_eq!(soon(call).await.unwrap(), 20, "{first:?}, then {second:?}");
            caught_up(&handle).await;
            assert_eq!((handle.generation(), log.seen()), (3, (0..30).collect()), "{first:?}, then {second:?}");
            assert_eq!(handle.accounting().crashed, 2);
        }
    }
}

#[tokio::test]
async fn kept_messages_survive_starts_that_fail() {
    let (gate, log) = (Gate::open(), Log::default());
    let child = regrow::Child::service_with("worker", gate.clone(), |gate, ctx: regrow::Context<Worker>| async move {
        gate.pass().await;
        anyhow::ensure!(ctx.attempt() == 1 || ctx.attempt() > 3, "not yet");
        Ok(Worker::default())
    });
    let (_tree, handle) = tree_of(child).await;
    let held = busy(&handle).await;
    note_all(&handle, &log, 0..10);
    held.then(panics());
    caught_up(&handle).await;
    assert_eq!((handle.generation(), handle.accounting().attempts), (2, 4));
    assert_eq!(log.seen(), (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn kept_messages_survive_a_kill_during_the_start() {
    let (gate, log) = (Gate::open(), Log::default());
    let (_tree, handle) = tree_of(gated("worker", &gate)).await;
    let held = busy(&handle).await;
    note_all(&handle, &log, 0..10);
    gate.set_open(false);
    held.then(panics());
    until_state(&handle, ServiceState::Starting).await;
    handle.kill().unwrap();
    gate.set_open(true);
    caught_up(&handle).await;
    assert_eq!(log.seen(), (0..10).collect::<Vec<_>>());
    assert_eq!(handle.accounting().crashed, 1, "the attempt that was killed had nothing in hand");
}

#[tokio::test]
async fn kept_messages_survive_a_group_restart_and_the_one_in_hand_is_finished_when_it_can_be() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let (_tree, elder, handle) = group(strategy, OnRestart::Keep).await;
        let (held, log) = (busy(&handle).await, Log::default());
        note_all(&handle, &log, 1..10);
        elder.kill().unwrap();
        // Asked to stop, it finishes what it has in hand, and takes nothing more.
        held.then({
            let log = log.clone();
            run(async move |ctx| {
                while !ctx.is_stopping() {
                    tokio::task::yield_now().await;
                }
                log.write(0);
                Ok(())
            })
        });
        caught_up(&handle).await;
        assert_eq!((handle.generation(), log.seen()), (2, (0..10).collect::<Vec<_>>()), "{strategy}");
        assert_eq!(handle.accounting().crashed, 0, "{strategy}");
    }
}

#[tokio::test]
async fn kept_messages_survive_their_supervisor_that_gave_up() {
    for crash in CRASHES {
        let (tree, handle) = nested(OnRestart::Keep).await;
        let (held, log) = (busy(&handle).await, Log::default());
        note_all(&handle, &log, 0..10);
        let call = handle.call(|reply| answers_noted(10, &log, reply));
        crash.strike(&handle, held);
        assert_eq!(soon(call).await.unwrap(), 10, "{crash:?}");
        assert_eq!(log.seen(), (0..=10).collect::<Vec<_>>(), "{crash:?}");
        assert_eq!(tree.directory().status("app/inner").unwrap().generation, 2);
        assert_eq!((handle.generation(), handle.accounting().crashed), (2, 1), "{crash:?}");
    }
}

#[tokio::test]
async fn kept_messages_survive_the_kill_of_their_supervisor() {
    let (tree, handle) = nested(OnRestart::Keep).await;
    let (_held, log) = (busy(&handle).await, Log::default());
    note_all(&handle, &log, 0..10);
    tree.kill("app/inner").unwrap();
    caught_up(&handle).await;
    assert_eq!((handle.generation(), log.seen()), (2, (0..10).collect::<Vec<_>>()));
}

#[tokio::test]
async fn kept_messages_survive_many_crashes_one_lost_with_each() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let (held, log) = (busy(&handle).await, Log::default());
    for round in 0..100 {
        handle.cast(log.note(round)).unwrap();
        handle.cast(if round % 2 == 0 { panics() } else { fails() }).unwrap();
    }
    held.release();
    soon(until(handle.watch(), |status| status.generation == 101)).await;
    caught_up(&handle).await;
    assert_eq!(log.seen(), (0..100).collect::<Vec<_>>());
    let books = handle.accounting();
    // The note, the one that held, and nothing else; the last one is in hand.
    assert_eq!((books.crashed, books.accepted), (100, 202), "{books}");
}

/// Three notes and a call are queued, then `end` comes: casts are dead letters, the call is told, and the next
/// incarnation begins with an empty mailbox.
async fn is_shed(handle: &Handle<Job>, end: impl AsyncFnOnce(Held)) {
    let (held, log, before) = (busy(handle).await, Log::default(), handle.accounting());
    note_all(handle, &log, 0..3);
    let call = handle.call(|reply| answers_noted(3, &log, reply));
    end(held).await;

    let error = soon(call).await.unwrap_err();
    assert!(matches!(error, CallError::NeverRan(_)) && error.is_safe_to_repeat());
    until_generation(handle, 2).await;
    handle.cast(log.note(4)).unwrap();
    caught_up(handle).await;
    assert_eq!(log.seen(), [4]);
    let books = handle.accounting();
    assert_eq!((books.dead_lettered, books.returned), (before.dead_lettered + 3, before.returned + 1));
    assert!(books.is_balanced(), "{books}");
}

#[tokio::test]
async fn drop_sheds_what_is_queued_at_a_crash() {
    for crash in CRASHES {
        let (_tree, handle) = tree_of(worker("worker").on_restart(OnRestart::Drop)).await;
        is_shed(&handle, async |held| crash.strike(&handle, held)).await;
    }
}

#[tokio::test]
async fn drop_sheds_what_is_queued_at_a_group_restart() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let (_tree, elder, handle) = group(strategy, OnRestart::Drop).await;
        is_shed(&handle, async |held| {
            elder.kill().unwrap();
            held.then(until_asked());
        })
        .await;
    }
}

#[tokio::test]
async fn drop_sheds_what_is_queued_when_the_supervisor_gives_up() {
    let (_tree, handle) = nested(OnRestart::Drop).await;
    is_shed(&handle, async |held| held.then(panics())).await;
}

#[tokio::test]
async fn drop_sheds_what_comes_between_two_lives() {
    let (gate, log) = (Gate::open(), Log::default());
    let tree = forgiving(Strategy::RestForOne).child(gated("elder", &gate));
    let tree = soon(tree.child(worker("worker").on_restart(OnRestart::Drop)).start()).await.unwrap();
    let (elder, handle) = (tree.lookup::<Job>("app/elder").unwrap(), tree.lookup::<Job>("app/worker").unwrap());
    gate.set_open(false);
    elder.kill().unwrap();
    until_state(&elder, ServiceState::Starting).await;
    assert_eq!(handle.status().state, ServiceState::Restarting);
    handle.cast(log.note(1)).unwrap();
    let call = handle.call(|reply| answers_noted(2, &log, reply));
    gate.set_open(true);
    assert!(matches!(soon(call).await.unwrap_err(), CallError::NeverRan(_)));
    caught_up(&handle).await;
    assert_eq!((log.seen(), handle.accounting().dead_lettered), (vec![], 1));
}

#[tokio::test]
async fn drop_does_not_shed_what_waits_for_the_first_life() {
    let (mailbox, handle) = regrow::mailbox();
    let log = Log::default();
    handle.cast(log.note(1)).unwrap();
    let (_tree, _) = tree_of(worker("worker").mailbox(mailbox).on_restart(OnRestart::Drop)).await;
    caught_up(&handle).await;
    assert_eq!(log.seen(), [1]);
}

#[tokio::test]
async fn drop_lets_a_waiting_sender_in() {
    let (_tree, handle) = tree_of(worker("worker").capacity(1).on_restart(OnRestart::Drop)).await;
    let (held, log) = (busy(&handle).await, Log::default());
    handle.cast(log.note(1)).unwrap();
    assert_eq!(handle.cast(idle()).unwrap_err().refusal(), Refusal::Full);
    let mut send = Box::pin(handle.send(log.note(2)));
    assert!(is_waiting(&mut send).await);
    held.then(panics());
    soon(send).await.unwrap();
    until_generation(&handle, 2).await;
    caught_up(&handle).await;
    assert!(!log.seen().contains(&1), "it was shed to make room");
}

#[tokio::test]
async fn a_temporary_service_has_no_next_life_to_keep_messages_for() {
    let (_tree, handle) = tree_of(worker("worker").restart(Restart::Temporary)).await;
    let (held, log) = (busy(&handle).await, Log::default());
    handle.cast(log.note(1)).unwrap();
    held.then(panics());
    until_state(&handle, ServiceState::Gone).await;
    assert_eq!((log.seen(), handle.accounting().dead_lettered), (vec![], 1));
}
