//! Experiments leave nothing behind, and their books are right: what a second look at them found.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use crate::common::tree::{MS, SEC, probe};
use regrow::chaos::{Chaos, Experiment, Fault, Script, ScriptStep, SimulatedTree, Simulation, When};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{Backoff, Child, DynamicSupervisor, Intensity, Policy, ServiceState, Supervisor};
use tokio::sync::Notify;

fn experiment() -> Experiment {
    Experiment::new("a test").target("**").fault(Fault::Kill, "app/a", When::At(vec![SEC]))
}

/// When the first life of `a` ends, who is sent a message after three seconds that makes it panic.
fn end_of_the_life_that_takes_a_message(lines: Vec<ScriptStep>) -> f64 {
    let simulation = Simulation::new(|seed| async move {
        let tree = Supervisor::one_for_one("app").seed(seed).child(Journal::new().probe("a")).start().await?;
        let a = probe(&tree, "app/a");
        tokio::spawn(async move {
            tokio::time::sleep(3 * SEC).await;
            let _ = a.cast(ProbeMsg::Panic("it took a message"));
        });
        Ok(SimulatedTree::new(tree, experiment()))
    });
    let report = simulation.replay(1, Script { lines }).unwrap();
    let a = report.services.iter().find(|service| service.path == "app/a").unwrap();
    a.lives[0].to.unwrap()
}

// Two that make one mailbox full at once: the second must not take the first's zero for what was there before.
#[tokio::test(start_paused = true)]
async fn a_mailbox_that_is_made_full_twice_is_as_before_afterwards() {
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await.unwrap();
    let lines = vec![
        ScriptStep::new(SEC, Fault::MailboxFull, &["app/a"]).lasting(2 * SEC),
        ScriptStep::new(2 * SEC, Fault::MailboxFull, &["app/a"]).lasting(2 * SEC),
    ];
    Chaos::new(&tree).play(&experiment(), Script { lines }).await.unwrap();
    let a = probe(&tree, "app/a");
    assert!(a.cast(ProbeMsg::Note(1)).is_ok(), "the experiment is over, and the mailbox is full for ever");
    tree.shutdown().await;
}

// Policies can be applied while an experiment has made a mailbox full.
#[tokio::test(start_paused = true)]
async fn policies_can_be_applied_during_an_experiment() {
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await.unwrap();
    let lines = vec![ScriptStep::new(SEC, Fault::MailboxFull, &["app/a"]).lasting(4 * SEC)];
    let policies = regrow::policy::Policies::parse("[defaults]\nmailbox = { capacity = 77 }\n", "it").unwrap();
    let apply = async {
        tokio::time::sleep(2 * SEC).await;
        tree.apply(&policies).await
    };
    let (chaos, experiment) = (Chaos::new(&tree), experiment());
    let (_, applied) = tokio::join!(chaos.play(&experiment, Script { lines }), apply);
    println!("{}", applied.unwrap());
    let again = tree.apply(&policies).await.unwrap();
    assert!(again.is_empty(), "healing undid it: {again}");
    tree.shutdown().await;
}

// A service that is gone and comes again under its name has books that begin anew.
#[tokio::test(start_paused = true)]
async fn a_service_that_comes_again_under_its_name_has_books_of_its_own() {
    let journal = Journal::new();
    let pool = DynamicSupervisor::new("pool").budget(Intensity::unlimited());
    let tree = Supervisor::one_for_one("app").child(pool).child(journal.probe("b")).start().await.unwrap();
    let pool = tree.dynamic("app/pool").unwrap();
    pool.start_child(journal.probe("w")).await.unwrap();
    for n in 0..10 {
        probe(&tree, "app/pool/w").cast(ProbeMsg::Note(n)).unwrap();
    }
    tokio::time::sleep(SEC).await;
    let again = async {
        tokio::time::sleep(2 * SEC).await;
        pool.terminate_child("app/pool/w").await.or(pool.terminate_child("w").await).unwrap();
        pool.start_child(journal.probe("w")).await.unwrap();
        probe(&tree, "app/pool/w").cast(ProbeMsg::Note(1)).unwrap();
    };
    let other = Experiment::new("t").target("**").fault(Fault::Kill, "app/b", When::At(vec![SEC]));
    let chaos = Chaos::new(&tree);
    let (report, ()) = tokio::join!(chaos.run(other), again);
    let report = report.unwrap();
    let w = report.services.iter().find(|service| service.path == "app/pool/w").unwrap();
    assert_eq!((w.messages.accepted, w.messages.handled), (1, 1), "{w:?}");
    tree.shutdown().await;
}

