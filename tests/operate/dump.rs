//! `history FILE`: a dump that was written by a tree, read offline with the same views.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use regrow::testing::Journal;
use regrow::{Supervisor, Tree};
use serde_json::Value;

use crate::program::regrow;

/// A tree in which the clerk was killed, and the others were not.
async fn tree() -> Tree {
    let journal = Journal::new();
    let desk = Supervisor::one_for_one("desk").child(journal.probe("clerk")).child(journal.probe("guard"));
    let tree =
        Supervisor::one_for_one("bank").child(desk).child(journal.probe("clock")).start().await.expect("it starts");
    let mut events = tree.events();
    tree.kill("bank/desk/clerk").expect("it is up");
    loop {
        let event = events.next().await.expect("the tree is up").expect("few events");
        if &*event.path == "bank/desk/clerk" && matches!(event.kind, regrow::EventKind::Started { .. }) {
            return tree;
        }
    }
}

async fn dumped(folder: &Path) -> PathBuf {
    let tree = tree().await;
    let file = folder.join("bank.jsonl");
    tree.history().write_to(fs::File::create(&file).expect("a file")).expect("it can be written");
    tree.shutdown().await;
    file
}

fn history(file: &Path, arguments: &[&str]) -> crate::program::Ran {
    let file = file.display().to_string();
    regrow(Path::new("/is/not/there"), &[&["history", &file], arguments].concat())
}

#[tokio::test]
async fn a_dump_shows_what_happened_and_the_tree_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = dumped(folder.path()).await;
    let ran = history(&file, &[]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains("(nothing is missing)"), "{}", ran.out);
    assert!(ran.out.contains("bank/desk/clerk  generation 1  exited: killed"), "{}", ran.out);
    let ran = history(&file, &["--at", "-0s"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains("bank as it was at ") && ran.out.contains("clerk  up  generation 2"), "{}", ran.out);
    let ran = history(&file, &["--at", "-0s", "--fold", "1"]);
    assert!(ran.out.contains("and 3 more: 3 up"), "{}", ran.out);
}

#[tokio::test]
async fn a_dump_is_filtered_and_printed_as_json_like_the_record_of_a_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = dumped(folder.path()).await;
    let json = |arguments: &[&str]| -> Value {
        let ran = history(&file, &[&["--json"], arguments].concat());
        serde_json::from_str(&ran.out).expect("JSON")
    };
    let kinds = |value: &Value| -> Vec<String> {
        let entries = value["entries"].as_array().expect("entries").iter();
        entries
            .map(|entry| format!("{} {}", entry["path"].as_str().unwrap(), entry["kind"].as_str().unwrap()))
            .collect()
    };
    let whole = json(&[]);
    // The start of the tree is kept as long as failures, and is none.
    assert_eq!(kinds(&json(&["--failures"])), ["bank/desk/clerk exited"]);
    assert_eq!(json(&["--failures"])["failures_begin"]["evicted"], 0);
    assert_eq!(kinds(&json(&["--limit", "2"])), kinds(&whole)[..2]);
    assert_eq!(json(&["--limit", "2"])["next"], whole["entries"][1]["seq"]);
    assert_eq!(json(&["--below", "bank/desk", "--at", "-0s"])["as_it_was"].as_array().expect("rows").len(), 3);
}

#[tokio::test]
async fn a_dump_that_is_cut_off_gives_what_is_before_the_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = dumped(folder.path()).await;
    let whole = fs::read(&file).expect("it is there");
    fs::write(&file, &whole[..whole.len() - 30]).expect("it can be written");
    let ran = history(&file, &[]);
    assert_eq!(ran.code, 0);
    assert!(ran.err.contains("is cut off") && ran.err.contains("1 entries from there on are lost"), "{}", ran.err);
    assert!(ran.out.contains("bank/desk/clerk  generation 1  exited: killed"), "{}", ran.out);
}

#[tokio::test]
async fn what_is_no_dump_or_lies_before_the_record_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = dumped(folder.path()).await;
    let ran = history(&folder.path().join("none"), &[]);
    assert!(ran.code == 2 && ran.err.contains("cannot be read"), "{}", ran.err);
    let text = fs::read_to_string(&file).expect("it is there");
    let other = folder.path().join("other");
    fs::write(&other, text.replacen("\"schema\":1", "\"schema\":9", 1)).expect("it can be written");
    assert_eq!(history(&other, &[]).code, 7);
    fs::write(&other, "a picture\u{1b}[2J").expect("it can be written");
    let ran = history(&other, &[]);
    assert!(ran.code == 2 && ran.err.contains("no header of a dump") && !ran.err.contains('\u{1b}'), "{}", ran.err);
    let ran = history(&file, &["--at", "-1h"]);
    assert!(ran.code == 4 && ran.err.contains("the record of bank begins at"), "before the tree was made: {}", ran.err);
    // A record that lost its begin, as after thousands of failures.
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let begin = Duration::from_secs(3_600).as_micros();
    lines[0]["failures"] = serde_json::json!({"seq": 1, "at_us": u64::try_from(begin).unwrap(), "is_cut": true});
    fs::write(&other, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).expect("it can be written");
    let ran = history(&other, &["--at", "-0s"]);
    assert!(ran.code == 4 && ran.err.contains("the record of bank begins at"), "{}", ran.err);
}
