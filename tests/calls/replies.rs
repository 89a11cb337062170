//! Where a reply can go, and what the caller hears: dropped, moved to a task, handed on to another service.

use regrow::{Call, CallError, Handle, Reply, Strategy, Tree};
use tokio::sync::oneshot;

use crate::common::mail::*;

async fn is_unanswered(call: Call<Job, u64>) {
    let error = soon(call).await.unwrap_err();
    assert!(matches!(error, CallError::Unanswered { .. }), "{error:?}");
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

// Found by mutants: no test printed one.
#[tokio::test]
async fn a_message_that_has_a_reply_can_be_printed() {
    #[derive(Debug)]
    #[expect(dead_code, reason = "it is printed")]
    struct Ask(Reply<String>);
    let (_tree, handle) = tree_of(worker("worker")).await;
    let said = soon(handle.call(|reply: Reply<String>| {
        run(async move |_| {
            let said = format!("{:?}", Ask(reply.clone()));
            reply.send(said);
            Ok(())
        })
    }));
    assert_eq!(said.await.unwrap(), "Ask(Reply { .. })");
}

// Found by mutants: the first copy to be dropped could tell the caller that no answer would come, and no test noticed.
#[tokio::test]
async fn a_call_is_unanswered_only_when_the_last_copy_of_its_reply_is_dropped() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let (give, given) = oneshot::channel();
    let call = handle.call(|reply: Reply<u64>| {
        run(async move |_| {
            let _ = give.send((reply.clone(), reply.clone(), reply));
            Ok(())
        })
    });
    let call = tokio::spawn(call);
    let (first, second, last) = soon(given).await.unwrap();
    caught_up(&handle).await;
    drop(first);
    assert!(last.is_wanted());
    drop(last);
    assert!(second.send(42));
    assert_eq!(soon(call).await.unwrap().unwrap(), 42);
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
#[tokio::test]
async fn a_forwarded_reply_ends_as_crashed_by_the_other_services_error() {
    let (_tree, front, back) = front_and_back().await;
    let call = forwarded(&front, &back, |reply| {
        run(async move |_| {
            let _in_hand = reply;
            anyhow::bail!("out of paper")
        })
    });
    assert_eq!(crash(call).await.kind(), "failed");
}

#[tokio::test]
async fn a_forwarded_reply_ends_as_crashed_by_the_other_services_panic() {
    let (_tree, front, back) = front_and_back().await;
    let call = forwarded(&front, &back, |reply| {
        run(async move |_| {
            let _in_hand = reply;
            panic!("boom")
        })
    });
    assert_eq!(crash(call).await.kind(), "panicked");
}

#[tokio::test]
async fn a_linked_task_that_dies_with_its_incarnation_takes_the_reply_along_as_crashed() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let call = handle.call(|reply: Reply<u64>| {
        run(async move |ctx| {
            ctx.spawn(async move {
                let _in_hand = reply;
                std::future::pending::<()>().await;
            });
            Ok(())
        })
    });
    caught_up(&handle).await;
    handle.kill().unwrap();
    assert_eq!(crash(call).await.kind(), "killed");
}

#[tokio::test]
async fn a_linked_task_that_panics_takes_the_reply_along_as_crashed() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let call = handle.call(|reply: Reply<u64>| {
        run(async move |ctx| {
            ctx.spawn(async move {
                let _in_hand = reply;
                panic!("boom")
            });
            Ok(())
        })
    });
    assert_eq!(crash(call).await.kind(), "panicked");
}

#[tokio::test]
async fn a_forwarded_reply_dropped_before_the_message_that_crashes_is_unanswered() {
    let (_tree, front, back) = front_and_back().await;
    let held = busy(&back).await;
    let call = forwarded(&front, &back, |reply| {
        run(async move |_| {
            drop(reply);
            Ok(())
        })
    });
    caught_up(&front).await;
    back.cast(panics()).unwrap();
    held.release();
    is_unanswered(call).await;
}

#[tokio::test]
async fn a_forwarded_reply_that_a_busy_service_drops_is_unanswered_at_once() {
    let (_tree, front, back) = front_and_back().await;
    let call = forwarded(&front, &back, |reply| {
        run(async move |_| {
            drop(reply);
            std::future::pending::<()>().await;
            Ok(())
        })
    });
    is_unanswered(call).await;
}

#[tokio::test]
async fn a_forwarded_reply_ends_as_crashed_by_the_error_of_a_thread() {
    let work = |mut inbox: regrow::Inbox<Reply<u64>>| match inbox.next() {
        Some(_in_hand) => anyhow::bail!("out of paper"),
        None => Ok(()),
    };
    let tree = forgiving(Strategy::OneForOne).child(worker("front")).child(regrow::Child::thread("back", work));
    let tree = soon(tree.start()).await.unwrap();
    let (front, back) = (tree.lookup::<Job>("app/front").unwrap(), tree.lookup("app/back").unwrap());
    let call = front.call(|reply| run(async move |_| Ok(back.cast(reply)?)));
    assert_eq!(crash(call).await.kind(), "failed");
}

#[tokio::test]
async fn a_forwarded_reply_that_is_lost_before_the_handler_is_done_tells_the_truth_all_the_same() {
    for (then, fate) in [(panics as fn() -> Job, "panicked"), (fails, "failed"), (idle, "unanswered")] {
        let (_tree, front, back) = front_and_back().await;
        let call = front.call(move |reply: Reply<u64>| {
            run(async move |_| {
                let losing = run(async move |ctx| {
                    let (_in_hand, Job::Run(then)) = (reply, then()) else { unreachable!() };
                    then.run(ctx).await
                });
                back.cast(losing)?;
                // The front is still busy with the message when the back has lost the reply.
                caught_up(&back).await;
                Ok(())
            })
        });
        match soon(call).await.unwrap_err() {
            CallError::Crashed { exit, .. } => assert_eq!(exit.kind(), fate),
            CallError::Unanswered { .. } => assert_eq!("unanswered", fate),
            error => panic!("{error:?}"),
        }
    }
}
