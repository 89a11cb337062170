//! Services that end when they have nothing to do: no accepted message is lost with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use regrow::{
    Child, Context, Exit, Handle, Inbox, Policy, Refusal, Reply, Restart, Service, ServiceState, Shutdown, StartError,
    Strategy, Supervisor,
};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::common::mail::*;

const SECOND: Duration = Duration::from_secs(1);

fn transient() -> regrow::ServiceChild<Job> {
    worker("worker").restart(Restart::Transient)
}

#[tokio::test]
async fn a_service_stops_only_if_no_message_waits() {
    let (tree, handle) = tree_of(transient()).await;
    let mut events = tree.events();
    let held = busy(&handle).await;
    handle.cast(idle()).unwrap();
    let (told, tell) = oneshot::channel();
    held.then(run(async move |ctx| {
        let _ = told.send(ctx.stop_if_idle());
        Ok(())
    }));
    assert!(!soon(tell).await.unwrap(), "a message waits");
    caught_up(&handle).await;
    let (told, tell) = oneshot::channel();
    let (go, gone) = oneshot::channel::<()>();
    let last = run(async move |ctx| {
        let _ = told.send((ctx.stop_if_idle(), ctx.stop_if_idle()));
        let _ = gone.await;
        Ok(())
    });
    handle.cast(last).unwrap();
    assert_eq!(soon(tell).await.unwrap(), (true, true), "the message in hand does not count");
    let refused = handle.cast(idle()).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::Stopping, "closed in the same step, before the supervisor knows");
    go.send(()).unwrap();
    until_state(&handle, ServiceState::Down).await;
    assert!(matches!(exit_of_the_next(&mut events).await, Exit::Normal));
    let books = handle.accounting();
    assert!(books.is_balanced() && books.accepted == books.handled, "{books}");
}

#[tokio::test]
async fn a_service_that_is_asked_to_stop_with_its_group_stays_open_for_its_next_life() {
    let app = forgiving(Strategy::OneForAll).child(transient()).child(worker("other"));
    let tree = soon(app.start()).await.unwrap();
    let (handle, other) = (tree.lookup::<Job>("app/worker").unwrap(), tree.lookup::<Job>("app/other").unwrap());
    let (told, tell) = oneshot::channel();
    let job = run(async move |ctx| {
        ctx.stopping().await;
        let _ = told.send((ctx.stop_if_idle(), ctx.handle().cast(idle()).is_ok()));
        Ok(())
    });
    handle.cast(job).unwrap();
    other.cast(panics()).unwrap();
    assert_eq!(soon(tell).await.unwrap(), (false, true));
    until_generation(&handle, 2).await;
    caught_up(&handle).await;
    let books = handle.accounting();
    assert!(books.is_balanced() && books.dead_lettered == 0, "{books}");
}

#[tokio::test]
async fn a_service_that_would_come_back_at_once_does_not_stop_for_want_of_work() {
    let stays = transient().policy(
        Policy::default().rule(regrow::ExitRule::new(regrow::RuleAction::Restart).on(regrow::ExitKind::Normal)),
    );
    for child in [worker("worker"), stays] {
        let (_tree, handle) = tree_of(child).await;
        assert!(!through(&handle, |ctx| ctx.stop_if_idle()).await);
        caught_up(&handle).await;
        assert_eq!((handle.generation(), handle.status().state), (1, ServiceState::Up));
    }
}

