//! Nothing runs unless a service is watched, and nothing outlives the tree. One test: what it counts is the process's.

#[path = "common/mod.rs"]
mod common;

use common::tree::{MS, soon};
use common::watched::{Worker, does, watched, worker};
use regrow::{Context, Policy, Restart, Supervisor};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::sleep;

/// The watchdog's threads, where they can be counted.
fn threads() -> usize {
    let names = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let name = |entry: std::fs::DirEntry| std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
    names.map(name).filter(|name| name.trim() == "regrow-watchdog").count()
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

async fn becomes(what: &str, test: impl Fn() -> bool) {
    let settled = async {
        while !test() {
            sleep(MS).await;
        }
    };
    soon(what, settled).await;
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

async fn with_a_tree_that_ends() {
    let one = usize::from(cfg!(target_os = "linux"));
    let tree = Supervisor::one_for_one("app").child(worker("clerk")).start().await.unwrap();
    let without = tasks();
    assert_eq!(threads(), 0);
    tree.shutdown().await;
    becomes("the end of all tasks", || tasks() == 0).await;

    let tree = Supervisor::one_for_one("app").child(watched("clerk")).start().await.unwrap();
    becomes("one more task, and one thread", || (tasks(), threads()) == (without + 1, one)).await;
    tree.shutdown().await;
    becomes("the end of all tasks and threads", || tasks() == 0 && threads() == 0).await;

    // Dropped and not shut down.
    drop(Supervisor::one_for_one("app").child(watched("clerk")).start().await.unwrap());
    becomes("the end of all tasks and threads", || tasks() == 0 && threads() == 0).await;

    // The one who was watched goes, and others stay.
    let quick = watched("clerk").policy(Policy::default().watchdog(16 * MS)).restart(Restart::Temporary);
    let tree = Supervisor::one_for_one("app").child(worker("other")).child(quick).start().await.unwrap();
    let leaves = async |ctx: Context<Worker>| {
        ctx.stop();
        Ok(())
    };
    tree.lookup("app/clerk").unwrap().cast(does("leaves", leaves)).unwrap();
    becomes("the end of the watchdog", || tasks() == without && threads() == 0).await;
    tree.shutdown().await;
}

#[test]
fn nothing_runs_for_nobody_and_the_watchdog_ends_with_the_tree() {
    runtime().block_on(with_a_tree_that_ends());

    // A runtime that goes away takes the tree along.
    let gone = runtime();
    let tree = gone.block_on(Supervisor::one_for_one("app").child(watched("clerk")).start()).unwrap();
    drop(gone);
    runtime().block_on(becomes("the end of the thread", || threads() == 0));
    drop(tree);
}
