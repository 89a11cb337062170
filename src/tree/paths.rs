//! The listed paths, and for each the paths below it: a subtree is found without a look at the rest of the tree.
//!
//! A look-up of one path takes the lock of one shard and no other. So look-ups of different names on different cores
//! share no cache line. A change of the listed paths also holds the lock of the lists. So does a reader that must see
//! several paths as of one moment.
//!
//! Invariants:
//! 1. Every listed path is in the list of the path above it, so that it is found from there.
//! 2. A path that is removed stays in that list for a while. When half of a list may be stale, the list is cleared. So
//!    each removal pays for a few looks, whatever the number of paths.
//! 3. The order of locking is: the lists, then a shard, one shard at a time. A listed value is dropped under none of
//!    these locks.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::base::thrift;
use crate::tree::templates::Naming;

/// Number of shards: a power of two.
const SHARDS: usize = 16;

/// The listed values, by path.
pub(crate) struct Paths<T> {
    shards: [Shard<T>; SHARDS],
    /// For each path, those below it.
    below: RwLock<Lists>,
    /// Number of paths that were looked at to find others.
    #[cfg(test)]
    looks: std::sync::atomic::AtomicUsize,
}

/// A shard on cache lines that it shares with no other.
#[repr(align(128))]
struct Shard<T>(RwLock<HashMap<Arc<str>, T>>);

type Lists = HashMap<Arc<str>, Below>;

struct Below {
    /// The paths below. Some may be stale, and some may be there twice because they were stale.
    paths: Vec<Arc<str>>,
    removed: usize,
    /// Rule by which these paths are grouped.
    naming: Naming,
}

/// Groups of the listed values. It learns of each that is listed or removed, under the lock of the lists.
pub(crate) trait Grouping<T> {
    /// Returns the rule for the paths below this one.
    fn naming(&self, path: &str, listed: &T) -> Naming;
    /// Whether there may be paths below this one.
    fn names_children(&self, listed: &T) -> bool;
    /// Sets the group of a value that is about to be listed.
    fn enters(&self, naming: Naming, path: &Arc<str>, listed: &mut T);
    /// Notes that a value is listed in place of another one.
    fn replaces(&self, path: &Arc<str>, before: &T, now: &mut T);
    /// Notes that a value was removed.
    fn leaves(&self, path: &str, listed: &T);
}

impl<T> Default for Paths<T> {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Shard(RwLock::default())),
            below: RwLock::default(),
            #[cfg(test)]
            looks: Default::default(),
        }
    }
}

fn above(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(above, _)| above)
}

impl<T> Paths<T> {
    fn shard(&self, path: &str) -> &RwLock<HashMap<Arc<str>, T>> {
        // The end of a path tells the children of a supervisor apart. It need not be spread well, for paths of one
        // shard share a lock and no more.
        let end = path.as_bytes().iter().rev().take(4).fold(0, |end, byte| end * 31 + usize::from(*byte));
        &self.shards[end % SHARDS].0
    }

