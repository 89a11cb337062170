//! Dynamic supervisors as parts of a tree: how they stop, end and nest.

use std::time::Duration;

use crate::common::pool::{app, hang, paths, pool};
use crate::common::tree::{MS, SEC, Slow, heard, probe, soon, up};
use regrow::testing::{Journal, ProbeMsg, until};
use regrow::{
    ChildKind, DynamicSupervisor, Exit, Handle, ManageError, NotRunning, Partitioned, Restart, ServiceState, Shutdown,
    StartChildError, Supervisor,
};
use tokio::time::Instant;

async fn gone<M: Send + 'static>(handle: &Handle<M>) {
    soon("its end", until(handle.watch(), |status| status.state == ServiceState::Gone)).await;
}

#[tokio::test(start_paused = true)]
async fn all_children_are_told_at_once_and_stop_side_by_side() {
    let journal = Journal::new();
    let (tree, pool) = app(pool()).await;
    for number in 0..50 {
        pool.start_child(Slow::child(&number.to_string(), &journal, SEC)).await.unwrap();
    }
    let report = tree.shutdown().await;
    assert!(report.is_clean() && report.took == SEC, "{report}");
}

#[tokio::test(start_paused = true)]
async fn each_child_has_its_own_time_to_stop_counted_from_the_same_moment() {
    let journal = Journal::new();
    let (tree, pool) = app(pool()).await;
    for (name, limit) in [("a", 3 * SEC), ("b", 2 * SEC), ("c", 4 * SEC)] {
        pool.start_child(Slow::child(name, &journal, 60 * SEC).shutdown(Shutdown::After(limit))).await.unwrap();
    }
    pool.start_child(Slow::child("d", &journal, SEC)).await.unwrap();
    journal.take();
    let report = tree.shutdown().await;
    assert_eq!(report.took, 4 * SEC);
    let killed: Vec<_> = report.killed.iter().map(|path| &**path).collect();
    assert_eq!(killed, ["app/pool/b", "app/pool/a", "app/pool/c"]);
    let ends: Vec<_> = journal.take().into_iter().filter(|line| line.starts_with("end")).collect();
    assert_eq!(ends, ["end d#1", "end b#1", "end a#1", "end c#1"]);
}

#[tokio::test]
async fn out_of_budget_the_pool_ends_and_is_restarted_empty() {
    let journal = Journal::new();
    let (tree, pool) = app(pool().intensity(1, 60 * SEC)).await;
    let mut events = tree.events();
    pool.start_child(journal.probe("a")).await.unwrap();
    pool.start_child(journal.probe("b")).await.unwrap();
    let (a, b) = (probe(&tree, "app/pool/a"), probe(&tree, "app/pool/b"));
    a.cast(ProbeMsg::Panic("one")).unwrap();
    a.cast(ProbeMsg::Panic("one too many")).unwrap();
    gone(&a).await;
    gone(&b).await;
    up(&tree, "app/pool", 2).await;
    assert_eq!(paths(&tree), ["app", "app/pool"]);
    assert!(heard(&mut events).iter().any(|line| line.starts_with("app/pool#1 gave up on `app/pool/a`: panicked")));
    // The handle from before is about the present incarnation, whose budget is whole.
    pool.start_child(journal.probe("a")).await.unwrap();
    assert_eq!(a.status().state, ServiceState::Gone);
    let a = probe(&tree, "app/pool/a");
    a.kill().unwrap();
    up(&tree, "app/pool/a", 2).await;
    assert_eq!(journal.alive_max(), 1);
    tree.shutdown().await;
}

