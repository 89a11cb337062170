//! The services in the trees of the walk. They follow orders, their starts go as planned, and they are counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use regrow_supervisors::{Restart, Shutdown};

use crate::base::sync::lock;
use crate::child::{Child, ServiceChild};
use crate::context::Context;
use crate::service::{Service, ignore};
use crate::{Abandon, Reply};

pub(super) const SEC: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Up,
    Fails,
    Panics,
    Hangs,
    Ignores,
    Slow,
}

/// The description of the target child, beside what the event needs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Variety {
    pub(super) restart: Restart,
    pub(super) is_actor: bool,
    /// Whether the supervisor starts one child at a time.
    pub(super) has_gate: bool,
    pub(super) drains: bool,
}

impl Variety {
    /// Draws a variety. The first seed has the usual one.
    pub(super) fn of(seed: u64) -> Self {
        let restart = [Restart::Permanent, Restart::Transient, Restart::Temporary][(seed % 3) as usize];
        Self { restart, is_actor: seed % 2 == 1, has_gate: seed % 4 == 3, drains: seed % 5 == 2 }
    }
}

/// The state that the actors of one tree share.
#[derive(Clone, Default)]
pub(super) struct Stage(Arc<Mutex<State>>, pub(super) Variety);

#[derive(Default)]
struct State {
    /// The next starts of a path. The last one is for all later starts.
    plans: BTreeMap<String, Vec<Start>>,
    alive: BTreeMap<String, usize>,
    faults: Vec<String>,
}

impl Stage {
    pub(super) fn new(variety: Variety) -> Self {
        Self(Arc::default(), variety)
    }

    /// Sets how the next starts of this path go. The last one is for all later starts.
    pub(super) fn plan(&self, path: &str, starts: &[Start]) {
        lock(&self.0).plans.insert(path.into(), starts.to_vec());
    }

    pub(super) fn repair(&self) {
        lock(&self.0).plans.clear();
    }

    fn next(&self, path: &str) -> Start {
        let mut state = lock(&self.0);
        match state.plans.get_mut(path) {
            Some(starts) if starts.len() > 1 => starts.remove(0),
            Some(starts) => starts.first().copied().unwrap_or(Start::Up),
            None => Start::Up,
        }
    }

    pub(super) fn alive(&self, path: &str) -> usize {
        lock(&self.0).alive.get(path).copied().unwrap_or(0)
    }

    pub(super) fn all_alive(&self) -> Vec<String> {
        lock(&self.0).alive.iter().filter(|(_, alive)| **alive > 0).map(|(path, _)| path.clone()).collect()
    }

    pub(super) fn fault(&self, text: String) {
        let mut state = lock(&self.0);
        if state.faults.len() < 8 {
            state.faults.push(text);
        }
    }

    pub(super) fn faults(&self) -> Vec<String> {
        lock(&self.0).faults.clone()
    }
}

pub(super) enum Msg {
    Panic,
    Fail,
    Leave,
    Hang,
    /// Sets the time that its stop takes from now on.
    StopsIn(Duration),
    Ping(Reply<u64>),
}

pub(super) struct Actor {
    path: String,
    stage: Stage,
    stops_in: Duration,
}

impl Service for Actor {
    type Msg = Msg;

    async fn handle(&mut self, msg: Msg, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Msg::Panic => panic!("walk"),
            Msg::Fail => anyhow::bail!("walk"),
            Msg::Leave => ctx.stop(),
            Msg::Hang => std::future::pending().await,
            Msg::StopsIn(time) => self.stops_in = time,
            Msg::Ping(reply) => drop(reply.send(ctx.generation())),
        }
        Ok(())
    }

    async fn stopped(&mut self, _: &mut Context<Self>) -> anyhow::Result<()> {
        if !self.stops_in.is_zero() {
            tokio::time::sleep(self.stops_in).await;
        }
        Ok(())
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        *lock(&self.stage.0).alive.entry(self.path.clone()).or_default() -= 1;
    }
}

/// Describes a child of the walk. It has a second to stop, and one more to die after a kill.
pub(super) fn actor(stage: &Stage, name: &str) -> ServiceChild<Msg> {
    let stage = stage.clone();
    let child = Child::service(name, move |ctx: Context<Actor>| {
        let (stage, path) = (stage.clone(), ctx.path().to_string());
        async move {
            match stage.next(&path) {
                Start::Up => {}
                Start::Fails => anyhow::bail!("walk"),
                Start::Panics => panic!("walk"),
                Start::Hangs => std::future::pending().await,
                Start::Ignores => return ignore(),
                Start::Slow => tokio::time::sleep(SEC).await,
            }
            let alive = {
                let mut state = lock(&stage.0);
                let alive = state.alive.entry(path.clone()).or_default();
                *alive += 1;
                *alive
            };
            if alive > 1 {
                stage.fault(format!("`{path}` lives {alive} times"));
            }
            Ok(Actor { path, stage, stops_in: Duration::ZERO })
        }
    });
    child.shutdown(Shutdown::After(SEC)).abandon(Abandon::After(SEC))
}
