//! A wait for room that is long is told: by `why`, and in the log.

use crate::common::log;
use std::time::Duration;

use regrow::testing::{Journal, ProbeMsg};
use regrow::{Handle, Strategy, Tree};

use crate::common::mail::*;

const SEC: Duration = Duration::from_secs(1);

/// A service `a`, and `b`, which hangs behind a full mailbox.
async fn two() -> (Tree, Handle<Job>, Handle<ProbeMsg>) {
    let journal = Journal::new();
    let tree = forgiving(Strategy::OneForOne).child(worker("a")).child(journal.probe("b").capacity(1));
    let tree = soon(tree.start()).await.unwrap();
    let (a, b) = (tree.lookup::<Job>("app/a").unwrap(), tree.lookup::<ProbeMsg>("app/b").unwrap());
    b.cast(ProbeMsg::Hang).unwrap();
    tokio::task::yield_now().await;
    b.cast(ProbeMsg::Note(1)).unwrap();
    (tree, a, b)
}

#[tokio::test(start_paused = true)]
async fn why_names_a_wait_for_room_that_is_longer_than_a_second() {
    let (tree, a, b) = two().await;
    a.cast(run(async move |_| Ok(b.send(ProbeMsg::Note(2)).await?))).unwrap();
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(a.why().await.waits_for_room, None);
    tokio::time::sleep(Duration::from_millis(2300)).await;
    let why = a.why().await.to_string();
    assert!(why.contains("It has waited 3.2s for room in the mailbox of `app/b`."), "{why}");
    tokio::time::sleep(3 * SEC).await;
    assert_eq!(a.why().await.waits_for_room, None, "its time is up");
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_log_tells_of_a_long_wait_once_and_of_a_short_one_not_at_all() {
    let (log, _listening) = log::Log::listen();
    let (tree, a, b) = two().await;
    let said = || log.take().into_iter().filter(|line| line.contains("room")).collect::<Vec<_>>();
    let (peer, other) = (b.clone(), b.clone());
    a.cast(run(async move |_| {
        let _ = tokio::time::timeout(SEC / 2, peer.send(ProbeMsg::Note(2))).await;
        let _ = peer.send(ProbeMsg::Note(3)).await;
        Ok(())
    }))
    .unwrap();
    tokio::time::sleep(Duration::from_millis(1400)).await;
    assert_eq!(said(), [""; 0]);
    tokio::time::sleep(SEC).await;
    let line = "WARN child waits for room in the mailbox of a peer path=app/a peer=app/b waiting=1 waited_ms=1000";
    assert_eq!(said(), [line]);
    tokio::time::sleep(10 * SEC).await;
    assert_eq!(said(), [""; 0]);

    // Senders without a path are told of together.
    for _ in 0..50 {
        let other = other.clone();
        tokio::spawn(async move { drop(other.send(ProbeMsg::Note(4)).await) });
    }
    tokio::time::sleep(3 * SEC).await;
    let line =
        "WARN code outside of the tree's services waits for room in a mailbox peer=app/b waiting=50 waited_ms=1000";
    assert_eq!(said(), [line]);
    tree.shutdown().await;
}
