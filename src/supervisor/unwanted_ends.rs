//! Unwanted ends that a driver notes: its own, when it gives up on a child, and those of children while the tree stops.

use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::{Attempt, ChildKey, Exit, GiveUpReason, Shutdown};

use crate::error::gave_up::GaveUp;
use crate::event::EventKind;
use crate::log::{line, millis};
use crate::supervisor::driver::Driver;
use crate::tree::shared::About;

/// A stop that takes longer than this gets a line in the log while the tree ends.
const LONG: Duration = Duration::from_secs(1);

impl Driver {
    /// Notes the end of a child while the tree ends.
    pub(super) fn note_end(&self, child: ChildKey, exit: &Exit) {
        let Some(entry) = self.children.get(&child) else { return };
        // A kill is noted at the end of the child and not when it is ordered, for the child may still end as it was
        // asked to.
        let was_killed = matches!(exit, Exit::Killed | Exit::Hung(_));
        match entry.asked_at {
            Some(asked_at) => {
                let took = self.now.saturating_sub(asked_at);
                if took >= LONG {
                    let (path, took_ms) = (&entry.path, millis(took));
                    line!(INFO, { path = %path, generation = entry.generation(), took_ms }, "child took long to stop");
                }
                // When the limit of the tree is reached, supervisors were only waiting for their children.
                if was_killed && !(entry.kind.is_supervisor() && self.shared.ending.is_hurried()) {
                    self.shared.ending.killed(&entry.path);
                }
            }
            None => {
                let is_to_be_killed =
                    self.machine.spec(child).is_some_and(|spec| spec.shutdown_rule() == Shutdown::Kill);
                if was_killed && self.is_killed && !is_to_be_killed && !entry.kind.is_supervisor() {
                    self.shared.ending.killed_unasked(&entry.path);
                }
            }
        }
    }

    /// Notes on which child a supervisor below has given up, or that it has not.
    pub(super) fn note_gave_up(&mut self, attempt: Attempt, gave_up: Option<&Arc<GaveUp>>) {
        let Some(entry) = self.children.get_mut(&attempt.child()) else { return };
        entry.set_gave_up(gave_up.cloned());
        // The supervisor itself stops as asked: the fault is further down.
        if let Some(fault) = gave_up.map(|gave_up| gave_up.innermost()) {
            self.shared.ending.failed(&fault.child, &fault.exit);
        }
    }

    /// Notes a child that did not stop as asked. A child that was asked and then killed is noted at its end.
    pub(super) fn note_fault(&self, child: ChildKey, exit: &Exit) {
        let Some(entry) = self.children.get(&child) else { return };
        let is_noted = entry.asked_at.is_some() && matches!(exit, Exit::Killed | Exit::Hung(_));
        if exit.is_abnormal() && !is_noted {
            self.shared.ending.failed(&entry.path, exit);
        }
    }

    /// The record of a give-up on this child, with the records of the supervisors below.
    pub(super) fn link(
        &self,
        child: ChildKey,
        exit: Exit,
        reason: GiveUpReason,
        ends_tree: bool,
    ) -> Option<Arc<GaveUp>> {
        let entry = self.children.get(&child)?;
        let (supervisor, child, cause) = (self.plan.path.clone(), entry.path.clone(), entry.gave_up().cloned());
        Some(Arc::new(GaveUp { supervisor, child, exit, reason, ends_tree, cause }))
    }

    /// Notes that this child ends for good. Its mailbox is closed later, by the action that follows.
    pub(super) fn note_given_up(&mut self, child: ChildKey, why: Arc<GaveUp>) {
        if let Some(entry) = self.children.get_mut(&child) {
            entry.slot.fell(false, self.shared.clock.at(self.now));
            entry.slot.complete(None);
            entry.set_given_up(Some(why));
        }
    }

    /// Notes for the report the children that have ended for good, as the supervisor ends with its tree.
    pub(super) fn note_all_given_up(&self) {
        if self.shared.ending.is_noting() {
            self.children
                .values()
                .filter_map(|entry| entry.given_up())
                .for_each(|why| self.shared.ending.given_up(why));
        }
    }

    /// Tells subscribers that the supervisor ends itself. Its parent learns it with the end.
    pub(super) fn give_up(&mut self, why: Arc<GaveUp>) {
        if self.parent.is_tree() {
            self.shared.ending.gave_up(why.clone());
        }
        self.plan.slot.fell(false, self.shared.clock.at(self.now));
        let about = About { path: &self.plan.path, slot: Some(&*self.plan.slot), now: self.now };
        self.shared.tell(about, || self.plan.slot.status().generation, EventKind::GaveUp { why: why.clone() });
        self.gave_up = Some(why);
    }

    /// Notes the end of a significant child. If one of them ended by a fault, the supervisor gives up, and does not end
    /// as if its work were done.
    pub(super) fn significant_ended(&mut self, child: ChildKey, exit: Exit, is_last: bool) {
        let Some(entry) = self.children.get(&child) else { return };
        let has_fault = exit.is_abnormal() || entry.gave_up().is_some() || entry.given_up().is_some();
        // A fault is forgiven if the same child was started again by order and has done its work now.
        let is_forgiven = self.significant_fault.as_ref().is_none_or(|fault| fault.child == entry.path);
        if is_forgiven {
            self.significant_fault =
                if has_fault { self.link(child, exit, GiveUpReason::Significant, false) } else { None };
        }
        if let Some(why) = self.significant_fault.take_if(|_| is_last) {
            self.give_up(why);
        }
    }
}
