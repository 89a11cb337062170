//! What has ended leaves nothing behind: lives of every kind and wiring come and go, and afterwards the bytes, the tasks and
//! the sizes of all tables are what they were.
//!
//! A sample is part of the tests. `.ci/long leaks` runs the full figure: `REGROW_LIVES` says how many lives.

mod churn;
mod lives;
mod state;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use churn::{Churn, a_tree};
use lives::lives;
use peak_alloc::PeakAlloc;
use regrow::Tree;
use regrow::testing::tables;

/// Counts the bytes that are in use. Tests that measure them run one after the other.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What there is at one moment.
#[derive(Debug, Clone, PartialEq)]
struct Measured {
    bytes: usize,
    tasks: usize,
    tables: BTreeMap<&'static str, usize>,
}

async fn measured(tree: &Tree) -> Measured {
    let tables = tables(tree).await;
    Measured {
        bytes: MEMORY.current_usage(),
        tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
        tables,
    }
}

/// What there is when nothing is under way any more: the same twice in a row, or what it is after a few seconds.
async fn settled(tree: &Tree) -> Measured {
    // Longer than the log holds a line back.
    let deadline = Instant::now() + Duration::from_secs(10);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let mut before = measured(tree).await;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = measured(tree).await;
        if now == before || Instant::now() > deadline {
            return now;
        }
        before = now;
    }
}

/// Leaves the panics that the services are told to have out of the output.
fn quiet_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !info.payload().downcast_ref::<&str>().is_some_and(|text| text.ends_with("as told")) {
            before(info);
        }
    }));
}

/// Some tables are cleared when they have twice as many entries as the last time, and not with each that ends.
fn allowed(name: &str) -> usize {
    match name {
        "log: children" => 128,
        "open calls" | "watchdog: waiters" => 16,
        _ => 0,
    }
}

fn print(when: &str, Measured { bytes, tasks, tables }: &Measured) {
    println!("{when}: {} lives, {bytes} bytes, {tasks} tasks", lives());
    let filled: Vec<_> =
        tables.iter().filter(|(_, size)| **size > 0).map(|(name, size)| format!("{name} {size}")).collect();
    println!("    {}", filled.join(", "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lives_of_every_kind_leave_nothing_behind() {
    let wanted: u64 = std::env::var("REGROW_LIVES").map_or(4_000, |lives| lives.parse().unwrap());
    tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(std::io::sink).init();
    quiet_panics();
    let churn = Churn::new().await;
    let mut events = churn.tree.events();
    tokio::spawn(async move { while events.next().await.is_some() {} });
    let mut round = 0;
    churn.fill_history().await;
    // What is made once is made: runtime, places of panics, tables that have had their first entries.
    while lives() < wanted / 10 {
        churn.round(round).await;
        round += 1;
    }
    a_tree().await;
    churn.experiment(u64::MAX / 2 + round * 10).await;
    let before = settled(&churn.tree).await;
    print("before", &before);
    let begun = Instant::now();
    let mut experiments = 0;
    while lives() < wanted {
        churn.round(round).await;
        round += 1;
        a_tree().await;
        if begun.elapsed() > Duration::from_secs(20) * experiments {
            churn.experiment(u64::MAX / 2 + round * 10).await;
            experiments += 1;
        }
    }
    let after = settled(&churn.tree).await;
    print("after", &after);
    println!("{round} rounds, {experiments} experiments, {:?}", begun.elapsed());
    for (name, size) in &after.tables {
        assert!(*size <= before.tables[name] + allowed(name), "{name}: {size}, and {} before", before.tables[name]);
    }
    assert!(after.tasks <= before.tasks + 4, "{} tasks, and {} before", after.tasks, before.tasks);
    let grown = after.bytes.saturating_sub(before.bytes);
    assert!(grown < 64 * 1024, "{grown} bytes more than before");
    Arc::into_inner(churn).expect("all hands are done").tree.shutdown().await;
}
