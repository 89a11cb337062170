//! `regrow history`: the record, and the tree as it was.

use crate::admin::wire::history::{Begin, History, Was};
use crate::admin::wire::services::Totals;
use crate::operate::text::branches::{Leaf, branches};
use crate::operate::text::event::entry;
use crate::operate::text::headline::{counts, many};
use crate::operate::text::screen::{Colour, Screen, wrap};
use crate::operate::text::{ago, clock, safe};

/// Entries that are shown before and after the moment of the tree as it was.
const BEFORE: usize = 15;
const AFTER: usize = 5;

/// Returns the text of `regrow history`: where the record begins, and the entries, oldest first. If the tree as it was is
/// asked for, it comes first, with what was not well at its head, and the entries are those around that moment.
pub fn history(history: &History, fold: usize, screen: &Screen) -> String {
    let mut out = String::new();
    for line in wrap(&begins(history), screen.width()) {
        out.push_str(&format!("{}\n", screen.paint(Colour::Dim, &line)));
    }
    match history.at_ms {
        Some(at) => {
            as_it_was(history, at, fold, screen, &mut out);
            around(history, at, screen, &mut out);
        }
        None => {
            if history.next.is_some() {
                out.push_str(&screen.paint(Colour::Dim, "older entries are left out: --limit N shows more"));
                out.push('\n');
            }
            history.entries.iter().rev().for_each(|event| out.push_str(&entry(event, screen)));
            if history.entries.is_empty() {
                out.push_str("no entries\n");
            }
        }
    }
    out
}

/// Writes the last entries before the moment, and the first ones after it.
fn around(history: &History, at_ms: u64, screen: &Screen, out: &mut String) {
    let later = history.entries.partition_point(|event| event.at_ms > at_ms);
    let (after, before) = history.entries.split_at(later);
    out.push('\n');
    before.iter().take(BEFORE).rev().for_each(|event| out.push_str(&entry(event, screen)));
    out.push_str(&format!("{}\n", screen.paint(Colour::Yellow, &format!("-- {}", clock(at_ms)))));
    after.iter().rev().take(AFTER).for_each(|event| out.push_str(&entry(event, screen)));
}

fn as_it_was(history: &History, at_ms: u64, fold: usize, screen: &Screen, out: &mut String) {
    let mut totals = Totals::default();
    for was in &history.as_it_was {
        totals.children += 1;
        *totals.by_state.entry(was.state).or_default() += 1;
    }
    let (tree, then, ago) = (safe(&history.tree), clock(at_ms), ago(at_ms, history.now_ms));
    let head = format!("{tree} as it was at {then}, {ago}: {}", counts(&totals));
    out.push('\n');
    for line in wrap(&head, screen.width()) {
        out.push_str(&format!("{}\n", screen.paint(Colour::Bold, &line)));
    }
    let leaf = |was: &Was| Leaf {
        path: was.path.clone(),
        state: was.state,
        note: if was.generation > 0 { format!("generation {}", was.generation) } else { String::new() },
    };
    let unwell = history.as_it_was.iter().filter(|was| was.state.is_unwell());
    for was in unwell {
        let state = crate::operate::text::word(was.state);
        let line = format!("{}  {state}, generation {}", safe(&was.path), was.generation);
        out.push_str(&format!("{}\n", screen.paint(Colour::Yellow, &line)));
    }
    out.push('\n');
    // What was not well came first.
    let mut leaves: Vec<Leaf> = history.as_it_was.iter().map(leaf).collect();
    leaves.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
    branches(&leaves, fold, screen, out);
    if history.next_was.is_some() {
        let read = many(leaves.len() as u64, "child", "children");
        let more = format!("{read} were read, and there were more: --below PATH shows a part");
        out.push_str(&format!("{}\n", screen.paint(Colour::Yellow, &more)));
    }
}

fn begins(history: &History) -> String {
    let ring = |what: &str, begin: Begin| {
        let evicted = match begin.evicted {
            0 => "nothing is missing".to_owned(),
            evicted => format!("{evicted} older ones are missing"),
        };
        format!("{what} since {} ({evicted})", clock(begin.at_ms))
    };
    let failures = ring("failures, parks and acts", history.failures_begin);
    let ordinary = ring("ordinary starts and ends", history.ordinary_begin);
    format!("{}: the record holds {failures}, and {ordinary}", safe(&history.tree))
}
