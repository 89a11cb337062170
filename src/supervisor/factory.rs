//! How a nested supervisor gets its plan at each of its starts: the one it has, or one made anew.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::base::sync::lock;
use crate::child::Factory;
use crate::error::start::StartError;
use crate::supervisor::description::Description;
use crate::supervisor::plan::{Known, Plan};
use crate::tree::directory::Listed;
use crate::tree::shared::Shared;

pub(crate) type Build = Box<dyn Fn() -> Description + Send + Sync>;

pub(crate) struct SupervisorRecipe {
    state: Mutex<State>,
    build: Option<Build>,
    /// It is another description of a child that was there.
    replaces: AtomicBool,
}

enum State {
    /// Not yet checked.
    Described(Option<Box<Description>>),
    Planned {
        scope: Arc<str>,
        plan: Arc<Plan>,
        /// The plan of the first start is the one that was checked with the tree.
        is_used: bool,
    },
}

impl SupervisorRecipe {
    /// `build` describes it for every start but the first.
    pub(crate) fn new(first: Description, build: Option<Build>) -> Self {
        Self { state: Mutex::new(State::Described(Some(Box::new(first)))), build, replaces: AtomicBool::new(false) }
    }

    /// It is another description of a child that is there, from its next start on.
    pub(crate) fn replace(&self) {
        self.replaces.store(true, Ordering::Relaxed);
    }

    /// To be used before it is planned.
    pub(crate) fn rename(&self, name: &Arc<str>) {
        if let State::Described(Some(description)) = &mut *lock(&self.state) {
            description.spec = description.spec.clone().named(name.clone());
        }
    }

    /// What its first plan is to be made from; `None` if it has one.
    pub(crate) fn take_first(&self) -> Option<Box<Description>> {
        match &mut *lock(&self.state) {
            State::Described(description) => description.take(),
            State::Planned { .. } => None,
        }
    }

    /// Its first plan, below this scope.
    pub(crate) fn set_first(&self, scope: &str, plan: Plan) {
        self.set(State::Planned { scope: scope.into(), plan: Arc::new(plan), is_used: false });
    }

    /// What was there before is dropped without the lock: it holds values of the user's.
    fn set(&self, state: State) {
        let before = std::mem::replace(&mut *lock(&self.state), state);
        drop(before);
    }

    pub(crate) fn plan(&self) -> Arc<Plan> {
        match &*lock(&self.state) {
            State::Planned { plan, .. } => plan.clone(),
            State::Described(_) => unreachable!("a recipe is planned with the tree it belongs to"),
        }
    }

    /// The plan for one more start. Children of the plan before that are not in the new one are gone.
    pub(crate) fn next_plan(&self, shared: &Shared) -> Result<Arc<Plan>, StartError> {
        let (scope, before, is_first) = match &mut *lock(&self.state) {
            State::Planned { scope, plan, is_used } => (scope.clone(), plan.clone(), !std::mem::replace(is_used, true)),
            State::Described(_) => unreachable!("a recipe is planned with the tree it belongs to"),
        };
        if is_first && self.replaces.load(Ordering::Relaxed) {
            forget_others(shared, shared.directory.under(&before.path), &before);
        }
        let Some(build) = self.build.as_ref().filter(|_| !is_first) else { return Ok(before) };
        let known: Known = shared.directory.under(&before.path).into_iter().collect();
        let plan = Arc::new(Plan::new(build().named(before.name()), &scope, &known)?);
        plan.check_redelivery(shared.options_in_force.defaults())?;
        forget_others(shared, known, &plan);
        self.set(State::Planned { scope, plan: plan.clone(), is_used: true });
        Ok(plan)
    }
}

/// What an earlier plan had listed, and this one does not have, is gone.
fn forget_others(shared: &Shared, known: impl IntoIterator<Item = (Arc<str>, Listed)>, plan: &Plan) {
    let kept = plan.slots();
    for (path, listed) in known {
        if !kept.iter().any(|kept| Arc::ptr_eq(kept, &listed.slot)) {
            shared.forget_slot(&path, &listed.slot);
        }
    }
    let mut described = HashSet::new();
    plan.for_each(&mut |plan| described.extend(plan.children.iter().map(|child| child.path.clone())));
    shared.directory.describe_no_more(&plan.path, |job| described.contains(job));
}

/// One level after the other, however many: a description that is too deep to be planned is not too deep to be dropped.
impl Drop for SupervisorRecipe {
    fn drop(&mut self) {
        let mut left = Vec::from_iter(self.take_first());
        while let Some(description) = left.pop() {
            for child in &description.children {
                if let Factory::Supervisor(recipe) = &child.recipe {
                    left.extend(recipe.take_first());
                }
            }
        }
    }
}
