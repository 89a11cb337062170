//! Failed messages of children, as their supervisor counts them for a budget by rate.
//!
//! Invariant: without such a budget nothing is counted. Messages are counted when a failure is, and not one by one.

use std::time::Duration;

use regrow_supervisors::{Attempt, Exit};

use crate::slot::accounting::Accounting;
use crate::slot::failures::Failures;
use crate::supervisor::child_entry::ChildEntry;
use crate::supervisor::driver::Driver;

/// Counts of the messages of a child.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    /// Messages that were begun when the latest failure was counted, the failed one among them.
    counted: u64,
    /// The number of the latest message that failed without ending its life.
    latest: Option<u64>,
}

/// Number of messages that an incarnation has begun to handle and does not have in hand any more.
fn done(books: &Accounting) -> u64 {
    books.handled + books.crashed + books.redelivered
}

impl ChildEntry {
    /// Begins to count. Counts outlive a life.
    pub(super) fn begin_tally(&mut self) {
        if self.tally().is_none() {
            self.set_tally(Tally { counted: done(&self.slot.accounting()), latest: None });
        }
    }
}

impl Driver {
    fn counts_failures(&self, attempt: Attempt) -> bool {
        let policy = self.machine.spec(attempt.child()).and_then(|spec| spec.own_policy());
        policy.is_some_and(|policy| policy.failure_rate.is_some())
    }

    /// Counts the messages that the code of the child has called failed.
    pub(super) fn tell_failures(&mut self, attempt: Attempt, failures: &Failures, now: Duration) {
        if let Some(taken) = failures.take() {
            // Each message in hand has the number of those that were done before it.
            self.tell_tally(attempt, taken.failed, taken.number + 1, Some(taken.number), taken.exit, now);
        }
    }

    /// Counts the message with which the child has crashed or hung. A kill is no fault of a message.
    pub(super) fn tell_crash(&mut self, attempt: Attempt, exit: &Exit, now: Duration) {
        let is_fault = matches!(exit, Exit::Failed(_) | Exit::Panicked(_) | Exit::Hung(_));
        if !is_fault || !self.counts_failures(attempt) {
            return;
        }
        let Some(entry) = self.children.get(&attempt.child()) else { return };
        let (latest, done) = (entry.tally().and_then(|tally| tally.latest), done(&entry.slot.accounting()));
        // The code of the child may have called that message failed before.
        let is_counted = latest.is_some_and(|latest| latest + 1 == done);
        if entry.asked_at.is_none() && !is_counted {
            self.tell_tally(attempt, 1, done, None, exit.clone(), now);
        }
    }

    /// Counts failures. `begun`: messages that were begun by then. `number`: the latest that failed without ending its
    /// life.
    fn tell_tally(
        &mut self,
        attempt: Attempt,
        failed: u64,
        begun: u64,
        number: Option<u64>,
        exit: Exit,
        now: Duration,
    ) {
        if !self.counts_failures(attempt) {
            return;
        }
        let Some(entry) = self.children.get_mut(&attempt.child()) else { return };
        let before = entry.tally().unwrap_or(Tally { counted: begun, latest: None });
        entry.set_tally(Tally { counted: begun.max(before.counted), latest: number.or(before.latest) });
        let messages = begun.saturating_sub(before.counted).max(failed);
        self.machine.handle_failures(attempt, messages, failed, self.shared.options_in_force.named(exit), now);
    }
}
