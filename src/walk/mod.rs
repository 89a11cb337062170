//! The walk: every management call beside every event of a life, on every kind of supervisor. The clock is paused, and
//! a seed draws the order of facts.
//!
//! After each pair the tree comes to rest, and all views of it must agree. Failing starts are repaired, and the views
//! must agree again. Then the tree is shut down, and no child, task or call may be left.
//!
//! `cargo test --lib walk::` takes each pair once. `REGROW_SEEDS=500` takes each with 500 seeds.
//! `REGROW_WALK=Partitioned/SupervisorIsKilled/Shrink/3` takes one, and `REGROW_WALK_TELL=1` prints its events.

mod actors;
mod calls;
mod events;
mod faults;
mod threads;
mod trees;
mod views;

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use crate::Tree;
use crate::slot::status::ServiceState;
use crate::slot::turns;
use actors::{Msg, SEC, Stage, Variety};
use calls::{CALLS, Call};
use events::{EVENTS, Event};
use trees::{SHAPES, Shape, handle};

/// More virtual time than anything in these trees takes.
const LONG: Duration = Duration::from_secs(1000);

#[derive(Debug, Clone, Copy)]
struct Pair {
    shape: Shape,
    event: Event,
    call: Call,
    seed: u64,
}

impl Pair {
    fn name(&self) -> String {
        let Self { shape, event, call, seed } = self;
        format!("{shape:?}/{event:?}/{call:?}/{seed}")
    }

    /// Takes the pair, and returns what went wrong.
    fn walk(self) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        turns::seed(Some(self.seed.wrapping_mul(0x9E37_79B9).wrapping_add(self.event as u64 * 64 + self.call as u64)));
        let stage = Stage::new(Variety::of(self.seed));
        let ended = runtime.block_on(async { tokio::time::timeout(20 * LONG, self.history(&stage)).await });
        if ended.is_err() {
            stage.fault("it never ends".into());
        }
        turns::seed(None);
        stage.faults()
    }

    async fn history(self, stage: &Stage) {
        let Self { shape, event, call, seed } = self;
        let mut dice = Rng::with_seed(seed);
        let tree = Arc::new(shape.plant(stage, event).await);
        let callers: Vec<_> =
            ["app/dep".into(), shape.leaf()].iter().map(|path| caller(&tree, path, &mut dice)).collect();
        let (first, second) = (moment(&mut dice), moment(&mut dice));
        // The first seed takes the pair alone. Other seeds add one more call and one more event.
        let more = (seed > 0).then(|| {
            let calls: Vec<_> = CALLS.into_iter().filter(|call| call.fits(shape)).collect();
            (calls[dice.usize(0..calls.len())], EVENTS[dice.usize(0..EVENTS.len())])
        });
        let (third, fourth) = (moment(&mut dice), moment(&mut dice));
        if std::env::var_os("REGROW_WALK_TELL").is_some() {
            println!("beside: {more:?}; {first:?} {second:?} {third:?} {fourth:?}");
            let mut events = tree.events();
            tokio::spawn(async move {
                while let Some(event) = events.next().await {
                    println!(
                        "{:?} {}",
                        tokio::time::Instant::now(),
                        event.map_or_else(|_| "...".into(), |event| event.to_string())
                    );
                }
            });
        }
        let happening = tokio::spawn({
            let (tree, stage) = (tree.clone(), stage.clone());
            async move {
                pass(first).await;
                event.happen(&tree, shape, &stage).await;
            }
        });
        let given = tokio::spawn({
            let (tree, stage) = (tree.clone(), stage.clone());
            async move {
                pass(second).await;
                call.give(&tree, shape, event, &stage, more.is_none()).await;
            }
        });
        let beside = tokio::spawn({
            let (tree, stage) = (tree.clone(), stage.clone());
            async move {
                let Some((call, event)) = more else { return };
                pass(third).await;
                call.give(&tree, shape, event, &stage, false).await;
                pass(fourth).await;
                event.happen(&tree, shape, &stage).await;
            }
        });
        tokio::time::sleep(LONG / 10).await;
        if !is_over(&tree) {
            views::agree(&tree, stage).await.into_iter().for_each(|fault| stage.fault(fault));
            stage.repair();
            repair(&tree).await;
            tokio::time::sleep(LONG / 10).await;
            let repaired = views::agree(&tree, stage).await;
            repaired.into_iter().for_each(|fault| stage.fault(format!("when all is well: {fault}")));
        }
        for (what, task) in [("the event", happening), ("the order", given), ("what is beside them", beside)] {
            if tokio::time::timeout(LONG, task).await.is_err() {
                stage.fault(format!("{what} is not over when everything is well"));
            }
        }
        let over = tokio::time::timeout(LONG, tree.shutdown()).await;
        if over.is_err() {
            stage.fault("the tree does not end".into());
        }
        let left = stage.all_alive();
        if !left.is_empty() {
            stage.fault(format!("{left:?} live after the end"));
        }
        for caller in callers {
            if tokio::time::timeout(LONG, caller).await.is_err() {
                stage.fault("a call has no answer after the end".into());
            }
        }
        drop(tree);
        tokio::time::sleep(LONG).await;
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        if tasks > 0 {
            stage.fault(format!("{tasks} tasks are left"));
        }
    }
}

