//! A checked description of a supervisor: every name valid, every slot made, nothing started.
//!
//! Invariant: planning has no effect that outlives its failure. Only a plan that is sound as a whole is listed in the
//! directory (OTP rule 5).

use std::collections::HashMap;
use std::sync::Arc;

use regrow_supervisors::{ChildSpec, Intensity, Machine, Policy};

use crate::base::name;
use crate::base::name::PARTITIONS_MAX;
use crate::child::{Child, Factory, Leaf, Spawner};
use crate::error::start::StartError;
use crate::incarnation::redelivery;
use crate::mailbox::Reserved;
use crate::slot::erased::AnySlot;
use crate::slot::settings::Settings;
use crate::slot::{NoMessages, Slot};
use crate::supervisor::description::{Description, Init, PathKind, Shape};
use crate::supervisor::effect;
use crate::supervisor::factory::SupervisorRecipe;
use crate::supervisor::observer::Watch;
use crate::tree::directory::{ChildKind, Listed};
use crate::tree::options::Options;
use crate::tree::overrides::{Coded, Defaults, Effective, Group, Named};
use crate::tree::paths::name_of;
use crate::tree::shared::Shared;
use crate::tree::templates::TemplateId;

pub(crate) struct Plan {
    pub(crate) path: Arc<str>,
    pub(crate) shape: Shape,
    pub(crate) slot: Arc<dyn AnySlot>,
    pub(crate) children: Vec<Planned>,
    init: Option<Init>,
    pub(crate) watch: Option<Arc<dyn Watch>>,
    pub(crate) terms: Options,
    /// The policy of its direct children, for all that they leave open.
    siblings: Option<Arc<Policy>>,
}

pub(crate) struct Planned {
    pub(crate) spec: ChildSpec,
    pub(crate) named: Named,
    pub(crate) kind: ChildKind,
    pub(crate) path: Arc<str>,
    slot: Reserved,
    pub(crate) drain: bool,
    pub(crate) is_actor: bool,
    /// Settings of the mailbox, if they are not the defaults.
    settings: Option<Box<Settings>>,
    /// Number of times that a message in hand is put back.
    pub(crate) redeliveries: u32,
    pub(crate) make: Make,
}

#[derive(Clone)]
pub(crate) enum Make {
    Life(Spawner),
    Supervisor(Arc<SupervisorRecipe>),
}

/// The entries that an earlier plan had listed, by path.
pub(crate) type Known = HashMap<Arc<str>, Listed>;

impl Plan {
    /// Checks a description and plans it below `scope` (empty for a root).
    ///
    /// This is a loop and not a recursion, which would need a deep stack for a deep tree.
    pub(crate) fn new(description: Description, scope: &str, known: &Known) -> Result<Self, StartError> {
        let mut here = Begun::new(description, scope, known)?;
        let mut above: Vec<(Begun, Rough, SupervisorRecipe)> = Vec::new();
        loop {
            if let Some(child) = here.left.next() {
                match Rough::new(child, &here.plan.path, known)? {
                    (rough, Made::Leaf(leaf)) => here.plan.children.push(rough.leaf(leaf)),
                    (rough, Made::Supervisor(recipe)) => match recipe.take_first() {
                        Some(description) => {
                            let below = Begun::new(*description, &here.plan.path, known)?;
                            above.push((std::mem::replace(&mut here, below), rough, recipe));
                        }
                        None => here.plan.children.push(rough.supervisor(recipe, known)),
                    },
                }
                continue;
            }
            let plan = here.finish();
            let Some((mut supervisor, rough, recipe)) = above.pop() else { return Ok(plan) };
            recipe.set_first(&supervisor.plan.path, plan);
            supervisor.plan.children.push(rough.supervisor(recipe, known));
            here = supervisor;
        }
    }

    pub(crate) fn name(&self) -> &str {
        name_of(&self.path)
    }

    /// Makes the machine, with these specs for its children.
    pub(crate) fn machine(&self, specs: Vec<ChildSpec>) -> Box<dyn Machine + Send> {
        match self.shape.machine(specs) {
            Ok(machine) => machine,
            Err(error) => unreachable!("the plan was checked: {error}"),
        }
    }

    /// Runs the user's `init` for one more start.
    pub(crate) fn init(&self) -> anyhow::Result<()> {
        match &self.init {
            Some(init) => init(),
            None => Ok(()),
        }
    }

