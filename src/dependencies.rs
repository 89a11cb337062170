//! Who depends on whom, checked before anything starts: every name means a service of the tree, and nobody waits for
//! itself in a circle.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use regrow_supervisors::Policy;

use crate::directory::full_path;
use crate::layer::Layer;
use crate::supervisor::StartError;
use crate::supervisor::plan::Plan;

/// Path to the paths that it depends on.
#[derive(Debug, Default)]
pub(crate) struct Graph(BTreeMap<Arc<str>, Vec<Arc<str>>>);

impl Graph {
    /// What the services of a planned tree, or subtree, depend on, with what the root says for every service, and the layer.
    /// `outside` knows the paths of the tree that it is to be a part of.
    pub(crate) fn of(
        plan: &Plan,
        tree: Option<&Arc<Policy>>,
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
                let coded = child.coded(plan.defaults(tree, child.is_supervisor()));
                let spec = layer.map_or_else(|| coded.whole(), |layer| layer.apply(&child.path, &coded)).spec;
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

    /// Each service that depends on others, and their paths.
    pub(crate) fn into_dependencies(self) -> impl Iterator<Item = (Arc<str>, Vec<Arc<str>>)> {
        self.0.into_iter()
    }

    /// Whether somebody waits for itself.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let mut done = HashSet::new();
        for path in self.0.keys() {
            let mut way = Vec::new();
            if let Some(cycle) = self.walk(path, &mut way, &mut done) {
                return Err(StartError::DependencyCycle { cycle });
            }
        }
        Ok(())
    }

    fn walk(&self, path: &Arc<str>, way: &mut Vec<Arc<str>>, done: &mut HashSet<Arc<str>>) -> Option<Vec<Arc<str>>> {
        if let Some(begin) = way.iter().position(|passed| passed == path) {
            return Some(way[begin..].to_vec());
        }
        if !done.contains(path) {
            way.push(path.clone());
            for next in self.0.get(path).into_iter().flatten() {
                let cycle = self.walk(next, way, done);
                if cycle.is_some() {
                    return cycle;
                }
            }
            way.pop();
            done.insert(path.clone());
        }
        None
    }
}
