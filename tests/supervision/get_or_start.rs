//! `get_or_start`: one call that finds the child with a name, or starts it, whatever happens at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Child, Context, DynamicSupervisor, EventKind, GetOrStartError, Handle, Intensity, LookupError, Refusal, Reply,
    Restart, Service, ServiceChild, ServiceState, StartChildError, Supervisor, ignore,
};
use tokio::task::JoinSet;

use crate::common::mail::{self, Gate, gated};
use crate::common::pool::{app, hang, hung, pool};
use crate::common::tree::{Census, Inert, Resident, Slow, Starter, Starting, Starts, soon, starting, turns, up};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_tasks_at_once_start_exactly_one() {
    let (journal, census) = (Journal::new(), Census::default());
    let (made, counted) = (journal.clone(), census.clone());
    let (tree, pool) =
        app(pool().template(move |name: String| Slow::counted(&name, &made, Duration::ZERO, &counted))).await;
    let template = pool.template::<String>().unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..1000 {
        let template = template.clone();
        tasks.spawn(async move { template.get_or_start::<()>("one".into()).await.unwrap() });
    }
    let mut handles = Vec::new();
    while let Some(handle) = soon("a task", tasks.join_next()).await {
        handles.push(handle.unwrap());
    }
    handles.dedup();
    assert_eq!((handles.len(), census.ever(), pool.count_children().await.unwrap().active), (1, 1, 1));
    handles.into_iter().next().unwrap().cast(()).unwrap();
    soon("shutdown", tree.shutdown()).await;
}

#[tokio::test]
async fn what_runs_is_returned_and_what_does_not_is_started() {
    let journal = Journal::new();
    let (_tree, pool) = app(pool()).await;
    let first: Handle<ProbeMsg> = soon("a start", pool.get_or_start(journal.probe("a"))).await.unwrap();
    assert_eq!(first.status().state, ServiceState::Up, "it completes when the child is up");
    let again = soon("a look-up", pool.get_or_start(journal.probe("a"))).await.unwrap();
    assert_eq!(first, again);
    soon("an order", pool.terminate_child("a")).await.unwrap();
    assert_eq!(first.status().state, ServiceState::Gone);
    let second = soon("a start", pool.get_or_start(journal.probe("a"))).await.unwrap();
    assert!(first != second && second.cast(ProbeMsg::Announce).is_ok());
    assert_eq!(journal.lines(), ["start a#1", "end a#1", "start a#1"]);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_is_stopping_is_waited_for() {
    let (journal, census) = (Journal::new(), Census::default());
    let slow = |name: &str| Slow::counted(name, &journal, Duration::from_secs(3), &census);
    let (_tree, pool) = app(pool()).await;
    let old = soon("a start", pool.get_or_start(slow("a"))).await.unwrap();
    let stops = pool.clone();
    let order = tokio::spawn(async move { stops.terminate_child("a").await });
    while old.cast(()).is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(old.status().state, ServiceState::Up, "it stops, and is not gone yet");
    let new = soon("the next one", pool.get_or_start(slow("a"))).await.unwrap();
    order.await.unwrap().unwrap();
    assert!(new != old && new.cast(()).is_ok() && old.cast(()).unwrap_err().refusal() == Refusal::Gone);
    assert_eq!(census.alive_max(), 1, "the old one was gone before the new one began");
    assert_eq!(journal.lines(), ["start a#1", "stop a#1", "end a#1", "start a#1"]);
}

/// Waits until the calls that were made before wait for the start of the child.
async fn all_wait(pool: &regrow::DynamicHandle) {
    // A question is answered after the orders before it.
    soon("a count", pool.count_children()).await.unwrap();
    turns(100).await;
}

#[tokio::test]
async fn a_start_that_another_caller_ordered_is_waited_for() {
    let gate = Gate::closed();
    let (tree, pool) = app(pool()).await;
    let starts: Vec<_> = (0..3)
        .map(|_| {
            let (pool, gate) = (pool.clone(), gate.clone());
            tokio::spawn(async move { pool.get_or_start(gated("a", &gate)).await })
        })
        .collect();
    starting(&tree, "app/pool/a").await;
    all_wait(&pool).await;
    assert!(starts.iter().all(|start| !start.is_finished()));
    gate.set_open(true);
    for start in starts {
        assert_eq!(soon("a start", start).await.unwrap().unwrap().generation(), 1);
    }
}

#[tokio::test]
async fn a_failed_start_is_told_to_the_one_that_ordered_it_and_to_those_that_waited() {
    let (journal, starts) = (Journal::new(), Starts::failing([1]));
    let gate = Gate::closed();
    let fails = {
        let gate = gate.clone();
        move || {
            let (gate, starts) = (gate.clone(), starts.clone());
            Child::service("a", move |_: Context<mail::Worker>| {
                let (gate, starts) = (gate.clone(), starts.clone());
                async move {
                    gate.pass().await;
                    starts.attempt()?;
                    Ok(mail::Worker::default())
                }
            })
        }
    };
    let (tree, pool) = app(pool()).await;
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let (pool, child) = (pool.clone(), fails());
            tokio::spawn(async move { pool.get_or_start(child).await.map(|_| ()) })
        })
        .collect();
    starting(&tree, "app/pool/a").await;
    all_wait(&pool).await;
    gate.set_open(true);
    let mut errors = Vec::new();
    for call in calls {
        errors.push(soon("a call", call).await.unwrap().unwrap_err());
    }
    let ordered = errors.iter().filter(|error| matches!(error, GetOrStartError::Start(StartChildError::Failed { .. })));
    let waited =
        errors.iter().filter(|error| matches!(error, GetOrStartError::StartFailed { path } if &**path == "app/pool/a"));
    assert_eq!((ordered.count(), waited.count()), (1, 2), "{errors:?}");
    assert!(soon("the next try", pool.get_or_start(fails())).await.is_ok());
    let never = Starter::child("b", &journal, &Starts::failing(1..9));
    let error = soon("a start", pool.get_or_start::<Starting>(never)).await.unwrap_err();
    assert!(error.to_string().contains("attempt 1 fails"), "{error}");
}

