//! A child that is a future: up at once, transient, dropped at its await when it is to stop, unless it listens.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::tree::{Census, MS, SEC, Starts, heard_to_the_end, hears, hears_of, soon, stands, up};
use regrow::testing::Journal;
use regrow::{Child, Exit, Restart, ServiceState, Shutdown, Supervisor, TaskChild, TaskContext, Tree, ignore};
use tokio::time::Instant;

async fn alone(task: TaskChild) -> Tree {
    Supervisor::one_for_one("app").intensity(3, SEC).child(task).start().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_task_that_returns_ok_has_ended_well_and_rests() {
    let task = Child::task("task", |_| async {
        tokio::time::sleep(MS).await;
        Ok(())
    });
    let tree = alone(task).await;
    let mut events = tree.events();
    stands(&tree, "app/task", ServiceState::Down).await;
    assert!(tree.shutdown().await.is_clean());
    assert_eq!(heard_to_the_end(&mut events).await, ["app/task#1 exited: normal", "app/task#1 is down"]);
}

#[tokio::test]
async fn a_permanent_task_is_started_again_when_it_has_ended_well() {
    let starts = Starts::default();
    let counted = starts.clone();
    let task = Child::task("task", move |_| {
        let made = counted.attempt();
        async move {
            match made? {
                1..4 => Ok(()),
                _ => std::future::pending().await,
            }
        }
    });
    let tree = alone(task.restart(Restart::Permanent)).await;
    up(&tree, "app/task", 4).await;
    tree.shutdown().await;
}

#[tokio::test]
async fn a_task_that_fails_or_panics_is_started_again_and_knows_why() {
    let exits = Arc::new(Mutex::new(Vec::new()));
    let seen = exits.clone();
    let task = Child::task("task", move |ctx: TaskContext| {
        seen.lock().unwrap().push(ctx.last_exit().map(Exit::kind));
        async move {
            match ctx.generation() {
                1 => anyhow::bail!("no disk"),
                2 => panic!("{} is broken", ctx.path()),
                _ => std::future::pending().await,
            }
        }
    });
    let tree = Supervisor::one_for_one("app").intensity(3, SEC).child(task);
    // Before it starts, or the first failure is missed.
    let tree = tree.child(Child::task("later", |_| async { std::future::pending().await })).start().await.unwrap();
    up(&tree, "app/task", 3).await;
    assert_eq!(*exits.lock().unwrap(), [None, Some("failed"), Some("panicked")]);
    tree.shutdown().await;
}

// The closure runs before there is a future, and can panic as well.
#[tokio::test]
async fn a_panic_in_the_closure_is_a_panic_of_the_task() {
    let task = Child::task("task", |ctx: TaskContext| {
        assert!(ctx.generation() > 1, "too early");
        std::future::pending::<anyhow::Result<()>>()
    });
    let tree = Supervisor::one_for_one("app").child(Child::task("a", |_| std::future::pending())).child(task);
    let tree = tree.start().await.unwrap();
    up(&tree, "app/task", 2).await;
    tree.shutdown().await;
}

#[tokio::test]
async fn a_task_that_is_not_wanted_rests() {
    let tree = alone(Child::task("task", |_| async { ignore() })).await;
    stands(&tree, "app/task", ServiceState::Down).await;
    tree.shutdown().await;
}

/// Waits for ever, and writes when it is dropped.
async fn rests_until_dropped(journal: Journal) -> anyhow::Result<()> {
    struct Dropped(Journal);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.write("dropped");
        }
    }
    let dropped = Dropped(journal.clone());
    std::future::pending::<()>().await;
    drop(dropped);
    journal.write("woke up");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_stop_drops_a_task_at_its_await() {
    let journal = Journal::new();
    let written = journal.clone();
    let tree = alone(Child::task("task", move |_| rests_until_dropped(written.clone()))).await;
    let mut events = tree.events();
    let report = tree.shutdown().await;
    assert_eq!((report.is_clean(), report.took), (true, Duration::ZERO));
    assert_eq!(journal.take(), ["dropped"]);
    assert_eq!(heard_to_the_end(&mut events).await, ["app/task#1 exited: shutdown"]);
}

