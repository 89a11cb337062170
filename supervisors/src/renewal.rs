//! Planned restarts, by order or with a service that the child depends on: one child ends its life and begins a new one.
//! Its siblings and the budget are left alone.
//!
//! Invariants:
//! 1. Only a child that is up, and has not begun to end, is told to stop for this. All others refuse an order.
//! 2. An order is answered by a start that begins after it was given. Orders that come before the old life is gone merge.
//! 3. The child is started when its old life is gone, before any other event is taken. There are three exceptions: an
//!    order has terminated it, the supervisor ends, or its group is being restarted and it is started with the group.
//! 4. A start that fails answers the orders. It then counts like any other restart that failed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::action::Report;
use crate::child::{ChildState, Ending, Errand, Held, Hold, Stage, State};
use crate::children::{Attempt, ChildKey};
use crate::core::Core;
use crate::history::Renewed;
use crate::inbox::Event;
use crate::management::Done;
use crate::order::{Answer, Order, OrderError, OrderId};
use crate::transitions::{Kind, Transitions};

/// The orders that wait for new lives of children.
#[derive(Debug, Clone, Default)]
pub(crate) struct Renewals {
    waiting: BTreeMap<ChildKey, Vec<OrderId>>,
}

impl Renewals {
    fn add(&mut self, key: ChildKey, call: OrderId) {
        self.waiting.entry(key).or_default().push(call);
    }

    /// Whether an order waits for a new life of this child.
    pub(crate) fn contains(&self, key: ChildKey) -> bool {
        !self.waiting.is_empty() && self.waiting.contains_key(&key)
    }

    /// Takes the orders that wait for a new life of this child.
    pub(crate) fn take(&mut self, key: ChildKey) -> Vec<OrderId> {
        if self.waiting.is_empty() { Vec::new() } else { self.waiting.remove(&key).unwrap_or_default() }
    }

    pub(crate) fn tables(&self) -> [(&'static str, usize); 1] {
        [("machine: restarts by order", self.waiting.len())]
    }
}

impl Core {
    /// Answers the orders that wait for a new life of this child.
    pub(crate) fn answer_renewals(&mut self, key: ChildKey, answer: &Result<Answer, OrderError>) {
        for call in self.renewals.take(key) {
            self.outbox.answer(call, answer.clone());
        }
    }

    /// Answers all orders that wait for new lives, because the supervisor ends.
    pub(crate) fn refuse_renewals(&mut self) {
        for call in std::mem::take(&mut self.renewals.waiting).into_values().flatten() {
            self.outbox.answer(call, Err(OrderError::Over));
        }
    }

    /// Takes on an order: its answer comes with the next life of the child.
    fn renew(&mut self, key: ChildKey, call: OrderId, reason: Arc<str>) {
        self.renewals.add(key, call);
        self.outbox.report(Report::RestartOrdered { child: key, reason });
    }
}

pub(crate) trait Renew: Kind {
    /// Ends the present life of a child, and starts the next one, by order.
    fn renew_order(
        &mut self,
        call: OrderId,
        id: Arc<str>,
        reason: Arc<str>,
        meant: Option<Attempt>,
    ) -> Result<Done, OrderError> {
        let key = self.core().children.find(&id).ok_or(OrderError::NotFound)?;
        let Some(child) = self.core().children.get(key) else { return Err(OrderError::NotFound) };
        let standing = child.standing();
        let live = match &child.state {
            State::Live(live) => live,
            State::Held(_) if standing == ChildState::Parked => return Err(OrderError::Parked),
            State::Held(_) => return Err(OrderError::Restarting),
            State::Down if child.is_at_rest => return Err(OrderError::Down),
            State::Down => return Err(OrderError::Restarting),
        };
        let attempt = live.attempt;
        match (live.ending, &live.stage) {
            // Its exit is behind this order in the inbox, and is dealt with first.
            (_, Stage::Dead(_)) => {
                let given = self.core().meter.now();
                let order = Order::RenewChild { id, reason }.meant(meant);
                self.core_mut().inbox.push(Event::Order { call, order, given });
                return Ok(Done::Later);
            }
            // Invariant 2.
            (Ending::Asked | Ending::Killed, _)
                if child.stop_calls.is_none() && !live.is_to_be_parked() && self.core().renewals.contains(key) =>
            {
                self.core_mut().renew(key, call, reason);
                return Ok(Done::Later);
            }
            (_, Stage::Starting) if standing == ChildState::Starting => return Err(OrderError::Starting),
            // Invariant 1.
            (Ending::Asked | Ending::Killed | Ending::Leaving | Ending::KilledByOthers, _) => {
                return Err(OrderError::Stopping);
            }
            (Ending::NotTold, Stage::Starting | Stage::Up | Stage::Ready) => {}
        }
        self.core_mut().renew(key, call, reason);
        self.core_mut().wait_for(attempt);
        self.stop_for(attempt, Errand::Renew);
        Ok(Done::Later)
    }

    /// Ends the present life of a child, and starts the next one, because this service is ready in a new life. Dropped if
    /// the life is over or ending (invariant 1), or if the spec does not ask for it any more.
    fn renew_with(&mut self, attempt: Attempt, service: Arc<str>) {
        let (key, core) = (attempt.child(), self.core_mut());
        let at = core.meter.now();
        if core.children.live_mut(attempt).is_none_or(|live| !live.goes_on()) {
            return;
        }
        let Some(child) = core.children.get_mut(key).filter(|child| child.spec.is_renewed_with(&service)) else {
            return;
        };
        child.history_mut().renewed = Some(Box::new(Renewed { name: service.clone(), at }));
        core.outbox.report(Report::Renewed { child: key, name: service });
        self.stop_for(attempt, Errand::Renew);
    }

    /// Queues the start of the next life of a child that was stopped for it and is gone (invariant 3).
    fn begin_again(&mut self, key: ChildKey) {
        let core = self.core_mut();
        let Some(id) = core.children.get(key).map(|child| child.spec.id.clone()) else { return };
        // Invariant 2.
        for (call, reason) in core.inbox.take_renewals(&id) {
            core.renew(key, call, reason);
        }
        core.hold_quietly(key, Hold::Queued, Held::ALONE);
        core.inbox.push_first(key);
    }
}

impl<T: Kind + ?Sized> Renew for T {}
