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
    send(address, "GET", path, "x").await
}

async fn send(address: std::net::SocketAddr, method: &str, path: &str, host: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
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
    for path in ["/", "/metrics/", "/metricsx", "/v1", "/../metrics", "//metrics", "/%6detrics%00", "*"] {
        let (head, _) = soon("the answer", get(address, path)).await;
        assert!(head.starts_with("HTTP/1.1 4"), "{path}: {head}");
    }
    // Other methods do nothing, and a host is no part of the answer.
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let (head, body) = soon("the answer", send(address, method, "/metrics", "evil.example")).await;
        assert!(head.starts_with("HTTP/1.1 405") && body.is_empty(), "{method}: {head}");
    }
    let (head, body) = soon("the answer", send(address, "GET", "/metrics?x=y", "evil.example\u{1b}[2J")).await;
    assert!(head.starts_with("HTTP/1.1 ") && !head.contains("evil") && !body.contains("evil"), "{head}");
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
