//! The `ps` of the README, against a real run of the example that it is about.

#[path = "../golden/compare.rs"]
mod compare;
#[path = "../golden/mask.rs"]
mod mask;

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{command, regrow};
use compare::first_difference;
use mask::masked;

/// Time for the bank to start, and for a look at which every service that is not parked is up.
const LIMIT: Duration = Duration::from_secs(120);

/// The example, which ends with its test.
struct Bank(Child);

impl Drop for Bank {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Bank {
    /// Starts the example as the README does, with less to do and fewer kills: so there are looks between two of them.
    fn open(folder: &Path) -> Self {
        let test = std::env::current_exe().expect("the path of this program");
        let program = test.ancestors().nth(2).expect("tests lie in `deps`, beside `examples`").join("examples/bank");
        assert!(program.exists(), "{} is missing: `cargo build --example bank` builds it", program.display());
        let mut bank = std::process::Command::new(program);
        bank.args(["--transfers", "2000", "--kills-per-second", "10", "--admin", "--open"]);
        // The socket is made where the commands of the tests search for it.
        for (name, value) in command(folder, &[]).get_envs() {
            if let Some(value) = value {
                bank.env(name, value);
            }
        }
        Self(bank.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs"))
    }

    fn press_ctrl_c(&self) {
        let sent = std::process::Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        assert!(sent.expect("`kill` runs").success());
    }

    /// Waits until `ps` is like this.
    fn wait_for(folder: &Path, path: &str, is_so: impl Fn(&Value) -> bool) {
        let until = Instant::now() + LIMIT;
        loop {
            let ran = regrow(folder, &["ps", "--json", "--of", "bank", path]);
            if is_so(&serde_json::from_str(&ran.out).unwrap_or_default()) {
                return;
            }
            assert!(Instant::now() < until, "{path}: {ran:?}");
        }
    }
}

/// Found by an operator: a teller that was killed while fx was terminated did not start, and the whole bank ended for that. With the
/// audit parked, as the README does it, Ctrl-C did nothing.
#[test]
fn an_operator_may_stop_any_service_of_the_bank_and_the_bank_ends_at_ctrl_c() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bank = Bank::open(folder.path());
    let state = |page: &Value| page["rows"][0]["state"].as_str().unwrap_or_default().to_owned();
    let act = |verb: &str, path: &str| {
        let ran = regrow(folder.path(), &[verb, "--of", "bank", path, "--yes", "--reason", "a look"]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{verb} {path}");
    };
    Bank::wait_for(folder.path(), "bank/fx", |page| state(page) == "up");
    act("terminate", "bank/fx");
    Bank::wait_for(folder.path(), "bank/tellers/teller-1", |page| state(page) == "starting");
    act("start", "bank/fx");
    Bank::wait_for(folder.path(), "bank/tellers/teller-1", |page| state(page) == "up");
    act("park", "bank/audit");
    let until = Instant::now() + LIMIT;
    // The first asks for an orderly end, which waits for the audit. The second gives up.
    while bank.0.try_wait().expect("it can be asked").is_none() {
        assert!(Instant::now() < until, "Ctrl-C does not end the bank");
        bank.press_ctrl_c();
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The lines below the command with `-- ps` in the README.
fn shown() -> Vec<String> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("it is there");
    let mut lines = readme.lines().skip_while(|line| !(line.starts_with("$ ") && line.contains("-- ps --of bank")));
    assert!(lines.next().is_some(), "the search is blind");
    lines.take_while(|line| !line.starts_with("```")).map(masked).collect()
}

/// The text, with its headline in one line: larger figures do not fit the width. A word that has two forms has one.
fn in_one_line(text: &str) -> String {
    match text.split_once("\nThe tree ") {
        Some((headline, rest)) => {
            let headline = headline.replace('\n', " ");
            let headline =
                headline.strip_suffix(" dead letter").map_or(headline.clone(), |one| format!("{one} dead letters"));
            format!("{headline}\nThe tree {rest}")
        }
        None => text.to_owned(),
    }
}

/// Found by review: no test read this part of the README, and it showed what an older version had printed.
#[test]
fn ps_in_the_readme_is_what_a_bank_under_kills_prints() {
    let folder = tempfile::tempdir().expect("a folder");
    let _bank = Bank::open(folder.path());
    let until = Instant::now() + LIMIT;
    // The audit and fx have died: the audit is parked with an exit, and fx is in a loop.
    let restarts = |path: &str| {
        let ran = regrow(folder.path(), &["ps", "--json", "--of", "bank", path]);
        let page: Value = serde_json::from_str(&ran.out).unwrap_or_default();
        page["rows"][0]["restarts"]["total"].as_u64().unwrap_or_default()
    };
    while restarts("bank/audit") < 1 || restarts("bank/fx") < 3 || restarts("bank/ledger") < 1 {
        assert!(
            Instant::now() < until,
            "the bank was not killed: {:?}",
            regrow(folder.path(), &["ps", "--of", "bank"])
        );
    }
    let parked = regrow(folder.path(), &["park", "--of", "bank", "bank/audit", "--yes", "--reason", "a look"]);
    assert_eq!((parked.code, parked.err.as_str()), (0, ""));
    let shown = shown();
    loop {
        let ran = regrow(folder.path(), &["ps", "--of", "bank"]);
        let printed: Vec<String> = in_one_line(&ran.out).lines().map(masked).collect();
        // A look in which a service is between two lives has other lines.
        let Some(at) = first_difference(&shown, &printed) else { return };
        assert!(Instant::now() < until, "README.md does not allow line {} of `ps`:\n{}{}", at + 1, ran.out, ran.err);
    }
}
