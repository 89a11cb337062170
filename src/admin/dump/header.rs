//! The first line of a dump.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::admin::dump::SCHEMA;
use crate::recorder::history::{History, RingBegins};

/// First line of a dump. Times are microseconds on the clock of the tree, if not said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DumpHeader {
    /// Version of the lines.
    pub schema: u32,
    /// Path of the root.
    pub tree: String,
    /// Process that wrote it.
    pub pid: u32,
    /// Time of the system at the zero of the tree's clock, in microseconds since 1970.
    pub boot_unix_us: u64,
    /// Time at which the history was taken.
    pub now_us: u64,
    /// Begin of the ring of failures, parks, give-ups and acts.
    pub failures: DumpRing,
    /// Begin of the ring of ordinary starts and ends.
    pub ordinary: DumpRing,
    /// Number of the lines that follow.
    pub entries: u64,
    /// Number of the entries ever noted.
    pub counts: Vec<DumpCount>,
}

/// Begin of a ring: see [`RingBegins`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DumpRing {
    /// Number from which on no entry is missing.
    pub seq: u64,
    /// Time from which on no entry is missing.
    pub at_us: u64,
    /// Whether entries were pushed out.
    pub is_cut: bool,
    /// Number of entries that were pushed out.
    #[serde(default)]
    pub evicted: u64,
}

/// Number of the entries of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DumpCount {
    /// Kind, as one word.
    pub event: String,
    /// Cause, if an incarnation ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Number.
    pub count: u64,
}

impl DumpHeader {
    pub(super) fn of(history: &History) -> Self {
        let boot = history.boot.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let count = |count: &crate::WordCount| DumpCount {
            event: count.kind.to_owned(),
            cause: count.cause.map(|cause| cause.word().to_owned()),
            count: count.count,
        };
        Self {
            schema: SCHEMA,
            tree: history.tree.to_string(),
            pid: std::process::id(),
            boot_unix_us: micros(boot),
            now_us: micros(history.now),
            failures: ring(history.failures),
            ordinary: ring(history.ordinary),
            entries: history.entries.len() as u64,
            counts: history.counts.iter().map(count).collect(),
        }
    }
}

fn ring(begins: RingBegins) -> DumpRing {
    // Rounded up: what was pushed out lies before.
    let at_us = micros(begins.at.saturating_add(Duration::from_nanos(999)));
    DumpRing { seq: begins.seq, at_us, is_cut: begins.is_cut, evicted: begins.evicted }
}

/// Whole microseconds of a time.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
