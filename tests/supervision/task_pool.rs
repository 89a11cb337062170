//! One-shot tasks: a pool that gives their values, and children that run once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use fastrand::Rng;
use regrow::testing::Journal;
use regrow::{
    Child, ChildKind, DynamicSupervisor, EventKind, Exit, Intensity, RunningTask, StartChildError, Supervisor,
    TaskError, TaskSupervisor, Tasks, Tree,
};
use tokio::sync::oneshot;

use crate::common::tree::{Census, MS, SEC, hears_of, soon, turns};

async fn app(pool: impl Into<Child>) -> (Tree, Tasks) {
    let tree = Supervisor::one_for_one("app").intensity(0, SEC).child(pool).start().await.unwrap();
    let jobs = tree.tasks("app/jobs").unwrap();
    (tree, jobs)
}

fn jobs() -> TaskSupervisor {
    TaskSupervisor::new("jobs")
}

#[tokio::test]
async fn a_task_gives_its_value_or_how_it_ended_and_charges_no_budget() {
    let (tree, jobs) = app(jobs()).await;
    assert_eq!(soon("a value", jobs.run(async { 42 })).await.unwrap(), 42);
    for _ in 0..300 {
        let error = soon("a panic", jobs.run(async { panic!("no route") })).await.unwrap_err();
        assert!(matches!(&error, TaskError::Panicked(panic) if panic.message.contains("no route")), "{error}");
    }
    assert_eq!(tree.directory().status("app/jobs").unwrap().generation, 1);
    assert_eq!(jobs.supervisor().count_children().await.unwrap().specs, 0);
    tree.shutdown().await;
    let over = jobs.run(async {}).await.unwrap_err();
    assert!(matches!(over, TaskError::NotStarted(StartChildError::NotRunning { .. })), "{over}");
}

