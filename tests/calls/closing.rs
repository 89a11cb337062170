//! What happens to the messages that are queued when a service goes down or is gone: casts are dead letters, and calls go
//! back to their callers as never ran.

use regrow::{CallError, Child, Handle, Refusal, Reply, Restart, ServiceState, Strategy, mailbox};

use crate::common::mail::*;

/// Two casts and a call are queued behind a held worker, `end` ends it, and they must be shed.
async fn is_shed(handle: &Handle<Job>, end: impl AsyncFnOnce(Held)) {
    let held = busy(handle).await;
    handle.cast(parcel(1)).unwrap();
    handle.cast(parcel(2)).unwrap();
    let call = handle.call(|reply: Reply<()>| Job::Keep(Box::new((3_u64, reply))));
    end(held).await;

    match soon(call).await.unwrap_err() {
        CallError::NeverRan(message) => assert_eq!(number_of_call(message.into_message()), 3),
        error => panic!("{error:?}"),
    }
    let books = handle.accounting();
    assert_eq!((books.dead_lettered, books.returned, books.queued), (2, 1, 0));
    assert!(books.is_balanced(), "{books}");
}

#[tokio::test]
async fn entering_down_dead_letters_casts_and_returns_calls() {
    let (_tree, handle) = tree_of(worker("worker").restart(Restart::Transient)).await;
    is_shed(&handle, async |held| held.then(leaves())).await;
    until_state(&handle, ServiceState::Down).await;
}

#[tokio::test]
async fn entering_gone_with_the_tree_dead_letters_casts_and_returns_calls() {
    let (tree, handle) = tree_of(worker("worker")).await;
    is_shed(&handle, async |held| {
        held.then(until_asked());
        soon(tree.shutdown()).await;
    })
    .await;
    assert_eq!(handle.status().state, ServiceState::Gone);
}

#[tokio::test]
async fn entering_gone_with_its_spec_dead_letters_casts_and_returns_calls() {
    let (_tree, handle) = tree_of(worker("worker").restart(Restart::Temporary)).await;
    is_shed(&handle, async |_held| handle.kill().unwrap()).await;
    until_state(&handle, ServiceState::Gone).await;
}

#[tokio::test]
async fn a_dropped_mailbox_dead_letters_casts_and_returns_calls() {
    let (mailbox, handle) = mailbox();
    handle.cast(parcel(1)).unwrap();
    let call = handle.call(|reply: Reply<()>| Job::Keep(Box::new((3_u64, reply))));
    drop(mailbox);
    assert!(matches!(soon(call).await.unwrap_err(), CallError::NeverRan(_)));
    let books = handle.accounting();
    assert_eq!((books.dead_lettered, books.returned), (1, 1));
}

#[tokio::test]
async fn a_start_that_failed_returns_the_calls_that_waited_for_it() {
    let (mailbox, handle) = mailbox();
    let call = handle.call(|reply: Reply<()>| Job::Keep(Box::new((3_u64, reply))));
    let broken = Child::service("worker", |_| async { anyhow::Result::<Worker>::Err(anyhow::anyhow!("no disk")) });
    soon(forgiving(Strategy::OneForOne).child(broken.mailbox(mailbox)).start()).await.unwrap_err();
    assert!(matches!(soon(call).await.unwrap_err(), CallError::NeverRan(_)));
}

#[test]
fn the_end_of_the_runtime_closes_every_slot_and_completes_every_call() {
    let doomed = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_tree, handle, _held) = doomed.block_on(async {
        let (tree, handle) = tree_of(worker("worker")).await;
        let held = busy(&handle).await;
        (tree, handle, held)
    });
    let queued = handle.call(|reply: Reply<()>| Job::Keep(Box::new((3_u64, reply))));
    drop(doomed);
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    other.block_on(async {
        assert!(matches!(soon(queued).await.unwrap_err(), CallError::NeverRan(_)));
        assert_eq!(handle.cast(idle()).unwrap_err().refusal(), Refusal::Gone);
    });
}
