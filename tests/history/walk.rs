//! Random orders and failures in a tree with supervisors of each kind: the past is what was really there at each moment.
//!
//! `REGROW_SEEDS` says how many walks are made.

use std::collections::BTreeMap;
use std::time::Duration;

use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Backoff, Child, Dependency, DynamicSupervisor, GiveUp, History, HistoryState, Intensity, Partitioned, Policy,
    Restart, ServiceState, Shutdown, Supervisor, Tree,
};

use crate::common::consistent::check_views;
use crate::common::tree::{MS, SEC};
use crate::redescribed::check_chains;

const HOUR: Duration = Duration::from_secs(3600);

type Seen = BTreeMap<String, (Option<HistoryState>, u64)>;

fn calm(supervisor: Supervisor) -> Supervisor {
    supervisor.budget(Intensity::unlimited())
}

fn chain(journal: &Journal, names: &[&str]) -> Supervisor {
    calm(Supervisor::rest_for_one("chain")).children(names.iter().map(|name| journal.probe(name)))
}

/// A tree with children that back off, park, rest, wait for others and hang in their starts.
fn forest(journal: &Journal) -> Supervisor {
    let parks = Policy::default().budget(Intensity::new(0, SEC)).on_give_up(GiveUp::park(50 * SEC));
    let waits = Policy::default().depends_on([Dependency::ready("web")]);
    let frail = Supervisor::one_for_one("frail").intensity(0, SEC).children([journal.probe("f"), journal.probe("g")]);
    let group = calm(Supervisor::one_for_all("group"))
        .children(["x", "y"].map(|name| journal.probe(name)))
        .child(calm(Supervisor::one_for_one("deep")).children(["d", "e"].map(|name| journal.probe(name))));
    let lanes = journal.clone();
    calm(Supervisor::one_for_one("app"))
        .child(journal.probe("web"))
        .child(journal.probe("slow").policy(Policy::default().backoff(Backoff::new(HOUR))))
        .child(journal.probe("parks").policy(parks))
        .child(journal.probe("once").restart(Restart::Temporary))
        .child(journal.probe("rests").restart(Restart::Transient))
        .child(journal.probe("waits").policy(waits))
        .child(journal.probe("stays").shutdown(Shutdown::After(30 * MS)))
        .child(chain(journal, &["k", "l", "m"]))
        .child(group)
        .child(DynamicSupervisor::new("pool").intensity(2, SEC))
        .child(
            Partitioned::new("lanes", 2, move |number: usize| lanes.probe(&number.to_string()))
                .budget(Intensity::unlimited()),
        )
        .child(frail)
}

/// The children and their states. `None`: a start is under way, which no event tells.
fn seen(tree: &Tree) -> Seen {
    let state = |state| match state {
        ServiceState::Up => Some(HistoryState::Up),
        ServiceState::Down => Some(HistoryState::Down),
        ServiceState::Parked { .. } => Some(HistoryState::Parked),
        ServiceState::Gone => Some(HistoryState::Gone),
        ServiceState::Restarting => Some(HistoryState::Restarting),
        ServiceState::Waiting => Some(HistoryState::Waiting),
        ServiceState::Starting => None,
        other => panic!("no such state: {other}"),
    };
    let entries = tree.directory().entries();
    entries.iter().map(|entry| (entry.path.to_string(), (state(entry.status.state), entry.status.generation))).collect()
}

fn past(history: &History, at: Duration) -> BTreeMap<String, (HistoryState, u64)> {
    let then = history.at(at).expect("nothing was pushed out");
    then.into_iter().map(|line| (line.path.to_string(), (line.state, line.generation))).collect()
}

fn check(what: &str, history: &History, at: Duration, seen: &Seen) {
    check_chains(what, history);
    let mut past = past(history, at);
    let mut seen = seen.clone();
    seen.retain(|path, (state, _)| {
        if state.is_none() {
            assert!(past.remove(path).is_none_or(|(state, _)| state != HistoryState::Up), "{what}: {path} is up");
        }
        state.is_some()
    });
    // No event tells of what is below a supervisor that is added at rest.
    seen.retain(|path, now| {
        *now != (Some(HistoryState::Down), 0) || path.matches('/').count() < 2 || past.contains_key(path)
    });
    let seen: BTreeMap<_, _> =
        seen.into_iter().map(|(path, (state, generation))| (path, (state.unwrap(), generation))).collect();
    let differ = |one: &BTreeMap<String, (HistoryState, u64)>, other: &BTreeMap<String, (HistoryState, u64)>| {
        one.iter()
            .filter(|(path, now)| other.get(*path) != Some(now))
            .map(|(path, now)| format!("{path} {now:?}"))
            .collect::<Vec<_>>()
    };
    let (missing, wrong) = (differ(&seen, &past), differ(&past, &seen));
    if missing.is_empty() && wrong.is_empty() {
        return;
    }
    let of: Vec<_> = missing.iter().chain(&wrong).map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    let entries = history.entries.iter().filter(|entry| of.iter().any(|path| *entry.path == **path));
    let entries: Vec<_> = entries.map(|entry| format!("{:?} {entry} ({:?})", entry.at, entry.before)).collect();
    panic!("{what} at {at:?}: was {missing:#?}, told {wrong:#?}, of {entries:#?}");
}

