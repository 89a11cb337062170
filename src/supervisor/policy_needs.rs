//! The parts of a child's policy that the machine does not handle. Its dependencies are watched. Its place in the order
//! of stops and in the readiness of the tree is noted.

use std::sync::Arc;

use regrow_supervisors::{ChildKey, ChildSpec, Health, Outlook, Prospect};

use crate::slot::status::Counts;
use crate::supervisor::description::Shape;
use crate::supervisor::driver::Driver;
use crate::tree::directory::ChildKind;
use crate::tree::paths::path_of;

impl Driver {
    /// Prepares the parts of a child's policy that the machine does not handle.
    pub(super) fn prepare(&mut self, key: ChildKey) {
        let (Some(spec), Some(entry)) = (self.machine.spec(key), self.children.get(&key)) else { return };
        let needs = self.needs(spec);
        self.shared.stop_order.set(&entry.path, &needs);
        let counts = match spec.own_policy().and_then(|policy| policy.health) {
            Some(Health::Required) => Some(Counts::BySaying),
            Some(Health::Optional) => None,
            None => self.usual_counts(entry.kind),
        };
        let is_changed = entry.slot.set_counts(counts);
        self.shared.required.say(&entry.path, counts == Some(Counts::BySaying));
        if is_changed {
            self.shared.required.wake();
        }
        // Set even if the child depends on nothing any more, which clears what was there.
        self.shared.in_force.set((entry.path.clone(), needs));
        if spec.own_policy().is_none() && !self.dependency_watch.knows(key) {
            return;
        }
        for name in self.dependency_watch.watch(&self.shared, &self.inbox, key, spec) {
            // The sibling is done and forgotten. The machine began after that, or had no reason to remember it.
            let completion = self.shared.directory.completion(&format!("{}/{name}", self.plan.path));
            if self.machine.find(&name).is_none() {
                let outlook = Outlook { completion, ..Prospect::Gone.into() };
                self.machine.handle_outlook(&name, outlook, self.shared.clock.now());
            }
        }
        let chance = self.shared.options_in_force.chance(&entry.path);
        self.machine.set_chance(key, chance);
    }

    /// The readiness of a child without a setting. Services and supervisors count if their supervisor counts.
    fn usual_counts(&self, kind: ChildKind) -> Option<Counts> {
        let is_optional = kind == ChildKind::Task || matches!(self.plan.shape, Shape::Dynamic(_));
        (!is_optional).then_some(Counts::WithItsSupervisor)
    }

    /// The paths that a child depends on.
    pub(super) fn needs(&self, spec: &ChildSpec) -> Vec<Arc<str>> {
        spec.dependencies().iter().map(|on| path_of(&self.plan.path, &on.name)).collect()
    }
}
