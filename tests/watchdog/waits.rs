//! Time in which a handler waits for another service does not count; services that wait for each other are found all the
//! same.

use crate::common::tree::{MS, SEC, Starts, hears_of, soon, up};
use crate::common::watched::{Job, LIMIT, Worker, asks, does, find, hang, hung, takes, tree, watched, worker};
use regrow::{CallError, Child, Context, Handle, Intensity, Supervisor, Tree};
use tokio::time::{Instant, sleep};

/// Takes long, and says so.
async fn long(ctx: Context<Worker>) -> anyhow::Result<()> {
    ctx.extend_deadline(100 * SEC);
    sleep(100 * SEC).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn time_in_a_call_does_not_count() {
    let tree = tree(&["a", "b"]).await;
    let (a, b) = (find(&tree, "a"), find(&tree, "b"));
    let outcome = asks(&a, "asks", async move |_| {
        for _ in 0..3 {
            sleep(LIMIT / 4).await;
            asks(&b, "long", long).await?;
        }
        Ok(())
    });
    outcome.await.unwrap();
    assert_eq!((a.generation(), find(&tree, "b").generation()), (1, 1));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_time_around_a_call_counts() {
    let tree = tree(&["a", "b"]).await;
    let (a, b) = (find(&tree, "a"), find(&tree, "b"));
    let begun = Instant::now();
    let outcome = asks(&a, "asks", async move |_| {
        sleep(LIMIT / 2).await;
        asks(&b, "long", long).await?;
        std::future::pending().await
    });
    let hang = hung(outcome.await);
    let counted = begun.elapsed() - 100 * SEC;
    assert!(LIMIT <= counted && counted <= LIMIT + LIMIT / 4, "{counted:?}");
    assert!(LIMIT <= hang.time && hang.time <= LIMIT + LIMIT / 4, "{hang:?}");
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn calls_at_the_same_time_count_once() {
    let tree = tree(&["a", "b", "c"]).await;
    let (a, b, c) = (find(&tree, "a"), find(&tree, "b"), find(&tree, "c"));
    let begun = Instant::now();
    let outcome = asks(&a, "asks", async move |_| {
        let _ = tokio::join!(asks(&b, "long", long), asks(&c, "long", long));
        std::future::pending().await
    });
    hung(outcome.await);
    let counted = begun.elapsed() - 100 * SEC;
    assert!(LIMIT <= counted && counted <= LIMIT + LIMIT / 4, "{counted:?}");
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_given_up_does_not_count_any_more() {
    let tree = tree(&["a", "b"]).await;
    let (a, b) = (find(&tree, "a"), find(&tree, "b"));
    let begun = Instant::now();
    let outcome = asks(&a, "asks", async move |_| {
        assert!(tokio::time::timeout(10 * SEC, asks(&b, "long", long)).await.is_err());
        std::future::pending().await
    });
    hung(outcome.await);
    let counted = begun.elapsed() - 10 * SEC;
    assert!(LIMIT <= counted && counted <= LIMIT + LIMIT / 4, "{counted:?}");
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_in_a_task_of_its_own_does_not_excuse_the_handler() {
    let tree = tree(&["a", "b"]).await;
    let (a, b) = (find(&tree, "a"), find(&tree, "b"));
    let begun = Instant::now();
    let outcome = asks(&a, "asks", async move |ctx| {
        let call = b.call(|reply| {
            does("long", async move |ctx| {
                long(ctx).await?;
                reply.send(());
                Ok(())
            })
        });
        ctx.spawn(async move { drop(call.await) });
        std::future::pending().await
    });
    hung(outcome.await);
    assert!(begun.elapsed() <= LIMIT + LIMIT / 4);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn time_in_a_send_does_not_count() {
    for is_call in [false, true] {
        let b = watched("b").capacity(1).wait_for_room_unlimited();
        let tree = Supervisor::one_for_one("app").child(watched("a")).child(b);
        let tree = tree.start().await.unwrap();
        let (a, b) = (find(&tree, "a"), find(&tree, "b"));
        b.cast(does("long", long)).unwrap();
        sleep(MS).await;
        b.cast(takes("fills the mailbox", MS)).unwrap();
        let outcome = asks(&a, "sends", async move |_| match is_call {
            true => Ok(asks(&b, "short", async |_| Ok(())).await?),
            false => Ok(b.send(takes("short", MS)).await?),
        });
        outcome.await.unwrap();
        assert_eq!((a.generation(), find(&tree, "b").generation()), (1, 1));
        tree.shutdown().await;
    }
}

/// Has `names[0]` call `names[1]`, and so on, and the last one the first again.
async fn goes_round(tree: &Tree, names: &'static [&str]) -> Result<(), CallError<Job>> {
    fn pass_on(tree: &[Handle<Job>], to: usize) -> futures::Work<'_> {
        let (next, all) = (tree[to % tree.len()].clone(), tree.to_vec());
        Box::pin(async move {
            asks(&next, "asks", async move |_| if to < all.len() { Ok(pass_on(&all, to + 1).await?) } else { Ok(()) })
                .await
        })
    }
    let all: Vec<_> = names.iter().map(|name| find(tree, name)).collect();
    pass_on(&all, 0).await
}

mod futures {
    use super::{CallError, Job};
    pub(super) type Work<'a> = std::pin::Pin<Box<dyn Future<Output = Result<(), CallError<Job>>> + Send + 'a>>;
}

#[tokio::test(start_paused = true)]
async fn two_that_wait_for_each_other_are_found_and_one_is_ended() {
    let tree = tree(&["a", "b"]).await;
    let mut events = tree.events();
    let begun = Instant::now();
    // b closed the circle, and its end frees a, whose call ends with it.
    let outcome = goes_round(&tree, &["a", "b"]).await;
    assert!(outcome.is_err(), "a was told of the end of b, and failed of it");
    let found = begun.elapsed();
    assert!(LIMIT <= found && found <= LIMIT + LIMIT / 4, "{found:?}");
    hears_of(&mut events, "app/b#1 exited: hung: `asks` waits in a circle: app/b -> app/a -> app/b").await;
    up(&tree, "app/b", 2).await;
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn three_that_wait_for_each_other_are_found_and_printed_as_a_circle() {
    let tree = tree(&["a", "b", "c"]).await;
    let mut events = tree.events();
    goes_round(&tree, &["a", "b", "c"]).await.unwrap_err();
    let event = hears_of(&mut events, "app/c#1 exited: hung: ").await.to_string();
    assert!(event.ends_with("`asks` waits in a circle: app/c -> app/a -> app/b -> app/c"), "{event}");
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_only_waits_for_a_circle_is_left_alone() {
    let tree = tree(&["a", "b", "outside"]).await;
    let (outside, a) = (find(&tree, "outside"), find(&tree, "a"));
    let (round, waited) = tokio::join!(
        goes_round(&tree, &["a", "b"]),
        asks(&outside, "waits", async move |_| Ok(asks(&a, "later", async |_| Ok(())).await?))
    );
    round.unwrap_err();
    waited.unwrap();
    assert_eq!((outside.generation(), find(&tree, "b").generation()), (1, 2));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn all_services_of_a_tree_take_part_and_those_who_are_watched_are_ended_first() {
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    let tree = tree.child(watched("a")).child(worker("b")).child(worker("c")).child(worker("d")).start().await.unwrap();
    let mut events = tree.events();
    goes_round(&tree, &["a", "b"]).await.unwrap_err();
    hears_of(&mut events, "app/a#1 exited: hung: `asks` waits in a circle: app/a -> app/b -> app/a").await;
    goes_round(&tree, &["c", "d"]).await.unwrap_err();
    hears_of(&mut events, "app/d#1 exited: hung: `asks` waits in a circle: app/d -> app/c -> app/d").await;
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_circle_with_a_time_limit_in_it_is_none() {
    let tree = tree(&["a", "b"]).await;
    let (a, b) = (find(&tree, "a"), find(&tree, "b"));
    let back = a.clone();
    let outcome = asks(&a, "asks", async move |_| {
        let back = asks(&b, "asks back", async move |_| {
            let call = back.call_within(20 * LIMIT, |reply| {
                does("never in time", async move |_| {
                    reply.send(());
                    Ok(())
                })
            });
            assert!(matches!(call.await, Err(CallError::TimedOut { queued: true, .. })));
            Ok(())
        });
        Ok(back.await?)
    });
    outcome.await.unwrap();
    assert_eq!((a.generation(), find(&tree, "b").generation()), (1, 1));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_around_a_call_that_is_shorter_than_the_watchdogs_is_respected() {
    let tree = tree(&["a", "b"]).await;
    let (a, b) = (find(&tree, "a"), find(&tree, "b"));
    let back = a.clone();
    let outcome = asks(&a, "asks", async move |_| {
        let back = asks(&b, "asks back", async move |_| {
            let call = asks(&back, "never in time", async |_| Ok(()));
            assert!(tokio::time::timeout(LIMIT - MS, call).await.is_err());
            Ok(())
        });
        Ok(back.await?)
    });
    outcome.await.unwrap();
    assert_eq!((a.generation(), find(&tree, "b").generation()), (1, 1));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn one_who_also_waits_for_somebody_else_is_in_no_circle_until_that_is_over() {
    let tree = tree(&["a", "b", "c"]).await;
    let (a, b, c) = (find(&tree, "a"), find(&tree, "b"), find(&tree, "c"));
    let back = a.clone();
    let outcome = asks(&a, "asks", async move |_| {
        let in_a_circle = asks(&b, "asks back", async move |_| Ok(asks(&back, "never", async |_| Ok(())).await?));
        tokio::select! {
            _ = in_a_circle => panic!("it never comes back"),
            outcome = asks(&c, "long", long) => Ok(outcome?),
        }
    });
    outcome.await.unwrap();
    assert_eq!((a.generation(), find(&tree, "c").generation()), (1, 1));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_was_put_off_can_still_come() {
    let tree = tree(&["a", "b"]).await;
    let (a, b) = (find(&tree, "a"), find(&tree, "b"));
    let back = a.clone();
    let outcome = asks(&a, "asks", async move |_| {
        // b is done with this message, and its task will answer.
        let later = b.call(|reply| {
            does("later", async move |ctx| {
                ctx.spawn(async move {
                    sleep(100 * SEC).await;
                    reply.send(());
                });
                Ok(())
            })
        });
        // It then asks a, which has an answer only when it has one itself.
        b.cast(does("asks back", async move |_| Ok(asks(&back, "at last", async |_| Ok(())).await?))).unwrap();
        Ok(later.await?)
    });
    outcome.await.unwrap();
    asks(&a, "in the end", async |_| Ok(())).await.unwrap();
    assert_eq!((a.generation(), find(&tree, "b").generation()), (1, 1));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_circle_that_a_wait_for_room_would_close_is_refused_before_anything_hangs() {
    let tree =
        Supervisor::one_for_one("app").child(watched("a")).child(watched("b").capacity(1)).start().await.unwrap();
    let (a, b, mut events) = (find(&tree, "a"), find(&tree, "b"), tree.events());
    let back = a.clone();
    b.cast(does("asks a", async move |_| {
        sleep(MS).await;
        Ok(asks(&back, "never", async |_| Ok(())).await?)
    }))
    .unwrap();
    a.cast(does("sends to b", async move |_| {
        b.send(takes("fills the mailbox", MS)).await?;
        sleep(5 * MS).await;
        Ok(b.send(takes("finds no room", MS)).await?)
    }))
    .unwrap();
    let event = hears_of(&mut events, "app/a#1 exited: failed: `app/b` refused the message `Job`").await.to_string();
    assert!(event.contains("waiting for room would close a circle"), "{event}");
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_factory_that_waits_for_one_who_waits_for_it_is_found() {
    let starts = Starts::default();
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(watched("b"));
    let needy = Child::service_with("a", starts.clone(), |starts, ctx: Context<Worker>| async move {
        if starts.attempt()? == 2 {
            let (b, myself) = (ctx.lookup::<Job>("b")?, ctx.handle());
            asks(&b, "asks back", async move |_| Ok(asks(&myself, "never", async |_| Ok(())).await?)).await?;
        }
        Ok(Worker::default())
    });
    let tree = tree.child(needy).start().await.unwrap();
    let mut events = tree.events();
    find(&tree, "a").kill().unwrap();
    let event = hears_of(&mut events, "app/b#1 exited: hung: ").await;
    assert!(event.to_string().ends_with("`asks back` waits in a circle: app/b -> app/a -> app/b"), "{event}");
    up(&tree, "app/a", 2).await;
    tree.shutdown().await;
}

// Real time: a thread has no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_waits_for_an_answer_does_not_hang() {
    let child = Child::thread("thread", |inbox: regrow::Inbox<regrow::Reply<()>>| {
        let other = inbox.lookup::<Job>("other")?;
        for reply in inbox {
            other.blocking_call(|answer| {
                does("long", async move |ctx| {
                    ctx.extend_deadline(SEC);
                    sleep(400 * MS).await;
                    answer.send(());
                    Ok(())
                })
            })?;
            reply.send(());
        }
        Ok(())
    });
    let child = child.policy(regrow::Policy::default().watchdog(100 * MS));
    let tree = Supervisor::one_for_one("app").child(watched("other")).child(child).start().await.unwrap();
    let thread = tree.lookup::<regrow::Reply<()>>("app/thread").unwrap();
    soon("the answer", thread.call(|reply| reply)).await.unwrap();
    assert_eq!(thread.generation(), 1);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_one_who_is_freed_is_told_of_the_circle() {
    let tree = tree(&["a", "b"]).await;
    let (a, b) = (find(&tree, "a"), find(&tree, "b"));
    let back = a.clone();
    let outcome = asks(&a, "asks", async move |_| {
        let outcome = asks(&b, "asks back", async move |_| Ok(asks(&back, "never", async |_| Ok(())).await?)).await;
        match outcome {
            Err(CallError::Crashed { exit, .. }) => {
                let hang = hang(&exit);
                assert_eq!(hang.cycle.iter().map(|path| &**path).collect::<Vec<_>>(), ["app/b", "app/a"]);
                assert_eq!(hang.waiting_for.as_deref(), Some("app/a"));
                Ok(())
            }
            outcome => panic!("{outcome:?}"),
        }
    });
    outcome.await.unwrap();
    tree.shutdown().await;
}
