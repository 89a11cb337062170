//! What the acts send, and when they ask.

use std::process::Command;

use serde_json::json;

use crate::fake::Fake;
use crate::program::{ran, regrow};

#[test]
fn an_act_sends_its_reason_and_what_a_form_cannot_send() {
    let fake = Fake::bank();
    let ran = regrow(fake.folder(), &["park", "bank/audit", "--yes", "--reason", "disk is full", "--generation", "7"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "park bank/audit: done\n"));
    let sent = fake.last("POST");
    assert_eq!(sent.json(), json!({"act": "park", "path": "bank/audit", "reason": "disk is full", "generation": 7}));
    assert_eq!(sent.headers["x-regrow-act"], "1");
    assert_eq!(sent.headers["content-type"], "application/json");
    assert_eq!(sent.headers["x-regrow-schema"], "1");
}

#[test]
fn each_act_is_the_one_of_its_name() {
    let fake = Fake::bank();
    for verb in ["kill", "restart", "terminate", "start", "park", "revive"] {
        assert_eq!(regrow(fake.folder(), &[verb, "bank/audit", "--yes", "-r", "x"]).code, 0);
        assert_eq!(fake.last("POST").json(), json!({"act": verb, "path": "bank/audit", "reason": "x"}));
    }
    assert_eq!(regrow(fake.folder(), &["policy", "reload", "-r", "x"]).code, 0);
    assert_eq!(fake.last("POST").json(), json!({"act": "reload_policy", "path": "bank", "reason": "x"}));
    assert_eq!(regrow(fake.folder(), &["dead-letters", "replay", "17", "18", "-r", "x"]).code, 0);
    let replay = json!({"act": "replay", "path": "bank", "reason": "x", "letters": [17, 18]});
    assert_eq!(fake.last("POST").json(), replay);
    assert_eq!(regrow(fake.folder(), &["dead-letters", "replay", "--to", "bank/a", "-r", "x"]).code, 0);
    assert_eq!(fake.last("POST").json(), json!({"act": "replay", "path": "bank", "reason": "x", "receiver": "bank/a"}));
}

#[test]
fn an_experiment_is_sent_as_its_content() {
    let fake = Fake::bank();
    let file = fake.folder().join("kill.toml");
    std::fs::write(&file, "name = \"kill the ledger\"\n").expect("a file");
    let file = file.display().to_string();
    let ran = regrow(fake.folder(), &["experiment", "run", &file, "-r", "game day", "--seed", "7"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let sent = fake.last("POST");
    assert_eq!(sent.address, "/v1/experiments");
    let expected = json!({"tree": "bank", "file": "name = \"kill the ledger\"\n", "reason": "game day", "seed": 7});
    assert_eq!(sent.json(), expected);
    assert_eq!(regrow(fake.folder(), &["experiment", "stop", "3", "-r", "enough"]).code, 0);
    assert_eq!(fake.last("DELETE").address, "/v1/experiments/3?reason=enough");
}

/// Runs the command on a terminal, on which `answer` is typed; nothing if `script` of util-linux is not installed.
fn on_a_terminal(fake: &Fake, arguments: &str, answer: &str) -> Option<crate::program::Ran> {
    use std::io::Write;
    use std::process::Stdio;

    let line = format!("{} {arguments}", env!("CARGO_BIN_EXE_regrow"));
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    command.env("XDG_RUNTIME_DIR", fake.folder()).env("TMPDIR", fake.folder()).env_remove("REGROW_OF");
    let begun = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = begun else {
        eprintln!("left out: `script` is not installed");
        return None;
    };
    child.stdin.take().expect("it is piped").write_all(answer.as_bytes()).expect("it reads");
    Some(ran(&child.wait_with_output().expect("it ends")))
}

#[test]
fn an_act_that_disturbs_asks_once_and_means_what_it_showed() {
    let fake = Fake::bank();
    let Some(ran) = on_a_terminal(&fake, "kill bank/tellers/ledger -r x", "y\n") else { return };
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert_eq!(ran.out.matches("Kill bank/tellers/ledger (generation 7, parked)? [y/N]").count(), 1, "{}", ran.out);
    let expected = json!({"act": "kill", "path": "bank/tellers/ledger", "reason": "x", "generation": 7});
    assert_eq!(fake.last("POST").json(), expected);
}

#[test]
fn an_act_that_is_not_confirmed_is_not_done() {
    let fake = Fake::bank();
    for answer in ["n\n", "\n", "yikes\n"] {
        let Some(ran) = on_a_terminal(&fake, "park bank/audit -r x", answer) else { return };
        assert_eq!(ran.code, 5, "{answer:?}: {}", ran.out);
    }
    assert!(fake.requests().iter().all(|request| request.method == "GET"));
}

#[test]
fn colours_are_used_on_a_terminal_only() {
    let fake = Fake::bank();
    assert!(!regrow(fake.folder(), &["ps"]).out.contains('\u{1b}'));
    let Some(ran) = on_a_terminal(&fake, "ps", "") else { return };
    assert!(ran.out.contains("\u{1b}[31m"), "{}", ran.out);
    let Some(ran) = on_a_terminal(&fake, "ps --no-color", "") else { return };
    assert!(!ran.out.contains("\u{1b}[3"), "{}", ran.out);
}
