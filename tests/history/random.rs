//! Random trees in virtual time: the replay of a dump is the live stream of events, and undoing back to each moment is
//! replaying forward to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use regrow::admin::Dump;
use regrow::{Directory, Events, History, HistoryKind, HistoryState};

use crate::common::tree::MS;
use crate::random_trees;

type Seen = BTreeMap<String, (HistoryState, u64)>;

/// The live events of a tree from some entry on.
struct Followed {
    directory: Directory,
    seen: u64,
    events: Events,
    /// Path, generation and kind of each.
    told: Vec<(String, u64, String)>,
}

impl Followed {
    fn drain(&mut self) {
        while let Some(event) = self.events.try_next() {
            let event = event.expect("it is drained in time");
            self.told.push((event.path.to_string(), event.generation, event.kind.to_string()));
        }
    }
}

/// The children that are told in `replayed`. One below a supervisor that is down or parked is in that state, unless it is up:
/// no event tells that.
fn told(seen: &Seen, replayed: &Seen) -> Seen {
    let mut all = Seen::new();
    for (path, (state, generation)) in seen {
        let above = path.rsplit_once('/').and_then(|(above, _)| all.get(above)).map(|(state, _)| *state);
        let state = match above {
            Some(above @ (HistoryState::Down | HistoryState::Parked)) if *state != HistoryState::Up => above,
            _ => *state,
        };
        all.insert(path.clone(), (state, *generation));
    }
    all.retain(|path, (state, _)| replayed.contains_key(path) || *state == HistoryState::Up);
    all
}

fn at(history: &History, time: Duration) -> Seen {
    let then = history.at(time).expect("it has not been pushed out");
    then.into_iter().map(|line| (line.path.to_string(), (line.state, line.generation))).collect()
}

/// Compares each moment of a history from which nothing was pushed out with the replay of the entries up to it.
fn check_moments(history: &History) {
    let mut replayed = Seen::new();
    let mut entries = history.entries.iter().peekable();
    while let Some(entry) = entries.next() {
        let now = (entry.after(), entry.generation);
        match (&entry.kind, now.0) {
            (HistoryKind::TreeOver { .. }, _) => break,
            (_, HistoryState::Gone | HistoryState::Absent) => drop(replayed.remove(&*entry.path)),
            _ if entry.before == now.0 && now.0 != HistoryState::Up => {}
            _ => drop(replayed.insert(entry.path.to_string(), now)),
        }
        if entries.peek().is_none_or(|next| next.at > entry.at) {
            let (then, replayed) = (told(&at(history, entry.at), &replayed), told(&replayed, &replayed));
            assert_eq!(then, replayed, "at {:?}, after {entry}", entry.at);
        }
    }
}

fn check(seed: u64, followed: &mut Followed) -> usize {
    followed.drain();
    let history = followed.directory.history();
    let mut lines = Vec::new();
    history.write_to(&mut lines).unwrap();
    let dump = Dump::read(&lines[..]).unwrap();
    assert_eq!(dump.damage, None);

    let is_event = |event: &str| !matches!(event, "tree_up" | "tree_over" | "lost");
    let replay = dump.entries.iter().filter(|entry| entry.seq > followed.seen && is_event(&entry.event));
    let replay: Vec<_> = replay.map(|entry| (entry.path.clone(), entry.generation, entry.text.clone())).collect();
    let is_whole = !history.ordinary.is_cut && !history.failures.is_cut;
    let told = &followed.told[if is_whole { 0 } else { followed.told.len().saturating_sub(replay.len()) }..];
    for (number, (replayed, told)) in replay.iter().zip(told).enumerate() {
        assert!(!is_whole || replayed == told, "seed {seed}, event {number}: {replayed:?} and not {told:?}");
    }
    assert!(!is_whole || replay.len() == told.len(), "seed {seed}: {replay:#?}\nand not\n{told:#?}");

    if is_whole {
        check_moments(&history);
    }
    // A dump knows the children that have an entry in it, and times to the microsecond.
    let known =
        |seen: Seen| -> Seen { seen.into_iter().filter(|(path, _)| history.of(path).next().is_some()).collect() };
    for entry in dump.entries.iter().step_by(97).filter(|_| is_whole) {
        let time = entry.at();
        let of_dump = dump.at(time).unwrap();
        let of_dump: Seen =
            of_dump.into_iter().map(|line| (line.path.to_string(), (line.state, line.generation))).collect();
        // The same microsecond in the history.
        let last = history.entries.iter().rfind(|entry| entry.at < time + Duration::from_micros(1)).unwrap();
        assert_eq!(known(of_dump), known(at(&history, last.at)), "seed {seed} at {time:?}");
    }
    told.len()
}

#[test]
fn the_replay_of_a_dump_is_what_was_told_and_the_past_is_what_it_was() {
    let seeds: u64 = std::env::var("REGROW_SEEDS").map_or(6, |seeds| seeds.parse().unwrap());
    let first: u64 = std::env::var("REGROW_FIRST").map_or(0, |first| first.parse().unwrap());
    let (mut trees, mut events) = (0, 0);
    for seed in first..first + seeds {
        let followed = Arc::new(Mutex::new(None));
        let place = followed.clone();
        let simulation = random_trees::trees(move |tree| {
            let (directory, events) = (tree.directory(), tree.events());
            let seen = directory.history_after(0).latest;
            *place.lock().unwrap() = Some(Followed { directory, seen, events, told: Vec::new() });
            let place = place.clone();
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(50 * MS).await;
                    place.lock().unwrap().as_mut().map(Followed::drain);
                }
            });
        });
        // A tree that does not come up has no events.
        let _ = simulation.run(seed);
        if let Some(mut followed) = followed.lock().unwrap().take() {
            trees += 1;
            events += check(seed, &mut followed);
        }
    }
    println!("{trees} trees, {events} events");
    assert!(trees > seeds / 2 && events > 0, "{trees} of {seeds} trees came up, with {events} events");
}
