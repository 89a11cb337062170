//! `Supervisor::init`: code of the user's that runs at each start of a supervisor, before its children (OTP rules 6, 10).

use crate::common::tree::{SEC, Starts, hears, probe, soon, stands, up};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Child, ChildState, DynamicSupervisor, Exit, Intensity, Partitioned, Refusal, Restart, ServiceState, StartError,
    StartOutcome, Supervisor, ignore,
};

/// A supervisor `app/s` of one probe.
fn sub(journal: &Journal) -> Supervisor {
    Supervisor::one_for_one("s").child(journal.probe("a"))
}

fn app() -> Supervisor {
    Supervisor::one_for_one("app").budget(Intensity::unlimited())
}

/// Writes `init`, and fails in the attempts with these numbers.
fn noting(
    journal: &Journal,
    failing: impl IntoIterator<Item = usize>,
) -> impl Fn() -> anyhow::Result<()> + Send + Sync + 'static {
    let (journal, starts) = (journal.clone(), Starts::failing(failing));
    move || {
        journal.write("init");
        starts.attempt().map(|_| ())
    }
}

#[tokio::test]
async fn it_runs_at_each_start_before_the_children_and_not_when_they_restart() {
    let journal = Journal::new();
    let tree = app().child(sub(&journal).init(noting(&journal, []))).start().await.unwrap();
    let a = probe(&tree, "app/s/a");
    a.kill().unwrap();
    up(&tree, "app/s/a", 2).await;
    tree.kill("app/s").unwrap();
    up(&tree, "app/s/a", 3).await;
    let expected = ["init", "start a#1", "end a#1", "start a#2", "end a#2", "init", "start a#3"];
    assert_eq!(journal.lines(), expected);
    tree.shutdown().await;
}

#[tokio::test]
async fn every_kind_of_supervisor_has_it() {
    let journal = Journal::new();
    let of = journal.clone();
    let rebuilt = journal.clone();
    let tree = app()
        .init(noting(&journal, []))
        .child(DynamicSupervisor::new("d").init(noting(&journal, [])))
        .child(Partitioned::new("p", 1, move |_| of.probe("x")).init(noting(&journal, [])))
        .child(Child::supervisor("r", move || sub(&rebuilt).init(noting(&rebuilt, []))))
        .start()
        .await
        .unwrap();
    assert_eq!(journal.take(), ["init", "init", "init", "start 0#1", "init", "start a#1"]);
    for name in ["app/d", "app/p", "app/r"] {
        tree.kill(name).unwrap();
        up(&tree, name, 2).await;
    }
    let inits = journal.take().iter().filter(|line| *line == "init").count();
    assert_eq!(inits, 3);
    tree.shutdown().await;
    journal.take();

    DynamicSupervisor::new("d").init(noting(&journal, [])).start().await.unwrap().shutdown().await;
    assert_eq!(journal.take(), ["init"]);
}

#[tokio::test]
async fn a_subtree_that_is_not_wanted_rests_and_the_boot_goes_on() {
    let journal = Journal::new();
    let tree = app().child(sub(&journal).init(ignore)).child(journal.probe("b")).start().await.unwrap();
    assert_eq!(journal.lines(), ["start b#1"]);
    let a = probe(&tree, "app/s/a");
    assert_eq!(a.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Down);
    let app = tree.supervisor("app").unwrap();
    assert_eq!(app.which_children().await.unwrap()[0].standing, ChildState::Down);
    assert_eq!(app.restart_child("s").await.unwrap(), StartOutcome::Ignored);
    assert_eq!(a.status().state, ServiceState::Down);
    tree.shutdown().await;
}

#[tokio::test]
async fn a_temporary_subtree_that_is_not_wanted_is_forgotten() {
    let tree = app().child(sub(&Journal::new()).init(ignore).restart(Restart::Temporary)).start().await.unwrap();
    assert_eq!(tree.directory().entries().len(), 1);
    tree.shutdown().await;
}

