//! Talking to services from code that is not async.

use std::thread;

use regrow::{CallError, Child, Inbox, Refusal, Reply, Strategy};
use tokio::sync::oneshot;

#[path = "common/mail.rs"]
mod mail;
use mail::*;

/// Runs `code` on a thread that knows nothing of a runtime, and waits for what it says.
async fn on_a_thread<T: Send + 'static>(code: impl FnOnce() -> T + Send + 'static) -> T {
    let (told, tell) = oneshot::channel();
    thread::spawn(move || {
        let _ = told.send(code());
    });
    soon(tell).await.unwrap()
}

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
