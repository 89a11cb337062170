//! Code of an incarnation cannot wait for its own end: an order that brings it about is refused, and nothing is done.
//!
//! Found by reading: a service that awaited its own termination held it up until its shutdown time had passed, and was killed.

use regrow::testing::Journal;
use regrow::{
    Child, Context, DeleteChildError, DynamicSupervisor, Handle, Inbox, ManageError, Partitioned, ResizeError,
    RestartChildError, ServiceState, ShutdownReport, StopChildError, Supervisor, TaskContext, Tree,
};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

use crate::common::mail::*;

/// What the worker's code says when it has run `order`.
async fn from_inside<T, F, Fut>(worker: &Handle<Job>, order: F) -> T
where
    T: Send + 'static,
    F: FnOnce(Context<Worker>) -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let (told, tell) = oneshot::channel();
    let job = run(async move |ctx| {
        let _ = told.send(order(ctx).await);
        Ok(())
    });
    worker.cast(job).unwrap();
    soon(tell).await.unwrap()
}

fn refused<T: std::fmt::Debug, E: Into<ManageError> + std::fmt::Debug>(answer: Result<T, E>) -> (String, String) {
    match answer.unwrap_err().into() {
        ManageError::ToItself { path, caller } => (path.to_string(), caller.to_string()),
        error => panic!("{error}"),
    }
}

fn refused_resize(answer: Result<(), ResizeError>) -> String {
    match answer.unwrap_err() {
        ResizeError::ToItself { path, .. } => path.to_string(),
        error => panic!("{error}"),
    }
}

async fn nested() -> (Arc<Tree>, Handle<Job>) {
    let pool = DynamicSupervisor::new("pool");
    let tree = Supervisor::one_for_one("app").child(Supervisor::one_for_one("sub").child(worker("worker")).child(pool));
    let tree = Arc::new(soon(tree.start()).await.unwrap());
    let handle = tree.lookup("app/sub/worker").unwrap();
    (tree, handle)
}

#[tokio::test]
async fn a_service_cannot_wait_for_the_termination_of_itself_or_of_what_is_above_it() {
    let (tree, handle) = nested().await;
    let (app, sub) = (tree.supervisor("app").unwrap(), tree.supervisor("app/sub").unwrap());
    let me = from_inside(&handle, |ctx| async move { ctx.supervisor().unwrap().terminate_child("worker").await }).await;
    assert_eq!(
        me.as_ref().unwrap_err().to_string(),
        "`app/sub/worker` cannot wait for its own end: stop it with `ctx.stop()`, or give the order from a task outside of it (`tokio::spawn`)"
    );
    assert_eq!(refused(me), ("app/sub/worker".into(), "app/sub/worker".into()));
    let above = from_inside(&handle, |_| async move { app.terminate_child("sub").await }).await;
    assert_eq!(
        above.as_ref().unwrap_err().to_string(),
        "`app/sub/worker` would end with `app/sub`, and cannot wait for that: give the order from a task outside of it (`tokio::spawn`)"
    );
    assert_eq!(refused(above), ("app/sub".into(), "app/sub/worker".into()));
    assert_eq!((handle.generation(), handle.status().state), (1, ServiceState::Up));
    // What does not end it, or does not wait, is carried out.
    let answers = from_inside(&handle, |ctx| async move {
        let sub = ctx.supervisor().unwrap();
        sub.start_child(worker("other")).await.unwrap();
        sub.terminate_child("other").await.unwrap();
        sub.delete_child("other").await.unwrap();
        (sub.delete_child("worker").await, sub.restart_child("worker").await, sub.terminate_child("work").await)
    });
    let (delete, restart, unknown) = answers.await;
    assert!(
        matches!(delete, Err(DeleteChildError::Running { .. }))
            && matches!(restart, Err(RestartChildError::Running { .. }))
    );
    assert!(matches!(unknown, Err(StopChildError::NotFound { .. })), "a name that only begins like it");
    let (told, tell) = oneshot::channel();
    let by_another = async move {
        let _ = told.send(sub.terminate_child("worker").await);
    };
    from_inside(&handle, |_| async move { drop(tokio::spawn(by_another)) }).await;
    soon(tell).await.unwrap().unwrap();
    assert_eq!(handle.status().state, ServiceState::Down);
}

