//! In virtual time nothing that chaos does goes on for ever at one instant.

use crate::common::tree::SEC;
use regrow::chaos::{
    Experiment, ExperimentReport, Fault, Script, ScriptStep, SimulatedTree, Simulation, Times, Trigger, When,
};
use regrow::testing::Journal;
use regrow::{Child, Context, Intensity, Service, Supervisor};

fn experiment() -> Experiment {
    Experiment::new("a test").target("**").fault(Fault::Kill, "app/a", When::At(vec![SEC]))
}

fn play(simulation: Simulation, lines: Vec<ScriptStep>) -> ExperimentReport {
    simulation.patience(5 * SEC).replay(1, Script { lines }).unwrap()
}

// Poison is redelivered; a copy of it is poison too, and must not be copied each time.
#[test]
fn copies_of_poison_do_not_become_ever_more() {
    struct Eater;
    impl Service for Eater {
        type Msg = u32;
        async fn handle(&mut self, poison: u32, _: &mut Context<Self>) -> anyhow::Result<()> {
            anyhow::bail!("poison {poison}")
        }
    }
    let simulation = Simulation::new(|seed| async move {
        let eater = Child::service("a", |_| async { Ok(Eater) }).redeliver(3);
        let app = Supervisor::one_for_one("app").seed(seed).budget(Intensity::unlimited()).child(eater);
        let tree = app.start().await?;
        let a = tree.lookup::<u32>("app/a")?;
        tokio::spawn(async move {
            tokio::time::sleep(2 * SEC).await;
            let _ = a.cast(7);
        });
        Ok(SimulatedTree::new(tree, experiment()))
    });
    let lines = vec![ScriptStep::new(SEC, Fault::Duplicate(1.0), &["app/a"]).lasting(5 * SEC)];
    let report = play(simulation, lines);
    let a = report.services.iter().find(|service| service.path == "app/a").unwrap();
    assert_eq!((a.messages.accepted, a.messages.dead_lettered), (2, 2), "the poison and its copy: {report}");
}

// A service that is started again at once, and never comes up, would be started for ever.
#[test]
fn starts_that_fail_for_ever_take_their_time() {
    let simulation = Simulation::new(|seed| async move {
        let app = Supervisor::one_for_one("app").seed(seed).budget(Intensity::unlimited());
        Ok(SimulatedTree::new(app.child(Journal::new().probe("a")).start().await?, experiment()))
    });
    let lines = vec![
        ScriptStep::new(SEC, Fault::StartError(Times::Always), &["app/a"]).lasting(SEC),
        ScriptStep::new(SEC, Fault::Kill, &["app/a"]),
    ];
    let report = play(simulation, lines);
    let recovered = report.faults[1].recovered_after.unwrap();
    assert!((1.0..1.1).contains(&recovered), "{recovered}");
}

// A fault that follows what it brings about, in no time: the clock would stand still for ever.
#[test]
fn faults_that_follow_each_other_in_no_time_are_stopped() {
    let simulation = Simulation::new(|seed| async move {
        let app = Supervisor::one_for_one("app").seed(seed).budget(Intensity::unlimited());
        let tree = app.child(Journal::new().probe("a")).start().await?;
        let when = When::After { event: Trigger::Started, of: "app/a".into(), delay: std::time::Duration::ZERO };
        Ok(SimulatedTree::new(tree, experiment().fault(Fault::Kill, "app/a", when)))
    });
    let report = simulation.run(1).unwrap();
    assert!(report.stopped.is_some_and(|why| why.contains("no time passes")));
}
