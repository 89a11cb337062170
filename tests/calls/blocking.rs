//! Talking to services from code that is not async.

use std::time::Duration;

use regrow::{CallError, Child, Exit, Handle, Inbox, Refusal, Reply, Restart, Strategy, Tree};
use tokio::sync::mpsc;

use crate::common::mail::*;

#[tokio::test]
async fn a_blocking_call_ends_in_its_answer() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    assert_eq!(on_a_thread(move || handle.blocking_call(|reply| answers(reply, 42))).await.unwrap(), 42);
}

#[tokio::test]
async fn a_blocking_call_ends_when_the_service_crashes_under_it() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let call = move || {
        handle.blocking_call(|reply: Reply<u64>| {
            run(async move |_| {
                let _in_hand = reply;
                panic!("boom")
            })
        })
    };
    assert!(matches!(on_a_thread(call).await, Err(CallError::Crashed { exit, .. }) if exit.kind() == "panicked"));
}

#[tokio::test]
async fn a_blocking_call_ends_when_the_tree_is_over() {
    let (tree, handle) = tree_of(worker("worker")).await;
    let _held = busy(&handle).await;
    let caller = handle.clone();
    let call = tokio::spawn(on_a_thread(move || caller.blocking_call(|reply| answers(reply, 42))));
    soon(async {
        while handle.accounting().queued == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(tree);
    assert!(matches!(soon(call).await.unwrap(), Err(CallError::NeverRan(_))));
}

#[tokio::test]
async fn a_blocking_send_waits_for_room() {
    let (_tree, handle) = tree_of(worker("worker").capacity(1)).await;
    let (held, log) = (busy(&handle).await, Log::default());
    handle.cast(log.note(1)).unwrap();
    let (sender, note) = (handle.clone(), log.note(2));
    let send = tokio::spawn(on_a_thread(move || sender.blocking_send(note)));
    tokio::task::yield_now().await;
    assert_eq!(handle.accounting().queued, 1);
    held.release();
    soon(send).await.unwrap().unwrap();
    caught_up(&handle).await;
    assert_eq!(log.seen(), [1, 2]);
}

#[tokio::test]
async fn a_blocking_send_is_told_when_the_tree_is_over() {
    let (tree, handle) = tree_of(worker("worker").capacity(1)).await;
    let _held = busy(&handle).await;
    handle.cast(idle()).unwrap();
    let send = tokio::spawn(on_a_thread(move || handle.blocking_send(idle())));
    tokio::task::yield_now().await;
    drop(tree);
    assert_eq!(soon(send).await.unwrap().unwrap_err().refusal(), Refusal::Gone);
}

enum Question {
    Double(u64, Reply<u64>),
    AskYourself(Reply<bool>),
}

#[tokio::test]
async fn services_on_threads_call_each_other_and_never_themselves() {
    let work = |mut inbox: Inbox<Question>| {
        let (myself, peer) = (inbox.handle(), inbox.lookup::<Job>("worker")?);
        inbox.try_for_each(|question| {
            match question {
                Question::Double(number, reply) => {
                    reply.send(number + peer.blocking_call(|reply| answers(reply, number))?);
                }
                Question::AskYourself(reply) => {
                    let refused = myself.blocking_call(|reply| Question::Double(1, reply)).unwrap_err();
                    reply.send(matches!(refused, CallError::Refused(error) if error.refusal() == Refusal::ToItself));
                }
            }
            Ok(())
        })
    };
    let tree = forgiving(Strategy::OneForOne).child(worker("worker")).child(Child::thread("thread", work));
    let tree = soon(tree.start()).await.unwrap();
    let handle = tree.lookup::<Question>("app/thread").unwrap();
    assert_eq!(soon(handle.call(|reply| Question::Double(21, reply))).await.unwrap(), 42);
    assert!(soon(handle.call(Question::AskYourself)).await.unwrap());
    soon(tree.shutdown()).await;
}

const MS: Duration = Duration::from_millis(1);

/// A tree of one worker whose only place is taken, and what holds it.
async fn full() -> (Tree, Handle<Job>, Held) {
    let (tree, handle) = tree_of(worker("worker").capacity(1)).await;
    let held = busy(&handle).await;
    handle.cast(idle()).unwrap();
    (tree, handle, held)
}

#[tokio::test]
async fn a_blocking_call_within_a_limit_needs_no_runtime_and_gives_back_what_was_not_accepted() {
    let (_tree, handle, held) = full().await;
    let caller = handle.clone();
    let error =
        on_a_thread(move || caller.blocking_call_within(30 * MS, |reply| answers(reply, 42))).await.unwrap_err();
    assert!(matches!(&error, CallError::Refused(error) if error.refusal() == Refusal::Full), "{error:?}");
    assert!(error.is_safe_to_repeat() && error.into_message().is_some());
    held.release();
    caught_up(&handle).await;

    let (held, caller) = (busy(&handle).await, handle.clone());
    let error =
        on_a_thread(move || caller.blocking_call_within(30 * MS, |reply| answers(reply, 42))).await.unwrap_err();
    assert!(matches!(error, CallError::TimedOut { queued: true, .. }), "{error:?}");
    held.release();
    let answer = on_a_thread(move || handle.blocking_call_within(60_000 * MS, |reply| answers(reply, 42))).await;
    assert_eq!(answer.unwrap(), 42);
}

#[tokio::test]
async fn a_blocking_try_call_does_not_wait_for_room() {
    let (_tree, handle, held) = full().await;
    let caller = handle.clone();
    let error = on_a_thread(move || caller.blocking_try_call(|reply| answers(reply, 42))).await.unwrap_err();
    assert!(matches!(&error, CallError::Refused(error) if error.refusal() == Refusal::Full), "{error:?}");
    held.release();
    caught_up(&handle).await;
    assert_eq!(on_a_thread(move || handle.blocking_try_call(|reply| answers(reply, 42))).await.unwrap(), 42);
}

#[tokio::test]
async fn a_blocking_wait_for_room_has_the_limit_of_the_mailbox() {
    let (_tree, handle) = tree_of(worker("worker").capacity(1).wait_for_room(30 * MS)).await;
    let _held = busy(&handle).await;
    handle.cast(idle()).unwrap();
    let sender = handle.clone();
    assert_eq!(on_a_thread(move || sender.blocking_send(idle())).await.unwrap_err().refusal(), Refusal::Full);
    let error = on_a_thread(move || handle.blocking_call(|reply| answers(reply, 1))).await.unwrap_err();
    assert!(error.is_safe_to_repeat());
}

/// How a thread waits.
#[derive(Clone, Copy, Debug)]
enum Wait {
    Room,
    RoomForACall,
    Answer,
}

/// A tree with a thread that waits in this way for a worker, and what the thread sees of it.
async fn waits(wait: Wait) -> (Tree, Handle<Job>, Held, mpsc::UnboundedReceiver<Result<(), String>>) {
    let (told, tell) = mpsc::unbounded_channel();
    let thread = Child::thread("thread", move |mut inbox: Inbox<()>| {
        let peer = inbox.lookup::<Job>("worker")?;
        let _ = inbox.next();
        let outcome: anyhow::Result<()> = match wait {
            Wait::Room => peer.blocking_send(parcel(7)).map_err(Into::into),
            Wait::RoomForACall | Wait::Answer => peer.blocking_call(|reply| answers(reply, ())).map_err(Into::into),
        };
        let _ = told.send(outcome.as_ref().copied().map_err(|error| error.to_string()));
        outcome
    });
    let tree =
        forgiving(Strategy::OneForOne).child(worker("worker").capacity(1)).child(thread.restart(Restart::Transient));
    let tree = soon(tree.start()).await.unwrap();
    let (worker, thread) = (tree.lookup::<Job>("app/worker").unwrap(), tree.lookup::<()>("app/thread").unwrap());
    let held = busy(&worker).await;
    if !matches!(wait, Wait::Answer) {
        worker.cast(idle()).unwrap();
    }
    thread.cast(()).unwrap();
    while thread.accounting().in_hand == 0 || worker.accounting().queued == 0 {
        tokio::task::yield_now().await;
    }
    (tree, worker, held, tell)
}

/// Found by thinking of others like it: a thread that waited for a peer held up each shutdown for its whole time.
#[tokio::test]
async fn a_stop_ends_the_blocking_waits_of_a_thread_and_is_clean() {
    for wait in [Wait::Room, Wait::RoomForACall, Wait::Answer] {
        let (tree, worker, held, mut tell) = waits(wait).await;
        let mut events = tree.events();
        let begun = std::time::Instant::now();
        soon(tree.supervisor("app").unwrap().terminate_child("thread")).await.unwrap();
        assert!(begun.elapsed() < 4000 * MS, "{wait:?}");
        let told = soon(tell.recv()).await.unwrap().unwrap_err();
        assert!(told.contains("app/worker") && told.contains("to stop"), "{told}");
        assert!(matches!(exit_of_the_next(&mut events).await, Exit::Shutdown), "it has stopped as asked");
        held.release();
        caught_up(&worker).await;
        // The hold, what was queued before or the call itself, and the last hold: what waited for room has not come.
        assert_eq!(worker.accounting().accepted, 3, "{wait:?}");
    }
}

#[tokio::test]
async fn a_kill_ends_the_blocking_waits_of_a_thread() {
    for wait in [Wait::Room, Wait::RoomForACall, Wait::Answer] {
        let (tree, _worker, _held, mut tell) = waits(wait).await;
        let mut events = tree.events();
        tree.lookup::<()>("app/thread").unwrap().kill().unwrap();
        soon(tell.recv()).await.unwrap().unwrap_err();
        assert!(matches!(exit_of_the_next(&mut events).await, Exit::Killed));
    }
}

#[tokio::test]
async fn a_thread_that_knows_of_its_stop_can_still_wait_for_a_peer() {
    let (told, mut tell) = mpsc::unbounded_channel();
    let thread = Child::thread("thread", move |inbox: Inbox<()>| {
        let peer = inbox.lookup::<Job>("worker")?;
        inbox.for_each(drop);
        let _ = told.send(peer.blocking_call(|reply| answers(reply, 42)).map_err(|error| error.to_string()));
        Ok(())
    });
    let tree = forgiving(Strategy::OneForOne).child(worker("worker").capacity(1)).child(thread);
    let tree = soon(tree.start()).await.unwrap();
    let worker = tree.lookup::<Job>("app/worker").unwrap();
    let held = busy(&worker).await;
    let stopping = tokio::spawn(async move { tree.supervisor("app").unwrap().terminate_child("thread").await });
    while worker.accounting().queued == 0 {
        tokio::task::yield_now().await;
    }
    held.release();
    assert_eq!(soon(tell.recv()).await.unwrap(), Ok(42));
    soon(stopping).await.unwrap().unwrap();
}
