//! For each path, the paths one level below it.
//!
//! Invariants:
//! 1. Each listed path is in the list of the path above it, and so is each path that has a list. So everything below a
//!    path is found from there.
//! 2. No list is empty.
//! 3. Each list counts those of its paths that have a list themselves. A walk looks for lists below these paths only.

use std::sync::Arc;

use regrow_supervisors::ByName;

use crate::base::thrift;
use crate::tree::siblings::Siblings;
use crate::tree::templates::Naming;

/// The lists, by the path above.
#[derive(Default)]
pub(super) struct Lists {
    places: ByName<usize>,
    lists: Vec<List>,
    /// Place of the list that was changed last. The next change is often of the same one.
    last: usize,
    /// Number of paths that have a list and are not listed. There are few, and not for long.
    unlisted: usize,
    /// The listed paths without one above them: that of the root.
    roots: Vec<Arc<str>>,
}

/// List of the paths one level below a path.
pub(super) struct List {
    above: Arc<str>,
    paths: Siblings,
    /// Number of the paths that have a list (invariant 3).
    parents: usize,
    /// Rule by which these paths are grouped.
    naming: Naming,
}

impl List {
    /// The paths.
    pub(super) fn paths(&self) -> &Siblings {
        &self.paths
    }

    /// Whether there may be paths below one of these.
    pub(super) fn has_parents(&self) -> bool {
        self.parents > 0
    }
}

/// The place of a path among its siblings.
#[derive(Clone, Copy)]
pub(super) struct Home {
    /// Length of the path above.
    pub(super) end: usize,
    /// Place of the list, if there is one.
    list: Option<usize>,
}

/// Returns the length of the path above, if there is one.
fn above(path: &str) -> Option<usize> {
    // Names are short, and the last one is looked through.
    path.as_bytes().iter().rposition(|byte| *byte == b'/')
}

impl Lists {
    /// The paths one level below this one, if there are any.
    pub(super) fn get(&self, path: &str) -> Option<&List> {
        self.places.get(path).map(|place| &self.lists[*place])
    }

    /// The paths that have paths below them, in no order.
    pub(super) fn parents(&self) -> impl Iterator<Item = &Arc<str>> {
        self.places.keys()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty() && self.lists.is_empty() && self.unlisted == 0
    }

    /// The listed paths without one above them. A tree has one.
    pub(super) fn roots(&self) -> &[Arc<str>] {
        &self.roots
    }

    fn place(&self, path: &str) -> Option<usize> {
        let is_last = self.lists.get(self.last).is_some_and(|last| *last.above == *path);
        if is_last { Some(self.last) } else { self.places.get(path).copied() }
    }

    /// Returns the place of a path among its siblings. `None` for a root.
    #[inline]
    pub(super) fn home(&self, path: &str) -> Option<Home> {
        let end = above(path)?;
        Some(Home { end, list: self.place(&path[..end]) })
    }

    /// The rule by which the paths of a list are grouped, if there is one.
    pub(super) fn naming_at(&self, home: Home) -> Option<Naming> {
        Some(self.lists[home.list?].naming)
    }

    /// The rule by which the paths below this one are grouped, if there are any.
    pub(super) fn naming_mut(&mut self, path: &str) -> Option<&mut Naming> {
        let place = self.place(path)?;
        Some(&mut self.lists[place].naming)
    }

    /// Adds a path that is listed from now on. `home` is its place among its siblings, and `naming` is for a list that is
    /// new for it.
    pub(super) fn add(
        &mut self,
        path: &Arc<str>,
        mut home: Option<Home>,
        mut naming: Naming,
        is_listed: impl Fn(&str) -> bool,
    ) {
        if home.is_none() {
            self.roots.push(path.clone());
        }
        // Invariant 1: if it has a list, it is in the list above.
        if self.unlisted > 0 && self.places.contains_key(path) {
            self.unlisted -= 1;
            return;
        }
        let mut path = path.clone();
        // What is added in the first round has no list, and each path above it gets one.
        let mut is_parent = false;
        while let Some(Home { end, list }) = home {
            if let Some(place) = list {
                self.last = place;
                let list = &mut self.lists[place];
                list.parents += usize::from(is_parent);
                return list.paths.insert(path, end + 1);
            }
            let up: Arc<str> = path[..end].into();
            let mut paths = Siblings::default();
            paths.insert(path, end + 1);
            self.places.insert(up.clone(), self.lists.len());
            self.lists.push(List { above: up.clone(), paths, parents: usize::from(is_parent), naming });
            is_parent = true;
            if is_listed(&up) {
                return self.count_parent(&up, |parents| parents + 1);
            }
            self.unlisted += 1;
            path = up;
            home = self.home(&path);
            // Nothing says how what is above a path that is not listed is grouped.
            naming = Naming::Own;
        }
    }

    /// Removes a path that is not listed any more. Paths above it leave with it if they are not listed either, and have
    /// nothing below them now.
    pub(super) fn remove(&mut self, path: &Arc<str>, is_listed: impl Fn(&str) -> bool) {
        self.roots.retain(|root| root != path);
        if self.places.contains_key(path) {
            self.unlisted += 1;
            return;
        }
        let mut path = path.clone();
        // What is removed in the first round has no list, and each path above it has just lost its own.
        let mut was_parent = false;
        while let Some(end) = above(&path)
            && let Some(place) = self.place(&path[..end])
        {
            self.last = place;
            let list = &mut self.lists[place];
            list.parents -= usize::from(was_parent);
            list.paths.remove(&path, end + 1);
            if !list.paths.is_empty() {
                return;
            }
            let up = self.end(place);
            was_parent = true;
            if is_listed(&up) {
                return self.count_parent(&up, |parents| parents - 1);
            }
            self.unlisted -= 1;
            path = up;
        }
    }

    /// Changes the number of parents in the list above a path, which stays there (invariant 3).
    fn count_parent(&mut self, path: &str, change: impl FnOnce(usize) -> usize) {
        if let Some(Home { list: Some(place), .. }) = self.home(path) {
            let parents = &mut self.lists[place].parents;
            *parents = change(*parents);
        }
    }

    /// Whether each list counts the parents among its paths.
    #[cfg(test)]
    pub(super) fn are_counted(&self) -> bool {
        let is_counted = |list: &List| list.parents == list.paths.all().filter(|path| self.get(path).is_some()).count();
        self.lists.iter().all(is_counted)
    }

    /// Removes a list, and returns the path that had it.
    fn end(&mut self, place: usize) -> Arc<str> {
        let path = self.lists.swap_remove(place).above;
        self.places.remove(&path);
        if let Some(moved) = self.lists.get(place) {
            self.places.insert(moved.above.clone(), place);
        }
        thrift::give_back(&mut self.places);
        if self.lists.len() < self.lists.capacity() / 8 {
            self.lists.shrink_to(2 * self.lists.len());
        }
        path
    }
}
