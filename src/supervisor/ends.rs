//! What a driver notes of ends that were not wanted: its own, when it gives up on a child, and those of children while the
//! tree stops.

use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::{Attempt, ChildKey, Exit, GiveUpReason, Shutdown};

use crate::error::gave_up::GaveUp;
use crate::event::EventKind;
use crate::log::{line, millis};
use crate::supervisor::driver::Driver;

/// A child that takes longer to stop is worth a line while the tree ends.
const LONG: Duration = Duration::from_secs(1);

impl Driver {
    /// How a child ended while the tree does.
    pub(super) fn note_end(&self, child: ChildKey, exit: &Exit) {
        let Some(entry) = self.children.get(&child) else { return };
        // Noted when it ends and not when the kill is ordered: it may still end as it was asked to.
        let was_killed = matches!(exit, Exit::Killed | Exit::Hung(_));
        match entry.asked_at {
            Some(asked_at) => {
                let took = self.now.saturating_sub(asked_at);
                if took >= LONG {
                    let (path, took_ms) = (&entry.path, millis(took));
                    line!(INFO, { path = %path, generation = entry.generation(), took_ms }, "child took long to stop");
                }
                // When the limit of the tree is reached, supervisors only waited for their children.
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

    /// What a child that is a supervisor says of its end.
    pub(super) fn note_gave_up(&mut self, attempt: Attempt, gave_up: Option<&Arc<GaveUp>>) {
        let Some(entry) = self.children.get_mut(&attempt.child()) else { return };
        entry.set_gave_up(gave_up.cloned());
        // The supervisor itself stops as asked: the fault is further down.
        if let Some(fault) = gave_up.map(|gave_up| gave_up.innermost()) {
            self.shared.ending.failed(&fault.child, &fault.exit);
        }
    }

    /// A child did not stop as asked. What was asked and then killed is noted when it ends.
    pub(super) fn note_fault(&self, child: ChildKey, exit: &Exit) {
        let Some(entry) = self.children.get(&child) else { return };
        let is_noted = entry.asked_at.is_some() && matches!(exit, Exit::Killed | Exit::Hung(_));
        if exit.is_abnormal() && !is_noted {
            self.shared.ending.failed(&entry.path, exit);
        }
    }

    /// What is told when the supervisor ends itself over this child.
    pub(super) fn link(&self, child: ChildKey, exit: Exit, reason: GiveUpReason) -> Option<Arc<GaveUp>> {
        let entry = self.children.get(&child)?;
        let (supervisor, child, cause) = (self.plan.path.clone(), entry.path.clone(), entry.gave_up().cloned());
        Some(Arc::new(GaveUp { supervisor, child, exit, reason, cause }))
    }

    /// The supervisor ends itself: that is told to subscribers now, and to its parent with its end.
    pub(super) fn give_up(&mut self, why: Arc<GaveUp>) {
        if self.parent.is_tree() {
            self.shared.ending.gave_up(why.clone());
        }
        self.plan.slot.fell(false);
        self.shared.tell(
            &self.plan.path,
            || self.plan.slot.status().generation,
            EventKind::GaveUp { why: why.clone() },
        );
        self.gave_up = Some(why);
    }

    /// A supervisor whose significant children end by a fault does not end as one whose work is done.
    pub(super) fn significant_ended(&mut self, child: ChildKey, exit: Exit, is_last: bool) {
        let Some(entry) = self.children.get(&child) else { return };
        let has_fault = exit.is_abnormal() || entry.gave_up().is_some();
        // One that was started again by order, and has done its work now, is forgiven.
        let is_forgiven = self.significant_fault.as_ref().is_none_or(|fault| fault.child == entry.path);
        if is_forgiven {
            self.significant_fault = if has_fault { self.link(child, exit, GiveUpReason::Significant) } else { None };
        }
        if let Some(why) = self.significant_fault.take_if(|_| is_last) {
            self.give_up(why);
        }
    }
}
