//! Resizing a partitioned supervisor while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use crate::common::mail::{Gate, Job, Log, answers, gated, idle, is_waiting, until_asked, worker};
use crate::common::partitions::{app, cache, cache_of, is_gone, names};
use crate::common::tree::{SEC, Slow, in_hand, soon, starting, up};
use regrow::testing::{Journal, Probe, ProbeMsg};
use regrow::{Call, CallError, Child, Context, Handle, Partitions, Refusal, ResizeError, ServiceState};

async fn generation(handle: &Handle<ProbeMsg>) -> u64 {
    soon("an answer", handle.call(ProbeMsg::Generation)).await.unwrap()
}

#[tokio::test]
async fn partitions_that_stay_keep_their_state_and_few_keys_move() {
    let journal = Journal::new();
    let (tree, cache) = app(cache(&journal, 4)).await;
    let first = cache.handles();
    for (number, handle) in first.iter().enumerate() {
        handle.cast(ProbeMsg::Note(number as u64)).unwrap();
    }
    let before: Vec<_> = (0..1000usize).map(|key| cache.partition_of(&key)).collect();
    cache.resize(5).await.unwrap();
    assert_eq!((cache.len(), names(&tree).len()), (5, 5));
    let moved: Vec<_> = (0..1000usize).filter(|key| cache.partition_of(key) != before[*key]).collect();
    assert!((100..300).contains(&moved.len()), "{} keys moved, a fifth is 200", moved.len());
    assert!(moved.iter().all(|key| cache.partition_of(key) == 4), "none between those that stay");
    let fifth = cache.handles()[4].clone();
    assert_eq!(generation(&fifth).await, 1);

    cache.resize(3).await.unwrap();
    assert_eq!((cache.len(), names(&tree)), (3, vec!["0".into(), "1".into(), "2".into()]));
    assert!(is_gone(&first[3]) && is_gone(&fifth));
    for (number, handle) in first[..3].iter().enumerate() {
        assert_eq!(handle.call(ProbeMsg::Noted).await.unwrap(), [number as u64]);
        assert_eq!(handle.generation(), 1);
    }
    assert_eq!(cache.handles(), first[..3]);
    cache.resize(3).await.unwrap();
    cache.resize(4).await.unwrap();
    assert!(is_gone(&first[3]), "a new partition of an old number is another one");
    assert_eq!(generation(&cache.handles()[3]).await, 1);
    assert_eq!((0..1000usize).map(|key| cache.partition_of(&key)).collect::<Vec<_>>(), before);
    tree.shutdown().await;
}

/// One of two partitions, busy until it is asked to stop, with calls and a cast in its queue.
async fn one_that_goes(cache: &Partitions<Job>, log: &Log) -> (Handle<Job>, Vec<Call<Job, u64>>) {
    let leaving = cache.handles()[1].clone();
    leaving.cast(until_asked()).unwrap();
    in_hand(&leaving).await;
    let calls = (0..3).map(|number| leaving.call(|reply| answers(reply, number))).collect();
    leaving.cast(log.note(1)).unwrap();
    (leaving, calls)
}

#[tokio::test]
async fn what_is_queued_at_one_that_goes_now_never_ran() {
    let (tree, cache) = app(cache_of(2, |_| worker("p"))).await;
    let log = Log::default();
    let (leaving, calls) = one_that_goes(&cache, &log).await;
    cache.resize_now(1).await.unwrap();
    for call in calls {
        let error = call.await.unwrap_err();
        assert!(matches!(error, CallError::NeverRan(_)), "{error:?}");
    }
    assert_eq!(leaving.cast(idle()).unwrap_err().refusal(), Refusal::Gone);
    let books = leaving.accounting();
    assert_eq!((books.returned, books.dead_lettered, books.is_balanced()), (3, 1, true), "{books}");
    assert!(log.seen().is_empty() && (0..100).all(|key| cache.partition_of(&key) == 0));
    tree.shutdown().await;
}

#[tokio::test]
async fn one_that_drains_handles_first_what_is_queued() {
    let (tree, cache) = app(cache_of(2, |_| worker("p").drain())).await;
    let log = Log::default();
    let (leaving, calls) = one_that_goes(&cache, &log).await;
    cache.resize_now(1).await.unwrap();
    for (number, call) in (0..).zip(calls) {
        assert_eq!(call.await.unwrap(), number);
    }
    assert_eq!((log.seen(), leaving.accounting().handled), (vec![1], 5));
    assert!(is_gone(&leaving));
    tree.shutdown().await;
}

#[tokio::test]
async fn to_no_partitions_is_refused_and_changes_nothing() {
    let (tree, cache) = app(cache(&Journal::new(), 2)).await;
    let error = cache.resize(0).await.unwrap_err();
    assert!(matches!(error, ResizeError::ZeroPartitions { .. }), "{error:?}");
    assert_eq!(error.to_string(), "`app/cache` cannot be left without partitions: keep one at least");
    assert_eq!(cache.len(), 2);
    assert_eq!(generation(&cache.handle_for("key")).await, 1);
    tree.shutdown().await;
}

#[tokio::test]
async fn the_new_size_stays_through_restarts_of_the_supervisor() {
    let (tree, cache) = app(cache(&Journal::new(), 3)).await;
    for (size, times) in [(2, 2), (5, 3)] {
        cache.resize(size).await.unwrap();
        tree.kill("app/cache").unwrap();
        up(&tree, "app/cache", times).await;
        assert_eq!((cache.len(), names(&tree).len()), (size, size));
        assert_eq!(cache.which_children().await.unwrap().len(), size);
    }
    tree.shutdown().await;
}

