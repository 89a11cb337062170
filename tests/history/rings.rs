//! The rings: what is kept of a long life, and what a reader learns of the rest.

use regrow::testing::Journal;
use regrow::{Child, DynamicSupervisor, Intensity, Restart, Supervisor, TaskContext};

use crate::common::tree::{SEC, hears, probe, up};

#[tokio::test(start_paused = true)]
async fn ordinary_ends_push_out_ordinary_ends_and_no_failure() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app")
        .child(journal.probe("web"))
        .child(DynamicSupervisor::new("pool").budget(Intensity::unlimited()).numbered())
        .start()
        .await
        .unwrap();
    tokio::time::advance(SEC).await;
    probe(&tree, "app/web").kill().unwrap();
    up(&tree, "app/web", 2).await;
    tokio::time::advance(SEC).await;
    let (mut events, pool) = (tree.events(), tree.dynamic("app/pool").unwrap());
    let job = || Child::task("job", |_: TaskContext| async { Ok(()) }).restart(Restart::Temporary);
    for number in 1..=1500 {
        pool.start_child(job()).await.unwrap();
        hears(&mut events, &format!("app/pool/{number}#1 is gone")).await;
    }

    let history = tree.history();
    let of_web: Vec<_> = history.of("app/web").map(|entry| entry.to_string()).collect();
    assert_eq!(of_web, ["app/web#1 exited: killed"], "its starts were ordinary");
    assert!(history.ordinary.is_cut && !history.failures.is_cut);
    assert_eq!((history.ordinary.at, history.failures.at), (2 * SEC, std::time::Duration::ZERO));
    let first = history.entries.iter().position(|entry| entry.seq == history.ordinary.seq).unwrap();
    let whole = history.entries.len() - first;
    assert!((4096..=4096 + 64).contains(&whole), "{whole} entries from there on, and none is missing");
    assert!(history.entries.iter().is_sorted_by(|a, b| a.seq < b.seq && a.at <= b.at));
    let started = history.counts.iter().find(|count| count.kind == "started").unwrap();
    assert_eq!(started.count, 3 + 1500);

    let error = history.at(SEC).unwrap_err();
    assert_eq!((error.asked, error.begins), (SEC, 2 * SEC));
    let text = "the history begins 2.0s after the start of the tree, and 1.0s is earlier: ask for a later time";
    assert_eq!(error.to_string(), text);
    assert_eq!(history.at(2 * SEC).unwrap().len(), 3, "the root, the service and the pool");

    let tail = tree.directory().history_after(history.ordinary.seq);
    assert!(tail.is_complete && tail.entries.len() == whole - 1, "{}", tail.entries.len());
    assert!(!tree.directory().history_after(history.ordinary.seq - 2).is_complete);
    assert!(!tree.directory().history_after(tail.latest + 1).is_complete, "it is the number of another tree");
    tree.shutdown().await;
}
