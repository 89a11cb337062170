//! Children that are not there for some callers, or for all: what a machine says of that becomes what their mailboxes refuse.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::sync::Arc;

use regrow_supervisors::ChildKey;

use crate::slot::{AnySlot, Control};
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
        let below = OnceCell::new();
        let is_below = |supervisor: usize| below.get_or_init(|| self.numbers_below()).contains(&supervisor);
        self.each_slot_of(child, |slot| slot.withdraw(&self.plan.path, &is_below));
    }

    /// The group of a child that was withdrawn is started.
    pub(super) fn readmit(&self, child: ChildKey) {
        self.each_slot_of(child, |slot| slot.readmit());
    }

    /// The slot of a child, or those of everything below it.
    fn each_slot_of(&self, child: ChildKey, what: impl Fn(&dyn AnySlot)) {
        match self.children.get(&child) {
            Some(entry) if entry.kind.is_supervisor() => {
                self.world.directory.under(&entry.path).iter().for_each(|(_, listed)| what(&*listed.slot));
            }
            Some(entry) => what(&*entry.slot),
            None => {}
        }
    }

    /// The numbers of this supervisor and of those below it.
    fn numbers_below(&self) -> HashSet<usize> {
        let under = self.world.directory.under(&self.plan.path);
        let number = |slot: Arc<dyn AnySlot>| match slot.control()? {
            Control::Supervisor(facts) => Some(facts.number()),
            Control::Port(_) => None,
        };
        under.into_iter().filter_map(|(_, listed)| number(listed.slot)).chain([self.facts.number()]).collect()
    }
}
