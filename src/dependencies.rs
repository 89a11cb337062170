//! Which services depend on which, checked before anything starts: every name means a service of the tree, and none waits
//! for itself in a circle; neither at the start of a tree nor through what is started or configured later.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use regrow_supervisors::{Dependency, Policy};

use crate::directory::full_path;
use crate::layer::Layer;
use crate::supervisor::StartError;
use crate::supervisor::plan::Plan;
use crate::sync::lock;

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

    /// Whether a service waits for itself.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        self.cycle(self.0.keys()).map_or(Ok(()), |cycle| Err(StartError::DependencyCycle { cycle }))
    }

    /// The edges, to be taken for in force.
    pub(crate) fn into_edges(self) -> impl Iterator<Item = Edges> {
        self.0.into_iter()
    }

    /// A circle that can be reached from these.
    fn cycle<'a>(&self, from: impl Iterator<Item = &'a Arc<str>>) -> Option<Vec<Arc<str>>> {
        let mut done = HashSet::new();
        let mut from = from;
        from.find_map(|path| self.walk(path, &mut Vec::new(), &mut done))
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

/// All paths below this one are between these two.
pub(crate) fn below(path: &str) -> (String, String) {
    (format!("{path}/"), format!("{path}0"))
}

/// A path, and the paths that it depends on.
pub(crate) type Edges = (Arc<str>, Vec<Arc<str>>);

/// What the services of a running tree depend on. One for the tree, because a circle may lead through several supervisors
/// that are given orders at the same time.
#[derive(Default)]
pub(crate) struct InForce(Mutex<Graph>);

impl InForce {
    /// Takes these for in force, all of them; or none, if one would close a circle.
    pub(crate) fn take(&self, new: Vec<Edges>) -> Result<(), Vec<Arc<str>>> {
        let mut graph = lock(&self.0);
        let paths: Vec<_> = new.iter().map(|(path, _)| path.clone()).collect();
        let before: Vec<Edges> = new.into_iter().map(|edges| (edges.0.clone(), graph.put(edges))).collect();
        match graph.cycle(paths.iter()) {
            None => Ok(()),
            Some(cycle) => {
                // The last one first: a path may have been named twice.
                before.into_iter().rev().for_each(|edges| drop(graph.put(edges)));
                Err(cycle)
            }
        }
    }

    /// Takes what is in force already.
    pub(crate) fn set(&self, edges: Edges) {
        lock(&self.0).put(edges);
    }

    /// What has this path is forgotten, and everything below it.
    pub(crate) fn forget(&self, path: &str) {
        let mut graph = lock(&self.0);
        if !graph.0.is_empty() {
            let (first, last) = below(path);
            let range = (Bound::Included(&*first), Bound::Excluded(&*last));
            let below: Vec<_> = graph.0.range::<str, _>(range).map(|(path, _)| path.clone()).collect();
            graph.0.remove(path);
            below.iter().for_each(|path| drop(graph.0.remove(path)));
        }
    }
}

impl Graph {
    /// What the path depended on before.
    fn put(&mut self, (path, on): Edges) -> Vec<Arc<str>> {
        let before = if on.is_empty() { self.0.remove(&path) } else { self.0.insert(path, on) };
        before.unwrap_or_default()
    }
}
