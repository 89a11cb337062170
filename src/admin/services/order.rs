//! The orders of rows, and the best few of many.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::admin::services::asked::Asked;
use crate::admin::services::growth::Growth;
use crate::admin::services::listing::Listing;
use crate::admin::services::place::Place;
use crate::admin::services::scan::Look;
use crate::admin::wire::query::Sort;

/// Returns the value that decides on the place of a child.
pub(super) fn key(sort: Sort, look: &Look<'_>, tree: &Listing, growth: Option<&mut Growth<'_>>) -> i64 {
    let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    match sort {
        Sort::Path => 0,
        Sort::Mailbox => whole(look.accounting.queued),
        Sort::Generation => whole(look.generation),
        Sort::Restarts => whole(look.restarts.last_hour),
        Sort::Growth => growth.map_or(0, |growth| growth.of(look)),
        // A change that the record does not hold any more is older than those that it holds.
        Sort::Since => match tree.record.as_ref().and_then(|record| record.since_ms(&look.path, look.state)) {
            Some(since) => whole(since).saturating_neg(),
            None => i64::MAX,
        },
    }
}

/// The first rows in an order behind a cursor, of all that are added.
pub(super) struct Best<'a> {
    asked: &'a Asked,
    /// The best so far, the last of them on top.
    heap: BinaryHeap<Ranked>,
}

/// A place in the order that was asked for.
struct Ranked {
    place: Place,
    is_reversed: bool,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = self.place.cmp(&other.place);
        if self.is_reversed { order.reverse() } else { order }
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for Ranked {}

impl<'a> Best<'a> {
    pub(super) fn new(asked: &'a Asked) -> Self {
        Self { asked, heap: BinaryHeap::new() }
    }

    /// Number of rows in order that are wanted: with one more, it is known whether there is a next page.
    pub(super) fn wanted(&self) -> usize {
        (self.asked.limit + 1).saturating_sub(self.heap.len())
    }

    pub(super) fn add(&mut self, place: Place) {
        let is_reversed = self.asked.is_reversed;
        if let Some(after) = &self.asked.after {
            let order = place.cmp(after);
            if (if is_reversed { order.reverse() } else { order }) != Ordering::Greater {
                return;
            }
        }
        let new = Ranked { place, is_reversed };
        if self.heap.len() <= self.asked.limit {
            self.heap.push(new);
        } else if let Some(mut last) = self.heap.peek_mut()
            && new < *last
        {
            *last = new;
        }
    }

    /// Returns the rows, and the place behind which the next page begins.
    pub(super) fn finish(self) -> (Vec<Place>, Option<Place>) {
        let mut places = Vec::from_iter(self.heap.into_sorted_vec().into_iter().map(|ranked| ranked.place));
        let has_next = places.len() > self.asked.limit;
        places.truncate(self.asked.limit);
        let next = if has_next { places.last().cloned() } else { None };
        (places, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::wire::query::ServicesQuery;

    #[test]
    fn pages_behind_each_other_are_the_whole_in_order() {
        let mut rng = fastrand::Rng::with_seed(3);
        let all =
            Vec::from_iter((0..500).map(|number| Place { key: rng.i64(-3..3), path: format!("app/{number}").into() }));
        for reverse in [false, true] {
            let mut wanted = all.clone();
            wanted.sort();
            if reverse {
                wanted.reverse();
            }
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let query =
                    ServicesQuery { sort: Sort::Mailbox, reverse, limit: Some(7), after, ..ServicesQuery::default() };
                let asked = Asked::read(&query).unwrap();
                let mut best = Best::new(&asked);
                all.iter().for_each(|place| best.add(place.clone()));
                let (places, next) = best.finish();
                seen.extend(places);
                match next {
                    Some(next) => after = Some(next.cursor(Sort::Mailbox)),
                    None => break,
                }
            }
            assert_eq!(seen, wanted);
        }
    }
}
