//! Dependencies of services all over the tree, and the stop order of siblings that follows from them.
//!
//! If a service depends on another one below a different branch, the branches part at two siblings. The sibling with
//! the dependent stops first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use regrow_supervisors::ChildSpec;

/// Paths of services, each with the paths that it depends on.
#[derive(Debug, Default)]
pub(super) struct Needs {
    of: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// Number of changes so far.
    pub(super) changes: u64,
}

impl Needs {
    pub(super) fn new(of: impl IntoIterator<Item = (Arc<str>, Vec<Arc<str>>)>) -> Self {
        Self { of: of.into_iter().collect(), changes: 1 }
    }

    /// Reads the dependencies in the spec of a child of this supervisor.
    pub(super) fn read(&mut self, supervisor: &str, path: &Arc<str>, spec: &ChildSpec) {
        let full = |name: &Arc<str>| match name.strip_prefix('/') {
            Some(path) => path.into(),
            None => format!("{supervisor}/{name}").into(),
        };
        let on: Vec<_> = spec.dependencies().iter().map(|on| full(&on.name)).collect();
        let before = if on.is_empty() { self.of.remove(path) } else { self.of.insert(path.clone(), on.clone()) };
        self.changes += u64::from(before.unwrap_or_default() != on);
    }

    /// Forgets the children of the supervisor that are not among these.
    pub(super) fn keep(&mut self, supervisor: &str, children: &BTreeSet<&str>) {
        let before = self.of.len();
        self.of.retain(|path, _| match path.rsplit_once('/') {
            Some((above, _)) if above == supervisor => children.contains(&**path),
            Some(_) | None => true,
        });
        self.changes += u64::from(self.of.len() != before);
    }

    pub(super) fn forget(&mut self, path: &str) {
        self.changes += u64::from(self.of.remove(path).is_some());
    }

    /// Computes the stop order among the children of this supervisor.
    pub(super) fn among(&self, supervisor: &str) -> Ties {
        let child = |path: &str| {
            let rest = path.strip_prefix(supervisor)?.strip_prefix('/')?;
            let name = rest.split('/').next().unwrap_or_default();
            Some(Arc::<str>::from(format!("{supervisor}/{name}")))
        };
        let mut said = BTreeMap::<_, BTreeSet<_>>::new();
        for (path, on) in &self.of {
            let Some(dependent) = child(path) else { continue };
            let others = on.iter().filter_map(|on| child(on)).filter(|on| *on != dependent);
            said.entry(dependent.clone()).or_default().extend(others);
        }
        let direct = Ties { reach: said };
        // The demands of a circle cannot all hold, so none of them counts.
        let sound = direct.reach.iter().map(|(dependent, on)| {
            let sound = on.iter().filter(|on| !direct.leads(on, dependent)).cloned().collect();
            (dependent.clone(), sound)
        });
        let sound = Ties { reach: sound.collect() };
        let all = sound.reach.keys().map(|dependent| (dependent.clone(), sound.all(dependent)));
        Ties { reach: all.filter(|(_, on)| !on.is_empty()).collect() }
    }
}

/// Children, each with the siblings that stop after it, directly or through others.
#[derive(Debug, Default)]
pub(super) struct Ties {
    reach: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
}

impl Ties {
    pub(super) fn are_none(&self) -> bool {
        self.reach.is_empty()
    }

    pub(super) fn holds(&self, before: &str, after: &str) -> bool {
        self.reach.get(before).is_some_and(|on| on.contains(after))
    }

    fn leads(&self, from: &str, to: &str) -> bool {
        self.all(from).contains(to)
    }

    fn all(&self, from: &str) -> BTreeSet<Arc<str>> {
        let mut seen = BTreeSet::new();
        let mut next: Vec<_> = self.reach.get(from).into_iter().flatten().cloned().collect();
        while let Some(on) = next.pop() {
            next.extend(self.reach.get(&on).into_iter().flatten().filter(|further| !seen.contains(*further)).cloned());
            seen.insert(on);
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_depends_below_a_child_counts_for_the_child_unless_in_a_circle() {
        let need = |path: &str, on: &[&str]| (path.into(), on.iter().map(|on| Arc::from(*on)).collect());
        let needs = Needs::new([
            need("app/a/x", &["app/b/y", "app/a/z"]),
            need("app/b", &["app/c"]),
            need("app/d/x", &["app/e/x"]),
            need("app/e/y", &["app/d/y"]),
            need("app/e/z", &["app/a"]),
        ]);
        let ties = needs.among("app");
        assert!(ties.holds("app/a", "app/b") && ties.holds("app/a", "app/c") && ties.holds("app/e", "app/c"));
        assert!(!ties.holds("app/d", "app/e") && !ties.holds("app/d", "app/a"), "{ties:?}");
        assert!(needs.among("app/a").holds("app/a/x", "app/a/z"));
        assert!(needs.among("app/b").are_none() && needs.among("ap").are_none());
    }
}
