//! Dumps of histories, as `regrow history FILE` reads them.

use std::time::Duration;

use regrow::admin::wire::query::HistoryQuery;
use regrow::admin::{Dump, DumpError};
use regrow::operate::doors;
use regrow::operate::text::{self, Screen};

use crate::targets::{is_line_of, is_shown_safely};

/// A dump.
pub(super) fn dump(data: &[u8]) {
    let dump = match Dump::read(data) {
        Ok(dump) => dump,
        Err(DumpError::Io(error)) => panic!("there is no file that could fail: {error}"),
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let lines = data.split(|byte| *byte == b'\n').count();
    match &dump.damage {
        Some(damage) => {
            // The line behind the last one is that which is missing.
            assert!(damage.line >= 2 && damage.line <= lines as u64 + 1, "{damage} of {lines} lines");
            assert_eq!(damage.line, dump.entries.len() as u64 + 2, "{damage}");
            assert_eq!(damage.lost, dump.header.entries - dump.entries.len() as u64, "{damage}");
        }
        None => {
            assert_eq!(dump.header.entries, dump.entries.len() as u64);
            written_back(&dump);
        }
    }
    if let Some(Ok(text)) = dump.damage.is_none().then(|| std::str::from_utf8(data)) {
        is_line_of(dump.entries.len() + 1, text);
    }
    told(&dump);
}

/// What was read is written and read again.
fn written_back(dump: &Dump) {
    let mut lines = serde_json::to_string(&dump.header).expect("it is data") + "\n";
    for entry in &dump.entries {
        lines += &(serde_json::to_string(entry).expect("it is data") + "\n");
    }
    assert_eq!(Dump::read(lines.as_bytes()).expect("it was read before"), *dump);
}

/// Every moment can be told, and nothing hostile reaches the terminal.
fn told(dump: &Dump) {
    let mut times = vec![Duration::ZERO, Duration::from_micros(dump.header.now_us), Duration::MAX];
    times.extend(dump.entries.iter().take(50).map(|entry| entry.at()));
    for time in times {
        match dump.at(time) {
            Ok(children) => {
                assert!(children.is_sorted_by(|a, b| a.path < b.path), "a path comes twice, or out of order");
                let known = |path: &str| dump.entries.iter().any(|entry| entry.path == path);
                assert!(children.iter().all(|child| known(&child.path)), "a child without an entry");
            }
            Err(early) => assert!(time < early.begins && early.asked == time, "{early}"),
        }
    }
    let moments = [None, Some(0), Some(u64::MAX), Some(dump.header.boot_unix_us / 1_000 + 5)];
    for at_ms in moments.into_iter().chain(dump.entries.last().map(|entry| Some(entry.at_us / 1_000))) {
        let query = HistoryQuery { at_ms, limit: Some(100), ..HistoryQuery::default() };
        match doors::history(dump, &query) {
            Ok(history) => {
                assert!(history.entries.len() <= 100 && history.entries.is_sorted_by(|a, b| a.seq > b.seq));
                is_shown_safely(&text::history(&history, 5, &Screen::plain(80)));
            }
            Err(text) => is_shown_safely(&text),
        }
    }
}
