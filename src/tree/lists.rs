//! For each path, the paths one level below it.
//!
//! Invariants:
//! 1. Each listed path is in the list of the path above it, and so is each path that has a list. So everything below a
//!    path is found from there.
//! 2. No list is empty.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::thrift;
use crate::tree::siblings::Siblings;

/// The lists, by the path above.
#[derive(Default)]
pub(super) struct Lists {
    places: HashMap<Arc<str>, usize>,
    lists: Vec<(Arc<str>, Siblings)>,
    /// Place of the list that was changed last. The next change is often of the same one.
    last: usize,
    /// Number of paths that have a list and are not listed. There are few, and not for long.
    unlisted: usize,
}

/// Returns the length of the path above, if there is one.
fn above(path: &str) -> Option<usize> {
    // Names are short, and the last one is looked through.
    path.as_bytes().iter().rposition(|byte| *byte == b'/')
}

impl Lists {
    /// The paths one level below this one, if there are any.
    pub(super) fn get(&self, path: &str) -> Option<&Siblings> {
        self.places.get(path).map(|place| &self.lists[*place].1)
    }

    /// The paths that have paths below them, in no order.
    pub(super) fn parents(&self) -> impl Iterator<Item = &Arc<str>> {
        self.places.keys()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty() && self.lists.is_empty() && self.unlisted == 0
    }

    fn place(&self, path: &str) -> Option<usize> {
        let is_last = self.lists.get(self.last).is_some_and(|(last, _)| **last == *path);
        if is_last { Some(self.last) } else { self.places.get(path).copied() }
    }

    /// Adds a path that is listed from now on.
    pub(super) fn add(&mut self, path: &Arc<str>, is_listed: impl Fn(&str) -> bool) {
        // Invariant 1: if it has a list, it is in the list above.
        if self.unlisted > 0 && self.places.contains_key(path) {
            self.unlisted -= 1;
            return;
        }
        let mut path = path.clone();
        while let Some(end) = above(&path) {
            let up = &path[..end];
            if let Some(place) = self.place(up) {
                self.last = place;
                return self.lists[place].1.insert(path, end + 1);
            }
            let up: Arc<str> = up.into();
            let mut siblings = Siblings::default();
            siblings.insert(path, end + 1);
            self.places.insert(up.clone(), self.lists.len());
            self.lists.push((up.clone(), siblings));
            if is_listed(&up) {
                return;
            }
            self.unlisted += 1;
            path = up;
        }
    }

    /// Removes a path that is not listed any more. Paths above it leave with it if they are not listed either, and have
    /// nothing below them now.
    pub(super) fn remove(&mut self, path: &Arc<str>, is_listed: impl Fn(&str) -> bool) {
        if self.places.contains_key(path) {
            self.unlisted += 1;
            return;
        }
        let mut path = path.clone();
        while let Some(end) = above(&path)
            && let Some(place) = self.place(&path[..end])
        {
            self.last = place;
            let siblings = &mut self.lists[place].1;
            siblings.remove(&path, end + 1);
            if !siblings.is_empty() {
                return;
            }
            let up = self.end(place);
            if is_listed(&up) {
                return;
            }
            self.unlisted -= 1;
            path = up;
        }
    }

    /// Removes a list, and returns the path that had it.
    fn end(&mut self, place: usize) -> Arc<str> {
        let (path, _) = self.lists.swap_remove(place);
        self.places.remove(&path);
        if let Some((moved, _)) = self.lists.get(place) {
            self.places.insert(moved.clone(), place);
        }
        thrift::give_back(&mut self.places);
        if self.lists.len() < self.lists.capacity() / 8 {
            self.lists.shrink_to(2 * self.lists.len());
        }
        path
    }
}
