//! The recorder of a tree: what happened to its children, as the events told it.
//!
//! | file | idea |
//! |---|---|
//! | `mod.rs` | the recorder: two rings under one lock |
//! | `ring.rs` | one ring: what it keeps, and where it begins |
//! | `noted.rs` | an entry as it is kept: 48 bytes, and what few entries need apart |
//! | `slim.rs` | entries without error values, backtraces and very long texts |
//! | `word.rs` | the kinds of entries, and what each does to the state of its child |
//! | `state.rs` | the states that the events tell |
//! | `entry.rs`, `history.rs` | what a reader gets |
//! | `rewind.rs` | the tree as it was |
//! | `follow.rs` | readers that wait for entries |
//!
//! Invariants:
//! 1. Each event is one entry, noted before any subscriber can see it. The events of one supervisor reach a subscriber in
//!    the order of their entries. Those of two supervisors need not: an event is sent after the lock is released.
//! 2. An entry holds the state that its child had before. The state after it is kept in the slot, under the same lock.
//! 3. The time of an entry is never before that of an older one.
//! 4. Failures, parks, give-ups and acts have a ring of their own, with the begin and the end of the tree. Ordinary starts
//!    and ends cannot push them out.
//! 5. Nothing of the user's is dropped under the lock.
//! 6. The end of the tree is the last entry. Supervisors that the end of a runtime drops later tell no subscriber.

pub(crate) mod entry;
pub(crate) mod follow;
pub(crate) mod history;
mod noted;
pub(crate) mod rewind;
mod ring;
mod slim;
pub(crate) mod state;
pub(crate) mod word;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::base::sync::lock;
use crate::event::{EventKind, Outage};
use crate::recorder::entry::{HistoryEntry, HistoryKind};
use crate::recorder::follow::Followers;
use crate::recorder::history::{RingBegins, WordCount};
use crate::recorder::noted::{Noted, Short, Stamp};
use crate::recorder::ring::Ring;
use crate::recorder::state::HistoryState;
use crate::recorder::word::Word;

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
    is_over: bool,
}

/// Number of the entries ever noted, by word.
#[derive(Debug)]
struct Counts([u64; Word::ALL.len()]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; Word::ALL.len()])
    }
}

impl Recorder {
    /// The readers that wait for entries.
    #[cfg_attr(not(feature = "admin"), allow(dead_code, reason = "only the admin source follows, and it is a feature"))]
    pub(crate) fn followers(&self) -> &Followers {
        &self.1
    }

    /// Notes an event. `recorded` is the state of the child in its slot; `None` if it has none.
    #[inline]
    pub(crate) fn note(
        &self,
        recorded: Option<&AtomicU8>,
        at: Duration,
        path: &Arc<str>,
        generation: u64,
        event: &EventKind,
    ) {
        self.add(recorded, at, path, generation, Short::of(event));
    }

    /// Notes a fact that is no event.
    pub(crate) fn note_fact(
        &self,
        recorded: &AtomicU8,
        at: Duration,
        path: &Arc<str>,
        generation: u64,
        kind: HistoryKind,
    ) {
        self.add(Some(recorded), at, path, generation, Short::of_fact(kind));
    }

    /// Adds an entry, and wakes the readers that wait for it.
    fn add(&self, recorded: Option<&AtomicU8>, at: Duration, path: &Arc<str>, generation: u64, short: Short) {
        let Short { word, more, outage } = short;
        // Dropped last, without the lock (invariant 5).
        let _pushed_out;
        {
            let mut rings = lock(&self.0);
            let rings = &mut *rings;
            // Invariant 6.
            if rings.is_over {
                return;
            }
            rings.is_over = word == Word::TreeOver;
            rings.number += 1;
            // Invariant 3.
            rings.latest = rings.latest.max(nanoseconds(at));
            rings.counts.0[word as usize] += 1;
            // Invariant 2: this lock orders the writers, and a reader reads the state before the rings.
            let before = match recorded {
                Some(recorded) => {
                    let before = recorded.load(Ordering::Relaxed);
                    if let Some(after) = word.after() {
                        recorded.store(after as u8, Ordering::Relaxed);
                    }
                    before
                }
                None => HistoryState::Absent as u8,
            };
            let ring = if word.is_kept_apart() { &mut rings.failures } else { &mut rings.ordinary };
            _pushed_out = if ring.has_room() { None } else { ring.make_room() };
            let stamp = Stamp::new(rings.number, word, before);
            ring.push(Noted { path: path.clone(), at: rings.latest, stamp, generation, more });
            if let Some(outage) = outage {
                ring.note_outage(rings.number, outage);
            }
        }
        self.1.wake();
    }

    /// Copies what is noted, from the entry after this number on.
    pub(crate) fn copy_after(&self, number: u64) -> Copied {
        let (mut entries, ordinary, copied) = {
            let rings = lock(&self.0);
            let counts = Word::ALL.iter().zip(rings.counts.0).filter(|(_, count)| *count > 0);
            let counts = counts.map(|(word, count)| WordCount { kind: word.name(), cause: word.cause(), count });
            let copied = Copied {
                entries: Vec::new(),
                failures: rings.failures.begins(),
                ordinary: rings.ordinary.begins(),
                counts: counts.collect(),
                latest: rings.number,
            };
            (rings.failures.copy_after(number), rings.ordinary.copy_after(number), copied)
        };
        // Two runs that are in order: the sort finds them and merges them.
        entries.extend(ordinary);
        entries.sort_by_key(|(noted, _)| noted.stamp.number());
        Copied { entries, ..copied }
    }
}

/// Copy of the rings, for a reader.
pub(crate) struct Copied {
    /// Oldest first.
    entries: Vec<(Noted, Option<Outage>)>,
    pub(crate) failures: RingBegins,
    pub(crate) ordinary: RingBegins,
    pub(crate) counts: Vec<WordCount>,
    /// Number of the latest entry.
    pub(crate) latest: u64,
}

impl Copied {
    /// Takes the entries out, oldest first.
    pub(crate) fn take_entries(&mut self) -> Vec<HistoryEntry> {
        std::mem::take(&mut self.entries).into_iter().map(|(noted, outage)| noted.entry(outage)).collect()
    }
}

/// Nanoseconds of a time. A tree runs for less than the 584 years after which they begin again.
fn nanoseconds(at: Duration) -> u64 {
    at.as_secs().wrapping_mul(1_000_000_000).wrapping_add(u64::from(at.subsec_nanos()))
}