    /// Checks the limit that needs the root's defaults: no message alone uses up the restarts.
    pub(crate) fn check_redelivery(&self, tree: Option<&Arc<Policy>>) -> Result<(), StartError> {
        let mut checked = Ok(());
        self.for_each(&mut |plan| {
            let shared = plan.shape.intensity();
            let check = |child: &Planned| child.check_redelivery(&plan.defaults(tree, child.is_supervisor()), shared);
            if checked.is_ok() {
                checked = plan.children.iter().try_for_each(check);
            }
        });
        checked
    }

    /// The defaults for its children, if `tree` are those of the root. The root's are for services, and directly below
    /// the root for supervisors too.
    pub(crate) fn defaults(&self, tree: Option<&Arc<Policy>>, is_supervisor: bool) -> Defaults {
        let siblings = self.siblings.clone();
        match self.path.contains('/') {
            true => Defaults { tree: tree.filter(|_| !is_supervisor).cloned(), siblings },
            false => Defaults { tree: self.terms.defaults.clone(), siblings },
        }
    }

    /// The settings of the code for its children as a group.
    pub(crate) fn group(&self) -> Group {
        let Options { budget_clock, starts_max, .. } = self.terms;
        Group { intensity: self.shape.intensity(), budget_clock, starts_max }
    }

    /// The slots of the supervisor and of everything below it.
    pub(crate) fn slots(&self) -> Vec<Arc<dyn AnySlot>> {
        let below = self.children.iter().flat_map(|child| match &child.make {
            Make::Life(_) => vec![child.slot().clone()],
            Make::Supervisor(recipe) => recipe.plan().slots(),
        });
        std::iter::once(self.slot.clone()).chain(below).collect()
    }

    /// The lines of the directory for it and for everything below it.
    pub(crate) fn listing(&self) -> Vec<(Arc<str>, Listed)> {
        let template = TemplateId::OWN;
        let mut listing = Vec::new();
        self.for_each(&mut |plan| {
            let (kind, slot, facet) = (plan.shape.kind(), plan.slot.clone(), plan.shape.facet());
            listing.push((plan.path.clone(), Listed { kind, template, slot, facet }));
            for child in plan.children.iter().filter(|child| !child.is_supervisor()) {
                let (kind, slot) = (child.kind, child.slot().clone());
                listing.push((child.path.clone(), Listed { kind, template, slot, facet: None }));
            }
        });
        listing
    }

    /// Calls `look` with the supervisor and with all supervisors below it.
    pub(crate) fn for_each(&self, look: &mut impl FnMut(&Self)) {
        look(self);
        for child in &self.children {
            if let Make::Supervisor(recipe) = &child.make {
                recipe.plan().for_each(look);
            }
        }
    }

    /// Lists the supervisor and everything below it, and opens what an earlier life had closed.
    pub(crate) fn list(&self, shared: &Arc<Shared>) {
        self.slot.set_tree(Arc::downgrade(shared) as _);
        // The slot is opened before it is listed, so that a look-up finds nothing that is gone.
        shared.directory.templates.returns(&self.slot);
        self.slot.reopen();
        shared.list(&self.path, self.shape.kind(), &self.slot, self.shape.facet());
        shared.directory.reserve(self.children.len());
        self.children.iter().for_each(|child| child.list(shared));
    }
}

/// A plan with children that are being planned.
struct Begun {
    plan: Plan,
    left: std::vec::IntoIter<Child>,
}

