//! Children that some callers, or all, cannot reach: the machine decides it, and their mailboxes refuse.

use regrow_supervisors::{Attempt, ChildKey, Exit};

use crate::slot::erased::AnySlot;
use crate::supervisor::driver::Driver;

impl Driver {
    /// Closes the mailbox of a child that is terminated. Below a supervisor, services still talk to each other while
    /// they stop.
    pub(super) fn dismiss(&self, child: ChildKey) {
        if let Some(entry) = self.children.get(&child).filter(|entry| !entry.kind.is_supervisor()) {
            entry.slot.dismiss();
        }
    }

    /// Closes the mailbox of a child that is about to end and will not be restarted without an order, for no message
    /// would be handled any more.
    pub(super) fn dismiss_last_life(&self, attempt: Attempt, exit: &Exit) {
        if self.machine.is_last_life(attempt, exit) {
            self.dismiss(attempt.child());
        }
    }

    /// Opens the mailbox again: the child ended otherwise than it wanted to, and is restarted.
    pub(super) fn take_back_dismissal(&self, child: ChildKey) {
        if let Some(entry) = self.children.get(&child).filter(|entry| !entry.kind.is_supervisor()) {
            entry.slot.take_back_dismissal();
        }
    }

    /// Withdraws a child that was stopped with its group. Code below this supervisor must not wait for it, or for what
    /// is below it.
    pub(super) fn withdraw(&self, child: ChildKey) {
        // When the tree ends, a child that has stopped is gone, and refuses everything.
        if self.shared.is_ending() {
            return;
        }
        let is_below = |supervisor: usize| self.shared.living.is_below(supervisor, &self.plan.path);
        self.each_slot_of(child, |slot| slot.withdraw(&self.plan.path, &is_below));
    }

    /// Makes a withdrawn child reachable again, as its group is started.
    pub(super) fn readmit(&self, child: ChildKey) {
        self.each_slot_of(child, |slot| slot.readmit());
    }

    /// Calls `what` with the slot of a child, or with those of everything below it.
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
