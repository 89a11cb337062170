//! A report says what happened: an end is attributed to a fault only if the fault caused it, and a service that is gone is
//! not left out.

use std::time::Duration;

use crate::common::tree::{MS, SEC, probe};
use regrow::chaos::{
    Chaos, Experiment, ExperimentError, ExperimentReport, FailingSeed, Fault, Script, ScriptStep, SimulatedTree,
    Simulation, SimulationError, Trigger, When,
};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{Backoff, Intensity, Policy, Restart, Supervisor};

fn experiment() -> Experiment {
    Experiment::new("a test").target("app/**").duration(10 * SEC)
}

/// On `a` and `b`, `t` who is not started again, and a group of two; all are sent a note ten times a second.
fn scene(experiment: Experiment) -> Simulation {
    Simulation::new(move |seed| {
        let experiment = experiment.clone();
        async move {
            let journal = Journal::new();
            let late = Policy::default().backoff(Backoff::new(3 * SEC));
            let tree = Supervisor::one_for_one("app")
                .seed(seed)
                .budget(Intensity::unlimited())
                .child(journal.probe("a"))
                .child(journal.probe("b").policy(late))
                .child(journal.probe("t").restart(Restart::Temporary))
                .child(Supervisor::one_for_one("sub").child(journal.probe("c")).child(journal.probe("d")))
                .start()
                .await?;
            for path in ["app/a", "app/b", "app/t", "app/sub/c", "app/sub/d"] {
                let handle = probe(&tree, path);
                tokio::spawn(async move {
                    for number in 0.. {
                        tokio::time::sleep(100 * MS).await;
                        let _ = handle.cast(ProbeMsg::Note(number));
                    }
                });
            }
            Ok(SimulatedTree::new(tree, experiment))
        }
    })
}

fn run(experiment: Experiment) -> ExperimentReport {
    scene(experiment).run(1).unwrap()
}

fn at(second: u32) -> When {
    When::At(vec![second * SEC])
}

// Blows that are over, and victims who do not come back.
#[test]
fn what_is_over_is_not_at_work() {
    for over in [Fault::Block(10 * MS), Fault::ClockJump(10 * MS)] {
        let experiment = experiment().at_once(1).fault(over, "app/a", at(1));
        let report = run(experiment.fault(Fault::Kill, "app/a", When::Every(2 * SEC)));
        assert_eq!((report.totals.missed, report.totals.restarts), (0, 5), "{report}");
    }
    let experiment = experiment().at_once(1).allow_unavailable().fault(Fault::Kill, "app/t", at(1));
    let report = run(experiment.fault(Fault::Kill, "app/a", When::Every(2 * SEC)));
    assert_eq!(report.totals.missed, 0, "{report}");
}

#[test]
fn what_lasts_is_at_work_until_it_is_healed_and_ends_nobody() {
    let experiment = experiment()
        .at_once(2)
        .fault(Fault::Slow(MS), "app/a", at(1))
        .fault(Fault::Kill, "app/a", at(2))
        .fault(Fault::Hold, "app/a", at(3))
        .fault(Fault::Drop(0.1), "app/a", at(4));
    let report = run(experiment);
    let [slow, kill, hold, drop] = &report.faults[..] else { panic!("{report}") };
    assert!(slow.detected_after.is_none() && slow.recovered_after.is_none() && slow.healed_at.is_some(), "{slow:?}");
    assert!(kill.recovered_after.is_some() && hold.missed.is_none(), "{kill:?} {hold:?}");
    assert_eq!(drop.missed.as_deref(), Some("2 faults are at work"));
}

// An armed fault is not what a kill has done.
#[test]
fn a_fault_that_waits_has_done_nothing_yet() {
    let failing = Fault::StartError(regrow::chaos::Times::Count(1));
    let report = run(experiment().fault(failing.clone(), "app/a", at(1)).fault(Fault::Kill, "app/a", at(4)));
    let [start, kill] = &report.faults[..] else { panic!("{report}") };
    assert_eq!((start.struck_at, start.detected_after), (Some(4.0), Some(0.001)), "{start:?}");
    assert_eq!((kill.struck_at, kill.detected_after), (Some(4.0), Some(0.0)), "{kill:?}");
    let report = run(experiment().fault(failing, "app/a", at(1)));
    assert_eq!((report.totals.hit(), report.totals.unstruck), (0, 1), "{report}");
}

#[test]
fn the_children_of_a_supervisor_that_is_killed_are_touched() {
    let report = run(experiment().fault(Fault::Kill, "app/sub", at(1)));
    let mut touched = report.faults[0].siblings_touched.clone();
    touched.sort();
    assert_eq!(touched, ["app/sub/c", "app/sub/d"]);
}

#[test]
fn a_target_that_is_gone_is_not_up() {
    let report = run(experiment().availability(0.99).fault(Fault::Kill, "app/t", at(1)));
    let broken: Vec<_> = report.verdicts.iter().filter(|verdict| !verdict.held).collect();
    assert!(
        matches!(&*broken, [up, share] if up.hypothesis.contains("is up") && share.hypothesis.contains("99 %")),
        "{report}"
    );
    let sub = experiment().restarts_max(2).allow_unavailable();
    let report = run(sub.fault(Fault::Kill, "app/sub/c", When::Every(100 * MS)));
    let count = report.verdicts.iter().find(|verdict| verdict.hypothesis.contains("more than 2 times")).unwrap();
    assert!(!count.held, "{report}");
}

