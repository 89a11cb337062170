//! Timers and tasks of an incarnation: they end with it, before the next one is built.

use std::time::Duration;

use regrow::{Exit, Overflow};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::common::mail::*;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn send_after_sends_once_and_after_the_delay() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let (log, start) = (Log::default(), Instant::now());
    let (fired, fires) = oneshot::channel();
    let note = run(async move |_| {
        fired.send(Instant::now()).unwrap();
        Ok(())
    });
    let timer = through(&handle, |ctx| ctx.send_after(3 * SECOND, note)).await;
    assert!(!timer.is_finished());
    assert_eq!(soon(fires).await.unwrap() - start, 3 * SECOND);
    sleep(SECOND).await;
    assert!(timer.is_finished() && log.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_interval_ticks_every_period_for_the_first_time_after_one() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let log = Log::default();
    let ticks = log.clone();
    through(&handle, move |ctx| ctx.interval(SECOND, move || ticks.note(1))).await;
    for (wait, seen) in [(999, 0), (2, 1), (998, 1), (2, 2), (10_000, 12)] {
        sleep(Duration::from_millis(wait)).await;
        assert_eq!(log.seen().len(), seen);
    }
}

#[tokio::test(start_paused = true)]
async fn no_timer_of_the_old_incarnation_ticks_after_a_restart() {
    for crash in [Some(panics as fn() -> Job), Some(fails), Some(leaves), None] {
        let (_tree, handle) = tree_of(worker("worker")).await;
        let log = Log::default();
        let (ticks, note) = (log.clone(), log.note(7));
        let [once, often] = through(&handle, move |ctx| {
            [ctx.send_after(5 * SECOND, note), ctx.interval(2 * SECOND, move || ticks.note(2))]
        })
        .await;
        sleep(3 * SECOND).await;
        match crash {
            Some(job) => handle.cast(job()).unwrap(),
            None => handle.kill().unwrap(),
        }
        until_generation(&handle, 2).await;
        assert!(once.is_finished() && often.is_finished());
        sleep(60 * SECOND).await;
        assert_eq!(log.seen(), [2], "one tick before the crash, and none after it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_a_timer_has_sent_stays_sent() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let (log, held) = (Log::default(), hold());
    let note = log.note(1);
    let timer = through(&handle, |ctx| ctx.send_after(SECOND, note)).await;
    handle.cast(held.0).unwrap();
    sleep(2 * SECOND).await;
    assert_eq!(handle.accounting().queued, 1);
    timer.cancel();
    handle.kill().unwrap();
    caught_up(&handle).await;
    assert_eq!((log.seen(), handle.generation()), (vec![1], 2));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_timer_ticks_on() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let log = Log::default();
    let note = log.note(1);
    drop(through(&handle, |ctx| ctx.send_after(SECOND, note)).await);
    sleep(2 * SECOND).await;
    assert_eq!(log.seen(), [1]);
}

#[tokio::test(start_paused = true)]
async fn send_after_waits_for_room_and_an_interval_leaves_the_tick_out() {
    let (_tree, handle) = tree_of(worker("worker").capacity(1)).await;
    let log = Log::default();
    let (ticks, note) = (log.clone(), log.note(1));
    through(&handle, move |ctx| {
        ctx.send_after(SECOND, note);
        ctx.interval(2 * SECOND, move || ticks.note(2))
    })
    .await;
    let held = busy(&handle).await;
    handle.cast(log.note(0)).unwrap();
    sleep(9 * SECOND).await;
    held.release();
    sleep(2 * SECOND).await;
    assert_eq!(log.seen(), [0, 1, 2], "the one that waited, then the tick at ten seconds");
}

/// Found by reading: with this policy a tick shed the message that had waited longest, though ticks are to be left out.
#[tokio::test(start_paused = true)]
async fn a_tick_sheds_no_message_whatever_the_overflow_policy() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        let (_tree, handle) = tree_of(worker("worker").capacity(1).overflow(overflow)).await;
        let log = Log::default();
        let ticks = log.clone();
        through(&handle, move |ctx| ctx.interval(SECOND, move || ticks.note(2))).await;
        let held = busy(&handle).await;
        handle.cast(log.note(1)).unwrap();
        sleep(5 * SECOND).await;
        held.release();
        sleep(SECOND / 2).await;
        assert_eq!((log.seen(), handle.accounting().dead_lettered), (vec![1], 0));
    }
}

#[tokio::test(start_paused = true)]
async fn an_interval_does_not_catch_up_on_ticks_that_were_missed() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let (log, start) = (Log::default(), Instant::now());
    let ticks = log.clone();
    let tick = move || {
        let ticks = ticks.clone();
        run(async move |_| {
            ticks.write(start.elapsed().as_secs());
            Ok(())
        })
    };
    through(&handle, move |ctx| ctx.interval(SECOND, tick)).await;
    sleep(Duration::from_millis(2500)).await;
    tokio::time::advance(Duration::from_secs(5)).await;
    sleep(2 * SECOND).await;
    assert_eq!(log.seen(), [1, 2, 7, 8, 9]);
}

#[tokio::test]
async fn a_period_of_zero_is_a_panic_of_the_service() {
    let (tree, handle) = tree_of(worker("worker")).await;
    let mut events = tree.events();
    let job = run(async |ctx| {
        ctx.interval(Duration::ZERO, idle);
        Ok(())
    });
    handle.cast(job).unwrap();
    let Exit::Panicked(panic) = exit_of_the_next(&mut events).await else { panic!("it should have panicked") };
    assert_eq!(&*panic.message, "an interval needs a period that is not zero");
}
