//! Sums while children come and go: no counter falls, and none loses a message.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use regrow::metrics::Metrics;
use regrow::testing::{Journal, ProbeMsg};
use regrow::{DynamicSupervisor, Restart, Supervisor};

use crate::scrape::Scrape;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_total_falls_while_children_come_and_go_and_the_sums_are_what_was_sent() {
    let journal = Journal::new();
    let sessions = DynamicSupervisor::new("sessions")
        .template(move |name: String| journal.probe(&name).restart(Restart::Temporary));
    let tree = Supervisor::one_for_one("shop").child(sessions).start().await.unwrap();
    let metrics = Metrics::new().tree(&tree);
    let (is_over, sent, started) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let scraping = std::thread::spawn({
        let (metrics, is_over) = (metrics.clone(), is_over.clone());
        move || {
            let mut before = BTreeMap::new();
            let mut scrapes = 0;
            while !is_over.load(Ordering::Relaxed) {
                let scrape = Scrape::read(&metrics.render());
                assert_eq!(scrape.sum("regrow_accounting_difference", &[]), 0.0);
                for sample in scrape.0.into_iter().filter(|sample| sample.name.ends_with("_total")) {
                    let series = (sample.name, sample.labels);
                    let last = before.insert(series.clone(), sample.value).unwrap_or_default();
                    assert!(sample.value >= last, "{series:?} fell from {last} to {}", sample.value);
                }
                scrapes += 1;
            }
            scrapes
        }
    });
    let churns: Vec<_> = (0..4)
        .map(|lane| {
            let template = tree.dynamic("shop/sessions").unwrap().template::<String>().unwrap();
            let tree = tree.directory();
            let (sent, started) = (sent.clone(), started.clone());
            tokio::spawn(async move {
                for round in 0..300_u64 {
                    let name = format!("{lane}-{}", round % 7);
                    template.start_child(name.clone()).await.unwrap();
                    started.fetch_add(1, Ordering::Relaxed);
                    let session = tree.lookup::<ProbeMsg>(&format!("shop/sessions/{name}")).unwrap();
                    let mut status = session.watch();
                    for number in 0..round % 5 {
                        session.cast(ProbeMsg::Note(number)).unwrap();
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                    // Some end by themselves, and some are killed with messages in the mailbox, which are dead then.
                    if round % 3 == 0 {
                        session.kill().unwrap();
                    } else {
                        session.cast(ProbeMsg::Stop).unwrap();
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                    status.wait_for(|status| status.state == regrow::ServiceState::Gone).await.unwrap();
                }
            })
        })
        .collect();
    for churn in churns {
        churn.await.unwrap();
    }
    is_over.store(true, Ordering::Relaxed);
    let scrapes = scraping.join().expect("no total has fallen");
    assert!(scrapes > 3, "{scrapes}");
    let scrape = Scrape::read(&metrics.render());
    let of = |name: &str| scrape.sum(name, &[("service", "shop/sessions/*")]);
    assert_eq!(of("regrow_messages_accepted_total"), sent.load(Ordering::Relaxed) as f64);
    assert_eq!(of("regrow_service_exits_total"), started.load(Ordering::Relaxed) as f64);
    assert_eq!(scrape.sum("regrow_service_starts_total", &[("service", "shop/sessions/*"), ("outcome", "up")]), 1200.0);
    assert_eq!(of("regrow_services"), 0.0);
    let figures = tree.directory().figures();
    let sums = figures.iter().find(|figures| **figures.template() == *"shop/sessions/*").unwrap();
    assert!(sums.accounting().is_balanced() && sums.accounting().queued == 0, "{}", sums.accounting());
    tree.shutdown().await;
}

// Found by review: the churn above has no measured service, and no label beyond the cap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_histogram_falls_while_measured_children_come_and_go_also_not_under_other() {
    const LANES: u64 = 4;
    let pools = (0..LANES).map(|lane| {
        let journal = Journal::new();
        DynamicSupervisor::new(format!("pool{lane}"))
            .template(move |name: String| journal.probe(&name).restart(Restart::Temporary).measured())
    });
    let tree = pools.fold(Supervisor::one_for_one("shop"), Supervisor::child).start().await.unwrap();
    // Labels of the root and of two pools: what the other pools count is counted together.
    let metrics = Metrics::new().tree(&tree).templates_max(3);
    let is_over = Arc::new(AtomicBool::new(false));
    let scraping = std::thread::spawn({
        let (metrics, is_over) = (metrics.clone(), is_over.clone());
        move || {
            let (mut before, mut scrapes) = (BTreeMap::new(), 0);
            while !is_over.load(Ordering::Relaxed) {
                let scrape = Scrape::read(&metrics.render());
                assert_eq!(scrape.sum("regrow_accounting_difference", &[]), 0.0);
                let grows = |name: &str| ["_total", "_count", "_sum", "_bucket"].iter().any(|end| name.ends_with(end));
                for sample in scrape.0.into_iter().filter(|sample| grows(&sample.name)) {
                    let series = (sample.name, sample.labels);
                    let last = before.insert(series.clone(), sample.value).unwrap_or_default();
                    assert!(sample.value >= last, "{series:?} fell from {last} to {}", sample.value);
                }
                scrapes += 1;
            }
            scrapes
        }
    });
    let churns: Vec<_> = (0..LANES)
        .map(|lane| {
            let template = tree.dynamic(&format!("shop/pool{lane}")).unwrap().template::<String>().unwrap();
            let tree = tree.directory();
            tokio::spawn(async move {
                let mut handled = 0;
                for round in 0..150_u64 {
                    let name = (round % 5).to_string();
                    template.start_child(name.clone()).await.unwrap();
                    let session = tree.lookup::<ProbeMsg>(&format!("shop/pool{lane}/{name}")).unwrap();
                    let mut status = session.watch();
                    for number in 0..round % 7 {
                        session.cast(ProbeMsg::Note(number)).unwrap();
                    }
                    session.cast(ProbeMsg::Stop).unwrap();
                    status.wait_for(|status| status.state == regrow::ServiceState::Gone).await.unwrap();
                    handled += round % 7 + 1;
                }
                handled
            })
        })
        .collect();
    let mut handled = 0;
    for churn in churns {
        handled += churn.await.unwrap();
    }
    is_over.store(true, Ordering::Relaxed);
    assert!(scraping.join().expect("no series has fallen") > 3);
    let scrape = Scrape::read(&metrics.render());
    assert_eq!(scrape.sum("regrow_messages_handled_total", &[]), handled as f64);
    for name in ["regrow_message_wait_seconds_count", "regrow_message_handling_seconds_count"] {
        assert_eq!(scrape.sum(name, &[]), handled as f64, "{name}");
        assert!(scrape.sum(name, &[("service", "other")]) > 0.0, "{name}");
    }
    assert_eq!(scrape.sum("regrow_accounting_difference", &[]), 0.0);
    assert!(scrape.values("regrow_messages_handled_total", "service").len() <= 4);
    tree.shutdown().await;
}