    fn read(&self, path: &str) -> RwLockReadGuard<'_, HashMap<Arc<str>, T>> {
        self.shard(path).read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, path: &str) -> RwLockWriteGuard<'_, HashMap<Arc<str>, T>> {
        self.shard(path).write().unwrap_or_else(PoisonError::into_inner)
    }

    fn lists(&self) -> RwLockReadGuard<'_, Lists> {
        self.below.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn lists_to_change(&self) -> RwLockWriteGuard<'_, Lists> {
        self.below.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for this many more paths.
    pub(crate) fn reserve(&self, more: usize) {
        // A small number is spread unevenly, and a table grows when it is needed.
        let each = more / SHARDS;
        for shard in self.shards.iter().filter(|_| each > 0) {
            shard.0.write().unwrap_or_else(PoisonError::into_inner).reserve(each + each / 16);
        }
    }

    /// Lists a value, and returns the one that was listed at this path before.
    pub(crate) fn insert(&self, path: &Arc<str>, what: T, groups: &impl Grouping<T>) -> Option<T> {
        let mut lists = self.lists_to_change();
        if groups.names_children(&what)
            && let Some(below) = lists.get_mut(&**path)
        {
            // Paths below it are listed already. Later ones follow its present description.
            below.naming = groups.naming(path, &what);
        }
        let Some(above) = above(path) else { return self.put(path, what, Naming::Own, groups) };
        if let Some(below) = lists.get_mut(above) {
            let before = self.put(path, what, below.naming, groups);
            if before.is_none() {
                below.paths.push(path.clone());
            }
            return before;
        }
        let naming = self.read(above).get(above).map_or(Naming::Own, |listed| groups.naming(above, listed));
        let before = self.put(path, what, naming, groups);
        if before.is_none() {
            lists.insert(above.into(), Below { paths: vec![path.clone()], removed: 0, naming });
        }
        before
    }

    fn put(&self, path: &Arc<str>, mut what: T, naming: Naming, groups: &impl Grouping<T>) -> Option<T> {
        groups.enters(naming, path, &mut what);
        let mut shard = self.write(path);
        let before = shard.insert(path.clone(), what);
        if let Some(before) = &before
            && let Some(now) = shard.get_mut(path)
        {
            groups.replaces(path, before, now);
        }
        before
    }

    /// Removes and returns the value at this path, if it is the one that `is_meant` accepts.
    pub(crate) fn remove_if(
        &self,
        path: &str,
        is_meant: impl FnOnce(&T) -> bool,
        groups: &impl Grouping<T>,
    ) -> Option<T> {
        let mut lists = self.lists_to_change();
        let gone = {
            let mut shard = self.write(path);
            shard.get(path).filter(|what| is_meant(what))?;
            let gone = shard.remove(path);
            thrift::give_back(&mut shard);
            gone
        };
        if let Some(gone) = &gone {
            groups.leaves(path, gone);
        }
        self.note_removed(&mut lists, path);
        gone
    }

    /// Notes a removed path, and clears lists that may be stale by half (invariant 2).
    fn note_removed(&self, lists: &mut Lists, mut path: &str) {
        while let Some(up) = above(path)
            && let Some(below) = lists.get_mut(up)
        {
            below.removed += 1;
            if 2 * below.removed < below.paths.len() {
                return;
            }
            let naming = below.naming;
            let mut paths = std::mem::take(&mut below.paths);
            self.look(paths.len());
            paths.sort_unstable();
            paths.dedup();
            // A path that is gone stays if others are below it, which must still be found.
            paths.retain(|path| self.contains(path) || lists.contains_key(path));
            if !paths.is_empty() {
                paths.shrink_to(2 * paths.len());
                lists.insert(up.into(), Below { paths, removed: 0, naming });
                return;
            }
            lists.remove(up);
            thrift::give_back(lists);
            if self.contains(up) {
                return;
            }
            path = up;
        }
    }

    pub(crate) fn contains(&self, path: &str) -> bool {
        self.read(path).contains_key(path)
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.0.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// The paths one level below this one.
    pub(crate) fn just_below(&self, path: &str, max: usize) -> Option<Vec<Arc<str>>> {
        let lists = self.lists();
        let below = lists.get(path).map_or(&[][..], |below| &below.paths);
        (below.len() <= max).then(|| below.iter().filter(|path| self.contains(path)).cloned().collect())
    }

    /// The first path that ends with `path`, below some other one.
    pub(crate) fn longer(&self, path: &str) -> Option<Arc<str>> {
        let lists = self.lists();
        self.look(lists.len());
        let longer = |above: &Arc<str>| {
            let longer = format!("{above}/{path}");
            self.read(&longer).get_key_value(&*longer).map(|(path, _)| path.clone())
        };
        lists.keys().filter_map(longer).min()
    }

    #[cfg(test)]
    fn look(&self, paths: usize) {
        self.looks.fetch_add(paths, std::sync::atomic::Ordering::Relaxed);
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "only tests count")]
    fn look(&self, _: usize) {}
}

impl<T: Clone> Paths<T> {
    pub(crate) fn get(&self, path: &str) -> Option<T> {
        self.read(path).get(path).cloned()
    }

    /// Returns the value with its path as it is listed.
    pub(crate) fn get_listed(&self, path: &str) -> Option<(Arc<str>, T)> {
        self.read(path).get_key_value(path).map(|(path, what)| (path.clone(), what.clone()))
    }

    /// Returns all values, in no order.
    pub(crate) fn all<R>(&self, take: impl FnMut(&Arc<str>, &T) -> R) -> Vec<R> {
        self.all_with(take, || ()).0
    }

    /// Returns all values, and what `also` returns in the same hold of the lock of the lists.
    pub(crate) fn all_with<R, A>(
        &self,
        mut take: impl FnMut(&Arc<str>, &T) -> R,
        also: impl FnOnce() -> A,
    ) -> (Vec<R>, A) {
        let lists = self.lists();
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.0.read().unwrap_or_else(PoisonError::into_inner);
            all.extend(shard.iter().map(|(path, what)| take(path, what)));
        }
        let also = also();
        drop(lists);
        (all, also)
    }

    /// Returns what `pick` takes of the values, in no order. They are seen at different moments: only one shard is locked
    /// at a time, and the lists are not. So few changes wait for the walk.
    pub(crate) fn picked<R>(&self, mut pick: impl FnMut(&Arc<str>, &T) -> Option<R>) -> Vec<R> {
        let mut picked = Vec::new();
        for shard in &self.shards {
            let shard = shard.0.read().unwrap_or_else(PoisonError::into_inner);
            picked.extend(shard.iter().filter_map(|(path, what)| pick(path, what)));
        }
        picked
    }

    /// Returns the values at `path` and below it, leaves first.
    pub(crate) fn under(&self, path: &str) -> Vec<(Arc<str>, T)> {
        let lists = self.lists();
        let mut found = Vec::from_iter(self.get_listed(path));
        let mut left = Vec::from_iter(lists.get(path));
        while let Some(Below { paths, .. }) = left.pop() {
            self.look(paths.len());
            for path in paths {
                found.extend(self.get_listed(path));
                // None for a leaf, which is most of them.
                left.extend(lists.get(path));
            }
        }
        drop(lists);
        found.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
        found.dedup_by(|(a, _), (b, _)| a == b);
        found
    }
}

