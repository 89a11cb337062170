//! How the process ends: signals, grace, and exit statuses.

mod common;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use common::{CALM, PATIENCE, Shop, get, load, order, plan, until};
use orders::load::check;
use tokio::net::UnixDatagram;

#[tokio::test]
async fn sigterm_under_load_drains_within_the_grace_and_loses_nothing() {
    let mut shop = Shop::new();
    let process = shop.start(&["--drain", "1", "--limit", "20"]).await;
    let (running, figures) = load(plan(100_000, 200.0), &process.client);
    until("some orders were taken", async || running.acknowledged() > 200).await;
    process.terminate().await.unwrap();
    // First it is not ready, and goes on to serve: load balancers need the time to notice.
    until("not ready", async || get(&process.probes, "/readyz").await == (503, "not ready".into())).await;
    assert_eq!(get(&process.probes, "/livez").await.0, 200);
    assert_eq!(order(&process.client, "during-the-drain", "ada", 1200).await.0, 201);
    let begun = Instant::now();
    running.stop();
    let status = process.end().await.unwrap();
    assert!(status.success() && begun.elapsed() < Duration::from_secs(20), "{status}\n{}", shop.log());
    // What was left open is settled by the next process, and what was promised is there.
    let process = shop.start(&CALM).await;
    let figures = figures.await.unwrap();
    check::wait_until_settled(&process.client, PATIENCE).await.unwrap();
    shop.end(process).await;
    let verdict = check::check(&shop.program.database(), &shop.program.warehouse(), &figures.placed).unwrap();
    // One order is not of the plan.
    assert!(verdict.doubled == 1 && verdict.lost == 0 && verdict.open == 0 && verdict.undelivered == 0, "{verdict}");
}

#[tokio::test]
async fn systemd_is_told_when_it_is_ready_and_when_it_stops() {
    let mut shop = Shop::new();
    let socket = shop.program.folder.join("notify");
    let told = UnixDatagram::bind(&socket).unwrap();
    shop.program.environment.push(("NOTIFY_SOCKET".into(), socket.to_str().unwrap().into()));
    let process = shop.start(&CALM).await;
    let until_told = async |what: &str| {
        let mut message = [0; 1024];
        let looked_for = async {
            while let Ok(bytes) = told.recv(&mut message).await {
                if String::from_utf8_lossy(&message[..bytes]).lines().any(|line| line == what) {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, looked_for).await.unwrap_or_else(|_| panic!("it never told `{what}`"));
    };
    until_told("READY=1").await;
    process.terminate().await.unwrap();
    until_told("STOPPING=1").await;
    assert!(process.end().await.unwrap().success());
}

#[tokio::test]
async fn a_service_that_does_not_end_is_killed_at_the_limit_and_the_status_says_so() {
    let mut shop = Shop::new();
    // A worker waits for its charge for longer than it has.
    let options = ["--gateway-latency", "3600000", "--gateway-failures", "0", "--limit", "2"];
    let process = shop.start(&options).await;
    assert_eq!(order(&process.client, "a", "ada", 1200).await.0, 201);
    let operator = orders::demo::operator::Operator(process.client.clone());
    until("a charge is under way", async || {
        let services = operator.services().await.unwrap();
        services.iter().any(|row| row["template"] == "orders/gateway/*" && row["messages"]["in_hand"] == 1)
    })
    .await;
    process.terminate().await.unwrap();
    let begun = Instant::now();
    let status = process.end().await.unwrap();
    // A second more is for a busy machine.
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(status.code() == Some(1) && shop.last_line().contains("killed"), "{status}\n{}", shop.log());
}

#[tokio::test]
async fn a_port_that_is_taken_ends_it_with_status_1_and_the_reason_on_the_last_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut shop = Shop::new();
    shop.program.listen = taken.local_addr().unwrap();
    let status = shop.program.fail(&[]).await.unwrap();
    let last = shop.last_line();
    assert_eq!(status.code(), Some(1), "{}", shop.log());
    assert!(last.contains("orders/http") && last.contains("Address already in use"), "{last}");
}

#[tokio::test]
async fn options_and_policies_that_are_not_valid_are_named() {
    let shop = Shop::new();
    let status = shop.program.fail(&["--workers", "many"]).await.unwrap();
    assert!(status.code() == Some(2) && shop.log().contains("'many'"), "{status}\n{}", shop.log());
    let policies = shop.program.folder.join("policies.toml");
    std::fs::write(&policies, "[defaults]\ndelay = \"soon\"\n").unwrap();
    let status = shop.program.fail(&["--policies", policies.to_str().unwrap()]).await.unwrap();
    assert!(status.code() == Some(1) && shop.log().contains("\"soon\""), "{status}\n{}", shop.log());
}
