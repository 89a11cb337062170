//! The stop order of a supervisor's children, for those with services that depend on each other further down.
//!
//! Invariant: a dependency of one service on another counts at one supervisor, at which their paths part. Two children
//! that depend on each other directly are known to the machine by their specs.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::base::name::bounds_below;
use crate::base::sync::lock;
use crate::base::thrift;

/// The dependencies of a tree that are in force.
#[derive(Debug, Default)]
pub(crate) struct StopOrder {
    said: Mutex<Said>,
    /// Number of changes that supervisors have to apply; 0 if there was never a dependency.
    changes: AtomicU64,
}

#[derive(Debug, Default)]
struct Said {
    /// Paths, each with the paths that it depends on. They are in order, so that all below a path is forgotten with it.
    dependencies: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// Supervisors, each with pairs of its children, and the number of dependencies behind each pair.
    pairs: HashMap<Box<str>, BTreeMap<Pair, usize>>,
}

/// The names of a child, and of another one that is stopped after it.
pub(crate) type Pair = (Box<str>, Box<str>);

impl StopOrder {
    /// Replaces the paths that the service at `path` depends on.
    pub(crate) fn set(&self, path: &Arc<str>, dependencies: &[Arc<str>]) {
        if dependencies.is_empty() && self.changes.load(Ordering::Acquire) == 0 {
            return;
        }
        if lock(&self.said).set(path, dependencies) {
            self.changes.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Forgets the dependencies of this path and of everything below it.
    pub(crate) fn forget(&self, path: &str) {
        if self.changes.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut said = lock(&self.said);
        let (first, last) = bounds_below(path);
        let range = (Bound::Included(&*first), Bound::Excluded(&*last));
        let mut paths: Vec<_> = said.dependencies.range::<str, _>(range).map(|(path, _)| path.clone()).collect();
        paths.extend(said.dependencies.get_key_value(path).map(|(path, _)| path.clone()));
        let changed = paths.iter().filter(|path| said.set(path, &[])).count();
        if changed > 0 {
            self.changes.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Returns the paths with dependencies, and for each the paths that it depends on.
    #[allow(dead_code, reason = "only experiments call it, and they are a feature")]
    pub(crate) fn dependencies(&self) -> Vec<(Arc<str>, Vec<Arc<str>>)> {
        lock(&self.said).dependencies.iter().map(|(path, on)| (path.clone(), on.clone())).collect()
    }

    /// A number that grows with each change.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    pub(crate) fn tables(&self) -> [(&'static str, usize); 2] {
        let said = lock(&self.said);
        [("stop order: dependencies", said.dependencies.len()), ("stop order: pairs", said.pairs.len())]
    }

    /// The pairs of this supervisor's children of which the first is stopped before the second.
    pub(crate) fn pairs(&self, supervisor: &str) -> Vec<Pair> {
        lock(&self.said).pairs.get(supervisor).map(|pairs| pairs.keys().cloned().collect()).unwrap_or_default()
    }
}

impl Said {
    /// Replaces the dependencies of a path. Returns whether they have changed.
    fn set(&mut self, path: &Arc<str>, dependencies: &[Arc<str>]) -> bool {
        let before = self.dependencies.get(path).cloned().unwrap_or_default();
        if before == dependencies {
            return false;
        }
        for dependency in dependencies {
            self.add(path, dependency);
        }
        for dependency in &before {
            self.take_back(path, dependency);
        }
        if dependencies.is_empty() {
            self.dependencies.remove(path);
        } else {
            self.dependencies.insert(path.clone(), dependencies.to_vec());
        }
        true
    }

    fn add(&mut self, dependent: &str, dependency: &str) {
        if let Some((supervisor, pair)) = parting(dependent, dependency) {
            *self.pairs.entry(supervisor.into()).or_default().entry(pair).or_default() += 1;
        }
    }

    fn take_back(&mut self, dependent: &str, dependency: &str) {
        let Some((supervisor, pair)) = parting(dependent, dependency) else { return };
        let Some(pairs) = self.pairs.get_mut(supervisor) else { return };
        if let Some(count) = pairs.get_mut(&pair) {
            *count -= 1;
            if *count == 0 {
                pairs.remove(&pair);
            }
        }
        if pairs.is_empty() {
            self.pairs.remove(supervisor);
            thrift::give_back(&mut self.pairs);
        }
    }
}

/// The supervisor at which two paths part, and the names of its children on the way to each. `None` for two siblings,
/// which their supervisor knows itself, and if one path is below the other.
fn parting<'a>(a: &'a str, b: &str) -> Option<(&'a str, Pair)> {
    let same = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let end = a.as_bytes()[..same].iter().rposition(|byte| *byte == b'/')?;
    let (a_rest, b_rest) = (&a[end + 1..], &b[end + 1..]);
    let first = |rest: &str| rest.split('/').next().unwrap_or_default().into();
    let (a_first, b_first): Pair = (first(a_rest), first(b_rest));
    let are_siblings = *a_first == *a_rest && *b_first == *b_rest;
    (a_first != b_first && !are_siblings).then_some((&a[..end], (a_first, b_first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parted(a: &str, b: &str) -> Option<String> {
        parting(a, b).map(|(supervisor, (a, b))| format!("{supervisor}: {a} before {b}"))
    }

    #[test]
    fn a_dependency_counts_where_the_paths_part() {
        assert_eq!(parted("app/a/x", "app/b/y").as_deref(), Some("app: a before b"));
        assert_eq!(parted("app/web", "app/b/y/z").as_deref(), Some("app: web before b"));
        assert_eq!(parted("app/a/b/x", "app/a/bb").as_deref(), Some("app/a: b before bb"));
        assert_eq!(parted("app/é/x", "app/è").as_deref(), Some("app: é before è"));
        for (a, b) in [("app/a", "app/b"), ("app/a/x", "app/a"), ("app/a", "app/a/x"), ("app/a", "app/a")] {
            assert_eq!(parted(a, b), None, "{a} {b}");
        }
    }

    #[test]
    fn a_pair_holds_as_long_as_one_dependency_is_behind_it() {
        let order = StopOrder::default();
        let (x, y): (Arc<str>, Arc<str>) = ("app/a/x".into(), "app/a/y".into());
        order.set(&x, &["app/b".into()]);
        order.set(&y, &["app/b".into(), "app/a/x".into()]);
        assert_eq!(order.pairs("app"), [("a".into(), "b".into())]);
        assert!(order.pairs("app/a").is_empty(), "siblings know each other");
        order.forget(&x);
        assert_eq!(order.pairs("app").len(), 1);
        order.set(&y, &["app/c/z".into()]);
        assert_eq!(order.pairs("app"), [("a".into(), "c".into())]);
        order.forget(&y);
        assert!(order.pairs("app").is_empty());
    }

    // Found by the soak of `tests/leaks`: a subtree that was forgotten left what its services had depended on.
    #[test]
    fn a_path_is_forgotten_with_all_that_is_below_it() {
        let order = StopOrder::default();
        for path in ["app/a", "app/a/x", "app/a/x/y", "app/ab"] {
            order.set(&path.into(), &["app/b/z".into()]);
        }
        order.forget("app/a");
        assert_eq!(order.tables().map(|(_, size)| size), [1, 1]);
        order.forget("app/ab");
        assert_eq!(order.tables().map(|(_, size)| size), [0, 0]);
    }
}
