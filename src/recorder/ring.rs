//! A ring of entries: the latest 4,096, and what is known of those that were pushed out.

use std::collections::VecDeque;
use std::time::Duration;

use crate::event::Outage;
use crate::recorder::history::RingBegins;
use crate::recorder::noted::Noted;

/// Most entries of a ring.
const ENTRIES_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Ring {
    entries: VecDeque<Noted>,
    /// The outages that entries end, each with the number of its entry. Most restarts end one, and this way they need
    /// no memory but that of the ring.
    outages: VecDeque<(u64, Outage)>,
    /// The latest entry that was pushed out: its number and its time.
    evicted: Option<(u64, u64)>,
    /// Number of entries that were pushed out.
    evictions: u64,
}

impl Ring {
    /// Adds an entry. Returns the one that was pushed out, to be dropped without the lock.
    pub(super) fn push(&mut self, noted: Noted, outage: Option<Outage>) -> Option<Noted> {
        let evicted = if self.entries.len() < ENTRIES_MAX { None } else { self.evict() };
        if let Some(outage) = outage {
            self.outages.push_back((noted.stamp.number(), outage));
        }
        self.entries.push_back(noted);
        evicted
    }

    fn evict(&mut self) -> Option<Noted> {
        let evicted = self.entries.pop_front()?;
        let number = evicted.stamp.number();
        self.evicted = Some((number, evicted.at));
        self.evictions += 1;
        if self.outages.front().is_some_and(|(of, _)| *of == number) {
            self.outages.pop_front();
        }
        Some(evicted)
    }

    pub(super) fn begins(&self) -> RingBegins {
        let (number, at) = self.evicted.unwrap_or_default();
        let (seq, at) = (number.saturating_add(1), Duration::from_nanos(at));
        RingBegins { seq, at, is_cut: self.evicted.is_some(), evicted: self.evictions }
    }

    /// Copies the entries after the one with this number, oldest first, each with the outage that it ends.
    pub(super) fn copy_after(&self, number: u64) -> Vec<(Noted, Option<Outage>)> {
        let first = self.entries.partition_point(|noted| noted.stamp.number() <= number);
        let outages = self.outages.partition_point(|(of, _)| *of <= number);
        let mut outages = self.outages.range(outages..).peekable();
        let copy = |noted: &Noted| {
            let outage = outages.next_if(|(of, _)| *of == noted.stamp.number());
            (noted.clone(), outage.map(|(_, outage)| *outage))
        };
        self.entries.range(first..).map(copy).collect()
    }
}
