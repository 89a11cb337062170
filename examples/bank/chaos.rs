//! The killer: kills random services at a given rate, and now and then the whole pool of tellers.
//!
//! It is not a part of the tree. Its choices follow from the seed. The state of the services that it meets does not,
//! since they run in real time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use regrow::{ChildKind, Directory, ServiceState};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::bank::{Bank, POOL};

/// Share of the kills that are for the whole pool: one in this many.
const POOL_EVERY: u32 = 50;

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kills {
    pub(crate) struck: u64,
    /// Kills of the whole pool, included in `struck`.
    pub(crate) pools: u64,
    /// Attempts that killed nothing: the service was between two lives, or dying already.
    pub(crate) missed: u64,
}

pub(crate) struct Chaos {
    task: JoinHandle<Kills>,
    /// Stops the task when it is dropped.
    stop: oneshot::Sender<()>,
}

impl Chaos {
    pub(crate) fn start(bank: &Bank, kills_per_second: u32, seed: u64, kill_log: Arc<KillLog>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let directory = bank.tree.directory();
        Self { task: tokio::spawn(kill_at_random(directory, kills_per_second, seed, kill_log, stopped)), stop }
    }

    pub(crate) async fn stop(self) -> Kills {
        drop(self.stop);
        self.task.await.unwrap_or_default()
    }
}

async fn kill_at_random(
    directory: Directory,
    kills_per_second: u32,
    seed: u64,
    kill_log: Arc<KillLog>,
    mut stopped: oneshot::Receiver<()>,
) -> Kills {
    let mut kills = Kills::default();
    let Some(period) = Duration::from_secs(1).checked_div(kills_per_second) else { return kills };
    let mut rng = StdRng::seed_from_u64(seed);
    let services: Vec<Arc<str>> = directory
        .entries()
        .into_iter()
        .filter(|entry| entry.kind == ChildKind::Service)
        .map(|entry| entry.path)
        .collect();
    let mut ticks = tokio::time::interval(period);
    loop {
        tokio::select! {
            _ = &mut stopped => return kills,
            _ = ticks.tick() => {}
        }
        let is_pool = rng.random_ratio(1, POOL_EVERY);
        let victim = if is_pool { POOL } else { services.choose(&mut rng).map_or(POOL, |path| path) };
        if kill_log.kill(&directory, victim) {
            kills.struck += 1;
            kills.pools += u64::from(is_pool);
        } else {
            kills.missed += 1;
        }
    }
}

/// Kills of each service, and their times, until a new life is up.
#[derive(Debug, Default)]
pub(crate) struct KillLog {
    victims: Mutex<HashMap<Arc<str>, Victim>>,
}

#[derive(Debug, Default)]
struct Victim {
    /// The generation that was killed last, and whether it was up or about to be replaced.
    last: Option<(u64, bool)>,
    /// Killed generations without a successor so far, with the times of the kills.
    open: Vec<(u64, Instant)>,
}

impl KillLog {
    /// Kills the service or supervisor at this path. `false` if it is between two lives, or dying of an earlier kill,
    /// which is the one that counts.
    fn kill(&self, directory: &Directory, path: &str) -> bool {
        let mut victims = self.victims.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(status) = directory.status(path) else { return false };
        let victim = victims.entry(path.into()).or_default();
        let life = Some((status.generation, status.state == ServiceState::Up));
        let at = Instant::now();
        if victim.last == life || directory.kill(path).is_err() {
            return false;
        }
        victim.last = life;
        victim.open.push((status.generation, at));
        true
    }

    /// Notes that a new life is up. Returns the time since the first kill of an older one, if there was a kill.
    pub(crate) fn recovered(&self, path: &str, generation: u64) -> Option<Duration> {
        let mut victims = self.victims.lock().unwrap_or_else(PoisonError::into_inner);
        let struck = victims.get_mut(path)?.open.extract_if(.., |(struck, _)| *struck < generation);
        struck.map(|(_, at)| at).min().map(|at| at.elapsed())
    }
}
