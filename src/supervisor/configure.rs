//! What is in force for the children of a supervisor: what the code says, under the supervisor's defaults, with the layer
//! over it.
//!
//! Invariant: a layer that makes no sense for a child is not applied to it. Whoever put it there has checked it against
//! the tree as it was then; what has come since gets what the code says, and an error in the log.

use std::sync::Arc;

use regrow_supervisors::{ChildKey, ChildSpec, Intensity, Order, Policy};

use crate::layer::{Configured, Group};
use crate::supervisor::driver::Driver;
use crate::supervisor::entry::Entry;
use crate::supervisor::lookout::resolved;
use crate::supervisor::plan::{Plan, Planned};
use crate::world::World;

/// What is in force about a supervisor's children as a whole, where the code says `coded`.
pub(crate) fn group(world: &World, plan: &Plan, coded: Group) -> Group {
    let Some(layer) = world.rulebook.layer() else { return coded };
    let coded_one = Configured { spec: ChildSpec::supervisor(plan.name()), mailbox: None, group: Some(coded) };
    let layered = layer.apply(&plan.path, &coded_one).group.unwrap_or(coded);
    if layered.intensity.period().is_some_and(|period| period.is_zero()) { coded } else { layered }
}

impl Driver {
    /// What the machine is to know of a child, whose mailbox is set up besides; and what the code says of it, where that is
    /// something else.
    pub(super) fn configured(&self, planned: &Planned) -> (ChildSpec, Option<Box<Configured>>) {
        let coded = planned.coded(&self.plan.terms.defaults);
        let layered = self.world.rulebook.layer().map(|layer| layer.apply(&planned.path, &coded));
        let checked = layered.filter(|layered| *layered != coded).and_then(|layered| {
            match self.plan.shape.check([&layered.spec]) {
                Ok(()) => Some(layered),
                Err(error) => {
                    let path = &planned.path;
                    tracing::error!(%path, %error, "the policy file makes no sense here: what the code says stands");
                    None
                }
            }
        });
        let (in_force, coded) = match checked {
            Some(layered) => (layered, Some(Box::new(coded))),
            None => (coded, None),
        };
        if let Some(settings) = in_force.mailbox.filter(|settings| planned.slot().settings() != *settings) {
            planned.slot().configure(settings);
        }
        (resolved(&self.world, &self.plan.path, in_force.spec), coded)
    }

    /// What is said for children that leave something open, and the budget that they share.
    pub(crate) fn budget(&self) -> (Policy, Intensity) {
        (self.plan.terms.defaults.clone(), self.group.intensity)
    }

    /// The order, with what is in force in place of what the code says.
    pub(super) fn configured_order(&self, order: Order, planned: &[Planned]) -> Order {
        let of = |driver: &Self, spec: ChildSpec| match planned.iter().find(|planned| planned.spec.id() == spec.id()) {
            Some(planned) => driver.configured(planned).0,
            None => spec,
        };
        match order {
            Order::StartChild(spec) => Order::StartChild(of(self, spec)),
            Order::Reconfigure(mut flags, specs) => {
                let coded = Group { intensity: flags.intensity, ..self.group };
                flags.intensity = group(&self.world, &self.plan, coded).intensity;
                Order::Reconfigure(flags, specs.into_iter().map(|spec| of(self, spec)).collect())
            }
            Order::Limit { intensity, children_max } => {
                let coded = Group { intensity, ..self.group };
                Order::Limit { intensity: group(&self.world, &self.plan, coded).intensity, children_max }
            }
            order => order,
        }
    }

    /// Takes what is wanted for its children, and for them as a whole, for what is in force. The machine has been told.
    pub(crate) fn adopt_wanted(&mut self, wanted: Vec<(Arc<str>, Configured, Configured)>) {
        for (path, coded, wanted) in wanted {
            if path == self.plan.path {
                self.set_group(wanted.group);
                continue;
            }
            let name = path.rsplit_once('/').map_or(&*path, |(_, name)| name);
            let Some(key) = self.machine.find(name) else { continue };
            self.adopt_one(key, coded, wanted);
        }
    }

    fn adopt_one(&mut self, key: ChildKey, coded: Configured, wanted: Configured) {
        let Some(entry) = self.children.get_mut(&key) else { return };
        if let Some(settings) = wanted.mailbox {
            entry.slot.configure(settings);
        }
        entry.coded = (coded != wanted).then(|| Box::new(coded));
        self.prepare(key);
    }

    fn set_group(&mut self, group: Option<Group>) {
        let Some(group) = group else { return };
        if let (Some(_), Some(starts_max)) = (self.group.starts_max, group.starts_max) {
            self.gates.resize(starts_max);
        }
        self.group = Group { starts_max: self.group.starts_max.and(group.starts_max), ..group };
    }

    /// Everything that is in force for the supervisor and its children now, and what the code says about each.
    pub(crate) fn configurations(&self) -> Vec<Configuration> {
        let line = |(key, entry): (&_, &Box<Entry>)| {
            let spec = self.machine.spec(*key)?.clone();
            let mailbox = (!entry.kind.is_supervisor()).then(|| entry.slot.settings());
            let now = Configured { spec, mailbox, group: None };
            // A supervisor tells of its children as a whole itself.
            let coded =
                entry.coded.as_deref().map_or_else(|| now.clone(), |coded| Configured { group: None, ..coded.clone() });
            Some(Configuration { path: entry.path.clone(), coded, now })
        };
        let bare =
            |group| Configured { spec: ChildSpec::supervisor(self.plan.name()), mailbox: None, group: Some(group) };
        let own = Configuration { path: self.plan.path.clone(), coded: bare(self.plan.group()), now: bare(self.group) };
        self.children.iter().filter_map(line).chain([own]).collect()
    }
}

/// What is said about one child, and what is in force.
#[derive(Debug, Clone)]
pub(crate) struct Configuration {
    pub(crate) path: Arc<str>,
    pub(crate) coded: Configured,
    pub(crate) now: Configured,
}
