//! The exit codes, each with its text.

use std::time::Duration;

use regrow::admin::wire::SCHEMA;
use regrow::admin::wire::envelope::IssueCode;
use serde_json::json;

use crate::data;
use crate::fake::{Fake, Reply, bank};
use crate::program::regrow;

/// Runs the command against a source that answers everything but the greeting so.
fn against(reply: fn() -> Reply, arguments: &[&str]) -> (i32, String) {
    let fake = Fake::new(move |request| if request.path() == "/v1" { bank(request) } else { reply() });
    let ran = regrow(fake.folder(), arguments);
    assert_eq!(ran.out, "", "an error goes to standard error");
    (ran.code, ran.err)
}

#[test]
fn done_is_0() {
    let fake = Fake::bank();
    let commands: [&[&str]; 16] = [
        &["ps"],
        &["ps", "--group"],
        &["tree"],
        &["tree", "--dot"],
        &["why", "bank/audit"],
        &["events"],
        &["events", "--since", "-5m"],
        &["history"],
        &["history", "--at", "03:12"],
        &["dead-letters"],
        &["dead-letters", "show", "17"],
        &["dead-letters", "replay", "17", "18", "--reason", "fixed"],
        &["experiment", "list"],
        &["experiment", "stop", "3", "--reason", "enough"],
        &["revive", "bank/audit", "--reason", "fixed"],
        &["policy", "reload", "--reason", "edited"],
    ];
    for arguments in commands {
        let ran = regrow(fake.folder(), arguments);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{arguments:?}");
        assert_ne!(ran.out, "", "{arguments:?}");
    }
}

#[test]
fn not_well_is_1_and_only_if_it_is_asked() {
    let fake = Fake::bank();
    assert_eq!(regrow(fake.folder(), &["status", "bank/tellers/ledger"]).code, 1);
    assert_eq!(regrow(fake.folder(), &["ps", "--check"]).code, 1);
    assert_eq!(regrow(fake.folder(), &["ps"]).code, 0);
    let well = Fake::new(|request| match request.path() {
        "/v1/services" => {
            let mut services = data::services();
            services.unwell.clear();
            services.rows.clear();
            services.totals.by_state.clear();
            Reply::ok(&services)
        }
        "/v1/service" => {
            let mut full = data::full();
            full.service = data::service("bank/clock");
            Reply::ok(&full)
        }
        _ => bank(request),
    });
    assert_eq!(regrow(well.folder(), &["status", "bank/clock"]).code, 0);
    assert_eq!(regrow(well.folder(), &["ps", "--check"]).code, 0);
}

#[test]
fn a_wrong_command_line_is_2() {
    let fake = Fake::bank();
    let wrong: [&[&str]; 9] = [
        &["ps", "--sort", "beauty"],
        &["status"],
        &["kill", "bank/audit"],
        &["kill", "bank/audit", "--reason", " "],
        &["kill", "bank/audit", "--reason", "no terminal"],
        &["history", "--at", "yesterday"],
        &["dead-letters", "replay", "--reason", "none is named"],
        &["experiment", "run", "/is/not/there.toml", "--reason", "x"],
        &["ps", "--tcp", "127.0.0.1:1"],
    ];
    for arguments in wrong {
        let ran = regrow(fake.folder(), arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}: {}", ran.err);
    }
    assert!(fake.requests().iter().all(|request| request.method == "GET"), "nothing was done");
    let refused = against(|| Reply::refused(400, IssueCode::BadRequest, "the pattern `[` has no end"), &["ps", "["]);
    assert_eq!(refused, (2, "the pattern `[` has no end\n".to_owned()));
}

#[test]
fn no_program_is_3() {
    let nothing = tempfile::tempdir().expect("a folder");
    let ran = regrow(nothing.path(), &["ps"]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("listen_unix"), "{}", ran.err);
    let ran = regrow(nothing.path(), &["ps", "--socket", "/is/not/there.sock"]);
    assert_eq!((ran.code, ran.err.as_str()), (3, "there is no socket /is/not/there.sock\n"));
}

#[test]
fn what_is_not_there_is_4() {
    for code in [IssueCode::UnknownPath, IssueCode::UnknownTree, IssueCode::UnknownNumber, IssueCode::BeforeBegin] {
        let status = code as u8;
        let reply = move || Reply::refused(404, code, "no child `bank/audti`: `bank/audit` is there");
        let fake = Fake::new(move |request| if request.path() == "/v1" { bank(request) } else { reply() });
        let ran = regrow(fake.folder(), &["status", "bank/audti"]);
        assert_eq!(ran.code, 4, "{status}");
        assert_eq!(ran.err, "no child `bank/audti`: `bank/audit` is there\n");
    }
    // The moment is told as a clock shows it.
    let early = json!({"schema": SCHEMA, "outcome": "refused", "issues": [{"code": "before_begin", "text": "too early",
        "about": data::NOW.to_string()}]});
    let fake = Fake::new(move |request| match request.path() {
        "/v1/history" => Reply::Json(404, early.clone()),
        _ => bank(request),
    });
    let ran = regrow(fake.folder(), &["history", "--at", "-1h"]);
    assert_eq!(ran.code, 4);
    assert_eq!(ran.err, "the record begins at 2026-11-29 03:12:00.000Z: ask for a later moment\n");
}

