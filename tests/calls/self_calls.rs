//! A service cannot wait for itself, and is told so at once.

use regrow::{CallError, Child, Context, Overflow, Refusal};
use tokio::sync::oneshot;

use crate::common::mail::*;

#[tokio::test]
async fn a_service_that_calls_itself_is_refused() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let (told, tell) = oneshot::channel();
    let itself = handle.clone();
    let job = run(async move |_| {
        let _ = told.send(itself.call(|reply| answers(reply, 42)).await);
        Ok(())
    });
    handle.cast(job).unwrap();
    let error = soon(tell).await.unwrap().unwrap_err();
    assert!(error.is_safe_to_repeat());
    assert!(matches!(&error, CallError::Refused(error) if error.refusal() == Refusal::ToItself), "{error:?}");
    assert!(matches!(error.into_message(), Some(Job::Run(_))));
}

#[tokio::test]
async fn a_factory_that_calls_its_own_service_is_refused() {
    let (told, mut tell) = tokio::sync::mpsc::unbounded_channel();
    let child = Child::service_with("worker", told, |told, ctx: Context<Worker>| async move {
        told.send(ctx.handle().call(|reply| answers(reply, 42)).await)?;
        Ok(Worker::default())
    });
    let (_tree, _handle) = tree_of(child).await;
    let error = soon(tell.recv()).await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Refused(error) if error.refusal() == Refusal::ToItself));
}

#[tokio::test]
async fn a_linked_task_may_call_its_own_service() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let (told, tell) = oneshot::channel();
    let itself = handle.clone();
    let ask = async move {
        let _ = told.send(itself.call(|reply| answers(reply, 42)).await);
    };
    handle
        .cast(run(async move |ctx| {
            ctx.spawn(ask);
            Ok(())
        }))
        .unwrap();
    assert_eq!(soon(tell).await.unwrap().unwrap(), 42);
}

#[tokio::test]
async fn a_service_that_waits_for_room_in_its_own_mailbox_is_refused() {
    for overflow in [Overflow::Refuse, Overflow::DropOldest, Overflow::DropNewest] {
        let (_tree, handle) = tree_of(worker("worker").capacity(1).overflow(overflow)).await;
        let (told, tell) = oneshot::channel();
        let itself = handle.clone();
        let job = async move |_| {
            itself.cast(idle())?;
            let _ = told.send(itself.send(idle()).await);
            Ok(())
        };
        handle.cast(run(job)).unwrap();
        let error = soon(tell).await.unwrap().unwrap_err();
        assert_eq!(error.refusal(), Refusal::ToItself);
        assert!(matches!(error.into_message(), Job::Run(_)));
    }
}

#[tokio::test]
async fn a_service_may_send_to_itself_while_there_is_room() {
    let (_tree, handle) = tree_of(worker("worker").capacity(1)).await;
    let (itself, (told, tell)) = (handle.clone(), oneshot::channel());
    let second = run(async move |_| {
        told.send(()).unwrap();
        Ok(())
    });
    handle.cast(run(async move |_| Ok(itself.send(second).await?))).unwrap();
    soon(tell).await.unwrap();
}
