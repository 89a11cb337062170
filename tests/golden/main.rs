//! Comparison of the output of the examples, and of the parts of it in the README and the guide, with golden files.
//!
//! `NAME.out` beside this file holds the whole output of an example. Most examples print the same each time, and their
//! files are compared as they are. The figures of [`VARYING`] examples differ from run to run: [`masked`] replaces them
//! by `N`, in the output, in the README and in the file.
//!
//! A line `...` stands for any number of lines. In a file these are lines that differ, or are printed only sometimes.
//! In the README these are lines that it leaves out.
//!
//! `cargo test` builds the examples beside the tests. `cargo test --test golden` alone does not build them.

mod compare;
mod guide;
mod mask;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use compare::first_difference;
use mask::masked;

/// Examples with figures that differ from run to run.
const VARYING: [&str; 1] = ["bank"];

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn golden_file(example: &str) -> PathBuf {
    package().join("tests/golden").join(format!("{example}.out"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Lines of a text, in the form in which they are compared.
fn lines(example: &str, text: &str) -> Vec<String> {
    let compared = |line: &str| if VARYING.contains(&example) { masked(line) } else { line.trim_end().to_owned() };
    text.lines().map(compared).collect()
}

/// Standard output of an example.
fn output(example: &str, arguments: &[&str]) -> String {
    let test = std::env::current_exe().expect("the path of this program");
    let folder = test.ancestors().nth(2).expect("tests lie in `deps`, beside `examples`").join("examples");
    let program = folder.join(format!("{example}{}", std::env::consts::EXE_SUFFIX));
    let ended = Command::new(&program).args(arguments).output().unwrap_or_else(|error| {
        panic!("{}: {error}. `cargo build --examples` builds it, and so does `cargo test`", program.display())
    });
    let complaints = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "the example `{example}` failed, {}:\n{complaints}", ended.status);
    String::from_utf8(ended.stdout).expect("examples print UTF-8")
}

fn prints_what_its_golden_file_says(example: &str, arguments: &[&str]) {
    let (file, printed) = (golden_file(example), output(example, arguments));
    let (expected, actual) = (lines(example, &read(&file)), lines(example, &printed));
    if let Some(at) = first_difference(&expected, &actual) {
        let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{example}.out"));
        fs::write(&fresh, actual.join("\n") + "\n").expect("cargo's folder for tests can be written");
        panic!(
            "{} does not allow line {} of what `{example}` prints now:\n{}\nIf that is right, copy it, and keep the lines `...`: cp {} {}",
            file.display(),
            at + 1,
            actual.get(at).map_or("(the end)", String::as_str),
            fresh.display(),
            file.display()
        );
    }
}

#[test]
fn strategies_prints_what_its_golden_file_says() {
    prints_what_its_golden_file_says("strategies", &[]);
}

#[test]
fn sessions_prints_what_its_golden_file_says() {
    prints_what_its_golden_file_says("sessions", &[]);
}

#[test]
fn patient_prints_what_its_golden_file_says() {
    prints_what_its_golden_file_says("patient", &[]);
}

#[test]
fn existing_actor_prints_what_its_golden_file_says() {
    prints_what_its_golden_file_says("existing_actor", &[]);
}

#[test]
fn stopping_prints_what_its_golden_file_says() {
    prints_what_its_golden_file_says("stopping", &[]);
}

#[test]
fn requests_prints_what_its_golden_file_says() {
    prints_what_its_golden_file_says("requests", &[]);
}

#[test]
fn cyclic_prints_what_its_golden_file_says() {
    prints_what_its_golden_file_says("cyclic", &[]);
}

#[test]
fn chaos_prints_what_its_golden_file_says() {
    prints_what_its_golden_file_says("chaos", &[]);
}

#[test]
fn quick_start_prints_what_its_golden_file_says() {
    prints_what_its_golden_file_says("quick_start", &[]);
}

/// The load is a tenth of that in the README. It takes as long without optimization, and kills each service at least
/// once.
#[test]
fn the_bank_prints_what_its_golden_file_says() {
    prints_what_its_golden_file_says("bank", &["--transfers", "20000", "--kills-per-second", "200"]);
}

/// The command lines in a text, each with the output below it.
fn commands(text: &str) -> Vec<(String, String)> {
    let mut shown: Vec<(String, String)> = Vec::new();
    let mut is_console = false;
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            is_console = language == "console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| is_console) {
            shown.push((command.to_owned(), String::new()));
        } else if is_console {
            let (_, output) = shown.last_mut().expect("a block begins with its command");
            *output += &format!("{line}\n");
        }
    }
    shown
}

/// The example that a cargo command line runs.
fn example(command: &str) -> Option<&str> {
    let mut words = command.split_whitespace();
    words.find(|word| *word == "--example")?;
    words.next()
}

#[test]
fn every_output_of_the_readme_is_in_a_golden_file() {
    let mut compared = Vec::new();
    for (command, shown) in commands(&read(&package().join("README.md"))) {
        if shown.trim().is_empty() {
            continue;
        }
        let example = example(&command).unwrap_or_else(|| panic!("no golden file is known for `{command}`"));
        let (shown, golden) = (lines(example, shown.trim_end()), lines(example, &read(&golden_file(example))));
        let difference = first_difference(&shown, &golden);
        assert_eq!(
            difference,
            None,
            "under `{command}` README.md does not show what {example}.out says: {:?}",
            difference.and_then(|at| golden.get(at))
        );
        compared.push(example.to_owned());
    }
    assert!(compared.contains(&"bank".to_owned()), "the search is blind: it found {compared:?}");
}

#[test]
fn the_readme_is_short_and_begins_with_the_main_job_and_the_tests() {
    let readme = read(&package().join("README.md"));
    let commands: Vec<_> = commands(&readme).into_iter().map(|(command, _)| command).collect();
    let main_job = "cargo run --release --example bank -- --transfers 200000 --kills-per-second 200";
    assert_eq!(commands[..2], [main_job, "cargo test --workspace"]);
    assert!(readme.lines().count() <= 200, "{} lines: move details into the docs", readme.lines().count());
}

#[test]
fn every_example_that_the_readme_names_exists() {
    let readme = read(&package().join("README.md"));
    let named: Vec<_> =
        readme.lines().flat_map(|line| line.split('`')).filter(|word| word.starts_with("examples/")).collect();
    for path in &named {
        assert!(package().join(path).exists(), "README.md names {path}");
    }
    assert!(named.len() > 5, "the search is blind: it found {named:?}");
}
