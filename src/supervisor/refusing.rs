//! Children that are not there for some callers, or for all: what a machine says of that becomes what their mailboxes refuse.

use std::sync::Arc;

use regrow_supervisors::ChildKey;

use crate::slot::AnySlot;
use crate::supervisor::driver::Driver;

impl Driver {
    /// A child that is terminated accepts nothing more. Below a supervisor services still talk to each other while they stop.
    pub(super) fn dismiss(&self, child: ChildKey) {
        if let Some(entry) = self.children.get(&child).filter(|entry| !entry.kind.is_supervisor()) {
            entry.slot.dismiss();
        }
    }

    /// A child was stopped with its group: nothing below this supervisor may wait for it, or for what is below it.
    pub(super) fn withdraw(&self, child: ChildKey) {
        // When the tree ends, what has stopped is gone, and refuses everything.
        if self.world.is_ending() {
            return;
        }
        let is_below = |supervisor: usize| self.world.is_supervisor_below(supervisor, &self.plan.path);
        for slot in self.slots_of(child) {
            slot.withdraw(&self.plan.path, &is_below);
        }
    }

    /// The group of a child that was withdrawn is started.
    pub(super) fn readmit(&self, child: ChildKey) {
        self.slots_of(child).iter().for_each(|slot| slot.readmit());
    }

    /// The slots of a child and of everything below it.
    fn slots_of(&self, child: ChildKey) -> Vec<Arc<dyn AnySlot>> {
        let Some(entry) = self.children.get(&child) else { return Vec::new() };
        if !entry.kind.is_supervisor() {
            return vec![entry.slot.clone()];
        }
        self.world.directory.under(&entry.path).into_iter().map(|(_, listed)| listed.slot).collect()
    }
}