// A claim that breaks stops the experiment, and not the next fault.
#[test]
fn it_stops_as_soon_as_a_claim_is_broken() {
    let simulation = Simulation::new(|seed| async move {
        let tree = Supervisor::one_for_one("app").seed(seed).child(Journal::new().probe("a")).start().await?;
        let began = tokio::time::Instant::now();
        let experiment = Experiment::new("t")
            .target("**")
            .duration(60 * SEC)
            .fault(Fault::Kill, "app/a", When::At(vec![50 * SEC]))
            .probe("three seconds", move || async move {
                anyhow::ensure!(began.elapsed() < 3 * SEC, "over");
                Ok(())
            })
            .stop_when_broken();
        Ok(SimulatedTree::new(tree, experiment))
    });
    let report = simulation.run(1).unwrap();
    assert!(report.faults.is_empty(), "a fault was injected 47 s after the claim was broken");
}

// Mail is held, also of a service that something else ailed before.
#[test]
fn mail_is_held_though_it_is_slow_already() {
    let lines = vec![
        ScriptStep::new(SEC, Fault::Slow(MS), &["app/a"]).lasting(4 * SEC),
        ScriptStep::new(2 * SEC, Fault::Hold, &["app/a"]).lasting(2 * SEC),
    ];
    let end = end_of_the_life_that_takes_a_message(lines);
    assert!(end >= 4.0, "it took the message at {end} s, while its mail was held");
}

// Nothing that overflows the clock, fills the memory or does nothing is carried out.
#[test]
fn times_that_no_run_can_have_are_refused() {
    let of = |fault| experiment().fault(fault, "app/a", When::Every(SEC)).check().unwrap_err().to_string();
    assert_eq!(of(Fault::Flap(Duration::ZERO)), "`flap 0ns` can never strike: its time is zero");
    assert_eq!(of(Fault::Slow(Duration::MAX)), "a time of a fault is longer than a year");
    assert!(experiment().duration(Duration::MAX).check().is_err());
    assert!(experiment().stabilise_within(Duration::MAX).check().is_err());
    assert!(experiment().lasting(Fault::Hold, "app/a", When::Every(SEC), Duration::MAX).check().is_err());
    let many = experiment().fault(Fault::Kill, "app/a", When::Every(Duration::from_nanos(1))).check();
    assert!(many.unwrap_err().to_string().contains("more than a million times"));
}

// A name may look like two.
#[tokio::test(start_paused = true)]
async fn a_name_with_a_comma_is_one_name() {
    let app = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    let tree = app.child(Journal::new().probe("a, b")).start().await.unwrap();
    let lines = vec![ScriptStep::new(SEC, Fault::Kill, &["app/a, b"])];
    let report = Chaos::new(&tree).play(&experiment(), Script { lines }).await.unwrap();
    let [fault] = &report.faults[..] else { panic!("{:?}", report.faults) };
    assert!(fault.targets == ["app/a, b"] && fault.recovered_after.is_some(), "{fault:?}");
    tree.shutdown().await;
}

// The first of several that is up again is not all of them.
#[tokio::test(start_paused = true)]
async fn a_fault_has_been_recovered_from_when_all_that_it_hit_are_up() {
    let late = Policy::default().backoff(Backoff::new(3 * SEC));
    let journal = Journal::new();
    let app = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    let tree = app.child(journal.probe("a")).child(journal.probe("b").policy(late)).start().await.unwrap();
    let lines = vec![ScriptStep::new(SEC, Fault::KillTogether(2), &["app/a", "app/b"])];
    let report = Chaos::new(&tree).play(&experiment(), Script { lines }).await.unwrap();
    let [fault] = &report.faults[..] else { panic!("{:?}", report.faults) };
    assert!(fault.recovered_after.is_some_and(|after| after >= 3.0), "{fault:?}");
    assert!(fault.siblings_touched.is_empty(), "{fault:?}");
    tree.shutdown().await;
}

// A slow probe does not outlive a run whose future was dropped.
#[tokio::test(start_paused = true)]
async fn a_probe_that_is_being_asked_ends_with_the_run() {
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await.unwrap();
    let (alive, seen) = (Arc::new(()), Arc::new(Notify::new()));
    let (held, bell) = (alive.clone(), seen.clone());
    let experiment = experiment().probe("a slow one", move || {
        let (held, bell) = (held.clone(), bell.clone());
        async move {
            bell.notify_one();
            std::future::pending::<()>().await;
            drop(held);
            Ok(())
        }
    });
    let chaos = Chaos::new(&tree);
    tokio::select! {
        biased;
        () = seen.notified() => {}
        report = chaos.run(experiment) => panic!("{report:?}"),
    }
    // What was aborted is dropped when its turn comes.
    tokio::time::sleep(MS).await;
    assert_eq!(Arc::strong_count(&alive), 1, "the probe lives on");
    tree.shutdown().await;
}

