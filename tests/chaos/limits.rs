//! Faults keep to what they are: a jump of the clock ends no service, a refusal to stop holds for all services,
//! and a fault that cannot strike any more does not keep others from striking.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use crate::common::tree::SEC;
use regrow::chaos::{
    Chaos, Experiment, ExperimentError, ExperimentReport, Fault, Script, ScriptStep, SimulatedTree, Simulation, When,
};
use regrow::ractor::{Actor, ActorProcessingErr, ActorRef};
use regrow::testing::Journal;
use regrow::{Child, DynamicSupervisor, Intensity, Restart, Supervisor};

struct Idle;

impl Actor for Idle {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

fn experiment() -> Experiment {
    Experiment::new("a test").target("app/**").duration(10 * SEC).at_once(1).allow_unavailable()
}

/// On an actor, one who drains with a sibling, a group that gives up at once, and a pool whose `w` goes at 2 s.
fn play(lines: Vec<ScriptStep>) -> ExperimentReport {
    let simulation = Simulation::new(|seed| async move {
        let journal = Journal::new();
        let fragile = Supervisor::one_for_one("fragile").budget(Intensity::new(0, SEC)).restart(Restart::Temporary);
        let pair = Supervisor::one_for_all("pair").budget(Intensity::unlimited());
        let tree = Supervisor::one_for_one("app")
            .seed(seed)
            .budget(Intensity::unlimited())
            .child(Child::actor("actor", || (Idle, ())))
            .child(journal.probe("a"))
            .child(pair.child(journal.probe("c").drain()).child(journal.probe("d")))
            .child(fragile.child(journal.probe("f")))
            .child(DynamicSupervisor::new("pool"))
            .start()
            .await?;
        let pool = tree.dynamic("app/pool")?;
        pool.start_child(journal.probe("w")).await?;
        tokio::spawn(async move {
            tokio::time::sleep(2 * SEC).await;
            let _ = pool.terminate_child("w").await;
        });
        // The script is played in place of it.
        Ok(SimulatedTree::new(tree, experiment().fault(Fault::Kill, "app/a", When::At(vec![SEC]))))
    });
    simulation.replay(1, Script { lines }).unwrap()
}

fn line(second: u32, fault: Fault, victim: &str) -> ScriptStep {
    ScriptStep::new(second * SEC, fault, &[victim])
}

#[test]
fn a_jump_of_the_clock_stops_nobody_and_one_that_is_missed_is_none() {
    let report = play(vec![line(1, Fault::ClockJump(SEC), "app/actor")]);
    assert_eq!((report.totals.hit(), report.totals.restarts), (1, 0), "{report}");
    let report = play(vec![line(1, Fault::Hold, "app/a"), line(3, Fault::ClockJump(5 * SEC), "app/a")]);
    assert_eq!(report.faults[1].missed.as_deref(), Some("1 faults are at work"));
    assert!(report.log.iter().filter(|line| line.what.contains("healed")).all(|line| line.at == 10.0), "{report}");
}

#[tokio::test(start_paused = true)]
async fn who_refuses_to_stop_refuses_that_while_it_drains_too() {
    let app = Supervisor::one_for_one("app").child(Journal::new().probe("a").drain());
    let tree = app.start().await.unwrap();
    let app = tree.supervisor("app").unwrap();
    let stop = async {
        tokio::time::sleep(2 * SEC).await;
        let begun = tokio::time::Instant::now();
        app.terminate_child("a").await.unwrap();
        begun.elapsed()
    };
    let lines = vec![line(1, Fault::RefuseStop, "app/a").lasting(3 * SEC)];
    let (chaos, experiment) = (Chaos::new(&tree), experiment());
    let (_, took) = tokio::join!(chaos.play(&experiment, Script { lines }), stop);
    assert!(took >= 2 * SEC, "it stopped after {took:?}");
    tree.shutdown().await;
}

#[test]
fn who_is_gone_for_good_keeps_nobody_from_being_struck() {
    let report = play(vec![line(1, Fault::Kill, "app/fragile/f"), line(3, Fault::Kill, "app/a")]);
    assert_eq!(report.totals.missed, 0, "{report}");
    let report = play(vec![line(1, Fault::Panic, "app/pool/w"), line(3, Fault::Kill, "app/a")]);
    assert_eq!((report.totals.missed, report.totals.unstruck), (0, 1), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_has_begun_goes_on_to_its_end() {
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await.unwrap();
    let ended = Arc::new(AtomicUsize::new(0));
    let count = ended.clone();
    let slow = experiment().fault(Fault::Kill, "app/a", When::At(vec![SEC])).rollback("slow", move || {
        let count = count.clone();
        async move {
            tokio::time::sleep(2 * SEC).await;
            count.fetch_add(1, SeqCst);
            Ok(())
        }
    });
    assert!(tokio::time::timeout(11 * SEC, Chaos::new(&tree).run(slow)).await.is_err());
    tokio::time::sleep(5 * SEC).await;
    assert_eq!(ended.load(SeqCst), 1);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_a_script_is_checked_like_one_of_an_experiment() {
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await.unwrap();
    let refused =
        async |line: ScriptStep| Chaos::new(&tree).play(&experiment(), Script { lines: vec![line] }).await.unwrap_err();
    assert!(matches!(refused(line(1, Fault::Flap(Duration::MAX), "app/a")).await, ExperimentError::TooLong(_)));
    assert!(matches!(refused(line(1, Fault::Slow(Duration::MAX), "app/a")).await, ExperimentError::TooLong(_)));
    assert!(matches!(refused(line(1, Fault::Drop(2.0), "app/a")).await, ExperimentError::Share { .. }));
    assert!(matches!(refused(line(1, Fault::Kill, "app/a").lasting(SEC)).await, ExperimentError::Blow { .. }));
    tree.shutdown().await;
}
