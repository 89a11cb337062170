//! Whatever is written into a policy file: it is read or refused, nothing panics, and every problem has a place in it.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use regrow::policy::{ExitScript, Policies, PolicyFileErrors, simulate};

const SEEDS: [&str; 2] = [include_str!("whole.toml"), include_str!("five_mistakes.toml")];
const PIECES: [&str; 20] = [
    "\"",
    "[",
    "]",
    "{",
    "}",
    "=",
    "\n",
    "\r",
    "'''",
    "\"\"\"",
    "#",
    "-",
    "999999999999999999999",
    "nan",
    "é",
    "\u{0}",
    "[[path.x]]",
    "\"400d\"",
    "**",
    "\\u{d800}",
];

fn mutated(chance: &mut StdRng) -> String {
    let mut text = SEEDS[chance.random_range(0..SEEDS.len())].as_bytes().to_vec();
    for _ in 0..chance.random_range(1..6) {
        let at = chance.random_range(0..=text.len());
        match chance.random_range(0..6) {
            0 => text.truncate(at),
            1 => {
                let other = SEEDS[chance.random_range(0..SEEDS.len())].as_bytes();
                let from = chance.random_range(0..other.len());
                let to = chance.random_range(from..other.len().min(from + 60));
                text.splice(at..at, other[from..=to].iter().copied());
            }
            2 if at < text.len() => text[at] ^= 1 << chance.random_range(0..8),
            3 => {
                let until = (at + chance.random_range(0..40)).min(text.len());
                text.drain(at..until);
            }
            _ => {
                let piece = PIECES[chance.random_range(0..PIECES.len())];
                text.splice(at..at, piece.bytes());
            }
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn check_places(text: &str, refused: &PolicyFileErrors) {
    let lines: Vec<_> = text.split('\n').collect();
    for problem in refused.problems() {
        let line = problem.line().expect("every problem of a text has a line");
        assert!(line >= 1 && line <= lines.len(), "{problem:?}");
        let column = problem.column().expect("and a column");
        assert!(column >= 1 && column <= lines[line - 1].chars().count() + 1, "{problem:?}");
        assert!(!problem.to_string().is_empty());
    }
}

#[test]
fn thousands_of_broken_files_are_read_or_refused_with_a_place() {
    let script = ExitScript::parse("panic after 1s *3; start fails; hang after 1s; lives").expect("it can be read");
    let (mut good, mut bad) = (0, 0);
    for seed in 0..3000 {
        let text = mutated(&mut StdRng::seed_from_u64(seed));
        match Policies::parse(&text, "policy.toml") {
            Ok(policies) => {
                good += 1;
                for path in ["shop/workers/w1", "shop/till", "shop/workers", "shop", ""] {
                    let _ = policies.explain(path, None).to_string();
                }
                let _ = policies.unmatched(&["shop/workers/w1"]);
                if let Ok(told) = simulate(&policies, "shop/till", &script, seed) {
                    let _ = told.to_string();
                }
            }
            Err(refused) => {
                bad += 1;
                check_places(&text, &refused);
            }
        }
    }
    assert!(good > 100 && bad > 1000, "the mutations are of both kinds: {good} good, {bad} bad");
}

#[test]
fn deep_nesting_is_refused() {
    for open in ["[", "{ a = "] {
        let text = format!("[defaults]\nrules = {}", open.repeat(10_000));
        check_places(&text, &Policies::parse(&text, "policy.toml").expect_err("that is no policy"));
    }
}

#[test]
fn a_file_full_of_mistakes_is_refused_in_good_time() {
    let text = format!("[defaults]\n{}", (0..5000).map(|at| format!("delya{at} = 1\n")).collect::<String>());
    let refused = Policies::parse(&text, "policy.toml").expect_err("nobody knows these fields");
    assert_eq!(refused.problems().len(), 5000);
    check_places(&text, &refused);
}
