//! A counter that saves each count, a store with a notebook, and experiments on the two.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::tree::{MS, SEC};
use regrow::chaos::{Chaos, Experiment, ExperimentReport, Fault, Script, ScriptStep, SimulatedTree, Simulation, When};
use regrow::checkpoint::{
    Checkpoint, CheckpointStore, Checkpoints, Claim, MemoryStore, Record, Stamp, State, StoreError, StoreFuture,
};
use regrow::testing::Journal;
use regrow::{Child, Context, Handle, Intensity, Reply, Service, Supervisor, Tree};

pub(super) const CLAIM: &str = "no acknowledged save is lost";

pub(super) struct Number(pub(super) u64);

impl State for Number {
    fn encode(&self) -> anyhow::Result<Vec<u8>> {
        Ok(self.0.to_le_bytes().into())
    }

    fn decode(_schema: u32, bytes: &[u8]) -> anyhow::Result<Self> {
        Ok(Self(u64::from_le_bytes(bytes.try_into()?)))
    }
}

/// Counts its messages, and saves each count before it answers. An error of a save ends it.
pub(super) struct Counter {
    checkpoint: Checkpoint<Number>,
    count: u64,
}

pub(super) enum Msg {
    Count(Reply<u64>),
    Discard(Reply<()>),
}

impl Service for Counter {
    type Msg = Msg;

    async fn handle(&mut self, msg: Msg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Msg::Count(reply) => {
                self.count += 1;
                self.checkpoint.save(&Number(self.count)).await?;
                reply.send(self.count);
            }
            Msg::Discard(reply) => {
                self.checkpoint.discard().await?;
                reply.send(());
            }
        }
        Ok(())
    }
}

/// A store in memory with a notebook, which may break the rules of stores.
#[derive(Clone, Default)]
pub(super) struct Store {
    pub(super) memory: MemoryStore,
    pub(super) notes: Arc<Mutex<Vec<String>>>,
    pub(super) torn: Arc<AtomicU32>,
    /// Whether it stores late saves under the newest epoch.
    pub(super) is_unfenced: bool,
    /// Whether a claim returns another value than the one that was saved.
    pub(super) mixes: bool,
    /// Whether discards do nothing.
    pub(super) keeps_all: bool,
    pub(super) newest: Arc<Mutex<u64>>,
}

impl Store {
    fn note(&self, what: String) {
        self.notes.lock().unwrap().push(what);
    }

    pub(super) fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap().clone()
    }
}

impl CheckpointStore for Store {
    fn claim<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Claim> {
        Box::pin(async move {
            let mut claim = self.memory.claim(key).await?;
            if let Some(record) = claim.latest.as_mut().filter(|_| self.mixes) {
                record.bytes = 99u64.to_le_bytes().into();
            }
            *self.newest.lock().unwrap() = claim.epoch;
            let loaded = claim.latest.as_ref().map(|record| Number::decode(1, &record.bytes).unwrap().0);
            self.note(format!("claim {} loads {loaded:?}", claim.epoch));
            Ok(claim)
        })
    }

    fn save<'a>(&'a self, key: &'a str, mut record: Record) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            if self.is_unfenced {
                record.stamp.epoch = *self.newest.lock().unwrap();
            }
            let (stamp, saved) = (record.stamp, self.memory.save(key, record).await);
            if let Err(StoreError::Superseded { .. }) = saved {
                self.note(format!("refused: {stamp}"));
            }
            saved
        })
    }

    fn discard<'a>(&'a self, key: &'a str, stamp: Stamp) -> StoreFuture<'a, ()> {
        Box::pin(async move { if self.keeps_all { Ok(()) } else { self.memory.discard(key, stamp).await } })
    }

    fn tear<'a>(&'a self, _key: &'a str, _record: Record) -> StoreFuture<'a, ()> {
        self.torn.fetch_add(1, SeqCst);
        Box::pin(async { Ok(()) })
    }

    fn describe(&self) -> String {
        "a notebook".into()
    }
}

pub(super) async fn tree(store: impl CheckpointStore) -> anyhow::Result<Tree> {
    let counter = Child::service_with("a", Checkpoints::new(store), |store, ctx: Context<Counter>| async move {
        let mut checkpoint = ctx.checkpoint::<Number>(&store).await?;
        let count = checkpoint.take().map_or(0, |number| number.0);
        Ok(Counter { checkpoint, count })
    });
    let app = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    Ok(app.child(counter).child(Journal::new().probe("b")).start().await?)
}

/// Counts each 100 ms, just after the full ones.
pub(super) async fn count(counter: Handle<Msg>) {
    tokio::time::sleep(MS).await;
    loop {
        tokio::time::sleep(100 * MS).await;
        if let Err(regrow::CallError::Refused(_)) = counter.call(Msg::Count).await {
            return;
        }
    }
}

fn experiment() -> Experiment {
    Experiment::new("saves").duration(4 * SEC).target("**").fault(Fault::Kill, "app/a", When::At(vec![SEC]))
}

/// Plays lines in virtual time on the counter, which is asked to count each 100 ms.
pub(super) fn play(store: &Store, lines: Vec<ScriptStep>) -> ExperimentReport {
    let store = store.clone();
    let simulation = Simulation::new(move |_| {
        let store = store.clone();
        async move {
            let tree = tree(store).await?;
            tokio::spawn(count(tree.lookup("app/a")?));
            Ok(SimulatedTree::new(tree, experiment()))
        }
    });
    simulation.replay(1, Script { lines }).unwrap()
}

/// Carries an experiment out as on a live tree, under a paused clock.
pub(super) async fn live(store: &Store, faults: &[(Fault, Duration, Option<Duration>)]) -> ExperimentReport {
    let tree = tree(store.clone()).await.unwrap();
    let counting = tokio::spawn(count(tree.lookup("app/a").unwrap()));
    let mut experiment = Experiment::new("saves").duration(4 * SEC).target("**");
    for (fault, at, lasts) in faults.iter().cloned() {
        experiment = match lasts {
            Some(lasts) => experiment.lasting(fault, "app/a", When::At(vec![at]), lasts),
            None => experiment.fault(fault, "app/a", When::At(vec![at])),
        };
    }
    let report = Chaos::new(&tree).run(experiment).await.unwrap();
    tree.shutdown().await;
    counting.await.unwrap();
    report
}

pub(super) fn line(at: Duration, fault: Fault) -> ScriptStep {
    ScriptStep::new(at, fault, &["app/a"])
}

pub(super) fn exits(report: &ExperimentReport) -> Vec<String> {
    let a = report.services.iter().find(|service| service.path == "app/a").unwrap();
    a.lives.iter().filter_map(|life| life.exit.clone()).collect()
}

/// The evidence against the claim, if it did not hold. All other claims did.
pub(super) fn lost(report: &ExperimentReport) -> Option<String> {
    let (saves, others): (Vec<_>, Vec<_>) = report.verdicts.iter().partition(|verdict| verdict.hypothesis == CLAIM);
    assert!(report.stopped.is_none() && others.iter().all(|verdict| verdict.held), "{report}");
    let [saves] = &saves[..] else { panic!("{report}") };
    saves.evidence.clone()
}

pub(super) fn passes(report: &ExperimentReport) {
    assert_eq!(lost(report), None, "{report}");
}
