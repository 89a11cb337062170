//! Each recipe does what the guide says, also after a crash.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use recipes::{axum, pb, reqwest, rusqlite, sqlx, tonic, websocket};
use regrow::{CallError, ServiceState, Supervisor, Tree};

const SEC: Duration = Duration::from_secs(1);

/// An address that is free now.
fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

async fn started(shop: Supervisor) -> Tree {
    let tree = shop.start().await.unwrap();
    tree.ready(10 * SEC).await.unwrap();
    tree
}

#[tokio::test]
async fn axum_answers_before_and_after_a_crash() {
    let address = free();
    let tree = started(axum::shop(address)).await;
    let client = ::reqwest::Client::new();
    let take = async |n: u32| {
        let answer = client.post(format!("http://{address}/take/{n}")).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(take(3).await, (200, "7".into()));
    assert_eq!(take(50).await, (409, "only 7 are left".into()));
    tree.kill("shop/stock").unwrap();
    assert_eq!(take(3).await, (200, "7".into())); // a new life with ten tins
    assert_eq!(client.get(format!("http://{address}/tins")).send().await.unwrap().text().await.unwrap(), "7");
    tree.park("shop/stock", "a test").await.unwrap();
    assert_eq!(take(1).await.0, 503);
    drop(client);
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test]
async fn tonic_tells_the_fate_of_a_call_as_a_code() {
    let address = free();
    let tree = started(tonic::shop(address)).await;
    let mut client = loop {
        match pb::stock_client::StockClient::connect(format!("http://{address}")).await {
            Ok(client) => break client,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(client.take(pb::TakeRequest { tins: 3 }).await.unwrap().into_inner().left, 7);
    let refused = client.take(pb::TakeRequest { tins: 50 }).await.unwrap_err();
    assert_eq!(refused.code(), ::tonic::Code::FailedPrecondition);
    tree.park("shop/stock", "a test").await.unwrap();
    let refused = client.take(pb::TakeRequest { tins: 1 }).await.unwrap_err();
    assert_eq!(refused.code(), ::tonic::Code::Unavailable);
    drop(client);
    assert!(tree.shutdown().await.is_clean());
}

/// There is no PostgreSQL here: the test shows what happens as long as the database is away.
#[tokio::test]
async fn sqlx_waits_for_a_database_that_is_away() {
    let tree = sqlx::shop(&format!("postgres://shop@{}/shop", free())).unwrap().start().await.unwrap();
    let migrations = tree.directory().watch("shop/migrate").unwrap();
    regrow::testing::until(migrations, |status| status.generation >= 3).await;
    let why = tree.why("shop/orders").await.unwrap();
    assert!(why.to_string().contains("migrate"), "{why}");
    assert!(!tree.health().is_ready());
    tree.shutdown().await;
}

#[tokio::test]
async fn rusqlite_keeps_what_it_answered() {
    let folder = std::env::temp_dir().join(format!("regrow-recipes-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let tree = started(Supervisor::one_for_one("shop").child(rusqlite::database(folder.join("orders.db")))).await;
    let database = tree.lookup::<rusqlite::Query>("shop/database").unwrap();
    let place = |customer: &str| {
        let customer = customer.to_owned();
        database.call(|reply| rusqlite::Query::Place { customer, cents: 500, reply })
    };
    let order = place("ada").await.unwrap();
    database.kill().unwrap();
    let customer = database.call(|reply| rusqlite::Query::Customer { order, reply }).await.unwrap();
    assert_eq!(customer.as_deref(), Some("ada"));
    assert!(tree.shutdown().await.is_clean());
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn reqwest_stops_asking_a_server_that_fails() {
    let tree =
        started(Supervisor::one_for_one("shop").child(reqwest::rates(format!("http://{}", free())).unwrap())).await;
    let rates = tree.lookup::<reqwest::Msg>("shop/rates").unwrap();
    let mut failed = 0;
    let refused = loop {
        match rates.call(|reply| reqwest::Msg::Rate { currency: "EUR".into(), reply }).await {
            Ok(answer) => failed += answer.map_or(1, |rate| panic!("no server answers, but: {rate}")),
            Err(CallError::Refused(error)) => break error,
            // The service was parked while it had the question.
            Err(_) => {}
        }
    };
    assert!(failed >= 8, "{failed} failures");
    assert_eq!(refused.refusal().kind(), "parked");
    tree.shutdown().await;
}

#[tokio::test]
async fn a_websocket_outlives_the_crash_of_its_session() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;

    let address = free();
    let tree = started(websocket::chat(address)).await;

    let (mut window, _) = tokio_tungstenite::connect_async(format!("ws://{address}/ws/ada")).await.unwrap();
    window.send(Message::text("hi")).await.unwrap();
    let heard = window.next().await.unwrap().unwrap();
    assert_eq!(heard.to_text().unwrap(), "ada: hi");

    let session = tree.lookup::<websocket::Msg>("chat/sessions/ada").unwrap();
    window.send(Message::text("crash")).await.unwrap();
    regrow::testing::until(session.watch(), |status| status.generation == 2 && status.state == ServiceState::Up).await;
    // The window says hello to the new life, and what it says after that comes back.
    loop {
        window.send(Message::text("again")).await.unwrap();
        let heard = tokio::time::timeout(SEC / 10, window.next()).await;
        if let Ok(Some(Ok(heard))) = heard {
            assert_eq!(heard.to_text().unwrap(), "ada: again");
            break;
        }
    }
    assert!(tree.shutdown().await.is_clean());
}