#[tokio::test]
async fn a_linked_task_cannot_wait_for_the_end_of_its_incarnation() {
    let (_tree, handle) = nested().await;
    let (told, tell) = oneshot::channel();
    let job = run(async move |ctx: Context<Worker>| {
        let sub = ctx.supervisor()?;
        ctx.spawn(async move {
            let _ = told.send(sub.terminate_child("worker").await);
        });
        Ok(())
    });
    handle.cast(job).unwrap();
    assert_eq!(refused(soon(tell).await.unwrap()).0, "app/sub/worker");
}

#[tokio::test]
async fn a_factory_a_task_and_a_thread_cannot_wait_for_their_own_end() {
    let (told, mut tell) = mpsc::unbounded_channel();
    let factory = Child::service_with("factory", told.clone(), |told, ctx: Context<Worker>| async move {
        told.send(ctx.supervisor()?.terminate_child("factory").await)?;
        Ok(Worker::default())
    });
    let task = Child::task_with("task", told.clone(), |told, ctx: TaskContext| async move {
        told.send(ctx.supervisor()?.terminate_child("task").await)?;
        Ok(())
    });
    let tree = soon(Supervisor::one_for_one("app").child(factory).child(task).start()).await.unwrap();
    let app = tree.supervisor("app").unwrap();
    let thread = Child::thread_with("thread", (told, app.clone()), |(told, app), inbox: Inbox<()>| {
        let answer = tokio::runtime::Handle::current().block_on(app.terminate_child("thread"));
        told.send(answer)?;
        inbox.for_each(drop);
        Ok(())
    });
    soon(app.start_child(thread)).await.unwrap();
    let mut callers = Vec::new();
    for _ in 0..3 {
        callers.push(refused(soon(tell.recv()).await.unwrap()).1);
    }
    callers.sort();
    assert_eq!(callers, ["app/factory", "app/task", "app/thread"]);
}

/// Found by asking for the siblings of the fault above: the boot waited for the factory, and the factory for the boot.
#[tokio::test]
async fn a_factory_cannot_wait_for_an_order_that_waits_for_its_own_boot() {
    for strategy in [regrow::Strategy::OneForOne, regrow::Strategy::RestForOne] {
        let (told, mut tell) = mpsc::unbounded_channel();
        let factory = Child::service_with("factory", told, |told, ctx: Context<Worker>| async move {
            let above = ctx.supervisor()?;
            above.which_children().await?;
            let answers = (above.start_child(worker("other")).await, above.restart_child("elder").await);
            told.send((answers.0, answers.1, above.terminate_child("elder").await))?;
            Ok(Worker::default())
        });
        let tree = forgiving(strategy).child(worker("elder")).child(factory);
        let tree = soon(tree.start()).await.unwrap();
        let (start, restart, terminate) = soon(tell.recv()).await.unwrap();
        let said = start.as_ref().unwrap_err().to_string();
        assert_eq!(
            said,
            "`app` boots, and waits for the factory of `app/factory`: give the order when `app/factory` is up, or from a task outside of it (`tokio::spawn`)"
        );
        let errors: [ManageError; 3] =
            [start.unwrap_err().into(), restart.unwrap_err().into(), terminate.unwrap_err().into()];
        for error in errors {
            assert!(matches!(error, ManageError::Booting { .. }), "{error}");
        }
        // A later life of it may wait, when no other start does.
        if strategy == regrow::Strategy::OneForOne {
            tree.kill("app/factory").unwrap();
            let (start, restart, terminate) = soon(tell.recv()).await.unwrap();
            assert!(start.is_ok() && matches!(restart, Err(RestartChildError::Running { .. })) && terminate.is_ok());
        }
    }
}

#[tokio::test]
async fn a_child_of_a_dynamic_supervisor_cannot_wait_for_its_own_end() {
    let (tree, _) = nested().await;
    let pool = tree.dynamic("app/sub/pool").unwrap();
    soon(pool.start_child(worker("one"))).await.unwrap();
    let one = tree.lookup::<Job>("app/sub/pool/one").unwrap();
    let answer = from_inside(&one, |_| async move { pool.terminate_child("one").await }).await;
    assert_eq!(refused(answer).0, "app/sub/pool/one");
}

