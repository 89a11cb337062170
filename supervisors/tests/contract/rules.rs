//! `RULES.md`: its numbers are whole, and every rule that the code cites is on the page.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../../RULES.md");

/// The numbers of the page's rules, in the order in which they stand there.
fn rules() -> Vec<u32> {
    PAGE.lines().filter_map(|line| line.split_once(". ")?.0.parse().ok()).collect()
}

/// The rules that a text cites: `rule 3`, `rules 3, 5 and 7 to 9`, also over the lines of a comment.
fn cited(text: &str) -> BTreeSet<u32> {
    let bare = |line: &str| line.trim_start_matches([' ', '+', '/', '!', '*']).trim_end().to_owned();
    let text = text.lines().map(bare).collect::<Vec<_>>().join(" ");
    let mut found = BTreeSet::new();
    for (at, word) in text.match_indices("rule") {
        let rest = &text[at..][word.len()..];
        let Some(mut rest) = rest.strip_prefix("s ").or_else(|| rest.strip_prefix(' ')) else { continue };
        let mut first: Option<u32> = None;
        loop {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let Ok(number) = rest[..digits].parse() else { break };
            found.extend(first.take().unwrap_or(number)..=number);
            rest = &rest[digits..];
            if let Some(after) = rest.strip_prefix(" to ") {
                (first, rest) = (Some(number), after);
            } else if let Some(after) = rest.strip_prefix(", ").or_else(|| rest.strip_prefix(" and ")) {
                rest = after;
            } else {
                break;
            }
        }
    }
    found
}

/// The files below a path that may cite rules.
fn texts(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        return entries.filter(|path| !path.ends_with("target")).flat_map(|path| texts(&path)).collect();
    }
    let is_text = path.extension().is_some_and(|end| ["rs", "md", "patch"].iter().any(|text| end == *text));
    if is_text { vec![path.to_owned()] } else { Vec::new() }
}

#[test]
fn the_rules_are_numbered_without_a_gap_or_a_duplicate() {
    let mut numbers = rules();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=107).collect::<Vec<_>>());
}

/// The workspace around this package, which the published package is without.
fn workspace() -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    workspace.join("supervisors/RULES.md").exists().then_some(workspace)
}

/// The texts of this package but this one, and of these rooms of the workspace.
fn texts_of(rooms: &[&str]) -> Vec<(PathBuf, String)> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files =
        [texts(&package.join("src")), texts(&package.join("tests")), texts(&package.join("RULES.md"))].concat();
    files.retain(|path| !path.ends_with("contract/rules.rs"));
    files.extend(workspace().iter().flat_map(|workspace| rooms.iter().flat_map(|room| texts(&workspace.join(room)))));
    files.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn every_rule_that_is_cited_is_on_the_page() {
    let rules = BTreeSet::from_iter(rules());
    let mut citations = 0;
    for (path, text) in texts_of(&["src", "tests", "benches", "examples", "README.md", "CHANGELOG.md"]) {
        let numbers = cited(&text);
        citations += numbers.len();
        let unknown: Vec<_> = numbers.difference(&rules).collect();
        assert!(unknown.is_empty(), "{} cites rules that are not in RULES.md: {unknown:?}", path.display());
    }
    assert!(citations > 200, "only {citations} citations were found: the search is blind");
}

// Found by a review: comments sent the reader to lists that are kept elsewhere, and said no reason.
#[test]
fn no_comment_cites_a_list_that_is_not_in_the_repository() {
    for (path, text) in texts_of(&["src", "tests"]) {
        for list in ["PITFALLS", "FINDINGS", "DESIGN ", "OTP section"] {
            assert!(!text.contains(list), "{} cites {list}: give the reason in its place", path.display());
        }
    }
}

#[test]
fn citations_are_found_in_all_their_forms() {
    let cases: [(&str, &[u32]); 6] = [
        ("/// Gives up (OTP rule 28).", &[28]),
        ("// OTP rules 3, 5 and 900: \"as is\".", &[3, 5, 900]),
        ("//! first line (OTP rules 73\n//! to 75, 80)", &[73, 74, 75, 80]),
        ("/// [OTP rule\n    /// 100](crate::rules)", &[100]),
        ("//! (OTP rules 38 to 40; 41 is elsewhere)", &[38, 39, 40]),
        ("let rule = rules[3]; ruler 4", &[]),
    ];
    for (text, rules) in cases {
        assert_eq!(cited(text), rules.iter().copied().collect(), "{text}");
    }
}
