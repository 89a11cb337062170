//! The real program as a process, in a separate folder, and customers of it.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::time::Duration;

use indicatif::ProgressBar;
use orders::demo::process::{Process, Program};
use orders::load::client::Client;
use orders::load::figures::{Answer, Figures};
use orders::load::{self, Plan, Running};
use orders::order::Order;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// Limit of each wait, also on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway that makes no trouble.
pub const CALM: [&str; 4] = ["--gateway-failures", "0", "--gateway-latency", "5"];

pub struct Shop {
    pub program: Program,
    folder: TempDir,
}

impl Shop {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { program: Program::new(env!("CARGO_BIN_EXE_orders"), folder.path()), folder }
    }

    pub async fn start(&mut self, options: &[&str]) -> Process {
        self.program.start(options).await.unwrap_or_else(|error| panic!("{error:#}\n{}", self.log()))
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.program.log()).unwrap_or_default()
    }

    pub fn last_line(&self) -> String {
        self.log().lines().last().unwrap_or_default().to_owned()
    }

    /// Asks the process to end, and waits for that.
    pub async fn end(&self, process: Process) {
        process.terminate().await.unwrap();
        let status = process.end().await.unwrap();
        assert!(status.success(), "{status}\n{}", self.log());
    }
}

pub fn plan(orders: usize, rate: f64) -> Plan {
    Plan { name: "test".into(), orders, rate, customers: 100, patience: PATIENCE }
}

/// Orders in the background.
pub fn load(plan: Plan, client: &Client) -> (Running, JoinHandle<Figures>) {
    let (running, client) = (Running::default(), client.clone());
    let figures = tokio::spawn({
        let running = running.clone();
        async move { load::run(&plan, &client, &running, &ProgressBar::hidden()).await }
    });
    (running, figures)
}

/// Places one order, whatever the answer.
pub async fn order(client: &Client, key: &str, customer: &str, cents: u32) -> (u16, String) {
    let body = format!("{{\"customer\": \"{customer}\", \"cents\": {cents}}}");
    post(client, &[("idempotency-key", key)], body).await
}

pub async fn post(client: &Client, headers: &[(&str, &str)], body: String) -> (u16, String) {
    let (status, body) = client.ask(axum::http::Method::POST, "/orders", headers, Some(body)).await.unwrap();
    (status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
}

pub async fn get(client: &Client, path: &str) -> (u16, String) {
    let (status, body) = client.ask(axum::http::Method::GET, path, &[], None).await.unwrap();
    (status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
}

pub fn id(body: &str) -> i64 {
    serde_json::from_str::<Order>(body).unwrap_or_else(|_| panic!("no order: {body}")).id
}

/// Requests that got another answer than the policy promises: see `http/answers.rs`.
pub fn unpromised(figures: &Figures) -> Vec<(Answer, u64)> {
    let is_promised = |answer: &Answer| matches!(answer, Answer::Status(200 | 201 | 503) | Answer::None);
    figures.answers.iter().filter(|(answer, _)| !is_promised(answer)).map(|(a, count)| (*a, *count)).collect()
}

/// Looks again and again until it holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