/// The last name of a path: that of a child, as its supervisor knows it.
pub(crate) fn name_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// The full path of the service that the machine of the supervisor `scope` knows by this name.
pub(crate) fn path_of(scope: &str, known: &str) -> Arc<str> {
    known.strip_prefix('/').map_or_else(|| format!("{scope}/{known}").into(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks_of(paths: &Paths<()>) -> usize {
        paths.looks.load(std::sync::atomic::Ordering::Relaxed)
    }

    struct NoGroups;

    impl Grouping<()> for NoGroups {
        fn naming(&self, _: &str, (): &()) -> Naming {
            Naming::Own
        }

        fn names_children(&self, (): &()) -> bool {
            true
        }

        fn enters(&self, _: Naming, _: &Arc<str>, (): &mut ()) {}

        fn replaces(&self, _: &Arc<str>, (): &(), (): &mut ()) {}

        fn leaves(&self, _: &str, (): &()) {}
    }

    fn insert(paths: &Paths<()>, path: &str) {
        paths.insert(&path.into(), (), &NoGroups);
    }

    fn remove(paths: &Paths<()>, path: &str) {
        paths.remove_if(path, |()| true, &NoGroups);
    }

    fn under(paths: &Paths<()>, path: &str) -> Vec<String> {
        paths.under(path).into_iter().map(|(path, ())| path.to_string()).collect()
    }

    #[test]
    fn what_is_under_a_path_comes_leaves_first_and_once() {
        let paths = Paths::default();
        for path in ["app", "app/a", "app/a/x", "app/ab", "app/a/x/y", "app/b"] {
            insert(&paths, path);
        }
        assert_eq!(under(&paths, "app/a"), ["app/a/x/y", "app/a/x", "app/a"]);
        assert_eq!(under(&paths, "app").len(), 6);
        // A path that came again may be in the list twice.
        remove(&paths, "app/b");
        insert(&paths, "app/b");
        assert_eq!(under(&paths, "app").len(), 6);
        // The paths below a path that is gone are still found from above.
        remove(&paths, "app/a/x");
        remove(&paths, "app/a");
        assert_eq!(under(&paths, "app/a"), ["app/a/x/y"]);
        for path in ["app/b", "app/ab", "app/a/x/y", "app"] {
            remove(&paths, path);
        }
        assert!(paths.lists().is_empty() && paths.len() == 0);
    }

    #[test]
    fn each_path_is_offered_once_and_only_what_is_picked_comes_back() {
        let paths = Paths::default();
        (0..1000).for_each(|number| insert(&paths, &format!("app/{number}")));
        let mut offered = 0;
        let mut picked = paths.picked(|path, ()| {
            offered += 1;
            path.ends_with("00").then(|| path.to_string())
        });
        picked.sort_unstable();
        assert_eq!(offered, 1000);
        assert_eq!(
            picked,
            ["100", "200", "300", "400", "500", "600", "700", "800", "900"].map(|end| format!("app/{end}"))
        );
    }

    #[test]
    fn a_name_is_found_below_any_path() {
        let paths = Paths::default();
        ["app", "app/z", "app/z/db", "app/a", "app/a/db"].iter().for_each(|path| insert(&paths, path));
        assert_eq!(paths.longer("db").as_deref(), Some("app/a/db"));
        assert_eq!(paths.longer("z/db").as_deref(), Some("app/z/db"));
        assert_eq!(paths.longer("b"), None);
    }

    // Found by reading: each end of a subtree looked at every path of the tree.
    #[test]
    fn subtrees_that_come_and_go_cost_the_same_beside_few_others_and_beside_many() {
        let looks = |others: usize| {
            let paths = Paths::default();
            (0..others).for_each(|number| insert(&paths, &format!("app/pool/{number}")));
            let before = looks_of(&paths);
            for number in 0..1000 {
                let sub = format!("app/sub{number}");
                insert(&paths, &sub);
                (0..10).for_each(|leaf| insert(&paths, &format!("{sub}/{leaf}")));
                for path in under(&paths, &sub) {
                    remove(&paths, &path);
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
            let paths = Paths::default();
            (0..others).for_each(|number| insert(&paths, &format!("app/pool/{number}")));
            for number in 0..others {
                remove(&paths, &format!("app/pool/{number}"));
            }
            assert!(looks_of(&paths) < 5 * others, "{}", looks_of(&paths));
        }
    }
}
