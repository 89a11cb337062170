//! Tasks that are linked to an incarnation: they end with it, before the next one is built, and their panic ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use regrow::{Child, Context, Exit, LinkedTask, Restart, ServiceState, Strategy};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use crate::common::mail::*;

const SECOND: Duration = Duration::from_secs(1);

/// Counts how many of it are alive.
struct Guard(Arc<AtomicUsize>);

impl Guard {
    fn new(alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::SeqCst);
        Self(alive.clone())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A task that never ends.
async fn live_on(guard: Guard) {
    let _alive = guard;
    std::future::pending::<()>().await;
}

/// A worker whose factory insists that no guard is alive.
fn guarded(name: &str, alive: &Arc<AtomicUsize>) -> regrow::ServiceChild<Job> {
    Child::service_with(name, alive.clone(), |alive, _| async move {
        assert_eq!(alive.load(Ordering::SeqCst), 0, "a task of the old life is alive in the new one");
        Ok(Worker::default())
    })
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_timer_or_task_does_nothing_more() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let (log, alive) = (Log::default(), Arc::default());
    let (ticks, note, guard) = (log.clone(), log.note(1), Guard::new(&alive));
    let linked: [LinkedTask; 3] = through(&handle, move |ctx| {
        [ctx.send_after(SECOND, note), ctx.interval(SECOND, move || ticks.note(2)), ctx.spawn(live_on(guard))]
    })
    .await;
    linked.iter().for_each(LinkedTask::cancel);
    sleep(10 * SECOND).await;
    assert!(linked.iter().all(LinkedTask::is_finished));
    assert_eq!((log.seen(), alive.load(Ordering::SeqCst), handle.generation()), (vec![], 0, 1));
}

#[tokio::test]
async fn a_panic_in_a_linked_task_ends_the_incarnation() {
    let (tree, handle) = tree_of(worker("worker")).await;
    let mut events = tree.events();
    through(&handle, |ctx| ctx.spawn(async { panic!("boom") })).await;
    let Exit::Panicked(panic) = exit_of_the_next(&mut events).await else { panic!("it should have panicked") };
    assert_eq!(&*panic.message, "boom");
    assert!(panic.location.unwrap().contains("linked_tasks.rs"));
    until_generation(&handle, 2).await;
}

#[tokio::test]
async fn a_panic_in_a_linked_task_cuts_the_handler_short() {
    let (tree, handle) = tree_of(worker("worker")).await;
    let mut events = tree.events();
    let job = run(async |ctx| {
        ctx.spawn(async { panic!("boom") });
        std::future::pending().await
    });
    handle.cast(job).unwrap();
    assert_eq!(exit_of_the_next(&mut events).await.kind(), "panicked");
    until_generation(&handle, 2).await;
    assert_eq!(handle.accounting().crashed, 1);
}

#[tokio::test]
async fn a_linked_task_that_finishes_ends_nobody() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let (done, is_done) = oneshot::channel();
    let task = through(&handle, |ctx| ctx.spawn(async { done.send(()).unwrap() })).await;
    soon(is_done).await.unwrap();
    soon(async {
        while !task.is_finished() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    caught_up(&handle).await;
    assert_eq!(handle.generation(), 1);
}

#[tokio::test]
async fn linked_tasks_are_gone_before_the_next_factory_runs() {
    for crash in [Some(panics as fn() -> Job), Some(fails), Some(leaves), None] {
        let alive = Arc::default();
        let (_tree, handle) = tree_of(guarded("worker", &alive)).await;
        for _ in 0..100 {
            let guard = Guard::new(&alive);
            through(&handle, |ctx| ctx.spawn(live_on(guard))).await;
        }
        match crash {
            Some(job) => handle.cast(job()).unwrap(),
            None => handle.kill().unwrap(),
        }
        assert_eq!(until_generation(&handle, 2).await.generation, 2);
        assert_eq!(handle.accounting().attempts, 2, "the factory found nobody alive at its first attempt");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn linked_tasks_that_are_running_are_waited_for_before_the_next_factory_runs() {
    let alive = Arc::default();
    let (_tree, handle) = tree_of(guarded("worker", &alive)).await;
    for generation in 2..30 {
        let (guard, (begun, has_begun)) = (Guard::new(&alive), oneshot::channel());
        through(&handle, |ctx| {
            ctx.spawn(async move {
                let _alive = guard;
                begun.send(()).unwrap();
                // Busy, and not to be dropped before it yields.
                std::thread::sleep(Duration::from_millis(5));
                std::future::pending::<()>().await;
            })
        })
        .await;
        soon(has_begun).await.unwrap();
        handle.kill().unwrap();
        until_generation(&handle, generation).await;
        assert_eq!(handle.accounting().attempts, generation);
    }
}

#[tokio::test]
async fn linked_tasks_are_gone_before_a_group_restart_starts_anybody() {
    let alive = Arc::default();
    let tree = forgiving(Strategy::OneForAll).child(guarded("elder", &alive)).child(guarded("worker", &alive));
    let tree = soon(tree.start()).await.unwrap();
    let (elder, handle) = (tree.lookup::<Job>("app/elder").unwrap(), tree.lookup::<Job>("app/worker").unwrap());
    let guard = Guard::new(&alive);
    through(&handle, |ctx| ctx.spawn(live_on(guard))).await;
    elder.kill().unwrap();
    until_generation(&handle, 2).await;
    assert_eq!((elder.accounting().attempts, handle.accounting().attempts), (2, 2));
}

#[tokio::test]
async fn linked_tasks_of_the_factory_end_with_an_attempt_that_fails() {
    let alive: Arc<AtomicUsize> = Arc::default();
    let child = Child::service_with("worker", alive.clone(), |alive, ctx: Context<Worker>| async move {
        assert_eq!(alive.load(Ordering::SeqCst), 0);
        let guard = Guard::new(&alive);
        ctx.spawn(live_on(guard));
        anyhow::ensure!(ctx.attempt() == 1 || ctx.attempt() > 3, "not yet");
        Ok(Worker::default())
    });
    let (tree, handle) = tree_of(child).await;
    handle.kill().unwrap();
    until_generation(&handle, 2).await;
    assert_eq!((handle.accounting().attempts, alive.load(Ordering::SeqCst)), (4, 1));
    soon(tree.shutdown()).await;
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_spawned_or_timed_after_the_end_never_runs() {
    let (_tree, handle) = tree_of(worker("worker").restart(Restart::Transient)).await;
    let old = through(&handle, Context::clone).await;
    handle.kill().unwrap();
    until_generation(&handle, 2).await;
    let (ran, mut runs) = mpsc::unbounded_channel();
    let log = Log::default();
    let (tick, ticks) = (ran.clone(), log.clone());
    let late = [
        old.spawn(async move { tick.send(()).unwrap() }),
        old.send_after(SECOND, log.note(1)),
        old.interval(SECOND, move || ticks.note(2)),
    ];
    assert!(late.iter().all(LinkedTask::is_finished));
    late.iter().for_each(LinkedTask::cancel);
    drop(ran);
    assert_eq!(soon(runs.recv()).await, None, "the future was dropped");
    sleep(5 * SECOND).await;
    assert_eq!((log.seen(), handle.status().state), (vec![], ServiceState::Up));
}

#[tokio::test]
async fn a_stop_asked_through_an_old_context_does_not_stop_the_new_incarnation() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let old = through(&handle, Context::clone).await;
    handle.kill().unwrap();
    until_generation(&handle, 2).await;
    old.stop();
    caught_up(&handle).await;
    assert_eq!((handle.generation(), old.generation()), (2, 1));
}