#[tokio::test]
async fn a_task_is_a_child_like_others_while_it_runs() {
    let (tree, jobs) = app(jobs()).await;
    let mut events = tree.events();
    let (go, gone) = oneshot::channel();
    let task = jobs.spawn(async { gone.await.unwrap() }).await.unwrap();
    let entry = tree.directory().entry("app/jobs/task-1").unwrap();
    assert_eq!(entry.kind, ChildKind::Task);
    assert!(tree.why("app/jobs/task-1").await.unwrap().to_string().contains("is up in generation 1"));
    go.send(7).unwrap();
    assert_eq!(soon("the value", task).await.unwrap(), 7);
    hears_of(&mut events, "app/jobs/task-1#1 exited: normal").await;
    hears_of(&mut events, "app/jobs/task-1#1 is gone").await;
    assert!(tree.directory().entry("app/jobs/task-1").is_none());
    assert!(matches!(soon("a panic", jobs.run(async { panic!("no") })).await, Err(TaskError::Panicked(_))));
    hears_of(&mut events, "app/jobs/task-2#1 exited: panicked: no").await;
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn many_run_at_most_so_many_at_a_time_and_their_outcomes_are_in_order() {
    let (tree, jobs) = app(jobs()).await;
    for at_most in [0, 1, 7, 1000] {
        let census = Census::default();
        let futures = (0..100_u64).map(|number| {
            let census = census.clone();
            async move {
                let _resident = census.enter();
                tokio::time::sleep(MS * (1 + number as u32 * 7 % 13)).await;
                assert!(number % 10 != 3, "the {number}th fails");
                number
            }
        });
        let outcomes = soon("all", jobs.run_all(futures, at_most)).await;
        assert_eq!(outcomes.len(), 100);
        for (number, outcome) in (0..).zip(&outcomes) {
            match outcome {
                Ok(value) => assert_eq!((*value, number % 10 != 3), (number, true)),
                Err(error) => assert!(matches!(error, TaskError::Panicked(_)) && number % 10 == 3, "{number}: {error}"),
            }
        }
        assert_eq!(census.alive_max(), at_most.clamp(1, 100));
    }
    assert!(soon("none", jobs.run_all(std::iter::empty::<std::future::Ready<()>>(), 3)).await.is_empty());
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_pool_stops_by_its_rule_and_callers_learn_how_their_tasks_ended() {
    let (tree, jobs) = app(jobs()).await;
    let plain = jobs.spawn(std::future::pending::<u64>()).await.unwrap();
    let listens = jobs.spawn_with(|ctx| async move {
        ctx.stopping().await;
        tokio::time::sleep(SEC).await;
        7
    });
    let listens = listens.await.unwrap();
    let slow = jobs.spawn_with(|ctx| async move {
        ctx.stopping().await;
        std::future::pending::<u64>().await
    });
    let slow = slow.await.unwrap();
    let begun = tokio::time::Instant::now();
    let (report, plain, listens, slow) =
        soon("the end", async { tokio::join!(tree.shutdown(), plain, listens, slow) }).await;
    assert!(matches!(plain, Err(TaskError::Ended(Exit::Shutdown))), "{plain:?}");
    assert_eq!(listens.unwrap(), 7);
    assert!(matches!(slow, Err(TaskError::Ended(Exit::Killed))), "{slow:?}");
    assert_eq!((begun.elapsed(), &*report.killed), (5 * SEC, &["app/jobs/task-3".into()][..]), "{report}");
}

#[tokio::test]
async fn a_full_pool_refuses_and_a_task_can_be_cancelled_or_terminated() {
    let (tree, jobs) = app(jobs().max_tasks(2)).await;
    let one = jobs.spawn(std::future::pending::<()>()).await.unwrap();
    let two = jobs.spawn(std::future::pending::<()>()).await.unwrap();
    let full = jobs.run(async {}).await.unwrap_err();
    assert!(matches!(full, TaskError::NotStarted(StartChildError::MaxChildren { .. })), "{full}");
    one.cancel();
    // Also from a thread outside of the runtime.
    std::thread::scope(|scope| scope.spawn(|| one.cancel()).join().unwrap());
    assert!(matches!(soon("the cancelled one", one).await, Err(TaskError::Ended(Exit::Shutdown))));
    jobs.supervisor().terminate_child("task-2").await.unwrap();
    assert!(matches!(soon("the terminated one", two).await, Err(TaskError::Ended(Exit::Shutdown))));
    assert_eq!(soon("a value", jobs.run(async { 1 })).await.unwrap(), 1);
    let killed = jobs.spawn(std::future::pending::<()>()).await.unwrap();
    let path = tree.directory().entries_below("app/jobs").pop().unwrap().path;
    tree.kill(&path).unwrap();
    assert!(matches!(soon("the killed one", killed).await, Err(TaskError::Ended(Exit::Killed))));
    tree.shutdown().await;
}

#[tokio::test]
async fn a_one_shot_child_owns_its_work_runs_once_and_is_left_out_of_later_lives() {
    let journal = Journal::new();
    let (owned, lines) = (oneshot::channel::<()>(), journal.clone());
    let once = Child::once("once", move |ctx| async move {
        lines.write(format!("once in generation {}", ctx.generation()));
        drop(owned);
        ctx.stopping().await;
        anyhow::Ok(())
    });
    let sub = Supervisor::one_for_all("sub").budget(Intensity::unlimited()).child(once).child(journal.probe("a"));
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(sub).start().await.unwrap();
    let mut events = tree.events();
    // A restart of its supervisor leaves it out.
    soon("a restart", tree.restart("app/sub", "why not")).await.unwrap();
    assert!(tree.directory().entry("app/sub/once").is_none());
    hears_of(&mut events, "app/sub/once#1 is not wanted").await;
    // A restart of the task itself ends it, and there is nothing to run then.
    let pool = tree.supervisor("app").unwrap();
    pool.start_child(DynamicSupervisor::new("pool")).await.unwrap();
    let pool = tree.dynamic("app/pool").unwrap();
    pool.start_child(Child::once("job", |_| std::future::pending())).await.unwrap();
    soon("a restart", tree.restart("app/pool/job", "")).await.unwrap();
    hears_of(&mut events, "app/pool/job#2 exited: failed: a one-shot task runs once").await;
    hears_of(&mut events, "app/pool/job#2 is gone").await;
    assert_eq!(pool.count_children().await.unwrap().specs, 0);
    // One that fails is not tried again.
    let fails = Child::once("fails", |_| async { anyhow::bail!("disk full") });
    pool.start_child(fails).await.unwrap();
    hears_of(&mut events, "app/pool/fails#1 exited: failed: disk full").await;
    hears_of(&mut events, "app/pool/fails#1 is gone").await;
    assert_eq!(journal.lines().iter().filter(|line| line.starts_with("once")).count(), 1);
    tree.shutdown().await;
}

/// Tasks beside kills, terminations, restarts and the end of their pool: each has an outcome, a value is never lost, and
/// none lives on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_the_pool_each_task_has_an_outcome() {
    for seed in 0..60_u64 {
        let mut random = Rng::with_seed(seed);
        let pool = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(jobs().max_tasks(30));
        let tree = Arc::new(pool.start().await.unwrap());
        let (jobs, census, ran) = (tree.tasks("app/jobs").unwrap(), Census::default(), Arc::new(AtomicUsize::new(0)));
        let mut callers = Vec::new();
        for _ in 0..6 {
            let (jobs, census, ran, mut random) = (jobs.clone(), census.clone(), ran.clone(), random.fork());
            callers.push(tokio::spawn(async move {
                let mut values = 0;
                for number in 0..15_u64 {
                    let (yields, ran, resident) = (random.usize(0..5), ran.clone(), census.enter());
                    let fails = random.u8(0..5) == 0;
                    let task = async move {
                        let _resident = resident;
                        turns(yields).await;
                        assert!(!fails, "as drawn");
                        ran.fetch_add(1, SeqCst);
                        number
                    };
                    match random.u8(0..4) {
                        0 => {
                            let spawned: Result<RunningTask<u64>, _> = jobs.spawn(task).await;
                            if let Ok(task) = spawned {
                                task.cancel();
                                values += usize::from(soon("a cancelled task", task).await.is_ok());
                            }
                        }
                        1 => {
                            let outcomes = soon("all tasks", jobs.run_all([task], 1)).await;
                            values += outcomes.into_iter().flatten().count();
                        }
                        _ => match soon("a task", jobs.run(task)).await {
                            Ok(value) => {
                                assert_eq!(value, number);
                                values += 1;
                            }
                            Err(TaskError::Panicked(_)) => assert!(fails, "seed {seed}"),
                            Err(TaskError::Ended(_) | TaskError::NotStarted(_)) => {}
                            Err(error) => panic!("seed {seed}: {error}"),
                        },
                    }
                }
                values
            }));
        }
        for _ in 0..8 {
            turns(random.usize(0..12)).await;
            match random.u8(0..4) {
                0 => drop(tree.kill("app/jobs")),
                1 => drop(tree.restart("app/jobs", "race").await),
                2 => drop(jobs.supervisor().restart_rolling(3, "race").await),
                _ => {
                    let running = tree.directory().entries_below("app/jobs");
                    let _ = tree.kill(&running[random.usize(0..running.len())].path);
                }
            }
        }
        let mut values = 0;
        for caller in callers {
            values += soon("a caller", caller).await.unwrap();
        }
        // A task that was cut off after its last step may have run for nothing.
        assert!(values <= ran.load(SeqCst), "seed {seed}: {values} values of {ran:?}");
        soon("shutdown", tree.shutdown()).await;
        assert_eq!(census.alive(), 0, "seed {seed}");
    }
}

#[tokio::test]
async fn tasks_run_below_any_dynamic_supervisor_beside_its_other_children() {
    let journal = Journal::new();
    let tree = DynamicSupervisor::new("pool").numbered().start().await.unwrap();
    let pool = tree.dynamic("pool").unwrap();
    pool.start_child(journal.probe("session")).await.unwrap();
    let mut events = tree.events();
    assert_eq!(pool.tasks().run(async { 1 }).await.unwrap(), 1);
    let started = hears_of(&mut events, "pool/2#1 started").await;
    assert!(matches!(started.kind, EventKind::Started { .. }));
    assert_eq!(pool.count_children().await.unwrap().workers, 1);
    let not_there = tree.tasks("pool/1").unwrap_err();
    assert!(not_there.to_string().contains("pool/1"), "{not_there}");
    tree.shutdown().await;
}
