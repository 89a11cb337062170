//! Resizes that are interrupted, and partitions that do not behave.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::task::Poll;

use crate::common::partitions::{app, cache, cache_of, is_gone, names};
use crate::common::tree::{Gate, in_hand, soon, up};
use regrow::testing::{Journal, Probe, ProbeMsg};
use regrow::{Child, Context, Partitions, ResizeError, Restart, ServiceState, ignore};

#[tokio::test]

async fn added_partitions_keep_their_handles_through_restarts_of_the_supervisor() {
    let (tree, cache) = app(cache(&Journal::new(), 2)).await;
    cache.resize(4).await.unwrap();
    let handles = cache.handles();
    tree.kill("app/cache").unwrap();
    up(&tree, "app/cache", 2).await;
    assert_eq!(cache.handles(), handles);
    let states: Vec<_> = cache.handles().iter().map(|handle| handle.status().state).collect();
    assert_eq!(states, [ServiceState::Up; 4]);
    tree.shutdown().await;
}

/// Lets a resize give its first order, and drops it.
async fn drop_half_way(cache: &Partitions<ProbeMsg>, size: usize) {
    let mut resize = pin!(cache.resize(size));
    assert!(poll_fn(|cx| Poll::Ready(resize.as_mut().poll(cx).is_pending())).await);
}

#[tokio::test]

async fn after_a_shrink_that_was_dropped_half_way_one_can_grow_again() {
    let (tree, cache) = app(cache(&Journal::new(), 2)).await;
    drop_half_way(&cache, 1).await;
    let result = cache.resize(3).await;
    assert!(result.is_ok(), "{result:?} {cache:?} {:?}", names(&tree));
    assert_eq!((cache.len(), names(&tree).len()), (3, 3));
    tree.shutdown().await;
}

#[tokio::test]

async fn after_a_growth_that_was_dropped_half_way_one_can_grow_again() {
    let (tree, cache) = app(cache(&Journal::new(), 2)).await;
    drop_half_way(&cache, 3).await;
    let result = cache.resize(3).await;
    assert!(result.is_ok(), "{result:?} {cache:?} {:?}", names(&tree));
    assert_eq!((cache.len(), names(&tree).len()), (3, 3));
    tree.shutdown().await;
}

#[tokio::test]

async fn a_new_partition_that_ignores_its_start_is_given_no_keys() {
    let journal = Journal::new();
    let make = move |index| match index {
        0..2 => journal.probe("p"),
        _ => Child::service("p", |_: Context<Probe>| async { ignore() }),
    };
    let (tree, cache) = app(cache_of(2, make)).await;
    let result = cache.resize(3).await;
    let states: Vec<_> = cache.handles().iter().map(|handle| handle.status().state).collect();
    assert_eq!(states, [ServiceState::Up; 2], "{result:?}");
    tree.shutdown().await;
}

#[tokio::test]

async fn a_resize_that_a_restart_interrupts_leaves_no_dead_partition() {
    let (tree, cache) = app(cache(&Journal::new(), 2)).await;
    // It takes its time to go.
    cache.handles()[1].cast(ProbeMsg::Hang).unwrap();
    in_hand(&cache.handles()[1]).await;
    let mut resize = pin!(cache.resize(1));
    poll_fn(|cx| Poll::Ready(resize.as_mut().poll(cx).is_pending())).await;
    tree.kill("app/cache").unwrap();
    up(&tree, "app/cache", 2).await;
    let result = resize.await;
    assert!(matches!(result, Ok(()) | Err(ResizeError::NotRunning { .. })), "{result:?}");
    assert_eq!(names(&tree).len(), cache.len(), "as many as it says");
    assert!(!cache.handles().iter().any(is_gone));
    tree.shutdown().await;
}

// Found by a loop of kills and resizes: the partition had left the ring before the order was refused, and came back without keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resize_while_the_supervisor_comes_back_leaves_no_partition_without_keys() {
    let (gate, starts) = (Gate::default(), AtomicU32::new(0));
    let _opener = gate.opener();
    let init = {
        let gate = gate.clone();
        move || {
            if starts.fetch_add(1, SeqCst) > 0 {
                gate.pass();
            }
            Ok(())
        }
    };
    let (tree, cache) = app(cache(&Journal::new(), 3).init(init)).await;
    tree.kill("app/cache").unwrap();
    gate.reached().await;
    let refused = cache.resize(1).await;
    assert!(matches!(refused, Err(ResizeError::NotRunning { .. })), "{refused:?}");
    gate.open();
    up(&tree, "app/cache", 2).await;
    assert_eq!((cache.len(), names(&tree).len()), (3, 3));
    cache.resize(5).await.unwrap();
    cache.resize(1).await.unwrap();
    assert_eq!((cache.len(), names(&tree).len()), (1, 1));
    tree.shutdown().await;
}

#[tokio::test]

async fn partitions_that_have_ended_for_good_can_be_resized_away() {
    let journal = Journal::new();
    let (tree, cache) = app(cache_of(2, move |_| journal.probe("p").restart(Restart::Temporary))).await;
    let last = cache.handles()[1].clone();
    last.cast(ProbeMsg::Stop).unwrap();
    soon("its end", regrow::testing::until(last.watch(), |status| status.state == ServiceState::Gone)).await;
    cache.resize(1).await.unwrap();
    assert_eq!(cache.len(), 1);
    tree.shutdown().await;
}
