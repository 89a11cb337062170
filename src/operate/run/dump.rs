//! A dump of a history, read from a file, as the source would have told it.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use crate::admin::wire::act::Acted;
use crate::admin::wire::history::{Begin, Entry, History, Was};
use crate::admin::wire::query::HistoryQuery;
use crate::admin::wire::services::State;
use crate::admin::{Dump, DumpAct, DumpEntry, DumpError, DumpRing};
use crate::operate::code::Code;
use crate::operate::text::{clock, safe};
use crate::operate::trouble::Trouble;

/// Reads the file. A file that is cut off or damaged gives what is before the damage, and says so on standard error.
///
/// # Errors
///
/// The file is no dump, is of another version, or cannot be read.
pub(crate) fn read(file: &Path) -> Result<Dump, Trouble> {
    let name = safe(&file.display().to_string()).into_owned();
    let opened = File::open(file).map_err(|error| Trouble::usage(format!("{name} cannot be read: {error}")))?;
    let dump = Dump::read(BufReader::new(opened)).map_err(|error| {
        let code = match error {
            DumpError::OtherSchema { .. } => Code::Schema,
            DumpError::Io(_) | DumpError::NoDump { .. } => Code::Usage,
        };
        Trouble::new(code, format!("{name}: {}", safe(&error.to_string())))
    })?;
    if let Some(damage) = &dump.damage {
        eprintln!("{name}: {}", safe(&damage.to_string()));
    }
    Ok(dump)
}

/// Returns the time of the wall clock at which the dump was made.
pub(crate) fn made_at_ms(dump: &Dump) -> u64 {
    at_ms(dump, dump.header.now_us)
}

/// Answers the query from the dump.
///
/// # Errors
///
/// The moment that is asked for lies before the begin of the record.
pub(crate) fn answer(dump: &Dump, query: &HistoryQuery) -> Result<History, Trouble> {
    let is_wanted = |entry: &&DumpEntry| !query.failures || entry.is_failure;
    let below = query.below.as_deref().unwrap_or(&dump.header.tree);
    let limit = usize::try_from(query.limit.unwrap_or(u32::MAX)).unwrap_or(usize::MAX);
    let all: Vec<&DumpEntry> = dump.below(below).rev().filter(is_wanted).collect();
    let entries: Vec<Entry> = all.iter().take(limit).map(|entry| told(dump, entry)).collect();
    let next = if all.len() > limit { entries.last().map(|last| last.seq) } else { None };
    let is_below =
        |was: &Was| was.path == below || was.path.strip_prefix(below).is_some_and(|rest| rest.starts_with('/'));
    let as_it_was = match query.at_ms {
        Some(at) => as_it_was(dump, at)?.into_iter().filter(is_below).collect(),
        None => Vec::new(),
    };
    Ok(History {
        tree: dump.header.tree.clone(),
        now_ms: made_at_ms(dump),
        failures_begin: begin(dump, dump.header.failures),
        ordinary_begin: begin(dump, dump.header.ordinary),
        entries,
        as_it_was,
        next_was: None,
        at_ms: query.at_ms,
        next,
    })
}

fn as_it_was(dump: &Dump, moment_ms: u64) -> Result<Vec<Was>, Trouble> {
    // The whole millisecond: an entry is shown with this moment if it was noted in it.
    let end = Duration::from_millis(moment_ms).saturating_add(Duration::from_micros(999));
    let moment = UNIX_EPOCH.checked_add(end).unwrap_or(UNIX_EPOCH);
    let too_early = |begins_ms: u64| {
        let (tree, begins, asked) = (safe(&dump.header.tree), clock(begins_ms), clock(moment_ms));
        let text = format!("the record of {tree} begins at {begins}: {asked} is earlier, ask for a later moment");
        Trouble::new(Code::Unknown, text)
    };
    // The tree was not made yet.
    if moment_ms < at_ms(dump, 0) {
        return Err(too_early(at_ms(dump, 0)));
    }
    let past = dump.at(dump.tree_time(moment)).map_err(|early| {
        let begins = u64::try_from(early.begins.as_micros()).unwrap_or(u64::MAX);
        too_early(at_ms(dump, begins).saturating_add(1))
    })?;
    let was = |status: crate::PastStatus| {
        Some(Was { path: status.path.to_string(), state: state(status.state.word())?, generation: status.generation })
    };
    Ok(past.into_iter().filter_map(was).collect())
}

fn told(dump: &Dump, entry: &DumpEntry) -> Entry {
    Entry {
        seq: entry.seq,
        at_ms: at_ms(dump, entry.at_us),
        path: entry.path.clone(),
        generation: entry.generation,
        before: state(&entry.before),
        kind: entry.event.clone(),
        cause: entry.exit.as_ref().map(|exit| exit.kind.clone()),
        text: entry.text.clone(),
        is_failure: entry.is_failure,
        act: entry.act.as_ref().and_then(|act| acted(act, &entry.path)),
    }
}

fn acted(act: &DumpAct, path: &str) -> Option<Acted> {
    Some(Acted {
        // A kind of act that this version does not know is told by the text of the entry.
        act: serde_json::from_value(serde_json::Value::String(act.kind.clone())).ok()?,
        path: path.to_owned(),
        by: act.by.clone(),
        reason: act.reason.clone(),
        generation: act.generation,
        outcome: act.refused.clone().unwrap_or_else(|| "done".to_owned()),
        is_done: act.refused.is_none(),
    })
}

/// Returns the state with this name; nothing for a child that was not there.
fn state(word: &str) -> Option<State> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}

fn begin(dump: &Dump, ring: DumpRing) -> Begin {
    // A ring that was cut has lost one at least.
    Begin { seq: ring.seq, at_ms: at_ms(dump, ring.at_us), evicted: ring.evicted.max(u64::from(ring.is_cut)) }
}

/// Returns the moment of a time of the tree's clock.
fn at_ms(dump: &Dump, at_us: u64) -> u64 {
    dump.header.boot_unix_us.saturating_add(at_us) / 1_000
}
