//! Health as data: what it names, and what it survives.

use std::time::Duration;

use regrow::health::Life;
use regrow::{Health, ServiceState};

use crate::http::{park_db, revive_db, shop};

const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn what_is_required_and_not_ready_is_named_with_its_status() {
    let tree = shop(Health::Required).await;
    assert_eq!(tree.health().to_string(), "shop is live and ready");
    park_db(&tree).await;
    let health = tree.health_source().check(LIMIT).await;
    assert!(health.is_live() && !health.is_ready() && health.is_started() && !health.is_draining);
    assert_eq!(health.to_string(), "shop is live and not ready: shop/db is parked");
    let [missing] = &health.missing[..] else { panic!("{health:?}") };
    assert_eq!((&*missing.path, missing.status.generation), ("shop/db", 1));
    assert!(matches!(missing.status.state, ServiceState::Parked { .. }));
    revive_db(&tree).await;
    assert!(tree.health().is_ready() && tree.health().missing.is_empty());
    tree.shutdown().await;
}

#[tokio::test]
async fn a_source_survives_its_tree_and_does_not_keep_it_alive() {
    let tree = shop(Health::Required).await;
    let source = tree.health_source();
    assert!(source.check(LIMIT).await.is_ready() && source.tree() == "shop");
    tree.shutdown().await;
    drop(tree);
    let health = source.check(LIMIT).await;
    assert!(matches!(&health.life, Life::Over { exit } if exit.kind() == "shutdown"), "{health:?}");
    assert!(!health.is_live() && !health.is_ready() && health.is_started());
    assert_eq!(health.to_string(), "shop is over: shutdown");
    assert!(matches!(source.check_life(LIMIT).await, Life::Over { .. }));

    let tree = shop(Health::Required).await;
    let source = tree.health_source();
    let mut events = tree.events();
    drop(tree);
    while events.next().await.is_some() {}
    let over = async {
        while source.health().is_live() {
            tokio::task::yield_now().await;
        }
    };
    crate::common::tree::soon("the end", over).await;
}
