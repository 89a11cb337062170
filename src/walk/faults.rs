//! The bugs that the walk has found, and those that were found beside it: a short history for each.

use std::sync::Arc;
use std::time::Duration;

use crate::policy::Policies;
use crate::testing::{Journal, ProbeMsg, until};
use crate::{ChildState, Intensity, Policy, Refusal, ServiceState, Supervisor, Tree};

fn parse(text: &str) -> Policies {
    Policies::parse(text, Arc::<str>::from("walk.toml")).expect("it can be read")
}

/// Starts a tree in which `app/a/x` does not exist yet and `app/z/y` does. The supervisor of `app/z/y` does not answer
/// until it is let go on.
async fn two_supervisors(journal: &Journal) -> Tree {
    let sup = |name: &str| Supervisor::one_for_one(name).budget(Intensity::unlimited());
    let (a, z) = (sup("a").child(journal.probe("b")), sup("z").child(journal.probe("y")));
    sup("app").child(a).child(z).start().await.expect("it boots")
}

fn hold(tree: &Tree, path: &str, is_held: bool) {
    match tree.control(path) {
        Some(crate::slot::erased::Control::Supervisor(inbox)) => inbox.hold(is_held),
        other => panic!("a supervisor that runs, and not {other:?}"),
    }
}

async fn turns(count: u32) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

const X_ON_Y: &str = "/app/z/y";
const Y_ON_X: &str = "[path.\"app/z/y\"]\ndepends_on = [\"/app/a/x\"]";

// Found by reading: the order was checked against the policies in force, and the new policies against the tree before
// the order.
#[tokio::test(start_paused = true)]
async fn policies_and_an_order_do_not_close_a_circle_together() {
    let journal = Journal::new();
    let tree = Arc::new(two_supervisors(&journal).await);
    hold(&tree, "app/z", true);
    let applying = tokio::spawn({
        let tree = tree.clone();
        async move { tree.apply(&parse(Y_ON_X)).await }
    });
    turns(20).await;
    // `a` has been asked already, and `z` has not.
    let x = journal.probe("x").policy(Policy::default().depends_on([X_ON_Y]));
    tree.supervisor("app/a").unwrap().start_child(x).await.unwrap();
    hold(&tree, "app/z", false);
    let refused = applying.await.unwrap().unwrap_err().to_string();
    assert!(refused.contains("app/a/x") && refused.contains("app/z/y"), "{refused}");
    // No refused setting is in force.
    let z = tree.supervisor("app/z").unwrap();
    z.terminate_child("y").await.unwrap();
    z.restart_child("y").await.unwrap();
    tree.shutdown().await;
}

// Found by reading: settings for the children of a supervisor that does not run are in force when it does.
#[tokio::test(start_paused = true)]
async fn policies_for_a_supervisor_that_does_not_run_close_no_circle_when_it_does() {
    let journal = Journal::new();
    let tree = two_supervisors(&journal).await;
    let app = tree.supervisor("app").unwrap();
    let x = journal.probe("x").policy(Policy::default().depends_on([X_ON_Y]));
    tree.supervisor("app/a").unwrap().start_child(x).await.unwrap();
    app.terminate_child("z").await.unwrap();
    tree.apply(&parse(Y_ON_X)).await.unwrap();
    app.restart_child("z").await.unwrap();
    let y = tree.supervisor("app/z").unwrap().child_spec("y").await.unwrap().unwrap();
    assert!(y.dependencies().is_empty(), "it does not wait for what waits for it");
    tree.shutdown().await;
}

// Found by reading: a child without a policy in code kept what a policy file had said once.
#[tokio::test(start_paused = true)]
async fn a_dependency_that_policies_took_back_closes_no_circle() {
    let journal = Journal::new();
    let app = Supervisor::one_for_one("app").child(journal.probe("a")).child(journal.probe("b"));
    let tree = app.start().await.unwrap();
    tree.apply(&parse("[path.\"app/a\"]\ndepends_on = [\"b\"]")).await.unwrap();
    tree.apply(&parse("")).await.unwrap();
    tree.apply(&parse("[path.\"app/b\"]\ndepends_on = [\"a\"]")).await.unwrap();
    let c = journal.probe("c").policy(Policy::default().depends_on(["b"]));
    tree.supervisor("app").unwrap().start_child(c).await.unwrap();
    tree.shutdown().await;
}

