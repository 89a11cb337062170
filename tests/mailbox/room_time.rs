//! The limit of a wait for room, for senders that wait behind others: one of a line has a timer for all of them.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use regrow::{Handle, Refusal, Tree};
use tokio::task::{JoinHandle, coop};
use tokio::time::{Instant, sleep};

use crate::common::mail::*;

const MS: Duration = Duration::from_millis(1);

/// What becomes of the sender that came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Waits,
    IsDropped,
    /// Its future is kept, and polled no more.
    IsForgotten,
    IsLetIn,
    IsLetInAndForgotten,
}

/// A worker that is held busy behind a mailbox of one place, which is taken by a job that never ends.
async fn full() -> (Tree, Handle<Job>, Held) {
    let (tree, handle) = tree_of(worker("worker").capacity(1)).await;
    let held = busy(&handle).await;
    handle.cast(run(async |_| std::future::pending().await)).unwrap();
    (tree, handle, held)
}

/// A sender that says how it was refused, and after how many milliseconds.
fn sender(handle: &Handle<Job>) -> JoinHandle<(Refusal, u128)> {
    let handle = handle.clone();
    tokio::spawn(async move {
        let begun = Instant::now();
        let error = handle.send(idle()).await.unwrap_err();
        (error.refusal(), begun.elapsed().as_millis())
    })
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_a_sender_holds_whatever_becomes_of_the_one_before_it() {
    for fate in [First::Waits, First::IsDropped, First::IsForgotten, First::IsLetIn, First::IsLetInAndForgotten] {
        let (_tree, handle, held) = full().await;
        let other = handle.clone();
        let mut first = Box::pin(async move { other.send(idle()).await });
        assert!(is_waiting(&mut first).await);
        sleep(20 * MS).await;
        let (second, third) = (sender(&handle), sender(&handle));
        sleep(10 * MS).await;
        let (mut kept, mut held) = (Some(first), Some(held));
        if matches!(fate, First::IsLetIn | First::IsLetInAndForgotten) {
            held.take().unwrap().release();
            sleep(MS).await;
        }
        match fate {
            First::Waits | First::IsLetIn => drop(tokio::spawn(kept.take().unwrap())),
            First::IsDropped => kept = None,
            First::IsForgotten | First::IsLetInAndForgotten => {}
        }
        sleep(MS).await;
        let late = sender(&handle);
        for sender in [second, third, late] {
            assert_eq!(soon(sender).await.unwrap(), (Refusal::Full, 5000), "{fate:?}");
        }
        drop((kept, held));
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_a_sender_holds_though_the_one_before_it_is_in_a_runtime_that_stands_still() {
    let (_tree, handle, _held) = full().await;
    let other = handle.clone();
    let begins = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let send = runtime.spawn(async move { other.send(idle()).await });
        runtime.block_on(async {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
        });
        (runtime, send)
    };
    let (still, first) = thread::spawn(begins).join().unwrap();
    assert!(!first.is_finished());
    assert_eq!(soon(sender(&handle)).await.unwrap(), (Refusal::Full, 5000));
    still.shutdown_background();
}

/// Found by a review: what the runtime calls in place of a timer, where a task has had its share, was taken for a ring.
#[tokio::test(start_paused = true)]
async fn the_limit_of_a_sender_holds_though_its_task_had_no_share_of_the_runtime_left() {
    let (_tree, handle, _held) = full().await;
    let other = handle.clone();
    let first = tokio::spawn(async move {
        while coop::has_budget_remaining() {
            std::future::poll_fn(|cx| coop::poll_proceed(cx).map(|share| share.made_progress())).await;
        }
        let begun = Instant::now();
        let error = other.send(idle()).await.unwrap_err();
        (error.refusal(), begun.elapsed().as_millis())
    });
    assert_eq!(soon(first).await.unwrap(), (Refusal::Full, 5000));
}

/// Found by a review: a sender that leans has no timer yet, and made one of a runtime that was not there any more.
#[test]
fn the_limit_of_a_sender_holds_though_it_goes_on_in_another_executor() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (tree, handle, held) = runtime.block_on(async {
        let (tree, handle) = tree_of(worker("worker").capacity(1).wait_for_room(100 * MS)).await;
        let held = busy(&handle).await;
        handle.cast(idle()).unwrap();
        (tree, handle, held)
    });
    let mut first = pin!(handle.send(idle()));
    let mut second = Box::pin(handle.send(idle()));
    {
        let _inside = runtime.enter();
        assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    let refused = run_elsewhere(second);
    assert_eq!(refused.unwrap_err().refusal(), Refusal::Full);
    drop((tree, held));
}

/// Counts how often it is called.
#[derive(Default)]
struct Calls(AtomicUsize);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Found by a review: each sender that gave up called all that stood before it.
#[tokio::test(start_paused = true)]
async fn a_sender_that_gives_up_calls_none_of_those_before_it() {
    let (_tree, handle, _held) = full().await;
    let (calls, mut waiting) = (Arc::new(Calls::default()), Vec::new());
    let waker = Waker::from(calls.clone());
    for _ in 0..100 {
        let mut send = Box::pin(handle.send(idle()));
        assert!(send.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        waiting.push(send);
    }
    // They have timers of their own from now on.
    drop(waiting.remove(0));
    assert_eq!(calls.0.swap(0, SeqCst), 99);
    for send in &mut waiting {
        assert!(send.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    for _ in 0..40 {
        assert!(is_waiting(&mut Box::pin(handle.send(idle()))).await);
    }
    assert_eq!(calls.0.load(SeqCst), 0);
}
