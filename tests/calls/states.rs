//! What a message meets, by the state of the service: every cell of the table in `regrow::State`, but for `Parked`,
//! which is tested beside the slot.

use std::time::Duration;

use regrow::testing::until;
use regrow::{
    Call, CallError, Child, Handle, Refusal, Reply, Restart, ServiceState, Strategy, Supervisor, ignore, mailbox,
};

use crate::common::mail::*;

/// Sends by `cast`, `send` and `call`; all three must be queued, and the call is handed back.
async fn is_queued(worker: &Handle<Job>, log: &Log) -> Call<Job, u64> {
    let before = worker.accounting();
    worker.cast(log.note(1)).unwrap();
    worker.send(log.note(2)).await.unwrap();
    let call = worker.call(|reply| answer(3, log, reply));
    let after = worker.accounting();
    assert_eq!((after.accepted, after.queued), (before.accepted + 3, before.queued + 3));
    call
}

/// Sends by `cast`, `send` and `call`; all three must be refused for this reason, and give the message back.
async fn is_refused(worker: &Handle<Job>, refusal: Refusal) {
    let before = worker.accounting();
    let cast = worker.cast(parcel(1)).unwrap_err();
    assert_eq!((cast.refusal(), number(cast.into_message())), (refusal, 1));
    let send = soon(worker.send(parcel(2))).await.unwrap_err();
    assert_eq!((send.refusal(), number(send.into_message())), (refusal, 2));
    match soon(worker.call(|reply: Reply<()>| Job::Keep(Box::new((3_u64, reply))))).await.unwrap_err() {
        CallError::Refused(call) => assert_eq!((call.refusal(), number_of_call(call.into_message())), (refusal, 3)),
        error => panic!("{error:?}"),
    }
    assert_eq!(worker.accounting(), before, "a refusal is not accepted and is booked nowhere");
}

fn answer(number: u64, log: &Log, reply: Reply<u64>) -> Job {
    let log = log.clone();
    run(async move |_| {
        log.write(number);
        reply.send(number);
        Ok(())
    })
}

fn number(job: Job) -> u64 {
    let Job::Keep(value) = job else { panic!("another message came back") };
    *value.downcast().expect("another message came back")
}

#[tokio::test]
async fn waiting_queues_for_the_first_incarnation() {
    let (mailbox, handle) = mailbox();
    let log = Log::default();
    assert_eq!(handle.status().state, ServiceState::Waiting);
    let call = is_queued(&handle, &log).await;

    let (_tree, _) = tree_of(worker("worker").mailbox(mailbox)).await;
    assert_eq!(soon(call).await.unwrap(), 3);
    assert_eq!(log.seen(), [1, 2, 3]);
}