#[tokio::test]
async fn errors_say_what_is_wrong() {
    let journal = Journal::new();
    let probe = |name: &str| journal.probe(name);
    let (_tree, pool) =
        app(pool().max_children(1).template(move |name: &'static str| Child::task(name, |_| async { Ok(()) }))).await;
    let unwanted: ServiceChild<()> = Child::service("a", |_: Context<Inert>| async { ignore() });
    let error = soon("a start", pool.get_or_start(unwanted)).await.unwrap_err();
    assert_eq!(error.to_string(), "`app/pool/a` was not started: its factory returned `ignore()`");
    soon("a start", pool.get_or_start(probe("a"))).await.unwrap();
    let error = soon("a look-up", pool.get_or_start(mail::worker("a"))).await.unwrap_err();
    assert!(matches!(error, GetOrStartError::Lookup(LookupError::WrongType { .. })), "{error}");
    let error = soon("a start", pool.get_or_start(probe("b"))).await.unwrap_err();
    assert!(matches!(error, GetOrStartError::Start(StartChildError::MaxChildren { .. })), "{error}");
    let template = pool.template::<&str>().unwrap();
    let error = soon("a task", template.get_or_start::<ProbeMsg>("b")).await.unwrap_err();
    assert!(matches!(error, GetOrStartError::Lookup(LookupError::WrongType { .. })), "{error}");
    assert_eq!(pool.count_children().await.unwrap().specs, 1, "nothing was started of the wrong type");

    let (tree, numbered) = app(crate::common::pool::pool().numbered()).await;
    let error = soon("a number", numbered.get_or_start(probe("a"))).await.unwrap_err();
    assert!(matches!(&error, GetOrStartError::Numbered { path } if &**path == "app/pool"), "{error}");
    soon("shutdown", tree.shutdown()).await;

    let (tree, pool) = app(crate::common::pool::pool()).await;
    soon("a start", pool.get_or_start(probe("a"))).await.unwrap();
    soon("shutdown", tree.shutdown()).await;
    for name in ["a", "b"] {
        let error = soon("a tree that is over", pool.get_or_start(probe(name))).await.unwrap_err();
        assert!(matches!(error, GetOrStartError::Start(StartChildError::NotRunning { .. })), "{error}");
    }
}

#[tokio::test]
async fn a_child_that_is_ending_cannot_wait_for_its_own_successor() {
    let (_tree, pool) = app(pool()).await;
    let child = || mail::worker("a").restart(Restart::Transient);
    let handle = soon("a start", pool.get_or_start(child())).await.unwrap();
    let (told, tell) = tokio::sync::oneshot::channel();
    let inside = pool.clone();
    let job = mail::run(async move |ctx: Context<mail::Worker>| {
        let itself = inside.get_or_start(mail::worker("a")).await;
        anyhow::ensure!(itself.is_ok_and(|found| found == ctx.handle()), "it is not ending");
        ctx.stop_if_idle();
        let _ = told.send(inside.get_or_start(mail::worker("a")).await.map(|_| ()));
        Ok(())
    });
    handle.cast(job).unwrap();
    match soon("an answer", tell).await.unwrap() {
        Err(GetOrStartError::ToItself { path, caller }) => assert_eq!((&*path, &*caller), ("app/pool/a", "app/pool/a")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_start_that_hangs_holds_up_only_those_that_want_that_child() {
    let (tree, pool) = app(pool()).await;
    let hanging = hang(&tree, &pool).await;
    let other = soon("another child", pool.get_or_start(mail::worker("other"))).await.unwrap();
    let waits = pool.clone();
    let waiting = tokio::spawn(async move { waits.get_or_start(hung("hung")).await });
    tokio::task::yield_now().await;
    soon("an order", pool.terminate_child("hung")).await.unwrap();
    assert!(soon("the first", hanging).await.unwrap().is_err());
    assert!(matches!(soon("the second", waiting).await.unwrap(), Err(GetOrStartError::StartFailed { .. })));
    assert!(other.cast(mail::idle()).is_ok());
}

#[tokio::test]
async fn a_child_between_two_lives_is_returned() {
    let pool = pool().budget(Intensity::unlimited());
    let slow = regrow::Policy::default().backoff(regrow::Backoff::new(Duration::from_secs(3600)));
    let (tree, pool) = app(pool).await;
    let mut events = tree.events();
    let handle = soon("a start", pool.get_or_start(mail::worker("a").policy(slow.clone()))).await.unwrap();
    handle.cast(mail::panics()).unwrap();
    let is_delayed = |event: &regrow::Event| matches!(event.kind, EventKind::Delayed { .. });
    soon("a delay", regrow::testing::until_event(&mut events, is_delayed)).await.unwrap();
    assert_eq!(handle.status().state, ServiceState::Restarting);
    let again = soon("a look-up", pool.get_or_start(mail::worker("a").policy(slow))).await.unwrap();
    assert!(again == handle && again.cast(mail::idle()).is_ok(), "messages wait for its next life");
    soon("an order", pool.revive("a")).await.unwrap();
    up(&tree, "app/pool/a", 2).await;
}

/// A session that is alive once, counts its messages, and ends when it can.
struct Session {
    rng: Rng,
    handled: Arc<AtomicU64>,
    _alive: Resident,
}

enum Request {
    Count,
    Ask(Reply<()>),
}

impl Service for Session {
    type Msg = Request;
    async fn handle(&mut self, request: Request, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match request {
            Request::Count => drop(self.handled.fetch_add(1, Ordering::SeqCst)),
            Request::Ask(reply) => {
                reply.send(());
            }
        }
        if self.rng.u8(..3) == 0 {
            ctx.stop_if_idle();
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_caller_gets_a_session_that_works_while_sessions_end_for_want_of_work() {
    for seed in 0..10 {
        let (mut rng, handled) = (Rng::with_seed(seed), Arc::new(AtomicU64::new(0)));
        let censuses: [Census; 3] = Default::default();
        let (counted, living, seeds) = (handled.clone(), censuses.clone(), std::sync::Mutex::new(rng.fork()));
        let sessions = DynamicSupervisor::new("pool").template(move |number: usize| {
            let (handled, census, rng) = (counted.clone(), living[number].clone(), seeds.lock().unwrap().fork());
            Child::service(format!("s{number}"), move |_: Context<Session>| {
                let (handled, rng, alive) = (handled.clone(), rng.clone(), census.enter());
                async move { Ok(Session { rng, handled, _alive: alive }) }
            })
            .restart(Restart::Transient)
            .idle_after(Duration::from_micros(if number == 0 { 0 } else { 100 }))
        });
        let tree = soon("start", Supervisor::one_for_one("app").child(sessions).start()).await.unwrap();
        let template = tree.dynamic("app/pool").unwrap().template::<usize>().unwrap();
        let mut clients = JoinSet::new();
        for _ in 0..6 {
            let (template, mut rng) = (template.clone(), rng.fork());
            clients.spawn(async move {
                let (mut accepted, mut starts) = (0, 0);
                while accepted < 60 {
                    let session = template.get_or_start::<Request>(rng.usize(..3)).await.unwrap();
                    starts += 1;
                    // It may end for want of work between the two calls, and then says so.
                    for _ in 0..rng.u8(..4) {
                        match session.cast(Request::Count).map_err(|error| error.refusal()) {
                            Ok(()) => accepted += 1,
                            Err(Refusal::Stopping | Refusal::Down | Refusal::Gone) => {}
                            Err(refusal) => panic!("{refusal}"),
                        }
                    }
                    if rng.bool() {
                        drop(session.call(Request::Ask).await);
                    }
                    assert!(starts < 100_000, "no progress");
                }
                accepted
            });
        }
        let mut accepted = 0;
        while let Some(client) = soon("a client", clients.join_next()).await {
            accepted += client.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
        let all = async {
            while handled.load(Ordering::SeqCst) < accepted {
                tokio::task::yield_now().await;
            }
        };
        soon("every accepted message", all).await;
        soon("shutdown", tree.shutdown()).await;
        assert_eq!(handled.load(Ordering::SeqCst), accepted, "seed {seed}");
        for census in &censuses {
            assert!(census.alive_max() == 1 && census.ever() > 1, "seed {seed}: {} lives", census.ever());
        }
    }
}
