//! The router and the facade.

use std::sync::{Arc, Mutex};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use regrow::metrics::{Metrics, metrics_router};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{Supervisor, Tree};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::common::tree::{probe, soon};
use crate::scrape::Scrape;

async fn tree() -> Tree {
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await.unwrap();
    probe(&tree, "app/a").cast(ProbeMsg::Note(1)).unwrap();
    tree
}

async fn get(address: std::net::SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[tokio::test]
async fn the_router_serves_the_text_at_metrics_and_nothing_else() {
    let tree = tree().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, metrics_router(Metrics::new().tree(&tree))).await });
    let (head, body) = soon("the answer", get(address, "/metrics")).await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/plain; version=0.0.4"), "{head}");
    let scrape = Scrape::read(&body);
    assert_eq!(scrape.sum("regrow_messages_accepted_total", &[("service", "app/a")]), 1.0);
    assert!(body.contains("# TYPE regrow_messages_accepted_total counter"), "{body}");
    assert!(body.contains("# HELP regrow_accounting_difference Messages"), "{body}");
    let (head, _) = soon("the answer", get(address, "/")).await;
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    server.abort();
}

/// A recorder that remembers the names that it was given.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<Vec<String>>>);

impl Names {
    fn note(&self, name: &str) {
        self.0.lock().unwrap().push(name.to_owned());
    }
}

impl Recorder for Names {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.note(&format!("describe {}", name.as_str()));
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe_counter(name, unit, help);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe_counter(name, unit, help);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.note(key.name());
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.note(key.name());
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.note(key.name());
        Histogram::noop()
    }
}

#[tokio::test]
async fn the_recorder_of_the_program_gets_each_metric_that_it_was_told_of() {
    let tree = tree().await;
    let (names, metrics) = (Names::default(), Metrics::new().tree(&tree));
    metrics::with_local_recorder(&names, || {
        metrics.describe();
        metrics.collect();
    });
    let seen = names.0.lock().unwrap().clone();
    assert!(seen.contains(&"regrow_messages_accepted_total".into()));
    for name in seen.iter().filter(|name| name.starts_with("regrow_")) {
        assert!(seen.contains(&format!("describe {name}")), "{name} has no help");
    }
    // Without a recorder nothing happens.
    metrics.collect();
    tree.shutdown().await;
}