fn is_over(tree: &Tree) -> bool {
    tree.shared.is_ending() || tree.directory().status("app").is_none_or(|status| status.state == ServiceState::Gone)
}

/// Restarts the dependency of the others, kills the children with a start that hangs, and revives those that orders have
/// parked.
async fn repair(tree: &Tree) {
    let app = tree.supervisor("app").expect("the root");
    let _ = app.restart_child("dep").await;
    for entry in tree.directory().entries() {
        // A parked child that is being tried stays listed as parked, and its start may hang too.
        if matches!(entry.status.state, ServiceState::Starting | ServiceState::Parked { .. }) {
            let _ = tree.kill(&entry.path);
        }
        if entry.status.state == (ServiceState::Parked { until: None }) {
            let _ = tree.revive(&entry.path).await;
        }
    }
}

/// Makes calls now and then. Each call must have an answer, or an error that says why not.
fn caller(tree: &Arc<Tree>, path: &str, dice: &mut Rng) -> tokio::task::JoinHandle<()> {
    let moments: Vec<_> = (0..3).map(|_| moment(dice)).collect();
    let handle = handle(tree, path).expect("it is there");
    tokio::spawn(async move {
        for at in moments {
            pass(at).await;
            let _ = handle.call(Msg::Ping).await;
        }
    })
}

#[derive(Debug, Clone, Copy)]
enum Moment {
    Turns(usize),
    Time(Duration),
}

fn moment(dice: &mut Rng) -> Moment {
    match dice.u32(0..4) {
        0..2 => Moment::Turns(dice.usize(0..24)),
        2 => Moment::Time(Duration::from_millis(dice.u64(1..20))),
        _ => Moment::Time(SEC * dice.u32(0..5) + Duration::from_millis(dice.u64(0..3))),
    }
}

async fn pass(moment: Moment) {
    match moment {
        Moment::Turns(turns) => {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        }
        Moment::Time(time) => tokio::time::sleep(time).await,
    }
}

/// Silences the panics of the walk, which are part of its plan.
fn be_quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&"walk") {
                before(info);
            }
        }));
    });
}

fn pairs(seeds: std::ops::Range<u64>) -> impl Iterator<Item = Pair> {
    let all = SHAPES.into_iter().flat_map(|shape| {
        EVENTS.into_iter().flat_map(move |event| CALLS.into_iter().map(move |call| (shape, event, call)))
    });
    let all: Vec<_> = all.filter(|(shape, _, call)| call.fits(*shape)).collect();
    seeds.flat_map(move |seed| {
        all.clone().into_iter().map(move |(shape, event, call)| Pair { shape, event, call, seed })
    })
}

#[test]
fn after_every_pair_of_call_and_event_all_views_agree_and_nothing_is_left() {
    be_quiet();
    let only = std::env::var("REGROW_WALK").ok();
    let seeds = std::env::var("REGROW_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(1);
    let (mut walked, mut found) = (0, Vec::new());
    for pair in pairs(0..seeds).filter(|pair| only.as_ref().is_none_or(|only| pair.name().starts_with(only.as_str()))) {
        walked += 1;
        for fault in pair.walk() {
            println!("{}: {fault}", pair.name());
            found.push(format!("{}: {fault}", pair.name()));
        }
    }
    println!("{walked} pairs, {} faults", found.len());
    assert!(found.is_empty(), "{} faults in {walked} pairs:\n{}", found.len(), found[..found.len().min(60)].join("\n"));
}