#[tokio::test]
async fn a_pool_can_be_the_root() {
    let journal = Journal::new();
    let tree = pool().intensity(0, SEC).start().await.unwrap();
    let pool = tree.dynamic("pool").unwrap();
    pool.start_child(journal.probe("a").restart(Restart::Temporary)).await.unwrap();
    pool.start_child(journal.probe("b")).await.unwrap();
    probe(&tree, "pool/a").kill().unwrap();
    let b = probe(&tree, "pool/b");
    b.kill().unwrap();
    assert!(matches!(soon("the end", tree.wait()).await.exit, Exit::Shutdown));
    gone(&b).await;
    assert!(matches!(pool.start_child(journal.probe("c")).await, Err(StartChildError::NotRunning { .. })));

    let tree = DynamicSupervisor::new("pool").start().await.unwrap();
    tree.dynamic("pool").unwrap().stop(Exit::ShutdownWith("enough".into())).unwrap();
    assert_eq!(soon("the end", tree.wait()).await.exit.to_string(), "shutdown (enough)");
}

#[tokio::test]
async fn whole_subtrees_are_children_and_vanish_with_all_their_paths() {
    let journal = Journal::new();
    let (tree, pool) = app(pool()).await;
    let deep = Supervisor::one_for_one("deep").child(journal.probe("z"));
    let room = Supervisor::one_for_one("room").child(journal.probe("x")).child(deep);
    pool.start_child(room).await.unwrap();
    pool.start_child(DynamicSupervisor::new("inner")).await.unwrap();
    let of = journal.clone();
    pool.start_child(Partitioned::new("parts", 2, move |_| of.probe("p"))).await.unwrap();
    let inner = tree.dynamic("app/pool/inner").unwrap();
    inner.start_child(journal.probe("y")).await.unwrap();
    tree.partitions::<ProbeMsg>("app/pool/parts").unwrap().resize(3).await.unwrap();
    let count = pool.count_children().await.unwrap();
    assert_eq!((count.specs, count.supervisors, count.workers), (3, 3, 0));
    let kinds: Vec<_> = pool.which_children().await.unwrap().iter().map(|child| child.kind).collect();
    assert_eq!(kinds, [ChildKind::Supervisor, ChildKind::Dynamic, ChildKind::Partitioned]);

    let handles = ["room/x", "room/deep/z", "inner/y", "parts/2"].map(|name| probe(&tree, &format!("app/pool/{name}")));
    for handle in &handles {
        handle.call(ProbeMsg::Generation).await.unwrap();
    }
    tree.kill("app/pool/room").unwrap();
    up(&tree, "app/pool/room", 2).await;
    assert_eq!(handles[0].call(ProbeMsg::Generation).await.unwrap(), 2);
    for name in ["room", "inner", "parts"] {
        pool.terminate_child(name).await.unwrap();
    }
    assert_eq!(paths(&tree), ["app", "app/pool"]);
    assert!(handles.iter().all(|handle| handle.status().state == ServiceState::Gone));
    assert!(matches!(inner.which_children().await, Err(NotRunning { .. })));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_stopping_or_stopped_answers_at_once() {
    let journal = Journal::new();
    let (tree, pool) = app(pool().restart(Restart::Temporary)).await;
    pool.start_child(Slow::child("slow", &journal, SEC)).await.unwrap();
    let start = hang(&tree, &pool).await;
    // Waits until the start is known to be a slow one.
    pool.which_children().await.unwrap();
    pool.stop(Exit::Shutdown).unwrap();
    let is_over = async || {
        let begun = Instant::now();
        let errors: [ManageError; 5] = [
            pool.start_child(journal.probe("b")).await.unwrap_err().into(),
            pool.terminate_child("slow").await.unwrap_err().into(),
            pool.which_children().await.unwrap_err().into(),
            pool.count_children().await.unwrap_err().into(),
            pool.child_spec("slow").await.unwrap_err().into(),
        ];
        for error in errors {
            assert!(matches!(&error, ManageError::NotRunning { path } if &**path == "app/pool"), "{error:?}");
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
    };
    is_over().await;
    assert!(matches!(start.await.unwrap(), Err(StartChildError::NotRunning { .. })));
    while tree.directory().status("app/pool").is_some() {
        tokio::time::sleep(100 * MS).await;
    }
    is_over().await;
    assert!(pool.stop(Exit::Shutdown).is_err());
    tree.shutdown().await;
    is_over().await;
}