#[test]
fn a_refused_act_is_5() {
    let act = ["kill", "bank/audit", "--yes", "--reason", "x"];
    let refused = against(|| Reply::refused(409, IssueCode::AlreadyReplaced, "already replaced: 9 is up"), &act);
    assert_eq!(refused, (5, "already replaced: 9 is up\n".to_owned()));
    let refused = against(|| Reply::refused(409, IssueCode::NotApplicable, "a task cannot be parked"), &act);
    assert_eq!(refused, (5, "a task cannot be parked\n".to_owned()));
    let (code, text) = against(|| Reply::refused(403, IssueCode::MissingCapability, "`control` is needed"), &act);
    assert_eq!(code, 5);
    assert!(text.contains("Admin::grant(Capability::Control)"), "the text says what to write: {text}");
    let failed = json!({"act": "kill", "path": "bank/audit", "by": "uid 0", "reason": "x", "outcome": "it is down",
        "is_done": false});
    let fake = Fake::new(move |request| if request.path() == "/v1/acts" { Reply::ok(&failed) } else { bank(request) });
    let ran = regrow(fake.folder(), &act);
    assert_eq!((ran.code, ran.err.as_str(), ran.out.as_str()), (5, "it is down\n", ""));
}

#[test]
fn a_lost_connection_or_an_error_of_the_server_is_6() {
    assert_eq!(against(|| Reply::Bytes(Vec::new()), &["ps"]).0, 6);
    let cut = || Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"schema\"".to_vec());
    assert_eq!(against(cut, &["ps"]).0, 6);
    let failed = || {
        Reply::Json(
            500,
            json!({"schema": SCHEMA, "outcome": "failed", "issues": [{"code": "internal",
        "text": "the directory is gone"}]}),
        )
    };
    assert_eq!(against(failed, &["ps"]), (6, "the directory is gone\n".to_owned()));
    let newer = || {
        Reply::Json(
            418,
            json!({"schema": SCHEMA, "outcome": "refused", "issues": [{"code": "a_new_kind",
        "text": "in new words"}]}),
        )
    };
    assert_eq!(against(newer, &["ps"]), (6, "in new words\n".to_owned()));
    let (code, text) = against(|| Reply::Json(200, json!("hello\u{1b}[2J")), &["ps"]);
    assert!(code == 6 && text.contains("no admin source of regrow") && !text.contains('\u{1b}'), "{code}: {text}");
}

#[test]
fn a_program_that_does_not_answer_is_6() {
    let fake = Fake::new(|request| {
        // The answer never comes while the command waits.
        if request.path() != "/v1" {
            std::thread::park_timeout(Duration::from_secs(60));
        }
        bank(request)
    });
    let ran = regrow(fake.folder(), &["ps", "--timeout", "50ms"]);
    assert_eq!(ran.code, 6);
    assert!(ran.err.contains("no answer within 50ms"), "{}", ran.err);
}

#[test]
fn another_version_of_the_data_is_7() {
    let newer = || Reply::Json(200, json!({"schema": SCHEMA + 1, "outcome": "ok", "data": {"rows": 7}}));
    let (code, text) = against(newer, &["ps"]);
    assert_eq!(code, 7);
    assert!(text.contains("this command is older"), "{text}");
    let (code, text) = against(|| Reply::refused(409, IssueCode::SchemaMismatch, "version 2 is spoken here"), &["ps"]);
    assert_eq!((code, text.as_str()), (7, "version 2 is spoken here\n"));
    let older = || Reply::Json(200, json!({"schema": 0, "outcome": "ok"}));
    assert!(against(older, &["ps"]).1.contains("the program is older"));
}

#[test]
fn the_help_of_each_command_names_the_codes() {
    let nothing = tempfile::tempdir().expect("a folder");
    for command in ["ps", "tree", "status", "why", "events", "history", "dead-letters", "kill", "park", "revive"] {
        let ran = regrow(nothing.path(), &[command, "--help"]);
        assert_eq!(ran.code, 0);
        assert!(ran.out.contains("7  the program speaks another version"), "{command}: {}", ran.out);
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() {
    use std::process::Stdio;

    let fake = Fake::bank();
    let mut command = crate::program::command(fake.folder(), &["ps"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    // The pipe is closed before the first line: the command waits for its source first.
    drop(child.stdout.take());
    let ran = crate::program::ran(&child.wait_with_output().expect("it ends"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}
