//! A restart by order is no failure: the message in hand is finished, the queue is kept, and nothing else is touched.

use std::sync::Arc;

use fastrand::Rng;
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Backoff, CallError, Child, Context, DeadReason, DynamicSupervisor, EventKind, Exit, GiveUp, Handle, Inbox,
    Intensity, ManageError, OnRestart, Partitioned, Policy, Restart, RestartError, ServiceState, Strategy, Supervisor,
    mailbox,
};
use tokio::sync::oneshot;

use crate::common::mail::busy;
use crate::common::tree::{Inert, MS, SEC, hears, parked, probe, soon, stands, turns, up};
use crate::common::worker::{Job, generation, idle, worker};

fn none() -> Intensity {
    Intensity::new(0, 5 * SEC)
}

/// Runs an order as code of the probe, and returns its answer.
async fn inside<T, F>(probe: &Handle<ProbeMsg>, order: impl FnOnce() -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let (tell, told) = oneshot::channel();
    let run = move |ctx: &Context<_>| drop(ctx.spawn(async move { drop(tell.send(order().await)) }));
    probe.cast(ProbeMsg::Run(Box::new(run))).unwrap();
    soon("the answer", told).await.unwrap()
}

// Case t19 of the reports, in the new call: a service that knows nothing of it is restarted by an operator.
#[tokio::test]
async fn the_message_in_hand_is_finished_the_queue_is_kept_and_no_sibling_or_budget_is_touched() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let journal = Journal::new();
        let children = ["a", "b", "c"].map(|name| journal.probe(name));
        let tree = Supervisor::new("app", strategy).budget(none()).children(children).start().await.unwrap();
        let [a, b, c] = ["app/a", "app/b", "app/c"].map(|path| probe(&tree, path));
        journal.take();
        b.cast(ProbeMsg::Announce).unwrap();
        for round in 0..5 {
            b.cast(ProbeMsg::Block(5 * MS)).unwrap();
            let calls: Vec<_> = (0..20).map(|_| b.call(ProbeMsg::Generation)).collect();
            let restarted = soon("the restart", b.restart("why not")).await.unwrap().up().unwrap();
            assert_eq!((&*restarted.path, restarted.generation), ("app/b", round + 2));
            for call in calls {
                let by = soon("a call", call).await.unwrap();
                assert!(by <= round + 2, "answered in generation {by}");
            }
        }
        assert_eq!(journal.take()[..3], ["stop b#1", "end b#1", "start b#2"]);
        assert_eq!((a.generation(), b.generation(), c.generation()), (1, 6, 1), "{strategy}");
        assert_eq!(b.accounting().crashed, 0);
        // The whole budget is left: none.
        a.cast(ProbeMsg::Panic("one too many")).unwrap();
        soon("the give-up", tree.wait()).await;
    }
}

#[tokio::test]
async fn a_mailbox_keeps_its_queue_or_drops_it_as_at_any_restart() {
    for (on_restart, dropped) in [(OnRestart::Keep, 0), (OnRestart::Drop, 3)] {
        let tree = Supervisor::one_for_one("app").child(worker("a").on_restart(on_restart)).start().await.unwrap();
        let (a, letters) = (tree.lookup::<Job>("app/a").unwrap(), tree.dead_letters());
        let held = busy(&a).await;
        (0..3).for_each(|_| a.cast(idle()).unwrap());
        let mut events = tree.events();
        let order = tokio::spawn({
            let a = a.clone();
            async move { a.restart("clean").await }
        });
        hears(&mut events, "app/a#1 is restarted by order: clean").await;
        held.release();
        assert_eq!(soon("the restart", order).await.unwrap().unwrap().up().unwrap().generation, 2);
        a.call(generation).await.unwrap();
        let accounting = a.accounting();
        assert_eq!((accounting.dead_lettered, accounting.crashed), (dropped, 0), "{accounting}");
        assert_eq!(accounting.handled, accounting.accepted - dropped, "{accounting}");
        for _ in 0..dropped {
            assert!(matches!(soon("a letter", letters.next()).await.unwrap().reason, DeadReason::DroppedOnRestart));
        }
        tree.shutdown().await;
    }
}

