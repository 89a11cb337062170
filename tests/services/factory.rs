//! What a factory sees: how the last life ended, the generation to be, and the attempt.

use regrow::testing::{until, until_event};
use regrow::{Child, Context, EventKind, Handle, Restart, ServiceChild, ServiceState, Strategy, Supervisor, ignore};
use tokio::sync::mpsc;

use crate::common::mail::*;

/// What each attempt saw, as text.
type Seen = mpsc::UnboundedReceiver<String>;

/// A worker that tells what its factory sees; `decide` may make the attempt fail.
fn observed(decide: fn(&Context<Worker>) -> anyhow::Result<()>) -> (ServiceChild<Job>, Seen) {
    let (told, tell) = mpsc::unbounded_channel();
    let child = Child::service_with("worker", told, move |told, ctx: Context<Worker>| async move {
        let last = ctx.last_exit().map_or("none".to_owned(), ToString::to_string);
        told.send(format!("attempt {}, generation {}, last exit {last}", ctx.attempt(), ctx.generation()))?;
        decide(&ctx)?;
        Ok(Worker::default())
    });
    (child, tell)
}

async fn next(seen: &mut Seen) -> String {
    soon(seen.recv()).await.unwrap()
}

#[tokio::test]
async fn the_factory_sees_how_the_last_life_ended() {
    let (child, mut seen) = observed(|_| Ok(()));
    let (_tree, handle) = tree_of(child).await;
    assert_eq!(next(&mut seen).await, "attempt 1, generation 1, last exit none");
    handle.cast(fails()).unwrap();
    assert_eq!(next(&mut seen).await, "attempt 2, generation 2, last exit failed: out of paper");
    handle.cast(panics()).unwrap();
    let line = next(&mut seen).await;
    assert!(line.starts_with("attempt 3, generation 3, last exit panicked: boom at "), "{line}");
    handle.cast(leaves()).unwrap();
    assert_eq!(next(&mut seen).await, "attempt 4, generation 4, last exit normal");
    until_generation(&handle, 4).await;
    handle.kill().unwrap();
    assert_eq!(next(&mut seen).await, "attempt 5, generation 5, last exit killed");
}

#[tokio::test]
async fn the_factory_sees_that_its_last_life_was_stopped_with_its_group() {
    let (child, mut seen) = observed(|_| Ok(()));
    let tree = soon(forgiving(Strategy::OneForAll).child(worker("elder")).child(child).start()).await.unwrap();
    next(&mut seen).await;
    tree.lookup::<Job>("app/elder").unwrap().kill().unwrap();
    assert_eq!(next(&mut seen).await, "attempt 4, generation 2, last exit shutdown");
}

#[tokio::test]
async fn an_attempt_that_fails_is_the_last_exit_of_the_next_and_uses_no_generation() {
    let (child, mut seen) = observed(|ctx| match ctx.attempt() {
        2 => anyhow::bail!("no disk"),
        3 => panic!("boom"),
        _ => Ok(()),
    });
    let (_tree, handle) = tree_of(child).await;
    assert_eq!(next(&mut seen).await, "attempt 1, generation 1, last exit none");
    handle.kill().unwrap();
    assert_eq!(next(&mut seen).await, "attempt 2, generation 2, last exit killed");
    assert_eq!(next(&mut seen).await, "attempt 3, generation 2, last exit failed: no disk");
    let line = next(&mut seen).await;
    assert!(line.starts_with("attempt 4, generation 2, last exit panicked: boom at "), "{line}");
    until_generation(&handle, 2).await;
}

#[tokio::test]
async fn a_factory_that_ignores_leaves_the_service_down_and_the_tree_up() {
    let (child, mut seen) = observed(|ctx| if ctx.attempt() == 1 { Ok(()) } else { ignore() });
    let (tree, handle) = tree_of(child).await;
    next(&mut seen).await;
    let mut events = tree.events();
    handle.kill().unwrap();
    assert_eq!(next(&mut seen).await, "attempt 2, generation 2, last exit killed");
    soon(until_event(&mut events, |event| matches!(event.kind, EventKind::Ignored))).await.unwrap();
    soon(until(handle.watch(), |status| status.state == ServiceState::Down)).await;
    assert_eq!(handle.generation(), 1);
    assert_eq!(tree.directory().status("app").unwrap().state, ServiceState::Up);
}

#[tokio::test]
async fn what_the_factory_says_is_told_with_the_start() {
    let child = Child::service("worker", |ctx: Context<Worker>| async move {
        ctx.info(format!("listening on port {}", 7000 + ctx.generation()));
        Ok(Worker::default())
    });
    let (tree, handle) = tree_of(child).await;
    let mut events = tree.events();
    handle.kill().unwrap();
    let is_start = |event: &regrow::Event| matches!(event.kind, EventKind::Started { .. });
    let started = soon(until_event(&mut events, is_start)).await.unwrap();
    assert_eq!(started.to_string(), "app/worker#2 started (listening on port 7002)");
}

/// `app/shop/worker`, whose factory looks a name up, and peers with that name in several places.
async fn finds(name: &'static str) -> Result<String, String> {
    let (told, mut tell) = mpsc::unbounded_channel();
    let child = Child::service_with("worker", told, move |told, ctx: Context<Worker>| async move {
        let found = ctx.lookup::<Job>(name).map(|handle: Handle<Job>| handle.path().to_string());
        told.send(found.map_err(|error| error.to_string()))?;
        Ok(Worker::default())
    });
    let shop = Supervisor::one_for_one("shop").child(child).child(worker("beside"));
    let shop = shop.child(Supervisor::one_for_one("deep").child(worker("below")));
    let tree = forgiving(Strategy::OneForOne).child(worker("beside")).child(shop).child(worker("above"));
    let _tree = soon(tree.start()).await.unwrap();
    soon(tell.recv()).await.unwrap()
}

#[tokio::test]
async fn a_name_is_looked_up_beside_then_above_then_as_a_full_path() {
    assert_eq!(finds("beside").await.unwrap(), "app/shop/beside");
    assert_eq!(finds("above").await.unwrap(), "app/above");
    assert_eq!(finds("deep/below").await.unwrap(), "app/shop/deep/below");
    assert_eq!(finds("app/beside").await.unwrap(), "app/beside");
    assert_eq!(finds("/app/beside").await.unwrap(), "app/beside");
    assert_eq!(finds("worker").await.unwrap(), "app/shop/worker", "itself");
    assert_eq!(finds("/beside").await.unwrap_err(), "nothing is named `beside` in this tree");
    let nowhere = "nothing is named `below` in this tree: `app/shop` has no child `below`";
    assert_eq!(finds("below").await.unwrap_err(), nowhere);
}

#[tokio::test]
async fn a_temporary_service_is_not_built_again() {
    let (child, mut seen) = observed(|_| Ok(()));
    let (_tree, handle) = tree_of(child.restart(Restart::Temporary)).await;
    next(&mut seen).await;
    handle.kill().unwrap();
    until_state(&handle, ServiceState::Gone).await;
    assert!(seen.try_recv().is_err());
}
