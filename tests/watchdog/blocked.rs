//! Code that blocks its thread: found by a thread of the watchdog's own, whichever other tasks are starved by it.
//!
//! Real threads and real time: a paused clock jumps ahead while a thread is blocked, as tokio does not see the thread.

use std::sync::mpsc;
use std::time::Duration;

use crate::common::tree::{Gate, MS, SEC, heard, hears, hears_of, soon, up};
use crate::common::watched::{Job, asks, does, hung, takes, worker};
use regrow::{Abandon, Event, EventKind, Events, Intensity, Policy, ServiceChild, ServiceState, Supervisor};
use tokio::runtime::Builder;

fn watched(name: &str, limit: Duration) -> ServiceChild<Job> {
    worker(name).policy(Policy::default().watchdog(limit)).abandon(Abandon::After(50 * MS))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_service_that_blocks_is_found_fenced_abandoned_and_replaced() {
    let gate = Gate::default();
    let _open = gate.opener();
    let child = watched("clerk", 100 * MS).abandon(Abandon::After(400 * MS));
    let tree = Supervisor::one_for_one("app").child(child).start().await.unwrap();
    let (clerk, mut events) = (tree.lookup("app/clerk").unwrap(), tree.events());
    let (tell, told) = mpsc::channel();
    let blocked = gate.clone();
    let call = clerk.call(|reply| {
        does("blocks", async move |_| {
            blocked.pass();
            tell.send(reply.send(())).unwrap();
            Ok(())
        })
    });
    gate.reached().await;

    let hang = hung(soon("the call in hand", call).await);
    assert_eq!(&*hang.message, "blocks");
    assert!(hang.time >= 100 * MS, "{hang:?}");
    hears_of(&mut events, "app/clerk#1 has blocked its thread for ").await;
    hears(&mut events, "app/clerk#1 was abandoned").await;
    hears(&mut events, "app/clerk#2 started").await;
    soon("an answer", asks(&clerk, "quick", async |_| Ok(()))).await.unwrap();
    gate.open();
    assert!(!told.recv_timeout(60 * SEC).unwrap(), "it completes no reply any more");
    assert!(soon("the end", tree.shutdown()).await.is_clean());
}

/// The next event of this kind, awaited by a runtime that is not blocked.
async fn blocks(events: &mut Events) -> (Event, Duration) {
    loop {
        let event = soon("an event", events.next()).await.unwrap().unwrap();
        if let EventKind::Blocks { time } = event.kind {
            return (event, time);
        }
    }
}

// The sampler and the supervisor are starved with all other tasks. What can be done is to say so.
#[test]
fn on_a_single_thread_it_is_told_while_nobody_else_can_run() {
    let (gate, starved) = (Gate::default(), Builder::new_current_thread().enable_all().build().unwrap());
    let tree = Supervisor::one_for_one("app").child(watched("clerk", 60 * MS)).child(watched("other", 60 * MS));
    let tree = starved.block_on(tree.start()).unwrap();
    let (clerk, mut events) = (tree.lookup("app/clerk").unwrap(), tree.events());
    let other = tree.lookup("app/other").unwrap();
    let (tell, blocked) = (gate.clone(), gate.clone());
    let watcher = std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let found = runtime.block_on(blocks(&mut events));
        tell.open();
        found
    });
    starved.block_on(async {
        // Has begun before, and could have come back if it had had its turn.
        other.cast(takes("short", MS)).unwrap();
        let comes_back = asks(&clerk, "blocks", async move |_| {
            blocked.pass();
            Ok(())
        });
        soon("the answer", comes_back).await.unwrap();
        // It has come back: no service is killed for what is over.
        soon("an answer", asks(&other, "quick", async |_| Ok(()))).await.unwrap();
        tokio::time::sleep(120 * MS).await;
        assert_eq!((clerk.generation(), other.generation()), (1, 1), "{:?}", heard(&mut tree.events()));
    });
    let (event, time) = watcher.join().unwrap();
    assert_eq!((&*event.path, event.generation), ("app/clerk", 1));
    assert!(time >= 60 * MS, "{time:?}");
    starved.block_on(tree.shutdown());
}

