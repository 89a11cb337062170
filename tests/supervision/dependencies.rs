//! Jobs that others depend on, services that are gone or parked, and what becomes of those that depend on them.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use crate::common::tree::{Inert, MS, SEC, parked, probe, soon, up};
use regrow::testing::{Journal, Probe, ProbeMsg, tables, until, until_event};
use regrow::{
    AutoShutdown, Backoff, Child, Context, Dependency, DependencyGone, DynamicSupervisor, EventKind, ExitKind,
    ExitRule, GiveUp, Ignore, Intensity, Policy, Readiness, ReconfigureError, Refusal, Restart, RuleAction, Service,
    ServiceChild, ServiceState, StartChildError, StartError, Supervisor, TaskChild, Tree,
};
use tokio::time::sleep;

fn job(name: &str) -> TaskChild {
    Child::task(name, |_| async {
        sleep(50 * MS).await;
        Ok(())
    })
}

fn on(journal: &Journal, name: &str, policy: Policy) -> ServiceChild<ProbeMsg> {
    journal.probe(name).policy(policy)
}

fn calm(name: &str) -> Supervisor {
    Supervisor::one_for_one(name).budget(Intensity::unlimited())
}

async fn crash_and_return(tree: &Tree, path: &str, generation: u64) {
    probe(tree, path).kill().unwrap();
    up(tree, path, generation).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_is_done_once_for_dependents_near_and_far_also_after_it_is_forgotten() {
    for restart in [Restart::Transient, Restart::Temporary] {
        let journal = Journal::new();
        let after = || Policy::default().depends_on_completed(["migrate"]);
        let tree = calm("app")
            .child(job("migrate").restart(restart))
            .child(on(&journal, "near", after()))
            .child(calm("sub").child(on(&journal, "far", after())))
            .child(DynamicSupervisor::new("pool").budget(Intensity::unlimited()))
            .start()
            .await
            .unwrap();
        assert_eq!(journal.lines(), [""; 0], "the job is not done yet");
        up(&tree, "app/near", 1).await;
        up(&tree, "app/sub/far", 1).await;
        sleep(60 * SEC).await;
        crash_and_return(&tree, "app/near", 2).await;
        crash_and_return(&tree, "app/sub/far", 2).await;
        // What comes later, and what is built anew, counts on it too.
        tree.dynamic("app/pool").unwrap().start_child(on(&journal, "late", after())).await.unwrap();
        tree.supervisor("app").unwrap().start_child(on(&journal, "beside", after())).await.unwrap();
        tree.kill("app/sub").unwrap();
        up(&tree, "app/sub/far", 3).await;
        tree.shutdown().await;
    }
}

// Found by the case t03a: what was ready for a moment only was missed where it was watched from afar.
// Found by mutants: in each test a dependent waited for the job already.
#[tokio::test(start_paused = true)]
async fn a_described_job_that_is_done_and_forgotten_counts_for_dependents_that_nobody_knew_of() {
    let journal = Journal::new();
    let tree = calm("app").child(job("migrate").restart(Restart::Temporary)).start().await.unwrap();
    sleep(60 * SEC).await;
    let after = Policy::default().depends_on_completed(["migrate"]);
    tree.supervisor("app").unwrap().start_child(on(&journal, "late", after)).await.unwrap();
    up(&tree, "app/late", 1).await;
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_short_readiness_is_not_missed_elsewhere() {
    let journal = Journal::new();
    let says = Child::task("job", |ctx| async move {
        sleep(50 * MS).await;
        ctx.ready();
        Ok(())
    });
    let tree = calm("app")
        .child(says.policy(Policy::default().readiness(Readiness::WhenSaid)))
        .child(calm("sub").child(on(&journal, "far", Policy::default().depends_on(["job"]))))
        .start()
        .await
        .unwrap();
    up(&tree, "app/sub/far", 1).await;
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_depends_on_the_dead_refuses_at_once_and_comes_back_with_it() {
    let journal = Journal::new();
    let on_db = || Policy::default().depends_on(["db"]);
    let tree = calm("app")
        .child(journal.probe("db").restart(Restart::Transient))
        .child(on(&journal, "near", on_db()))
        .child(calm("sub").child(on(&journal, "far", on_db())))
        .start()
        .await
        .unwrap();
    let app = tree.supervisor("app").unwrap();
    for path in ["app/near", "app/sub/far"] {
        let generation = probe(&tree, path).generation();
        app.terminate_child("db").await.unwrap();
        let mut events = tree.events();
        probe(&tree, path).kill().unwrap();
        // A call that came first ends as well.
        let call = probe(&tree, path).call(ProbeMsg::Noted);
        until_event(&mut events, |event| matches!(event.kind, EventKind::DependencyGone { .. })).await.unwrap();
        parked(&probe(&tree, path)).await;
        assert!(call.await.is_err());
        let refused = probe(&tree, path).cast(ProbeMsg::Note(1)).unwrap_err();
        assert!(matches!(refused.refusal(), Refusal::Parked { .. }));
        let why = tree.why(path).await.unwrap();
        assert!(why.to_string().contains("`db` is gone") || why.to_string().contains("`app/db` is gone"), "{why}");
        app.restart_child("db").await.unwrap();
        up(&tree, path, generation + 1).await;
    }
    tree.shutdown().await;
}

// Found by a new user: the wait failed for another 29 seconds, on a service that was being started.
#[tokio::test(start_paused = true)]
async fn a_wait_for_a_dependent_goes_on_as_soon_as_what_it_was_parked_for_is_back() {
    let journal = Journal::new();
    struct Slow;
    impl Service for Slow {
        type Msg = ();
        async fn handle(&mut self, (): (), _: &mut Context<Self>) -> anyhow::Result<()> {
            Ok(())
        }
    }
    // Its start takes a while, and it refuses messages until it is up.
    let slow = |name: &str| {
        Child::service(name, |_| async {
            sleep(SEC).await;
            Ok(Slow)
        })
    };
    let on_db = || Policy::default().depends_on(["db"]);
    let tree = calm("app")
        .child(journal.probe("db").restart(Restart::Transient))
        .child(slow("near").policy(on_db()))
        .child(calm("sub").child(slow("far").policy(on_db())))
        .start()
        .await
        .unwrap();
    let app = tree.supervisor("app").unwrap();
    let dependents = ["app/near", "app/sub/far"].map(|path| tree.lookup::<()>(path).unwrap());
    for dependent in &dependents {
        dependent.wait_ready().await.unwrap();
    }
    app.terminate_child("db").await.unwrap();
    for dependent in &dependents {
        dependent.kill().unwrap();
        parked(dependent).await;
        let refusal = dependent.wait_ready().await.unwrap_err().refusal;
        assert!(matches!(refusal, Refusal::Parked { .. }), "what it depends on is gone: {refusal}");
    }
    app.restart_child("db").await.unwrap();
    for dependent in &dependents {
        soon("the dependent", dependent.wait_ready()).await.unwrap();
        assert_eq!(dependent.generation(), 2);
    }
    tree.shutdown().await;
}

// Found by a new user: the log of a tree that ended was full of services that were parked for what stopped before them.
#[tokio::test(start_paused = true)]
async fn nothing_is_parked_for_what_ends_with_its_supervisor() {
    for (is_root, gives_up) in [(true, true), (true, false), (false, true), (false, false)] {
        let (journal, says) = (Journal::new(), Policy::default().readiness(Readiness::WhenSaid));
        let waits = |name: &str| on(&journal, name, Policy::default().depends_on(["db"]));
        // Its end is that of the supervisor, and they wait for it.
        let db = journal.probe("db").policy(says);
        let db = if gives_up { db } else { db.restart(Restart::Temporary).significant() };
        let shop = Supervisor::one_for_one("shop").budget(Intensity::new(0, SEC));
        let shop = shop
            .auto_shutdown(AutoShutdown::AnySignificant)
            .child(db)
            .child(waits("near"))
            .child(calm("sub").child(waits("far")));
        let top = if is_root { shop } else { calm("app").child(shop.restart(Restart::Temporary)) };
        let tree = top.start().await.unwrap();
        let path = if is_root { "shop" } else { "app/shop" };
        let (mut events, directory) = (tree.events(), tree.directory());
        let far = directory.watch(&format!("{path}/sub/far")).unwrap();
        tree.kill(&format!("{path}/db")).unwrap();
        soon("the end of all", until(far, |status| status.state == ServiceState::Gone)).await;
        tree.shutdown().await;
        let mut heard = Vec::new();
        while let Some(Ok(event)) = events.next().await {
            assert!(
                !matches!(event.kind, EventKind::DependencyGone { .. } | EventKind::Parked { .. }),
                "{event} after {heard:?}"
            );
            heard.push(event.to_string());
        }
        assert!(heard.iter().any(|event| event.contains("db")), "{heard:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_its_dependency_one_goes_on_and_one_fails_if_that_is_said() {
    let journal = Journal::new();
    let on_db = |then| Policy::default().depends_on(["db"]).on_dependency_gone(then);
    let fails = on_db(DependencyGone::Fail).on_give_up(GiveUp::park(SEC)).budget(Intensity::new(1, 60 * SEC));
    let tree = calm("app")
        .child(journal.probe("db").restart(Restart::Transient))
        .child(on(&journal, "goes", on_db(DependencyGone::GoOn)))
        .child(on(&journal, "fails", fails.backoff(Backoff::new(100 * MS))))
        .start()
        .await
        .unwrap();
    let app = tree.supervisor("app").unwrap();
    app.terminate_child("db").await.unwrap();
    crash_and_return(&tree, "app/goes", 2).await;
    probe(&tree, "app/fails").kill().unwrap();
    parked(&probe(&tree, "app/fails")).await;
    let why = tree.why("app/fails").await.unwrap();
    assert_eq!(why.phase, Some(ExitKind::StartFailed));
    assert_eq!(why.exit.unwrap().to_string(), "failed: `db`, which it depends on, is gone");
    app.restart_child("db").await.unwrap();
    up(&tree, "app/fails", 2).await;
    tree.shutdown().await;
}

/// Found by reading: without a delay, and with a budget that never ends it, the start failed again each millisecond.
#[tokio::test(start_paused = true)]
async fn one_that_fails_without_its_dependency_and_may_do_so_for_ever_is_not_tried_all_the_time() {
    let journal = Journal::new();
    let fails = Policy::default().depends_on(["db"]).on_dependency_gone(DependencyGone::Fail);
    let tree = Supervisor::one_for_one("app")
        .budget(Intensity::unlimited())
        .child(journal.probe("db").restart(Restart::Transient))
        .child(on(&journal, "fails", fails))
        .start();
    let tree = tree.await.unwrap();
    let app = tree.supervisor("app").unwrap();
    app.terminate_child("db").await.unwrap();
    let mut events = tree.events();
    probe(&tree, "app/fails").kill().unwrap();
    sleep(SEC).await;
    let mut starts = 0;
    while let Some(event) = events.try_next() {
        starts += u32::from(matches!(event.unwrap().kind, EventKind::DependencyGone { .. }));
    }
    assert!((5..=12).contains(&starts), "{starts} starts failed within a second");
    app.restart_child("db").await.unwrap();
    up(&tree, "app/fails", 2).await;
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn dependents_of_what_is_parked_are_parked_as_long_near_and_far() {
    let journal = Journal::new();
    let parks = Policy::default().budget(Intensity::new(0, SEC)).on_give_up(GiveUp::park(10 * SEC));
    let tree = calm("app")
        .child(on(&journal, "db", parks))
        .child(on(&journal, "near", Policy::default().depends_on(["db"]).on_dependency_gone(DependencyGone::Fail)))
        .child(calm("sub").child(on(&journal, "far", Policy::default().depends_on(["db"]))))
        .start()
        .await
        .unwrap();
    probe(&tree, "app/db").kill().unwrap();
    let parked = |state| matches!(state, ServiceState::Parked { .. });
    let until_parked = |path| until(probe(&tree, path).watch(), move |status| parked(status.state));
    let db = until_parked("app/db").await.state;
    for path in ["app/near", "app/sub/far"] {
        probe(&tree, path).kill().unwrap();
        assert_eq!(until_parked(path).await.state, db, "{path} is refused until the same moment");
    }
    for path in ["app/db", "app/near", "app/sub/far"] {
        up(&tree, path, 2).await;
    }
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_order_that_would_wait_for_the_dead_is_refused() {
    let journal = Journal::new();
    let tree = calm("app").child(journal.probe("db")).start().await.unwrap();
    let app = tree.supervisor("app").unwrap();
    app.terminate_child("db").await.unwrap();
    let web = || on(&journal, "web", Policy::default().depends_on(["db"]));
    let error = app.start_child(web()).await.unwrap_err();
    assert_eq!(error.to_string(), "`app/web` did not start: failed: `db`, which it depends on, is gone");
    assert!(matches!(error, StartChildError::Failed { .. }) && tree.lookup::<ProbeMsg>("app/web").is_err());
    app.restart_child("db").await.unwrap();
    app.start_child(web()).await.unwrap();
    // One that rests takes messages again while it waits.
    app.terminate_child("web").await.unwrap();
    probe(&tree, "app/db").kill().unwrap();
    tree.shutdown().await;
}

// Found by the case dependency_circle_at_run_time: the circle was accepted, and none of its members ever came back.
#[tokio::test(start_paused = true)]
async fn a_circle_is_refused_whatever_would_close_it() {
    let journal = Journal::new();
    let on_path = |name: &str, path: &str| on(&journal, name, Policy::default().depends_on([path]));
    let is_circle =
        |error: StartChildError| matches!(error, StartChildError::Refused(StartError::DependencyCycle { .. }));
    let tree = calm("app")
        .child(journal.probe("a"))
        .child(on_path("b", "a"))
        .child(calm("sub").child(journal.probe("c")).child(on_path("d", "/app/b")))
        .child(DynamicSupervisor::new("pool"))
        .start()
        .await
        .unwrap();
    let app = tree.supervisor("app").unwrap();
    app.terminate_child("a").await.unwrap();
    app.delete_child("a").await.unwrap();
    // A start, through two supervisors.
    assert!(is_circle(app.start_child(on_path("a", "/app/sub/d")).await.unwrap_err()));
    assert!(is_circle(app.start_child(on_path("a", "b")).await.unwrap_err()));
    // A subtree.
    let around = calm("a").child(on_path("x", "/app/a"));
    app.start_child(around).await.unwrap();
    app.terminate_child("a").await.unwrap();
    app.delete_child("a").await.unwrap();
    // New descriptions: nothing of them is in force.
    let sub = tree.supervisor("app/sub").unwrap();
    let circle = sub.reconfigure(calm("sub").child(on_path("c", "d")).child(on_path("d", "c"))).await.unwrap_err();
    assert!(matches!(circle, ReconfigureError::Refused(StartError::DependencyCycle { .. })), "{circle}");
    // A pool, and what was refused left nothing behind.
    app.start_child(journal.probe("a")).await.unwrap();
    let pool = tree.dynamic("app/pool").unwrap();
    pool.start_child(on_path("e", "/app/sub/d")).await.unwrap();
    app.start_child(on_path("g", "/app/pool/e")).await.unwrap();
    tree.shutdown().await;
}

// Found by the case dependency_watch_leak: for each name a task stayed.
#[tokio::test]
async fn what_is_watched_for_children_that_are_gone_is_watched_no_more() {
    let journal = Journal::new();
    let tree = calm("app")
        .child(DynamicSupervisor::new("conns"))
        .child(DynamicSupervisor::new("sessions"))
        .start()
        .await
        .unwrap();
    let (conns, sessions) = (tree.dynamic("app/conns").unwrap(), tree.dynamic("app/sessions").unwrap());
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut before = None;
    for round in 0..50 {
        let name = round.to_string();
        conns.start_child(journal.probe(&name)).await.unwrap();
        let policy = Policy::default().depends_on([Dependency::ready(format!("/app/conns/{name}"))]);
        sessions.start_child(on(&journal, &name, policy)).await.unwrap();
        sessions.terminate_child(&name).await.unwrap();
        conns.terminate_child(&name).await.unwrap();
        tokio::task::yield_now().await;
        before.get_or_insert_with(tasks);
    }
    assert!(tasks() <= before.unwrap() + 5, "{} tasks, and {before:?} after the first round", tasks());
    tree.shutdown().await;
}

// Found by mutants: only a child that is gone was known to let go of what it depended on.
#[tokio::test]
async fn what_a_reconfigured_child_depends_on_no_more_is_watched_no_more() {
    let journal = Journal::new();
    let sub = |policy| calm("sub").child(on(&journal, "b", policy));
    let needs = Policy::default().depends_on(["/app/a"]);
    let tree = calm("app").child(journal.probe("a")).child(sub(needs)).start().await.unwrap();
    assert_eq!(tables(&tree).await["dependency_watch: children"], 1);
    tree.supervisor("app/sub").unwrap().reconfigure(sub(Policy::default())).await.unwrap();
    assert_eq!(tables(&tree).await["dependency_watch: children"], 0);
    assert_eq!(tables(&tree).await["dependency_watch: watched"], 0);
    tree.shutdown().await;
}

// Found by mutants: any start that said so counted as done.
#[tokio::test(start_paused = true)]
async fn a_start_that_is_ordered_to_stop_and_then_says_that_it_is_not_wanted_is_not_done() {
    let (journal, is_over) = (Journal::new(), Arc::new(AtomicBool::new(false)));
    let tree = calm("app").child(calm("sub")).start().await.unwrap();
    let (app, sub) = (tree.supervisor("app").unwrap(), tree.supervisor("app/sub").unwrap());
    let seen = is_over.clone();
    let starting = Child::service_with("job", seen, |is_over, _: Context<Probe>| async move {
        // It is looked at anew with the order to stop.
        std::future::poll_fn(|_| if is_over.load(SeqCst) { Poll::Ready(()) } else { Poll::Pending }).await;
        Err(Ignore.into())
    });
    let start = tokio::spawn({
        let app = app.clone();
        async move { app.start_child(starting).await.map(drop) }
    });
    sleep(SEC).await;
    let after = on(&journal, "after", Policy::default().depends_on_completed(["/app/job"]));
    let waits = tokio::spawn(async move { sub.start_child(after).await.map(drop) });
    sleep(SEC).await;
    is_over.store(true, SeqCst);
    app.terminate_child("job").await.unwrap();
    sleep(60 * SEC).await;
    assert_eq!(journal.lines(), [""; 0]);
    drop((start, waits));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_is_over_when_all_are_up_whose_rules_let_them_be_tried_again_and_an_order_is_not_tried_again() {
    let journal = Journal::new();
    let rule = || {
        Policy::default()
            .rule(ExitRule::new(RuleAction::Restart).on(ExitKind::StartFailed))
            .backoff(Backoff::new(100 * MS))
    };
    struct Flaky;
    impl Service for Flaky {
        type Msg = ();
        async fn handle(&mut self, (): (), _: &mut Context<Self>) -> anyhow::Result<()> {
            Ok(())
        }
    }
    let flaky = |name: &str, fails: u32| {
        let tries = Arc::new(AtomicU32::new(0));
        Child::service(name, move |_| {
            let has_failed = tries.fetch_add(1, SeqCst) < fails;
            async move { if has_failed { anyhow::bail!("no") } else { Ok(Flaky) } }
        })
        .policy(rule())
    };
    let tree = calm("app").child(calm("sub").child(flaky("a", 2))).child(journal.probe("b")).start().await.unwrap();
    assert_eq!(tree.directory().status("app/sub/a").unwrap().state, ServiceState::Up);
    // OTP rule 60.
    let error = tree.supervisor("app").unwrap().start_child(flaky("c", 1)).await.unwrap_err();
    assert!(matches!(error, StartChildError::Failed { .. }));
    tree.shutdown().await;
    let budget = Supervisor::one_for_one("app").intensity(3, 60 * SEC).child(flaky("a", u32::MAX));
    let error = budget.start().await.unwrap_err();
    assert_eq!(error.to_string(), "`app` did not start: child `a` failed to start: failed: no");
}

// A promise that held: no test had a context of a life that is over.
#[tokio::test]
async fn a_life_that_is_over_cannot_say_that_the_next_one_is_ready() {
    let lives = Arc::new(Mutex::new(Vec::new()));
    let seen = lives.clone();
    let child = Child::service("a", move |ctx: Context<Inert>| {
        seen.lock().unwrap().push(ctx);
        async { Ok(Inert) }
    });
    let child = child.policy(Policy::default().readiness(Readiness::WhenSaid));
    let tree = calm("app").child(child).start().await.unwrap();
    tree.kill("app/a").unwrap();
    up(&tree, "app/a", 2).await;
    let a = tree.lookup::<()>("app/a").unwrap();
    let is_ready = || a.status().ready;
    let lives = std::mem::take(&mut *lives.lock().unwrap());
    lives[0].ready();
    assert!(!is_ready());
    lives[1].ready();
    assert!(is_ready());
    tree.shutdown().await;
}
