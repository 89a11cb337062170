//! A crash of the machine at every step: what was not synced is lost, reordered and torn.
//!
//! kill -9 never loses the page cache. Here the system calls of a process that saves are recorded, with their data, and
//! played on a model of a disk. After each of them the disk is built as a crash could leave it, several times by lot, and
//! the store is opened on it.

mod disk;
mod record;

use std::path::Path;

use crate::history::History;
use crate::stores::{open, place};
use disk::{Disk, Loss};
use record::Event;

/// Syncs that a store might leave out.
const SKIPS: [&str; 3] = ["file-sync", "folder-sync", "all-syncs"];

/// Plays a recording with so many seeds for each step. `skip` leaves out syncs of the recording, as a store would that does
/// not make them: `file-sync`, `folder-sync`, `all-syncs`. Then a crash that breaks the promise must be found.
pub(crate) fn run(store: &str, seeds: usize, skip: Option<&str>) {
    if !crate::strace::is_there() {
        println!("{store}: left out, there is no strace here");
        return;
    }
    let (store, lives, saves, size) = match store {
        "sqlite" => ("sqlite-checkpoints", 3, 12, 20_000),
        _ => (store, 3, 7, 9000),
    };
    assert!(skip.is_none_or(|skip| SKIPS.contains(&skip)), "what can be skipped: {SKIPS:?}");
    let directory = place(false);
    let events = record::record(store, directory.path(), lives, saves, size);
    let mut disk = Disk::new(directory.path());
    let mut history = History::new(size);
    let (mut steps, mut crashes, mut found) = (0, 0, Vec::new());
    let mut losses = Loss::default();
    for (number, event) in events.iter().enumerate() {
        match event {
            Event::Told(line) => history.hear(line),
            Event::Begins => disk.begin_process(),
            Event::Call(call) => {
                if disk.play(call, skip) {
                    steps += 1;
                }
            }
        }
        if matches!(event, Event::Told(_)) && !matches!(events.get(number + 1), Some(Event::Call(_))) {
            continue;
        }
        for seed in 0..seeds {
            let rebuilt = place(true);
            let mut random = fastrand::Rng::with_seed((number * 1_000_003 + seed) as u64);
            losses.add(&disk.crash(rebuilt.path(), &mut random));
            crashes += 1;
            if let Err(wrong) = look(store, rebuilt.path(), history.clone()) {
                found.push(format!("{store}, step {number} ({event:?}), seed {seed}: {wrong}"));
            }
        }
    }
    println!("{store}: {crashes} crashes after {} events, {steps} of which change the disk; {losses}", events.len());
    match (skip, found.as_slice()) {
        (None, []) => println!("{store}: each time the value was the last that was acknowledged, or the one in flight"),
        (None, [first, ..]) => panic!("{} crashes lost a value; the first: {first}", found.len()),
        (Some(skip), []) => panic!("{store}: without {skip} no crash lost a value: this test has no teeth"),
        (Some(skip), [first, ..]) => {
            println!("{store}: without {skip} {} crashes lost a value; the first: {first}", found.len())
        }
    }
}

fn look(store: &str, path: &Path, mut history: History) -> Result<(), String> {
    let opened = open(store, path)?;
    history.check(&*opened)
}
