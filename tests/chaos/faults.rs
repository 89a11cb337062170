//! Every fault does what its name says, once it is healed nothing of it is left, and the books balance all the while.

use std::time::Duration;

use crate::common::tree::{MS, SEC, probe};
use regrow::chaos::{
    Chaos, Experiment, ExperimentError, ExperimentReport, Fault, Scope, Script, ScriptStep, SimulatedTree, Simulation,
    Times, Trigger, When,
};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{Intensity, Restart, Shutdown, Supervisor, Tree};

async fn tree(seed: u64) -> Tree {
    let journal = Journal::new();
    Supervisor::one_for_one("app")
        .seed(seed)
        .budget(Intensity::unlimited())
        .child(journal.probe("a").shutdown(Shutdown::After(SEC)))
        .child(journal.probe("b"))
        .child(
            Supervisor::one_for_all("sub")
                .budget(Intensity::unlimited())
                .child(journal.probe("c"))
                .child(journal.probe("d")),
        )
        .start()
        .await
        .unwrap()
}

fn experiment() -> Experiment {
    Experiment::new("a test").target("**").fault(Fault::Kill, "app/a", When::At(vec![SEC]))
}

/// Plays lines on the tree, with a client that sends a note to `a` each 100 ms.
fn play(lines: Vec<ScriptStep>) -> ExperimentReport {
    let simulation = Simulation::new(|seed| async move {
        let tree = tree(seed).await;
        let a = probe(&tree, "app/a");
        tokio::spawn(async move {
            for number in 0.. {
                tokio::time::sleep(100 * MS).await;
                let _ = a.cast(ProbeMsg::Note(number));
            }
        });
        Ok(SimulatedTree::new(tree, experiment()))
    });
    let report = simulation.replay(1, Script { lines }).unwrap();
    assert!(report.passed(), "{:#?}", report.verdicts);
    report
}

fn exits(report: &ExperimentReport, path: &str) -> Vec<String> {
    let service = report.services.iter().find(|service| service.path == path).unwrap();
    service.lives.iter().filter_map(|life| life.exit.clone()).collect()
}

fn line(fault: Fault) -> ScriptStep {
    ScriptStep::new(SEC, fault, &["app/a"])
}

#[test]
fn blows_end_the_incarnation_in_their_own_way() {
    assert_eq!(exits(&play(vec![line(Fault::Kill)]), "app/a"), ["killed"]);
    let panicked = exits(&play(vec![line(Fault::Panic)]), "app/a");
    assert!(panicked.len() == 1 && panicked[0].starts_with("panicked: a panic that chaos injected"), "{panicked:?}");
    assert_eq!(exits(&play(vec![line(Fault::Error)]), "app/a"), ["failed: an error that chaos injected"]);
    let together = play(vec![ScriptStep::new(SEC, Fault::KillTogether(2), &["app/a", "app/b"])]);
    assert_eq!((exits(&together, "app/a"), exits(&together, "app/b")), (vec!["killed".into()], vec!["killed".into()]));
    let subtree = play(vec![ScriptStep::new(SEC, Fault::Kill, &["app/sub"])]);
    assert_eq!((exits(&subtree, "app/sub/c"), exits(&subtree, "app/sub").len()), (vec!["killed".into()], 1));
    let [fault] = &together.faults[..] else { panic!() };
    assert!(fault.detected_after == Some(0.0) && fault.recovered_after.is_some(), "{fault:?}");
}

#[test]
fn starts_fail_as_often_as_they_shall() {
    let report = play(vec![line(Fault::StartError(Times::Count(3))), line(Fault::Kill)]);
    let failed = report.log.iter().filter(|line| line.what.contains("failed to start")).count();
    assert_eq!((failed, exits(&report, "app/a").len()), (3, 1));
    let report = play(vec![
        line(Fault::StartPanic(Times::Always)).lasting(SEC),
        line(Fault::SlowStart(300 * MS)),
        line(Fault::Kill),
    ]);
    let failed = report.log.iter().filter(|line| line.what.contains("failed to start: panicked")).count();
    assert_eq!(failed, 3, "at 1.3, 1.6 and 1.9 s, and then it is healed");
}

