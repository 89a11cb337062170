//! The ways of a call that is made already: only if there is room, blocking, and with one error.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use regrow::{Call, CallError, Handle, Overflow, Refusal, RequestError, Tree};

use crate::common::mail::*;

const MS: Duration = Duration::from_millis(1);

/// A tree of one worker whose only place is taken, and what holds it.
async fn full(overflow: Overflow) -> (Tree, Handle<Job>, Held) {
    let (tree, handle) = tree_of(worker("worker").capacity(1).overflow(overflow)).await;
    let held = busy(&handle).await;
    handle.cast(idle()).unwrap();
    (tree, handle, held)
}

fn is_full<T>(outcome: &Result<T, CallError<Job>>) -> bool {
    matches!(outcome, Err(CallError::Refused(error)) if error.refusal() == Refusal::Full)
}

#[tokio::test]
async fn a_call_that_does_not_wait_for_room_obeys_the_overflow_policy() {
    let (_tree, handle, _held) = full(Overflow::Refuse).await;
    let outcome = soon(handle.call(|reply| answers(reply, 1)).try_now()).await;
    assert!(is_full(&outcome) && outcome.unwrap_err().into_message().is_some());

    let (_tree, handle, held) = full(Overflow::DropOldest).await;
    let call = handle.call(|reply| answers(reply, 2)).try_now();
    assert_eq!((handle.accounting().queued, handle.accounting().dead_lettered), (1, 1));
    held.release();
    assert_eq!(soon(call).await.unwrap(), 2);

    let (_tree, handle, _held) = full(Overflow::DropNewest).await;
    let outcome = soon(handle.call(|reply| answers(reply, 3)).try_now()).await;
    assert!(matches!(outcome, Err(CallError::NeverRan(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_call_that_found_room_is_not_changed_by_it() {
    let (_tree, handle) = tree_of(worker("worker").capacity(1)).await;
    let held = busy(&handle).await;
    let call = handle.call(|reply| answers(reply, 1)).try_now();
    held.release();
    assert_eq!(soon(call).await.unwrap(), 1);
}

#[tokio::test]
async fn a_call_in_line_leaves_it_when_it_must_not_wait_any_more() {
    let (_tree, handle, held) = full(Overflow::DropOldest).await;
    let mut call = handle.call(|reply| answers(reply, 1));
    assert!(is_waiting(&mut call).await);
    assert!(is_full(&soon(call.try_now()).await));
    held.release();
    caught_up(&handle).await;
    let books = handle.accounting();
    assert!(books.is_balanced() && books.dead_lettered == 0, "{books}");
}

#[tokio::test]
async fn a_thread_without_a_runtime_waits_within_the_limit_of_the_call() {
    let (_tree, handle, held) = full(Overflow::Refuse).await;
    let caller = handle.clone();
    assert!(is_full(&on_a_thread(move || caller.call(|reply| answers(reply, 1)).within(30 * MS).blocking()).await));
    held.release();
    caught_up(&handle).await;
    let (_held, caller) = (busy(&handle).await, handle.clone());
    let late = on_a_thread(move || caller.call(|reply| answers(reply, 2)).within(30 * MS).blocking()).await;
    assert!(matches!(late, Err(CallError::TimedOut { queued: true, .. })), "{late:?}");
}

// Found by reading: the limit was counted by the clock of the runtime, and the thread waited by the real one.
#[tokio::test(start_paused = true)]
async fn a_thread_of_a_runtime_with_paused_time_waits_within_the_limit_of_the_call() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let (_held, caller, began) = (busy(&handle).await, handle.clone(), Instant::now());
    tokio::time::advance(60_000 * MS).await;
    let call = move || caller.call(|reply| answers(reply, 1)).within(30 * MS).blocking();
    let late = tokio::task::spawn_blocking(call).await.unwrap();
    assert!(matches!(late, Err(CallError::TimedOut { queued: true, .. })), "{late:?}");
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn the_longest_limit_is_none_in_every_way() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    assert_eq!(soon(handle.call(|reply| answers(reply, 1)).within(Duration::MAX)).await.unwrap(), 1);
    let blocking = on_a_thread(move || handle.call(|reply| answers(reply, 2)).within(Duration::MAX).blocking());
    assert_eq!(blocking.await.unwrap(), 2);
}

#[tokio::test]
async fn one_error_holds_the_fate_of_the_call_or_what_the_service_says() {
    type Answer = Result<u64, &'static str>;
    let (_tree, handle, held) = full(Overflow::Refuse).await;
    let ask = |answer: Answer| handle.call(move |reply| answers(reply, answer)).flatten();
    assert!(matches!(soon(ask(Ok(1)).try_now()).await, Err(RequestError::Call(CallError::Refused(_)))));
    held.release();
    caught_up(&handle).await;
    assert_eq!(soon(ask(Ok(1))).await.unwrap(), 1);
    assert!(matches!(soon(ask(Err("no"))).await, Err(RequestError::Service("no"))));
}

/// Calls that stop waiting for room while places come free: each is refused with its message or has run, and none both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_stops_waiting_races_with_a_place_and_has_one_outcome() {
    for seed in 0..200 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let (_tree, handle, held) = full(Overflow::Refuse).await;
        let log = Log::default();
        let mut calls: Vec<(u64, Call<Job, ()>)> = (0..4)
            .map(|number| {
                let log = log.clone();
                let call = handle.call(move |reply| {
                    run(async move |_| {
                        log.write(number);
                        reply.send(());
                        Ok(())
                    })
                });
                (number, call)
            })
            .collect();
        for (_, call) in &mut calls {
            if dice.bool() {
                assert!(is_waiting(call).await, "seed {seed}");
            }
        }
        let spin = |turns: u32| (0..turns).for_each(|_| std::hint::spin_loop());
        let (turns, both) = (dice.u32(..4_000), Arc::new(Barrier::new(2)));
        let begins = both.clone();
        let releases = thread::spawn(move || {
            begins.wait();
            spin(turns);
            held.release();
        });
        both.wait();
        let mut answered = Vec::new();
        for (number, call) in calls {
            spin(dice.u32(..4_000));
            match soon(call.try_now()).await {
                Ok(()) => answered.push(number),
                outcome => assert!(is_full(&outcome), "seed {seed}: {outcome:?}"),
            }
        }
        releases.join().unwrap();
        caught_up(&handle).await;
        let mut seen = log.seen();
        seen.sort_unstable();
        assert_eq!(seen, answered, "seed {seed}");
        assert!(handle.accounting().is_balanced(), "seed {seed}");
    }
}