#[test]
fn a_flapping_service_has_its_time_after_each_start() {
    let flap = experiment().duration(30 * SEC).fault(Fault::Flap(4 * SEC), "app/a", at(1));
    let report = run(flap.fault(Fault::Kill, "app/a", When::At(vec![2 * SEC, 2700 * MS, 3100 * MS])));
    let a = report.services.iter().find(|service| service.path == "app/a").unwrap();
    let lasted: Vec<_> = a.lives.iter().skip(3).filter_map(|life| Some((life.to? - life.from).round())).collect();
    assert!(lasted.len() > 4 && lasted.iter().all(|time| *time == 4.0), "{lasted:?}");
}

#[test]
fn several_that_die_together_after_an_event_are_several() {
    let kills = experiment().fault(Fault::Kill, "app/sub/c", When::At(vec![SEC, 2 * SEC, 3 * SEC]));
    let of = "app/sub/c".into();
    let after = When::After { event: Trigger::Exited, of, delay: 10 * MS };
    let report = run(kills.allow_unavailable().fault(Fault::KillTogether(2), "app/*", after));
    let together: Vec<_> = report.faults.iter().filter(|fault| fault.kind == "kill_together").collect();
    assert!(together.len() >= 3 && together.iter().all(|fault| fault.targets.len() == 2), "{report}");
    assert!(together.iter().any(|fault| fault.targets != together[0].targets), "each time the same are drawn");
}

// While its start is slow, its neighbour dies.
#[test]
fn a_fault_can_strike_during_the_start_of_a_sibling() {
    let slow = experiment().fault(Fault::SlowStart(SEC), "app/a", at(1)).fault(Fault::Kill, "app/a", at(2));
    let after = When::After { event: Trigger::Starting, of: "app/a".into(), delay: 500 * MS };
    let report = run(slow.fault(Fault::Kill, "app/sub/c", after));
    let kill = &report.faults[2];
    assert_eq!((kill.at, kill.targets[0].as_str()), (2.5, "app/sub/c"), "{report}");
    let a = report.services.iter().find(|service| service.path == "app/a").unwrap();
    assert_eq!(a.recoveries, [1.0]);
}

#[test]
fn a_run_that_is_stopped_says_how_long_it_was() {
    let begun = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let third = move || {
        let look = begun.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move {
            anyhow::ensure!(look < 3, "the third look");
            Ok(())
        }
    };
    let report =
        run(experiment().fault(Fault::Kill, "app/a", When::Every(SEC)).stop_when_broken().probe("looks", third));
    assert!(report.stopped.is_some() && report.duration < 5.0, "{report}");
}

#[test]
fn many_faults_at_one_time_are_no_circle() {
    let report = run(experiment().fault(Fault::Slow(MS), "app/a", When::At(vec![SEC; 10_050])));
    assert!(report.passed(), "{report}");
}

#[test]
fn what_does_not_fail_is_not_shrunk() {
    let simulation = scene(experiment().fault(Fault::Kill, "app/a", When::Every(SEC)));
    let script = simulation.script(1).unwrap();
    let failure = FailingSeed { seed: 1, what: "nothing".into(), evidence: String::new(), script };
    assert!(matches!(simulation.shrink(&failure), Err(SimulationError::Holds { seed: 1 })));
}

#[test]
fn a_failure_as_a_test_is_one_whatever_it_is_about() {
    let line = ScriptStep::new(Duration::from_nanos(1_000_500), Fault::Drop(1e-7), &["a\"b"]).lasting(SEC);
    let (what, evidence) = ("a\nfn b() {}".into(), "x\ry".into());
    let text = FailingSeed { seed: 3, what, evidence, script: Script { lines: vec![line] } }.to_rust_test();
    assert!(text.starts_with("/// a fn b() {}: x y\n#[test]\n"), "{text}");
    assert!(text.contains("use regrow::chaos::{Fault, Script, ScriptStep};"), "{text}");
    let call = r#"ScriptStep::new(Duration::from_nanos(1000500), Fault::Drop(1e-7), &["a\"b"])"#;
    assert!(text.contains(call), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_script_is_checked_like_an_experiment() {
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await.unwrap();
    let play = async |experiment: Experiment, line: ScriptStep| {
        Chaos::new(&tree).play(&experiment, Script { lines: vec![line] }).await.unwrap_err()
    };
    let kill = |at| ScriptStep::new(at, Fault::Kill, &["app/a"]);
    let other = Experiment::new("x").target("app/nobody");
    assert!(matches!(play(other, kill(SEC)).await, ExperimentError::NoTarget { .. }));
    assert!(matches!(play(experiment(), kill(Duration::MAX)).await, ExperimentError::TooLong(_)));
    assert!(matches!(play(experiment().look_every(Duration::ZERO), kill(SEC)).await, ExperimentError::Zero(_)));
    assert!(matches!(play(experiment().duration(Duration::MAX), kill(SEC)).await, ExperimentError::TooLong(_)));
    assert!(matches!(
        play(experiment(), ScriptStep::new(SEC, Fault::Kill, &[])).await,
        ExperimentError::NobodyHit { .. }
    ));
    let twice = experiment().probe("p", || async { Ok(()) }).probe("p", || async { Ok(()) });
    assert!(matches!(play(twice, kill(SEC)).await, ExperimentError::SameProbe { .. }));
    tree.shutdown().await;
}
