//! The metrics beside the other routes.

use regrow::admin::wire::greeting::Greeting;
use regrow::admin::{Admin, Capability, Token};
use regrow::metrics::Metrics;
use regrow::testing::Journal;
use regrow::{Supervisor, Tree};
use serde_json::json;

use crate::client::{ask_tcp, serve};

async fn shop() -> Tree {
    Supervisor::one_for_one("shop").child(Journal::new().probe("db")).start().await.unwrap()
}

#[tokio::test]
async fn a_source_with_a_collector_serves_its_text_and_says_so() {
    let tree = shop().await;
    let metrics = Metrics::new().tree(&tree);
    let served = serve(&Admin::new("shop").tree(&tree).grant(Capability::Control).metrics(&metrics)).await;
    assert_eq!(served.act(json!({"act": "kill", "path": "shop/db", "reason": "x", "generation": 7})).await.status, 409);
    let answer = served.ask("GET", "/metrics", &[], "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.head.contains("text/plain; version=0.0.4"), "{}", answer.head);
    let line = r#"regrow_admin_acts_total{tree="shop",act="kill",outcome="refused"} 1"#;
    assert!(answer.body.lines().any(|told| told == line), "{}", answer.body);
    assert!(served.get::<Greeting>("/v1").await.parts.contains(&"metrics".into()));
    assert_eq!(serve(&Admin::new("shop").tree(&tree)).await.ask("GET", "/metrics", &[], "").await.status, 404);
}

#[tokio::test]
async fn over_tcp_the_metrics_need_the_token() {
    let tree = shop().await;
    let admin = Admin::new("shop").tree(&tree).metrics(&Metrics::new().tree(&tree));
    let token = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let listening = admin.listen_tcp("127.0.0.1:0".parse().unwrap(), Token::new(token).unwrap()).await.unwrap();
    let refused = ask_tcp(&listening, "GET", "/metrics", &[], "").await;
    assert!(refused.status == 401 && !refused.body.contains("regrow_"), "{refused:?}");
    let bearer = format!("Bearer {token}");
    let answer = ask_tcp(&listening, "GET", "/metrics", &[("authorization", &bearer)], "").await;
    assert!(answer.status == 200 && answer.body.contains("regrow_tree_ready"), "{answer:?}");
}
