//! Restarts by order, resizes, `get_or_start`, ends for want of work and give-ups, at the same time.

use regrow::testing::Journal;
use regrow::{Child, Exit, Intensity, Policy, Restart, ServiceState, Supervisor};
use tokio::sync::oneshot;

use crate::common::mail::busy;
use crate::common::partitions::{app, cache_of};
use crate::common::pool;
use crate::common::tree::{MS, SEC, Slow, in_hand, soon, turns};
use crate::common::worker::{Job, answers, generation, idle, run, worker};

#[tokio::test]
async fn a_service_that_is_restarted_by_order_does_not_close_its_mailbox_for_want_of_work() {
    let tree = Supervisor::one_for_one("app").child(worker("a").restart(Restart::Transient)).start().await.unwrap();
    let a = tree.lookup::<Job>("app/a").unwrap();
    let held = busy(&a).await;
    let order = tokio::spawn({
        let a = a.clone();
        async move { a.restart("new settings").await }
    });
    let (told, tell) = oneshot::channel();
    let (go, gone) = oneshot::channel::<()>();
    held.then(run(async move |ctx| {
        ctx.stopping().await;
        let _ = told.send(ctx.stop_if_idle());
        let _ = gone.await;
        Ok(())
    }));
    assert!(!soon("its word", tell).await.unwrap(), "another incarnation follows");
    a.cast(idle()).unwrap();
    go.send(()).unwrap();
    assert_eq!(soon("the order", order).await.unwrap().unwrap().up().unwrap().generation, 2);
    assert_eq!(a.call(generation).await.unwrap(), 2);
    let books = a.accounting();
    assert!(books.is_balanced() && books.accepted == books.handled, "{books}");
    // The same if it has chosen an end that is followed by the next incarnation.
    let (told, tell) = oneshot::channel();
    a.cast(run(async move |ctx| {
        ctx.exit(Exit::failed("disk full"));
        let _ = told.send((ctx.stop_if_idle(), ctx.handle().cast(idle()).is_ok()));
        Ok(())
    }))
    .unwrap();
    assert_eq!(soon("its word", tell).await.unwrap(), (false, true));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_roll_waits_for_a_child_that_is_being_terminated_and_leaves_it_out() {
    let journal = Journal::new();
    let (tree, pool) = pool::app(pool::pool()).await;
    for (name, stops_in) in [("a", SEC), ("b", 3 * SEC), ("c", SEC)] {
        pool.start_child(Slow::child(name, &journal, stops_in)).await.unwrap();
    }
    let b = tree.lookup::<()>("app/pool/b").unwrap();
    let stops = pool.clone();
    let order = tokio::spawn(async move { stops.terminate_child("b").await });
    while b.cast(()).is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(soon("the roll", pool.restart_rolling(1, "settings")).await.unwrap(), 2);
    order.await.unwrap().unwrap();
    let generations = ["a", "c"].map(|name| tree.lookup::<()>(&format!("app/pool/{name}")).unwrap().generation());
    assert_eq!(generations, [2, 2]);
    tree.shutdown().await;
}

/// A temporary child that was killed is between its end and the moment at which its supervisor knows that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn get_or_start_does_not_return_a_child_that_has_left_and_does_not_come_back() {
    let (tree, pool) = pool::app(pool::pool()).await;
    for round in 0..2000 {
        let child = || worker("a").restart(Restart::Temporary);
        let old = soon("a start", pool.get_or_start(child())).await.unwrap();
        old.kill().unwrap();
        while old.status().state == ServiceState::Up {
            std::hint::spin_loop();
        }
        let found = soon("a child", pool.get_or_start(child())).await.unwrap();
        assert!(found != old, "round {round}");
        assert_eq!(soon("an answer", found.call(|reply| answers(reply, 7))).await.unwrap(), 7);
    }
    tree.shutdown().await;
}

/// The hold of a handover beside the end of the tree, and of the runtime's tasks.
#[tokio::test(start_paused = true)]
async fn a_tree_that_stops_during_a_handover_waits_for_no_hold() {
    for to in [1, 3] {
        let (tree, cache) = app(cache_of(2, |_| worker("p").drain())).await;
        let hung = cache.handle(1).unwrap();
        hung.cast(run(async |ctx| {
            ctx.stopping().await;
            Ok(())
        }))
        .unwrap();
        in_hand(&hung).await;
        let resized = cache.clone();
        let resize = tokio::spawn(async move { resized.resize(to).await });
        tokio::time::sleep(1500 * MS).await;
        let calls: Vec<_> =
            cache.handles().into_iter().map(|one| tokio::spawn(one.call(|reply| answers(reply, 1)))).collect();
        turns(20).await;
        let begun = tokio::time::Instant::now();
        soon("shutdown", tree.shutdown()).await;
        assert!(begun.elapsed() < SEC, "{:?}", begun.elapsed());
        let _ = soon("the resize", resize).await.unwrap();
        for call in calls {
            let _ = soon("a call", call).await.unwrap();
        }
        assert!(hung.accounting().is_balanced());
    }
}

/// A job that failed is no completed one, though a new life of its supervisor leaves it out.
#[tokio::test(start_paused = true)]
async fn what_depends_on_a_one_shot_job_that_failed_does_not_start_in_the_next_life_of_the_supervisor() {
    for fails in [true, false] {
        let journal = Journal::new();
        let job = Child::once("migrate", move |_| async move {
            anyhow::ensure!(!fails, "disk full");
            Ok(())
        });
        let db = journal.probe("db").policy(Policy::default().depends_on_completed(["migrate"]));
        let sub = Supervisor::one_for_one("sub").budget(Intensity::unlimited()).child(job).child(db);
        let tree = soon("a tree", Supervisor::one_for_one("app").child(sub).start()).await.unwrap();
        for life in 1..3 {
            tokio::time::sleep(SEC).await;
            let is_up = tree.directory().status("app/sub/db").is_some_and(|db| db.state == ServiceState::Up);
            let why = tree.why("app/sub/db").await.map(|why| why.to_string());
            assert_eq!(is_up, !fails, "life {life}: {why:?}");
            if life == 1 {
                soon("a restart", tree.restart("app/sub", "why not")).await.unwrap();
            }
        }
        soon("shutdown", tree.shutdown()).await;
    }
}
