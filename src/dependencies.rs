//! Who depends on whom, checked before anything starts: every name means a service of the tree, and nobody waits for
//! itself in a circle.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::directory::full_path;
use crate::layer::Layer;
use crate::supervisor::StartError;
use crate::supervisor::plan::Plan;

/// Path to the paths that it depends on.
#[derive(Debug, Default)]
pub(crate) struct Graph(BTreeMap<Arc<str>, Vec<Arc<str>>>);

impl Graph {
    /// What the services of a planned tree, or subtree, depend on, with what the layer says. `outside` knows the paths of the
    /// tree that it is to be a part of.
    pub(crate) fn of(
        plan: &Plan,
        layer: Option<&dyn Layer>,
        outside: impl Fn(&str) -> bool,
    ) -> Result<Self, StartError> {
        let mut paths: HashSet<Arc<str>> = HashSet::new();
        plan.for_each(&mut |plan| {
            paths.insert(plan.path.clone());
            paths.extend(plan.children.iter().map(|child| child.path.clone()));
        });
        let mut said = Vec::new();
        plan.for_each(&mut |plan| {
            for child in &plan.children {
                let coded = child.coded(&plan.terms.defaults);
                let spec = layer.map_or_else(|| coded.spec.clone(), |layer| layer.apply(&child.path, &coded).spec);
                said.push((plan.path.clone(), child.path.clone(), spec));
            }
        });
        let mut graph = Self::default();
        for (scope, path, spec) in said {
            graph.add(&scope, &path, spec.dependencies(), |path| paths.contains(path) || outside(path))?;
        }
        Ok(graph)
    }

    /// Notes what one service depends on.
    pub(crate) fn add(
        &mut self,
        scope: &str,
        path: &Arc<str>,
        names: &[Arc<str>],
        exists: impl Fn(&str) -> bool,
    ) -> Result<(), StartError> {
        let mut on = Vec::new();
        for name in names {
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

    /// Whether somebody waits for itself.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let mut done = HashSet::new();
        match self.0.keys().find_map(|path| self.cycle_from(path, &mut done)) {
            Some(cycle) => Err(StartError::DependencyCycle { cycle }),
            None => Ok(()),
        }
    }

    /// Follows what `path` depends on, to the end of every way. A loop and not a recursion: a chain may be long.
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
