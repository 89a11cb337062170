//! New policies for children that are there: reads what is in force, and puts other settings in force.

use std::sync::Arc;

use regrow_supervisors::ChildKey;

use crate::supervisor::child_entry::{ChildEntry, Own};
use crate::supervisor::driver::Driver;
use crate::tree::overrides::{Coded, Effective, Group};
use crate::tree::paths::name_of;

impl Driver {
    /// Puts the wanted settings of its children, and of the children as a group, in force. The machine has them
    /// already.
    pub(crate) fn adopt_wanted(&mut self, wanted: Vec<Wanted>) {
        for Wanted { path, own, wanted } in wanted {
            if path == self.plan.path {
                self.set_group(wanted.group);
                continue;
            }
            let Some(key) = self.machine.find(name_of(&path)) else { continue };
            self.adopt_one(key, &own, &wanted);
        }
    }

    fn adopt_one(&mut self, key: ChildKey, own: &Effective, wanted: &Effective) {
        let Some(entry) = self.children.get_mut(&key) else { return };
        if let Some(settings) = wanted.mailbox {
            entry.slot.configure(settings);
        }
        entry.own = Own::new(own, wanted);
        self.prepare(key);
        self.watch(key);
    }

    fn set_group(&mut self, group: Option<Group>) {
        let Some(group) = group else { return };
        if let (Some(_), Some(starts_max)) = (self.group.starts_max, group.starts_max) {
            self.gates.resize(starts_max);
        }
        self.group = Group { starts_max: self.group.starts_max.and(group.starts_max), ..group };
    }

    /// Returns the settings in force for the child with this name, with the settings of the code for it.
    #[allow(dead_code, reason = "only the admin source asks, and it is a feature")]
    pub(crate) fn configuration_of(&self, name: &str) -> Option<Configuration> {
        let key = self.machine.find(name)?;
        self.configuration(key, self.children.get(&key)?)
    }

    fn configuration(&self, key: ChildKey, entry: &ChildEntry) -> Option<Configuration> {
        let spec = self.machine.spec(key)?.clone();
        let is_supervisor = entry.kind.is_supervisor();
        let mailbox = (!is_supervisor).then(|| entry.slot.settings());
        let now = Effective { spec, mailbox, group: None, kind: entry.kind };
        // The settings of a supervisor's children as a group are reported by that supervisor itself.
        let own = Effective { group: None, ..entry.own.as_ref().map_or_else(|| now.clone(), |own| own.get(&now)) };
        let coded = Coded { own, named: entry.named, defaults: self.defaults(is_supervisor) };
        Some(Configuration { path: entry.path.clone(), coded, now })
    }

    /// Everything in force for the supervisor and its children now, with the settings of the code for each.
    pub(crate) fn configurations(&self) -> Vec<Configuration> {
        let bare = |group| Coded::of_group(self.plan.name(), group);
        let (path, coded) = (self.plan.path.clone(), bare(self.plan.group()));
        let own = Configuration { path, coded, now: bare(self.group).own };
        self.children.iter().filter_map(|(key, entry)| self.configuration(*key, entry)).chain([own]).collect()
    }
}

/// The settings of one child: those of the code, and those in force.
#[derive(Debug, Clone)]
pub(crate) struct Configuration {
    pub(crate) path: Arc<str>,
    pub(crate) coded: Coded,
    pub(crate) now: Effective,
}

/// The settings to be put in force for a child, or for a supervisor's children as a group, with those of the code for
/// it alone.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) path: Arc<str>,
    pub(crate) own: Effective,
    pub(crate) wanted: Effective,
}
