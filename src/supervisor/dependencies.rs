//! The dependencies of the services of a plan.

use std::collections::HashSet;
use std::sync::Arc;

use regrow_supervisors::Policy;

use crate::error::start::StartError;
use crate::supervisor::plan::Plan;
use crate::tree::dependencies::Graph;
use crate::tree::directory::full_path;
use crate::tree::overrides::Overrides;
use crate::tree::renewals::Renewals;

impl Graph {
    /// The dependencies of the services of a planned tree or subtree, with the root's settings for every service and
    /// with the layer. `outside` knows the paths of the tree that the plan is to join.
    pub(crate) fn of(
        plan: &Plan,
        tree: Option<&Arc<Policy>>,
        overrides: Option<&dyn Overrides>,
        outside: impl Fn(&str) -> bool,
    ) -> Result<Self, StartError> {
        if overrides.is_none() && !may_depend(plan, tree) {
            return Ok(Self::default());
        }
        let mut paths: HashSet<Arc<str>> = HashSet::new();
        plan.for_each(&mut |plan| {
            paths.insert(plan.path.clone());
            paths.extend(plan.children.iter().map(|child| child.path.clone()));
        });
        let mut said = Vec::new();
        plan.for_each(&mut |plan| {
            for child in &plan.children {
                let coded = child.coded(plan.defaults(tree, child.is_supervisor()));
                let spec =
                    overrides.map_or_else(|| coded.whole(), |overrides| overrides.apply(&child.path, &coded)).spec;
                said.push((plan.path.clone(), child.path.clone(), spec));
            }
        });
        let mut graph = Self::default();
        let is_known = |path: &str| paths.contains(path) || outside(path);
        let mut renewals = Renewals::default();
        for (scope, path, spec) in &said {
            for on in spec.dependencies().iter().filter(|on| on.restart) {
                renewals.ask(full_path(scope, &on.name, is_known).into(), path.clone());
            }
        }
        if !renewals.is_empty() {
            plan.for_each(&mut |plan| {
                let children: Vec<_> = plan.children.iter().map(|child| child.path.clone()).collect();
                renewals.group(&plan.path, &children, plan.shape.strategy());
            });
            renewals.circle().map_or(Ok(()), |circle| Err(StartError::RestartCircle { circle }))?;
        }
        for (scope, path, spec) in said {
            graph.add(&scope, &path, spec.dependencies(), |path| paths.contains(path) || outside(path))?;
        }
        Ok(graph)
    }
}

/// Whether a policy names a dependency of a service of this plan. In most trees none does, and no path is looked up.
fn may_depend(plan: &Plan, tree: Option<&Arc<Policy>>) -> bool {
    let says_so = |policy: Option<&Arc<Policy>>| policy.is_some_and(|policy| policy.depends_on.is_some());
    let mut may_depend = says_so(tree);
    plan.for_each(&mut |plan| {
        may_depend |= says_so(plan.terms.defaults.as_ref());
        may_depend |= plan.children.iter().any(|child| !child.spec.dependencies().is_empty());
    });
    may_depend
}
