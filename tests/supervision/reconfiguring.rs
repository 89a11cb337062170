//! A supervisor that is described anew while it runs: what its new children depend on.

use crate::common::tree::{parked, probe, up};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Child, Intensity, Policy, ReconfigureError, ServiceChild, ServiceState, StartError, Supervisor, TaskContext, Tree,
};

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
        matches!(circle, Err(ReconfigureError::Refused(StartError::DependencyCycle { .. }))),
        "`web` depends on `db`: {circle:?}"
    );
    sub.terminate_child("db").await.unwrap();
    let web = probe(&tree, "app/sub/web");
    web.kill().unwrap();
    parked(&web).await;
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
            ReconfigureError::Refused(StartError::UnknownDependency { path, name }) if path.ends_with("web") && &**name == "dbb"
        );
        assert!(is_named, "{refused}");
    }
    assert_eq!(app.which_children().await.unwrap().len(), 1);
    assert!(tree.shutdown().await.is_clean());
}

fn paths(tree: &Tree) -> Vec<String> {
    tree.directory().entries().into_iter().map(|entry| entry.path.to_string()).collect()
}

// Found by a search with random orders: what was below the supervisor stayed listed, though nothing led to it.
#[tokio::test(start_paused = true)]
async fn nothing_below_a_supervisor_is_left_when_it_is_described_as_a_service_and_deleted() {
    for is_running in [true, false] {
        let journal = Journal::new();
        let tree = calm("app").child(calm("c").child(journal.probe("x"))).start().await.unwrap();
        let app = tree.supervisor("app").unwrap();
        let x = probe(&tree, "app/c/x");
        if !is_running {
            app.terminate_child("c").await.unwrap();
        }
        app.reconfigure(calm("app").child(journal.probe("c"))).await.unwrap();
        if is_running {
            app.terminate_child("c").await.unwrap();
        }
        app.delete_child("c").await.unwrap();
        assert_eq!((paths(&tree), x.status().state), (vec!["app".into()], ServiceState::Gone), "running: {is_running}");
        assert!(tree.shutdown().await.is_clean());
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_below_a_service_that_was_a_supervisor() {
    let journal = Journal::new();
    let tree = calm("app").child(calm("c").child(journal.probe("x"))).start().await.unwrap();
    let (app, x) = (tree.supervisor("app").unwrap(), probe(&tree, "app/c/x"));
    app.reconfigure(calm("app").child(journal.probe("c"))).await.unwrap();
    assert_eq!(x.status().state, ServiceState::Up, "the new description counts from the next start on");
    app.terminate_child("c").await.unwrap();
    app.restart_child("c").await.unwrap();
    assert_eq!((paths(&tree), x.status().state), (vec!["app".into(), "app/c".into()], ServiceState::Gone));
    // And back.
    app.reconfigure(calm("app").child(calm("c").child(journal.probe("y")))).await.unwrap();
    app.terminate_child("c").await.unwrap();
    app.restart_child("c").await.unwrap();
    assert_eq!(paths(&tree), ["app", "app/c", "app/c/y"]);
    assert!(tree.shutdown().await.is_clean());
}

// Found by a search with random orders: after the end of the tree, mail was queued in a mailbox that no child had any more.
#[tokio::test(start_paused = true)]
async fn a_mailbox_that_no_description_names_any_more_closes_with_the_last_life_in_it() {
    let job = || {
        Child::task("a", |ctx: TaskContext| async move {
            ctx.stopping().await;
            Ok(())
        })
    };
    for is_running in [true, false] {
        for into_a_tree in [true, false] {
            let journal = Journal::new();
            let tree = calm("app").child(journal.probe("a")).start().await.unwrap();
            let (app, a) = (tree.supervisor("app").unwrap(), probe(&tree, "app/a"));
            if !is_running {
                app.terminate_child("a").await.unwrap();
            }
            let new = if into_a_tree { calm("app").child(calm("a")) } else { calm("app").child(job()) };
            app.reconfigure(new).await.unwrap();
            // A mailbox that is described, and described otherwise before a life has moved in.
            app.reconfigure(calm("app").child(journal.probe("a"))).await.unwrap();
            let between = probe(&tree, "app/a");
            let new = if into_a_tree { calm("app").child(calm("a")) } else { calm("app").child(job()) };
            app.reconfigure(new).await.unwrap();
            if is_running {
                assert_eq!(a.status().state, ServiceState::Up);
                app.terminate_child("a").await.unwrap();
            }
            app.restart_child("a").await.unwrap();
            for handle in [&a, &between] {
                assert_eq!(
                    handle.status().state,
                    ServiceState::Gone,
                    "running: {is_running}, into a tree: {into_a_tree}"
                );
                assert!(handle.cast(ProbeMsg::Hang).is_err());
            }
            assert!(tree.lookup::<ProbeMsg>("app/a").is_err());
            tree.shutdown().await;
        }
    }
}

// Found by a random walk: the refused description took the slot of each supervisor along, and a look at a supervisor that
// ran showed it as gone.
#[tokio::test(start_paused = true)]
async fn a_refused_description_leaves_the_supervisors_below_alone() {
    let journal = Journal::new();
    let sub = || calm("sub").child(journal.probe("a"));
    let tree = calm("app").child(calm("mid").child(sub())).start().await.unwrap();
    let mid = tree.supervisor("app/mid").unwrap();
    let state = |path: &str| tree.directory().status(path).unwrap().state;
    let circle = || calm("mid").child(sub()).child(on(&journal, "x", "y")).child(on(&journal, "y", "x"));
    assert!(mid.reconfigure(circle()).await.is_err());
    assert_eq!((state("app/mid/sub"), state("app/mid/sub/a")), (ServiceState::Up, ServiceState::Up));
    // A supervisor that is not running refuses any description.
    tree.supervisor("app").unwrap().terminate_child("mid").await.unwrap();
    assert!(mid.reconfigure(calm("mid").child(sub())).await.is_err());
    assert_eq!((state("app/mid/sub"), state("app/mid/sub/a")), (ServiceState::Down, ServiceState::Down));
    tree.shutdown().await;
}

// Found by a random walk: the new slot said that the child waits for its first start, and took messages.
#[tokio::test(start_paused = true)]
async fn a_parked_child_of_another_kind_is_still_parked() {
    let journal = Journal::new();
    let sub = || calm("x").child(journal.probe("a"));
    let tree = calm("app").child(sub()).start().await.unwrap();
    let app = tree.supervisor("app").unwrap();
    let state = || tree.directory().status("app/x").unwrap().state;
    app.park("x", "walk").await.unwrap();
    app.reconfigure(calm("app").child(journal.probe("x"))).await.unwrap();
    assert_eq!(state(), ServiceState::Parked { until: None });
    let refused = probe(&tree, "app/x").cast(ProbeMsg::Note(1)).unwrap_err().refusal();
    assert_eq!(refused, regrow::Refusal::Parked { until: None });
    app.reconfigure(calm("app").child(sub())).await.unwrap();
    assert_eq!(state(), ServiceState::Parked { until: None });
    app.revive("x").await.unwrap();
    up(&tree, "app/x/a", 1).await;
    assert_eq!(state(), ServiceState::Up);
    tree.shutdown().await;
}

// Found by a random walk: the next life knew nothing of the child, and it stayed in the directory for ever.
#[tokio::test(start_paused = true)]
async fn what_a_lost_description_had_below_a_supervisor_is_gone_with_the_next_life() {
    let journal = Journal::new();
    let sub = |name| calm("sub").child(journal.probe(name));
    let tree = calm("app").child(calm("mid").child(sub("a"))).start().await.unwrap();
    let mid = tree.supervisor("app/mid").unwrap();
    mid.reconfigure(calm("mid").child(sub("b"))).await.unwrap();
    tree.restart("app/mid/sub", "rebuilt").await.unwrap();
    up(&tree, "app/mid/sub/b", 1).await;
    tree.restart("app/mid", "as described").await.unwrap();
    up(&tree, "app/mid/sub/a", 2).await;
    let below: Vec<_> = tree.directory().entries().into_iter().map(|entry| entry.path.to_string()).collect();
    assert_eq!(below, ["app", "app/mid", "app/mid/sub", "app/mid/sub/a"]);
    tree.shutdown().await;
}
