//! A storm of kills, parks and messages while scrapers, followers and operators look on: no book is ever wrong.
//!
//! `.ci/long watched` lets it last: `REGROW_STORM` says for how many milliseconds, `REGROW_KILLS` how many kills a second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use regrow::admin::Admin;
use regrow::admin::wire::event::Message;
use regrow::admin::wire::services::{Services, State};
use regrow::metrics::Metrics;
use regrow::testing::{Journal, ProbeMsg};
use regrow::{CallError, DynamicSupervisor, Handle, Intensity, Restart, ServiceState, Supervisor, Tree};
use tokio::task::JoinSet;

use crate::client::{Served, serve};
use crate::common::tree::{MS, probe, soon, up, worked_off};
use crate::scrape::Scrape;

const SERVICES: usize = 50;

/// What the storm has done, and whether it is over.
#[derive(Default)]
struct Sky {
    is_over: AtomicBool,
    accepted: AtomicU64,
    kills: AtomicU64,
    parks: AtomicU64,
    scrapes: AtomicU64,
    pages: AtomicU64,
    followed: AtomicU64,
    gaps: AtomicU64,
}

impl Sky {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn add(&self, counter: fn(&Self) -> &AtomicU64) {
        counter(self).fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self, counter: fn(&Self) -> &AtomicU64) -> u64 {
        counter(self).load(Ordering::Relaxed)
    }
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |number| number.parse().unwrap())
}

async fn shop() -> Tree {
    let journal = Journal::new();
    let sessions = journal.clone();
    let pool = DynamicSupervisor::new("sessions")
        .budget(Intensity::unlimited())
        .template(move |name: String| sessions.probe(&name).restart(Restart::Temporary));
    let services = (0..SERVICES).map(|number| journal.probe(&format!("s{number}")).capacity(64));
    let tree = Supervisor::one_for_one("shop").budget(Intensity::unlimited()).children(services).child(pool);
    tree.start().await.unwrap()
}

fn service(tree: &Tree, random: &mut fastrand::Rng) -> Handle<ProbeMsg> {
    probe(tree, &format!("shop/s{}", random.usize(..SERVICES)))
}

/// Kills services at this rate.
async fn kills(tree: Arc<Tree>, sky: Arc<Sky>, a_second: u64) {
    let (mut random, begun) = (fastrand::Rng::with_seed(1), Instant::now());
    let mut given = 0;
    while !sky.is_over() {
        let due = begun.elapsed().as_millis() as u64 * a_second / 1000;
        // A machine that was busy does not kill all at once.
        given = given.max(due.saturating_sub(50));
        while given < due {
            if service(&tree, &mut random).kill().is_ok() {
                sky.add(|sky| &sky.kills);
            }
            given += 1;
        }
        tokio::time::sleep(MS).await;
    }
}

/// Parks services, and revives them.
async fn parks(tree: Arc<Tree>, sky: Arc<Sky>) {
    let mut random = fastrand::Rng::with_seed(2);
    while !sky.is_over() {
        let service = service(&tree, &mut random);
        if service.park("storm").await.is_ok() {
            sky.add(|sky| &sky.parks);
            tokio::time::sleep(5 * MS).await;
            tree.revive(&service.path()).await.unwrap();
        }
        tokio::time::sleep(5 * MS).await;
    }
}

/// Sends messages, and counts those that were accepted.
async fn sends(tree: Arc<Tree>, sky: Arc<Sky>, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    while !sky.is_over() {
        let service = service(&tree, &mut random);
        let accepted = match random.u32(..4) {
            0 => {
                let called = soon("an answer", service.try_call(ProbeMsg::Generation)).await;
                !matches!(called, Err(CallError::Refused(_)))
            }
            1 => service.cast(ProbeMsg::Fail("storm")).is_ok(),
            _ => service.cast(ProbeMsg::Note(seed)).is_ok(),
        };
        if accepted {
            sky.add(|sky| &sky.accepted);
        }
        assert!(service.accounting().is_balanced(), "{}", service.accounting());
        tokio::task::yield_now().await;
    }
}

/// Starts sessions that end at once.
async fn visits(tree: Arc<Tree>, sky: Arc<Sky>) {
    let sessions = tree.dynamic("shop/sessions").unwrap().template::<String>().unwrap();
    let mut number = 0;
    while !sky.is_over() {
        number += 1;
        let name = format!("{}", number % 9);
        if sessions.start_child(name.clone()).await.is_err() {
            tokio::task::yield_now().await;
            continue;
        }
        let session = probe(&tree, &format!("shop/sessions/{name}"));
        for message in [ProbeMsg::Note(number), ProbeMsg::Stop, ProbeMsg::Note(number)] {
            if session.cast(message).is_ok() {
                sky.add(|sky| &sky.accepted);
            }
        }
        tokio::time::sleep(MS).await;
    }
}

/// Scrapes, and checks that the books balance and that no total falls.
async fn scrapes(served: Arc<Served>, sky: Arc<Sky>) {
    let mut before = BTreeMap::new();
    while !sky.is_over() {
        let answer = served.ask("GET", "/metrics", &[], "").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let scrape = Scrape::read(&answer.body);
        assert!(scrape.has("regrow_accounting_difference", &[]));
        assert_eq!(scrape.sum("regrow_accounting_difference", &[]), 0.0);
        for sample in scrape.0.into_iter().filter(|sample| sample.name.ends_with("_total")) {
            let series = (sample.name, sample.labels);
            let last = before.insert(series.clone(), sample.value).unwrap_or_default();
            assert!(sample.value >= last, "{series:?} fell from {last} to {}", sample.value);
        }
        sky.add(|sky| &sky.scrapes);
        tokio::time::sleep(20 * MS).await;
    }
}

