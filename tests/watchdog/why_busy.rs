//! `why` of a service that is full, and of one that awaits an answer.

use crate::common::tree::{MS, SEC, in_hand};
use crate::common::watched::{Job, Worker, asks, does, hangs, takes, watched, worker};
use regrow::{Call, Child, Handle, Policy, Reply, Supervisor, TaskContext, Tree};
use tokio::time::sleep;

async fn why(tree: &Tree, path: &str) -> String {
    tree.why(path).await.unwrap().to_string()
}

// Found by a new user: a service was up, answered nothing, and `why` had nothing to say about it.
#[tokio::test(start_paused = true)]
async fn a_full_service_says_how_full_it_is_and_how_many_wait_for_room() {
    let tree = Supervisor::one_for_one("app").child(worker("a").capacity(3)).start().await.unwrap();
    let a: Handle<Job> = tree.lookup("app/a").unwrap();
    assert!(!why(&tree, "app/a").await.contains("mailbox"));
    a.cast(hangs("hang")).unwrap();
    in_hand(&a).await;
    a.cast(takes("short", MS)).unwrap();
    let said = why(&tree, "app/a").await;
    assert!(said.contains(" 1 of 3 messages wait in its mailbox."), "{said}");
    for _ in 0..2 {
        a.cast(takes("short", MS)).unwrap();
    }
    let senders = [a.clone(), a.clone()].map(|a| tokio::spawn(async move { a.send(takes("more", MS)).await }));
    sleep(MS).await;
    let known = tree.why("app/a").await.unwrap();
    assert_eq!((known.queued, known.capacity, known.senders_waiting), (3, Some(3), 2));
    let said = known.to_string();
    assert!(said.contains(" Its mailbox is full: 3 of 3 messages wait in it, and 2 senders wait for room."), "{said}");
    senders.iter().for_each(tokio::task::JoinHandle::abort);
    tree.shutdown().await;
}

// Found by an operator: the handler hung, 63 of 64 messages waited, and nothing had gone wrong, it was said.
#[tokio::test(start_paused = true)]
async fn a_service_that_hangs_behind_a_mailbox_that_is_nearly_full_says_what_is_known() {
    let child = |name: &str| worker(name).capacity(64);
    let app = Supervisor::one_for_one("app").child(child("plain")).child(child("measured").measured());
    let tree = app.child(child("watched").policy(Policy::default().watchdog(10 * SEC))).start().await.unwrap();
    for (name, has_time) in [("plain", false), ("measured", true), ("watched", true)] {
        let path = format!("app/{name}");
        let handle: Handle<Job> = tree.lookup(&path).unwrap();
        let said = why(&tree, &path).await;
        assert!(said.contains("Nothing has gone wrong with it yet.") && !said.contains("hand"), "{said}");
        handle.cast(takes("long", 8 * SEC)).unwrap();
        in_hand(&handle).await;
        (0..63).for_each(|_| handle.cast(takes("short", MS)).unwrap());
        sleep(5 * SEC).await;
        let known = tree.why(&path).await.unwrap();
        assert_eq!((known.is_at_work, known.in_hand_for.is_some()), (true, has_time), "{known}");
        let said = known.to_string();
        let in_hand = if has_time { " It has had a message in hand for " } else { " It has a message in hand." };
        assert!(said.contains(in_hand) && said.contains(" 63 of 64 messages wait in its mailbox."), "{said}");
        assert!(!said.contains("Nothing has gone wrong"), "{said}");
    }
    tree.shutdown_within(SEC).await;
}

/// `a` asks `b`, which takes its time.
async fn a_asks_b(tree: &Tree) {
    let (a, b) = (tree.lookup::<Job>("app/a").unwrap(), tree.lookup::<Job>("app/b").unwrap());
    let asked = a.clone();
    tokio::spawn(async move {
        let long = async |ctx: regrow::Context<Worker>| {
            ctx.extend_deadline(1000 * SEC);
            sleep(1000 * SEC).await;
            Ok(())
        };
        drop(asks(&a, "asks", async move |_| Ok(asks(&b, "long", long).await?)).await);
    });
    in_hand(&asked).await;
    sleep(3 * SEC).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_awaits_an_answer_says_whose() {
    let tree = Supervisor::one_for_one("app").child(worker("a")).child(worker("b")).start().await.unwrap();
    a_asks_b(&tree).await;
    let said = why(&tree, "app/a").await;
    assert!(said.contains(" It waits for an answer of `app/b`."), "{said}");
    assert!(!why(&tree, "app/b").await.contains("awaits"));
    tree.shutdown_within(SEC).await;
}

#[tokio::test(start_paused = true)]
async fn with_a_watchdog_it_says_for_how_long() {
    let tree = Supervisor::one_for_one("app").child(watched("a")).child(worker("b")).start().await.unwrap();
    a_asks_b(&tree).await;
    let said = why(&tree, "app/a").await;
    assert!(said.contains(" It has waited 3.0s for an answer of `app/b`."), "{said}");
    tree.shutdown_within(SEC).await;
}

#[tokio::test(start_paused = true)]
async fn a_task_says_so_too_and_one_that_only_keeps_a_call_in_its_state_does_not() {
    let task = Child::task("task", |ctx: TaskContext| async move {
        let b = ctx.lookup::<Job>("b")?;
        asks(&b, "never", async |_| std::future::pending().await).await?;
        Ok(())
    });
    let tree = Supervisor::one_for_one("app").child(worker("a")).child(worker("b")).child(task).start().await.unwrap();
    sleep(MS).await;
    let said = why(&tree, "app/task").await;
    assert!(said.contains(" It waits for an answer of `app/b`."), "{said}");

    let (a, b) = (tree.lookup::<Job>("app/a").unwrap(), tree.lookup::<Job>("app/b").unwrap());
    let (keep, kept) = tokio::sync::oneshot::channel::<Call<Job, ()>>();
    let keeps = asks(&a, "keeps", async move |_| {
        let mut call = b.call(|reply: Reply<()>| {
            does("long", async move |_| {
                reply.send(());
                Ok(())
            })
        });
        assert!(tokio::time::timeout(MS, &mut call).await.is_err());
        drop(keep.send(call));
        Ok(())
    });
    keeps.await.unwrap();
    assert!(!why(&tree, "app/a").await.contains("awaits"));
    drop(kept);
    tree.shutdown_within(SEC).await;
}

/// Found by mutants.
#[tokio::test(start_paused = true)]
async fn a_call_that_was_handed_on_is_no_wait_of_another_service() {
    let app = Supervisor::one_for_one("app").child(worker("front")).child(worker("back")).child(worker("other"));
    let tree = app.start().await.unwrap();
    let [front, back, other] =
        ["front", "back", "other"].map(|name| tree.lookup::<Job>(&format!("app/{name}")).unwrap());
    for busy in [&back, &other] {
        busy.cast(hangs("hang")).unwrap();
        in_hand(busy).await;
    }
    let to = back.clone();
    let _call: Call<Job, ()> = front.call(|reply| {
        does("hands on", async move |_| {
            let answers = |reply: Reply<()>| {
                does("answers", async move |_| {
                    reply.send(());
                    Ok(())
                })
            };
            Ok(reply.forward(&to, answers)?)
        })
    });
    sleep(MS).await;
    assert_eq!(back.accounting().queued, 1);
    assert!(!why(&tree, "app/other").await.contains("awaits"));
    tree.shutdown_within(SEC).await;
}
