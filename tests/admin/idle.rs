//! Nothing runs while no client is connected, but for the task that accepts.

use regrow::Supervisor;
use regrow::admin::Admin;
use regrow::testing::Journal;
use tokio::runtime::Handle;

use crate::client::serve;
use crate::common::tree::soon;

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

async fn becomes(what: &str, number: usize) {
    let settled = async {
        while tasks() != number {
            tokio::task::yield_now().await;
        }
    };
    soon(what, settled).await;
}

#[tokio::test]
async fn a_source_costs_one_task_while_no_client_is_connected() {
    let tree = Supervisor::one_for_one("shop").child(Journal::new().probe("db")).start().await.unwrap();
    let without = tasks();
    let admin = Admin::new("shop").tree(&tree);
    assert_eq!(tasks(), without, "a source alone has no task");
    let served = serve(&admin).await;
    assert_eq!(tasks(), without + 1);
    let mut follower = served.follow("/v1/events", None).await;
    follower.next().await.unwrap();
    assert!(tasks() > without + 1);
    drop(follower);
    becomes("the end of the connection", without + 1).await;
    assert_eq!(served.ask("GET", "/v1", &[], "").await.status, 200);
    becomes("the end of the connection", without + 1).await;
    // The listener takes its connections along.
    let mut follower = served.follow("/v1/events", None).await;
    follower.next().await.unwrap();
    drop(served);
    becomes("the end of the listener", without).await;
    tree.shutdown().await;
    becomes("the end of the tree", 0).await;
}
