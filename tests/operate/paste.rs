//! The commands that a text offers can be pasted: a shell splits them, and the program understands them.

use std::process::Command;

use clap::Parser;
use regrow::admin::wire::services::Service;
use regrow::operate::Operate;
use regrow::operate::text::{self, Screen};

use crate::data;

#[derive(Debug, Parser)]
struct Program {
    #[command(subcommand)]
    operate: Operate,
}

/// The commands in a text, without what is before them on their lines.
fn offered(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.find("regrow ").map(|at| &line[at..])).collect()
}

/// The words of a command as bash splits them.
fn words(command: &str) -> Vec<String> {
    let script = format!("printf '%s\\0' {command}");
    let output = Command::new("bash").args(["-c", &script]).output().expect("bash runs");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.split_terminator('\0').map(str::to_owned).collect()
}

fn is_understood(command: &str) -> Vec<String> {
    let words = words(command);
    let parsed = Program::try_parse_from(&words);
    assert!(parsed.is_ok(), "{command}: {}", parsed.expect_err("it is an error"));
    words
}

#[test]
fn every_command_in_the_texts_is_understood() {
    let screen = Screen::plain(40).command("regrow", ["--of", "my bank"]);
    let texts = [
        text::ps(&data::services(), Some(&data::greeting()), &screen),
        text::tree(&data::services(), Some(&data::greeting()), 3, &screen),
        text::status(&data::full(), data::NOW, false, &screen),
        text::why(&data::full(), &screen),
        text::letter(&data::letter(), &screen),
    ];
    for text in texts {
        let commands = offered(&text);
        assert!(!commands.is_empty(), "a command acts now: {text}");
        for command in commands {
            let words = is_understood(command);
            assert!(words.contains(&"my bank".to_owned()), "{words:?}");
        }
    }
}

#[test]
fn every_kind_of_act_that_a_child_offers_is_understood() {
    let mut full = data::full();
    full.acts = ["kill", "restart", "terminate", "start", "park", "revive"].map(str::to_owned).to_vec();
    let text = text::status(&full, data::NOW, false, &Screen::plain(120));
    // The last one shows the rest of the policy.
    assert_eq!(offered(&text).into_iter().map(is_understood).count(), 6 + 1, "{text}");
    assert!(text.contains("regrow kill --generation 7 --reason 'by hand' bank/tellers/ledger"), "{text}");
}

// Found by an operator over ssh: what `regrow status` had offered was refused, because there was no terminal to ask on.
#[test]
fn without_a_terminal_an_act_that_disturbs_is_offered_with_its_consent() {
    let mut full = data::full();
    full.acts = ["kill", "revive"].map(str::to_owned).to_vec();
    let text = text::status(&full, data::NOW, false, &Screen::plain(120).asking(false));
    assert!(text.contains("regrow kill --generation 7 --reason 'by hand' --yes bank/tellers/ledger"), "{text}");
    assert!(text.contains("regrow revive --reason 'by hand' bank/tellers/ledger"), "{text}");
    offered(&text).into_iter().for_each(|command| drop(is_understood(command)));
}

#[test]
fn a_path_comes_out_of_the_shell_as_it_was() {
    for path in [
        "bank/it's",
        "bank/a b",
        "-bank/x",
        "bank/$(rm)`x`",
        "bank/\"q\"",
        "bank/é",
        "bank/a\u{1b}[2J\u{202e}b\\'",
        "bank/*",
    ] {
        let service = Service { path: path.into(), ..data::parked() };
        let mut services = data::services();
        services.unwell = vec![service];
        let text = text::ps(&services, None, &Screen::plain(40));
        let words = is_understood(offered(&text)[0]);
        assert_eq!(words.last().map(String::as_str), Some(path));
    }
}

#[test]
fn an_offer_that_is_not_known_is_shown_as_it_came() {
    let mut services = data::services();
    services.unwell[0].act = Some("ask the \u{1b}[1madmin".into());
    let text = text::ps(&services, None, &Screen::plain(120));
    assert!(text.contains("    ask the \\u{1b}[1madmin\n"), "{text}");
}
