//! Lengths of all mailboxes at the begin of a list by growth.

use std::collections::HashMap;
use std::sync::Arc;

use crate::admin::wire::query::ServicesQuery;

/// Mailboxes that are remembered for a list: the longest ones.
const MAILBOXES_MAX: usize = if cfg!(test) { 100 } else { 100_000 };

/// Lengths of the mailboxes at the begin of a list.
pub(crate) struct Lengths {
    /// The list that they belong to. Another one has seen other children.
    pub(crate) of: ServicesQuery,
    /// Lengths of at least `least`.
    lengths: HashMap<Arc<str>, u64>,
    least: u64,
}

impl Lengths {
    pub(crate) fn new(of: ServicesQuery) -> Self {
        Self { of, lengths: HashMap::new(), least: 1 }
    }

    pub(crate) fn note(&mut self, path: &Arc<str>, queued: u64) {
        if queued < self.least {
            return;
        }
        self.lengths.insert(path.clone(), queued);
        if self.lengths.len() > MAILBOXES_MAX {
            // The shorter half makes room, and all that are as long as the longest of it.
            let mut lengths = Vec::from_iter(self.lengths.values().copied());
            let (_, middle, _) = lengths.select_nth_unstable(MAILBOXES_MAX / 2);
            self.least = middle.saturating_add(1);
            self.lengths.retain(|_, queued| *queued >= self.least);
        }
    }

    /// Returns the growth since then: at least that of a mailbox whose length was not remembered.
    pub(crate) fn growth(&self, path: &str, queued: u64) -> i64 {
        let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        match self.lengths.get(path) {
            Some(before) => whole(queued).saturating_sub(whole(*before)),
            None => whole(queued.saturating_sub(self.least.saturating_sub(1))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_mailboxes_the_longest_are_remembered_and_no_growth_is_too_large() {
        let mut lengths = Lengths::new(ServicesQuery::default());
        for number in 0..1_000_u64 {
            lengths.note(&number.to_string().into(), number);
        }
        assert!(lengths.lengths.len() <= MAILBOXES_MAX && lengths.lengths.contains_key("999"));
        for number in 0..1_000_u64 {
            let growth = lengths.growth(&number.to_string(), number + 5);
            assert!((0..=5).contains(&growth), "{number}: {growth}");
        }
        assert_eq!((lengths.growth("999", 900), lengths.growth("new", 0)), (-99, 0));
    }
}
