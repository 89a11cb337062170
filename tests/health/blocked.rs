//! A runtime whose threads are blocked: what is seen of that from another one.

use std::time::Duration;

use regrow::health::Life;
use regrow::{Health, Tree};
use tokio::runtime::{Builder, Runtime};

use crate::common::tree::{Gate, MS};
use crate::http::{ask, serve, shop};

/// A runtime with two threads, and a tree in it.
async fn two_threads() -> (Runtime, Tree) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let tree = runtime.spawn(shop(Health::Required)).await.unwrap();
    (runtime, tree)
}

/// Blocks a thread of the runtime until the gate is opened.
async fn block(runtime: &Runtime, gate: &Gate) {
    let held = gate.clone();
    runtime.spawn(async move { held.pass() });
    gate.reached().await;
}

#[tokio::test]
async fn a_runtime_is_live_while_one_of_its_threads_runs_and_not_when_all_are_blocked() {
    let (runtime, tree) = two_threads().await;
    let source = {
        let _in_it = runtime.enter();
        tree.health_source()
    };
    let server = regrow::health::serve_health("127.0.0.1:0".parse().unwrap(), [source.clone()]).unwrap();
    let live = async || ask(server.address(), "GET", "/livez").await.status;
    let (first, second) = (Gate::default(), Gate::default());
    let (_open_first, _open_second) = (first.opener(), second.opener());
    assert_eq!(live().await, 200);

    block(&runtime, &first).await;
    assert_eq!(live().await, 200);

    block(&runtime, &second).await;
    assert_eq!(live().await, 503);
    // Data that can be read without the runtime is still there.
    assert_eq!(ask(server.address(), "GET", "/readyz").await.status, 200);
    let health = source.check(50 * MS).await;
    assert!(matches!(health.life, Life::Blocked { limit } if limit == 50 * MS), "{health:?}");
    assert_eq!(health.to_string(), "shop is not live: a new task did not run within 50ms, so its runtime is blocked");

    first.open();
    second.open();
    assert_eq!(live().await, 200);
    runtime.spawn(async move { tree.shutdown().await }).await.unwrap();
    assert_eq!(live().await, 503);
    runtime.shutdown_background();
}

#[tokio::test]
async fn a_runtime_that_is_gone_takes_its_tree_with_it() {
    let (runtime, tree) = two_threads().await;
    let source = {
        let _in_it = runtime.enter();
        tree.health_source()
    };
    assert!(source.check(20_000 * MS).await.is_live());
    runtime.shutdown_background();
    let gone = async {
        while source.health().is_live() {
            tokio::task::yield_now().await;
        }
    };
    crate::common::tree::soon("the end of the runtime", gone).await;
    let health = source.check(MS).await;
    assert!(matches!(health.life, Life::Over { .. }) && health.missing.is_empty(), "{health}");
    drop(tree);
}

// A single thread that is blocked answers nothing, and the probe ends by its own limit.
#[tokio::test]
async fn a_blocked_single_thread_answers_nothing() {
    let (gate, asked) = (Gate::default(), Gate::default());
    let _opener = gate.opener();
    let (tell, told) = tokio::sync::oneshot::channel();
    let (held, ready) = (gate.clone(), asked.clone());
    let thread = std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let tree = shop(Health::Required).await;
            let server = serve([&tree]);
            tell.send(server.address()).unwrap();
            // It blocks the thread until it is opened.
            ready.pass();
            held.pass();
            tree.shutdown().await;
        });
    });
    let address = told.await.unwrap();
    asked.open();
    gate.reached().await;
    let probe = tokio::time::timeout(Duration::from_millis(300), ask(address, "GET", "/livez")).await;
    assert!(probe.is_err(), "{probe:?}");
    gate.open();
    thread.join().unwrap();
}