// Found by the walk, at its first pair: to its supervisor the child was at rest, but its mailbox took messages that no
// life would handle.
#[tokio::test(start_paused = true)]
async fn a_child_that_reconfigure_adds_takes_no_message_before_it_is_started() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").start().await.unwrap();
    let app = tree.supervisor("app").unwrap();
    let inner = Supervisor::one_for_one("sub").child(journal.probe("x"));
    app.reconfigure(Supervisor::one_for_one("app").child(journal.probe("new")).child(inner)).await.unwrap();
    for path in ["app/new", "app/sub/x"] {
        let handle = tree.lookup::<ProbeMsg>(path).unwrap();
        assert_eq!(handle.status().state, ServiceState::Down, "{path}");
        assert!(matches!(handle.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Down));
    }
    app.restart_child("sub").await.unwrap();
    tree.lookup::<ProbeMsg>("app/sub/x").unwrap().cast(ProbeMsg::Note(1)).unwrap();
    tree.shutdown().await;
}

// Found by reading: a parked child that came due and had to wait stayed parked to its handles while it waited.
#[tokio::test(start_paused = true)]
async fn a_parked_child_that_is_due_and_waits_takes_messages() {
    let journal = Journal::new();
    let db = journal.probe("db").policy(Policy::default().readiness(crate::Readiness::WhenSaid));
    let parks = Policy::default().budget(Intensity::new(0, Duration::from_secs(1)));
    let parks = parks.on_give_up(crate::GiveUp::park(Duration::from_secs(5))).depends_on(["db"]);
    let app = Supervisor::one_for_one("app")
        .budget(Intensity::unlimited())
        .child(db)
        .child(journal.probe("web").policy(parks));
    let tree = app.start().await.unwrap();
    let (db, web) = ["app/db", "app/web"].map(|path| tree.lookup::<ProbeMsg>(path).unwrap()).into();
    let ready = || db.cast(ProbeMsg::Run(Box::new(|ctx| ctx.ready()))).unwrap();
    ready();
    until(web.watch(), |status| status.state == ServiceState::Up).await;
    web.cast(ProbeMsg::Panic("boom")).unwrap();
    until(web.watch(), |status| matches!(status.state, ServiceState::Parked { .. })).await;
    db.kill().unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    let standing = tree.supervisor("app").unwrap().which_children().await.unwrap()[1].standing;
    assert_eq!((standing, web.status().state), (ChildState::Waiting, ServiceState::Restarting));
    web.cast(ProbeMsg::Note(1)).unwrap();
    ready();
    assert_eq!(web.call(ProbeMsg::Noted).await.unwrap(), [1]);
    tree.shutdown().await;
}

// Found by the model of the machines: the dependency still counted as at rest, so its dependents did not learn that it
// may come.
#[tokio::test(start_paused = true)]
async fn a_start_by_order_that_meets_a_parked_dependency_can_be_called_off() {
    let journal = Journal::new();
    let parks = Policy::default().budget(Intensity::new(0, Duration::from_secs(1)));
    let db = journal.probe("db").policy(parks.on_give_up(crate::GiveUp::park(Duration::from_secs(60))));
    let web = journal.probe("web").policy(Policy::default().depends_on(["db"]));
    let tree = Arc::new(Supervisor::one_for_one("app").child(db).child(web).start().await.unwrap());
    let (db, web) = ["app/db", "app/web"].map(|path| tree.lookup::<ProbeMsg>(path).unwrap()).into();
    db.cast(ProbeMsg::Panic("boom")).unwrap();
    until(db.watch(), |status| matches!(status.state, ServiceState::Parked { .. })).await;
    let app = tree.supervisor("app").unwrap();
    app.terminate_child("web").await.unwrap();
    let restarting = tokio::spawn({
        let app = app.clone();
        async move { app.restart_child("web").await }
    });
    until(web.watch(), |status| matches!(status.state, ServiceState::Parked { .. })).await;
    app.terminate_child("web").await.unwrap();
    assert_eq!(web.status().state, ServiceState::Down);
    assert!(restarting.await.unwrap().is_err());
    tree.shutdown().await;
}

