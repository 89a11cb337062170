//! A supervisor that is described anew while it runs: what its new children depend on.

#[path = "common/tree.rs"]
mod common;

use common::{probe, up};
use regrow::testing::{Journal, ProbeMsg, until};
use regrow::{Intensity, ManageError, Policy, ServiceChild, StartError, State, Supervisor};

fn calm(name: &str) -> Supervisor {
    Supervisor::one_for_one(name).budget(Intensity::unlimited())
}

fn on(journal: &Journal, name: &str, path: &str) -> ServiceChild<ProbeMsg> {
    journal.probe(name).policy(Policy::default().depends_on([path]))
}

// Found by reading: the name was looked up before its service was listed, and meant a service outside of the tree then.
#[tokio::test(start_paused = true)]
async fn a_new_child_depends_on_another_new_one_and_on_what_is_below_that() {
    let journal = Journal::new();
    let tree = calm("app").child(calm("sub").child(journal.probe("old"))).start().await.unwrap();
    let sub = tree.supervisor("app/sub").unwrap();
    let new = || {
        calm("sub")
            .child(on(&journal, "web", "db"))
            .child(on(&journal, "shop", "stock/count"))
            .child(journal.probe("db"))
            .child(calm("stock").child(journal.probe("count")).child(on(&journal, "far", "db")))
    };
    sub.reconfigure(new()).await.unwrap();
    for name in ["db", "stock", "web", "shop"] {
        sub.restart_child(name).await.unwrap_or_else(|error| panic!("{error}"));
    }
    up(&tree, "app/sub/stock/far", 1).await;
    // They are tied, and not only found: a circle through them is refused, also by an order that comes later.
    let circle =
        sub.reconfigure(calm("sub").child(on(&journal, "db", "shop")).child(on(&journal, "shop", "web"))).await;
    assert!(
        matches!(circle, Err(ManageError::Refused(StartError::DependencyCycle { .. }))),
        "`web` depends on `db`: {circle:?}"
    );
    sub.terminate_child("db").await.unwrap();
    probe(&tree, "app/sub/web").kill().unwrap();
    let watch = tree.directory().watch("app/sub/web").unwrap();
    until(watch, |status| matches!(status.state, State::Parked { .. })).await;
    sub.restart_child("db").await.unwrap();
    sub.revive("web").await.ok();
    up(&tree, "app/sub/web", 2).await;
    assert!(tree.shutdown().await.is_clean());
}

// Found by reading: only the order to start a child checked what that depends on.
#[tokio::test(start_paused = true)]
async fn a_dependency_that_nothing_is_named_is_refused_and_changes_nothing() {
    let journal = Journal::new();
    let tree = calm("app").child(journal.probe("a")).start().await.unwrap();
    let app = tree.supervisor("app").unwrap();
    for new in [
        calm("app").child(journal.probe("a")).child(on(&journal, "web", "dbb")),
        calm("app").child(calm("sub").child(on(&journal, "web", "dbb"))),
    ] {
        let refused = app.reconfigure(new).await.unwrap_err();
        let is_named = matches!(
            &refused,
            ManageError::Refused(StartError::UnknownDependency { path, name }) if path.ends_with("web") && &**name == "dbb"
        );
        assert!(is_named, "{refused}");
    }
    assert_eq!(app.which_children().await.unwrap().len(), 1);
    assert!(tree.shutdown().await.is_clean());
}
