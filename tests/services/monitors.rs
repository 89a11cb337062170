//! Monitors: a service, or other code, is told of the end of each incarnation of a peer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use fastrand::Rng;
use regrow::{
    Abandon, Child, Context, Exit, Inbox, Monitor, Overflow, PeerDown, Restart, Service, ServiceState, Shutdown,
    Strategy, ignore,
};

use crate::common::mail::*;
use crate::common::tree::{Gate, in_hand};
use crate::watcher::{Msg, faithful, held, inside, monitors, restart, seen, tree_of, watcher};

// Case t24 of the reports: a watch of the status is coalesced, and has no exit.
#[tokio::test]
async fn each_end_is_told_with_its_exit_and_generation() {
    let (tree, peer, watcher) = tree_of(worker("peer"), faithful()).await;
    let mut stream = peer.monitor();
    let mut told = Vec::new();
    for end in [panics as fn() -> Job, fails, leaves] {
        restart(&peer, end()).await;
        told.push(soon(stream.recv()).await.unwrap());
        seen(&watcher).await;
    }
    peer.kill().unwrap();
    until_generation(&peer, 5).await;
    let down = soon(stream.recv()).await.unwrap();
    assert!(matches!((&down.exit, down.generation, down.ends), (Some(Exit::Killed), 4, 1)), "{down}");
    assert_eq!(seen(&watcher).await, ["peer#1 panicked 1", "peer#2 failed 1", "peer#3 normal 1", "peer#4 killed 1"]);
    let texts: Vec<_> = told.iter().map(ToString::to_string).collect();
    assert!(
        texts[0].starts_with("app/peer#1 ended: panicked") && texts[2].starts_with("app/peer#3 ended"),
        "{texts:?}"
    );
    assert_eq!(peer.why().await.monitors, 2);
    assert!(stream.try_recv().is_none());
    soon(tree.shutdown()).await;
    assert!(matches!(soon(stream.recv()).await, Some(PeerDown { generation: 5, .. })));
    assert!(soon(stream.recv()).await.is_none() && soon(stream.recv()).await.is_none(), "it is gone");
    assert!(watcher.accounting().is_balanced());
}

#[tokio::test]
async fn later_ends_merge_into_the_one_report_that_is_queued() {
    let (_tree, peer, watcher) = tree_of(worker("peer"), faithful()).await;
    let mut stream = peer.monitor();
    let release = held(&watcher).await;
    for end in [panics as fn() -> Job, leaves, fails] {
        restart(&peer, end()).await;
        assert_eq!(watcher.accounting().queued, 1);
    }
    drop(release);
    assert_eq!(seen(&watcher).await, ["peer#3 failed 3"]);
    let down = soon(stream.recv()).await.unwrap();
    assert!(matches!((&down.exit, down.generation, down.ends), (Some(Exit::Failed(_)), 3, 3)), "{down}");
    restart(&peer, panics()).await;
    assert_eq!(seen(&watcher).await[1..], ["peer#4 panicked 1"], "a report that was handled is not merged into");
    let books = watcher.accounting();
    assert!(books.is_balanced() && books.dead_lettered == 0, "{books}");
}