// Mail that is being delayed when it comes to be held is held.
#[test]
fn mail_is_held_though_it_is_being_delayed() {
    let lines = vec![
        ScriptStep::new(SEC, Fault::Delay(2 * SEC), &["app/a"]).lasting(8 * SEC),
        ScriptStep::new(4 * SEC, Fault::Hold, &["app/a"]).lasting(4 * SEC),
    ];
    let end = end_of_the_life_that_takes_a_message(lines);
    assert!((8.0..9.0).contains(&end), "it took the message at {end} s, and its mail was held until 8");
}

// What callers saw is in the report, although no test code recorded it.
#[tokio::test(start_paused = true)]
async fn a_report_counts_calls_by_what_became_of_them() {
    let app = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    let tree = app.child(Journal::new().probe("a")).start().await.unwrap();
    let a = probe(&tree, "app/a");
    let calls = async {
        tokio::time::sleep(500 * MS).await;
        a.call(ProbeMsg::Noted).await.unwrap();
        tokio::time::sleep(SEC).await;
        a.call(ProbeMsg::Noted).await.unwrap_err();
        tokio::time::sleep(SEC).await;
        a.call_within(100 * MS, ProbeMsg::Noted).await.unwrap_err();
    };
    let lines = vec![
        ScriptStep::new(SEC, Fault::Panic, &["app/a"]),
        ScriptStep::new(2 * SEC, Fault::Hold, &["app/a"]).lasting(2 * SEC),
    ];
    let (chaos, experiment) = (Chaos::new(&tree), experiment());
    let (report, ()) = tokio::join!(chaos.play(&experiment, Script { lines }), calls);
    let report = report.unwrap();
    assert_eq!(
        report.totals.calls,
        [("answered".into(), 1), ("crashed".into(), 1), ("timed out".into(), 1)],
        "{report}"
    );
    tree.shutdown().await;
}

// The user's own undo runs when the faults are over, and also when the run's future was dropped.
#[tokio::test(start_paused = true)]
async fn rollbacks_run_once_however_the_run_ends() {
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await.unwrap();
    let undone = Arc::new(AtomicUsize::new(0));
    let count = undone.clone();
    let experiment = experiment().rollback("the toggle", move || {
        count.fetch_add(1, SeqCst);
        async { Ok(()) }
    });
    let failing = experiment.clone().rollback("the other", || async { anyhow::bail!("nothing to undo") });
    let report = Chaos::new(&tree).run(failing).await.unwrap();
    assert_eq!(undone.load(SeqCst), 1);
    let verdict = report.verdicts.iter().find(|verdict| verdict.hypothesis == "rollback: the other").unwrap();
    assert!(!report.passed() && verdict.evidence.as_deref() == Some("nothing to undo"), "{verdict:?}");

    let dropped = tokio::time::timeout(3 * SEC, Chaos::new(&tree).run(experiment)).await;
    assert!(dropped.is_err());
    tokio::time::sleep(MS).await;
    assert_eq!(undone.load(SeqCst), 2);
    tree.shutdown().await;
}

// Found with the backend of the examples: its migrations are over before it is up, and `orders/**` has them among its targets.
#[tokio::test(start_paused = true)]
async fn a_job_that_was_done_is_no_target_and_a_service_that_was_terminated_is_one() {
    let job = Child::task("migrations", |_| async { Ok(()) });
    let tree = Supervisor::one_for_one("app").child(job).child(Journal::new().probe("a")).start().await.unwrap();
    let mut job = tree.directory().watch("app/migrations").unwrap();
    job.wait_for(|status| status.state == ServiceState::Down).await.unwrap();
    let report = Chaos::new(&tree).run(experiment().duration(2 * SEC)).await.unwrap();
    assert!(report.passed() && report.totals.hit() == 1, "{report}");

    tree.supervisor("app").unwrap().terminate_child("a").await.unwrap();
    let report = Chaos::new(&tree).run(experiment().duration(2 * SEC)).await.unwrap();
    assert!(!report.passed() && report.to_string().contains("app/a is down"), "{report}");
}
