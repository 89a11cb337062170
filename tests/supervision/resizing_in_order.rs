//! A resize keeps the order of each key's messages: the old partition hands its keys over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use fastrand::Rng;
use regrow::{Partitions, ResizeError, ServiceState};

use crate::common::mail::{Log, busy};
use crate::common::partitions::{Number, Seen, app, cache_of, counting, is_gone};
use crate::common::tree::{SEC, in_hand, soon, turns, worked_off};
use crate::common::worker::{Job, answers, idle, run, worker};

/// A key that the partition with this number has, among so many.
fn key_of(partition: usize, cache: &Partitions<Job>) -> u64 {
    (0..).find(|key| cache.partition_of(key) == partition).unwrap()
}

/// A key that is with this partition now, and moves to the one that comes next.
async fn key_that_moves(from: usize, partitions: usize) -> u64 {
    let (tree, before) = app(cache_of(partitions, |_| worker("p"))).await;
    let keys: Vec<_> = (0..1000_u64).filter(|key| before.partition_of(key) == from).collect();
    before.resize(partitions + 1).await.unwrap();
    let key = keys.into_iter().find(|key| before.partition_of(key) == partitions).unwrap();
    tree.shutdown().await;
    key
}

fn resizes(cache: &Partitions<Job>, to: usize) -> tokio::task::JoinHandle<Result<(), ResizeError>> {
    let cache = cache.clone();
    tokio::spawn(async move { cache.resize(to).await })
}

async fn until_len(cache: &Partitions<Job>, len: usize) {
    let changes = async {
        while cache.len() != len {
            tokio::task::yield_now().await;
        }
    };
    soon("the new number", changes).await;
}

#[tokio::test]
async fn a_new_partition_begins_when_the_old_ones_are_done_with_what_they_had() {
    let key = key_that_moves(1, 2).await;
    let (tree, cache) = app(cache_of(2, |_| worker("p"))).await;
    let log = Log::default();
    let old = cache.handle_for(&key);
    let held = busy(&old).await;
    (1..4).for_each(|number| old.cast(log.note(number)).unwrap());
    let resize = resizes(&cache, 3);
    until_len(&cache, 3).await;
    let new = cache.handle_for(&key);
    assert!(new != old && new == cache.handle(2).unwrap());
    (4..7).for_each(|number| new.cast(log.note(number)).unwrap());
    let call = tokio::spawn(new.call(|reply| answers(reply, 7)));
    turns(100).await;
    assert!(log.seen().is_empty() && !call.is_finished() && !resize.is_finished());
    assert_eq!((new.status().state, new.accounting().queued), (ServiceState::Up, 4));
    let why = new.why().await;
    assert!(why.is_held && why.to_string().contains("partitions that had its keys are handing them over"), "{why}");
    // Keys that stay are not held up.
    let stays = cache.handle(0).unwrap();
    assert_eq!(soon("another key", stays.call(|reply| answers(reply, 1))).await.unwrap(), 1);
    held.release();
    assert_eq!(soon("the call", call).await.unwrap().unwrap(), 7);
    assert_eq!(log.seen(), (1..7).collect::<Vec<_>>());
    soon("the resize", resize).await.unwrap().unwrap();
    assert!(!new.why().await.is_held && new.accounting().is_balanced());
    assert_eq!(cache.count_children().await.unwrap().active, 3);
    tree.shutdown().await;
}

#[tokio::test]
async fn a_partition_that_leaves_works_off_its_queue_before_others_take_its_keys() {
    let (tree, cache) = app(cache_of(2, |_| worker("p"))).await;
    let log = Log::default();
    let key = key_of(1, &cache);
    let leaving = cache.handle_for(&key);
    let held = busy(&leaving).await;
    (1..4).for_each(|number| leaving.cast(log.note(number)).unwrap());
    let resize = resizes(&cache, 1);
    // It keeps its keys until it has nothing to do, or for a second.
    until_len(&cache, 1).await;
    let new = cache.handle_for(&key);
    (4..7).for_each(|number| new.cast(log.note(number)).unwrap());
    turns(100).await;
    assert!(log.seen().is_empty());
    held.release();
    soon("the resize", resize).await.unwrap().unwrap();
    soon("the last one", new.call(|reply| answers(reply, ()))).await.unwrap();
    assert_eq!(log.seen(), (1..7).collect::<Vec<_>>());
    assert!(is_gone(&leaving));
    let books = leaving.accounting();
    assert_eq!((books.handled, books.dead_lettered), (4, 0), "{books}");
    tree.shutdown().await;
}

#[tokio::test]
async fn without_a_handover_nothing_waits() {
    let key = key_that_moves(1, 2).await;
    let (tree, cache) = app(cache_of(2, |_| worker("p"))).await;
    let held = busy(&cache.handle_for(&key)).await;
    soon("the resize", cache.resize_now(3)).await.unwrap();
    let new = cache.handle_for(&key);
    assert_eq!(soon("an answer", new.call(|reply| answers(reply, 1))).await.unwrap(), 1);
    held.release();
    tree.shutdown().await;
}

