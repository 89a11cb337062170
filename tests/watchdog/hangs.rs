//! The hang watchdog: what counts as hung, and what follows.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::tree::{MS, SEC, heard, hears, hears_of, soon, stands, up};
use crate::common::watched::{Job, LIMIT, Worker, asks, does, hang, hangs, hung, takes, watched, worker};
use regrow::testing::Journal;
use regrow::{Child, Context, Exit, Inbox, Intensity, Policy, Reply, Restart, Service, ServiceState, Supervisor};
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn a_hung_service_is_killed_and_comes_back_with_its_queue() {
    let tree = Supervisor::one_for_one("app").child(watched("clerk")).start().await.unwrap();
    let clerk = tree.lookup("app/clerk").unwrap();
    clerk.cast(hangs("hang")).unwrap();
    let queued = asks(&clerk, "queued", async |ctx| {
        assert_eq!(ctx.generation(), 2);
        assert_eq!(&*hang(ctx.last_exit().unwrap()).message, "hang", "the next life knows");
        Ok(())
    });
    soon("the queued call", queued).await.unwrap();
    let books = clerk.accounting();
    assert!(books.is_balanced() && (books.crashed, books.accepted) == (1, 2), "{books}");
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn it_is_found_after_its_limit_and_before_a_quarter_more() {
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(watched("clerk"));
    let tree = tree.start().await.unwrap();
    let clerk = tree.lookup("app/clerk").unwrap();
    for offset in 0..40 {
        // Whenever it begins between two looks.
        sleep(offset * 7 * MS).await;
        let begun = Instant::now();
        hung(asks(&clerk, "hang", async |_| std::future::pending().await).await);
        let found = begun.elapsed();
        assert!(LIMIT <= found && found <= LIMIT + LIMIT / 4, "{found:?} after {offset}");
    }
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_caller_is_told_what_hung_and_for_how_long() {
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(watched("clerk"));
    let tree = tree.start().await.unwrap();
    let clerk = tree.lookup("app/clerk").unwrap();
    let named = hung(asks(&clerk, "compact", async |_| std::future::pending().await).await);
    assert_eq!(&*named.message, "compact");
    assert!(LIMIT <= named.time && named.time <= LIMIT + LIMIT / 4 && named.cycle.is_empty(), "{named:?}");
    let nameless = clerk.call(|reply: Reply<()>| {
        let never = async move |_| {
            let _in_hand = reply;
            std::future::pending().await
        };
        does("", never).without_label()
    });
    assert!(hung(nameless.await).message.ends_with("Job"), "the type, where there is no label");
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn everybody_is_told_of_the_hang_and_not_of_a_kill() {
    let tree = Supervisor::one_for_one("app").child(watched("clerk")).start().await.unwrap();
    let (clerk, mut events) = (tree.lookup("app/clerk").unwrap(), tree.events());
    clerk.cast(hangs("hang")).unwrap();
    hears_of(&mut events, "app/clerk#1 takes too long and is killed: hung: `hang` in hand for ").await;
    hears_of(&mut events, "app/clerk#1 exited: hung: `hang` in hand for ").await;
    hears(&mut events, "app/clerk#2 started").await;
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_always_busy_with_short_work_does_not_hang() {
    let tree = Supervisor::one_for_one("app").child(watched("clerk").unbounded()).start().await.unwrap();
    let clerk = tree.lookup("app/clerk").unwrap();
    for time in [MS, LIMIT / 100, LIMIT / 8, LIMIT / 4, LIMIT - MS] {
        for _ in 0..200 {
            clerk.cast(takes("short", time)).unwrap();
        }
    }
    asks(&clerk, "last", async |_| Ok(())).await.unwrap();
    assert_eq!(clerk.generation(), 1);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_can_say_that_a_message_takes_long() {
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(watched("clerk"));
    let tree = tree.start().await.unwrap();
    let clerk = tree.lookup("app/clerk").unwrap();
    let long = asks(&clerk, "long", async |ctx| {
        ctx.extend_deadline(60 * SEC);
        sleep(60 * SEC).await;
        for _ in 0..10 {
            ctx.extend_deadline(SEC);
            sleep(SEC + LIMIT / 2).await;
        }
        Ok(())
    });
    long.await.unwrap();
    assert_eq!(clerk.generation(), 1);

    let begun = Instant::now();
    let too_long = asks(&clerk, "too long", async |ctx| {
        ctx.extend_deadline(10 * SEC);
        std::future::pending().await
    });
    hung(too_long.await);
    let found = begun.elapsed();
    assert!(found >= 10 * SEC + LIMIT && found <= 10 * SEC + LIMIT + LIMIT / 4, "{found:?}");

    let begun = Instant::now();
    let said = async |ctx: Context<Worker>| {
        ctx.extend_deadline(60 * SEC);
        Ok(())
    };
    asks(&clerk, "long", said).await.unwrap();
    hung(asks(&clerk, "the next", async |_| std::future::pending().await).await);
    assert!(begun.elapsed() <= LIMIT + LIMIT / 4, "it was said for one message");
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_hang_is_counted_like_any_crash() {
    let tree = Supervisor::one_for_one("app").intensity(1, 60 * SEC).child(watched("clerk")).start().await.unwrap();
    let clerk = tree.lookup("app/clerk").unwrap();
    clerk.cast(hangs("first")).unwrap();
    clerk.cast(hangs("second")).unwrap();
    stands(&tree, "app/clerk", ServiceState::Gone).await;
    assert_eq!(clerk.generation(), 2, "the second was one too many");
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_hang_is_abnormal_and_a_temporary_service_stays_away_all_the_same() {
    let tree = Supervisor::one_for_one("app");
    let tree = tree.child(watched("a").restart(Restart::Transient)).child(watched("b").restart(Restart::Temporary));
    let tree = tree.start().await.unwrap();
    let mut events = tree.events();
    for name in ["app/a", "app/b"] {
        tree.lookup(name).unwrap().cast(hangs("hang")).unwrap();
    }
    hears(&mut events, "app/b#1 is gone").await;
    up(&tree, "app/a", 2).await;
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn its_siblings_are_restarted_as_the_strategy_says() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_all("app").child(journal.probe("a")).child(watched("clerk")).start().await.unwrap();
    tree.lookup("app/clerk").unwrap().cast(hangs("hang")).unwrap();
    up(&tree, "app/clerk", 2).await;
    assert_eq!(journal.take(), ["start a#1", "end a#1", "start a#2"]);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_not_watched_may_hang_for_ever() {
    let tree = Supervisor::one_for_one("app").child(worker("clerk")).child(watched("other")).start().await.unwrap();
    let clerk = tree.lookup("app/clerk").unwrap();
    let call = asks(&clerk, "hang", async |_| std::future::pending().await);
    assert!(tokio::time::timeout(1000 * LIMIT, call).await.is_err());
    assert_eq!((clerk.generation(), clerk.accounting().in_hand), (1, 1));
    tree.shutdown().await;
}

// The stop hook is covered while a message that failed is still in hand.
#[tokio::test(start_paused = true)]
async fn a_stop_hook_that_never_comes_back_from_an_error_is_a_hang() {
    struct Stubborn;
    impl Service for Stubborn {
        type Msg = ();
        async fn handle(&mut self, (): (), _ctx: &mut Context<Self>) -> anyhow::Result<()> {
            anyhow::bail!("out of paper")
        }
        async fn stopped(&mut self, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
            std::future::pending().await
        }
    }
    let child = Child::service("stubborn", |_| async { Ok(Stubborn) }).policy(Policy::default().watchdog(LIMIT));
    let tree = Supervisor::one_for_one("app").child(child).start().await.unwrap();
    let mut events = tree.events();
    tree.lookup("app/stubborn").unwrap().cast(()).unwrap();
    hears_of(&mut events, "app/stubborn#1 exited: hung: `()` in hand for ").await;
    up(&tree, "app/stubborn", 2).await;
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_that_takes_too_long_is_told_as_that_and_not_as_a_kill() {
    let exits = Arc::new(Mutex::new(Vec::new()));
    let child = Child::service_with("slow", exits.clone(), |exits, ctx: Context<Worker>| async move {
        exits.lock().unwrap().push(ctx.last_exit().map(ToString::to_string));
        if ctx.attempt() < 3 {
            std::future::pending::<()>().await;
        }
        Ok(Worker::default())
    });
    let child = child.policy(Policy::default().start_timeout(SEC));
    let starts = tree_that_boots_later(child).await;
    let mut events = starts.events();
    hears(&mut events, "app/group/slow#0 takes too long and is killed: failed: not ready after 1s").await;
    hears(&mut events, "app/group/slow#0 failed to start: failed: not ready after 1s").await;
    starts.shutdown().await;
    assert_eq!(exits.lock().unwrap()[0], None);
}

/// Its group may fail to boot, and is tried again.
async fn tree_that_boots_later(child: regrow::ServiceChild<Job>) -> regrow::Tree {
    let sessions = regrow::DynamicSupervisor::new("group").budget(Intensity::unlimited());
    let tree = Supervisor::one_for_one("app").child(sessions).start().await.unwrap();
    let group = tree.dynamic("app/group").unwrap();
    tokio::spawn(async move { drop(group.start_child(child).await) });
    tree
}

// Real time: a thread has no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_hangs_is_abandoned_and_replaced() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let child = Child::thread("thread", move |inbox: Inbox<Reply<u64>>| {
        let generation = inbox.generation();
        for reply in inbox {
            if generation == 1 {
                let _ = released.lock().unwrap().recv();
            }
            reply.send(generation);
        }
        Ok(())
    });
    let child = child.abandon(regrow::Abandon::After(50 * MS)).policy(Policy::default().watchdog(80 * MS));
    let tree = Supervisor::one_for_one("app").child(child).start().await.unwrap();
    let (thread, mut events) = (tree.lookup::<Reply<u64>>("app/thread").unwrap(), tree.events());
    let outcome = soon("the call in hand", thread.call(|reply| reply)).await;
    assert!(matches!(&outcome, Err(error) if matches!(error.exit(), Some(Exit::Hung(_)))), "{outcome:?}");
    hears(&mut events, "app/thread#1 was abandoned").await;
    assert_eq!(soon("an answer", thread.call(|reply| reply)).await.unwrap(), 2);
    drop(release);
    assert!(tree.shutdown().await.is_clean());
}

/// Found by mutants. Real time: see above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_can_say_that_a_message_takes_long() {
    let child = Child::thread("thread", |mut inbox: Inbox<Reply<u64>>| {
        while let Some(reply) = inbox.next() {
            inbox.extend_deadline(60 * SEC);
            std::thread::sleep(400 * MS);
            reply.send(inbox.generation());
        }
        Ok(())
    });
    let child = child.abandon(regrow::Abandon::After(20 * MS)).policy(Policy::default().watchdog(40 * MS));
    let tree = Supervisor::one_for_one("app").child(child).start().await.unwrap();
    let thread = tree.lookup::<Reply<u64>>("app/thread").unwrap();
    assert_eq!(soon("an answer", thread.call(|reply| reply)).await.unwrap(), 1);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn under_a_paused_clock_the_same_happens_at_the_same_time() {
    async fn history() -> Vec<(Duration, String)> {
        let begun = Instant::now();
        let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited());
        let tree = ["a", "b", "c"].into_iter().fold(tree, |tree, name| tree.child(watched(name)));
        let tree = tree.start().await.unwrap();
        let mut events = tree.events();
        for name in ["app/c", "app/a", "app/b"] {
            let clerk = tree.lookup(name).unwrap();
            clerk.cast(hangs("hang")).unwrap();
            clerk.cast(takes("short", 30 * MS)).unwrap();
            clerk.cast(hangs("hang")).unwrap();
        }
        let mut lines = Vec::new();
        for _ in 0..300 {
            sleep(10 * MS).await;
            lines.extend(heard(&mut events).into_iter().map(|line| (begun.elapsed(), line)));
        }
        tree.shutdown().await;
        lines
    }
    let first = history().await;
    assert_eq!(first.len(), 18, "{first:#?}");
    assert_eq!(first, history().await);
}
