//! The orders of rows, and the best few of many.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::admin::services::Listing;
use crate::admin::services::asked::Asked;
use crate::admin::services::filter::bad;
use crate::admin::services::scan::Look;
use crate::admin::viewer::Viewer;
use crate::admin::wire::envelope::Issue;
use crate::admin::wire::query::Sort;

/// Place of a row: the value that decides, the greatest first, then the order of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) key: i64,
    pub(super) path: Arc<str>,
}

impl Place {
    /// Reads a cursor, as [`cursor`](Self::cursor) wrote it.
    pub(super) fn read(text: &str, sort: Sort) -> Result<Self, Issue> {
        if sort == Sort::Path {
            return Ok(Self { key: 0, path: text.into() });
        }
        let read =
            text.split_once(' ').and_then(|(key, path)| Some(Self { key: key.parse().ok()?, path: path.into() }));
        let why = "give the value of `next` of the page before, with the same order";
        read.ok_or_else(|| bad("after", format!("`{text}` is no position in this order: {why}")))
    }

    /// The value for `after` of the next page.
    pub(super) fn cursor(&self, sort: Sort) -> String {
        if sort == Sort::Path { self.path.to_string() } else { format!("{} {}", self.key, self.path) }
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(&self.key).then_with(|| in_tree(&self.path, &other.path))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares paths in the order of a tree: name by name, a supervisor before its children.
pub(super) fn in_tree(a: &str, b: &str) -> Ordering {
    // The slash comes before every byte of a name.
    let rank = |byte: u8| if byte == b'/' { 0 } else { u16::from(byte) + 1 };
    a.bytes().map(rank).cmp(b.bytes().map(rank))
}

/// Returns the value that decides on the place of a child.
pub(super) fn key(sort: Sort, look: &Look<'_>, tree: &Listing, viewer: Option<&Viewer>) -> i64 {
    let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    match sort {
        Sort::Path => 0,
        Sort::Mailbox => whole(look.accounting.queued),
        Sort::Generation => whole(look.generation),
        // Without a record, restarts of all times.
        Sort::Restarts => whole(match &tree.record {
            Some(record) => record.restarts_hour(&look.path),
            None => look.generation.saturating_sub(1),
        }),
        Sort::Growth => match viewer.and_then(|viewer| viewer.queued_before(&look.path)) {
            Some(before) => whole(look.accounting.queued).saturating_sub(whole(before)),
            None => i64::MIN,
        },
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
    fn names_are_compared_and_not_texts() {
        let mut paths = ["a", "a/b", "a/b/c", "a/b\0", "a/b-", "a/b c", "b"];
        paths.sort_by(|a, b| a.split('/').cmp(b.split('/')));
        assert!(paths.is_sorted_by(|a, b| in_tree(a, b) == Ordering::Less));
    }

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

    #[test]
    fn a_position_of_another_order_is_refused() {
        let error = Place::read("app/x", Sort::Mailbox).unwrap_err();
        assert_eq!(error.about.as_deref(), Some("after"));
        assert!(error.text.contains("`app/x` is no position in this order"));
    }
}
