//! Readiness turns false before anything of a tree stops.

use std::task::Poll;

use regrow::{EventKind, Health, Supervisor};

use crate::common::tree::{Gate, soon};
use crate::common::worker::hooked;
use crate::http::{serve, shop, statuses};

// Found by reading: the log said that readiness was off, and `Directory::is_ready` was true until the root began to stop.
#[tokio::test]
async fn an_order_to_shut_down_turns_readiness_off_before_the_root_has_seen_it() {
    let tree = shop(Health::Required).await;
    let (mut events, source) = (tree.events(), tree.health_source());
    assert!(tree.directory().is_ready() && source.health().is_ready());
    let mut shutdown = Box::pin(tree.shutdown());
    // One look gives the order. The root has no turn meanwhile, for this runtime has one thread.
    std::future::poll_fn(|cx| Poll::Ready(shutdown.as_mut().poll(cx).is_pending())).await;
    assert!(!tree.directory().is_ready());
    let health = source.health();
    assert!(health.is_draining && !health.is_ready() && health.is_live(), "{health}");
    assert!(events.try_next().is_none(), "nothing has happened to a child");
    shutdown.await;
}

#[tokio::test]
async fn a_probe_is_answered_with_not_ready_while_everything_still_runs() {
    let gate = Gate::default();
    let _opener = gate.opener();
    let hook = gate.clone();
    let slow = hooked("slow", move |_| {
        let gate = hook.clone();
        async move { Ok(tokio::task::spawn_blocking(move || gate.pass()).await?) }
    });
    let tree = Supervisor::one_for_one("shop").child(slow).start().await.unwrap();
    let (server, mut events) = (serve([&tree]), tree.events());
    assert_eq!(statuses(server.address()).await, [200, 200, 200]);
    let shutdown = async {
        assert!(tree.shutdown().await.is_clean());
    };
    let probes = async {
        gate.reached().await;
        assert_eq!(statuses(server.address()).await, [200, 503, 200]);
        let exited = std::iter::from_fn(|| events.try_next()).any(|event| is_exit(&event.unwrap().kind));
        assert!(!exited, "readiness was off before the first exit");
        gate.open();
        while let Some(event) = soon("the exit", events.next()).await {
            if is_exit(&event.unwrap().kind) {
                return;
            }
        }
        panic!("no exit was told");
    };
    tokio::join!(shutdown, probes);
    assert_eq!(statuses(server.address()).await, [503, 503, 200]);
}

fn is_exit(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Exited { .. })
}