/// Follows the events. A generation never goes back, and none is up twice.
async fn follows(served: Arc<Served>, sky: Arc<Sky>) {
    let mut follower = served.follow("/v1/events", None).await;
    let (mut seen, mut latest) = (BTreeMap::<String, u64>::new(), 0);
    while !sky.is_over() {
        // After the storm there may be nothing more to hear.
        let Ok(message) = tokio::time::timeout(100 * MS, follower.next()).await else { continue };
        match message.expect("the stream goes on") {
            Message::Event { entry, after, .. } => {
                assert!(entry.seq > latest, "{} after {latest}", entry.seq);
                latest = entry.seq;
                let known = seen.get(&entry.path).copied().unwrap_or_default();
                assert!(entry.generation >= known, "{}#{} after {known}", entry.path, entry.generation);
                match after {
                    None | Some(State::Gone) => drop(seen.remove(&entry.path)),
                    Some(_) => drop(seen.insert(entry.path, entry.generation)),
                }
                sky.add(|sky| &sky.followed);
            }
            Message::SnapshotBegins { seq, .. } => (seen, latest) = (BTreeMap::new(), seq),
            Message::Gap { .. } => sky.add(|sky| &sky.gaps),
            Message::Snapshot { .. } | Message::SnapshotEnds { .. } | Message::Resumed { .. } => {}
            Message::TreeOver { .. } => panic!("the tree goes on"),
        }
    }
}

/// Reads the services page by page. Each row balances.
async fn pages(served: Arc<Served>, sky: Arc<Sky>) {
    while !sky.is_over() {
        let mut target = "/v1/services?limit=17".to_owned();
        loop {
            let page: Services = served.get(&target).await;
            for row in page.rows.iter().chain(&page.unwell) {
                let messages = &row.messages;
                let known = messages.handled + messages.crashed + messages.returned + messages.dead_lettered;
                assert_eq!(messages.accepted, known + row.queued + messages.in_hand, "{row:?}");
            }
            sky.add(|sky| &sky.pages);
            match page.next {
                Some(next) => target = format!("/v1/services?limit=17&after={next}"),
                None => break,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_books_balance_at_every_look_while_services_die() {
    let (lasts, a_second) = (Duration::from_millis(setting("REGROW_STORM", 1000)), setting("REGROW_KILLS", 200));
    let (tree, sky) = (Arc::new(shop().await), Arc::new(Sky::default()));
    let metrics = Metrics::new().tree(&tree);
    let served = Arc::new(serve(&Admin::new("shop").tree(&tree).metrics(&metrics)).await);
    let (mut storm, mut watch) = (JoinSet::new(), JoinSet::new());
    let begun = Instant::now();
    for _ in 0..10 {
        watch.spawn(scrapes(served.clone(), sky.clone()));
    }
    for _ in 0..5 {
        watch.spawn(follows(served.clone(), sky.clone()));
    }
    watch.spawn(pages(served.clone(), sky.clone()));
    storm.spawn(kills(tree.clone(), sky.clone(), a_second));
    storm.spawn(parks(tree.clone(), sky.clone()));
    storm.spawn(visits(tree.clone(), sky.clone()));
    for seed in 10..13 {
        storm.spawn(sends(tree.clone(), sky.clone(), seed));
    }
    // A watcher that fails ends the test at once.
    let failed = async {
        while let Some(done) = watch.join_next().await {
            done.unwrap();
        }
        while let Some(done) = storm.join_next().await {
            done.unwrap();
        }
    };
    let ends = async {
        let every = sky.clone();
        tokio::time::sleep(lasts).await;
        // A slow machine gets the time for one look of each kind.
        while every.read(|sky| &sky.scrapes) < 10 || every.read(|sky| &sky.pages) < 4 {
            tokio::time::sleep(MS).await;
        }
        every.is_over.store(true, Ordering::Relaxed);
    };
    tokio::join!(failed, ends);
    let took = begun.elapsed();

    for number in 0..SERVICES {
        let service = probe(&tree, &format!("shop/s{number}"));
        up(&tree, &service.path(), 1).await;
        soon("the rest", worked_off(&service)).await;
    }
    let is_empty = async {
        while tree.directory().entries_below("shop/sessions").len() > 1 {
            tokio::task::yield_now().await;
        }
    };
    soon("the last session", is_empty).await;
    let all_up = async {
        while tree.directory().entries().iter().any(|entry| entry.status.state != ServiceState::Up) {
            tokio::task::yield_now().await;
        }
    };
    soon("the last restart", all_up).await;
    let scrape = Scrape::read(&metrics.render());
    let sum = |name: &str| scrape.sum(name, &[]) as u64;
    assert_eq!(sum("regrow_messages_accepted_total"), sky.read(|sky| &sky.accepted), "what was accepted");
    let starts = scrape.sum("regrow_service_starts_total", &[("outcome", "up")]) as u64;
    let ups = scrape.sum("regrow_services", &[("state", "up")]) as u64;
    assert_eq!(starts, sum("regrow_service_exits_total") + ups, "what was started has ended or is up");
    assert_eq!(sum("regrow_accounting_difference"), 0);
    assert!(sky.read(|sky| &sky.parks) > 0 && sky.read(|sky| &sky.kills) > 0);
    let shown = |counter| sky.read(counter);
    println!(
        "{took:.1?}: {} kills, {} parks, {} messages, {starts} starts; {} scrapes, {} pages, {} events in 5 streams, {} gaps",
        shown(|sky| &sky.kills),
        shown(|sky| &sky.parks),
        shown(|sky| &sky.accepted),
        shown(|sky| &sky.scrapes),
        shown(|sky| &sky.pages),
        shown(|sky| &sky.followed),
        shown(|sky| &sky.gaps),
    );
    tree.shutdown().await;
}
