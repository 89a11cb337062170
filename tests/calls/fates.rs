//! How a call ends: in the answer, or in an error that says what became of it.

use regrow::testing::ProbeMsg;
use regrow::{CallError, Exit, Refusal, Reply, mailbox};
use tokio::sync::oneshot;

use crate::common::mail::*;

#[tokio::test]
async fn a_call_ends_in_its_answer() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    assert_eq!(soon(handle.call(|reply| answers(reply, 42))).await.unwrap(), 42);
}

#[tokio::test]
async fn an_answer_reaches_a_caller_who_awaits_it_long_after() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let call = handle.call(|reply| answers(reply, 42));
    caught_up(&handle).await;
    handle.kill().unwrap();
    until_generation(&handle, 2).await;
    assert_eq!(soon(call).await.unwrap(), 42);
}

#[tokio::test]
async fn a_call_may_be_awaited_by_another_task_than_the_one_that_began_to() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let held = busy(&handle).await;
    let mut call = handle.call(|reply| answers(reply, 42));
    assert!(is_waiting(&mut call).await);
    let waiting = tokio::spawn(call);
    tokio::task::yield_now().await;
    held.release();
    assert_eq!(soon(waiting).await.unwrap().unwrap(), 42);
}

#[tokio::test]
async fn an_answer_given_before_the_crash_counts() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let call = handle.call(|reply| {
        run(async move |_| {
            reply.send(42);
            panic!("boom")
        })
    });
    assert_eq!(soon(call).await.unwrap(), 42);
}

#[tokio::test]
async fn a_refused_call_gives_the_message_back_and_is_safe_to_repeat() {
    let (mailbox, handle) = mailbox::<ProbeMsg>();
    drop(mailbox);
    let error = soon(handle.call(ProbeMsg::Generation)).await.unwrap_err();
    assert!(error.is_safe_to_repeat());
    assert!(matches!(&error, CallError::Refused(error) if error.refusal() == Refusal::Gone));
    assert!(matches!(error.into_message(), Some(ProbeMsg::Generation(_))));
}

#[tokio::test]
async fn a_call_that_never_ran_gives_the_message_back_and_is_safe_to_repeat() {
    let (mailbox, handle) = mailbox::<ProbeMsg>();
    let call = handle.call(ProbeMsg::Generation);
    drop(mailbox);
    let error = soon(call).await.unwrap_err();
    assert!(error.is_safe_to_repeat());
    assert!(matches!(error, CallError::NeverRan(_)));
    assert!(matches!(error.into_message(), Some(ProbeMsg::Generation(_))));
}

#[tokio::test]
async fn a_returned_message_can_be_sent_elsewhere_and_answers_nobody() {
    let (mailbox, handle) = mailbox();
    let call = handle.call(|reply| answers(reply, 42_u64));
    drop(mailbox);
    let Some(Job::Run(job)) = soon(call).await.unwrap_err().into_message() else { panic!("another message came back") };
    let (_tree, handle) = tree_of(worker("worker")).await;
    handle.cast(Job::Run(job)).unwrap();
    caught_up(&handle).await;
}

#[tokio::test]
async fn a_call_in_hand_ends_as_crashed_by_a_panic() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let exit = crash(handle.call(|reply| {
        run(async move |_| {
            let _in_hand = reply;
            panic!("boom")
        })
    }))
    .await;
    let Exit::Panicked(panic) = exit else { panic!("{exit:?}") };
    assert_eq!(&*panic.message, "boom");
    assert!(panic.location.unwrap().contains("fates.rs"));
}

#[tokio::test]
async fn a_call_in_hand_ends_as_crashed_by_an_error() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let exit = crash(handle.call(|reply| {
        run(async move |_| {
            let _in_hand = reply;
            anyhow::bail!("out of paper")
        })
    }))
    .await;
    assert_eq!(exit.to_string(), "failed: out of paper");
}

#[tokio::test]
async fn a_call_in_hand_ends_as_crashed_by_a_kill() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let (begun, has_begun) = oneshot::channel();
    let call = handle.call(|reply| {
        run(async move |_| {
            let _in_hand = reply;
            let _ = begun.send(());
            std::future::pending().await
        })
    });
    soon(has_begun).await.unwrap();
    handle.kill().unwrap();
    let exit = crash(call).await;
    assert!(matches!(exit, Exit::Killed), "{exit:?}");
}

#[tokio::test]
async fn a_crashed_call_is_not_safe_to_repeat_and_keeps_its_message() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let error = soon(handle.call(|reply: Reply<u64>| {
        run(async move |_| {
            let _in_hand = reply;
            panic!("boom")
        })
    }))
    .await
    .unwrap_err();
    assert!(!error.is_safe_to_repeat() && error.into_message().is_none());
}

#[tokio::test]
async fn a_reply_kept_in_the_state_ends_as_crashed_with_the_state() {
    for (end, kind) in
        [(Some(panics as fn() -> Job), "panicked"), (Some(fails), "failed"), (None, "killed"), (Some(leaves), "normal")]
    {
        let (_tree, handle) = tree_of(worker("worker")).await;
        let call = handle.call(|reply| Job::Keep(Box::new(reply)));
        caught_up(&handle).await;
        match end {
            Some(job) => handle.cast(job()).unwrap(),
            None => handle.kill().unwrap(),
        }
        assert_eq!(crash(call).await.kind(), kind);
    }
}

#[tokio::test]
async fn a_reply_kept_in_the_state_ends_with_the_tree() {
    let (tree, handle) = tree_of(worker("worker")).await;
    let call = handle.call(|reply| Job::Keep(Box::new(reply)));
    caught_up(&handle).await;
    soon(tree.shutdown()).await;
    assert_eq!(crash(call).await.kind(), "shutdown");
}

#[tokio::test]
async fn a_reply_whose_call_was_dropped_is_told_so_and_the_message_runs_all_the_same() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let (held, (told, tell)) = (busy(&handle).await, oneshot::channel());
    drop(handle.call(|reply| {
        run(async move |_| {
            let wanted = reply.is_wanted();
            told.send((wanted, reply.send(42))).unwrap();
            Ok(())
        })
    }));
    held.release();
    assert_eq!(soon(tell).await.unwrap(), (false, false));
}

#[tokio::test]
async fn a_call_whose_caller_has_gone_is_dead_lettered_and_not_returned() {
    let (mailbox, handle) = mailbox();
    drop(handle.call(|reply| answers(reply, 42)));
    drop(mailbox);
    let books = handle.accounting();
    assert_eq!((books.dead_lettered, books.returned), (1, 0));
}
