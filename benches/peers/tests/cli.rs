//! What the command line refuses, and what a run looks like.

use std::process::{Command, Output};

fn peers(args: &[&str]) -> Output {
    match Command::new(env!("CARGO_BIN_EXE_peers")).args(args).output() {
        Ok(output) => output,
        Err(error) => panic!("{error}"),
    }
}

fn refuses(args: &[&str], why: &str) {
    let output = peers(args);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{complaint}");
    assert!(complaint.contains(why), "{complaint}");
}

#[test]
fn sizes_of_nothing_are_refused() {
    refuses(&["--passes", "0"], "0 is not in 1..=1000");
    refuses(&["--messages", "0"], "0 is not in 64..");
    refuses(&["--children", "0"], "0 is not in 100..");
    refuses(&["--messages", "-5"], "unexpected argument");
}

#[test]
fn an_unknown_workload_is_told_which_there_are() {
    refuses(
        &["--only", "nonsense"],
        "cast, call, call-64, cast-64, cast-64-own, call-inside, cast-name, panic, kill, restarts",
    );
    refuses(&["--system", "nonsense"], "regrow-actor");
}

#[test]
fn a_combination_that_measures_nothing_is_refused() {
    refuses(&["--only", "kill", "--system", "tokio-bounded"], "none of these systems");
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_the_work() {
    refuses(&["--only", "cast", "--system", "tokio-bounded", "--json", "/nowhere/to.json"], "/nowhere/to.json");
}

#[test]
fn every_kind_of_work_is_checked_and_shown() {
    for workload in
        ["cast", "call-64", "cast-64", "cast-64-own", "call-inside", "start", "panic", "one-for-all", "growth"]
    {
        let args = ["--quick", "--passes", "1", "--messages", "640", "--children", "100", "--only", workload];
        let output = peers(&[&args[..], &["--system", "regrow", "--system", "ractor"]].concat());
        let (table, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{workload}: {complaint}");
        assert!(table.contains("| regrow ") && table.contains("| ractor "), "{table}");
    }
}
