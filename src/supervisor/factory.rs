//! The plan of a nested supervisor at each of its starts: the plan that it has, or a new one.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::base::sync::lock;
use crate::child::Factory;
use crate::error::start::StartError;
use crate::recorder::state;
use crate::slot::erased::AnySlot;
use crate::supervisor::description::Description;
use crate::supervisor::plan::{Known, Plan};
use crate::tree::directory::Listed;
use crate::tree::shared::Shared;

pub(crate) type Build = Box<dyn Fn() -> Description + Send + Sync>;

pub(crate) struct SupervisorRecipe {
    state: Mutex<State>,
    build: Option<Build>,
    /// Whether it is a new description of a child that was there before.
    replaces: AtomicBool,
}

enum State {
    /// A description that is not checked yet.
    Described(Option<Box<Description>>),
    Planned {
        scope: Arc<str>,
        plan: Arc<Plan>,
        /// Whether a start has used the plan. The plan of the first start is the one that was checked with the tree.
        is_used: bool,
    },
}

impl SupervisorRecipe {
    /// Makes the recipe of a supervisor. `build` describes it for every start but the first.
    pub(crate) fn new(first: Description, build: Option<Build>) -> Self {
        Self { state: Mutex::new(State::Described(Some(Box::new(first)))), build, replaces: AtomicBool::new(false) }
    }

    /// Marks the recipe as a new description of a child that is there, for its next start.
    pub(crate) fn replace(&self) {
        self.replaces.store(true, Ordering::Relaxed);
    }

    /// Gives the supervisor another name. Only a recipe that is not planned yet takes it.
    pub(crate) fn rename(&self, name: &Arc<str>) {
        if let State::Described(Some(description)) = &mut *lock(&self.state) {
            description.spec = description.spec.clone().named(name.clone());
        }
    }

    /// Takes out the description for the first plan; `None` if the plan is there already.
    pub(crate) fn take_first(&self) -> Option<Box<Description>> {
        match &mut *lock(&self.state) {
            State::Described(description) => description.take(),
            State::Planned { .. } => None,
        }
    }

    /// Sets its first plan, below this scope.
    pub(crate) fn set_first(&self, scope: &str, plan: Plan) {
        self.set(State::Planned { scope: scope.into(), plan: Arc::new(plan), is_used: false });
    }

    /// Replaces the state. The old state holds values of the user's, so it is dropped without the lock.
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

    /// Returns the plan for one more start. Children of the plan before it that are not in the new one are gone.
    pub(crate) fn next_plan(&self, shared: &Arc<Shared>) -> Result<Arc<Plan>, StartError> {
        let (scope, before, is_first) = match &mut *lock(&self.state) {
            State::Planned { scope, plan, is_used } => (scope.clone(), plan.clone(), !std::mem::replace(is_used, true)),
            State::Described(_) => unreachable!("a recipe is planned with the tree it belongs to"),
        };
        if self.replaces.swap(false, Ordering::Relaxed) {
            let known = shared.directory.under(&before.path);
            if let Some((_, listed)) = known.iter().find(|(path, _)| *path == before.path) {
                // The events since the new description were noted in the slot that is to be listed.
                state::follows(listed.slot.recorded(), before.slot.recorded());
            }
            forget_others(shared, known, &before);
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

/// Forgets the slots that an earlier plan had listed, and that this one does not have. Those that only this one has are
/// added, or take the path of one of another kind.
fn forget_others(shared: &Arc<Shared>, known: impl IntoIterator<Item = (Arc<str>, Listed)>, plan: &Plan) {
    let address = |slot: &Arc<dyn AnySlot>| Arc::as_ptr(slot).cast::<()>();
    let known = Vec::from_iter(known);
    let listed: HashSet<_> = known.iter().map(|(_, listed)| address(&listed.slot)).collect();
    let (mut kept, mut added) = (HashSet::new(), HashMap::new());
    for (path, planned) in plan.listing() {
        if listed.contains(&address(&planned.slot)) {
            kept.insert(address(&planned.slot));
        } else {
            state::is_added(planned.slot.recorded());
            added.insert(path, planned);
        }
    }
    for (path, listed) in known.into_iter().filter(|(_, listed)| !kept.contains(&address(&listed.slot))) {
        match added.remove(&path) {
            Some(Listed { kind, slot, facet, .. }) => {
                slot.set_tree(Arc::downgrade(shared) as _);
                shared.list(&path, kind, &slot, facet);
            }
            None => shared.forget_slot(&path, &listed.slot),
        }
    }
    let mut described = HashSet::new();
    plan.for_each(&mut |plan| described.extend(plan.children.iter().map(|child| child.path.clone())));
    shared.directory.describe_no_more(&plan.path, |job| described.contains(job));
}

/// Drops the descriptions one level after the other. A description may be too deep to be planned, but must not be too
/// deep to be dropped.
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
