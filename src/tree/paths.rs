//! The listed paths, and for each the paths below it, in order: a subtree is found without a look at the rest of the
//! tree, and a long list is read a slice at a time.
//!
//! A look-up of one path takes the lock of one shard and no other. So look-ups of different names on different cores
//! share no cache line. A change of the listed paths also holds the lock of the lists. So does a reader that must see
//! several paths as of one moment.
//!
//! The order of a tree: a path comes before those below it, and these come before the next path of its own level.
//! Paths of one level are in the order of their names.
//!
//! Invariants:
//! 1. Every listed path is in the list of the path above it, so that it is found from there.
//! 2. The order of locking is: the lists, then a shard, one shard at a time. A listed value is dropped under none of
//!    these locks.
//! 3. A walk holds the lists and all shards. That blocks no more than the lists alone would: a shard changes only
//!    under the lock of the lists, but for its [room](Paths::reserve).

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use regrow_supervisors::ByName;

use crate::base::name::is_within;
use crate::base::thrift;
use crate::tree::lists::{List, Lists};
use crate::tree::siblings;
use crate::tree::templates::Naming;

#[cfg(test)]
mod check;

/// Number of shards: a power of two.
const SHARDS: usize = 16;

/// The listed values, by path.
pub(crate) struct Paths<T> {
    shards: [Shard<T>; SHARDS],
    /// For each path, those below it.
    lists: RwLock<Lists>,
}

/// A shard on cache lines that it shares with no other.
#[repr(align(128))]
struct Shard<T>(RwLock<ByName<T>>);

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
        Self { shards: std::array::from_fn(|_| Shard(RwLock::default())), lists: RwLock::default() }
    }
}

impl<T> Paths<T> {
    fn shard(&self, path: &str) -> &RwLock<ByName<T>> {
        &self.shards[shard_of(path)].0
    }

    fn read(&self, path: &str) -> RwLockReadGuard<'_, ByName<T>> {
        self.shard(path).read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, path: &str) -> RwLockWriteGuard<'_, ByName<T>> {
        self.shard(path).write().unwrap_or_else(PoisonError::into_inner)
    }

    fn lists(&self) -> RwLockReadGuard<'_, Lists> {
        self.lists.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn lists_to_change(&self) -> RwLockWriteGuard<'_, Lists> {
        self.lists.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks all shards for a walk, which holds the lists (invariant 3).
    fn all_shards(&self) -> AllShards<'_, T> {
        AllShards(self.shards.each_ref().map(|shard| shard.0.read().unwrap_or_else(PoisonError::into_inner)))
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
            && let Some(naming) = lists.naming_mut(path)
        {
            // Paths below it are listed already. Later ones follow its present description.
            *naming = groups.naming(path, &what);
        }
        let naming_of =
            |above: &str| self.read(above).get(above).map_or(Naming::Own, |listed| groups.naming(above, listed));
        let home = lists.home(path);
        let naming = match home {
            None => Naming::Own,
            Some(home) => lists.naming_at(home).unwrap_or_else(|| naming_of(&path[..home.end])),
        };
        let before = self.put(path, what, naming, groups);
        if before.is_none() {
            lists.add(path, home, naming, |path| self.contains(path));
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
        let (path, gone) = {
            let mut shard = self.write(path);
            shard.get(path).filter(|what| is_meant(what))?;
            let gone = shard.remove_entry(path);
            thrift::give_back(&mut shard);
            gone?
        };
        groups.leaves(&path, &gone);
        lists.remove(&path, |path| self.contains(path));
        Some(gone)
    }

    pub(crate) fn contains(&self, path: &str) -> bool {
        self.read(path).contains_key(path)
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.0.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// The paths one level below this one, in order.
    pub(crate) fn just_below(&self, path: &str, max: usize) -> Option<Vec<Arc<str>>> {
        let lists = self.lists();
        let Some(below) = lists.get(path).map(List::paths) else { return Some(Vec::new()) };
        (below.len() <= max).then(|| below.iter().filter(|path| self.contains(path)).cloned().collect())
    }

    /// The listed paths without one above them. A tree has one.
    pub(crate) fn roots(&self) -> Vec<Arc<str>> {
        self.lists().roots().to_vec()
    }

    /// Calls `look` in a hold of the lists: no path is listed or removed meanwhile.
    pub(crate) fn while_unchanged<R>(&self, look: impl FnOnce() -> R) -> R {
        let _lists = self.lists();
        look()
    }

    /// The first path that ends with `path`, below some other one.
    pub(crate) fn longer(&self, path: &str) -> Option<Arc<str>> {
        let lists = self.lists();
        let longer = |above: &Arc<str>| {
            let longer = format!("{above}/{path}");
            self.read(&longer).get_key_value(&*longer).map(|(path, _)| path.clone())
        };
        lists.parents().filter_map(longer).min()
    }
}