#[tokio::test]
async fn events_why_and_the_next_incarnation_have_the_reason() {
    let journal = Journal::new();
    let seen = journal.clone();
    let told = Child::service("a", move |ctx: Context<Inert>| {
        seen.write(format!("{:?}", ctx.last_exit().map(ToString::to_string)));
        async { Ok(Inert) }
    });
    let tree = Supervisor::one_for_one("app").child(told).start().await.unwrap();
    let a = tree.lookup::<()>("app/a").unwrap();
    assert_eq!(a.why().await.restarted, None);
    let mut events = tree.events();
    a.restart("new certificate").await.unwrap();
    hears(&mut events, "app/a#1 is restarted by order: new certificate").await;
    hears(&mut events, "app/a#1 exited: shutdown (new certificate)").await;
    hears(&mut events, "app/a#2 started").await;
    assert_eq!(journal.take(), ["None", "Some(\"shutdown (new certificate)\")"]);
    let why = a.why().await;
    assert_eq!(why.restarted.as_ref().map(|(reason, _)| &**reason), Some("new certificate"));
    let text = why.to_string();
    assert!(text.contains("An order restarted it") && text.contains("ago: new certificate."), "{text}");
    assert!(text.contains("Nothing has gone wrong with it yet."), "{text}");
    tree.shutdown().await;
}

