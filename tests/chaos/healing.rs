//! What is healed is over: a fault has no effect after it was healed, or after its run was dropped.

use crate::common::tree::{MS, SEC, probe, soon};
use regrow::chaos::{Chaos, Experiment, Fault, Script, ScriptStep, SimulatedTree, Simulation, When};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{DynamicSupervisor, Intensity, ServiceState, Shutdown, Supervisor, Tree};

async fn tree() -> Tree {
    let app = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    app.child(Journal::new().probe("a").shutdown(Shutdown::Wait)).start().await.unwrap()
}

fn experiment() -> Experiment {
    Experiment::new("a test").target("app/**").duration(5 * SEC)
}

async fn play(tree: &Tree, lines: Vec<ScriptStep>) {
    Chaos::new(tree).play(&experiment(), Script { lines }).await.unwrap();
}

/// Sends a note after one second and a half.
fn note_later(tree: &Tree) {
    let a = probe(tree, "app/a");
    tokio::spawn(async move {
        tokio::time::sleep(1500 * MS).await;
        a.cast(ProbeMsg::Note(1)).unwrap();
    });
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_delayed_goes_on_when_that_is_healed() {
    let tree = tree().await;
    note_later(&tree);
    play(&tree, vec![ScriptStep::new(SEC, Fault::Delay(3600 * SEC), &["app/a"]).lasting(SEC)]).await;
    assert_eq!(probe(&tree, "app/a").accounting().handled, 1);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_slow_goes_on_when_that_is_healed() {
    let tree = tree().await;
    note_later(&tree);
    play(&tree, vec![ScriptStep::new(SEC, Fault::Slow(3600 * SEC), &["app/a"]).lasting(SEC)]).await;
    assert_eq!(probe(&tree, "app/a").accounting().handled, 1);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_hang_ends_with_the_experiment() {
    let tree = tree().await;
    note_later(&tree);
    play(&tree, vec![ScriptStep::new(SEC, Fault::Hang, &["app/a"])]).await;
    assert_eq!(probe(&tree, "app/a").accounting().handled, 1);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_start_goes_on_when_the_run_is_dropped() {
    let tree = tree().await;
    let slow = experiment().fault(Fault::SlowStart(3600 * SEC), "app/a", When::At(vec![SEC])).fault(
        Fault::Kill,
        "app/a",
        When::At(vec![2 * SEC]),
    );
    assert!(tokio::time::timeout(4 * SEC, Chaos::new(&tree).run(slow)).await.is_err());
    tokio::time::sleep(SEC).await;
    assert_eq!(tree.directory().status("app/a").unwrap().state, ServiceState::Up);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn who_refused_to_stop_stops_when_that_is_healed() {
    let tree = tree().await;
    let app = tree.supervisor("app").unwrap();
    let stopped = tokio::spawn(async move {
        tokio::time::sleep(1500 * MS).await;
        app.terminate_child("a").await
    });
    play(&tree, vec![ScriptStep::new(SEC, Fault::RefuseStop, &["app/a"]).lasting(2 * SEC)]).await;
    soon("its stop", stopped).await.unwrap().unwrap();
    tree.shutdown().await;
}

// It was away when it was healed, and comes back under its name.
#[tokio::test(start_paused = true)]
async fn who_is_away_is_healed_too() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").child(DynamicSupervisor::new("pool")).start().await.unwrap();
    let pool = tree.dynamic("app/pool").unwrap();
    pool.start_child(journal.probe("w")).await.unwrap();
    let away = async {
        tokio::time::sleep(2 * SEC).await;
        pool.terminate_child("w").await.unwrap();
        tokio::time::sleep(2 * SEC).await;
        pool.start_child(journal.probe("w")).await.unwrap();
        let w = probe(&tree, "app/pool/w");
        w.cast(ProbeMsg::Note(1)).unwrap();
        tokio::time::sleep(100 * MS).await;
        assert_eq!(w.accounting().handled, 1, "the hold was to last until 3 s");
    };
    let lines = vec![ScriptStep::new(SEC, Fault::Hold, &["app/pool/w"]).lasting(2 * SEC)];
    tokio::join!(play(&tree, lines), away);
    tree.shutdown().await;
}

// All at once, and in the same order each time.
#[test]
fn everybody_is_healed_in_order() {
    let simulation = Simulation::new(|seed| async move {
        let journal = Journal::new();
        let names: Vec<_> = (0..12).map(|number| format!("p{number}")).collect();
        let app = Supervisor::one_for_one("app").seed(seed).budget(Intensity::unlimited());
        let tree = app.children(names.iter().map(|name| journal.probe(name))).start().await?;
        let mut holds = experiment();
        for name in &names {
            let path = format!("app/{name}");
            let held = probe(&tree, &path);
            tokio::spawn(async move {
                tokio::time::sleep(2 * SEC).await;
                let _ = held.cast(ProbeMsg::Fail("as told"));
            });
            holds = holds.fault(Fault::Hold, path.as_str(), When::At(vec![SEC]));
        }
        Ok(SimulatedTree::new(tree, holds))
    });
    simulation.check_repeatable(1).unwrap();
}
