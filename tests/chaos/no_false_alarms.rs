//! The judge of supervision raises no false alarm: trees without a fault of their own, with every rule that it has to know.

use std::time::Duration;

use crate::random_trees;
use regrow::chaos::{Experiment, ExperimentReport, Fault, SimulatedTree, Simulation, When};
use regrow::testing::Journal;
use regrow::{
    Backoff, Child, Context, Dependency, DependencyGone, EventKind, GiveUp, Intensity, KeptRule, KeptThen, Policy,
    Restart, Service, ServiceChild, Strategy, Supervisor, SupervisorHandle, TaskContext,
};

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

/// What the judge holds against a tree.
fn alarms(report: &ExperimentReport) -> Vec<String> {
    let broken = report.verdicts.iter().filter(|verdict| !verdict.held && CLAIMS.contains(&&*verdict.hypothesis));
    broken.map(|verdict| format!("{:?} {}", verdict.broken_at, verdict.evidence.clone().unwrap_or_default())).collect()
}

const CLAIMS: [&str; 5] = [
    "only those restart that strategies, rules and orders name",
    "children stop and start in their order",
    "every restart comes within the delays of its policy",
    "supervisors give up, and children are parked, when the budget is gone and not before",
    "no service lives twice at the same time",
];

fn without_alarms(simulation: &Simulation, seeds: std::ops::Range<u64>) {
    let (mut found, mut runs) = (Vec::new(), 0);
    for seed in seeds {
        // A tree that does not come up is no scene.
        let Ok(report) = simulation.run(seed) else { continue };
        runs += 1;
        found.extend(alarms(&report).into_iter().map(|alarm| format!("seed {seed}: {alarm}")));
    }
    assert!(found.is_empty(), "{} alarms in {runs} runs:\n{}", found.len(), found.join("\n"));
}

/// Kills this, now and then.
fn kills(victims: &'static str) -> Experiment {
    Experiment::new("kills")
        .target("app/**")
        .duration(6 * SEC)
        .look_every(200 * MS)
        .stabilise_within(60 * SEC)
        .allow_unavailable()
        .fault(Fault::Kill, victims, When::Rate(2.0))
}

