//! What a customer, a probe, a scrape and an operator get over HTTP.

mod common;

use axum::http::Method;
use common::{CALM, Shop, get, id, order, post, until};
use orders::demo::operator::Operator;
use orders::load::check;

#[tokio::test]
async fn an_order_is_taken_charged_found_and_delivered() {
    let mut shop = Shop::new();
    let process = shop.start(&CALM).await;
    let client = &process.client;
    let (status, taken) = order(client, "a", "ada", 1200).await;
    assert_eq!((status, taken.contains("\"status\":\"open\"")), (201, true), "{taken}");
    let path = format!("/orders/{}", id(&taken));
    until("it is paid", async || get(client, &path).await.1.contains("\"status\":\"paid\"")).await;
    let dear = id(&order(client, "b", "bob", 2_000_000).await.1);
    until("it is declined", async || get(client, &format!("/orders/{dear}")).await.1.contains("declined")).await;
    assert_eq!(get(client, "/orders/77").await.0, 404);
    assert_eq!(get(client, "/customers/ada").await, (200, "{\"name\":\"ada\",\"orders\":1}".into()));
    until("both are counted", async || {
        get(client, "/statistics").await.1.contains("\"totals\":{\"paid\":1,\"declined\":1}")
    })
    .await;
    check::wait_until_settled(client, common::PATIENCE).await.unwrap();
    shop.end(process).await;
    let verdict = check::check(&shop.program.database(), &shop.program.warehouse(), []).unwrap();
    assert_eq!((verdict.orders, verdict.open, verdict.undelivered), (2, 0, 0), "{verdict}");
}

#[tokio::test]
async fn a_key_takes_one_order_of_its_customer_and_says_so_if_it_comes_with_another() {
    let mut shop = Shop::new();
    let process = shop.start(&CALM).await;
    let client = &process.client;
    let (status, first) = order(client, "a", "ada", 1200).await;
    let (again, second) = order(client, "a", "ada", 1200).await;
    assert_eq!((status, again, id(&first)), (201, 200, id(&second)));
    assert_eq!(order(client, "a", "ada", 1300).await.0, 409);
    // Keys are a customer's own.
    assert_eq!(order(client, "a", "bob", 1200).await.0, 201);
    // Without a key, each request is an order.
    let body = "{\"customer\": \"ada\", \"cents\": 1}";
    let (one, other) = (post(client, &[], body.into()).await, post(client, &[], body.into()).await);
    assert!(one.0 == 201 && other.0 == 201 && id(&one.1) != id(&other.1));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_the_reason() {
    let mut shop = Shop::new();
    let process = shop.start(&CALM).await;
    let client = &process.client;
    for customer in ["", "a/b", "..", &"x".repeat(65)] {
        let (status, why) = order(client, "a", customer, 1).await;
        assert!(status == 422 && why.contains("customer"), "{customer}: {status} {why}");
    }
    assert_eq!(order(client, &"k".repeat(129), "ada", 1).await.0, 422);
    assert_eq!(post(client, &[], "{\"customer\": \"ada\"}".into()).await.0, 422);
    assert_eq!(post(client, &[], "no json".into()).await.0, 400);
}

#[tokio::test]
async fn a_customer_that_orders_too_fast_is_held_back_and_another_one_is_not() {
    let mut shop = Shop::new();
    let process = shop.start(&["--orders-per-second", "2"]).await;
    let client = &process.client;
    let mut statuses = Vec::new();
    for number in 0..5 {
        statuses.push(order(client, &number.to_string(), "ada", 1).await.0);
    }
    assert!(statuses[..2] == [201, 201] && statuses.contains(&429), "{statuses:?}");
    assert_eq!(order(client, "b", "bob", 1).await.0, 201);
}

#[tokio::test]
async fn probes_metrics_and_admin_are_where_their_readers_are() {
    let mut shop = Shop::new();
    let process = shop.start(&CALM).await;
    assert_eq!(order(&process.client, "a", "ada", 1).await.0, 201);
    for probe in ["/livez", "/readyz", "/startupz"] {
        until(probe, async || get(&process.probes, probe).await == (200, "ok".into())).await;
        assert_eq!(get(&process.client, probe).await.0, 404, "customers reach {probe}");
    }
    let (_, figures) = get(&process.metrics, "/metrics").await;
    let handled = "regrow_messages_handled_total{tree=\"orders\",service=\"orders/database\"}";
    assert!(figures.lines().any(|line| line.starts_with(handled) && !line.ends_with(" 0")), "{figures}");
    // The admin source needs the token, and names the operator in the log.
    assert_eq!(get(&process.client, "/admin/v1/services").await.0, 401);
    let wrong = [("authorization", "Bearer dema")];
    let (status, _) = process.client.ask(Method::GET, "/admin/v1/services", &wrong, None).await.unwrap();
    assert_eq!(status, 401);
    let operator = Operator(process.client.clone());
    assert!(operator.service("orders/sessions/ada").await.unwrap()["state"] == "up");
    operator.act("kill", "orders/publisher").await.unwrap();
    assert!(shop.log().contains("by=token of the shop") || shop.log().contains("by=\"token of the shop\""));
}

#[tokio::test]
async fn logs_are_objects_of_json_if_asked_for() {
    let mut shop = Shop::new();
    let process = shop.start(&["--log", "json"]).await;
    shop.end(process).await;
    let log = shop.log();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["message"] == "tree is up" && line["path"] == "orders"), "{log}");
}