#[test]
fn time_in_which_somebody_else_blocked_the_runtime_counts_for_nobody() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tree = Supervisor::one_for_one("app").child(worker("blocker")).child(watched("clerk", 80 * MS));
        let tree = tree.start().await.unwrap();
        let (blocker, clerk) = (tree.lookup("app/blocker").unwrap(), tree.lookup("app/clerk").unwrap());
        let blocked = does("blocks", async move |_| {
            Gate::default().pass_within(400 * MS);
            Ok(())
        });
        // Seen in hand before that, and still in hand after it.
        let outcome = asks(&clerk, "short", async move |_| {
            tokio::time::sleep(25 * MS).await;
            blocker.cast(blocked)?;
            tokio::time::sleep(25 * MS).await;
            tokio::time::sleep(10 * MS).await;
            Ok(())
        });
        soon("the answer", outcome).await.unwrap();
        assert_eq!(clerk.generation(), 1);
        tree.shutdown().await;
    });
}

#[test]
fn on_a_single_thread_it_is_killed_once_it_yields_if_its_message_is_still_in_hand() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tree = Supervisor::one_for_one("app").child(watched("clerk", 40 * MS)).start().await.unwrap();
        let (clerk, mut events) = (tree.lookup("app/clerk").unwrap(), tree.events());
        let outcome = asks(&clerk, "blocks", async move |_| {
            Gate::default().pass_within(200 * MS);
            std::future::pending().await
        });
        hung(soon("the call in hand", outcome).await);
        let (event, _) = blocks(&mut events).await;
        assert_eq!(&*event.path, "app/clerk");
        up(&tree, "app/clerk", 2).await;
        tree.shutdown().await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_awaits_is_never_said_to_block() {
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(watched("clerk", 40 * MS));
    let tree = tree.start().await.unwrap();
    let (clerk, mut events) = (tree.lookup("app/clerk").unwrap(), tree.events());
    for _ in 0..3 {
        hung(soon("the call", asks(&clerk, "awaits", async |_| std::future::pending().await)).await);
    }
    up(&tree, "app/clerk", 4).await;
    let lines = heard(&mut events);
    assert!(!lines.iter().any(|line| line.contains("blocked")), "{lines:#?}");
    tree.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_says_that_it_takes_long_may_block_for_so_long() {
    let tree = Supervisor::one_for_one("app").child(watched("clerk", 40 * MS)).start().await.unwrap();
    let (clerk, mut events) = (tree.lookup("app/clerk").unwrap(), tree.events());
    let long = asks(&clerk, "long", async move |ctx| {
        ctx.extend_deadline(10 * SEC);
        Gate::default().pass_within(200 * MS);
        Ok(())
    });
    soon("the answer", long).await.unwrap();
    assert_eq!((clerk.status().state, clerk.generation()), (ServiceState::Up, 1), "{:?}", heard(&mut events));
    tree.shutdown().await;
}

// The clock stands still during a poll if it is paused: the thread must not take that for a service that blocks.
#[tokio::test(start_paused = true)]
async fn under_a_paused_clock_nobody_is_said_to_block() {
    let tree = Supervisor::one_for_one("app").child(watched("clerk", 20 * MS)).start().await.unwrap();
    let (clerk, mut events) = (tree.lookup("app/clerk").unwrap(), tree.events());
    let blocks = asks(&clerk, "blocks", async move |_| {
        Gate::default().pass_within(300 * MS);
        Ok(())
    });
    blocks.await.unwrap();
    assert_eq!((clerk.generation(), heard(&mut events)), (1, vec![]));
    tree.shutdown().await;
}
