//! The recorder of a tree: what happened to its children, as the events told it.
//!
//! | file | idea |
//! |---|---|
//! | `mod.rs` | the two rings, and the one lock over them |
//! | `noted.rs` | an entry as it is kept: 48 bytes, and what few entries need apart |
//! | `word.rs` | the kinds of entries, and what each does to the state of its child |
//! | `state.rs` | the states that the events tell |
//! | `entry.rs`, `history.rs` | what a reader gets |
//! | `rewind.rs` | the tree as it was |
//! | `follow.rs` | readers that wait for entries |
//!
//! Invariants:
//! 1. Each event is one entry, noted before any subscriber can see it. So the entries in order are the events in order.
//! 2. An entry holds the state that its child had before. The state after it is kept in the slot, under the same lock.
//! 3. The time of an entry is never before that of an older one.
//! 4. Failures, parks, give-ups and acts have a ring of their own. Ordinary starts and ends cannot push them out.
//! 5. Nothing of the user's is dropped under the lock.

pub(crate) mod entry;
pub(crate) mod follow;
pub(crate) mod history;
mod noted;
pub(crate) mod rewind;
pub(crate) mod state;
pub(crate) mod word;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::base::sync::lock;
use crate::recorder::entry::HistoryKind;
use crate::recorder::follow::Followers;
use crate::recorder::history::{RingBegins, WordCount};
use crate::recorder::noted::{Noted, Stamp};
use crate::recorder::state::HistoryState;
use crate::recorder::word::Word;

/// Most entries of each ring.
pub(crate) const ENTRIES_MAX: usize = 4096;

/// Recorder of one tree. It has no memory before the first entry.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<Rings>, Followers);

#[derive(Debug, Default)]
struct Rings {
    /// Number of the latest entry.
    number: u64,
    /// Time of the latest entry, in nanoseconds.
    latest: u64,
    failures: Ring,
    ordinary: Ring,
    counts: Counts,
}

/// Number of the entries ever noted, by word.
#[derive(Debug)]
struct Counts([u64; Word::ALL.len()]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; Word::ALL.len()])
    }
}

#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<Noted>,
    /// The latest entry that made room: its number and its time.
    evicted: Option<(u64, u64)>,
    /// Number of entries that made room.
    evictions: u64,
}

impl Ring {
    fn push(&mut self, noted: Noted) -> Option<Noted> {
        let evicted = if self.entries.len() < ENTRIES_MAX { None } else { self.entries.pop_front() };
        if let Some(evicted) = &evicted {
            self.evicted = Some((evicted.stamp.number(), evicted.at));
            self.evictions += 1;
        }
        self.entries.push_back(noted);
        evicted
    }

    fn begins(&self) -> RingBegins {
        let (number, at) = self.evicted.unwrap_or_default();
        RingBegins { seq: number.saturating_add(1), at: Duration::from_nanos(at), is_cut: self.evicted.is_some(), evicted: self.evictions }
    }

    /// Entries with a number after this one, oldest first.
    fn after(&self, number: u64) -> impl Iterator<Item = &Noted> {
        let first = self.entries.partition_point(|noted| noted.stamp.number() <= number);
        self.entries.range(first..)
    }
}

impl Recorder {
    /// The readers that wait for entries.
    #[cfg_attr(not(feature = "admin"), allow(dead_code, reason = "only the admin source follows, and it is a feature"))]
    pub(crate) fn followers(&self) -> &Followers {
        &self.1
    }

    /// Notes an entry. `recorded` is the state of the child in its slot; `None` if it has none.
    pub(crate) fn note(
        &self,
        recorded: Option<&AtomicU8>,
        at: Duration,
        path: Arc<str>,
        generation: u64,
        kind: HistoryKind,
    ) {
        let at = nanoseconds(at);
        let (word, more) = noted::shorten(kind);
        let evicted = {
            let mut rings = lock(&self.0);
            let rings = &mut *rings;
            rings.number += 1;
            rings.latest = rings.latest.max(at);
            rings.counts.0[word as usize] += 1;
            // Invariant 2: only this lock orders the writers, and a reader reads the state before the rings.
            let before = recorded.map_or(HistoryState::Absent as u8, |recorded| recorded.load(Ordering::Relaxed));
            if let (Some(recorded), Some(after)) = (recorded, word.after()) {
                recorded.store(after as u8, Ordering::Relaxed);
            }
            let stamp = Stamp::new(rings.number, word, before);
            let noted = Noted { path, at: rings.latest, stamp, generation, more };
            if word.is_failure() { rings.failures.push(noted) } else { rings.ordinary.push(noted) }
        };
        // Invariant 5.
        drop(evicted);
        self.1.wake();
    }

    /// Copies what is noted, from the entry after this number on.
    pub(crate) fn copy_after(&self, number: u64) -> Copied {
        let (failures, ordinary, copied) = {
            let rings = lock(&self.0);
            let failures: Vec<Noted> = rings.failures.after(number).cloned().collect();
            let ordinary: Vec<Noted> = rings.ordinary.after(number).cloned().collect();
            let counts = Word::ALL.iter().zip(rings.counts.0).filter(|(_, count)| *count > 0);
            let counts = counts.map(|(word, count)| WordCount { kind: word.name(), cause: word.cause(), count });
            let copied = Copied {
                entries: Vec::new(),
                failures: rings.failures.begins(),
                ordinary: rings.ordinary.begins(),
                counts: counts.collect(),
                latest: rings.number,
            };
            (failures, ordinary, copied)
        };
        Copied { entries: merge(failures, ordinary), ..copied }
    }
}

/// What a reader copies out of the rings.
pub(crate) struct Copied {
    /// Oldest first.
    entries: Vec<Noted>,
    pub(crate) failures: RingBegins,
    pub(crate) ordinary: RingBegins,
    pub(crate) counts: Vec<WordCount>,
    /// Number of the latest entry.
    pub(crate) latest: u64,
}

impl Copied {
    /// Takes the entries out, oldest first.
    pub(crate) fn take_entries(&mut self) -> Vec<entry::HistoryEntry> {
        std::mem::take(&mut self.entries).into_iter().map(Noted::entry).collect()
    }
}

fn merge(failures: Vec<Noted>, ordinary: Vec<Noted>) -> Vec<Noted> {
    let mut merged = failures;
    merged.extend(ordinary);
    // Two runs that are in order: the sort finds them and merges them.
    merged.sort_by_key(|noted| noted.stamp.number());
    merged
}

/// A tree runs for less than the 584 years that these nanoseconds count.
fn nanoseconds(at: Duration) -> u64 {
    at.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(at.subsec_nanos()))
}