/// A tree in which this is killed, now and then.
fn killing<F, T>(victims: &'static str, tree: F) -> Simulation
where
    F: Fn() -> T + Send + Sync + 'static,
    T: Into<Supervisor>,
{
    Simulation::new(move |seed| {
        let tree: Supervisor = tree().into();
        async move { Ok(SimulatedTree::new(tree.seed(seed).start().await?, kills(victims))) }
    })
}

fn app(children: impl IntoIterator<Item = impl Into<Child>>) -> Supervisor {
    Supervisor::one_for_all("app").budget(Intensity::unlimited()).children(children)
}

// Said of a tree that does what it was told to: "a is told to stop while b still lives".
#[test]
fn children_that_are_stopped_together_have_no_order_among_them() {
    let slow = |name: &str| Journal::new().probe(name).policy(Policy::default().backoff(Backoff::new(50 * MS)));
    let tree = move || app(["a", "b", "c"].map(slow)).stop_together();
    without_alarms(&killing("app/*", tree), 0..5);
}

// The elder has to stop first, and the judge insisted on the younger.
#[test]
fn a_subtree_stops_before_the_one_that_its_services_depend_on() {
    let tree = || {
        let journal = Journal::new();
        let captain = journal.probe("captain").policy(Policy::default().depends_on(["/app/port/pilot"]));
        app([
            Supervisor::one_for_one("ship").child(captain).into(),
            Supervisor::one_for_one("port").child(journal.probe("pilot")).into(),
            Child::from(journal.probe("gate")),
        ])
    };
    without_alarms(&killing("app/gate", tree), 0..5);
}

// "b was not started": it was, as often as its budget allowed, and each of these starts failed before it began.
#[test]
fn a_start_without_a_dependency_that_is_gone_is_a_start_that_failed() {
    for then in [DependencyGone::Fail, DependencyGone::Park, DependencyGone::GoOn] {
        let tree = move || {
            let journal = Journal::new();
            let policy = Policy::default()
                .depends_on(["a"])
                .on_dependency_gone(then)
                .backoff(Backoff::new(20 * MS))
                .budget(Intensity::new(3, SEC))
                .on_give_up(GiveUp::park(200 * MS));
            app([journal.probe("b").policy(policy), journal.probe("a").restart(Restart::Temporary)])
        };
        without_alarms(&killing("app/*", tree), 0..5);
    }
}

// "it is on probation": it only waited for a service that was parked.
#[test]
fn a_child_that_waits_for_a_parked_service_is_not_on_probation() {
    let tree = || {
        let journal = Journal::new();
        let parks = Policy::default().budget(Intensity::new(1, SEC)).on_give_up(GiveUp::park(300 * MS));
        let app = Supervisor::one_for_one("app").budget(Intensity::unlimited());
        app.child(journal.probe("a").policy(parks))
            .child(journal.probe("b").policy(Policy::default().depends_on(["a"])))
    };
    without_alarms(&killing("app/*", tree), 0..10);
}

/// Describes `app/sub` anew, again and again: children are added at rest, started, of another kind, and left out.
async fn describe_again(sub: SupervisorHandle, seed: u64) {
    let (mut dice, journal) = (fastrand::Rng::with_seed(seed), Journal::new());
    let calm = |name: &str| Supervisor::one_for_one(name).budget(Intensity::unlimited());
    loop {
        tokio::time::sleep(MS * dice.u32(20..200)).await;
        let mut next = calm("sub");
        for name in ["a", "b", "c", "d"] {
            if dice.bool() {
                continue;
            }
            let child: Child = match dice.u32(0..3) {
                0 => calm(name).child(journal.probe("x")).into(),
                1 => Child::task(name, |ctx: TaskContext| async move {
                    ctx.stopping().await;
                    Ok(())
                })
                .restart(Restart::Permanent)
                .into(),
                _ => journal.probe(name).into(),
            };
            next = next.child(child);
        }
        let _ = sub.reconfigure(next).await;
        for child in sub.which_children().await.unwrap_or_default() {
            match dice.u32(0..5) {
                0 => drop(sub.restart_child(&child.name).await),
                1 => drop(sub.terminate_child(&child.name).await),
                2 => drop(sub.park(&child.name, "rebuilt").await),
                3 => drop(sub.revive(&child.name).await),
                _ => {}
            }
        }
    }
}

// A child that a new description adds is told to be down, although no life of it has ended.
#[test]
fn children_that_new_descriptions_add_are_held_guilty_of_nothing() {
    let added = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let seen = added.clone();
    let simulation = Simulation::new(move |seed| {
        let seen = seen.clone();
        async move {
            let journal = Journal::new();
            let sub = Supervisor::one_for_one("sub").budget(Intensity::unlimited()).child(journal.probe("a"));
            let tree = app([Child::from(sub), journal.probe("web").into()]).seed(seed).start().await?;
            let mut events = tree.events();
            tokio::spawn(async move {
                while let Some(Ok(event)) = events.next().await {
                    let is_added = event.generation == 0 && matches!(event.kind, EventKind::Down);
                    seen.fetch_add(usize::from(is_added), std::sync::atomic::Ordering::SeqCst);
                }
            });
            let experiment = kills("app/**");
            tokio::spawn(describe_again(tree.supervisor("app/sub")?, seed));
            Ok(SimulatedTree::new(tree, experiment))
        }
    });
    without_alarms(&simulation, 0..10);
    assert!(added.load(std::sync::atomic::Ordering::SeqCst) > 50, "children were added at rest: {added:?}");
}

#[test]
fn trees_drawn_at_random_are_not_held_guilty() {
    without_alarms(&random_trees::trees(|_| ()), 0..40);
}

// Found by the longer run: of two ends that a child was stopped for, one was dealt with, and the other had a delay left.
#[test]
fn a_child_that_was_stopped_for_two_ends_may_start_with_the_first_that_is_dealt_with() {
    without_alarms(&random_trees::trees(|_| ()), 297..298);
}

#[test]
#[ignore = "minutes"]
fn thousands_of_trees_drawn_at_random_are_not_held_guilty() {
    let number = |name: &str, or: u64| std::env::var(name).map_or(or, |text| text.parse().unwrap());
    let first = number("FIRST", 0);
    without_alarms(&random_trees::trees(|_| ()), first..first + number("SEEDS", 2000));
}

#[test]
fn a_child_that_ends_for_good_or_with_its_tree_ends_as_its_policy_says() {
    for then in [GiveUp::Stop, GiveUp::EndTree] {
        let tree = move || {
            let journal = Journal::new();
            let own = Policy::default().budget(Intensity::new(2, 5 * SEC)).on_give_up(then.clone());
            let ends = journal.probe("b").policy(own);
            let sub =
                Supervisor::rest_for_one("sub").budget(Intensity::unlimited()).child(journal.probe("a")).child(ends);
            app([Child::from(sub.child(journal.probe("c"))), Child::from(journal.probe("d"))])
        };
        without_alarms(&killing("app/**", tree), 0..8);
    }
}

#[test]
fn a_dependent_that_is_restarted_with_its_dependency_is_as_its_policy_says() {
    let tree = || {
        let journal = Journal::new();
        let with = |on: &str| Policy::default().depends_on([Dependency::ready(on).restart()]);
        let db = journal.probe("db").policy(Policy::default().backoff(Backoff::new(50 * MS)));
        Supervisor::one_for_one("app")
            .budget(Intensity::unlimited())
            .child(Supervisor::one_for_one("infra").budget(Intensity::unlimited()).child(db))
            .child(journal.probe("api").policy(with("/app/infra/db")))
            .child(journal.probe("web").policy(with("api")))
            .child(journal.probe("other"))
    };
    without_alarms(&killing("app/**", tree), 0..8);
}

/// Fails now and then, with the value that it began with, and keeps another one now and then.
struct Keeper {
    ticks: u32,
    fails_at: u32,
}

impl Service for Keeper {
    type Msg = ();
    async fn handle(&mut self, (): (), ctx: &mut Context<Self>) -> anyhow::Result<()> {
        self.ticks += 1;
        if self.ticks == 1 && ctx.generation() % 5 == 1 {
            ctx.keep(ctx.generation());
        }
        anyhow::ensure!(self.ticks < self.fails_at, "boom");
        ctx.send_after(100 * MS, ());
        Ok(())
    }
}

fn keeper(name: &str, fails_at: u32) -> ServiceChild<()> {
    Child::service(name, move |ctx: Context<Keeper>| async move {
        ctx.kept::<u64>()?;
        ctx.handle().cast(())?;
        Ok(Keeper { ticks: 0, fails_at })
    })
}

#[test]
fn a_child_whose_kept_value_is_set_aside_is_parked_or_goes_on_as_its_policy_says() {
    for strategy in [Strategy::OneForOne, Strategy::RestForOne, Strategy::OneForAll] {
        let tree = move || {
            let parks = KeptRule::new(2).then(KeptThen::park(300 * MS));
            let backoff = Policy::default().backoff(Backoff::new(20 * MS)).reset_after(10 * SEC);
            Supervisor::new("app", strategy)
                .budget(Intensity::unlimited())
                .child(keeper("a", 3).policy(backoff.clone().kept(parks.clone())))
                .child(keeper("b", 7).policy(backoff.kept(KeptRule::new(2))))
                .child(keeper("c", 5).policy(Policy::default().kept(parks.clone())))
                // Its probes fail too, and stay on the schedule of the rule about the value.
                .child(keeper("d", 2).policy(Policy::default().kept(parks).on_give_up(GiveUp::park(7 * SEC))))
        };
        let simulation = killing("app/*", tree);
        without_alarms(&simulation, 0..6);
        let report = simulation.run(1).unwrap();
        assert!(report.log.iter().any(|line| line.what.contains("begins without")), "{report}");
    }
}
