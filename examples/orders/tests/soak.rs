//! The backend under all faults for a long time: what it has at the end is what it had at the beginning.
//!
//! `.ci/long soak-orders` runs it for as many minutes as the variable `MINUTES` says.

mod common;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use common::{PATIENCE, Shop, load, plan, unpromised, until};
use orders::demo::EXPERIMENT;
use orders::demo::operator::Operator;
use orders::demo::process::Process;
use orders::http::Figures;
use orders::load::client::Client;
use orders::load::figures::Table;
use orders::load::{Plan, check};
use tokio::time::{Instant, sleep};

/// What a process has, at rest.
#[derive(Debug, Clone, Copy)]
struct Holdings {
    memory_kb: u64,
    threads: u64,
    tasks: u64,
    files: u64,
    sockets: u64,
}

impl fmt::Display for Holdings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory_kb, threads, tasks, files, sockets } = self;
        write!(f, "{memory_kb} KB of memory, {threads} threads, {tasks} tasks, {files} files, {sockets} sockets")
    }
}

async fn holdings(process: &Process) -> Holdings {
    let proc = Path::new("/proc").join(process.id().to_string());
    let status = std::fs::read_to_string(proc.join("status")).unwrap();
    let line = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    let open =
        std::fs::read_dir(proc.join("fd")).unwrap().filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    let (sockets, files): (Vec<_>, Vec<_>) = open.partition(|to| to.to_string_lossy().starts_with("socket:"));
    let figures: Figures = process.client.get("/statistics").await.unwrap();
    Holdings {
        memory_kb: line("VmRSS:"),
        threads: line("Threads:"),
        tasks: figures.tasks as u64,
        files: files.len() as u64,
        sockets: sockets.len() as u64,
    }
}

/// Orders for a while, under the experiment of the demonstration again and again. Then waits until all is settled and each
/// session has ended.
async fn round(shop: &Shop, process: &Process, name: &str, lasts: Duration) -> Holdings {
    let operator = Operator(process.client.clone());
    let begun = Instant::now();
    // The connections of these customers are closed with their client, after the round.
    let customers = Client::new(shop.program.listen);
    let (running, figures) = load(Plan { name: name.into(), ..plan(usize::MAX, 100.0) }, &customers);
    drop(customers);
    until("each customer has a session", async || running.acknowledged() > 200).await;
    while begun.elapsed() < lasts {
        let (has_passed, report) = operator.experiment(EXPERIMENT).await.unwrap();
        assert!(has_passed, "{report}\n{}", shop.log());
    }
    running.stop();
    let figures = figures.await.unwrap();
    eprintln!("{}", Table(&[(name, &figures)]));
    assert_eq!((figures.given_up(), unpromised(&figures)), (0, vec![]));
    check::wait_until_settled(&process.client, PATIENCE).await.unwrap();
    // Sessions end a minute after their last order.
    sleep(Duration::from_secs(60)).await;
    until("all sessions have ended", async || {
        operator.services().await.unwrap().iter().all(|row| row["template"] != "orders/sessions/*")
    })
    .await;
    let held = holdings(process).await;
    eprintln!("{name}: {held}");
    held
}

#[tokio::test]
#[ignore = "it takes minutes: `.ci/long soak-orders`"]
async fn what_it_has_after_all_faults_is_what_it_had_before() {
    let minutes: u64 = std::env::var("MINUTES").map_or(5, |minutes| minutes.parse().expect("MINUTES is a number"));
    let mut shop = Shop::new();
    let process = shop.start(&["--experiments"]).await;
    // The first round fills caches, the allocator and the record of what has happened.
    let before = round(&shop, &process, "warm up", Duration::from_secs(60)).await;
    let after = round(&shop, &process, "soak", Duration::from_secs(60 * minutes)).await;
    shop.end(process).await;
    assert!(after.tasks <= before.tasks && after.threads <= before.threads + 2, "{before}\n{after}");
    assert!(after.files <= before.files && after.sockets <= before.sockets + 2, "{before}\n{after}");
    // A third more, and some megabytes that the allocator keeps.
    assert!(after.memory_kb <= before.memory_kb * 4 / 3 + 8_000, "{before}\n{after}");
}