#[test]
fn a_hang_holds_the_mailbox_until_somebody_kills_it() {
    let report = play(vec![line(Fault::Hang), ScriptStep::new(3 * SEC, Fault::Kill, &["app/a"])]);
    let a = report.services.iter().find(|service| service.path == "app/a").unwrap();
    assert_eq!((a.messages.crashed, exits(&report, "app/a")), (1, vec!["killed".into()]));
    assert!(a.messages.handled > 90, "{:?}", a.messages);
}

#[test]
fn mail_is_held_delayed_dropped_and_reordered_and_the_law_holds() {
    let held = play(vec![line(Fault::Hold).lasting(2 * SEC)]);
    let a = &held.services.iter().find(|service| service.path == "app/a").unwrap().messages;
    assert!(a.handled >= 99 && a.dead_lettered == 0, "{a:?}");
    let dropped = play(vec![line(Fault::Drop(1.0)).lasting(2 * SEC)]);
    let a = &dropped.services.iter().find(|service| service.path == "app/a").unwrap().messages;
    assert!((19..=21).contains(&a.dead_lettered), "{a:?}");
    for fault in [Fault::Delay(50 * MS), Fault::Slow(150 * MS), Fault::Reorder(0.5), Fault::Drop(0.3)] {
        let report = play(vec![line(fault.clone()).lasting(2 * SEC)]);
        assert_eq!(exits(&report, "app/a"), [""; 0], "{fault}");
    }
    let full = play(vec![line(Fault::MailboxFull).lasting(2 * SEC)]);
    let a = &full.services.iter().find(|service| service.path == "app/a").unwrap().messages;
    assert!((79..=81).contains(&a.accepted), "{a:?}");
}

/// Found with an order service: a mailbox that was full for one second refused every call, and the process was over.
#[tokio::test(start_paused = true)]
async fn calls_and_sends_wait_while_a_mailbox_is_made_full_and_go_on_in_order_when_it_is_healed() {
    let tree = tree(1).await;
    let (chaos, a) = (Chaos::new(&tree), probe(&tree, "app/a"));
    let full = Experiment::new("full").target("**").lasting(Fault::MailboxFull, "app/a", When::At(vec![MS]), SEC);
    let traffic = async {
        while a.try_call(ProbeMsg::Generation).await.is_ok() {
            tokio::time::sleep(MS).await;
        }
        assert_eq!(a.cast(ProbeMsg::Note(0)).unwrap_err().refusal(), regrow::Refusal::Full);
        let senders = (1..=5).map(|number| {
            let a = a.clone();
            tokio::spawn(async move { a.send(ProbeMsg::Note(number)).await })
        });
        let senders: Vec<_> = senders.collect();
        tokio::task::yield_now().await;
        assert_eq!(a.call(ProbeMsg::Noted).await.unwrap(), [1, 2, 3, 4, 5]);
        for sender in senders {
            sender.await.unwrap().unwrap();
        }
    };
    let (report, ()) = tokio::join!(chaos.run(full), traffic);
    report.unwrap();
    tree.shutdown().await;
}

// Only messages that can be copied can come twice.
#[test]
fn messages_come_twice_where_they_can_be_copied() {
    #[derive(Default)]
    struct Sum(std::sync::Arc<std::sync::atomic::AtomicU64>);
    impl regrow::Service for Sum {
        type Msg = u64;
        async fn handle(&mut self, number: u64, _: &mut regrow::Context<Self>) -> anyhow::Result<()> {
            self.0.fetch_add(number, std::sync::atomic::Ordering::SeqCst);
            Ok(())
        }
    }
    let sum: std::sync::Arc<std::sync::atomic::AtomicU64> = Default::default();
    let seen = sum.clone();
    let simulation = Simulation::new(move |_| {
        let sum = sum.clone();
        async move {
            let a = regrow::Child::service_with("a", sum, |sum, _| async { Ok(Sum(sum)) }).redeliver(1);
            let app = Supervisor::one_for_one("app").budget(Intensity::unlimited());
            let tree = app.child(a).child(Journal::new().probe("b")).start().await?;
            let a = tree.lookup::<u64>("app/a")?;
            tokio::spawn(async move {
                for _ in 0..50 {
                    tokio::time::sleep(100 * MS).await;
                    let _ = a.cast(1);
                }
            });
            Ok(SimulatedTree::new(tree, experiment()))
        }
    });
    let twice = |path| ScriptStep::new(2 * SEC + MS, Fault::Duplicate(1.0), &[path]).lasting(SEC);
    let report = simulation.replay(1, Script { lines: vec![twice("app/a"), twice("app/b")] }).unwrap();
    assert!(report.passed(), "{:#?}", report.verdicts);
    assert_eq!(seen.load(std::sync::atomic::Ordering::SeqCst), 60, "fifty, and ten of them twice");
    let missed: Vec<_> = report.faults.iter().map(|fault| fault.missed.as_deref()).collect();
    assert_eq!(missed, [None, Some("its messages cannot be copied")]);
}

