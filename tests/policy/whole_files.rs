//! A policy file that is no policy file as a whole: each is refused with one clear error.

use std::fs;

use regrow::policy::{Policies, Problem};
use tempfile::TempDir;

fn read(bytes: &[u8]) -> Result<Policies, regrow::policy::PolicyFileErrors> {
    let dir = TempDir::new().expect("a directory for a moment");
    let file = dir.path().join("policy.toml");
    fs::write(&file, bytes).expect("it can be written");
    Policies::read(&file)
}

fn only(bytes: &[u8]) -> Problem {
    let refused = read(bytes).expect_err("it is refused");
    assert_eq!(refused.problems().len(), 1, "{refused}");
    refused.problems()[0].clone()
}

#[test]
fn an_empty_file_is_warned_of() {
    for text in ["", "\n\n", "# nothing but a comment\n"] {
        let policies = Policies::parse(text, "policy.toml").expect("there is nothing wrong with it");
        let warnings: Vec<_> = policies.warnings().iter().map(Problem::message).collect();
        assert_eq!(warnings, ["this file sets nothing"]);
    }
}

#[test]
fn a_huge_file_is_refused_with_its_size() {
    let problem = only(&vec![b'#'; 1024 * 1024 + 1]);
    assert!(problem.message().ends_with("is 1048577 bytes long, and a policy file has 1048576 at most"), "{problem}");
    assert!(read(&vec![b'#'; 1024 * 1024]).is_ok());
}

#[test]
fn a_file_that_is_not_utf8_is_refused_with_the_offset() {
    let problem = only(b"[defaults]\nrestart = \"\xff\"\n");
    assert_eq!((problem.line(), problem.column()), (Some(2), Some(12)));
    assert_eq!(problem.message(), "this file is not UTF-8");
    assert!(problem.to_string().contains("the byte 0xff at offset 22"), "{problem}");
}

// Editors of one system put a mark in front of a text, and end its lines in a way of their own.
#[test]
fn a_byte_order_mark_and_carriage_returns_are_no_part_of_what_is_said() {
    let policies = read(b"\xef\xbb\xbf[defaults]\r\ndelay = \"1s\"\r\n").expect("there is nothing wrong with it");
    let explained = policies.explain("a", None);
    let delay = explained.setting("delay").unwrap();
    assert!(delay.value() == "1s" && delay.origin().ends_with("policy.toml:2"), "{delay:?}");
}

// Its length is said to be zero, and it never ends.
#[cfg(target_os = "linux")]
#[test]
fn a_device_is_read_no_further_than_a_file_may_go() {
    let refused = Policies::read("/dev/zero").expect_err("it is refused");
    assert!(refused.to_string().contains("is 1048577 bytes long"), "{refused}");
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let missing = Policies::read("no/such/policy.toml").expect_err("it is not there");
    let problem = &missing.problems()[0];
    assert!(problem.message().starts_with("cannot read no/such/policy.toml: no such file"), "{problem}");
    assert!(Policies::read(".").is_err(), "a directory");
}

#[test]
fn a_file_that_was_cut_off_anywhere_has_one_syntax_error_or_none() {
    let whole = include_str!("whole.toml");
    for cut in (0..whole.len()).filter(|cut| whole.is_char_boundary(*cut)) {
        let Err(refused) = Policies::parse(&whole[..cut], "policy.toml") else { continue };
        let broken = refused.problems().iter().filter(|problem| problem.message().starts_with("not TOML")).count();
        assert!(broken <= 1, "cut at {cut}: {refused}");
        let lines = whole[..cut].lines().count().max(1);
        assert!(refused.problems().iter().all(|problem| problem.line().is_some_and(|line| line <= lines)), "{refused}");
    }
}

#[test]
fn a_half_written_line_is_told_with_its_place() {
    let problem = only(b"[defaults]\ndelay = \"100ms\"\n\n[path.\"shop/wor");
    assert_eq!(problem.line(), Some(4), "{problem}");
    assert!(problem.message().starts_with("not TOML: "), "{problem}");
    let problem = only(b"[defaults]\ndelay =");
    assert_eq!((problem.line(), problem.message()), (Some(2), "not TOML: a value is missing"));
}
