//! The settings in force for the children of a supervisor. They combine what the code says, for one child, for its
//! supervisor and for the whole tree, with the layer of a policy file over it.
//!
//! Invariant: a layer that makes no sense for a child is not applied to it. The layer was checked against the tree as
//! it was at that time. A child that came later gets the settings of the code, and the log gets an error.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::{Abandon, ChildSpec, Intensity, Order};
use tracing::Level;

use crate::error::start::StartError;
use crate::log::{line, one_line};
use crate::supervisor::child_entry::Own;
use crate::supervisor::dependency_watch::{resolved, resolved_among};
use crate::supervisor::driver::Driver;
use crate::supervisor::plan::{Make, Plan, Planned};
use crate::tree::overrides::{Coded, Defaults, Group};
use crate::tree::shared::Shared;

/// The least time from a kill until a child is abandoned. A child that yields needs a turn of the scheduler to end.
/// (For the same reason `Shutdown::After(0)` still lets a child see the request.)
const ABANDON_MIN: Duration = Duration::from_millis(10);

/// Returns the spec with at least the time that a child needs to end after a kill.
fn with_a_turn(spec: ChildSpec) -> ChildSpec {
    match spec.abandon_rule() {
        Abandon::After(limit) if limit < ABANDON_MIN => spec.abandon(Abandon::After(ABANDON_MIN)),
        Abandon::After(_) | Abandon::Never => spec,
    }
}

/// Returns the settings in force for a supervisor's children as a group, if the code says `coded`.
pub(crate) fn group(shared: &Shared, plan: &Plan, coded: Group) -> Group {
    let Some(overrides) = shared.options_in_force.overrides() else { return coded };
    let layered = overrides.apply(&plan.path, &Coded::of_group(plan.name(), coded)).group.unwrap_or(coded);
    if layered.intensity.period().is_some_and(|period| period.is_zero()) { coded } else { layered }
}

/// Returns the paths that an order brings, if it brings more than one child. A single child cannot depend on what is
/// below itself.
pub(super) fn paths_of(planned: &[Planned]) -> HashSet<Arc<str>> {
    let mut paths = HashSet::new();
    for planned in planned.iter().filter(|_| planned.len() > 1) {
        paths.insert(planned.path.clone());
        if let Make::Supervisor(recipe) = &planned.make {
            recipe.plan().for_each(&mut |plan| paths.extend(plan.children.iter().map(|child| child.path.clone())));
        }
    }
    paths
}

impl Driver {
    /// Returns the spec for the machine, and the settings that the code says for this child alone. Sets up its mailbox
    /// as well.
    pub(super) fn configured(&self, planned: &Planned) -> (ChildSpec, Option<Box<Own>>) {
        self.configured_if(planned, &HashSet::new(), |_| Ok(()))
    }

    /// Does what [`configured`](Self::configured) does, for a child that the supervisor begins with. The layer came
    /// while the supervisor did not run, so its dependencies may close a circle now. They are not applied then.
    pub(super) fn configured_to_start(&self, planned: &Planned) -> (ChildSpec, Option<Box<Own>>) {
        self.configured_if(planned, &HashSet::new(), |spec| {
            let needs = self.needs(&resolved(&self.shared, &self.plan.path, spec.clone()));
            let taken = self.shared.in_force.take(vec![(planned.path.clone(), needs)]);
            taken.map_err(|cycle| StartError::DependencyCycle { cycle }.to_string())
        })
    }

    /// Does what [`configured`](Self::configured) does, if the layer `makes_sense`. `coming` has the paths that are not
    /// listed yet, and come together with this child.
    fn configured_if(
        &self,
        planned: &Planned,
        coming: &HashSet<Arc<str>>,
        makes_sense: impl Fn(&ChildSpec) -> Result<(), String>,
    ) -> (ChildSpec, Option<Box<Own>>) {
        let (overrides, defaults) = (self.shared.options_in_force.overrides(), self.defaults(planned.is_supervisor()));
        if overrides.is_none() && defaults.is_silent() {
            // The settings of the child itself are in force, unchanged.
            planned.set_up_mailbox(planned.mailbox());
            return (self.as_known(planned.spec.clone(), coming), None);
        }
        let coded = planned.coded(defaults);
        let whole = coded.whole();
        let layered = overrides.map(|overrides| overrides.apply(&planned.path, &coded));
        let checked = layered.filter(|layered| *layered != whole).and_then(|layered| {
            let checked = self.plan.shape.check([&layered.spec]).map_err(|error| error.to_string());
            match checked.and_then(|()| makes_sense(&layered.spec)) {
                Ok(()) => Some(layered),
                Err(error) => {
                    let path = &planned.path;
                    // The same mistake may concern many children of a dynamic supervisor.
                    if self.shared.log.has_room(&self.plan.path, Level::ERROR) {
                        line!(ERROR, { path = %path, error = %one_line(&error) }, "the policy file makes no sense here: what the code says stands");
                    }
                    None
                }
            }
        });
        let in_force = checked.unwrap_or(whole);
        let own = Own::new(&coded.own, &in_force);
        planned.set_up_mailbox(in_force.mailbox);
        (self.as_known(in_force.spec, coming), own)
    }

    /// Returns the spec in the form that the machine needs.
    fn as_known(&self, spec: ChildSpec, coming: &HashSet<Arc<str>>) -> ChildSpec {
        let exists = |path: &str| coming.contains(path) || self.shared.directory.is_known(path);
        with_a_turn(resolved_among(&self.plan.path, spec, exists))
    }

    /// The settings for children that leave something open.
    pub(super) fn defaults(&self, is_supervisor: bool) -> Defaults {
        self.plan.defaults(self.shared.options_in_force.defaults(), is_supervisor)
    }

    /// The settings for services that leave something open, and the budget that all children share.
    pub(crate) fn budget(&self) -> (Defaults, Intensity) {
        (self.defaults(false), self.group.intensity)
    }

    /// Returns the order with the settings in force instead of those of the code.
    pub(super) fn configured_order(&self, order: Order, planned: &[Planned]) -> Order {
        // New children may depend on each other.
        let coming = paths_of(planned);
        let of = |driver: &Self, spec: ChildSpec| match planned.iter().find(|planned| planned.spec.id() == spec.id()) {
            Some(planned) => driver.configured_if(planned, &coming, |_| Ok(())).0,
            None => spec,
        };
        match order {
            Order::StartChild(spec) => Order::StartChild(of(self, spec)),
            Order::Reconfigure(mut flags, specs) => {
                let coded = Group { intensity: flags.intensity, ..self.group };
                flags.intensity = group(&self.shared, &self.plan, coded).intensity;
                Order::Reconfigure(flags, specs.into_iter().map(|spec| of(self, spec)).collect())
            }
            Order::Limit { intensity, children_max } => {
                let coded = Group { intensity, ..self.group };
                Order::Limit { intensity: group(&self.shared, &self.plan, coded).intensity, children_max }
            }
            order => order,
        }
    }
}
