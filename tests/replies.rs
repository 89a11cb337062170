//! Where a reply can go, and what the caller hears: dropped, moved to a task, handed on to another service.

use regrow::{Call, CallError, Handle, Reply, Strategy, Tree};
use tokio::sync::oneshot;

#[path = "common/mail.rs"]
mod mail;
use mail::*;

async fn is_unanswered(call: Call<Job, u64>) {
    let error = soon(call).await.unwrap_err();
    assert!(matches!(error, CallError::Unanswered), "{error:?}");
    assert!(!error.is_safe_to_repeat());
}

/// Two workers that forgive each other everything, `app/front` and `app/back`.
async fn front_and_back() -> (Tree, Handle<Job>, Handle<Job>) {
    let tree = forgiving(Strategy::OneForOne).child(worker("front")).child(worker("back"));
    let tree = soon(tree.start()).await.unwrap();
    let (front, back) = (tree.lookup("app/front").unwrap(), tree.lookup("app/back").unwrap());
    (tree, front, back)
}

/// A call to `front`, which hands its reply on to `back` in a job made by `then`.
fn forwarded(
    front: &Handle<Job>,
    back: &Handle<Job>,
    then: impl FnOnce(Reply<u64>) -> Job + Send + 'static,
) -> Call<Job, u64> {
    let back = back.clone();
    front.call(move |reply| run(async move |_| Ok(back.cast(then(reply))?)))
}

#[tokio::test]
async fn a_reply_that_a_live_handler_drops_is_unanswered() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    is_unanswered(handle.call(|reply| {
        run(async move |_| {
            drop(reply);
            Ok(())
        })
    }))
    .await;
    assert_eq!(handle.generation(), 1);
}

#[tokio::test]
async fn a_reply_that_a_linked_task_drops_is_unanswered() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    is_unanswered(handle.call(|reply| {
        run(async move |ctx| {
            ctx.spawn(async move { drop(reply) });
            Ok(())
        })
    }))
    .await;
}

#[tokio::test]
async fn a_reply_that_a_free_task_drops_is_unanswered() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    is_unanswered(handle.call(|reply| {
        run(async move |_| {
            tokio::spawn(async move { drop(reply) });
            Ok(())
        })
    }))
    .await;
}

#[tokio::test]
async fn a_reply_that_never_went_into_the_message_is_unanswered() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    is_unanswered(handle.call(|reply| {
        drop(reply);
        idle()
    }))
    .await;
}

#[tokio::test]
async fn a_reply_in_a_free_task_can_be_answered_after_the_crash() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let (go, gone) = oneshot::channel::<()>();
    let call = handle.call(|reply| {
        run(async move |_| {
            tokio::spawn(async move {
                let _ = gone.await;
                reply.send(42);
            });
            panic!("boom")
        })
    });
    until_generation(&handle, 2).await;
    go.send(()).unwrap();
    assert_eq!(soon(call).await.unwrap(), 42);
}

#[tokio::test]
async fn a_forwarded_reply_is_answered_by_the_other_service() {
    let (_tree, front, back) = front_and_back().await;
    assert_eq!(soon(forwarded(&front, &back, |reply| answers(reply, 42))).await.unwrap(), 42);
}

#[tokio::test]
async fn a_forwarded_reply_outlives_the_service_that_forwarded_it() {
    let (_tree, front, back) = front_and_back().await;
    let held = busy(&back).await;
    let call = forwarded(&front, &back, |reply| answers(reply, 42));
    caught_up(&front).await;
    front.kill().unwrap();
    until_generation(&front, 2).await;
    held.release();
    assert_eq!(soon(call).await.unwrap(), 42);
}

#[tokio::test]
async fn a_forwarded_reply_that_the_other_service_drops_is_unanswered() {
    let (_tree, front, back) = front_and_back().await;
    is_unanswered(forwarded(&front, &back, |reply| {
        run(async move |_| {
            drop(reply);
            Ok(())
        })
    }))
    .await;
}

#[tokio::test]
async fn a_forwarded_reply_ends_as_crashed_by_the_other_services_kill() {
    let (_tree, front, back) = front_and_back().await;
    let (begun, has_begun) = oneshot::channel();
    let call = forwarded(&front, &back, |reply| {
        run(async move |_| {
            let _in_hand = reply;
            let _ = begun.send(());
            std::future::pending().await
        })
    });
    soon(has_begun).await.unwrap();
    back.kill().unwrap();
    assert_eq!(crash(call).await.kind(), "killed");
}

#[tokio::test]
async fn a_forwarded_reply_survives_the_other_services_restart_in_its_queue() {
    let (_tree, front, back) = front_and_back().await;
    let _held = busy(&back).await;
    let call = forwarded(&front, &back, |reply| answers(reply, 42));
    caught_up(&front).await;
    back.kill().unwrap();
    assert_eq!(soon(call).await.unwrap(), 42);
}

#[tokio::test]
async fn a_reply_that_somebody_waits_for_is_told_so() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let (told, tell) = oneshot::channel();
    let call = handle.call(|reply| {
        run(async move |_| {
            let wanted = reply.is_wanted();
            told.send((wanted, reply.send(42))).unwrap();
            Ok(())
        })
    });
    assert_eq!(soon(call).await.unwrap(), 42);
    assert_eq!(soon(tell).await.unwrap(), (true, true));
}
