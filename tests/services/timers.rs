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
async fn a_message_that_a_timer_has_sent_stays_sent_when_the_timer_is_cancelled() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let log = Log::default();
    let note = log.note(1);
    let timer = through(&handle, |ctx| ctx.send_after(SECOND, note)).await;
    let held = busy(&handle).await;
    sleep(2 * SECOND).await;
    assert_eq!(handle.accounting().queued, 1);
    timer.cancel();
    held.release();
    caught_up(&handle).await;
    assert_eq!((log.seen(), handle.generation()), (vec![1], 1));
}

// Case t20 of the reports. In Akka and Pekko (#26650), timer messages of an old incarnation reached the new one.
#[tokio::test(start_paused = true)]
async fn what_a_timer_has_sent_does_not_reach_the_next_incarnation_unless_it_is_kept() {
    for keeps in [false, true] {
        let (tree, handle) = tree_of(worker("worker").capacity(8)).await;
        let letters = tree.dead_letters();
        let log = Log::default();
        let (ticks, note, other) = (log.clone(), log.note(7), log.note(9));
        through(&handle, move |ctx| {
            let timers = [ctx.send_after(SECOND, note), ctx.interval(2 * SECOND, move || ticks.note(2))];
            if keeps {
                drop(timers.map(regrow::LinkedTask::keep_messages));
            }
        })
        .await;
        let held = busy(&handle).await;
        sleep(5 * SECOND).await;
        handle.cast(other).unwrap();
        assert_eq!(handle.accounting().queued, 4, "three of timers, and one of a peer");
        handle.kill().unwrap();
        caught_up(&handle).await;
        drop(held);
        let (seen, lost) = if keeps { (vec![7, 2, 2, 9], 0) } else { (vec![9], 3) };
        assert_eq!((log.seen(), handle.generation()), (seen, 2));
        let books = handle.accounting();
        assert!(books.is_balanced() && books.dead_lettered == lost, "{books}");
        assert!(letters.is_empty(), "counted, and not kept");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_waited_for_room_in_its_own_life_does_not_reach_the_next_one() {
    let (_tree, handle) = tree_of(worker("worker").capacity(1)).await;
    let log = Log::default();
    let (first, second) = (log.note(1), log.note(2));
    let gate = handle.clone();
    through(&handle, move |ctx| [ctx.send_after(SECOND, first), ctx.send_after(2 * SECOND, second)]).await;
    let held = busy(&handle).await;
    sleep(3 * SECOND).await;
    assert_eq!(gate.accounting().queued, 1, "the other one waits for room");
    handle.kill().unwrap();
    caught_up(&handle).await;
    drop(held);
    assert!(log.seen().is_empty() && handle.accounting().is_balanced(), "{:?}", log.seen());
}

#[tokio::test(start_paused = true)]
async fn a_tick_that_ends_its_incarnation_is_not_redelivered() {
    use crate::common::redelivering::{self as other, Diary, Way, times};
    struct Ticking(Diary);
    impl regrow::Service for Ticking {
        type Msg = other::Msg;
        async fn handle(&mut self, msg: other::Msg, ctx: &mut regrow::Context<Self>) -> anyhow::Result<()> {
            match msg {
                other::Msg::Note(number) => {
                    self.0.write(number);
                    drop(ctx.send_after(SECOND, other::Msg::Trouble(2, Way::Panic, times(9))));
                }
                other::Msg::Trouble(number, ..) => {
                    self.0.write(number);
                    panic!("a tick that panics");
                }
                _ => {}
            }
            Ok(())
        }
    }
    let diary = Diary::default();
    let ticking = regrow::Child::service_with("clerk", diary.clone(), |diary, _| async { Ok(Ticking(diary)) });
    let (_tree, handle) = other::tree_of(ticking.redeliver(3)).await;
    handle.cast(other::Msg::Note(1)).unwrap();
    until_generation(&handle, 2).await;
    sleep(10 * SECOND).await;
    let books = handle.accounting();
    assert_eq!((diary.seen(), handle.generation(), books.dead_lettered), (vec![1, 2], 2, 1), "{books}");
    assert!(books.is_balanced() && books.queued == 0, "{books}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_tick_reaches_another_life_whatever_happens_to_the_lives() {
    struct Ticker(u64);
    enum Tick {
        Of(u64),
        Peer,
    }
    impl regrow::Service for Ticker {
        type Msg = Tick;
        async fn handle(&mut self, tick: Tick, _: &mut regrow::Context<Self>) -> anyhow::Result<()> {
            match tick {
                Tick::Of(life) if life != self.0 => {
                    eprintln!("a tick of {life} in {}", self.0);
                    std::process::abort();
                }
                Tick::Of(_) => {}
                Tick::Peer => tokio::task::yield_now().await,
            }
            Ok(())
        }
    }
    for seed in 0..10 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let ticker = regrow::Child::service("ticker", |ctx: regrow::Context<Ticker>| async move {
            let life = ctx.attempt();
            for period in [20, 30, 50] {
                ctx.interval(Duration::from_micros(period), move || Tick::Of(life));
            }
            Ok(Ticker(life))
        });
        let tree = soon(forgiving(regrow::Strategy::OneForOne).child(ticker.capacity(16)).start()).await.unwrap();
        let handle = tree.lookup::<Tick>("app/ticker").unwrap();
        for _ in 0..300 {
            let _ = handle.cast(Tick::Peer);
            match rng.u8(..16) {
                0 => drop(handle.kill()),
                1..6 => sleep(Duration::from_micros(rng.u64(..200))).await,
                _ => tokio::task::yield_now().await,
            }
        }
        soon(tree.shutdown()).await;
        let books = handle.accounting();
        assert!(books.is_balanced() && books.attempts > 1, "seed {seed}: {books}");
    }
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