#[tokio::test]
async fn waiting_lasts_until_the_elder_siblings_are_up() {
    let (mailbox, handle) = mailbox();
    let (gate, log) = (Gate::closed(), Log::default());
    let tree = forgiving(Strategy::OneForOne).child(gated("elder", &gate)).child(worker("worker").mailbox(mailbox));
    let starting = tokio::spawn(tree.start());
    soon(async {
        while &*handle.path() != "app/worker" {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(handle.status().state, ServiceState::Waiting);
    let call = is_queued(&handle, &log).await;

    gate.set_open(true);
    let _tree = soon(starting).await.unwrap().unwrap();
    assert_eq!(soon(call).await.unwrap(), 3);
    assert_eq!(log.seen(), [1, 2, 3]);
}

#[tokio::test]
async fn starting_queues_for_the_incarnation_that_is_being_made() {
    let (mailbox, handle) = mailbox();
    let (gate, log) = (Gate::closed(), Log::default());
    let tree = forgiving(Strategy::OneForOne).child(gated("worker", &gate).mailbox(mailbox));
    let starting = tokio::spawn(tree.start());
    until_state(&handle, ServiceState::Starting).await;
    let call = is_queued(&handle, &log).await;

    gate.set_open(true);
    let _tree = soon(starting).await.unwrap().unwrap();
    assert_eq!(soon(call).await.unwrap(), 3);
    assert_eq!(log.seen(), [1, 2, 3]);
}

#[tokio::test]
async fn up_queues_for_the_present_incarnation() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let log = Log::default();
    let held = busy(&handle).await;
    assert_eq!(handle.status().state, ServiceState::Up);
    let call = is_queued(&handle, &log).await;

    held.release();
    assert_eq!(soon(call).await.unwrap(), 3);
    assert_eq!(log.seen(), [1, 2, 3]);
}

#[tokio::test]
async fn starting_again_queues_for_the_next_incarnation() {
    let (gate, log) = (Gate::open(), Log::default());
    let (_tree, handle) = tree_of(gated("worker", &gate)).await;
    gate.set_open(false);
    handle.kill().unwrap();
    until_state(&handle, ServiceState::Starting).await;
    let call = is_queued(&handle, &log).await;

    gate.set_open(true);
    assert_eq!(soon(call).await.unwrap(), 3);
    assert_eq!((log.seen(), handle.generation()), (vec![1, 2, 3], 2));
}

#[tokio::test]
async fn restarting_queues_while_an_elder_holds_up_the_group() {
    let (gate, log) = (Gate::open(), Log::default());
    let group = forgiving(Strategy::RestForOne).child(gated("elder", &gate)).child(worker("worker"));
    let tree = soon(group.start()).await.unwrap();
    let (elder, handle) = (tree.lookup::<Job>("app/elder").unwrap(), tree.lookup::<Job>("app/worker").unwrap());
    gate.set_open(false);
    elder.kill().unwrap();
    until_state(&elder, ServiceState::Starting).await;
    assert_eq!(handle.status().state, ServiceState::Restarting);
    let call = is_queued(&handle, &log).await;

    gate.set_open(true);
    assert_eq!(soon(call).await.unwrap(), 3);
    assert_eq!((log.seen(), handle.generation()), (vec![1, 2, 3], 2));
}

#[tokio::test]
async fn restarting_queues_while_an_ancestor_decides_about_a_supervisor_that_gave_up() {
    let (gate, log) = (Gate::open(), Log::default());
    let inner = Supervisor::one_for_one("inner").intensity(0, Duration::from_secs(1)).child(worker("worker"));
    let outer = forgiving(Strategy::OneForAll).child(gated("elder", &gate)).child(inner);
    let tree = soon(outer.start()).await.unwrap();
    let handle = tree.lookup::<Job>("app/inner/worker").unwrap();
    gate.set_open(false);
    handle.kill().unwrap();
    until_state(&tree.lookup::<Job>("app/elder").unwrap(), ServiceState::Starting).await;
    assert_eq!(handle.status().state, ServiceState::Restarting);
    let call = is_queued(&handle, &log).await;

    gate.set_open(true);
    assert_eq!(soon(call).await.unwrap(), 3);
    assert_eq!((log.seen(), handle.generation()), (vec![1, 2, 3], 2));
}

#[tokio::test]
async fn down_after_a_clean_end_refuses_and_gives_the_message_back() {
    let (_tree, handle) = tree_of(worker("worker").restart(Restart::Transient)).await;
    handle.cast(leaves()).unwrap();
    until_state(&handle, ServiceState::Down).await;
    is_refused(&handle, Refusal::Down).await;
}

#[tokio::test]
async fn down_because_it_is_not_wanted_refuses_and_gives_the_message_back() {
    let child = Child::service("worker", |_| async { ignore::<Worker>() });
    let (_tree, handle) = tree_of(child).await;
    assert_eq!((handle.status().state, handle.generation()), (ServiceState::Down, 0));
    is_refused(&handle, Refusal::Down).await;
}

#[tokio::test]
async fn down_with_a_transient_supervisor_that_gave_up_refuses_and_gives_the_message_back() {
    let inner = Supervisor::one_for_one("inner").intensity(0, Duration::from_secs(1)).restart(Restart::Transient);
    let tree = forgiving(Strategy::OneForOne).child(inner.child(worker("worker")));
    let tree = soon(tree.start()).await.unwrap();
    let handle = tree.lookup::<Job>("app/inner/worker").unwrap();
    handle.cast(panics()).unwrap();
    until_state(&handle, ServiceState::Down).await;
    is_refused(&handle, Refusal::Down).await;
}

#[tokio::test]
async fn down_may_return_and_then_queues_again() {
    let group = forgiving(Strategy::OneForAll).child(worker("elder"));
    let tree = soon(group.child(worker("worker").restart(Restart::Transient)).start()).await.unwrap();
    let (elder, handle) = (tree.lookup::<Job>("app/elder").unwrap(), tree.lookup::<Job>("app/worker").unwrap());
    handle.cast(leaves()).unwrap();
    until_state(&handle, ServiceState::Down).await;
    elder.kill().unwrap();
    until_generation(&handle, 2).await;
    caught_up(&handle).await;
}

#[tokio::test]
async fn gone_with_its_tree_refuses_and_gives_the_message_back() {
    let (tree, handle) = tree_of(worker("worker")).await;
    soon(tree.shutdown()).await;
    assert_eq!(handle.status().state, ServiceState::Gone);
    is_refused(&handle, Refusal::Gone).await;
}

#[tokio::test]
async fn gone_with_its_spec_refuses_and_gives_the_message_back() {
    let (_tree, handle) = tree_of(worker("worker").restart(Restart::Temporary)).await;
    handle.cast(panics()).unwrap();
    until_state(&handle, ServiceState::Gone).await;
    is_refused(&handle, Refusal::Gone).await;
}

#[tokio::test]
async fn gone_because_no_child_took_the_mailbox_refuses_and_gives_the_message_back() {
    let (mailbox, handle) = mailbox();
    drop(mailbox);
    assert_eq!(handle.status().state, ServiceState::Gone);
    is_refused(&handle, Refusal::Gone).await;
}

#[tokio::test]
async fn gone_after_a_start_that_failed_refuses_and_gives_the_message_back() {
    let (mailbox, handle) = mailbox();
    let broken = Child::service("broken", |_| async { anyhow::Result::<Worker>::Err(anyhow::anyhow!("no disk")) });
    let tree = forgiving(Strategy::OneForOne).child(worker("worker").mailbox(mailbox)).child(broken);
    soon(tree.start()).await.unwrap_err();
    is_refused(&handle, Refusal::Gone).await;
}

#[tokio::test]
async fn gone_after_a_start_that_was_refused_refuses_and_gives_the_message_back() {
    let (mailbox, handle) = mailbox();
    let tree = forgiving(Strategy::OneForOne).child(worker("twin").mailbox(mailbox)).child(worker("twin"));
    soon(tree.start()).await.unwrap_err();
    is_refused(&handle, Refusal::Gone).await;
}

#[tokio::test]
async fn a_dropped_tree_ends_as_gone() {
    let (tree, handle) = tree_of(worker("worker")).await;
    drop(tree);
    soon(until(handle.watch(), |status| status.state == ServiceState::Gone)).await;
    is_refused(&handle, Refusal::Gone).await;
}