// Found by a newcomer: the life that the order ended seemed to have panicked.
#[tokio::test(start_paused = true)]
async fn why_puts_an_earlier_failure_before_the_order_and_a_later_one_after_it() {
    let app = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    let tree = app.child(Journal::new().probe("a")).start().await.unwrap();
    let a = probe(&tree, "app/a");
    a.cast(ProbeMsg::Fail("disk full")).unwrap();
    up(&tree, "app/a", 2).await;
    tokio::time::advance(SEC).await;
    a.restart("new disk").await.unwrap();
    tokio::time::advance(SEC).await;
    let text = a.why().await.to_string();
    assert!(
        text.contains("An order restarted it 1.0s ago: new disk. Before that, a life of it ended 2.0s ago"),
        "{text}"
    );

    a.cast(ProbeMsg::Fail("disk full")).unwrap();
    up(&tree, "app/a", 4).await;
    let text = a.why().await.to_string();
    assert!(text.contains("new disk. It last ended without an order 0.0ns ago: failed: disk full."), "{text}");
    soon("the shutdown", tree.shutdown()).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_up_says_so_and_is_left_as_it_is() {
    let journal = Journal::new();
    let never = Child::service("starting", |ctx: Context<Inert>| async move {
        if ctx.last_exit().is_some() { std::future::pending().await } else { Ok(Inert) }
    });
    let slow = Policy::default().backoff(Backoff::new(60 * SEC));
    let parks = Policy::default().budget(none()).on_give_up(GiveUp::park(60 * SEC));
    let tree = Supervisor::one_for_one("app")
        .budget(Intensity::unlimited())
        .child(never)
        .child(journal.probe("restarting").policy(slow))
        .child(journal.probe("parked").policy(parks))
        .child(journal.probe("down"))
        .child(journal.probe("gone").restart(Restart::Temporary))
        .start()
        .await
        .unwrap();
    let app = tree.supervisor("app").unwrap();
    tree.kill("app/starting").unwrap();
    stands(&tree, "app/starting", ServiceState::Starting).await;
    for name in ["restarting", "parked"] {
        probe(&tree, &format!("app/{name}")).cast(ProbeMsg::Panic("no")).unwrap();
    }
    let gone = probe(&tree, "app/gone");
    app.terminate_child("down").await.unwrap();
    app.terminate_child("gone").await.unwrap();
    stands(&tree, "app/restarting", ServiceState::Restarting).await;
    parked(&probe(&tree, "app/parked")).await;

    assert!(matches!(tree.restart("app/starting", "").await, Err(RestartError::Starting { .. })));
    assert!(matches!(tree.restart("app/restarting", "").await, Err(RestartError::Restarting { .. })));
    assert!(matches!(tree.restart("app/parked", "").await, Err(RestartError::Parked { .. })));
    assert!(matches!(tree.restart("app/down", "").await, Err(RestartError::Down { .. })));
    assert!(matches!(gone.restart("").await, Err(RestartError::NotFound { .. })));
    assert!(matches!(tree.restart("app", "").await, Err(RestartError::IsRoot { .. })));
    assert!(matches!(tree.restart("app/none", "").await, Err(RestartError::NotFound { .. })));
    assert!(matches!(tree.restart("none", "").await, Err(RestartError::NotFound { .. })));
    let (_mailbox, nowhere) = mailbox::<()>();
    assert!(matches!(nowhere.restart("").await, Err(RestartError::NotFound { .. })));
    let error = tree.restart("app/parked", "").await.unwrap_err();
    assert_eq!(error.to_string(), "`app/parked` is parked: revive it, or wait for its next try");
    assert!(matches!(ManageError::from(error), ManageError::Parked { .. }));
    tree.shutdown_within(SEC).await;
    assert!(matches!(gone.restart("").await, Err(RestartError::NotRunning { .. })));
}

#[tokio::test]
async fn code_of_a_service_cannot_restart_itself_or_what_is_above_it() {
    let journal = Journal::new();
    let sub = Supervisor::one_for_one("sub").child(journal.probe("a")).child(journal.probe("b"));
    let tree = Arc::new(Supervisor::one_for_one("app").child(sub).start().await.unwrap());
    let [a, b] = ["app/sub/a", "app/sub/b"].map(|path| probe(&tree, path));
    let me = a.clone();
    let own = inside(&a, move || async move { me.restart("").await }).await;
    assert!(matches!(own, Err(RestartError::ToItself { .. })), "{own:?}");
    let above = tree.clone();
    let own = inside(&a, move || async move { above.restart("app/sub", "").await }).await;
    assert!(matches!(own, Err(RestartError::ToItself { .. })), "{own:?}");
    let peer = inside(&a, move || async move { b.restart("").await }).await;
    assert_eq!(peer.unwrap().up().unwrap().generation, 2);
    assert_eq!(a.generation(), 1);
    soon("shutdown", tree.shutdown()).await;
}

#[tokio::test]
async fn children_of_every_kind_are_restarted_below_supervisors_of_every_kind() {
    let journal = Journal::new();
    let inner = Supervisor::one_for_all("sub").child(journal.probe("x")).child(journal.probe("y"));
    let partition = journal.clone();
    let tree = Supervisor::one_for_all("app")
        .budget(none())
        .child(Child::task("task", |ctx| async move {
            ctx.stopping().await;
            Ok(())
        }))
        .child(Child::thread("thread", |inbox: Inbox<()>| {
            inbox.for_each(drop);
            Ok(())
        }))
        .child(journal.probe("light"))
        .child(journal.probe("actor").as_actor())
        .child(inner)
        .child(Partitioned::new("parts", 2, move |_| partition.probe("p")).budget(none()))
        .child(DynamicSupervisor::new("pool").budget(none()))
        .start()
        .await
        .unwrap();
    let pool = tree.dynamic("app/pool").unwrap();
    pool.start_child(journal.probe("session").restart(Restart::Temporary)).await.unwrap();
    let y = probe(&tree, "app/sub/y");
    for path in
        ["app/task", "app/thread", "app/light", "app/actor", "app/sub", "app/parts/1", "app/pool/session", "app/sub/x"]
    {
        let found = tree.directory().status(path).unwrap().generation;
        let restarted = soon(path, tree.restart(path, "why not")).await.unwrap().up().unwrap();
        assert_eq!((&*restarted.path, restarted.generation), (path, found + 1));
    }
    // A handle below a restarted supervisor is as good as before.
    assert_eq!(y.call(ProbeMsg::Generation).await.unwrap(), 2);
    let generation = |path: &str| tree.directory().status(path).unwrap().generation;
    assert_eq!(["app/parts/0", "app/parts", "app/pool", "app/sub/x"].map(generation), [1, 1, 1, 3]);
    assert_eq!(journal.alive_max(), 1);
    soon("shutdown", tree.shutdown()).await;
}

#[tokio::test]
async fn a_start_that_fails_says_how_and_is_tried_again() {
    let moody = Child::service("moody", |ctx: Context<Inert>| async move {
        anyhow::ensure!(ctx.attempt() != 2, "no settings");
        Ok(Inert)
    });
    let tree = Supervisor::one_for_one("app").child(moody).start().await.unwrap();
    let failed = soon("the restart", tree.restart("app/moody", "new settings")).await.unwrap_err();
    assert!(matches!(&failed, RestartError::Failed { exit: Exit::Failed(_), .. }), "{failed}");
    assert_eq!(failed.to_string(), "`app/moody` did not start: failed: no settings");
    up(&tree, "app/moody", 2).await;
    tree.shutdown().await;
}

#[tokio::test]
async fn concurrent_orders_merge_or_follow_each_other_and_each_has_a_new_incarnation() {
    let journal = Journal::new();
    let tree = Arc::new(Supervisor::one_for_one("app").budget(none()).child(journal.probe("a")).start().await.unwrap());
    let a = probe(&tree, "app/a");
    let orders: Vec<_> = (0..1000)
        .map(|_| {
            let a = a.clone();
            tokio::spawn(async move { a.restart("all at once").await })
        })
        .collect();
    for order in orders {
        match soon("an order", order).await.unwrap() {
            Ok(outcome) => assert!(outcome.up().unwrap().generation > 1),
            Err(error) => assert!(matches!(error, RestartError::Starting { .. }), "{error}"),
        }
    }
    assert!(a.generation() < 500, "they were taken one by one: {}", a.generation());
    assert_eq!(journal.alive_max(), 1);
    tree.shutdown().await;
}

/// Restarts, kills, terminations and messages at random moments. Each order is answered, and by a new incarnation. No
/// message is lost that no kill can have hit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_beside_it_every_order_is_answered_and_no_message_is_unaccounted_for() {
    for seed in 0..60_u64 {
        let mut random = Rng::with_seed(seed);
        let strategy = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne][(seed % 3) as usize];
        let (kills, terminates) = (seed % 2 == 1, seed % 5 == 4);
        let journal = Journal::new();
        let budget = if kills || terminates { Intensity::unlimited() } else { none() };
        let children = ["a", "b", "c"].map(|name| journal.probe(name).unbounded());
        let tree = Arc::new(Supervisor::new("app", strategy).budget(budget).children(children).start().await.unwrap());
        let paths = ["app/a", "app/b", "app/c"];
        let mut tasks = Vec::new();
        for _ in 0..4 {
            let (tree, mut random) = (tree.clone(), random.fork());
            tasks.push(tokio::spawn(async move {
                for _ in 0..8 {
                    let path = paths[random.usize(0..3)];
                    let found = tree.directory().status(path).unwrap().generation;
                    match soon(path, tree.restart(path, "race")).await {
                        Ok(outcome) => assert!(outcome.up().unwrap().generation > found, "seed {seed}"),
                        Err(error) => assert!(
                            kills || terminates || matches!(error, RestartError::Starting { .. }),
                            "seed {seed}: {error}"
                        ),
                    }
                    turns(random.usize(0..4)).await;
                }
            }));
        }
        let (disturber, mut dice) = (tree.clone(), random.fork());
        tasks.push(tokio::spawn(async move {
            let app = disturber.supervisor("app").unwrap();
            for _ in 0..6 {
                turns(dice.usize(0..6)).await;
                let name = ["a", "b", "c"][dice.usize(0..3)];
                if kills {
                    let _ = disturber.kill(&format!("app/{name}"));
                }
                if terminates {
                    soon("a termination", app.terminate_child(name)).await.unwrap();
                    let _ = soon("a start", app.restart_child(name)).await;
                }
            }
        }));
        for path in paths {
            let a = probe(&tree, path);
            tasks.push(tokio::spawn(async move {
                for number in 0..40 {
                    let sent = a.cast(ProbeMsg::Note(number));
                    assert!(terminates || sent.is_ok(), "seed {seed}: {}", sent.unwrap_err());
                    match soon("a call", a.call(ProbeMsg::Generation)).await {
                        Ok(_) => {}
                        Err(CallError::Crashed { .. } | CallError::NeverRan(_)) if kills || terminates => {}
                        Err(CallError::Refused(_)) if terminates => {}
                        Err(error) => panic!("seed {seed}: {error}"),
                    }
                }
            }));
        }
        for task in tasks {
            soon("a task", task).await.unwrap();
        }
        for path in paths {
            let accounting = probe(&tree, path).accounting();
            assert!(accounting.is_balanced(), "seed {seed}: {accounting}");
            assert!(
                kills || terminates || accounting.crashed + accounting.dead_lettered == 0,
                "seed {seed}: {accounting}"
            );
        }
        assert_eq!(journal.alive_max(), 1, "seed {seed}");
        soon("shutdown", tree.shutdown()).await;
    }
}

#[tokio::test]
async fn an_event_names_each_order_also_those_that_merged() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").child(journal.probe("a")).start().await.unwrap();
    let (a, mut events) = (probe(&tree, "app/a"), tree.events());
    let (one, two) = tokio::join!(a.restart("one"), a.restart("two"));
    assert_eq!(one.unwrap().up().unwrap().generation, 2);
    assert!(two.unwrap().up().unwrap().generation >= 2);
    let mut reasons = Vec::new();
    while let Some(event) = events.try_next() {
        if let EventKind::RestartOrdered { reason } = event.unwrap().kind {
            reasons.push(reason.to_string());
        }
    }
    assert_eq!(reasons, ["one", "two"]);
    tree.shutdown().await;
}