impl<T: Clone> Paths<T> {
    pub(crate) fn get(&self, path: &str) -> Option<T> {
        self.read(path).get(path).cloned()
    }

    /// Returns the value with its path as it is listed.
    pub(crate) fn get_listed(&self, path: &str) -> Option<(Arc<str>, T)> {
        self.read(path).get_key_value(path).map(|(path, what)| (path.clone(), what.clone()))
    }

    /// Returns all values, in no order, as of one moment.
    pub(crate) fn all<R>(&self, mut take: impl FnMut(&Arc<str>, &T) -> R) -> Vec<R> {
        let lists = self.lists();
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.0.read().unwrap_or_else(PoisonError::into_inner);
            all.extend(shard.iter().map(|(path, what)| take(path, what)));
        }
        drop(lists);
        all
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
        let shards = self.all_shards();
        let mut found = Vec::from_iter(shards.get_listed(path));
        let mut left = Vec::from_iter(lists.get(path));
        while let Some(list) = left.pop() {
            for path in list.paths().all() {
                found.extend(shards.get_listed(path));
                // Most lists are of leaves, and the others are of leaves for the most part.
                if list.has_parents() {
                    left.extend(lists.get(path));
                }
            }
        }
        drop((shards, lists));
        found.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
        found
    }

    /// Returns the first values behind `after`, in the order of the tree, of those at `top` and below it. `after` need
    /// not be listed any more. Without it the first value is that at `top`.
    ///
    /// The lock of the lists is held meanwhile, so `max` is to be small. A reader of a long list asks again, from the
    /// last path that it got: what is listed all the time is returned exactly once.
    pub(crate) fn page(&self, top: &str, after: Option<&str>, max: usize) -> Vec<(Arc<str>, T)> {
        self.page_within(top, after, max, |_, _| true)
    }

    /// Does what [`page`](Self::page) does, and leaves out what is below a path that `is_entered` refuses. That costs no
    /// time, however much it is.
    pub(crate) fn page_within(
        &self,
        top: &str,
        after: Option<&str>,
        max: usize,
        is_entered: impl Fn(&str, &T) -> bool,
    ) -> Vec<(Arc<str>, T)> {
        let mut page = Vec::with_capacity(max);
        let lists = self.lists();
        let shards = self.all_shards();
        let mut levels = match after {
            None => {
                page.extend(shards.get_listed(top).filter(|_| max > 0));
                Vec::from_iter(lists.get(top).filter(|_| shards.is_entered(top, &is_entered)).map(Level::all))
            }
            Some(after) => levels_behind(&lists, top, after, |path| shards.is_entered(path, &is_entered)),
        };
        while page.len() < max
            && let Some(level) = levels.last_mut()
        {
            match level.paths.next() {
                None => drop(levels.pop()),
                Some(path) => {
                    page.extend(shards.get_listed(path));
                    // Most lists are of leaves, and the others are of leaves for the most part.
                    if level.has_parents
                        && let Some(list) = lists.get(path).filter(|_| shards.is_entered(path, &is_entered))
                    {
                        levels.push(Level::all(list));
                    }
                }
            }
        }
        page
    }
}

/// Number of the shard that has a path.
fn shard_of(path: &str) -> usize {
    // The end of a path tells the children of a supervisor apart. It need not be spread well, for paths of one shard
    // share a lock and no more.
    let end = path.as_bytes().iter().rev().take(4).fold(0, |end, byte| end * 31 + usize::from(*byte));
    end % SHARDS
}