#[tokio::test]
async fn neither_a_factory_nor_a_later_life_is_stopped_by_what_is_over() {
    let asks = Child::service("worker", |ctx: Context<Worker>| async move {
        anyhow::ensure!(!ctx.stop_if_idle(), "it is not up");
        Ok(Worker::default())
    });
    let (_tree, handle) = tree_of(asks.restart(Restart::Transient)).await;
    let old = through(&handle, |ctx| ctx.clone()).await;
    handle.kill().unwrap();
    until_generation(&handle, 2).await;
    assert!(!old.stop_if_idle());
    caught_up(&handle).await;
    assert_eq!(handle.generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_service_ends_after_the_time_without_a_message_and_not_before() {
    let (_tree, handle) = tree_of(transient().idle_after(10 * SECOND)).await;
    let begun = Instant::now();
    for _ in 0..5 {
        sleep(9 * SECOND).await;
        handle.cast(idle()).unwrap();
    }
    until_state(&handle, ServiceState::Down).await;
    let lived = begun.elapsed();
    assert!(lived >= 55 * SECOND && lived < 56 * SECOND, "{lived:?}");
    assert_eq!(handle.accounting().handled, 5);
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_message_in_hand_does_not_count_and_a_kill_begins_it_again() {
    let (_tree, handle) = tree_of(transient().idle_after(10 * SECOND)).await;
    let begun = Instant::now();
    let long = run(async |_| {
        sleep(60 * SECOND).await;
        Ok(())
    });
    handle.cast(long).unwrap();
    sleep(65 * SECOND).await;
    assert_eq!(handle.status().state, ServiceState::Up);
    handle.kill().unwrap();
    until_generation(&handle, 2).await;
    until_state(&handle, ServiceState::Down).await;
    let lived = begun.elapsed();
    assert!(lived >= 75 * SECOND && lived < 76 * SECOND, "{lived:?}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_owes_a_reply_is_not_idle() {
    struct Later(Option<Reply<u32>>);
    impl Service for Later {
        type Msg = Reply<u32>;
        async fn handle(&mut self, reply: Reply<u32>, ctx: &mut Context<Self>) -> anyhow::Result<()> {
            // It answers from a task of its own, as a service does that waits for a database.
            ctx.spawn(async move {
                sleep(45 * SECOND).await;
                reply.send(7);
            });
            self.0 = None;
            Ok(())
        }
    }
    for limit in [Duration::ZERO, 10 * SECOND] {
        let later = Child::service("later", |_| async { Ok(Later(None)) }).restart(Restart::Transient);
        let (mailbox, handle) = regrow::mailbox();
        let call = handle.call(|reply| reply);
        let app = forgiving(Strategy::OneForOne).child(later.idle_after(limit).mailbox(mailbox));
        let tree = app.start().await.unwrap();
        let begun = Instant::now();
        assert_eq!(soon(call).await.unwrap(), 7);
        until_state(&handle, ServiceState::Down).await;
        let lived = begun.elapsed();
        assert!(lived >= 45 * SECOND && lived <= 45 * SECOND + limit + SECOND, "{lived:?}");
        tree.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_longest_time_and_none_at_all() {
    let (_tree, never) = tree_of(transient().idle_after(Duration::MAX)).await;
    sleep(1_000_000 * SECOND).await;
    assert_eq!(never.status().state, ServiceState::Up);
    let (mailbox, at_once) = regrow::mailbox();
    let log = Log::default();
    (1..=3).for_each(|number| at_once.cast(log.note(number)).unwrap());
    let child = transient().idle_after(Duration::ZERO).mailbox(mailbox);
    let _tree = soon(forgiving(Strategy::OneForOne).child(child).start()).await.unwrap();
    until_state(&at_once, ServiceState::Down).await;
    assert_eq!(log.seen(), [1, 2, 3], "what waited was handled");
}

#[tokio::test(start_paused = true)]
async fn the_stop_hook_runs_and_a_stop_or_a_kill_cuts_the_wait_short() {
    let hook = Arc::new(AtomicBool::new(false));
    let ran = hook.clone();
    let child = hooked("worker", move |ctx| {
        ran.store(!ctx.is_stopping(), Ordering::SeqCst);
        async { Ok(()) }
    });
    let (_tree, handle) = tree_of(child.restart(Restart::Transient).idle_after(SECOND)).await;
    until_state(&handle, ServiceState::Down).await;
    assert!(hook.load(Ordering::SeqCst));
    let (tree, _) = tree_of(transient().idle_after(3600 * SECOND)).await;
    let begun = Instant::now();
    assert!(soon(tree.shutdown()).await.is_clean() && begun.elapsed() < SECOND);
}

#[tokio::test]
async fn a_setting_that_could_not_work_is_refused_at_the_start() {
    let refused = async |child: Child| match Supervisor::one_for_one("app").child(child).start().await.unwrap_err() {
        StartError::NoEffect { path, setting: "idle_after", why } => format!("{path}: {why}"),
        error => panic!("{error}"),
    };
    let permanent = worker("a").idle_after(SECOND).into();
    let why = "app/a: a permanent service is started again as soon as it ends: make it transient or temporary";
    assert_eq!(refused(permanent).await, why);
    let thread = Child::thread("a", |inbox: Inbox<()>| {
        inbox.for_each(drop);
        Ok(())
    });
    let why = refused(thread.restart(Restart::Transient).idle_after(SECOND).into()).await;
    assert!(why.contains("Inbox::stop_if_idle"), "{why}");
}

#[tokio::test]
async fn a_thread_ends_its_iteration_if_no_message_waits() {
    let thread = Child::thread("thread", |mut inbox: Inbox<u64>| {
        while let Some(number) = inbox.next() {
            if inbox.stop_if_idle() != (number == 3) {
                std::process::abort();
            }
        }
        Ok(())
    });
    let (mailbox, handle) = regrow::mailbox();
    (1..=3).for_each(|number| handle.cast(number).unwrap());
    let child = thread.restart(Restart::Transient).mailbox(mailbox);
    let tree = soon(Supervisor::one_for_one("app").child(child).start()).await.unwrap();
    until_state(&handle, ServiceState::Down).await;
    assert_eq!(handle.accounting().handled, 3);
    soon(tree.shutdown()).await;
}

/// A session that stops itself whenever it can.
struct Shy(Rng);

impl Service for Shy {
    type Msg = u64;
    async fn handle(&mut self, _: u64, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        if self.0.bool() {
            tokio::task::yield_now().await;
        }
        if self.0.bool() {
            ctx.stop_if_idle();
        }
        Ok(())
    }
}

// Of peers, iroh (#3643) and goakt (#764) lost a message that was accepted while an idle actor stopped itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_accepted_message_is_lost_however_often_a_service_stops_for_want_of_work() {
    let mut attempts = 0;
    for seed in 0..20 {
        let mut rng = Rng::with_seed(seed);
        let own = rng.fork();
        let shy = Child::service("shy", move |ctx: Context<Shy>| {
            let own = Rng::with_seed(own.clone().u64(..) + ctx.attempt());
            async { Ok(Shy(own)) }
        });
        let shy = shy.restart(Restart::Transient).shutdown(Shutdown::After(5 * SECOND));
        let shy = if seed % 2 == 0 { shy.idle_after(Duration::from_micros(50)) } else { shy };
        let tree = soon(forgiving(Strategy::OneForOne).child(shy).start()).await.unwrap();
        let (app, handle): (_, Handle<u64>) = (tree.supervisor("app").unwrap(), tree.lookup("app/shy").unwrap());
        let mut senders = JoinSet::new();
        for _ in 0..4 {
            let (handle, mut rng) = (handle.clone(), rng.fork());
            senders.spawn(async move {
                let mut accepted = 0;
                for number in 0..150 {
                    let sent = if rng.bool() { handle.cast(number) } else { handle.send(number).await };
                    match sent.map_err(|error| error.refusal()) {
                        Ok(()) => accepted += 1,
                        Err(Refusal::Stopping | Refusal::Down) => {}
                        Err(refusal) => panic!("{refusal}"),
                    }
                    if rng.u8(..4) == 0 {
                        sleep(Duration::from_micros(rng.u64(..200))).await;
                    }
                }
                accepted
            });
        }
        let brings_back = tokio::spawn(async move {
            loop {
                let _ = app.restart_child("shy").await;
                tokio::task::yield_now().await;
            }
        });
        let mut accepted = 0;
        while let Some(sent) = soon(senders.join_next()).await {
            accepted += sent.unwrap();
        }
        soon(async {
            while handle.accounting().handled < accepted {
                tokio::task::yield_now().await;
            }
        })
        .await;
        brings_back.abort();
        let books = handle.accounting();
        assert!(books.is_balanced() && books.dead_lettered + books.crashed == 0, "seed {seed}: {books}");
        assert_eq!(books.accepted, accepted, "seed {seed}: {books}");
        attempts += books.attempts;
        soon(tree.shutdown()).await;
    }
    // Not of each seed: on a busy machine the senders of one may be done before the service has been idle.
    assert!(attempts > 60, "it has stopped too seldom to show anything: {attempts} lives");
}