// Found by the walk: a new description of a child that rests opened its mailbox, although no start was on its way.
#[tokio::test(start_paused = true)]
async fn a_child_at_rest_stays_closed_when_it_is_described_anew() {
    let journal = Journal::new();
    let described = || {
        let sub = Supervisor::one_for_one("sub").child(journal.probe("x"));
        Supervisor::one_for_one("app").child(journal.probe("a")).child(sub)
    };
    let tree = described().start().await.unwrap();
    let app = tree.supervisor("app").unwrap();
    for name in ["a", "sub"] {
        app.terminate_child(name).await.unwrap();
    }
    app.reconfigure(described()).await.unwrap();
    for path in ["app/a", "app/sub/x"] {
        let handle = tree.lookup::<ProbeMsg>(path).unwrap();
        assert_eq!(handle.status().state, ServiceState::Down, "{path}");
        assert!(handle.cast(ProbeMsg::Note(1)).is_err());
    }
    for name in ["a", "sub"] {
        app.restart_child(name).await.unwrap();
    }
    tree.lookup::<ProbeMsg>("app/sub/x").unwrap().cast(ProbeMsg::Note(1)).unwrap();
    tree.shutdown().await;
}

// Found by the walk: in the next life of its supervisor the child waited, but to its handles it was still parked.
#[tokio::test(start_paused = true)]
async fn a_parked_child_is_not_parked_any_more_when_its_supervisor_begins_anew() {
    let journal = Journal::new();
    let db = journal.probe("db").policy(Policy::default().readiness(crate::Readiness::WhenSaid));
    let parks = Policy::default().budget(Intensity::new(0, Duration::from_secs(1)));
    let parks = parks.on_give_up(crate::GiveUp::park(Duration::from_secs(60))).depends_on(["/app/db"]);
    let sub = Supervisor::one_for_one("sub").child(journal.probe("web").policy(parks));
    let app = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(db).child(sub);
    let tree = app.start().await.unwrap();
    let (db, web) = ["app/db", "app/sub/web"].map(|path| tree.lookup::<ProbeMsg>(path).unwrap()).into();
    db.cast(ProbeMsg::Run(Box::new(|ctx| ctx.ready()))).unwrap();
    until(web.watch(), |status| status.state == ServiceState::Up).await;
    web.cast(ProbeMsg::Panic("boom")).unwrap();
    until(web.watch(), |status| matches!(status.state, ServiceState::Parked { .. })).await;
    db.kill().unwrap();
    until(db.watch(), |status| status.generation == 2).await;
    tree.kill("app/sub").unwrap();
    until(tree.directory().watch("app/sub").unwrap(), |status| status.generation == 2).await;
    let standing = tree.supervisor("app/sub").unwrap().which_children().await.unwrap()[0].standing;
    assert_eq!((standing, web.status().state), (ChildState::Waiting, ServiceState::Restarting));
    tree.shutdown().await;
}

// Found by reading: the directory listed the new children before any life knew them, and kept the old ones for ever.
#[tokio::test(start_paused = true)]
async fn what_is_below_a_supervisor_that_is_described_anew_is_listed_when_it_begins_anew() {
    let journal = Journal::new();
    let described = |below: &str| {
        let sub = Supervisor::one_for_one("sub").child(journal.probe(below));
        Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(sub)
    };
    let tree = described("x").start().await.unwrap();
    let listed = || {
        let entries = tree.directory().entries();
        entries.iter().filter_map(|entry| entry.path.strip_prefix("app/sub/")).collect::<Vec<_>>().join(" ")
    };
    let x = tree.lookup::<ProbeMsg>("app/sub/x").unwrap();
    tree.supervisor("app").unwrap().reconfigure(described("y")).await.unwrap();
    assert_eq!((listed(), x.status().state), ("x".into(), ServiceState::Up));
    tree.kill("app/sub").unwrap();
    until(tree.directory().watch("app/sub").unwrap(), |status| status.generation == 2).await;
    assert_eq!((listed(), x.status().state), ("y".into(), ServiceState::Gone));
    tree.shutdown().await;
}