#[tokio::test]
async fn a_report_needs_no_room_and_costs_no_message_its_place() {
    let small = faithful().capacity(1).wait_for_room(Duration::from_secs(20));
    let (_tree, peer, watcher) = tree_of(worker("peer"), small).await;
    let release = held(&watcher).await;
    watcher.cast(Msg::Note(1)).unwrap();
    let waits = watcher.clone();
    let sender = tokio::spawn(async move { waits.send(Msg::Note(2)).await });
    tokio::task::yield_now().await;
    restart(&peer, panics()).await;
    restart(&peer, panics()).await;
    let books = watcher.accounting();
    assert_eq!((books.queued, books.is_balanced()), (2, true), "one more than there is room for: {books}");
    assert!(watcher.cast(Msg::Note(3)).is_err());
    drop(release);
    soon(sender).await.unwrap().unwrap();
    assert_eq!(seen(&watcher).await, ["1", "peer#2 panicked 2", "2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_comes_after_the_messages_of_the_life_that_ended_and_before_those_of_the_next() {
    let peer = Child::service("peer", |ctx: Context<Worker>| async move {
        let (to, life) = (ctx.lookup::<Msg>("watcher")?, ctx.generation() * 100);
        to.cast(Msg::Note(life))?;
        Ok(Worker::default())
    });
    let (tree, peer, watcher) = tree_of(peer, faithful()).await;
    seen(&watcher).await;
    for round in 0..100 {
        let (to, life) = (watcher.clone(), peer.generation() * 100);
        let last = run(async move |ctx| {
            (1..=round % 5).for_each(|number| to.cast(Msg::Note(life + number)).unwrap());
            let own = to.clone();
            ctx.spawn(async move {
                let _ = own.cast(Msg::Note(life + 90));
                std::future::pending().await
            });
            tokio::task::yield_now().await;
            panic!("the end")
        });
        restart(&peer, last).await;
        // Unmerged: the report of this end is handled before the next one.
        seen(&watcher).await;
    }
    let lines = seen(&watcher).await;
    let mut life = 1;
    for line in &lines {
        if let Some(end) = line.strip_prefix("peer#") {
            assert_eq!(end, format!("{life} panicked 1"));
            life += 1;
        } else {
            assert_eq!(line.parse::<u64>().unwrap() / 100, life, "{lines:?}");
        }
    }
    assert_eq!(life, 101);
    soon(tree.shutdown()).await;
}

#[tokio::test]
async fn a_monitor_of_oneself_tells_nothing_and_harms_nothing() {
    let (tree, _, watcher) = tree_of(worker("peer"), watcher()).await;
    let monitor = inside(&watcher, |ctx| ctx.monitor(&ctx.handle(), Msg::Down)).await;
    let mut stream = watcher.monitor();
    watcher.cast(Msg::Crash).unwrap();
    until_generation(&watcher, 2).await;
    assert_eq!(seen(&watcher).await, [""; 0]);
    assert!(monitor.is_over() && soon(stream.recv()).await.is_some_and(|down| down.generation == 1));
    assert_eq!(watcher.why().await.monitors, 1, "only the stream is left");
    soon(tree.shutdown()).await;
}

#[tokio::test]
async fn what_does_not_run_is_told_at_once_and_what_has_not_started_is_not() {
    let (tree, peer, watcher) = tree_of(worker("peer"), watcher()).await;
    let app = tree.supervisor("app").unwrap();
    soon(app.terminate_child("peer")).await.unwrap();
    monitors(&watcher, &peer).await;
    assert_eq!(seen(&watcher).await, ["peer#1 none 0"]);
    let down = soon(peer.monitor().recv()).await.unwrap();
    assert!(down.exit.is_none() && down.ends == 0 && down.to_string() == "`app/peer` is not running", "{down}");
    soon(app.restart_child("peer")).await.unwrap();
    restart(&peer, panics()).await;
    assert_eq!(seen(&watcher).await[1..], ["peer#2 panicked 1"], "the monitor goes on");
    // A service that is gone for good.
    soon(app.terminate_child("peer")).await.unwrap();
    seen(&watcher).await;
    soon(app.delete_child("peer")).await.unwrap();
    monitors(&watcher, &peer).await;
    assert_eq!(seen(&watcher).await.last().unwrap(), "peer#3 none 0");
    let mut stream = peer.monitor();
    assert!(soon(stream.recv()).await.is_some_and(|down| down.ends == 0) && soon(stream.recv()).await.is_none());
    // A service in no tree yet, and starts that fail or are not wanted.
    let (mailbox, later) = regrow::mailbox::<()>();
    let (peer, mut stream) = (later.clone(), later.monitor());
    inside(&watcher, move |ctx| ctx.monitor(&peer, Msg::Down)).await;
    let fails = Arc::new(AtomicUsize::new(0));
    struct Idle;
    impl Service for Idle {
        type Msg = ();
        async fn handle(&mut self, (): (), _: &mut Context<Self>) -> anyhow::Result<()> {
            anyhow::bail!("the first end")
        }
    }
    let starts = Child::service_with("later", fails, |fails, _: Context<Idle>| async move {
        match fails.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(Idle),
            1 | 2 => anyhow::bail!("no start"),
            _ => ignore(),
        }
    });
    later.cast(()).unwrap();
    assert!(stream.try_recv().is_none());
    soon(app.start_child(starts.mailbox(mailbox))).await.unwrap();
    until_state(&later, ServiceState::Down).await;
    assert_eq!(seen(&watcher).await.last().unwrap(), "later#1 failed 1");
    assert!(soon(stream.recv()).await.is_some_and(|down| down.ends == 1) && stream.try_recv().is_none());
    soon(tree.shutdown()).await;
}

#[tokio::test]
async fn a_report_that_was_shed_is_followed_by_the_next_one() {
    let small = faithful().capacity(1).overflow(Overflow::DropOldest);
    let (_tree, peer, watcher) = tree_of(worker("peer"), small).await;
    let release = held(&watcher).await;
    restart(&peer, panics()).await;
    watcher.cast(Msg::Note(1)).unwrap();
    assert_eq!(watcher.accounting().dead_lettered, 1, "the report was the oldest");
    restart(&peer, fails()).await;
    drop(release);
    assert_eq!(seen(&watcher).await, ["1", "peer#2 failed 1"]);
    assert!(watcher.accounting().is_balanced());
}

#[tokio::test]
async fn a_closure_that_panics_ends_the_watching_incarnation_and_not_the_peer() {
    let (_tree, peer, watcher) = tree_of(worker("peer"), watcher()).await;
    let own = peer.clone();
    inside(&watcher, move |ctx| ctx.monitor(&own, |_| panic!("a closure that panics"))).await;
    restart(&peer, leaves()).await;
    until_generation(&watcher, 2).await;
    let exit = inside(&watcher, |ctx| ctx.last_exit().cloned()).await.unwrap();
    assert!(matches!(&exit, Exit::Panicked(panic) if &*panic.message == "a closure that panics"), "{exit}");
    assert!(matches!(through(&peer, |ctx| ctx.last_exit().cloned()).await, Some(Exit::Normal)));
    // The same when the message is made again because ends were merged.
    let (own, made) = (peer.clone(), AtomicUsize::new(0));
    let only_once = move |down| {
        assert!(made.fetch_add(1, Ordering::SeqCst) == 0, "made again");
        Msg::Down(down)
    };
    inside(&watcher, move |ctx| ctx.monitor(&own, only_once)).await;
    let release = held(&watcher).await;
    restart(&peer, leaves()).await;
    restart(&peer, leaves()).await;
    drop(release);
    until_generation(&watcher, 3).await;
    assert!(watcher.accounting().is_balanced());
}

#[tokio::test]
async fn a_closure_runs_under_no_lock() {
    let (_tree, peer, watcher) = tree_of(worker("peer"), watcher()).await;
    let (own, itself) = (peer.clone(), watcher.clone());
    let looks = move |down: PeerDown| {
        let _ = (own.accounting(), own.status(), own.cast(idle()), itself.accounting(), itself.cast(Msg::Note(7)));
        let _ = own.monitor();
        Msg::Down(down)
    };
    let own = peer.clone();
    inside(&watcher, move |ctx| ctx.monitor(&own, looks)).await;
    let release = held(&watcher).await;
    restart(&peer, leaves()).await;
    restart(&peer, leaves()).await;
    drop(release);
    assert_eq!(seen(&watcher).await, ["7", "peer#2 normal 2"]);
    assert_eq!(seen(&watcher).await.len(), 3, "the message was made twice");
}

#[tokio::test]
async fn threads_watch_and_are_watched() {
    let (told, mut tell) = tokio::sync::mpsc::unbounded_channel();
    let thread = Child::thread_with("watcher", told, |told, inbox: Inbox<Option<PeerDown>>| {
        let peer = inbox.lookup::<Job>("peer")?;
        let monitor = inbox.monitor(&peer, Some);
        for down in inbox {
            told.send(down)?;
        }
        anyhow::ensure!(!monitor.is_over(), "it is, when the thread has returned");
        Ok(())
    });
    let app = forgiving(Strategy::OneForOne).child(worker("peer")).child(thread);
    let tree = soon(app.start()).await.unwrap();
    let (peer, thread) =
        (tree.lookup::<Job>("app/peer").unwrap(), tree.lookup::<Option<PeerDown>>("app/watcher").unwrap());
    let mut stream = thread.monitor();
    thread.cast(None).unwrap();
    assert!(soon(tell.recv()).await.unwrap().is_none(), "the thread has its monitor");
    restart(&peer, panics()).await;
    assert_eq!(soon(tell.recv()).await.unwrap().unwrap().generation, 1);
    thread.kill().unwrap();
    assert!(matches!(soon(stream.recv()).await.unwrap().exit, Some(Exit::Killed)));
    soon(tree.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn an_abandoned_life_is_told_as_killed() {
    let gate = Gate::default();
    let peer = worker("peer").shutdown(Shutdown::Kill).abandon(Abandon::After(Duration::from_millis(20)));
    let (tree, peer, watcher) = tree_of(peer, faithful()).await;
    let held = gate.clone();
    let blocks = run(async move |_| {
        held.pass();
        Ok(())
    });
    peer.cast(blocks).unwrap();
    in_hand(&peer).await;
    let mut stream = peer.monitor();
    peer.kill().unwrap();
    let down = soon(stream.recv()).await.unwrap();
    assert!(matches!((&down.exit, down.generation, down.ends), (Some(Exit::Killed), 1, 1)), "{down}");
    until_generation(&peer, 2).await;
    gate.open();
    soon(async {
        while seen(&watcher).await.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(seen(&watcher).await, ["peer#1 killed 1"]);
    soon(tree.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_end_is_counted_once_whatever_happens_at_the_same_time() {
    for seed in 0..12 {
        let mut rng = Rng::with_seed(seed);
        let (tree, peer, watcher) = tree_of(worker("peer").restart(Restart::Permanent), watcher()).await;
        let mut stream = peer.monitor();
        let (own, told) = (peer.clone(), Arc::new(AtomicU64::new(0)));
        let sum = told.clone();
        let counts = move |down: PeerDown| {
            let sum = sum.clone();
            Msg::Do(Box::new(move |_| {
                sum.fetch_add(down.ends, Ordering::SeqCst);
            }))
        };
        inside(&watcher, move |ctx| ctx.monitor(&own, counts)).await;
        let listens = tokio::spawn(async move {
            let (mut ends, mut last) = (0, 0);
            while let Some(down) = stream.recv().await {
                assert!(down.generation > last && down.ends <= down.generation - last, "{down}");
                (ends, last) = (ends + down.ends, down.generation);
                tokio::task::yield_now().await;
            }
            ends
        });
        let mut others: Vec<Monitor> = Vec::new();
        for _ in 0..150 {
            match rng.u8(..10) {
                0 => drop(peer.kill()),
                1 => drop(peer.cast(panics())),
                2 => drop(peer.cast(leaves())),
                3 => others.push(monitors(&watcher, &peer).await),
                4 if !others.is_empty() => others.swap_remove(rng.usize(..others.len())).demonitor(),
                5 => drop(peer.monitor()),
                6 => drop(watcher.cast(Msg::Note(1))),
                _ => tokio::time::sleep(Duration::from_micros(rng.u64(..200))).await,
            }
            let books = watcher.accounting();
            assert!(books.is_balanced(), "seed {seed}: {books}");
        }
        others.iter().for_each(Monitor::demonitor);
        caught_up(&peer).await;
        let lives = peer.generation();
        // All reports are queued before the next life is up, so they are handled before this question.
        seen(&watcher).await;
        assert_eq!(told.load(Ordering::SeqCst), lives - 1, "seed {seed}: each end once");
        soon(tree.shutdown()).await;
        assert_eq!(soon(listens).await.unwrap(), lives, "seed {seed}: and the last one too");
        assert!(watcher.accounting().is_balanced());
    }
}
