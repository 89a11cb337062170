//! Services that die, and peers that are down, while customers order.

mod common;

use std::time::Duration;

use common::{CALM, PATIENCE, Shop, get, load, order, plan, unpromised, until};
use orders::demo::operator::Operator;
use orders::load::check;
use orders::load::figures::Answer;
use tokio::time::sleep;

#[tokio::test]
async fn ten_thousand_orders_while_every_service_is_killed_in_turn() {
    let mut shop = Shop::new();
    let process = shop.start(&[]).await;
    let operator = Operator(process.client.clone());
    let (running, figures) = load(plan(10_000, 250.0), &process.client);
    until("each customer has a session", async || running.acknowledged() > 200).await;
    let mut killed = std::collections::BTreeMap::<String, u32>::new();
    while !figures.is_finished() {
        for service in operator.services().await.unwrap_or_default() {
            let path = service["path"].as_str().unwrap().to_owned();
            let is_leaf = !service["kind"].as_str().unwrap().contains("supervisor");
            // Of the sessions, one in ten.
            let is_wanted = !path.contains("/sessions/") || path.ends_with('7');
            if is_leaf && is_wanted && service["state"] == "up" && operator.act("kill", &path).await.is_ok() {
                *killed.entry(path).or_default() += 1;
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    let figures = figures.await.unwrap();
    check::wait_until_settled(&process.client, PATIENCE).await.unwrap();
    shop.end(process).await;
    let verdict = check::check(&shop.program.database(), &shop.program.warehouse(), &figures.placed).unwrap();
    let table = orders::load::figures::Table(&[("kills", &figures)]).to_string();
    let kills: u32 = killed.values().sum();
    eprintln!("{kills} kills of {} services\n{table}{verdict}", killed.len());
    for path in ["database", "http", "publisher", "warehouse", "collector", "workers/0", "gateway/7", "existing/disk"] {
        assert!(killed.contains_key(&format!("orders/{path}")), "{path} was not killed: {killed:?}");
    }
    assert_eq!((figures.given_up(), unpromised(&figures)), (0, vec![]), "{table}");
    assert!(verdict.is_clean() && verdict.orders == 10_000, "{verdict}\n{}", shop.log());
}

#[tokio::test]
async fn a_database_or_a_session_that_dies_costs_its_customers_time_and_no_error() {
    let mut shop = Shop::new();
    // These are more kills than the policies of the shop forgive, and each restart comes as soon as the first one.
    let policies = shop.program.folder.join("policies.toml");
    let patient = "[defaults]\ndelay = \"20ms\"\nfactor = 1.0\nmax_restarts = \"unlimited\"\n";
    std::fs::write(&policies, patient).unwrap();
    let process = shop.start(&["--policies", policies.to_str().unwrap()]).await;
    let operator = Operator(process.client.clone());
    let (running, figures) = load(plan(100_000, 100.0), &process.client);
    until("each customer has a session", async || running.acknowledged() > 150).await;
    for number in 0..20 {
        let acknowledged = running.acknowledged() + 20;
        until("orders go on", async || running.acknowledged() >= acknowledged).await;
        for path in ["orders/database".to_owned(), format!("orders/sessions/customer-{number}")] {
            until("it is up, and killed", async || operator.act("kill", &path).await.is_ok()).await;
        }
    }
    running.stop();
    let figures = figures.await.unwrap();
    assert_eq!(figures.given_up(), 0);
    assert!(figures.answers.keys().all(|answer| matches!(answer, Answer::Status(200 | 201))), "{:?}", figures.answers);
    check::wait_until_settled(&process.client, PATIENCE).await.unwrap();
    shop.end(process).await;
    let verdict = check::check(&shop.program.database(), &shop.program.warehouse(), &figures.placed).unwrap();
    assert!(verdict.is_clean(), "{verdict}");
}

#[tokio::test]
async fn a_gateway_that_is_down_costs_time_and_no_order() {
    let mut shop = Shop::new();
    let outage = ["--gateway-failures", "0", "--gateway-down-after", "0", "--gateway-down-for", "6"];
    let process = shop.start(&outage).await;
    let operator = Operator(process.client.clone());
    let (running, figures) = load(plan(100_000, 200.0), &process.client);
    let is_parked = |log: &str, number| log.contains(&format!("child is parked path=orders/gateway/{number} "));
    until("each connection was parked", async || {
        let log = shop.log();
        (0..8).all(|number| is_parked(&log, number))
    })
    .await;
    // Orders are taken all the same, and the shop is ready.
    assert_eq!(order(&process.client, "while-it-is-down", "ada", 1200).await.0, 201);
    assert_eq!(get(&process.probes, "/readyz").await.0, 200);
    running.stop();
    until("all connections are back", async || {
        let services = operator.services().await.unwrap();
        services.iter().filter(|row| row["template"] == "orders/gateway/*" && row["state"] == "up").count() == 8
    })
    .await;
    let figures = figures.await.unwrap();
    check::wait_until_settled(&process.client, PATIENCE).await.unwrap();
    shop.end(process).await;
    assert_eq!((figures.given_up(), unpromised(&figures)), (0, vec![]));
    let verdict = check::check(&shop.program.database(), &shop.program.warehouse(), &figures.placed).unwrap();
    // One order is not of the plan.
    assert!(verdict.doubled == 1 && verdict.lost == 0 && verdict.open == 0 && verdict.undelivered == 0, "{verdict}");
}

#[tokio::test]
async fn a_database_without_room_for_a_second_ends_no_service_and_refuses_no_order() {
    let mut shop = Shop::new();
    let process = shop.start(&[&CALM[..], &["--experiments"]].concat()).await;
    let operator = Operator(process.client.clone());
    let (running, figures) = load(plan(100_000, 100.0), &process.client);
    until("each customer has a session", async || running.acknowledged() > 200).await;
    let experiment = "title = 'no room'\nduration = '3s'\ntargets = ['orders/database']\n\
                      [hypothesis]\nrestarts_max = 0\n\
                      [[fault]]\nkind = 'mailbox_full'\non = 'orders/database'\nat = ['1s']\nlasts = '1s'\n";
    let (has_passed, report) = operator.experiment(experiment).await.unwrap();
    running.stop();
    let figures = figures.await.unwrap();
    assert!(has_passed, "{report}");
    assert_eq!(figures.answers.len(), 1, "all were taken at the first try: {:?}", figures.answers);
    assert!(figures.within(1.0) > Duration::from_millis(500), "no order has met the fault: {:?}", figures.within(1.0));
    let services = operator.services().await.unwrap();
    assert!(services.iter().all(|row| row["generation"] == 1), "{services:#?}");
}

#[tokio::test]
async fn policies_are_followed_while_it_runs_and_mistakes_are_refused() {
    let mut shop = Shop::new();
    let policies = shop.program.folder.join("policies.toml");
    std::fs::write(&policies, include_str!("../policies.toml")).unwrap();
    let process = shop.start(&["--policies", policies.to_str().unwrap()]).await;
    std::fs::write(&policies, "[path.\"orders/publisher\"]\ndelay = \"5ms\"\nmax_restarts = \"many\"\n").unwrap();
    until("the mistake is refused", async || shop.log().contains("\"many\"")).await;
    std::fs::write(&policies, "[path.\"orders/publisher\"]\ndelay = \"1h\"\nmax_delay = \"1h\"\n").unwrap();
    until("it is applied", async || shop.log().contains("policy") && shop.log().contains("orders/publisher")).await;
    let operator = Operator(process.client.clone());
    until("the new delay is in force", async || {
        operator.act("kill", "orders/publisher").await.ok();
        let publisher = operator.service("orders/publisher").await.unwrap();
        publisher["next_try_in_ms"].as_u64().is_some_and(|left| left > 3_000_000)
    })
    .await;
    // Nothing waits for it: orders are taken, and their events wait in the outbox.
    assert_eq!(order(&process.client, "a", "ada", 1200).await.0, 201);
    operator.act("revive", "orders/publisher").await.unwrap();
    check::wait_until_settled(&process.client, PATIENCE).await.unwrap();
    shop.end(process).await;
}
