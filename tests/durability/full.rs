//! A full disk: each write step fails for want of room, once and from then on. And a small file system that is really full.

use std::path::Path;
use std::process::Command;

use crate::history::History;
use crate::stores::{open, place};
use crate::strace::{is_there, saver, traced};

const STEPS: [&str; 10] =
    ["mkdir", "openat", "write", "pwrite64", "ftruncate", "fsync", "fdatasync", "linkat", "rename", "unlink"];
const SAVES: usize = 4;
const SIZE: usize = 9000;

pub(crate) fn run(store: &str) {
    if is_there() {
        each_step_fails(store);
    } else {
        println!("{store}: steps that fail are left out, there is no strace here");
    }
    a_file_system_is_full(store);
}

fn each_step_fails(store: &str) {
    let (mut failed, mut borne) = (0, 0);
    for name in STEPS {
        for number in 1.. {
            // Once, and then there is room again; or from then on.
            let mut is_hit = false;
            for when in [format!("{number}"), format!("{number}+")] {
                let directory = place(false);
                let log = directory.path().with_extension("log");
                let inject = format!("inject={name}:error=ENOSPC:when={when}");
                let arguments = ["-e", &format!("trace={name}"), "-e", &inject];
                let output = traced(&log, &arguments, store, directory.path(), SAVES, SIZE).output().unwrap();
                let traced = std::fs::read_to_string(&log).unwrap();
                std::fs::remove_file(&log).unwrap();
                if !traced.contains("(INJECTED)") {
                    continue;
                }
                is_hit = true;
                let told = String::from_utf8(output.stdout).unwrap();
                // The system could not load the program.
                if !told.contains("claimed") {
                    continue;
                }
                let mut history = History::new(SIZE);
                history.hear_all(&told);
                let at = format!("{store}, no room at {name} {when}: {told}");
                let is_sync = matches!(name, "fsync" | "fdatasync");
                match history.failures.as_slice() {
                    [] => borne += 1,
                    failures => {
                        failed += 1;
                        assert!(failures.iter().all(|failure| is_clear(failure, store, name)), "{at}");
                    }
                }
                if !when.ends_with('+') {
                    assert!(history.failures.len() <= 1, "{at}");
                    let is_claimed = told.starts_with("claimed");
                    assert!(!is_claimed || history.is_done, "{at}");
                    let ends_well = told.trim_end().ends_with("done") && told.contains(&format!("saved 1 {SAVES}"));
                    // The next save after a failed one is accepted.
                    assert!(
                        !is_claimed || ends_well || history.failures[0].contains(&format!("failed 1 {SAVES}")),
                        "{at}"
                    );
                }
                assert!(name == "unlink" || !leftovers(directory.path()), "{at}: a temporary file is left");
                // A value whose save failed at a sync may be there. After any other step it must not.
                if !is_sync {
                    history.forget_failed();
                }
                let checked = open(store, directory.path()).and_then(|store| history.check(&*store));
                checked.unwrap_or_else(|wrong| panic!("{at}: {wrong}"));
            }
            if !is_hit {
                break;
            }
        }
    }
    assert!(failed > 10, "{store}: only {failed} runs had a save that failed");
    println!(
        "{store}: no room at a step: {failed} runs with failed saves, {borne} that bore it; no acknowledged value was lost"
    );
}

/// Whether the error names the place and says that there is no room.
fn is_clear(failure: &str, store: &str, name: &str) -> bool {
    match (store, name) {
        // SQLite has a code for a write that finds no room, and one for all faults of the disk.
        ("sqlite", "write" | "pwrite64" | "ftruncate" | "fsync" | "fdatasync") => {
            failure.contains("no room") && failure.contains("shop.db")
        }
        ("sqlite", _) => failure.contains("shop.db"),
        _ => failure.contains("no room") && failure.contains("No space left"),
    }
}

fn leftovers(path: &Path) -> bool {
    let Ok(files) = std::fs::read_dir(path) else { return false };
    files.flatten().any(|file| {
        file.file_name().to_string_lossy().ends_with(".new") || file.path().is_dir() && leftovers(&file.path())
    })
}

/// A file system with room for some of the values, and not for others.
fn a_file_system_is_full(store: &str) {
    let directory = place(false);
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1200k", "none"]).arg(directory.path()).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        println!("{store}: a full file system is left out: this user cannot mount one");
        return;
    }
    let size = 300_000;
    let checked = std::panic::catch_unwind(|| {
        let mut history = History::new(size);
        let ballast = directory.path().join("ballast");
        std::fs::write(&ballast, vec![1; 700 << 10]).unwrap();
        let output = saver(store, directory.path(), 40, size).output().unwrap();
        history.hear_all(&String::from_utf8(output.stdout).unwrap());
        let failures = history.failures.len();
        assert!(history.is_done && (1..40).contains(&failures), "{history:?}");
        let is_clear = |failure: &String| failure.contains("no room");
        assert!(history.failures.iter().all(is_clear), "{:?}", history.failures);
        history.forget_failed();
        // There is room again.
        std::fs::remove_file(ballast).unwrap();
        open(store, directory.path()).and_then(|store| history.check(&*store)).unwrap();
        println!("{store}: {failures} of 40 saves found no room on a small file system, and lost nothing");
    });
    let unmounted = Command::new("umount").arg(directory.path()).status().unwrap();
    assert!(unmounted.success());
    checked.unwrap();
}
