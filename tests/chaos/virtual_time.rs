//! Virtual time: one seed, one story; many seeds find what is wrong, and what is found is shrunk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use crate::common::tree::{MS, SEC, probe};
use regrow::chaos::{Experiment, Fault, Scope, SimulatedTree, Simulation, SimulationError, Times, Trigger, When};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Backoff, Child, ChildKind, Context, DynamicSupervisor, GiveUp, Inbox, Intensity, Jitter, Policy, Service,
    Supervisor,
};

/// A tree with a child of each kind, and a client that calls it.
fn busy() -> Simulation {
    Simulation::new(|seed| async move {
        let journal = Journal::new();
        let jittery = Policy::default()
            .backoff(Backoff::new(50 * MS).max_delay(SEC).jitter(Jitter::Full))
            .budget(Intensity::new(5, 10 * SEC))
            .on_give_up(GiveUp::park(SEC));
        let template = journal.clone();
        let workers = DynamicSupervisor::new("workers").budget(Intensity::unlimited()).defaults(jittery.clone());
        let tree = Supervisor::one_for_one("shop")
            .seed(seed)
            .budget(Intensity::unlimited())
            .child(journal.probe("db"))
            .child(
                Supervisor::rest_for_one("web")
                    .budget(Intensity::unlimited())
                    .defaults(jittery)
                    .children(["a", "b", "c"].map(|name| journal.probe(name))),
            )
            .child(workers.template(move |name: String| template.probe(&name)))
            .start()
            .await?;
        let pool = tree.dynamic("shop/workers")?.template::<String>()?;
        for number in 0..5 {
            pool.start_child(format!("w-{number}")).await?;
        }
        let directory = tree.directory();
        tokio::spawn(async move {
            let mut random = fastrand::Rng::with_seed(seed);
            let paths: Vec<_> = directory
                .entries()
                .into_iter()
                .filter(|entry| entry.kind == ChildKind::Service)
                .map(|entry| entry.path)
                .collect();
            loop {
                tokio::time::sleep(random.u64(1..20) as u32 * MS).await;
                let handle = directory.lookup::<ProbeMsg>(&paths[random.usize(..paths.len())]);
                let Ok(handle) = handle else { return };
                if random.bool() {
                    let _ = handle.cast(ProbeMsg::Note(random.u64(..)));
                } else {
                    tokio::spawn(async move { handle.call_within(SEC, ProbeMsg::Generation).await.ok() });
                }
            }
        });
        let experiment = Experiment::new("everything at once")
            .duration(10 * SEC)
            .target("**")
            .fault(Fault::Kill, Scope::path("shop/**").kind(ChildKind::Service), When::Rate(4.0))
            .fault(Fault::Kill, "shop/web", When::Every(4 * SEC))
            .fault(Fault::Panic, "shop/workers/*", When::Rate(1.0))
            .fault(Fault::StartError(Times::Count(2)), "shop/web/*", When::Rate(0.5))
            .lasting(Fault::Slow(30 * MS), "**", When::Rate(0.5), SEC)
            .lasting(Fault::Hold, "shop/db", When::At(vec![3 * SEC]), SEC)
            .lasting(Fault::Reorder(0.2), "**", When::Rate(0.3), SEC)
            .lasting(Fault::Drop(0.2), "**", When::Rate(0.3), SEC)
            .fault(Fault::KillTogether(3), "shop/workers/*", When::Every(3 * SEC))
            .fault(
                Fault::Kill,
                "shop/web/*",
                When::After { event: Trigger::Started, of: "shop/workers/*".into(), delay: 5 * MS },
            )
            .stabilise_within(120 * SEC);
        Ok(SimulatedTree::new(tree, experiment))
    })
}

#[test]
fn a_seed_tells_the_same_story_twice_and_other_seeds_tell_others() {
    let simulation = busy();
    let mut lines = 0;
    let mut stories = std::collections::HashSet::new();
    for seed in 0..20 {
        let report = simulation.check_repeatable(seed).unwrap();
        assert!(report.passed(), "seed {seed}: {:#?} {:?}", report.verdicts, report.stopped);
        lines += report.log.len();
        stories.insert(format!("{:?}", report.log));
    }
    assert_eq!(stories.len(), 20);
    println!("20 seeds, each run twice: {lines} lines of log, all equal");
}

/// The 200 seeds of the issue. `cargo test --release --test chaos -- virtual_time --ignored --nocapture`.
#[test]
#[ignore = "a minute in a debug build"]
fn two_hundred_seeds_tell_the_same_story_twice() {
    let simulation = busy();
    let lines: usize = (0..200).map(|seed| simulation.check_repeatable(seed).unwrap().log.len()).sum();
    println!("200 seeds, each run twice: {lines} lines of log, all equal");
}

