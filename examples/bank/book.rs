//! The balances, and the ids of the transfers in them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::RangeInclusive;

use anyhow::{Context, bail, ensure};
use regrow::checkpoint::State;

use crate::input::{Account, Transfer};

/// State of the ledger, which is saved as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Book {
    /// An `i128` has room for every `i64` that a run could add up.
    pub(crate) balances: BTreeMap<Account, i128>,
    pub(crate) posted: Ids,
    pub(crate) turnover: u128,
}

/// A few numbers about a book that only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) transfers: u64,
    /// Sum of all amounts, without their sign.
    pub(crate) turnover: u128,
}

impl Book {
    /// Posts a transfer. If it is already in the book, nothing happens, and the result is `false`.
    pub(crate) fn post(&mut self, transfer: &Transfer) -> bool {
        if !self.posted.insert(transfer.id) {
            return false;
        }
        self.add(&transfer.from, -i128::from(transfer.amount));
        self.add(&transfer.to, i128::from(transfer.amount));
        self.turnover += u128::from(transfer.amount.unsigned_abs());
        true
    }

    pub(crate) fn add(&mut self, account: &Account, amount: i128) {
        match self.balances.get_mut(account) {
            Some(balance) => *balance += amount,
            None => {
                self.balances.insert(account.clone(), amount);
            }
        }
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals { transfers: self.posted.len(), turnover: self.turnover }
    }
}

/// A line for the turnover, each range of ids, and each account.
///
/// ```text
/// turnover,1200
/// posted,1,17
/// balance,alice,-30
/// balance,bob,30
/// ```
impl State for Book {
    fn encode(&self) -> anyhow::Result<Vec<u8>> {
        let mut text = format!("turnover,{}\n", self.turnover);
        for (first, last) in self.posted.ranges() {
            writeln!(text, "posted,{first},{last}")?;
        }
        for (account, balance) in &self.balances {
            writeln!(text, "balance,{account},{balance}")?;
        }
        Ok(text.into_bytes())
    }

    fn decode(_schema: u32, bytes: &[u8]) -> anyhow::Result<Self> {
        let mut book = Self::default();
        for line in std::str::from_utf8(bytes)?.lines() {
            book.read(line).with_context(|| format!("`{line}` is not a line of a book"))?;
        }
        Ok(book)
    }
}

impl Book {
    fn read(&mut self, line: &str) -> anyhow::Result<()> {
        match line.split(',').collect::<Vec<_>>()[..] {
            ["turnover", turnover] => self.turnover = turnover.parse()?,
            ["posted", first, last] => {
                let is_new = self.posted.insert_range(first.parse()?..=last.parse()?);
                ensure!(is_new, "these ids were posted before");
            }
            ["balance", account, balance] => self.add(&account.into(), balance.parse()?),
            _ => bail!("it has an unknown first field, or too few or too many fields"),
        }
        Ok(())
    }
}

/// A set of ids, kept as ranges. Ids come nearly in order, so there are few: one, with a hole for each malformed line
/// and for each transfer that is still under way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ids {
    /// First to last. Ranges never touch.
    ranges: BTreeMap<u64, u64>,
    len: u64,
}

impl Ids {
    pub(crate) fn contains(&self, id: u64) -> bool {
        self.ranges.range(..=id).next_back().is_some_and(|(_, last)| *last >= id)
    }

    /// Inserts an id. `false` if it was there.
    pub(crate) fn insert(&mut self, id: u64) -> bool {
        self.insert_range(id..=id)
    }

    /// Inserts a range. If it is empty or a part of it was there, nothing is inserted, and the result is `false`.
    pub(crate) fn insert_range(&mut self, ids: RangeInclusive<u64>) -> bool {
        let (mut first, mut last) = ids.into_inner();
        let before = self.ranges.range(..=last).next_back().map(|(first, last)| (*first, *last));
        if first > last || before.is_some_and(|(_, end)| end >= first) {
            return false;
        }
        self.len += last - first + 1;
        if let Some((start, end)) = before
            && end + 1 == first
        {
            first = start;
        }
        if let Some(end) = last.checked_add(1).and_then(|next| self.ranges.remove(&next)) {
            last = end;
        }
        self.ranges.insert(first, last);
        true
    }

    pub(crate) fn ranges(&self) -> impl ExactSizeIterator<Item = (u64, u64)> {
        self.ranges.iter().map(|(first, last)| (*first, *last))
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_come_in_any_order_end_as_one_range() {
        let mut ids = Ids::default();
        for id in [5, 1, 3, 2, 4] {
            assert!(!ids.contains(id) && ids.insert(id) && ids.contains(id) && !ids.insert(id));
        }
        assert_eq!((ids.ranges().collect::<Vec<_>>(), ids.len()), (vec![(1, 5)], 5));
    }

    #[test]
    fn a_book_is_read_as_it_was_written() {
        let mut book = Book::default();
        // A hole at each hundredth.
        for id in (1..2_000).filter(|id| id % 100 > 0) {
            let transfer = Transfer { id, from: format!("a{}", id % 7).into(), to: "b".into(), amount: 3 - id as i64 };
            assert!(book.post(&transfer));
        }
        let bytes = book.encode().unwrap();
        assert_eq!(Book::decode(Book::SCHEMA, &bytes).unwrap(), book);
        for wrong in ["my notes", "posted,1,2\nposted,2,3", "balance,a", "turnover,-1"] {
            assert!(Book::decode(Book::SCHEMA, wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_range_that_overlaps_is_refused() {
        let mut ids = Ids::default();
        assert!(ids.insert_range(3..=6) && ids.insert_range(8..=9));
        for ids_there in [1..=3, 6..=6, 4..=5, 7..=8, 1..=10] {
            assert!(!ids.insert_range(ids_there));
        }
        assert!(ids.insert_range(7..=7));
        assert_eq!(ids.ranges().collect::<Vec<_>>(), [(3, 9)]);
    }
}