/// Works until it is told to stop, then takes its time to finish.
fn listens(journal: &Journal, takes: Duration) -> TaskChild {
    let journal = journal.clone();
    Child::task("task", move |ctx: TaskContext| {
        let journal = journal.clone();
        async move {
            tokio::select! {
                () = ctx.stopping() => journal.write("told to stop"),
                () = std::future::pending() => {}
            }
            tokio::time::sleep(takes).await;
            journal.write("finished");
            Ok(())
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_task_that_listens_may_finish_in_its_own_time() {
    let journal = Journal::new();
    let tree = alone(listens(&journal, 300 * MS)).await;
    tokio::task::yield_now().await;
    let mut events = tree.events();
    let report = tree.shutdown().await;
    assert_eq!((report.is_clean(), report.took), (true, 300 * MS));
    assert_eq!(journal.take(), ["told to stop", "finished"]);
    assert_eq!(heard_to_the_end(&mut events).await, ["app/task#1 exited: shutdown"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_listens_is_killed_when_its_time_is_up() {
    let journal = Journal::new();
    let tree = alone(listens(&journal, 300 * MS).shutdown(Shutdown::After(100 * MS))).await;
    tokio::task::yield_now().await;
    let report = tree.shutdown().await;
    assert_eq!((&*report.killed, report.took), (&["app/task".into()][..], 100 * MS));
    assert_eq!(journal.take(), ["told to stop"]);
}

#[tokio::test(start_paused = true)]
async fn a_kill_drops_a_task_at_once_though_it_listens() {
    let journal = Journal::new();
    let tree = alone(listens(&journal, SEC)).await;
    let begun = Instant::now();
    tree.kill("app/task").unwrap();
    up(&tree, "app/task", 2).await;
    assert_eq!((journal.take(), begun.elapsed()), (vec![], Duration::ZERO));
    tree.shutdown().await;
}

// Wherever it is awaited: in a linked task, too.
#[tokio::test(start_paused = true)]
async fn a_stop_reaches_whoever_waits_for_it() {
    let journal = Journal::new();
    let written = journal.clone();
    let task = Child::task("task", move |ctx: TaskContext| {
        let journal = written.clone();
        async move {
            let (done, told) = tokio::sync::oneshot::channel();
            let stopping = ctx.stopping();
            ctx.spawn(async move {
                stopping.await;
                let _ = done.send(());
            });
            told.await?;
            journal.write("told by another");
            Ok(())
        }
    });
    let tree = alone(task).await;
    tokio::time::sleep(MS).await;
    let report = tree.shutdown().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(journal.take(), ["told by another"]);
}

#[tokio::test(start_paused = true)]
async fn one_who_asks_after_the_stop_is_told_at_once() {
    let journal = Journal::new();
    let written = journal.clone();
    let task = Child::task("task", move |ctx: TaskContext| {
        let journal = written.clone();
        async move {
            ctx.stopping().await;
            ctx.stopping().await;
            journal.write("twice");
            Ok(())
        }
    });
    let tree = alone(task).await;
    tokio::time::sleep(MS).await;
    assert!(tree.shutdown().await.is_clean());
    assert_eq!(journal.take(), ["twice"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_task_has_spawned_ends_with_it_and_its_panic_ends_the_task() {
    let census = Census::default();
    let counted = census.clone();
    let task = Child::task("task", move |ctx: TaskContext| {
        let linked = counted.enter();
        async move {
            let generation = ctx.generation();
            ctx.spawn(async move {
                let _linked = linked;
                tokio::time::sleep(MS).await;
                if generation == 1 {
                    panic!("the linked one");
                }
                std::future::pending().await
            });
            std::future::pending().await
        }
    });
    let tree = Supervisor::one_for_one("app").child(task).start().await.unwrap();
    let mut events = tree.events();
    hears_of(&mut events, "app/task#1 exited: panicked: the linked one at tests/services/tasks.rs:").await;
    hears(&mut events, "app/task#2 started").await;
    soon("the end", tree.shutdown()).await;
    assert_eq!((census.alive(), census.alive_max(), census.ever()), (0, 1, 2));
}
