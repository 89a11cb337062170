//! A start does not wait for a child that does not exist: what a second look at policies found.

use std::time::Duration;

use crate::common::tree::{MS, SEC, probe, soon, starting, up};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{Abandon, Child, Context, DynamicSupervisor, Intensity, Policy, Shutdown, Supervisor};

struct Idle;

impl regrow::Service for Idle {
    type Msg = ();
    async fn handle(&mut self, (): (), _: &mut Context<Self>) -> anyhow::Result<()> {
        Ok(())
    }
}

// A start that is abandoned gives its place in the gate away.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_abandoned_start_gives_its_place_to_the_next() {
    let journal = Journal::new();
    let stuck = Child::service("stuck", |ctx: Context<Idle>| async move {
        if ctx.generation() > 1 {
            std::thread::sleep(Duration::from_secs(10));
        }
        Ok(Idle)
    });
    let stuck = stuck.shutdown(Shutdown::Kill).abandon(Abandon::After(100 * MS));
    let app = Supervisor::one_for_one("app").budget(Intensity::unlimited()).max_starting(1);
    let tree = app.child(stuck).child(journal.probe("b")).start().await.unwrap();
    let app = tree.supervisor("app").unwrap();
    tree.kill("app/stuck").unwrap();
    starting(&tree, "app/stuck").await;
    soon("its end", app.terminate_child("stuck")).await.unwrap();
    probe(&tree, "app/b").cast(ProbeMsg::Panic("x")).unwrap();
    tokio::time::timeout(5 * SEC, up(&tree, "app/b", 2)).await.expect("the gate is shut");
    tree.shutdown_within(SEC).await;
}

// Who depends on a service that went and came again waits for the one that is there.
#[tokio::test(start_paused = true)]
async fn a_dependency_that_comes_again_is_watched_again() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app")
        .budget(Intensity::unlimited())
        .child(DynamicSupervisor::new("pool").budget(Intensity::unlimited()))
        .start()
        .await
        .unwrap();
    let pool = tree.dynamic("app/pool").unwrap();
    pool.start_child(journal.probe("w")).await.unwrap();
    let app = tree.supervisor("app").unwrap();
    app.start_child(journal.probe("a").policy(Policy::default().depends_on(["app/pool/w"]))).await.unwrap();
    up(&tree, "app/a", 1).await;
    pool.terminate_child("w").await.unwrap();
    pool.start_child(journal.probe("w")).await.unwrap();
    up(&tree, "app/pool/w", 1).await;
    probe(&tree, "app/a").cast(ProbeMsg::Panic("x")).unwrap();
    up(&tree, "app/a", 2).await;
    tree.shutdown().await;
}