#[test]
fn a_flapping_service_dies_again_and_again_until_it_is_healed() {
    let report = play(vec![line(Fault::Flap(500 * MS)).lasting(3 * SEC)]);
    assert_eq!(exits(&report, "app/a"), ["killed"; 5]);
}

#[test]
fn one_that_refuses_to_stop_or_does_not_yield_is_killed_later() {
    // The subtree's restart asks `c` to stop.
    let sub = |fault| ScriptStep::new(SEC, fault, &["app/sub/c"]);
    let report = play(vec![sub(Fault::RefuseStop), ScriptStep::new(2 * SEC, Fault::Kill, &["app/sub/d"])]);
    assert_eq!(exits(&report, "app/sub/c"), ["killed"]);
    let report = play(vec![line(Fault::Block(3 * SEC)), ScriptStep::new(2 * SEC, Fault::Kill, &["app/a"])]);
    let a = report.services.iter().find(|service| service.path == "app/a").unwrap();
    let end = a.lives[0].to.unwrap();
    assert!((4.0..4.3).contains(&end), "killed at 2 s, it ends when it yields: {end}");
}

#[test]
fn a_fault_can_follow_an_event_and_strike_during_a_restart() {
    let lines = vec![
        line(Fault::SlowStart(SEC)),
        ScriptStep::new(SEC, Fault::Kill, &["app/a"]),
        ScriptStep::after(Trigger::Exited, Scope::path("app/a"), 100 * MS, Fault::Kill, &["app/b"]),
        ScriptStep::after(Trigger::Exited, Scope::path("app/b"), 100 * MS, Fault::Kill, &["app/a"]),
    ];
    let report = play(lines);
    assert!(!exits(&report, "app/b").is_empty(), "while its sibling was starting");
    assert!(
        report.log.iter().any(|line| line.what.starts_with("app/a#1 failed to start: killed")),
        "{:#?}",
        report.log
    );
}

