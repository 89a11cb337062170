//! Tasks of a service that give a value, or tell how they ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use fastrand::Rng;
use regrow::{Exit, Handle, RunningTask, TaskError};
use tokio::sync::oneshot;

use crate::common::mail::*;
use crate::common::tree::{Census, turns};

/// Has the service run this future, and hands its task on.
async fn runs<T, F>(a: &Handle<Job>, future: F) -> RunningTask<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    through(a, |ctx| ctx.run(future)).await
}

#[tokio::test]
async fn a_task_gives_its_value_and_runs_beside_the_service() {
    let (tree, a) = tree_of(worker("worker")).await;
    let (go, gone) = oneshot::channel::<u64>();
    let task = runs(&a, async { gone.await.unwrap() + 1 }).await;
    assert!(!task.is_finished());
    // The service is not busy with it.
    assert_eq!(soon(a.call(generation)).await.unwrap(), 1);
    go.send(41).unwrap();
    assert_eq!(soon(task).await.unwrap(), 42);
    let (tell, told) = oneshot::channel();
    a.cast(run(async move |ctx| {
        let (one, two) = (ctx.run(async { 1 }), ctx.run(async { 2 }));
        let _ = tell.send(one.await? + two.await?);
        Ok(())
    }))
    .unwrap();
    assert_eq!(soon(told).await.unwrap(), 3);
    tree.shutdown().await;
}

#[tokio::test]
async fn a_panic_is_an_outcome_and_the_service_goes_on() {
    let (tree, a) = tree_of(worker("worker")).await;
    for _ in 0..100 {
        let task = runs(&a, async { if true { panic!("no route") } else { 1 } }).await;
        let error = soon(task).await.unwrap_err();
        let TaskError::Panicked(panic) = &error else { panic!("{error}") };
        assert!(panic.location.as_ref().is_some_and(|at| at.contains("running_tasks.rs")), "{panic}");
        assert!(error.to_string().starts_with("the task panicked: no route"), "{error}");
    }
    assert_eq!(a.generation(), 1);
    assert_eq!(soon(a.call(generation)).await.unwrap(), 1);
    tree.shutdown().await;
}

#[tokio::test]
async fn a_task_that_is_cancelled_says_so_and_one_whose_handle_is_dropped_runs_on() {
    let (tree, a) = tree_of(worker("worker")).await;
    let task = runs(&a, std::future::pending::<()>()).await;
    task.cancel();
    assert!(matches!(soon(task).await, Err(TaskError::Cancelled)));
    let (tell, told) = oneshot::channel();
    drop(runs(&a, async move { tell.send(7) }).await);
    assert_eq!(soon(told).await.unwrap(), 7);
    tree.shutdown().await;
}

#[tokio::test]
async fn the_end_of_the_incarnation_ends_the_task_before_the_next_one_and_is_its_outcome() {
    let (tree, a) = tree_of(worker("worker")).await;
    let census = Census::default();
    let task = || {
        let resident = census.enter();
        let endless = async move {
            std::future::pending::<()>().await;
            drop(resident);
        };
        runs(&a, endless)
    };
    let killed = task().await;
    a.kill().unwrap();
    assert!(matches!(soon(killed).await, Err(TaskError::Ended(Exit::Killed))));
    let panicked = task().await;
    a.cast(panics()).unwrap();
    // The service panicked, and not the task.
    assert!(matches!(soon(panicked).await, Err(TaskError::Ended(Exit::Panicked(_)))));
    let left = task().await;
    a.cast(leaves()).unwrap();
    assert!(matches!(soon(left).await, Err(TaskError::Ended(Exit::Normal))));
    let restarted = task().await;
    let error = soon(async { tokio::join!(a.restart("why not"), restarted).1 }).await;
    assert!(matches!(error, Err(TaskError::Ended(Exit::Shutdown))), "{error:?}");
    soon(a.call(generation)).await.unwrap();
    assert_eq!(census.alive(), 0);
    let last = task().await;
    soon(tree.shutdown()).await;
    assert!(matches!(soon(last).await, Err(TaskError::Ended(Exit::Shutdown))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_ends_the_service_each_task_gives_its_value_or_says_how_it_ended() {
    for seed in 0..100_u64 {
        let mut random = Rng::with_seed(seed);
        let (tree, a) = tree_of(worker("worker")).await;
        let (done, census) = (Arc::new(AtomicU64::new(0)), Census::default());
        let mut awaited = Vec::new();
        let killer = tokio::spawn({
            let (a, mut random) = (a.clone(), random.fork());
            async move {
                for _ in 0..10 {
                    turns(random.usize(0..8)).await;
                    match random.u8(0..4) {
                        0 => drop(a.kill()),
                        1 => drop(a.cast(panics())),
                        2 => drop(a.cast(leaves())),
                        _ => drop(a.restart("race").await),
                    }
                }
            }
        });
        for number in 0..40_u64 {
            let (tell, told) = oneshot::channel();
            let (yields, done, resident) = (random.usize(0..6), done.clone(), census.enter());
            let sent = a.cast(run(async move |ctx| {
                let task = ctx.run(async move {
                    let _resident = resident;
                    turns(yields).await;
                    done.fetch_add(1, SeqCst);
                    number
                });
                let _ = tell.send(task);
                Ok(())
            }));
            if sent.is_ok() {
                awaited.push(tokio::spawn(async move {
                    // The message itself may be lost in hand.
                    let Ok(task) = told.await else { return None };
                    Some(task.await.inspect(|value| assert_eq!(*value, number)))
                }));
            }
            tokio::task::yield_now().await;
        }
        let mut values = 0;
        for task in awaited {
            match soon(task).await.unwrap() {
                Some(Ok(_)) => values += 1,
                Some(Err(TaskError::Ended(_))) | None => {}
                Some(Err(error)) => panic!("seed {seed}: {error}"),
            }
        }
        soon(killer).await.unwrap();
        assert!(values <= done.load(SeqCst), "seed {seed}");
        soon(tree.shutdown()).await;
        assert_eq!(census.alive(), 0, "seed {seed}: a task outlived its service");
    }
}
