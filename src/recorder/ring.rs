//! A ring of entries: the latest 4,096, and where it begins.
//!
//! The entries are in blocks, so that the ring grows without copying, and what is pushed out leaves a block at a time.

use std::collections::VecDeque;
use std::time::Duration;

use crate::event::Outage;
use crate::recorder::history::RingBegins;
use crate::recorder::noted::Noted;

/// Number of entries that a ring keeps in any case.
pub(super) const ENTRIES_MIN: usize = 4096;
/// Entries of a block. A ring has at most one block more than it must.
pub(super) const BLOCK: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Ring {
    /// The block that is being filled.
    latest: Block,
    /// Those that are full, oldest first.
    full: VecDeque<Block>,
    /// The latest entry that was pushed out: its number and its time.
    evicted: Option<(u64, u64)>,
    /// Number of entries that were pushed out.
    evictions: u64,
}

#[derive(Debug, Default)]
pub(super) struct Block {
    entries: Vec<Noted>,
    /// The outages that entries end, each with the number of its entry. Most restarts end one.
    outages: Vec<(u64, Outage)>,
}

impl Ring {
    /// Adds an entry.
    pub(super) fn push(&mut self, noted: Noted) {
        self.latest.entries.push(noted);
    }

    /// Adds the outage that the entry with this number ends.
    pub(super) fn note_outage(&mut self, number: u64, outage: Outage) {
        self.latest.outages.push((number, outage));
    }

    pub(super) fn has_room(&self) -> bool {
        self.latest.entries.len() < self.latest.entries.capacity()
    }

    /// Makes room for more entries. Returns those that are pushed out, to be dropped without the lock.
    #[cold]
    pub(super) fn make_room(&mut self) -> Option<Block> {
        let room = Block { entries: Vec::with_capacity(BLOCK), outages: Vec::new() };
        let full = std::mem::replace(&mut self.latest, room);
        // The first block of all has no room from the beginning.
        if !full.entries.is_empty() {
            self.full.push_back(full);
        }
        let is_enough = self.full.len() > ENTRIES_MIN / BLOCK;
        let oldest = if is_enough { self.full.pop_front() } else { None };
        if let Some(last) = oldest.as_ref().and_then(|oldest| oldest.entries.last()) {
            self.evicted = Some((last.stamp.number(), last.at));
            self.evictions += BLOCK as u64;
        }
        oldest
    }

    pub(super) fn begins(&self) -> RingBegins {
        let (number, at) = self.evicted.unwrap_or_default();
        let (seq, at) = (number.saturating_add(1), Duration::from_nanos(at));
        RingBegins { seq, at, is_cut: self.evicted.is_some(), evicted: self.evictions }
    }

    /// Copies the entries after the one with this number, oldest first, each with the outage that it ends.
    pub(super) fn copy_after(&self, number: u64) -> Vec<(Noted, Option<Outage>)> {
        let mut copy = Vec::new();
        for block in self.full.iter().chain([&self.latest]) {
            let first = block.entries.partition_point(|noted| noted.stamp.number() <= number);
            let mut outages = block.outages.iter().skip_while(|(of, _)| *of <= number).peekable();
            copy.extend(block.entries.iter().skip(first).map(|noted| {
                let outage = outages.next_if(|(of, _)| *of == noted.stamp.number());
                (noted.clone(), outage.map(|(_, outage)| *outage))
            }));
        }
        copy
    }
}
