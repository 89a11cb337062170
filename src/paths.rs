//! The paths that are listed, and which of them are below which: a subtree is found without a look at what is elsewhere.
//!
//! Invariants:
//! 1. Every path that is listed is in the list of what is below the path above it, so that it is found from there.
//! 2. A path that is removed stays in that list for a while. When half of a list may be stale it is cleared, so that each
//!    removal pays for a few looks, however many paths there are.

use std::collections::HashMap;
use std::sync::Arc;

use crate::thrift;

/// What is listed, by path.
pub(crate) struct Paths<T> {
    listed: HashMap<Arc<str>, T>,
    /// By the path above.
    below: HashMap<Arc<str>, Below>,
    /// How many paths were looked at to find others.
    #[cfg(test)]
    looks: std::sync::atomic::AtomicUsize,
}

#[derive(Default)]
struct Below {
    /// Some are stale, and some are there twice because they were.
    paths: Vec<Arc<str>>,
    removed: usize,
}

impl<T> Default for Paths<T> {
    fn default() -> Self {
        Self {
            listed: HashMap::new(),
            below: HashMap::new(),
            #[cfg(test)]
            looks: Default::default(),
        }
    }
}

fn above(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(above, _)| above)
}

impl<T> Paths<T> {
    /// Makes room for this many more.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.listed.reserve(more);
    }

    /// What was listed there before.
    pub(crate) fn insert(&mut self, path: &Arc<str>, what: T) -> Option<T> {
        let before = self.listed.insert(path.clone(), what);
        if let (None, Some(above)) = (&before, above(path)) {
            match self.below.get_mut(above) {
                Some(below) => below.paths.push(path.clone()),
                None => drop(self.below.insert(above.into(), Below { paths: vec![path.clone()], removed: 0 })),
            }
        }
        before
    }

    /// What was listed there.
    pub(crate) fn remove(&mut self, path: &str) -> Option<T> {
        let gone = self.listed.remove(path)?;
        thrift::give_back(&mut self.listed);
        self.note_removed(path);
        Some(gone)
    }

    /// Invariant 2.
    fn note_removed(&mut self, mut path: &str) {
        while let Some(up) = above(path)
            && let Some(below) = self.below.get_mut(up)
        {
            below.removed += 1;
            if 2 * below.removed < below.paths.len() {
                return;
            }
            let mut paths = std::mem::take(&mut below.paths);
            self.look(paths.len());
            paths.sort_unstable();
            paths.dedup();
            // What is below one that is gone must still be found.
            paths.retain(|path| self.listed.contains_key(path) || self.below.contains_key(path));
            if !paths.is_empty() {
                paths.shrink_to(2 * paths.len());
                self.below.insert(up.into(), Below { paths, removed: 0 });
                return;
            }
            self.below.remove(up);
            thrift::give_back(&mut self.below);
            if self.listed.contains_key(up) {
                return;
            }
            path = up;
        }
    }

    pub(crate) fn get(&self, path: &str) -> Option<(&Arc<str>, &T)> {
        self.listed.get_key_value(path)
    }

    pub(crate) fn contains(&self, path: &str) -> bool {
        self.listed.contains_key(path)
    }

    pub(crate) fn len(&self) -> usize {
        self.listed.len()
    }

    /// The paths one level below this one, some of which may not be listed any more.
    pub(crate) fn just_below(&self, path: &str) -> &[Arc<str>] {
        self.below.get(path).map_or(&[], |below| &below.paths)
    }

    /// In no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &T)> {
        self.listed.iter()
    }

    /// What is at `path` and below it, leaves first.
    pub(crate) fn under(&self, path: &str) -> Vec<(&Arc<str>, &T)> {
        let mut found = Vec::from_iter(self.get(path));
        let mut left = Vec::from_iter(self.below.get(path));
        while let Some(Below { paths, .. }) = left.pop() {
            self.look(paths.len());
            for path in paths {
                found.extend(self.get(path));
                // None for a leaf, which is most of them.
                left.extend(self.below.get(path));
            }
        }
        found.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
        found.dedup_by(|(a, _), (b, _)| a == b);
        found
    }

    /// The first path that is `path` below some other one.
    pub(crate) fn longer(&self, path: &str) -> Option<Arc<str>> {
        self.look(self.below.len());
        let longer = |above: &Arc<str>| Some(self.get(&format!("{above}/{path}"))?.0);
        self.below.keys().filter_map(longer).min().cloned()
    }

    #[cfg(test)]
    fn look(&self, paths: usize) {
        self.looks.fetch_add(paths, std::sync::atomic::Ordering::Relaxed);
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "only tests count")]
    fn look(&self, _: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks_of(paths: &Paths<()>) -> usize {
        paths.looks.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn insert(paths: &mut Paths<()>, path: &str) {
        paths.insert(&path.into(), ());
    }

    fn under(paths: &Paths<()>, path: &str) -> Vec<String> {
        paths.under(path).into_iter().map(|(path, ())| path.to_string()).collect()
    }

    #[test]
    fn what_is_under_a_path_comes_leaves_first_and_once() {
        let mut paths = Paths::default();
        for path in ["app", "app/a", "app/a/x", "app/ab", "app/a/x/y", "app/b"] {
            insert(&mut paths, path);
        }
        assert_eq!(under(&paths, "app/a"), ["app/a/x/y", "app/a/x", "app/a"]);
        assert_eq!(under(&paths, "app").len(), 6);
        // One that came again may be in the list twice.
        paths.remove("app/b");
        insert(&mut paths, "app/b");
        assert_eq!(under(&paths, "app").len(), 6);
        // What is below one that is gone is still found from above.
        paths.remove("app/a/x");
        paths.remove("app/a");
        assert_eq!(under(&paths, "app/a"), ["app/a/x/y"]);
        for path in ["app/b", "app/ab", "app/a/x/y", "app"] {
            paths.remove(path);
        }
        assert!(paths.below.is_empty() && paths.listed.is_empty());
    }

    #[test]
    fn a_name_is_found_below_any_path() {
        let mut paths = Paths::default();
        ["app", "app/z", "app/z/db", "app/a", "app/a/db"].iter().for_each(|path| insert(&mut paths, path));
        assert_eq!(paths.longer("db").as_deref(), Some("app/a/db"));
        assert_eq!(paths.longer("z/db").as_deref(), Some("app/z/db"));
        assert_eq!(paths.longer("b"), None);
    }

    // Found by reading: each end of a subtree looked at every path of the tree.
    #[test]
    fn subtrees_that_come_and_go_cost_the_same_beside_few_others_and_beside_many() {
        let looks = |others: usize| {
            let mut paths = Paths::default();
            (0..others).for_each(|number| insert(&mut paths, &format!("app/pool/{number}")));
            let before = looks_of(&paths);
            for number in 0..1000 {
                let sub = format!("app/sub{number}");
                insert(&mut paths, &sub);
                (0..10).for_each(|leaf| insert(&mut paths, &format!("{sub}/{leaf}")));
                for path in under(&paths, &sub) {
                    paths.remove(&path);
                }
            }
            looks_of(&paths) - before
        };
        assert_eq!(looks(100_000), looks(100));
        assert!(looks(0) < 100_000, "{}", looks(0));
    }

    // The list of what is below a path is cleared when half of it is stale, and not at each removal.
    #[test]
    fn a_removal_costs_a_few_looks_however_many_paths_there_are() {
        for others in [1_000, 100_000] {
            let mut paths = Paths::default();
            (0..others).for_each(|number| insert(&mut paths, &format!("app/pool/{number}")));
            for number in 0..others {
                paths.remove(&format!("app/pool/{number}"));
            }
            assert!(looks_of(&paths) < 5 * others, "{}", looks_of(&paths));
        }
    }
}
