//! The proof: what the machines and the live runtime tell of a scenario is what real Erlang/OTP told, line by line.
//!
//! `otp/scenarios`, `otp/more` and `otp/random` hold scenarios with traces taken from OTP; `otp/ours` holds our story where it
//! differs on purpose, `otp/ours/live` where only the live one does, and `otp/DEVIATIONS.md` says why.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regrow::otp::{Scenario, play_live, play_on_machine};

/// Scenarios with a statement that Rust's types make unsayable, and the line of the first.
const UNSAYABLE: [(&str, usize); 6] = [
    ("11_boot_junk", 3),
    ("48_stop_signals", 9),
    ("50_unlinked_child", 3),
    ("52_upgrade", 10),
    ("53_bad_specs", 3),
    ("57_restart_child_fails", 3),
];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/otp").join(name)
}

fn scenarios(name: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder(name))
        .expect("the folder is in the repository")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "scn"))
        .collect();
    files.sort();
    files
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).expect("plain names")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names the first line that differs.
fn compare(name: &str, got: &str, want: &str) -> Result<(), String> {
    let (mut got, mut want) = (got.lines(), want.lines());
    for line in 1.. {
        match (got.next(), want.next()) {
            (None, None) => return Ok(()),
            (ours, theirs) if ours == theirs => {}
            (ours, theirs) => return Err(format!("{name}, line {line}: ours {ours:?}, theirs {theirs:?}")),
        }
    }
    Ok(())
}

/// The ways of playing a scenario.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Machine,
    /// Workers are bare tasks.
    Live,
    /// Workers are ractor actors.
    Actors,
}

impl Mode {
    fn play(self, scenario: &Scenario) -> String {
        match self {
            Self::Machine => play_on_machine(scenario),
            Self::Live => play_live(scenario, false).expect("a runtime"),
            Self::Actors => play_live(scenario, true).expect("a runtime"),
        }
    }

    /// Our story, where it is not OTP's.
    fn ours(self, name: &str) -> Option<PathBuf> {
        let file = |folder_name: &str| folder(folder_name).join(name).with_extension("trace");
        let live = Some(file("ours/live")).filter(|file| self != Self::Machine && file.exists());
        live.or_else(|| Some(file("ours")).filter(|file| file.exists()))
    }
}

/// Plays every scenario that can be said; how many tell OTP's story, and how many ours.
fn play_all(folder: &str, mode: Mode) -> (usize, usize) {
    let unsayable: BTreeSet<_> = UNSAYABLE.iter().map(|(name, _)| *name).collect();
    let (mut equal, mut by_design, mut different) = (0, 0, Vec::new());
    for file in scenarios(folder) {
        let name = stem(&file);
        if unsayable.contains(name) {
            continue;
        }
        let scenario = Scenario::parse(&read(&file)).unwrap_or_else(|refused| panic!("{name}: {refused}"));
        let (count, want) = match mode.ours(name) {
            Some(ours) => (&mut by_design, ours),
            None => (&mut equal, file.with_extension("trace")),
        };
        *count += 1;
        different.extend(compare(name, &mode.play(&scenario), &read(&want)).err());
    }
    println!("{folder}: equal {equal}, by design {by_design}, different {}", different.len());
    assert_eq!(different, Vec::<String>::new());
    (equal, by_design)
}

#[test]
fn every_scenario_tells_otps_story_or_the_one_that_is_written_down() {
    let why = "a deviation is a decision: write it down in DEVIATIONS.md";
    assert_eq!(play_all("scenarios", Mode::Machine), (43, 7), "{why}");
    assert_eq!(play_all("more", Mode::Machine), (111, 1), "{why}");
}

#[test]
fn every_scenario_tells_the_same_story_live() {
    for mode in [Mode::Live, Mode::Actors] {
        let why = "a deviation is a decision: write it down in DEVIATIONS.md";
        assert_eq!(play_all("scenarios", mode), (43, 7), "{why}");
        assert_eq!(play_all("more", mode), (105, 7), "{why}");
    }
}

#[test]
fn what_rust_cannot_say_is_refused_by_its_line() {
    for (name, line) in UNSAYABLE {
        let text = read(&folder("scenarios").join(name).with_extension("scn"));
        let refused = Scenario::parse(&text).expect_err(name);
        assert!(refused.is_unsayable, "{name}: {refused}");
        assert_eq!(refused.line, line, "{name}: {refused}");
    }
}

#[test]
fn three_hundred_random_scenarios_tell_otps_story() {
    let files = scenarios("random");
    assert!(files.len() >= 300, "{} scenarios", files.len());
    for mode in [Mode::Machine, Mode::Live, Mode::Actors] {
        let different = files.iter().filter_map(|file| {
            let scenario = Scenario::parse(&read(file)).unwrap_or_else(|refused| panic!("{}: {refused}", stem(file)));
            compare(stem(file), &mode.play(&scenario), &read(&file.with_extension("trace"))).err()
        });
        assert_eq!(different.collect::<Vec<_>>(), Vec::<String>::new());
    }
}

/// Found by fuzzing, first in policy files.
#[test]
fn no_control_character_of_a_scenario_reaches_the_terminal() {
    for text in ["\u{1b}[2J\n", "sup root \u{9b}2J\n", "sup root one_for_one\nend\nrun\nkill \u{7}\n"] {
        let refused = Scenario::parse(text).expect_err("it has no sense").to_string();
        assert_eq!(refused.find(char::is_control), None, "{refused:?}");
    }
}

#[test]
fn a_bad_statement_is_refused_with_its_line() {
    for (text, line, why) in [
        ("sup root one_for_one\n  child a\nrun\n", 3, "inside `sup root`"),
        ("sup root one_for_one\n  child a\n  child a\nend\nrun\n", 3, "defined twice"),
        ("sup root one_for_one\nend\nrun\nkill nobody\n", 4, "nothing is named `nobody`"),
        ("sup root one_for_one\nend\nrun\ndance root\n", 4, "unknown stimulus `dance`"),
        // Found by fuzzing: a process is no definition.
        ("sup root one_for_one\n  child a\nend\nrun\nstart_child root a#1\n", 5, "nothing is defined as `a#1`"),
        ("sup root one_for_one\nend\nrun\nupgrade root root#\n", 4, "nothing is defined as `root#`"),
        ("sup root one_for_one\n  child a colour=red\nend\nrun\n", 2, "unknown key `colour`"),
        ("sup root one_for_one\nend\n", 2, "ends before `run`"),
        ("% nothing\nrun\n", 2, "no root supervisor"),
        ("sup root one_for_one\n  child a starts=ok*99999999999\nend\nrun\n", 2, "a number of repeats, at most 100000"),
        ("sup root one_for_one\n  child a startdelay=18446744073709551615\nend\nrun\n", 2, "no number of milliseconds"),
    ] {
        let refused = Scenario::parse(text).expect_err(why);
        assert_eq!(refused.line, line, "{refused}");
        assert!(refused.to_string().contains(why), "{refused}");
        assert!(!refused.is_unsayable, "{refused}");
    }
    let deep = "sup s one_for_one\n".repeat(20_000);
    let refused = Scenario::parse(&deep).expect_err("nobody can follow that");
    assert_eq!(refused.to_string(), "line 102: a tree deeper than 100 supervisors");
    let slash = Scenario::parse("sup root one_for_one\n  child a/b\nend\nrun\n").expect_err("it is no name");
    assert!(slash.is_unsayable && slash.line == 2, "{slash}");
}
