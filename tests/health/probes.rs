//! What each probe answers, in each state of a tree.

use regrow::health::{HealthServer, health_router, serve_health};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{GiveUp, Handle, Health, Intensity, Policy, Supervisor, Tree};

use crate::common::tree::{SEC, probe, soon};
use crate::http::{ask, late, park_db, revive_db, send, serve, shop, statuses};

#[tokio::test]
async fn a_tree_that_is_well_is_live_ready_and_started() {
    let tree = shop(Health::Required).await;
    let server = serve([&tree]);
    assert_eq!(statuses(server.address()).await, [200, 200, 200]);
    tree.shutdown().await;
}

#[tokio::test]
async fn a_required_service_that_is_parked_turns_readiness_off_and_nothing_else_until_it_is_back() {
    let tree = shop(Health::Required).await;
    let server = serve([&tree]);
    park_db(&tree).await;
    assert_eq!(statuses(server.address()).await, [200, 503, 200]);
    revive_db(&tree).await;
    assert_eq!(statuses(server.address()).await, [200, 200, 200]);
    tree.shutdown().await;
}

#[tokio::test]
async fn a_service_that_is_not_required_may_be_parked() {
    let tree = shop(Health::Optional).await;
    let server = serve([&tree]);
    park_db(&tree).await;
    assert_eq!(statuses(server.address()).await, [200, 200, 200]);
    tree.shutdown().await;
}

/// Starts a tree that is not ready at the first probe, and says that it is ready after that.
async fn ready_after_a_probe() -> (Tree, HealthServer, Handle<ProbeMsg>) {
    let tree = Supervisor::one_for_one("shop").child(late("db")).start().await.unwrap();
    let server = serve([&tree]);
    assert_eq!(statuses(server.address()).await, [200, 503, 503]);
    let db = probe(&tree, "shop/db");
    db.cast(ProbeMsg::Run(Box::new(|ctx| ctx.ready()))).unwrap();
    soon("ready", db.wait_ready()).await.unwrap();
    (tree, server, db)
}

#[tokio::test]
async fn a_tree_is_started_once_all_said_that_they_are_ready_and_stays_so() {
    let (tree, server, db) = ready_after_a_probe().await;
    assert_eq!(statuses(server.address()).await, [200, 200, 200]);
    db.kill().unwrap();
    crate::common::tree::up(&tree, "shop/db", 2).await;
    assert_eq!(statuses(server.address()).await, [200, 503, 200]);
    tree.shutdown().await;
}

// A startup probe that saw no moment of readiness would have the process restarted.
#[tokio::test]
async fn a_tree_that_was_ready_only_between_two_probes_is_started() {
    let (tree, server, db) = ready_after_a_probe().await;
    // The task that waits for it has its turn.
    crate::common::tree::turns(3).await;
    db.kill().unwrap();
    crate::common::tree::up(&tree, "shop/db", 2).await;
    assert_eq!(statuses(server.address()).await, [200, 503, 200]);
    tree.shutdown().await;
}

#[tokio::test]
async fn a_tree_that_is_over_is_not_live_whether_that_was_wanted_or_not() {
    let tree = shop(Health::Required).await;
    let server = serve([&tree]);
    assert_eq!(statuses(server.address()).await, [200, 200, 200]);
    tree.shutdown().await;
    assert_eq!(statuses(server.address()).await, [503, 503, 200]);

    let policy = Policy::default().budget(Intensity::new(0, SEC)).on_give_up(GiveUp::EndTree);
    let tree = Supervisor::one_for_one("shop").child(Journal::new().probe("db").policy(policy));
    let tree = tree.start().await.unwrap();
    let server = serve([&tree]);
    probe(&tree, "shop/db").cast(ProbeMsg::Panic("no disk")).unwrap();
    soon("the end", tree.wait()).await;
    assert_eq!(statuses(server.address()).await, [503, 503, 200]);
}

#[tokio::test]
async fn several_trees_hold_if_all_of_them_do_and_none_never_does() {
    let (one, other) = (shop(Health::Required).await, shop(Health::Required).await);
    let server = serve([&one, &other]);
    assert_eq!(statuses(server.address()).await, [200, 200, 200]);
    park_db(&other).await;
    assert_eq!(statuses(server.address()).await, [200, 503, 200]);
    one.shutdown().await;
    assert_eq!(statuses(server.address()).await, [503, 503, 200]);
    other.shutdown().await;

    let none = serve_health("127.0.0.1:0".parse().unwrap(), []).unwrap();
    assert_eq!(statuses(none.address()).await, [503, 503, 503]);
}

#[tokio::test]
async fn only_get_and_head_of_three_paths_are_answered_and_no_query_or_host_changes_that() {
    let tree = shop(Health::Required).await;
    park_db(&tree).await;
    let server = serve([&tree]);
    let address = server.address();
    for path in ["/livez?verbose", "/livez?exclude=db", "/livez"] {
        let answer = ask(address, "GET", path).await;
        assert_eq!((answer.status, &*answer.body), (200, "ok"));
        for header in ["content-type: text/plain; charset=utf-8", "cache-control: no-store"] {
            assert!(answer.headers.iter().any(|line| line == header), "{answer:?}");
        }
    }
    let answer = ask(address, "HEAD", "/readyz?verbose").await;
    assert_eq!((answer.status, &*answer.body), (503, ""));
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        let answer = ask(address, method, "/livez").await;
        assert_eq!((answer.status, &*answer.body), (405, ""), "{method}");
        assert!(answer.headers.iter().any(|line| line == "allow: get,head"), "{answer:?}");
    }
    for path in ["/", "/metrics", "/livez/", "/LIVEZ", "/livez/shop", "/services", "/%6civez/..", "/readyz/shop/db"] {
        let answer = ask(address, "GET", path).await;
        assert_eq!((answer.status, &*answer.body), (404, ""), "{path}");
    }
    for host in ["", "Host: 10.1.2.3:8081\r\n", "Host: [::1]\r\n", "Host: evil.example\r\nOrigin: null\r\n"] {
        let answer = send(address, &format!("GET /livez HTTP/1.1\r\n{host}Connection: close\r\n\r\n")).await;
        assert_eq!((answer.status, &*answer.body), (200, "ok"), "{host}");
    }
    // Nothing of what a request says, and no name, comes back.
    let answer = send(address, "GET /readyz?shop HTTP/1.1\r\nHost: shop\r\nX: y\r\nConnection: close\r\n\r\n").await;
    assert!(!format!("{answer:?}").contains("shop") && answer.body == "not ready", "{answer:?}");
    tree.shutdown().await;
}

#[tokio::test]
async fn the_router_can_be_part_of_another_app() {
    let tree = shop(Health::Required).await;
    let app = axum::Router::new().route("/", axum::routing::get(async || "a shop"));
    let app = app.merge(health_router([tree.health_source()]));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move { axum::serve(listener, app).await });
    assert_eq!(ask(address, "GET", "/").await.body, "a shop");
    assert_eq!(statuses(address).await, [200, 200, 200]);
    task.abort();
    tree.shutdown().await;
}
