//! The outbox of a supervisor: actions for its driver, and reports for logs and subscribers.
//!
//! Invariant: both queues hand out their entries in the order in which they were put in.

use std::collections::VecDeque;

use crate::action::{Action, Report};
use crate::order::{Answer, OrderError, OrderId};

#[derive(Debug, Clone, Default)]
pub(crate) struct Outbox {
    actions: VecDeque<Action>,
    reports: VecDeque<Report>,
}

impl Outbox {
    /// Queues an action for the driver.
    pub(crate) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    /// Queues a report.
    pub(crate) fn report(&mut self, report: Report) {
        self.reports.push_back(report);
    }

    /// Queues the answer to an order.
    pub(crate) fn answer(&mut self, call: OrderId, result: Result<Answer, OrderError>) {
        self.act(Action::Answer { call, result });
    }

    pub(crate) fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    pub(crate) fn next_report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// Frees the memory that a busy moment has left behind.
    pub(crate) fn give_back_room(&mut self) {
        give_back(&mut self.actions);
        give_back(&mut self.reports);
    }

    pub(crate) fn tables(&self) -> [(&'static str, usize); 2] {
        [("machine: actions", self.actions.len()), ("machine: reports", self.reports.len())]
    }
}

/// Frees a queue that is empty and has more room than an ordinary moment needs.
pub(crate) fn give_back<T>(queue: &mut VecDeque<T>) {
    const ROOMY: usize = 256;
    if queue.is_empty() && queue.capacity() > ROOMY {
        *queue = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_that_were_long_once_give_their_room_back_and_short_ones_keep_it() {
        let mut outbox = Outbox::default();
        outbox.actions.reserve_exact(1000);
        outbox.reports.reserve_exact(256);
        outbox.give_back_room();
        let (actions, reports) = (outbox.actions.capacity(), outbox.reports.capacity());
        assert!(actions < 256 && reports == 256, "{actions}, {reports}");
    }
}
