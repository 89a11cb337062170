//! kill -9 at every system call of the writing thread, and at random times.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::Duration;

use crate::history::History;
use crate::stores::{open, place};
use crate::strace::{is_there, read, saver, traced};

/// System calls that change something, or give something up. A process is killed when it is about to make one.
const STEPS: &str = "openat,mkdir,write,writev,pwrite64,fsync,fdatasync,ftruncate,link,linkat,rename,renameat,renameat2,unlink,\
                     unlinkat,close,flock,fcntl";
const SAVES: usize = 6;
const SIZE: usize = 9000;
/// Lives of one directory. Then a new one begins, for the steps of a first save.
const LIVES: usize = 5;

/// Kills at system calls and at random times, in turn.
pub(crate) fn run(store: &str, kills: usize, seed: usize) {
    if !is_there() {
        println!("{store}: there is no strace here: kills at random times only");
        return at_random_times(store, kills, seed);
    }
    let steps = steps(store);
    let mut random = fastrand::Rng::with_seed(seed as u64);
    let mut at = BTreeMap::<&str, usize>::new();
    let mut order: Vec<usize> = Vec::new();
    let (mut killed, mut missed, mut lives) = (0, 0, 0);
    let mut directory = place(false);
    let mut history = History::new(SIZE);
    while killed < kills {
        if lives == LIVES {
            (directory, history, lives) = (place(false), History::new(SIZE), 0);
        }
        lives += 1;
        // Each step once, in an order drawn at random, and then again.
        let step = order.pop().unwrap_or_else(|| {
            order = (0..steps.len()).collect();
            random.shuffle(&mut order);
            order.pop().unwrap()
        });
        let (name, number) = &steps[step];
        let inject = format!("inject={name}:signal=KILL:when={number}");
        let log = directory.path().with_extension("log");
        let arguments = ["-e", &format!("trace={name}"), "-e", &inject];
        let output = traced(&log, &arguments, store, directory.path(), SAVES, SIZE).output().unwrap();
        std::fs::remove_file(&log).ok();
        history.hear_all(&String::from_utf8_lossy(&output.stdout));
        // Later lives have fewer steps than the first.
        match output.status.signal() {
            Some(9) => {
                killed += 1;
                *at.entry(name).or_default() += 1;
            }
            _ => missed += 1,
        }
        look(store, directory.path(), &mut history, &format!("killed at {name} {number}"));
    }
    println!(
        "{store}: {killed} kills at system calls, of {} steps ({missed} lives ended before their step): {at:?}",
        steps.len()
    );
    at_random_times(store, kills.div_ceil(4), seed);
}

/// System calls of a process that begins with an empty directory: name and number.
fn steps(store: &str) -> Vec<(String, usize)> {
    let directory = place(false);
    let log = directory.path().with_extension("log");
    let output =
        traced(&log, &["-e", &format!("trace={STEPS}")], store, directory.path(), SAVES, SIZE).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut counts = BTreeMap::<(String, String), usize>::new();
    for call in read(&log) {
        *counts.entry((call.name, call.process)).or_default() += 1;
    }
    std::fs::remove_file(log).unwrap();
    // strace counts for each thread.
    let mut most = BTreeMap::<String, usize>::new();
    for ((name, _), count) in counts {
        let most = most.entry(name).or_default();
        *most = count.max(*most);
    }
    most.into_iter().flat_map(|(name, count)| (1..=count).map(move |number| (name.clone(), number))).collect()
}

/// Kills a process some time after its first lines.
pub(crate) fn at_random_times(store: &str, kills: usize, seed: usize) {
    let mut random = fastrand::Rng::with_seed(seed as u64);
    let (mut directory, mut history) = (place(false), History::new(SIZE));
    for number in 0..kills {
        if number % LIVES == 0 {
            (directory, history) = (place(false), History::new(SIZE));
        }
        let mut child = saver(store, directory.path(), 1_000_000, SIZE).spawn().unwrap();
        let mut told = child.stdout.take().unwrap();
        // It is up once it tells something, or is still on the way.
        let mut lines = vec![0; 20];
        if random.bool() {
            told.read_exact(&mut lines).unwrap();
        } else {
            lines.clear();
        }
        thread::sleep(Duration::from_micros(random.u64(..20_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        told.read_to_end(&mut lines).unwrap();
        history.hear_all(&String::from_utf8_lossy(&lines));
        look(store, directory.path(), &mut history, "killed at a random time");
    }
    println!("{store}: {kills} kills at random times");
}

fn look(store: &str, path: &std::path::Path, history: &mut History, after: &str) {
    let before = history.clone();
    let checked = open(store, path).and_then(|store| history.check(&*store));
    if let Err(wrong) = checked {
        let kept = std::env::temp_dir().join("regrow-durability-failure");
        std::fs::remove_dir_all(&kept).ok();
        std::fs::rename(path, &kept).ok();
        panic!("{store}, {after}: {wrong}; {before:?}; the files are in {}", kept.display());
    }
}
