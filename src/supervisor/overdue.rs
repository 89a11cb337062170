//! Children that take too long. A driver has them watched, checks each report of the watchdog, and remembers why it
//! kills a child.

use std::sync::{Arc, Weak};
use std::time::Duration;

use regrow_supervisors::{Attempt, ChildKey, Hang, Report};

use crate::slot::erased::{Control, SlotTree};
use crate::slot::fact::{Fact, Overdue};
use crate::supervisor::driver::Driver;
use crate::tree::directory::ChildKind;
use crate::watchdog::Work;

impl Driver {
    /// Has the child's present incarnation watched under its present policy. Called at its start, and when the policy
    /// has changed. Supervisors have no messages, and plain actors have theirs elsewhere: `tree/effect.rs` refuses a
    /// watchdog for them.
    pub(super) fn watch(&self, child: ChildKey) {
        let (Some(entry), Some(spec)) = (self.children.get(&child), self.machine.spec(child)) else { return };
        let work = match entry.kind {
            ChildKind::Service | ChildKind::Thread => Work::Messages,
            ChildKind::Task => Work::SignsOfLife,
            ChildKind::Actor | ChildKind::Supervisor | ChildKind::Dynamic | ChildKind::Partitioned => return,
        };
        if let Some(Control::Signals(signals)) = &entry.control {
            let tree = || -> Weak<dyn SlotTree> { Arc::downgrade(&self.shared) as _ };
            self.shared.watchdog.watch(tree, &entry.path, &entry.slot, signals, work, spec.watchdog_limit());
        }
    }

    /// Checks a report of the watchdog that the child hangs. By now the child may have come back, or be ending already.
    pub(super) fn hung(&mut self, attempt: Attempt, seen: &Overdue, hang: Hang, now: Duration) {
        let Some(entry) = self.children.get(&attempt.child()) else { return };
        let Some(signals) = entry.control.as_ref().and_then(Control::signals) else { return };
        let is_so = match seen {
            Overdue::Work(work) => {
                signals.activity().and_then(|activity| activity.work(&*entry.slot, signals)) == Some(*work)
            }
            Overdue::Circle(is_still) => is_still(),
        };
        if signals.attempt() == attempt && !signals.is_over() && is_so {
            self.machine.handle_hung(attempt, hang, now);
        }
    }

    /// Notes the reason on the child before it is killed, so that its own code knows it.
    pub(super) fn blame(&mut self, report: &Report) {
        let (Report::Overdue { attempt, exit } | Report::Overran { attempt, exit }) = report else { return };
        let Some(entry) = self.children.get_mut(&attempt.child()) else { return };
        if let Some(Control::Signals(signals)) = &entry.control {
            signals.blame(exit);
        }
        entry.set_blame(Some(exit.clone()));
    }

    /// Replaces the exit of a child that was killed for a reason by that reason. A supervisor does not know the reason
    /// itself, and an incarnation may have ended before it learned it. The machine counts the exit in the same way.
    pub(super) fn amend(&self, fact: &mut Fact) {
        if let Fact::StartFailed { attempt, exit } | Fact::Ended { attempt, exit } = fact
            && let Some(entry) = self.children.get(&attempt.child())
        {
            entry.amend(exit);
        }
    }
}