async fn step(tree: &Tree, journal: &Journal, rng: &mut fastrand::Rng) -> String {
    let entries = tree.directory().entries();
    let entry = &entries[rng.usize(1..entries.len())];
    let path = entry.path.to_string();
    let (above, name) = path.rsplit_once('/').unwrap();
    let supervisor = tree.supervisor(above);
    let within = |what: &str| format!("{what} {path}");
    let patient = Duration::from_secs(20);
    macro_rules! order {
        ($order:expr) => {
            drop(tokio::time::timeout(patient, $order).await)
        };
    }
    match rng.u32(..17) {
        0 | 1 => {
            let _ = tree.kill(&path);
            within("kill")
        }
        2 => {
            if let Ok(probe) = tree.lookup::<ProbeMsg>(&path) {
                let said = [ProbeMsg::Stop, ProbeMsg::Fail("as told"), ProbeMsg::Panic("as told"), ProbeMsg::Hang];
                let _ = probe.cast(said.into_iter().nth(rng.usize(..4)).unwrap());
            }
            within("cast")
        }
        3 | 4 => {
            order!(tree.park(&path, "walk"));
            within("park")
        }
        5 | 6 => {
            order!(tree.revive(&path));
            within("revive")
        }
        7 => {
            order!(tree.restart(&path, "walk"));
            within("restart")
        }
        8 => {
            if let Ok(supervisor) = supervisor {
                order!(supervisor.terminate_child(name));
            } else if let Ok(pool) = tree.dynamic(above) {
                order!(pool.terminate_child(name));
            }
            within("terminate")
        }
        9 => {
            if let Ok(supervisor) = supervisor {
                order!(supervisor.restart_child(name));
            }
            within("start")
        }
        10 => {
            if let Ok(supervisor) = supervisor {
                order!(supervisor.terminate_child(name));
                order!(supervisor.delete_child(name));
                if rng.bool() {
                    order!(supervisor.start_child(journal.probe(name)));
                }
            }
            within("delete")
        }
        11 | 12 => {
            if let Ok(pool) = tree.dynamic("app/pool") {
                let name = format!("s{}", rng.u32(..4));
                let sub = calm(Supervisor::one_for_one(&*name)).children(["p", "q"].map(|name| journal.probe(name)));
                let child = if rng.bool() { Child::from(sub) } else { journal.probe(&name).into() };
                order!(pool.start_child(child));
            }
            "pool".into()
        }
        13 => {
            if let Ok(lanes) = tree.partitions::<ProbeMsg>("app/lanes") {
                let number = rng.usize(1..5);
                if rng.bool() {
                    order!(lanes.resize(number));
                } else {
                    order!(lanes.resize_now(number));
                }
            }
            "resize".into()
        }
        14 => {
            if let Ok(supervisor) = tree.supervisor("app/chain") {
                let names: Vec<_> = ["k", "l", "m", "n"].into_iter().filter(|_| rng.bool()).collect();
                order!(supervisor.reconfigure(chain(journal, &names)));
            }
            "reconfigure".into()
        }
        15 => {
            if let Ok(supervisor) = tree.supervisor("app/group") {
                let names = ["d", "e", "h"].into_iter().filter(|_| rng.bool());
                let deep = calm(Supervisor::one_for_one("deep")).children(names.map(|name| journal.probe(name)));
                let deep = if rng.u32(..4) == 0 { journal.probe("deep").into() } else { Child::from(deep) };
                order!(supervisor.reconfigure(calm(Supervisor::one_for_all("group")).child(deep)));
                order!(tree.restart("app/group/deep", "rebuilt"));
            }
            "rebuild".into()
        }
        _ => {
            tokio::time::sleep(40 * SEC).await;
            "time".into()
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_past_of_a_random_walk_is_what_was_there() {
    let seeds: u64 = std::env::var("REGROW_SEEDS").map_or(25, |seeds| seeds.parse().unwrap());
    let first: u64 = std::env::var("REGROW_FIRST").map_or(0, |first| first.parse().unwrap());
    for seed in first..first + seeds {
        let (mut rng, journal) = (fastrand::Rng::with_seed(seed), Journal::new());
        let tree = forest(&journal).start().await.unwrap();
        let directory = tree.directory();
        let mut moments = Vec::new();
        let mut steps = Vec::new();
        for _ in 0..40 {
            steps.push(step(&tree, &journal, &mut rng).await);
            // Nothing is under way when the clock has stood still for all, and the next step begins later.
            tokio::time::sleep(SEC).await;
            let history = tree.history();
            moments.push((history.now, seen(&tree)));
            let (now, then) = moments.last().unwrap();
            check(&format!("seed {seed}, now, {steps:?}"), &history, *now, then);
            check_views(&tree, &format!("seed {seed}, {steps:?}")).await;
            // No timer of one step fires at the very moment at which a later one is looked at.
            tokio::time::sleep(SEC + 7 * MS).await;
        }
        let alive = tree.history();
        tree.shutdown().await;
        for history in [alive, directory.history()] {
            for (number, (at, then)) in moments.iter().enumerate() {
                check(&format!("seed {seed}, step {number} of {steps:?}"), &history, *at, then);
            }
        }
    }
}
