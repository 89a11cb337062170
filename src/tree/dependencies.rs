//! The dependencies between services, checked before anything starts. Every name means a service of the tree, and no
//! service waits for itself in a circle. Both hold at the start of a tree and for whatever is started or configured
//! later.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use regrow_supervisors::Dependency;

use crate::base::name::bounds_below;
use crate::base::sync::lock;
use crate::error::start::StartError;
use crate::tree::directory::full_path;

/// Paths, each with the paths that it depends on.
#[derive(Debug, Default)]
pub(crate) struct Graph(BTreeMap<Arc<str>, Vec<Arc<str>>>);

impl Graph {
    /// Notes the dependencies of one service.
    pub(crate) fn add(
        &mut self,
        scope: &str,
        path: &Arc<str>,
        dependencies: &[Dependency],
        exists: impl Fn(&str) -> bool,
    ) -> Result<(), StartError> {
        let mut on = Vec::new();
        for Dependency { name, .. } in dependencies {
            let found = full_path(scope, name, &exists);
            if !exists(&found) {
                return Err(StartError::UnknownDependency { path: path.clone(), name: name.clone() });
            }
            on.push(found.into());
        }
        if !on.is_empty() {
            self.0.insert(path.clone(), on);
        }
        Ok(())
    }

    /// Checks that no service waits for itself.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        self.cycle(self.0.keys()).map_or(Ok(()), |cycle| Err(StartError::DependencyCycle { cycle }))
    }

    /// The paths that this one depends on.
    #[cfg(feature = "policy")]
    pub(crate) fn on(&self, path: &str) -> Vec<Arc<str>> {
        self.0.get(path).cloned().unwrap_or_default()
    }

    /// Returns the edges, to be put in force.
    pub(crate) fn into_edges(self) -> impl Iterator<Item = Edges> {
        self.0.into_iter()
    }

    /// Finds a circle that can be reached from these paths.
    fn cycle<'a>(&'a self, from: impl Iterator<Item = &'a Arc<str>>) -> Option<Vec<Arc<str>>> {
        let mut done = HashSet::new();
        let mut from = from;
        from.find_map(|path| self.cycle_from(path, &mut done))
    }

    /// Follows the dependencies of `path` to the end of every way. This is a loop and not a recursion, for a chain may
    /// be long.
    fn cycle_from<'a>(&'a self, path: &'a Arc<str>, done: &mut HashSet<&'a Arc<str>>) -> Option<Vec<Arc<str>>> {
        let on = |path: &Arc<str>| self.0.get(path).map(|on| on.iter()).unwrap_or_default();
        let mut way = vec![(path, on(path))];
        let mut is_on_the_way = HashSet::from([path]);
        while let Some((here, left)) = way.last_mut() {
            match left.next() {
                Some(next) if is_on_the_way.contains(next) => {
                    let passed = way.iter().map(|(passed, _)| *passed);
                    return Some(passed.skip_while(|passed| *passed != next).cloned().collect());
                }
                Some(next) if !done.contains(next) => {
                    is_on_the_way.insert(next);
                    way.push((next, on(next)));
                }
                Some(_) => {}
                None => {
                    is_on_the_way.remove(*here);
                    done.insert(*here);
                    way.pop();
                }
            }
        }
        None
    }
}

/// A path, and the paths that it depends on.
pub(crate) type Edges = (Arc<str>, Vec<Arc<str>>);

/// The dependencies in force between the services of a running tree. There is one for the tree, because a circle may
/// lead through several supervisors that are given orders at the same time.
#[derive(Default)]
pub(crate) struct InForce(Mutex<Graph>);

impl InForce {
    /// Puts all of these in force, or none of them if one would close a circle.
    pub(crate) fn take(&self, new: Vec<Edges>) -> Result<(), Vec<Arc<str>>> {
        if new.is_empty() {
            return Ok(());
        }
        let mut graph = lock(&self.0);
        let paths: Vec<_> = new.iter().map(|(path, _)| path.clone()).collect();
        let before: Vec<Edges> = new.into_iter().map(|edges| (edges.0.clone(), graph.put(edges))).collect();
        match graph.cycle(paths.iter()) {
            None => Ok(()),
            Some(cycle) => {
                // The last one first, for a path may have been named twice.
                before.into_iter().rev().for_each(|edges| drop(graph.put(edges)));
                Err(cycle)
            }
        }
    }

    /// Forgets those of these paths that are not known any more, because their children went meanwhile.
    #[cfg(feature = "policy")]
    pub(crate) fn keep_only<'a>(&self, paths: impl Iterator<Item = &'a Arc<str>>, is_known: impl Fn(&str) -> bool) {
        for path in paths.filter(|path| !is_known(path)) {
            lock(&self.0).0.remove(path);
        }
    }

    /// Replaces the dependencies of one path, which are in force already.
    pub(crate) fn set(&self, edges: Edges) {
        lock(&self.0).put(edges);
    }

    /// Number of paths that depend on others.
    pub(crate) fn len(&self) -> usize {
        lock(&self.0).0.len()
    }

    /// Forgets this path and everything below it.
    pub(crate) fn forget(&self, path: &str) {
        let mut graph = lock(&self.0);
        if !graph.0.is_empty() {
            let (first, last) = bounds_below(path);
            let range = (Bound::Included(&*first), Bound::Excluded(&*last));
            let below: Vec<_> = graph.0.range::<str, _>(range).map(|(path, _)| path.clone()).collect();
            graph.0.remove(path);
            below.iter().for_each(|path| drop(graph.0.remove(path)));
        }
    }
}

impl Graph {
    /// Replaces the dependencies of a path, and returns those before.
    fn put(&mut self, (path, on): Edges) -> Vec<Arc<str>> {
        let before = if on.is_empty() { self.0.remove(&path) } else { self.0.insert(path, on) };
        before.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Found by reading: the walk was a recursion, and compared each name with all before it.
    #[test]
    fn a_chain_of_a_hundred_thousand_is_followed_to_its_end() {
        let name = |number: u32| -> Arc<str> { format!("app/{number:06}").into() };
        let chain = (0..100_000).map(|number| (name(number), vec![name(number + 1)]));
        let mut graph = Graph(chain.collect());
        assert!(graph.check().is_ok());
        graph.0.insert(name(100_000), vec![name(5), name(99_999)]);
        let Err(StartError::DependencyCycle { cycle }) = graph.check() else { panic!("it is a circle") };
        assert_eq!((cycle.len(), &*cycle[0], &*cycle[99_995]), (99_996, "app/000005", "app/100000"));
    }
}
