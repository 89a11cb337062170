//! What a child's policy needs from outside of the machine. Its dependencies are watched; its place in the order of
//! stops, and in the readiness of the tree, is noted.

use std::sync::Arc;

use regrow_supervisors::{ChildKey, ChildSpec, Health, Outlook, Prospect};

use crate::slot::status::Counts;
use crate::supervisor::description::Shape;
use crate::supervisor::driver::Driver;
use crate::tree::directory::ChildKind;
use crate::tree::paths::path_of;

impl Driver {
    /// Whatever a child's policy needs from outside of the machine.
    pub(super) fn prepare(&mut self, key: ChildKey) {
        let (Some(spec), Some(entry)) = (self.machine.spec(key), self.children.get(&key)) else { return };
        let needs = self.needs(spec);
        self.shared.stop_order.set(&entry.path, &needs);
        let counts = match spec.own_policy().and_then(|policy| policy.health) {
            Some(Health::Required) => Some(Counts::BySaying),
            Some(Health::Optional) => None,
            None => self.usual_counts(entry.kind),
        };
        if entry.slot.set_counts(counts) {
            self.shared.required.ring();
        }
        // Also where it depends on nothing any more.
        self.shared.in_force.set((entry.path.clone(), needs));
        if spec.own_policy().is_none() && !self.dependency_watch.knows(key) {
            return;
        }
        for name in self.dependency_watch.watch(&self.shared, &self.inbox, key, spec) {
            // A sibling that is done and forgotten: the machine came to be after that, or had no reason to remember it.
            let completion = self.shared.directory.completion(&format!("{}/{name}", self.plan.path));
            if self.machine.find(&name).is_none() {
                let outlook = Outlook { prospect: Prospect::Gone, completion };
                self.machine.handle_outlook(&name, outlook, self.shared.clock.now());
            }
        }
        let chance = self.shared.options_in_force.chance(&entry.path);
        self.machine.set_chance(key, chance);
    }

    /// Whether a child counts if nothing is said of that: services and supervisors do, below a supervisor that does.
    fn usual_counts(&self, kind: ChildKind) -> Option<Counts> {
        let is_optional = kind == ChildKind::Task || matches!(self.plan.shape, Shape::Dynamic(_));
        (!is_optional).then_some(Counts::WithItsSupervisor)
    }

    /// The paths of those that a child depends on.
    pub(super) fn needs(&self, spec: &ChildSpec) -> Vec<Arc<str>> {
        spec.dependencies().iter().map(|on| path_of(&self.plan.path, &on.name)).collect()
    }
}
