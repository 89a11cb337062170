//! The inbox of a supervisor: exits, retries and orders, each of which waits for its turn.
//!
//! Invariant: events are taken one at a time, in the order of their arrival (OTP rule 72).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::children::{Attempt, ChildKey};
use crate::exit::Exit;
use crate::order::{Order, OrderId};
use crate::outbox::give_back;

/// An entry of the inbox.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A child ended unexpectedly. Its exit is kept in the table of children, so that a stop that comes first can
    /// consume it.
    Exit(Attempt),
    /// An automatic restart failed and is to be tried again (OTP rule 31).
    Retry(ChildKey),
    /// A service that the child depends on is ready again in a new life, and the child is to be restarted with it.
    Renew { attempt: Attempt, name: Arc<str> },
    /// Too many messages of this life have failed.
    Overrate(Attempt),
    /// An order of the parent that this supervisor ends.
    Stop { exit: Exit, given: Duration },
    /// A management order.
    Order { call: OrderId, order: Order, given: Duration },
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Inbox {
    events: VecDeque<Event>,
}

impl Inbox {
    /// Queues an event behind all others.
    pub(crate) fn push(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// Queues the start of a child before all others.
    pub(crate) fn push_first(&mut self, child: ChildKey) {
        self.events.push_front(Event::Retry(child));
    }

    /// Takes the event that has waited longest.
    pub(crate) fn pop(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Takes the latest event, if it is a retry.
    pub(crate) fn pop_latest_retry(&mut self) -> Option<ChildKey> {
        let Some(Event::Retry(child)) = self.events.back() else { return None };
        let child = *child;
        self.events.pop_back();
        Some(child)
    }

    /// Takes all events, the oldest first.
    pub(crate) fn take_all(&mut self) -> VecDeque<Event> {
        std::mem::take(&mut self.events)
    }

    /// Takes the orders to restart this child, with their reasons. An order that comes behind another one about the
    /// child stays.
    pub(crate) fn take_renewals(&mut self, child: &str) -> Vec<(OrderId, Arc<str>)> {
        let (mut taken, mut is_open) = (Vec::new(), true);
        self.events.retain(|event| {
            let Event::Order { call, order, .. } = event else { return true };
            match order {
                Order::RenewChild { id, reason } if is_open && **id == *child => {
                    taken.push((*call, reason.clone()));
                    false
                }
                Order::TerminateChild(_)
                | Order::RestartChild(_)
                | Order::DeleteChild(_)
                | Order::Revive(_)
                | Order::Park { .. }
                // Its turn decides whether the life that it means is there.
                | Order::Meant { .. } => {
                    is_open &= order.child() != Some(child);
                    true
                }
                Order::StartChild(_)
                | Order::Reconfigure(..)
                | Order::Limit { .. }
                | Order::Adjust(_)
                | Order::RenewChild { .. }
                | Order::Read => true,
            }
        });
        taken
    }

    /// Iterates over the events, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Event> {
        self.events.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Frees the memory that a busy moment has left behind.
    pub(crate) fn give_back_room(&mut self) {
        give_back(&mut self.events);
    }

    pub(crate) fn tables(&self) -> [(&'static str, usize); 1] {
        [("machine: inbox", self.events.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inbox_that_was_long_once_gives_its_room_back() {
        let mut inbox = Inbox::default();
        inbox.events.reserve_exact(1000);
        inbox.give_back_room();
        assert!(inbox.events.capacity() < 256, "{}", inbox.events.capacity());
    }
}
