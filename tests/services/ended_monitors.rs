//! Ends of monitors: with the life that made them, by `demonitor`, or with the tree.

use regrow::{Context, Supervisor};

use crate::common::mail::*;
use crate::watcher::{Msg, held, inside, monitors, restart, seen, tree_of, watcher};

#[tokio::test]
async fn a_monitor_ends_with_the_life_that_made_it_and_so_does_its_report() {
    let (tree, peer, watcher) = tree_of(worker("peer"), watcher()).await;
    let letters = tree.dead_letters();
    let monitor = monitors(&watcher, &peer).await;
    let release = held(&watcher).await;
    restart(&peer, panics()).await;
    assert_eq!(watcher.accounting().queued, 1);
    watcher.kill().unwrap();
    until_generation(&watcher, 2).await;
    drop(release);
    assert_eq!(seen(&watcher).await, [""; 0], "the next life has not asked for it");
    assert!(monitor.is_over());
    restart(&peer, panics()).await;
    assert_eq!(seen(&watcher).await, [""; 0]);
    let books = watcher.accounting();
    assert!(books.is_balanced() && books.dead_lettered == 1 && letters.is_empty(), "{books}");
    assert_eq!(peer.why().await.monitors, 0);
    soon(tree.shutdown()).await;
}

#[tokio::test]
async fn demonitor_also_calls_off_the_report_that_is_queued() {
    let (_tree, peer, watcher) = tree_of(worker("peer"), watcher()).await;
    let [first, second] = [monitors(&watcher, &peer).await, monitors(&watcher, &peer).await];
    assert!(!first.is_over() && peer.why().await.monitors == 2);
    let release = held(&watcher).await;
    restart(&peer, panics()).await;
    assert_eq!(watcher.accounting().queued, 2);
    first.demonitor();
    first.clone().demonitor();
    assert!(first.is_over() && !second.is_over(), "though its report is still queued");
    drop(release);
    assert_eq!(seen(&watcher).await, ["peer#1 panicked 1"], "that of the other monitor");
    assert!(first.is_over() && !second.is_over());
    second.demonitor();
    restart(&peer, panics()).await;
    assert_eq!(seen(&watcher).await.len(), 1);
    let books = watcher.accounting();
    assert!(books.is_balanced() && books.dead_lettered == 1, "{books}");
    // A context that outlived its incarnation makes none.
    let old = inside(&watcher, Context::clone).await;
    watcher.cast(Msg::Crash).unwrap();
    until_generation(&watcher, 2).await;
    assert!(old.monitor(&peer, Msg::Down).is_over() && peer.why().await.monitors == 0);
}

// The list of a peer does not grow with monitors that are over, and one end tells all of them.
#[tokio::test]
async fn very_many_monitors_of_one_peer() {
    let many = 100_000;
    let (tree, peer, watcher) = tree_of(worker("peer"), watcher()).await;
    let own = peer.clone();
    inside(&watcher, move |ctx| {
        for _ in 0..many {
            ctx.monitor(&own, Msg::Down).demonitor();
            ctx.monitor(&own, Msg::Down);
        }
    })
    .await;
    assert_eq!(peer.why().await.monitors, many);
    let release = held(&watcher).await;
    restart(&peer, panics()).await;
    restart(&peer, panics()).await;
    assert_eq!(watcher.accounting().queued, many as u64, "one for each");
    drop(release);
    let lines = seen(&watcher).await;
    assert!(lines.len() == many && lines.iter().all(|line| line == "peer#2 panicked 2"));
    watcher.cast(Msg::Crash).unwrap();
    until_generation(&watcher, 2).await;
    assert_eq!(peer.why().await.monitors, 0);
    soon(tree.shutdown()).await;
}

#[tokio::test]
async fn a_tree_that_is_dropped_ends_its_streams() {
    let tree = soon(Supervisor::one_for_one("app").child(worker("peer")).start()).await.unwrap();
    let mut stream = tree.lookup::<Job>("app/peer").unwrap().monitor();
    drop(tree);
    let mut ends = 0;
    while let Some(down) = soon(stream.recv()).await {
        ends += down.ends;
    }
    assert_eq!(ends, 1);
}