#[test]
fn what_cannot_be_repeated_is_refused_with_the_first_difference() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let simulation = Simulation::new(|_| async {
        let tree = Supervisor::one_for_one("app")
            .child(Journal::new().probe(if RUNS.fetch_add(1, SeqCst) == 0 { "a" } else { "b" }))
            .start()
            .await?;
        Ok(SimulatedTree::new(tree, Experiment::new("x").target("**").fault(Fault::Kill, "app/*", When::At(vec![SEC]))))
    });
    let error = simulation.check_repeatable(1).unwrap_err();
    let SimulationError::NotRepeatable { line: 1, first, second, .. } = &error else { panic!("{error}") };
    assert!(first.contains("fault 0: kill at app/a") && second.contains("fault 0: kill at app/b"), "{error}");
}

#[test]
fn threads_are_refused_in_virtual_time() {
    let simulation = Simulation::new(|_| async {
        let thread = Child::thread("t", |inbox: Inbox<()>| {
            inbox.for_each(drop);
            Ok(())
        });
        let tree = Supervisor::one_for_one("app").child(thread).start().await?;
        Ok(SimulatedTree::new(tree, Experiment::new("x").target("**").fault(Fault::Kill, "app/*", When::At(vec![SEC]))))
    });
    assert!(matches!(simulation.run(1), Err(SimulationError::Thread { .. })));
}

/// A counter that forgets what it counted when `a` dies while `b` is down.
#[test]
fn a_failure_is_found_and_shrunk_to_what_it_takes() {
    let simulation = Simulation::new(|seed| async move {
        let journal = Journal::new();
        let slow = Policy::default().backoff(Backoff::new(500 * MS).max_delay(500 * MS));
        let tree = Supervisor::one_for_one("app")
            .seed(seed)
            .budget(Intensity::unlimited())
            .child(journal.probe("a").policy(slow.clone()))
            .child(journal.probe("b").policy(slow))
            .child(journal.probe("c"))
            .start()
            .await?;
        let both_down = Arc::new(AtomicU64::new(0));
        let (directory, seen) = (tree.directory(), both_down.clone());
        let mut events = tree.events();
        tokio::spawn(async move {
            while events.next().await.is_some() {
                let is_up =
                    |path| directory.status(path).is_some_and(|status| status.state == regrow::ServiceState::Up);
                if !is_up("app/a") && !is_up("app/b") {
                    seen.fetch_add(1, SeqCst);
                }
            }
        });
        let experiment = Experiment::new("both down")
            .duration(20 * SEC)
            .target("app/*")
            .fault(Fault::Kill, "app/*", When::Rate(1.5))
            .lasting(Fault::Slow(MS), "app/*", When::Rate(1.0), SEC)
            .probe("a and b are never down together", move || {
                let both_down = both_down.load(SeqCst);
                async move { if both_down == 0 { Ok(()) } else { anyhow::bail!("they were") } }
            });
        Ok(SimulatedTree::new(tree, experiment))
    });
    let found = simulation.explore_until(0, 50, 1);
    assert!(found.errors.is_empty(), "{:?}", found.errors);
    let failure = found.failures.first().expect("it is found");
    let shrunk = simulation.shrink(failure).unwrap();
    assert_eq!(shrunk.failure.script.lines.len(), 2, "{:#?}", shrunk.failure.script);
    let test = shrunk.failure.to_rust_test();
    assert!(test.contains("Fault::Kill, &[\"app/a\"]") && test.contains("Fault::Kill, &[\"app/b\"]"), "{test}");
    println!(
        "{} faults shrunk to {} in {} runs:\n{test}",
        shrunk.before,
        shrunk.failure.script.lines.len(),
        shrunk.runs
    );
    // What is left says so by itself.
    let report = simulation.replay(failure.seed, shrunk.failure.script.clone()).unwrap();
    assert!(!report.passed());
    let _ = probe;
}

// A service that is busy for ever keeps the clock where it is. The exploration goes on without that seed.
#[test]
fn a_run_that_is_stuck_is_left_behind() {
    struct Busy(Arc<AtomicBool>);
    impl Service for Busy {
        type Msg = ();
        async fn handle(&mut self, (): (), _: &mut Context<Self>) -> anyhow::Result<()> {
            while !self.0.load(SeqCst) {
                tokio::task::yield_now().await;
            }
            Ok(())
        }
    }
    let over = Arc::new(AtomicBool::new(false));
    let is_over = over.clone();
    let simulation = Simulation::new(move |seed| {
        let busy = Child::service_with("busy", is_over.clone(), |is_over, _| async { Ok(Busy(is_over)) });
        async move {
            let tree = Supervisor::one_for_one("app").seed(seed).child(busy).start().await?;
            if seed == 1 {
                tree.lookup("app/busy")?.cast(())?;
            }
            Ok(SimulatedTree::new(
                tree,
                Experiment::new("x").target("**").fault(Fault::Kill, "app/*", When::At(vec![SEC])),
            ))
        }
    });
    let found = simulation.patience(Duration::from_secs(2)).explore(0, 3);
    over.store(true, SeqCst);
    let [(1, SimulationError::Stuck { .. })] = &found.errors[..] else { panic!("{found:?}") };
    assert!(found.failures.is_empty() && found.seeds == 3);
}
