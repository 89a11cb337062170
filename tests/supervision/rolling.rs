//! Rolling restarts: a few children at a time, each ready before the next, and none after the first failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Child, Context, DynamicSupervisor, Intensity, Policy, Readiness, Restart, RestartError, RollingCause, ServiceState,
    Supervisor, TaskContext,
};

use crate::common::partitions::{app, cache_of};
use crate::common::tree::{Inert, MS, SEC, probe, soon, turns};

/// A service that is ready some time after it came up. Counts those that are not, and the most at a time.
fn late(counts: &Arc<(AtomicUsize, AtomicUsize)>) -> regrow::ServiceChild<()> {
    let counts = counts.clone();
    let make = move |ctx: Context<Inert>| {
        let counts = counts.clone();
        async move {
            let now = counts.0.fetch_add(1, SeqCst) + 1;
            counts.1.fetch_max(now, SeqCst);
            let me = ctx.clone();
            ctx.spawn(async move {
                tokio::time::sleep(10 * MS).await;
                counts.0.fetch_sub(1, SeqCst);
                me.ready();
            });
            Ok(Inert)
        }
    };
    Child::service("p", make).policy(Policy::default().readiness(Readiness::WhenSaid))
}

#[tokio::test(start_paused = true)]
async fn at_most_so_many_partitions_are_not_ready_at_a_time() {
    for at_most in [0, 1, 3, 100] {
        let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let (tree, cache) = app(cache_of(8, {
            let counts = counts.clone();
            move |_| late(&counts)
        }))
        .await;
        tree.ready(SEC).await.unwrap();
        counts.1.store(0, SeqCst);
        let begun = tokio::time::Instant::now();
        assert_eq!(soon("the roll", cache.restart_rolling(at_most, "settings")).await.unwrap(), 8);
        assert_eq!(counts.1.load(SeqCst), at_most.clamp(1, 8));
        assert!(begun.elapsed() >= 10 * MS * (8_u32.div_ceil(at_most.clamp(1, 8) as u32)));
        assert!(cache.handles().iter().all(|partition| partition.generation() == 2 && partition.status().ready));
        tree.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_ends_the_roll_and_is_named() {
    let fails = |index: usize| {
        Child::service("p", move |ctx: Context<Inert>| async move {
            anyhow::ensure!(index != 2 || ctx.generation() == 1, "bad settings");
            Ok(Inert)
        })
        .policy(Policy::default().backoff(regrow::Backoff::new(60 * SEC)))
    };
    let (tree, cache) = app(cache_of(5, fails)).await;
    let error = soon("the roll", cache.restart_rolling(1, "settings")).await.unwrap_err();
    assert_eq!(error.restarted, 2);
    assert!(
        matches!(&error.cause, RollingCause::NotRestarted(RestartError::Failed { path, .. }) if &**path == "app/cache/2")
    );
    assert_eq!(
        error.to_string(),
        "the rolling restart stopped after 2 children: `app/cache/2` did not start: failed: bad settings"
    );
    let generations: Vec<_> = cache.handles().iter().map(|partition| partition.generation()).collect();
    assert_eq!(generations, [2, 2, 1, 1, 1]);
    // The one that is being restarted ends the next roll too.
    let error = soon("the roll", cache.restart_rolling(9, "settings")).await.unwrap_err();
    assert!(matches!(error.cause, RollingCause::NotRestarted(RestartError::Restarting { .. })), "{error}");
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_child_that_ends_before_it_is_ready_is_a_failure() {
    let dies = |_| {
        Child::service("p", |ctx: Context<Inert>| async move {
            let me = ctx.clone();
            ctx.spawn(async move {
                tokio::time::sleep(MS).await;
                if me.generation() == 1 { me.ready() } else { me.exit(regrow::Exit::failed("bad settings")) }
            });
            Ok(Inert)
        })
        .policy(Policy::default().readiness(Readiness::WhenSaid).backoff(regrow::Backoff::new(60 * SEC)))
    };
    let (tree, cache) = app(cache_of(3, dies)).await;
    tree.ready(SEC).await.unwrap();
    let error = soon("the roll", cache.restart_rolling(1, "settings")).await.unwrap_err();
    assert_eq!(error.restarted, 0);
    let RollingCause::NotReady { path, status } = &error.cause else { panic!("{error}") };
    assert_eq!((&**path, status.state), ("app/cache/0", ServiceState::Restarting));
    tree.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_roll_over_sessions_that_come_and_go_leaves_out_those_that_are_gone() {
    for seed in 0..20_u64 {
        let mut random = fastrand::Rng::with_seed(seed);
        let journal = Journal::new();
        let pool = DynamicSupervisor::new("pool").budget(Intensity::new(0, SEC));
        let tree = Arc::new(Supervisor::one_for_one("app").child(pool).start().await.unwrap());
        let pool = tree.dynamic("app/pool").unwrap();
        let names: Vec<_> = (0..40).map(|number| number.to_string()).collect();
        pool.start_children(names.iter().map(|name| journal.probe(name).restart(Restart::Temporary))).await;
        let leaving = tokio::spawn({
            let (tree, pool, mut random) = (tree.clone(), pool.clone(), random.fork());
            async move {
                let mut ended = 0;
                for _ in 0..10 {
                    turns(random.usize(0..10)).await;
                    let name = random.usize(0..40).to_string();
                    ended += usize::from(pool.terminate_child(&name).await.is_ok());
                    pool.start_child(Journal::new().probe(&format!("new{}", random.u64(..)))).await.unwrap();
                }
                drop(tree);
                ended
            }
        });
        let rolled = soon("the roll", pool.restart_rolling(random.usize(1..8), "settings")).await;
        let ended = leaving.await.unwrap();
        match rolled {
            Ok(restarted) => assert!((40 - ended..=50).contains(&restarted), "seed {seed}: {restarted}, {ended} ended"),
            // One that was terminated at once was not seen to be ready.
            Err(error) => assert!(matches!(error.cause, RollingCause::NotReady { .. }), "seed {seed}: {error}"),
        }
        assert_eq!(journal.alive_max(), 1, "seed {seed}");
        assert_eq!(tree.directory().status("app/pool").unwrap().generation, 1);
        soon("shutdown", tree.shutdown()).await;
    }
}

#[tokio::test]
async fn code_of_a_child_cannot_roll_over_itself_and_what_rests_is_left_out() {
    let journal = Journal::new();
    let (tell, told) = tokio::sync::oneshot::channel();
    let tell = std::sync::Mutex::new(Some(tell));
    let roller = Child::task("roller", move |ctx: TaskContext| {
        let tell = tell.lock().unwrap().take();
        async move {
            let answer = ctx.supervisor().unwrap().restart_rolling(1, "").await;
            if let Some(tell) = tell {
                let _ = tell.send(answer);
            }
            ctx.stopping().await;
            Ok(())
        }
    });
    let tree = Supervisor::one_for_one("app").child(journal.probe("a")).child(journal.probe("b")).child(roller);
    let tree = tree.start().await.unwrap();
    let error = soon("the answer", told).await.unwrap().unwrap_err();
    assert!(matches!(error.cause, RollingCause::NotRestarted(RestartError::ToItself { .. })), "{error}");
    let app = tree.supervisor("app").unwrap();
    app.terminate_child("a").await.unwrap();
    assert_eq!(soon("the roll", app.restart_rolling(1, "settings")).await.unwrap(), 2);
    assert_eq!(probe(&tree, "app/b").call(ProbeMsg::Generation).await.unwrap(), 2);
    tree.shutdown().await;
}
