//! A handle is about the service and not about one of its lives: valid for ever, and always about the present.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use regrow::testing::{Journal, ProbeMsg, until, until_event};
use regrow::{
    Child, Context, EventKind, Exit, Handle, LookupError, NotRunning, Reply, Restart, ServiceState, ServiceStatus,
    Strategy, Supervisor, mailbox,
};

use crate::common::mail::*;

/// A job that answers with something that its incarnation knows.
fn tells<T: Send + 'static>(reply: Reply<T>, what: fn(&Context<Worker>) -> T) -> Job {
    run(async move |ctx| {
        reply.send(what(&ctx));
        Ok(())
    })
}

/// kameo #392: after a restart, `kill()` on an old handle hit the dead incarnation.
#[tokio::test]
async fn a_handle_cloned_before_many_restarts_still_kills_stops_and_reports() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let (old, watch) = (handle.clone(), handle.watch());
    for generation in 2..=50 {
        handle.kill().unwrap();
        until_generation(&handle, generation).await;
    }
    assert_eq!(old.status(), ServiceStatus { state: ServiceState::Up, generation: 50, ready: true });
    assert_eq!(old.generation(), 50);
    old.kill().unwrap();
    until_generation(&old, 51).await;
    old.cast(leaves()).unwrap();
    until_generation(&old, 52).await;
    assert_eq!(soon(old.call(|reply| tells(reply, |ctx| ctx.generation()))).await.unwrap(), 52);
    soon(until(watch, |status| status.generation == 52)).await;
}

/// kameo: after a restart nothing was found by name.
#[tokio::test]
async fn a_lookup_during_and_after_a_restart_finds_the_same_service() {
    let gate = Gate::open();
    let (tree, handle) = tree_of(gated("worker", &gate)).await;
    gate.set_open(false);
    handle.kill().unwrap();
    until_state(&handle, ServiceState::Starting).await;
    assert_eq!(tree.lookup::<Job>("app/worker").unwrap(), handle);
    gate.set_open(true);
    until_generation(&handle, 2).await;
    let found = tree.lookup::<Job>("app/worker").unwrap();
    assert_eq!(found, handle);
    caught_up(&found).await;
}

#[tokio::test]
async fn a_lookup_after_the_restart_of_the_supervisor_finds_the_same_service() {
    let inner = Supervisor::one_for_one("inner").intensity(0, Duration::from_secs(1)).child(worker("worker"));
    let tree = soon(forgiving(Strategy::OneForOne).child(inner).start()).await.unwrap();
    let handle = tree.lookup::<Job>("app/inner/worker").unwrap();
    handle.kill().unwrap();
    until_generation(&handle, 2).await;
    assert_eq!(tree.lookup::<Job>("app/inner/worker").unwrap(), handle);
}

#[tokio::test]
async fn a_lookup_of_what_is_not_there_or_takes_other_messages_says_so() {
    let (tree, _handle) = tree_of(worker("worker")).await;
    let error = tree.lookup::<Job>("app/walker").unwrap_err();
    assert!(matches!(&error, LookupError::NoChild { meant: Some(meant), .. } if &**meant == "app/worker"), "{error:?}");
    let error = tree.lookup::<u64>("app/worker").unwrap_err();
    assert!(matches!(error, LookupError::WrongType { asked: "u64", .. }), "{error:?}");
    assert!(error.to_string().contains("app/worker"));
}

#[tokio::test]
async fn handles_are_equal_and_hash_alike_exactly_when_they_address_one_service() {
    let (mailbox, made) = mailbox();
    let tree = forgiving(Strategy::OneForOne).child(worker("worker").mailbox(mailbox)).child(worker("other"));
    let tree = soon(tree.start()).await.unwrap();
    let (_twin_tree, twin) = tree_of(worker("worker")).await;
    let (found, other) = (tree.lookup::<Job>("app/worker").unwrap(), tree.lookup::<Job>("app/other").unwrap());
    let own = soon(made.call(|reply| tells(reply, Context::handle))).await.unwrap();

    let hasher = RandomState::new();
    for same in [&found, &own, &made.clone()] {
        assert_eq!(*same, made);
        assert_eq!(hasher.hash_one(same), hasher.hash_one(&made));
    }
    assert_ne!(other, made);
    assert_ne!(twin, made, "a service of another tree is another one, whatever its path");
    assert_eq!(HashSet::from([made, found, own, other, twin]).len(), 3);
}

#[tokio::test]
async fn generations_count_the_incarnations_that_came_up_from_one() {
    let (mailbox, handle) = mailbox();
    assert_eq!((handle.generation(), &*handle.path()), (0, "(not in a tree)"));
    let child = Child::service("worker", |ctx: Context<Worker>| async move {
        anyhow::ensure!(ctx.attempt() % 3 == 1, "not at this attempt");
        Ok(Worker::default())
    });
    let (_tree, _) = tree_of(child.mailbox(mailbox)).await;
    assert_eq!((handle.generation(), &*handle.path()), (1, "app/worker"));
    handle.kill().unwrap();
    until_generation(&handle, 2).await;
    assert_eq!(handle.accounting().attempts, 4, "two of them came to nothing");
}

#[tokio::test]
async fn a_watch_sees_each_new_incarnation_up_with_its_generation() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let mut watch = handle.watch();
    assert_eq!(*watch.borrow_and_update(), ServiceStatus { state: ServiceState::Up, generation: 1, ready: true });
    for generation in 2..10 {
        handle.kill().unwrap();
        let up =
            soon(watch.wait_for(|status| status.state == ServiceState::Up && status.generation == generation)).await;
        assert_eq!(up.unwrap().generation, generation);
    }
}