#[test]
fn the_clock_jumps_in_virtual_time() {
    let report = play(vec![ScriptStep::new(SEC, Fault::ClockJump(Duration::from_secs(5)), &[])]);
    assert!(report.log.iter().any(|line| line.what.starts_with("fault 0: clock_jump 5s")));
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused_and_nothing_is_left_armed() {
    let tree = tree(1).await;
    let chaos = Chaos::new(&tree);
    let refused = async |experiment: Experiment| chaos.run(experiment).await.unwrap_err().to_string();
    let new = || Experiment::new("x").target("**");
    let every = |time| When::Every(time);
    assert!(
        refused(Experiment::new("x").fault(Fault::Kill, "**", every(SEC)))
            .await
            .starts_with("the experiment has no targets")
    );
    assert!(refused(new()).await.contains("no faults"));
    let nobody = Experiment::new("x").target("shop/**").fault(Fault::Kill, "**", every(SEC));
    assert!(refused(nobody).await.starts_with("no child of this tree matches the targets"));
    assert!(
        refused(new().fault(Fault::Kill, "app/z", every(SEC))).await.starts_with("`kill` can hit none of the targets")
    );
    assert!(refused(new().fault(Fault::Panic, "app/sub", every(SEC))).await.contains("`panic` can hit none"));
    assert!(refused(new().fault(Fault::Kill, "**", every(11 * SEC))).await.contains("after the end"));
    assert!(refused(new().fault(Fault::Kill, "**", When::Rate(f64::NAN))).await.contains("rate"));
    assert!(refused(new().fault(Fault::Drop(1.5), "**", every(SEC))).await.contains("not between 0 and 1"));
    assert!(
        refused(new().lasting(Fault::Kill, "**", every(SEC), SEC))
            .await
            .contains("is instantaneous and cannot last: remove `lasts`")
    );
    assert!(refused(new().fault(Fault::ClockJump(SEC), "**", every(SEC))).await.contains("live tree cannot jump"));

    // Arming twice; and a run that is dropped half way leaves nothing behind.
    let long =
        || new().fault(Fault::Hold, "app/a", When::At(vec![MS])).fault(Fault::MailboxFull, "app/b", When::At(vec![MS]));
    let mut first = Box::pin(chaos.run(long()));
    assert!(tokio::time::timeout(SEC, &mut first).await.is_err());
    let second = chaos.run(long()).await.unwrap_err();
    assert!(matches!(second, ExperimentError::AlreadyArmed { .. }));
    let (a, b) = (probe(&tree, "app/a"), probe(&tree, "app/b"));
    a.cast(ProbeMsg::Note(1)).unwrap();
    assert_eq!(b.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), regrow::Refusal::Full);
    tokio::time::sleep(SEC).await;
    assert_eq!(a.accounting().queued, 1);
    drop(first);
    assert_eq!(a.call(ProbeMsg::Noted).await.unwrap(), [1]);
    b.cast(ProbeMsg::Note(1)).unwrap();
    tree.shutdown().await;
    let over = chaos.run(long()).await.unwrap_err();
    assert!(matches!(over, ExperimentError::Over { .. }), "{over}");
}

#[tokio::test(start_paused = true)]
async fn claims_that_do_not_hold_are_told_with_evidence() {
    let tree = tree(1).await;
    let report = Chaos::new(&tree)
        .run(
            experiment()
                .lasting(Fault::StartError(Times::Always), "app/a", When::At(vec![MS]), 5 * SEC)
                .probe("two and two are four", || async { Ok(()) })
                .probe("nothing fails", || async { anyhow::bail!("something did") })
                .probe("no probe panics", || async { panic!("boom") })
                .probe("probes answer", std::future::pending)
                .availability(0.99)
                .restarts_max(0),
        )
        .await
        .unwrap();
    assert!(!report.passed());
    let broken: Vec<_> =
        report.verdicts.iter().filter(|verdict| !verdict.held).map(|verdict| &*verdict.hypothesis).collect();
    assert_eq!(broken, ["nothing fails", "no probe panics", "probes answer"]);
    assert_eq!(report.stopped.as_deref(), Some("before any fault this claim did not hold: nothing fails"));
    let evidence = |claim| report.verdicts.iter().find(|verdict| verdict.hypothesis == claim).unwrap().evidence.clone();
    assert_eq!(evidence("no probe panics").as_deref(), Some("it panicked: boom"));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_tree_that_never_becomes_steady_again_fails_and_says_so() {
    let journal = Journal::new();
    let broken = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_broken = broken.clone();
    let never = regrow::Child::service("a", move |_| {
        let is_broken = is_broken.swap(true, std::sync::atomic::Ordering::SeqCst);
        async move { if is_broken { std::future::pending().await } else { Ok(Idle) } }
    });
    struct Idle;
    impl regrow::Service for Idle {
        type Msg = ();
        async fn handle(&mut self, (): (), _: &mut regrow::Context<Self>) -> anyhow::Result<()> {
            Ok(())
        }
    }
    let tree = Supervisor::one_for_one("app")
        .child(never)
        .child(journal.probe("b").restart(Restart::Transient))
        .start()
        .await
        .unwrap();
    let report = Chaos::new(&tree).run(experiment().stabilise_within(7 * SEC)).await.unwrap();
    assert_eq!(report.stopped.as_deref(), Some("the tree was not steady 7 s after the last fault"));
    assert_eq!(report.stabilised_after, None);
    assert!(report.verdicts.iter().any(|verdict| verdict.evidence.as_deref() == Some("app/a is starting")));
    tree.shutdown().await;
}