impl Begun {
    fn new(description: Description, scope: &str, known: &Known) -> Result<Self, StartError> {
        let idle = effect::of_supervisor(&description, scope.is_empty());
        let Description { spec, shape, mut children, init, watch, terms } = description;
        let name = spec.id();
        name::check(name).map_err(|why| StartError::InvalidName {
            supervisor: scope.into(),
            name: name.into(),
            why,
        })?;
        let path: Arc<str> = if scope.is_empty() { name.into() } else { format!("{scope}/{name}").into() };
        if let Some((setting, why)) = idle {
            return Err(StartError::NoEffect { path, setting, why });
        }
        let before = known.get(&path);
        let shape = shape.following(before.and_then(|listed| PathKind::of(listed.facet.as_ref())));
        if let Shape::Partitioned { table, .. } = &shape {
            if table.wanted() > PARTITIONS_MAX {
                return Err(StartError::TooManyPartitions { path, partitions: table.wanted() });
            }
            children = table.clone().children();
            if children.is_empty() {
                return Err(StartError::ZeroPartitions { path });
            }
        }
        // The machine's own checks, before any slot is touched.
        shape.check(children.iter().map(|child| &child.spec)).map_err(|error| StartError::from_spec(&path, error))?;
        for defaults in [&terms.defaults, &terms.each].into_iter().flatten() {
            defaults.check().map_err(|error| StartError::BadPolicy { path: format!("{path}/*").into(), error })?;
        }
        // A root's defaults are for its whole tree, and the budget of each child is not.
        let siblings = match (terms.defaults.as_ref().filter(|_| !scope.is_empty()), &terms.each) {
            (Some(defaults), Some(each)) => Some(Arc::new(Policy::clone(defaults).or(each))),
            (defaults, each) => defaults.or(each.as_ref()).cloned(),
        };
        // The slot of a former service is not used: it has a mailbox, in which messages would wait in vain.
        let slot = before.filter(|listed| listed.kind.is_supervisor()).map_or_else(
            || -> Arc<dyn AnySlot> { Slot::<NoMessages>::new(Settings::default()) },
            |listed| listed.slot.clone(),
        );
        let planned = Vec::with_capacity(children.len());
        let plan = Plan { path, shape, slot, children: planned, init, watch, terms, siblings };
        Ok(Self { plan, left: children.into_iter() })
    }

    fn finish(self) -> Plan {
        self.plan.slot.set_path(&self.plan.path);
        self.plan
    }
}

/// A checked child, without the part that depends on its kind.
struct Rough {
    spec: ChildSpec,
    named: Named,
    kind: ChildKind,
    path: Arc<str>,
    drain: bool,
    is_actor: bool,
}

/// The part of a child that depends on its kind.
enum Made {
    Leaf(Leaf),
    Supervisor(SupervisorRecipe),
}

impl Rough {
    fn new(child: Child, scope: &Arc<str>, known: &Known) -> Result<(Self, Made), StartError> {
        let idle = effect::of_child(&child);
        let Child { spec, named, kind, drain, is_actor, recipe } = child;
        let name = spec.id();
        name::check(name).map_err(|why| StartError::InvalidName {
            supervisor: scope.clone(),
            name: name.into(),
            why,
        })?;
        let path = name::below(scope, name);
        if name::depth(&path) > name::NESTING_MAX {
            return Err(StartError::TooDeep { path });
        }
        if let Some((setting, why)) = idle {
            return Err(StartError::NoEffect { path, setting, why });
        }
        let made = match recipe {
            Factory::Leaf(Leaf { settings: Settings { capacity: 0, .. }, .. }) => {
                return Err(StartError::ZeroCapacity { path });
            }
            Factory::Leaf(mut leaf) => {
                let is_given = leaf.is_given;
                let slot = leaf.slot;
                let is_kept = |old: &&Listed| !is_given && old.slot.message_type() == slot.slot().message_type();
                leaf.slot = known.get(&path).filter(is_kept).map_or(slot, |old| {
                    let kept = Reserved::new(old.slot.clone());
                    // The slot belongs to an earlier plan already.
                    kept.set_listed();
                    kept
                });
                leaf.slot.slot().set_path(&path);
                Made::Leaf(leaf)
            }
            Factory::Supervisor(recipe) => Made::Supervisor(recipe),
        };
        Ok((Self { spec, named, kind, path, drain, is_actor: is_actor || are_all_actors() }, made))
    }

    fn leaf(self, leaf: Leaf) -> Planned {
        let Leaf { slot, settings, redeliveries, spawn, .. } = leaf;
        let settings = (settings != Settings::default()).then(|| Box::new(settings));
        Planned { settings, redeliveries, ..self.planned(slot, Make::Life(spawn)) }
    }

    /// Plans a supervisor with a recipe that is planned already.
    fn supervisor(self, recipe: SupervisorRecipe, known: &Known) -> Planned {
        let slot = recipe.plan().slot.clone();
        let is_known = known.get(&self.path).is_some_and(|listed| Arc::ptr_eq(&listed.slot, &slot));
        let slot = Reserved::new(slot);
        // The slot is in use. A description that is refused must not close it.
        if is_known {
            slot.set_listed();
        }
        self.planned(slot, Make::Supervisor(Arc::new(recipe)))
    }

    fn planned(self, slot: Reserved, make: Make) -> Planned {
        let Self { spec, named, kind, path, drain, is_actor } = self;
        Planned { spec, named, kind, path, slot, drain, is_actor, settings: None, redeliveries: 0, make }
    }
}

