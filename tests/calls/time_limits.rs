//! Calls wait for ever unless told otherwise; those that do not say where their message was when the time was up.

use std::pin::pin;
use std::time::Duration;

use regrow::{CallError, Refusal, Reply};
use tokio::sync::oneshot;

use crate::common::mail::*;

#[tokio::test(start_paused = true)]
async fn a_call_has_no_time_limit_unless_asked_for() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let held = busy(&handle).await;
    let mut call = pin!(handle.call(|reply| answers(reply, 42)));
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    assert!(tokio::time::timeout(year, &mut call).await.is_err(), "it still waits after a year");
    held.release();
    assert_eq!(soon(call).await.unwrap(), 42);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_times_out_says_that_its_message_is_queued() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let (held, log) = (busy(&handle).await, Log::default());
    let start = tokio::time::Instant::now();
    let note = log.note(1);
    let error = handle.call_within(Duration::from_secs(3), |_: Reply<u64>| note).await.unwrap_err();
    assert!(matches!(error, CallError::TimedOut { queued: true, .. }), "{error:?}");
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    assert!(!error.is_safe_to_repeat());

    held.release();
    caught_up(&handle).await;
    assert_eq!(log.seen(), [1], "the message stayed where it was, and ran");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_times_out_says_that_its_message_is_in_hand() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let call = handle.call_within(Duration::from_secs(3), |reply: Reply<u64>| {
        run(async move |_| {
            let _in_hand = reply;
            std::future::pending().await
        })
    });
    let error = call.await.unwrap_err();
    assert!(matches!(error, CallError::TimedOut { queued: false, .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_times_out_says_that_its_reply_is_kept_somewhere() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let error =
        handle.call_within(Duration::from_secs(3), |reply: Reply<u64>| Job::Keep(Box::new(reply))).await.unwrap_err();
    assert!(matches!(error, CallError::TimedOut { queued: false, .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_times_out_before_there_is_room_never_enters_the_mailbox_and_gives_the_message_back() {
    let (_tree, handle) = tree_of(worker("worker").capacity(1)).await;
    let (held, log) = (busy(&handle).await, Log::default());
    handle.cast(log.note(1)).unwrap();
    let note = log.note(2);
    let error = handle.call_within(Duration::from_secs(3), |_: Reply<u64>| note).await.unwrap_err();
    assert!(matches!(&error, CallError::Refused(error) if error.refusal() == Refusal::Full), "{error:?}");
    assert!(error.is_safe_to_repeat() && error.into_message().is_some());
    held.release();
    caught_up(&handle).await;
    assert_eq!((log.seen(), handle.accounting().accepted), (vec![1], 3));
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_beats_the_limit() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let call = handle.call_within(Duration::from_secs(3), |reply| {
        run(async move |_| {
            tokio::time::sleep(Duration::from_millis(2999)).await;
            reply.send(42);
            Ok(())
        })
    });
    assert_eq!(call.await.unwrap(), 42);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_comes_too_late_is_told_so() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let (held, (told, tell)) = (busy(&handle).await, oneshot::channel());
    let call = handle.call_within(Duration::from_secs(3), |reply| {
        run(async move |_| {
            let wanted = reply.is_wanted();
            told.send((wanted, reply.send(42))).unwrap();
            Ok(())
        })
    });
    call.await.unwrap_err();
    held.release();
    assert_eq!(soon(tell).await.unwrap(), (false, false));
}