// The old partition waits for the new one, which waits for the old one.
#[tokio::test(start_paused = true)]
async fn a_partition_that_calls_the_new_one_is_not_waited_for() {
    let key = key_that_moves(1, 2).await;
    let (tree, cache) = app(cache_of(2, |_| worker("p"))).await;
    let old = cache.handle_for(&key);
    let held = busy(&old).await;
    let resize = resizes(&cache, 3);
    until_len(&cache, 3).await;
    let new = cache.handle_for(&key);
    let begun = tokio::time::Instant::now();
    held.then(run(async move |_| {
        assert_eq!(new.call(|reply| answers(reply, 7)).await?, 7);
        Ok(())
    }));
    let error = soon("the resize", resize).await.unwrap().unwrap_err();
    assert!(matches!(&error, ResizeError::OrderNotKept { path } if &**path == "app/cache/1"), "{error}");
    assert!(begun.elapsed() < SEC, "{:?}", begun.elapsed());
    soon("the old one", old.call(|reply| answers(reply, ()))).await.unwrap();
    assert_eq!((cache.len(), old.generation()), (3, 1));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_holds_the_others_up_for_five_seconds() {
    for (from, to) in [(2, 3), (2, 1)] {
        let (tree, cache) = app(cache_of(from, |_| worker("p"))).await;
        let hung = cache.handle(1).unwrap();
        hung.cast(run(async |_| std::future::pending().await)).unwrap();
        in_hand(&hung).await;
        let begun = tokio::time::Instant::now();
        let error = cache.resize(to).await.unwrap_err();
        assert!(matches!(&error, ResizeError::OrderNotKept { path } if &**path == "app/cache/1"), "{error}");
        assert!((5 * SEC..12 * SEC).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        assert_eq!(cache.len(), to);
        let first = cache.handle(0).unwrap();
        assert_eq!(soon("an answer", first.call(|reply| answers(reply, 1))).await.unwrap(), 1);
        tree.shutdown_within(SEC).await;
    }
}

#[tokio::test]
async fn the_end_of_the_supervisor_or_of_a_partition_ends_the_hold() {
    for kills_supervisor in [true, false] {
        let key = key_that_moves(1, 2).await;
        let (tree, cache) = app(cache_of(2, |_| worker("p"))).await;
        let old = cache.handle_for(&key);
        let held = busy(&old).await;
        old.cast(idle()).unwrap();
        let resize = resizes(&cache, 3);
        until_len(&cache, 3).await;
        let new = cache.handle_for(&key);
        let call = tokio::spawn(new.call(|reply| answers(reply, 7)));
        tree.kill(if kills_supervisor { "app/cache" } else { "app/cache/1" }).unwrap();
        drop(held);
        // The message in hand is lost, and what is queued is handled by the next incarnations, in order.
        assert_eq!(soon("the call", call).await.unwrap().unwrap(), 7);
        let _ = soon("the resize", resize).await.unwrap();
        soon("the old one", old.call(|reply| answers(reply, ()))).await.unwrap();
        assert!(!new.why().await.is_held && old.accounting().is_balanced());
        tree.shutdown().await;
    }
}

// pulsar #23603: the order of one key was lost when partitions were resized. On one thread, because on several one may be
// suspended between its look-up and its send for longer than a resize takes.
#[tokio::test]
async fn from_1_to_100_over_many_resizes_each_key_stays_in_order() {
    for seed in 0..60_u64 {
        let mut random = Rng::with_seed(seed);
        let seen = Seen::default();
        let (tree, cache) = app(cache_of(1 + random.usize(0..3), {
            let seen = seen.clone();
            move |index| counting(&seen, Rng::with_seed(index as u64), false)
        }))
        .await;
        let is_over = Arc::new(AtomicBool::new(false));
        let resizing = tokio::spawn({
            let (cache, is_over, mut random) = (cache.clone(), is_over.clone(), random.fork());
            async move {
                let mut resizes = 0;
                while resizes < 3 || !is_over.load(SeqCst) {
                    soon("a resize", cache.resize(random.usize(1..7))).await.unwrap();
                    resizes += 1;
                    tokio::task::yield_now().await;
                }
            }
        });
        let senders: Vec<_> = (0..4_u64)
            .map(|sender| {
                let (cache, mut random) = (cache.clone(), random.fork());
                tokio::spawn(async move {
                    for number in 1..=100 {
                        for key in sender * 10..sender * 10 + 10 {
                            cache.handle_for(&key).cast(Number { key, number }).unwrap();
                        }
                        turns(random.usize(0..3)).await;
                    }
                })
            })
            .collect();
        for sender in senders {
            soon("a sender", sender).await.unwrap();
        }
        is_over.store(true, SeqCst);
        soon("the last resize", resizing).await.unwrap();
        for partition in cache.handles() {
            worked_off(&partition).await;
        }
        soon("shutdown", tree.shutdown()).await;
        let seen = seen.lock().unwrap();
        for key in 0..40 {
            assert_eq!(seen[&key], (1..=100).collect::<Vec<_>>(), "seed {seed}, key {key}");
        }
    }
}
