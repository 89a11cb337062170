//! Children that are not there for some callers, or for all: what a machine says of that becomes what their mailboxes refuse.

use regrow_supervisors::{Attempt, ChildKey, Exit};

use crate::slot::erased::AnySlot;
use crate::supervisor::driver::Driver;

impl Driver {
    /// A child that is terminated accepts nothing more. Below a supervisor services still talk to each other while they stop.
    pub(super) fn dismiss(&self, child: ChildKey) {
        if let Some(entry) = self.children.get(&child).filter(|entry| !entry.kind.is_supervisor()) {
            entry.slot.dismiss();
        }
    }

    /// One that is about to end, and that nothing starts again by itself then, accepts nothing more either: it would not be
    /// handled.
    pub(super) fn dismiss_last_life(&self, attempt: Attempt, exit: &Exit) {
        if self.machine.is_last_life(attempt, exit) {
            self.dismiss(attempt.child());
        }
    }

    /// It ended otherwise than it wanted to, and is to be started again.
    pub(super) fn take_back_dismissal(&self, child: ChildKey) {
        if let Some(entry) = self.children.get(&child).filter(|entry| !entry.kind.is_supervisor()) {
            entry.slot.take_back_dismissal();
        }
    }

    /// A child was stopped with its group: nothing below this supervisor may wait for it, or for what is below it.
    pub(super) fn withdraw(&self, child: ChildKey) {
        // When the tree ends, what has stopped is gone, and refuses everything.
        if self.shared.is_ending() {
            return;
        }
        let is_below = |supervisor: usize| self.shared.living.is_below(supervisor, &self.plan.path);
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
                self.shared.directory.under(&entry.path).iter().for_each(|(_, listed)| what(&*listed.slot));
            }
            Some(entry) => what(&*entry.slot),
            None => {}
        }
    }
}