impl Planned {
    pub(crate) fn new(child: Child, scope: &Arc<str>, known: &Known) -> Result<Self, StartError> {
        Ok(match Rough::new(child, scope, known)? {
            (rough, Made::Leaf(leaf)) => rough.leaf(leaf),
            (rough, Made::Supervisor(recipe)) => {
                if let Some(description) = recipe.take_first() {
                    recipe.set_first(scope, Plan::new(*description, scope, known)?);
                }
                rough.supervisor(recipe, known)
            }
        })
    }

    /// Checks its redelivery below a supervisor with the budget `shared`.
    pub(crate) fn check_redelivery(&self, defaults: &Defaults, shared: Intensity) -> Result<(), StartError> {
        redelivery::check(&self.path, self.redeliveries, &self.spec, defaults, shared)
    }

    /// The settings of the code for it, with these defaults for what it leaves open.
    pub(crate) fn coded(&self, defaults: Defaults) -> Coded {
        let group = match &self.make {
            Make::Life(_) => None,
            Make::Supervisor(recipe) => Some(recipe.plan().group()),
        };
        let own = Effective { spec: self.spec.clone(), mailbox: self.mailbox(), group, kind: self.kind };
        Coded { own, named: self.named, defaults }
    }

    /// The settings of the code for its mailbox; `None` for a supervisor.
    pub(crate) fn mailbox(&self) -> Option<Settings> {
        match &self.make {
            Make::Life(_) => Some(self.settings.as_deref().copied().unwrap_or_default()),
            Make::Supervisor(_) => None,
        }
    }

    /// Sets up its mailbox, unless it has these settings already.
    pub(crate) fn set_up_mailbox(&self, settings: Option<Settings>) {
        if let Some(settings) = settings.filter(|settings| self.slot().settings() != *settings) {
            self.slot().configure(settings);
        }
    }

    pub(crate) fn is_supervisor(&self) -> bool {
        matches!(self.make, Make::Supervisor(_))
    }

    /// Lists the child and everything below it.
    pub(crate) fn list(&self, shared: &Arc<Shared>) {
        self.slot.set_listed();
        match &self.make {
            Make::Life(_) => {
                self.slot().set_tree(Arc::downgrade(shared) as _);
                shared.directory.templates.returns(self.slot());
                self.slot().reopen();
                shared.list(&self.path, self.kind, self.slot(), None);
            }
            Make::Supervisor(recipe) => recipe.plan().list(shared),
        }
    }

    /// Leaves the slots of a new description alone. The description is of a supervisor that was there before, so the
    /// listed slots are in use, and are not this plan's to close.
    pub(crate) fn keep_slots(&self) {
        if let Make::Supervisor(recipe) = &self.make {
            self.slot.set_listed();
            recipe.plan().children.iter().for_each(Self::keep_slots);
        }
    }

    /// Lists a child that is there under a new description, in its present state.
    pub(crate) fn list_closed(&self, shared: &Arc<Shared>) {
        self.slot.set_listed();
        self.slot().set_tree(Arc::downgrade(shared) as _);
        // The slot of the older description is closed when no life is left in it.
        let _outdated = shared.directory.insert(&self.path, self.kind, self.slot().clone(), None);
    }

    /// Lists the new slot of a child without a life, which is there under a new description. What is below a supervisor
    /// is listed with its next life.
    pub(crate) fn list_aside(&self, shared: &Arc<Shared>) {
        let facet = match &self.make {
            Make::Life(_) => None,
            Make::Supervisor(recipe) => recipe.plan().shape.facet(),
        };
        self.slot().set_tree(Arc::downgrade(shared) as _);
        let _closed = shared.directory.insert(&self.path, self.kind, self.slot().clone(), facet);
    }

    pub(crate) fn slot(&self) -> &Arc<dyn AnySlot> {
        self.slot.slot()
    }
}

/// Whether each child is a ractor actor, even if it does not ask for that: `REGROW_ACTORS` is set. The test suite runs
/// for both kinds.
fn are_all_actors() -> bool {
    #[cfg(feature = "otp")]
    {
        static ALL: std::sync::LazyLock<bool> =
            std::sync::LazyLock::new(|| std::env::var_os("REGROW_ACTORS").is_some());
        *ALL
    }
    #[cfg(not(feature = "otp"))]
    false
}