#[tokio::test]
async fn a_partition_cannot_wait_for_a_resize_that_takes_it_away() {
    let ring = Partitioned::new("ring", 3, |_| worker("partition"));
    let tree = soon(Supervisor::one_for_one("app").child(ring).start()).await.unwrap();
    let ring = tree.partitions::<Job>("app/ring").unwrap();
    let (last, first) = (ring.handle(2).unwrap(), ring.handle(0).unwrap());
    let (here, there) = (ring.clone(), ring.clone());
    let answer = from_inside(&last, |_| async move { here.resize(1).await }).await;
    assert_eq!((refused_resize(answer), ring.len()), ("app/ring/2".into(), 3));
    from_inside(&first, |_| async move { there.resize(1).await }).await.unwrap();
    assert_eq!(ring.len(), 1);
    // Its own message in hand would have to be finished before the new partition begins.
    let there = ring.clone();
    let error = from_inside(&first, |_| async move { there.resize(2).await }).await.unwrap_err();
    assert!(matches!(&error, ResizeError::InHand { path } if &**path == "app/ring/0"), "{error}");
    let there = ring.clone();
    from_inside(&first, |_| async move { there.resize_now(2).await }).await.unwrap();
    assert_eq!(ring.len(), 2);
}

// Calls to resize are carried out one after the other: this one waited for the call that waited for its own end.
#[tokio::test]
async fn a_partition_that_is_taken_away_cannot_wait_for_the_next_resize() {
    let ring = Partitioned::new("ring", 2, |_| worker("partition"));
    let tree = soon(Supervisor::one_for_one("app").child(ring).start()).await.unwrap();
    let ring = tree.partitions::<Job>("app/ring").unwrap();
    let (last, here) = (ring.handle(1).unwrap(), ring.clone());
    let held = busy(&last).await;
    let (told, tell) = oneshot::channel();
    held.then(run(async move |ctx| {
        while !ctx.is_stopping() {
            tokio::task::yield_now().await;
        }
        let _ = told.send(here.resize(4).await);
        Ok(())
    }));
    soon(ring.resize_now(1)).await.unwrap();
    assert_eq!((refused_resize(soon(tell).await.unwrap()), ring.len()), ("app/ring/1".into(), 1));
}

#[tokio::test]
async fn a_shutdown_is_refused_to_code_of_the_tree_and_says_so() {
    let (tree, handle) = nested().await;
    let (one, two) = (tree.clone(), tree.clone());
    let is_refused = |report: &ShutdownReport| {
        assert_eq!(report.refused.as_deref(), Some("app/sub/worker"));
        assert!(!report.is_clean() && !report.was_wanted() && report.clone().into_result().is_err(), "{report}");
        assert_eq!(report.to_string(), "goes on: `app/sub/worker` would end with it, and cannot wait for that");
    };
    is_refused(&from_inside(&handle, |_| async move { one.shutdown().await }).await);
    let limit = std::time::Duration::from_secs(1);
    is_refused(&from_inside(&handle, move |_| async move { two.shutdown_within(limit).await }).await);
    assert!(!tree.is_draining(), "nothing was ordered");
    // Another tree is none of its concern, also one of the same names.
    let (other, _) = nested().await;
    let report = from_inside(&handle, |_| async move { other.shutdown().await }).await;
    assert!(report.is_clean() && report.refused.is_none(), "{report}");
    assert!(soon(tree.shutdown()).await.is_clean());
}

#[tokio::test]
async fn an_order_that_does_not_wait_can_end_the_one_that_gives_it() {
    let tree = Supervisor::one_for_one("app").child(worker("worker")).child(Journal::new().probe("a"));
    let tree = soon(tree.start()).await.unwrap();
    let (handle, app) = (tree.lookup::<Job>("app/worker").unwrap(), tree.supervisor("app").unwrap());
    from_inside(&handle, |_| async move { app.stop(regrow::Exit::Shutdown) }).await.unwrap();
    assert!(soon(tree.wait()).await.is_clean());
}
