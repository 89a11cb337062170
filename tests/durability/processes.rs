//! Two processes on one store.

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use regrow::checkpoint::Stamp;

use crate::stores::place;
use crate::strace::saver;

pub(crate) fn run(store: &str) {
    the_older_process_is_refused_after_the_claim_of_the_newer_one(store);
    claims_of_many_processes_at_once_are_numbered_without_a_gap(store);
}

fn stamp(line: &str) -> Option<Stamp> {
    let mut words = line.strip_prefix("saved ")?.split(' ').map(|word| word.parse().unwrap());
    Some(Stamp { epoch: words.next()?, sequence: words.next()? })
}

fn the_older_process_is_refused_after_the_claim_of_the_newer_one(store: &str) {
    for round in 0..3 {
        let directory = place(false);
        // Only the limit of the older one ends it if nothing refuses it.
        let mut older = saver(store, directory.path(), 100_000, 3000).spawn().unwrap();
        let mut lines = BufReader::new(older.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut last = None;
        while last.is_none_or(|stamp: Stamp| stamp.sequence < 3 + round) {
            last = stamp(&lines.next().expect("the older process saves")).or(last);
        }
        let newer = saver(store, directory.path(), 4, 3000).output().unwrap();
        let newer = String::from_utf8(newer.stdout).unwrap();
        let mut refused = None;
        for line in lines {
            last = stamp(&line).or(last);
            refused = line.strip_prefix("superseded ").map(str::to_owned).or(refused);
        }
        older.wait().unwrap();
        let last = last.unwrap();
        assert_eq!(refused.as_deref(), Some("2"), "{store}: the older process was refused by epoch 2");
        // All that was acknowledged to the older one came before the claim, and what it saved last is what was found.
        let found = if last.sequence % 5 == 0 { Stamp { epoch: 0, sequence: 0 } } else { last };
        let claimed = newer.lines().next().unwrap();
        assert_eq!(claimed, format!("claimed 2 {} {}", found.epoch, found.sequence), "{store}");
        assert!(newer.ends_with("saved 2 4\ndone\n"), "{store}: {newer}");
    }
    println!("{store}: the older process is refused after the claim of the newer one");
}

fn claims_of_many_processes_at_once_are_numbered_without_a_gap(store: &str) {
    const PROCESSES: usize = 6;
    const CLAIMS: usize = 10;
    let directory = place(false);
    let claim = |_| {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["claim", store]).arg(directory.path()).arg(CLAIMS.to_string());
        command.stdout(Stdio::piped()).spawn().unwrap()
    };
    let processes: Vec<_> = (0..PROCESSES).map(claim).collect();
    let mut epochs = BTreeSet::new();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{store}: a claim failed");
        let mut before = 0;
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let epoch: u64 = line.split(' ').nth(1).unwrap().parse().unwrap();
            assert!(epoch > before && epochs.insert(epoch), "{store}: epoch {epoch} twice");
            before = epoch;
        }
    }
    assert_eq!(epochs, (1..=(PROCESSES * CLAIMS) as u64).collect(), "{store}");
    println!("{store}: {} claims of {PROCESSES} processes at once are numbered without a gap", epochs.len());
}
