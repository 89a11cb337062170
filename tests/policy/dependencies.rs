//! Services that depend on services: who waits for whom, who wakes whom, and what cannot be.

use crate::common::tree::{SEC, probe, up};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Backoff, Child, Context, Intensity, Policy, Readiness, Service, ServiceState, StartChildError, StartError,
    Supervisor,
};
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn dependents_wait_at_boot_and_through_restarts_and_are_woken_by_readiness() {
    let journal = Journal::new();
    let says = Policy::default().readiness(Readiness::WhenSaid);
    let db = Child::service("db", {
        let journal = journal.clone();
        move |ctx: Context<Db>| {
            journal.write(format!("db#{}", ctx.generation()));
            async { Ok(Db) }
        }
    });
    struct Db;
    impl Service for Db {
        type Msg = ();
        async fn handle(&mut self, (): (), ctx: &mut Context<Self>) -> anyhow::Result<()> {
            ctx.ready();
            Ok(())
        }
    }
    let on_db = |delay| Policy::default().backoff(Backoff::new(delay)).depends_on(["db"]);
    // In another supervisor, and before what it depends on.
    let tree = Supervisor::one_for_one("app")
        .budget(Intensity::unlimited())
        .child(Supervisor::one_for_one("web").child(journal.probe("far").policy(on_db(600 * SEC))))
        .child(journal.probe("near").policy(on_db(600 * SEC)))
        .child(db.policy(says))
        .start()
        .await
        .unwrap();
    assert_eq!(journal.lines(), ["db#1"], "the boot is complete, and those who depend on it wait");
    let why = tree.why("app/near").await.unwrap();
    assert_eq!(
        why.to_string(),
        "`app/near` is not started. It waits for `app/db`. Nothing has gone wrong with it yet. Its restarts are not limited."
    );
    assert!(tree.why("app/web/far").await.unwrap().to_string().contains("It waits for `app/db`."));
    let near = probe(&tree, "app/near");
    near.cast(ProbeMsg::Note(1)).unwrap();

    let db = tree.lookup::<()>("app/db").unwrap();
    assert!(!db.status().ready && db.status().state == ServiceState::Up);
    db.cast(()).unwrap();
    up(&tree, "app/near", 1).await;
    up(&tree, "app/web/far", 1).await;
    assert!(db.status().ready);
    assert_eq!(near.call(ProbeMsg::Noted).await.unwrap(), [1]);

    // The dependency goes, and its dependents die of that: they come back with it, not by the clock.
    db.kill().unwrap();
    up(&tree, "app/db", 2).await;
    near.kill().unwrap();
    probe(&tree, "app/web/far").kill().unwrap();
    let begun = Instant::now();
    tokio::time::sleep(SEC).await;
    assert_eq!(near.generation(), 1);
    db.cast(()).unwrap();
    up(&tree, "app/near", 2).await;
    up(&tree, "app/web/far", 2).await;
    assert!(begun.elapsed() < 2 * SEC);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_depends_on_nobody_or_on_itself_is_refused_before_anything_starts() {
    let journal = Journal::new();
    let on = |name: &str, others: &[&str]| journal.probe(name).policy(Policy::default().depends_on(others.to_vec()));
    let error = Supervisor::one_for_one("app").child(on("a", &["nobody"])).start().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`app/a` depends on `nobody`, which is not in the tree: name a sibling, or a full path that begins with a slash"
    );

    let circle = Supervisor::one_for_one("app")
        .child(on("a", &["b"]))
        .child(Supervisor::one_for_one("sub").child(on("b", &["c"])).child(on("c", &["/app/a"])))
        .child(on("b", &["sub/b"]));
    let error = circle.start().await.unwrap_err();
    let text = "services depend on each other in a circle: app/a -> app/b -> app/sub/b -> app/sub/c -> app/a; leave \
                one of these dependencies out";
    assert_eq!(error.to_string(), text);
    let error = Supervisor::one_for_one("app").child(on("a", &["a"])).start().await.unwrap_err();
    assert!(matches!(error, StartError::DependencyCycle { .. }));
    assert_eq!(journal.lines(), [""; 0]);

    let tree = Supervisor::one_for_one("app").child(journal.probe("a")).start().await.unwrap();
    let refused = tree.supervisor("app").unwrap().start_child(on("b", &["nobody"])).await.unwrap_err();
    assert!(matches!(refused, StartChildError::Refused(StartError::UnknownDependency { .. })));
    let bad = journal.probe("c").policy(Policy::default().backoff(Backoff::listed([])));
    let refused = tree.supervisor("app").unwrap().start_child(bad).await.unwrap_err();
    assert_eq!(refused.to_string(), "the restart policy of `app/c` is not valid: the list of delays is empty");
    tree.shutdown().await;
}