/// The shards, for one walk.
struct AllShards<'a, T>([RwLockReadGuard<'a, ByName<T>>; SHARDS]);

impl<T: Clone> AllShards<'_, T> {
    fn get_listed(&self, path: &str) -> Option<(Arc<str>, T)> {
        self.0[shard_of(path)].get_key_value(path).map(|(path, what)| (path.clone(), what.clone()))
    }

    /// Whether a walk goes below this path. It does so below one that is not listed.
    fn is_entered(&self, path: &str, is_entered: impl Fn(&str, &T) -> bool) -> bool {
        self.0[shard_of(path)].get(path).is_none_or(|what| is_entered(path, what))
    }
}

/// A level of a walk.
struct Level<'a> {
    paths: siblings::Iter<'a>,
    has_parents: bool,
}

impl<'a> Level<'a> {
    fn all(list: &'a List) -> Self {
        Self { paths: list.paths().iter(), has_parents: list.has_parents() }
    }

    fn after(list: &'a List, path: &str) -> Self {
        Self { paths: list.paths().after(path), has_parents: list.has_parents() }
    }
}

/// Returns, for each level from that below `top` on, what comes behind `after`.
fn levels_behind<'a>(lists: &'a Lists, top: &str, after: &str, is_entered: impl Fn(&str) -> bool) -> Vec<Level<'a>> {
    let mut levels = Vec::new();
    if !is_within(after, top) {
        return levels;
    }
    let mut upper = top;
    for (end, _) in after[top.len()..].match_indices('/').skip(1) {
        let path = &after[..top.len() + end];
        levels.extend(lists.get(upper).map(|list| Level::after(list, path)));
        upper = path;
    }
    if after != top {
        levels.extend(lists.get(upper).map(|list| Level::after(list, after)));
    }
    levels.extend(lists.get(after).filter(|_| is_entered(after)).map(Level::all));
    levels
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

    fn is_empty(paths: &Paths<()>) -> bool {
        paths.lists().is_empty() && paths.len() == 0
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
        assert!(is_empty(&paths));
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

    fn all_of(paths: &Paths<()>, top: &str, slice: usize) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        loop {
            let page = paths.page(top, all.last().map(String::as_str), slice);
            if page.is_empty() {
                return all;
            }
            all.extend(page.into_iter().map(|(path, ())| path.to_string()));
        }
    }

    /// Sorts paths in the order of a tree: names are compared one after the other.
    fn in_order(paths: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut paths = Vec::from_iter(paths);
        paths.sort_by(|a, b| a.split('/').cmp(b.split('/')));
        paths
    }

    #[test]
    fn pages_follow_the_order_of_the_tree() {
        let paths = Paths::default();
        // As texts, `a-b` and `a b` come before `a/x`. The name that ends with a zero byte comes right after `a`.
        let order =
            ["app", "app/a", "app/a/x", "app/a/x/y", "app/a\0", "app/a b", "app/a-b", "app/ab", "app/abcdefghi"];
        order.iter().rev().for_each(|path| insert(&paths, path));
        for slice in 1..=order.len() {
            assert_eq!(all_of(&paths, "app", slice), order, "{slice}");
        }
        assert_eq!(all_of(&paths, "app/a", 2), ["app/a", "app/a/x", "app/a/x/y"]);
        assert_eq!(all_of(&paths, "app/nothing", 2), [""; 0]);
        // What lies behind a path that is gone, and behind one that never was.
        paths.remove_if("app/a/x", |()| true, &NoGroups);
        assert_eq!(paths.page("app", Some("app/a/x"), 1)[0].0, "app/a/x/y".into());
        assert_eq!(paths.page("app", Some("app/a/z/z"), 1)[0].0, "app/a\0".into());
        assert_eq!(paths.page("app/a", Some("app/b"), 9), []);
        assert_eq!(paths.page("app", None, 0), []);
    }

    #[test]
    fn a_page_leaves_out_what_is_below_a_path_that_is_not_entered() {
        let paths = Paths::default();
        let listed = ["app", "app/a", "app/a/x", "app/a/x/y", "app/b", "app/b/x", "app/c"];
        listed.iter().for_each(|path| insert(&paths, path));
        for (refused, wanted) in [
            ("app/a", &["app", "app/a", "app/b", "app/b/x", "app/c"][..]),
            ("app/a/x", &["app", "app/a", "app/a/x", "app/b", "app/b/x", "app/c"]),
            ("app", &["app"]),
            ("app/c", &listed),
        ] {
            for max in 1..=listed.len() {
                let mut all: Vec<Arc<str>> = Vec::new();
                loop {
                    let page =
                        paths.page_within("app", all.last().map(|path| &**path), max, |path, ()| path != refused);
                    if page.is_empty() {
                        break;
                    }
                    all.extend(page.into_iter().map(|(path, ())| path));
                }
                assert_eq!(all.iter().map(|path| &**path).collect::<Vec<_>>(), wanted, "{refused} {max}");
            }
        }
        assert_eq!(paths.roots(), ["app".into()]);
        remove(&paths, "app");
        assert_eq!(paths.roots(), []);
    }

    // Children come and go between two slices. What is there all the time comes exactly once, and all comes in order.
    #[test]
    fn a_reader_of_slices_misses_nothing_that_stays_and_sees_nothing_twice() {
        for seed in 0..300 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let any = |rng: &mut fastrand::Rng| {
                let names = ["a", "b", "aa", "a-b", "prefix01", "prefix01-long", "prefix01-longer"];
                (0..rng.usize(0..4)).fold("app".to_owned(), |path, _| path + "/" + names[rng.usize(..names.len())])
            };
            let paths = Paths::default();
            let mut model = std::collections::BTreeSet::new();
            let mut change = |paths: &Paths<()>, rng: &mut fastrand::Rng, touched: &mut Vec<String>| {
                let path = any(rng);
                if rng.bool() {
                    insert(paths, &path);
                    model.insert(path.clone());
                } else {
                    assert_eq!(paths.remove_if(&path, |()| true, &NoGroups).is_some(), model.remove(&path));
                }
                touched.push(path);
                model.clone()
            };
            let mut before = Default::default();
            for _ in 0..60 {
                before = change(&paths, &mut rng, &mut Vec::new());
                assert!(paths.lists().are_counted(), "seed {seed}");
            }
            assert_eq!(all_of(&paths, "app", 3), in_order(before.clone()), "seed {seed}");
            let mut under_app = under(&paths, "app");
            under_app.reverse();
            assert_eq!(under_app, Vec::from_iter(before.clone()), "seed {seed}");
            let (mut seen, mut touched) = (Vec::<String>::new(), Vec::new());
            loop {
                let page = paths.page("app", seen.last().map(String::as_str), 3);
                if page.is_empty() {
                    break;
                }
                seen.extend(page.into_iter().map(|(path, ())| path.to_string()));
                (0..rng.usize(0..3)).for_each(|_| drop(change(&paths, &mut rng, &mut touched)));
            }
            assert_eq!(seen, in_order(seen.clone()), "seed {seed}");
            assert!(seen.windows(2).all(|two| two[0] != two[1]), "seed {seed}: {seen:?}");
            let stayed = before.iter().filter(|path| !touched.contains(path));
            assert!(stayed.clone().all(|path| seen.contains(path)), "seed {seed}: {seen:?}");
            assert!(seen.iter().all(|path| before.contains(path) || touched.contains(path)), "seed {seed}");
            // Nothing is left of what was listed.
            for path in under(&paths, "app") {
                paths.remove_if(&path, |()| true, &NoGroups);
            }
            assert!(is_empty(&paths), "seed {seed}");
        }
    }

    // A list of a hundred thousand is shortened at each removal.
    #[test]
    fn nothing_is_left_of_many_paths_that_come_and_go() {
        let paths = Paths::default();
        (0..100_000).for_each(|number| insert(&paths, &format!("app/pool/{number}")));
        for number in (0..100_000).rev() {
            assert!(paths.remove_if(&format!("app/pool/{number}"), |()| true, &NoGroups).is_some());
        }
        assert!(is_empty(&paths));
    }
}