#[tokio::test]
async fn a_watch_that_is_slow_sees_the_newest_status() {
    let (tree, handle) = tree_of(worker("worker")).await;
    let watch = handle.watch();
    handle.kill().unwrap();
    until_generation(&handle, 2).await;
    soon(tree.shutdown()).await;
    assert_eq!(*watch.borrow(), ServiceStatus { state: ServiceState::Gone, generation: 2, ready: false });
}

#[tokio::test]
async fn a_watch_outlives_its_handle_and_a_handle_its_tree() {
    let (tree, handle) = tree_of(worker("worker")).await;
    let mut watch = handle.watch();
    drop(handle);
    let directory = tree.directory();
    soon(tree.shutdown()).await;
    soon(watch.wait_for(|status| status.state == ServiceState::Gone)).await.unwrap();
    drop(tree);
    let handle = directory.lookup::<Job>("app/worker").unwrap();
    assert_eq!(handle.status(), ServiceStatus { state: ServiceState::Gone, generation: 1, ready: false });
}

#[tokio::test]
async fn a_handle_does_not_keep_the_service_alive() {
    let journal = Journal::new();
    let tree = soon(forgiving(Strategy::OneForOne).child(journal.probe("probe")).start()).await.unwrap();
    let _handle = tree.lookup::<ProbeMsg>("app/probe").unwrap();
    soon(tree.shutdown()).await;
    assert_eq!(journal.lines(), ["start probe#1", "end probe#1"]);
}

#[tokio::test]
async fn a_kill_is_a_crash_that_is_told_as_one() {
    let (tree, handle) = tree_of(worker("worker").restart(Restart::Transient)).await;
    let mut events = tree.events();
    handle.kill().unwrap();
    let event = soon(until_event(&mut events, |event| matches!(event.kind, EventKind::Exited { .. }))).await.unwrap();
    assert!(matches!(event.kind, EventKind::Exited { exit: Exit::Killed }), "{event}");
    assert_eq!((&*event.path, event.generation), ("app/worker", 1));
    until_generation(&handle, 2).await;
}

#[tokio::test]
async fn a_kill_counts_against_the_budget() {
    let tree = Supervisor::one_for_one("app").intensity(1, Duration::from_secs(3600)).child(worker("worker"));
    let tree = soon(tree.start()).await.unwrap();
    let handle = tree.lookup::<Job>("app/worker").unwrap();
    handle.kill().unwrap();
    until_generation(&handle, 2).await;
    handle.kill().unwrap();
    assert!(matches!(soon(tree.wait()).await.exit, Exit::Shutdown));
}

#[tokio::test]
async fn two_kills_of_one_incarnation_are_one_crash() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    handle.kill().unwrap();
    handle.kill().unwrap();
    until_generation(&handle, 2).await;
    caught_up(&handle).await;
    assert_eq!((handle.generation(), handle.accounting().attempts), (2, 2));
}

#[tokio::test]
async fn a_kill_during_a_start_ends_the_attempt() {
    struct Cut(Journal);
    impl Drop for Cut {
        fn drop(&mut self) {
            self.0.write("cut");
        }
    }
    let (gate, journal) = (Gate::open(), Journal::new());
    let child = Child::service_with("worker", (gate.clone(), journal.clone()), |(gate, journal), ctx| async move {
        let cut = Cut(journal);
        gate.pass().await;
        std::mem::forget(cut);
        let _: Context<Worker> = ctx;
        Ok(Worker::default())
    });
    let (tree, handle) = tree_of(child).await;
    gate.set_open(false);
    handle.kill().unwrap();
    until_state(&handle, ServiceState::Starting).await;
    let mut events = tree.events();
    handle.kill().unwrap();
    let event = soon(until_event(&mut events, |event| matches!(event.kind, EventKind::StartFailed { .. }))).await;
    assert!(matches!(event.unwrap().kind, EventKind::StartFailed { exit: Exit::Killed }));
    assert_eq!(journal.lines(), ["cut"], "the factory was dropped where it stood");
    gate.set_open(true);
    until_generation(&handle, 2).await;
    assert_eq!(handle.accounting().attempts, 3);
}

fn is_not_running(handle: &Handle<Job>) {
    let error: NotRunning = handle.kill().unwrap_err();
    assert_eq!(error.to_string(), format!("`{}` is not running: try again if it comes back", handle.path()));
}

#[tokio::test]
async fn a_kill_before_the_first_and_between_two_lives_answers_not_running() {
    let (mailbox, handle) = mailbox();
    is_not_running(&handle);
    let gate = Gate::open();
    let tree = forgiving(Strategy::RestForOne).child(gated("elder", &gate)).child(worker("worker").mailbox(mailbox));
    let tree = soon(tree.start()).await.unwrap();
    let elder = tree.lookup::<Job>("app/elder").unwrap();
    gate.set_open(false);
    elder.kill().unwrap();
    until_state(&elder, ServiceState::Starting).await;
    assert_eq!(handle.status().state, ServiceState::Restarting);
    is_not_running(&handle);
}

#[tokio::test]
async fn a_kill_of_what_is_down_or_gone_answers_not_running() {
    let (tree, handle) = tree_of(worker("worker").restart(Restart::Transient)).await;
    handle.cast(leaves()).unwrap();
    until_state(&handle, ServiceState::Down).await;
    is_not_running(&handle);
    soon(tree.shutdown()).await;
    assert_eq!(handle.status(), ServiceStatus { state: ServiceState::Gone, generation: 1, ready: false });
    is_not_running(&handle);
}