#[tokio::test]
async fn a_partition_that_does_not_start_leaves_those_before_it_in_use() {
    let is_broken = Arc::new(AtomicBool::new(true));
    let (flag, journal) = (is_broken.clone(), Journal::new());
    let make = move |index| match index {
        0..4 => journal.probe("p"),
        _ if flag.load(SeqCst) => Child::service("p", |_: Context<Probe>| async { anyhow::bail!("no room") }),
        _ => journal.probe("p"),
    };
    let (tree, cache) = app(cache_of(2, make)).await;
    let error = cache.resize(8).await.unwrap_err();
    assert_eq!(error.to_string(), "`app/cache/4` did not start: failed: no room");
    assert_eq!((cache.len(), names(&tree).len()), (4, 4));
    for handle in cache.handles() {
        assert_eq!(generation(&handle).await, 1);
    }
    assert!((0..1000).any(|key| cache.partition_of(&key) == 3));
    is_broken.store(false, SeqCst);
    cache.resize(8).await.unwrap();
    assert_eq!((cache.len(), names(&tree).len()), (8, 8));
    tree.shutdown().await;
}

#[tokio::test]
async fn a_new_partition_is_given_no_keys_before_it_is_up() {
    let gate = Gate::closed();
    let make = {
        let gate = gate.clone();
        move |index| if index < 2 { worker("p") } else { gated("p", &gate) }
    };
    let (tree, cache) = app(cache_of(2, make)).await;
    let resize = tokio::spawn({
        let cache = cache.clone();
        async move { cache.resize(3).await }
    });
    starting(&tree, "app/cache/2").await;
    assert!(cache.len() == 2 && (0..100).all(|key| cache.partition_of(&key) < 2));
    // The restart of another one does not wait for it.
    cache.handles()[0].kill().unwrap();
    up(&tree, "app/cache/0", 2).await;
    gate.set_open(true);
    soon("the resize", resize).await.unwrap().unwrap();
    assert!(cache.len() == 3 && cache.handles()[2].status().state == ServiceState::Up);
    tree.shutdown().await;
}

#[tokio::test]
async fn a_growth_that_the_end_of_the_supervisor_interrupts_says_so_and_can_be_made_again() {
    let gate = Gate::closed();
    let make = {
        let gate = gate.clone();
        move |index| if index < 2 { worker("p") } else { gated("p", &gate) }
    };
    let (tree, cache) = app(cache_of(2, make)).await;
    let mut resize = Box::pin(cache.resize(4));
    assert!(is_waiting(&mut resize).await);
    tree.kill("app/cache").unwrap();
    let error = soon("the resize", resize).await.unwrap_err();
    assert!(matches!(&error, ResizeError::NotRunning { path } if &**path == "app/cache"), "{error:?}");
    up(&tree, "app/cache", 2).await;
    assert_eq!((cache.len(), names(&tree).len()), (2, 2));
    gate.set_open(true);
    cache.resize(4).await.unwrap();
    assert!(cache.handles().iter().all(|handle| handle.status().state == ServiceState::Up));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_goes_is_given_no_keys_any_more() {
    let journal = Journal::new();
    let make = {
        let journal = journal.clone();
        move |index: usize| Slow::child(&index.to_string(), &journal, SEC)
    };
    let (tree, cache) = app(cache_of(2, make)).await;
    let resize = tokio::spawn({
        let cache = cache.clone();
        async move { cache.resize(1).await }
    });
    while cache.len() == 2 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(SEC / 2).await;
    assert!(tree.directory().status("app/cache/1").is_some(), "it is stopping");
    assert!((0..100).all(|key| cache.partition_of(&key) == 0 && &*cache.handle_for(&key).path() == "app/cache/0"));
    resize.await.unwrap().unwrap();
    assert!(tree.directory().status("app/cache/1").is_none());
    tree.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn resizes_from_all_sides_under_traffic_leave_one_size_and_lose_no_call() {
    let journal = Journal::new();
    let (tree, cache) = app(cache(&journal, 3)).await;
    let (is_over, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let traffic: Vec<_> = (0..4u64)
        .map(|number| {
            let (cache, is_over, calls) = (cache.clone(), is_over.clone(), calls.clone());
            tokio::spawn(async move {
                let mut key = number;
                while !is_over.load(SeqCst) {
                    key += 4;
                    match cache.handle_for(&key).call(ProbeMsg::Generation).await {
                        Ok(generation) => assert_eq!(generation, 1),
                        Err(error) => assert!(error.is_safe_to_repeat(), "{error:?}"),
                    }
                    calls.fetch_add(1, SeqCst);
                }
            })
        })
        .collect();
    let resizes: Vec<_> = (0..6)
        .map(|number| {
            let cache = cache.clone();
            tokio::spawn(async move {
                for round in 0..20 {
                    cache.resize(1 + (number * 7 + round * 3) % 9).await.unwrap();
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for resize in resizes {
        soon("the resizes", resize).await.unwrap();
    }
    is_over.store(true, SeqCst);
    for traffic in traffic {
        soon("the traffic", traffic).await.unwrap();
    }
    assert!(calls.load(SeqCst) > 0);
    assert_eq!(names(&tree).len(), cache.len());
    assert_eq!(cache.which_children().await.unwrap().len(), cache.len());
    assert_eq!(journal.alive_max(), 1);
    cache.resize(4).await.unwrap();
    for handle in cache.handles() {
        assert_eq!(generation(&handle).await, 1);
    }
    assert!(tree.shutdown().await.is_clean());
}