#[tokio::test]
async fn a_subtree_that_is_no_longer_wanted_rests_until_it_is_wanted_again() {
    let journal = Journal::new();
    let starts = Starts::failing([2]);
    let init = move || starts.attempt().map(|_| ()).or_else(|_| ignore());
    let tree = app().child(sub(&journal).init(init)).start().await.unwrap();
    let a = probe(&tree, "app/s/a");
    tree.kill("app/s").unwrap();
    stands(&tree, "app/s", ServiceState::Down).await;
    stands(&tree, "app/s/a", ServiceState::Down).await;
    let app = tree.supervisor("app").unwrap();
    assert!(matches!(app.restart_child("s").await.unwrap(), StartOutcome::Up(_)));
    assert_eq!(soon("a", a.call(ProbeMsg::Generation)).await.unwrap(), 2, "under the same handle");
    tree.shutdown().await;
}

#[tokio::test]
async fn an_error_or_panic_fails_the_boot_and_the_elders_are_stopped() {
    let journal = Journal::new();
    let with = |init: fn() -> anyhow::Result<()>| app().child(journal.probe("b")).child(sub(&journal).init(init));
    let error = with(|| anyhow::bail!("no disk")).start().await.unwrap_err();
    assert_eq!(error.to_string(), "`app` did not start: child `s` failed to start: failed: no disk");
    assert_eq!(journal.take(), ["start b#1", "end b#1"]);
    let error = with(|| panic!("no disk")).start().await.unwrap_err().to_string();
    assert!(error.starts_with("`app` did not start: child `s` failed to start: panicked: no disk at "), "{error}");
    assert!(error.contains("tests/supervision/init.rs:"), "{error}");
}

#[tokio::test]
async fn the_roots_decides_about_the_tree_before_anything_starts() {
    let journal = Journal::new();
    let with = |init: fn() -> anyhow::Result<()>| app().child(journal.probe("a")).init(init).start();
    let error = with(ignore).await.unwrap_err();
    assert!(matches!(&error, StartError::NotWanted { path } if &**path == "app"), "{error:?}");
    assert_eq!(error.to_string(), "`app` is not wanted: its `init` said so");
    let error = with(|| anyhow::bail!("no disk")).await.unwrap_err();
    assert!(matches!(&error, StartError::Boot { exit: Exit::Failed(_), .. }), "{error:?}");
    assert_eq!(error.to_string(), "`app` did not start: failed: no disk");
    let error = with(|| panic!("no disk")).await.unwrap_err();
    assert!(matches!(&error, StartError::Boot { exit: Exit::Panicked(panic), .. } if &*panic.message == "no disk"));
    let error = DynamicSupervisor::new("pool").init(ignore).start().await.unwrap_err();
    assert!(matches!(error, StartError::NotWanted { .. }), "{error:?}");
    assert!(journal.lines().is_empty());
}

#[tokio::test]
async fn a_description_that_makes_no_sense_is_refused_before_it_runs() {
    let journal = Journal::new();
    let twins = app().init(noting(&journal, [])).child(journal.probe("a")).child(journal.probe("a"));
    assert!(matches!(twins.start().await, Err(StartError::DuplicateName { .. })));
    assert!(journal.lines().is_empty());
}

#[tokio::test]
async fn at_a_restart_its_failure_is_tried_again_and_costs_the_budget_above() {
    let journal = Journal::new();
    let init = noting(&journal, [2, 3]);
    let s = Supervisor::one_for_one("s").child(journal.probe("a")).init(init);
    let tree = Supervisor::one_for_one("app").intensity(3, 60 * SEC).child(s).start().await.unwrap();
    let mut events = tree.events();
    let a = probe(&tree, "app/s/a");
    tree.kill("app/s").unwrap();
    a.cast(ProbeMsg::Note(1)).unwrap();
    hears(&mut events, "app/s#1 failed to start: failed: attempt 3 fails").await;
    up(&tree, "app/s", 2).await;
    assert_eq!(soon("a", a.call(ProbeMsg::Noted)).await.unwrap(), [1], "the queue waits through it all");
    // All three are spent.
    tree.kill("app/s").unwrap();
    assert!(matches!(soon("the end", tree.wait()).await.exit, Exit::Shutdown));
    assert_eq!(a.status().state, ServiceState::Gone);
}
