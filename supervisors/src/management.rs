//! The management orders, each carried out when its turn has come: those that both kinds of supervisor take, and those
//! of a static supervisor.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::action::Action;
use crate::child::{ChildState, Errand, Stage, StartCall, State};
use crate::children::{Attempt, ChildKey};
use crate::core::Core;
use crate::exit::Exit;
use crate::intensity::Intensity;
use crate::machine::Machine;
use crate::order::{Answer, Order, OrderError, OrderId};
use crate::renewal::Renew;
use crate::spec::{ChildSpec, Flags};
use crate::supervisor::StaticMachine;
use crate::transitions::{Kind, Transitions};

/// The outcome of an order that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    Now,
    /// The answer comes when a start or a stop is over.
    Later,
}

/// The orders that only one kind of supervisor takes. The other kind refuses them.
pub(crate) trait OwnOrders {
    fn restart_order(&mut self, _: OrderId, _: &str) -> Result<Done, OrderError> {
        Err(OrderError::WrongKind)
    }

    fn delete_order(&mut self, _: &str) -> Result<Done, OrderError> {
        Err(OrderError::WrongKind)
    }

    fn reconfigure_order(&mut self, _: OrderId, _: Flags, _: Vec<ChildSpec>) -> Result<Done, OrderError> {
        Err(OrderError::WrongKind)
    }

    fn limit_order(&mut self, _: Intensity, _: Option<usize>) -> Result<Done, OrderError> {
        Err(OrderError::WrongKind)
    }
}

pub(crate) trait Manage: Kind {
    fn carry_out(&mut self, call: OrderId, order: Order) {
        let done = self.carried_out(call, order, None);
        match done {
            Ok(Done::Now) => self.core_mut().outbox.answer(call, Ok(Answer::Done)),
            Ok(Done::Later) => {}
            Err(error) => self.core_mut().outbox.answer(call, Err(error)),
        }
    }

    /// Carries out an order about this life of its child, if it means one.
    fn carried_out(&mut self, call: OrderId, order: Order, meant: Option<Attempt>) -> Result<Done, OrderError> {
        match order {
            Order::StartChild(spec) => self.start_order(call, spec),
            Order::TerminateChild(id) => self.terminate_order(call, &id),
            Order::Adjust(adjustment) => self.core_mut().adjust(*adjustment),
            Order::Revive(id) => self.revive_order(call, &id),
            Order::RenewChild { id, reason } => self.renew_order(call, id, reason, meant),
            Order::Park { id, reason } => self.park_order(call, &id, reason),
            Order::Meant { life, order } => {
                self.core().check_meant(life, &order)?;
                self.carried_out(call, *order, Some(life))
            }
            Order::Read => Ok(Done::Now),
            Order::RestartChild(id) => self.restart_order(call, &id),
            Order::DeleteChild(id) => self.delete_order(&id),
            Order::Reconfigure(flags, specs) => self.reconfigure_order(call, flags, specs),
            Order::Limit { intensity, children_max } => self.limit_order(intensity, children_max),
        }
    }

    /// Adds a child and starts it (OTP rules 60, 81).
    fn start_order(&mut self, call: OrderId, spec: ChildSpec) -> Result<Done, OrderError> {
        self.admit(&spec)?;
        let core = self.core_mut();
        core.check_specs(std::slice::from_ref(&spec)).map_err(OrderError::Refused)?;
        let key = core.push(spec);
        core.outbox.act(Action::Adopt { call, child: key });
        self.start_for(key, StartCall { call, is_new: true })
    }

    /// Starts a child for an order, which waits for it. The start waits for the services that the child depends on.
    fn start_for(&mut self, key: ChildKey, call: StartCall) -> Result<Done, OrderError> {
        self.core_mut().start_for(key, call);
        self.wait_in_order(key);
        Ok(Done::Later)
    }

    /// Stops a child by order (OTP rules 61, 83).
    fn terminate_order(&mut self, call: OrderId, id: &str) -> Result<Done, OrderError> {
        let key = self.core().children.find(id).ok_or(OrderError::NotFound)?;
        let Some(child) = self.core_mut().children.get_mut(key) else { return Err(OrderError::NotFound) };
        match &child.state {
            State::Live(live) => {
                let (attempt, is_there) = (live.attempt, !matches!(live.stage, Stage::Dead(_)));
                // Noted first: if the child is dead already, consuming its exit answers the order.
                child.stop_calls.get_or_insert_default().push(call);
                if is_there {
                    self.core_mut().outbox.act(Action::Dismiss(key));
                }
                // Under the ordered strategies all other events wait until the child is gone. Otherwise they wait
                // within the prompt window.
                if self.stop_child(key, false) {
                    self.core_mut().wait_for(attempt);
                    self.wait_in_order(key);
                }
                Ok(Done::Later)
            }
            State::Held(_) => {
                self.core_mut().vacate(key);
                self.has_gone(key, &Exit::Shutdown, true);
                self.rest_left_behind();
                Ok(Done::Now)
            }
            // The child is at rest already.
            State::Down => {
                self.stop_child(key, false);
                Ok(Done::Now)
            }
        }
    }

    /// Parks a child by order. The answer comes when it has no process any more.
    fn park_order(&mut self, call: OrderId, id: &str, reason: Arc<str>) -> Result<Done, OrderError> {
        let key = self.core().children.find(id).ok_or(OrderError::NotFound)?;
        let child = self.core().children.get(key).ok_or(OrderError::NotFound)?;
        child.check_park()?;
        match &child.state {
            State::Live(live) => {
                let (attempt, is_there) = (live.attempt, !matches!(live.stage, Stage::Dead(_)));
                if is_there {
                    self.core_mut().outbox.act(Action::Dismiss(key));
                }
                self.core_mut().wait_for(attempt);
                self.stop_for(attempt, Errand::Park { call, reason });
            }
            State::Held(_) => {
                self.set_aside(key, call, reason);
                self.start_left_behind();
            }
            State::Down => self.set_aside(key, call, reason),
        }
        Ok(Done::Later)
    }

    /// Starts a child that is held. The answer comes when the start has been ordered, not when it is done.
    fn revive_order(&mut self, call: OrderId, id: &str) -> Result<Done, OrderError> {
        let key = self.core().children.find(id).ok_or(OrderError::NotFound)?;
        self.core_mut().revive(call, key)?;
        self.wait_in_order(key);
        Ok(Done::Later)
    }
}

impl<T: Kind + ?Sized> Manage for T {}

impl Core {
    /// Checks that no life of the child has come up after the one that the order means.
    fn check_meant(&self, life: Attempt, order: &Order) -> Result<(), OrderError> {
        let Some(key) = order.child().and_then(|id| self.children.find(id)) else { return Ok(()) };
        let is_meant = self.children.get(key).is_some_and(|child| child.is_latest_life(life));
        if key == life.child() && is_meant { Ok(()) } else { Err(OrderError::Replaced) }
    }
}

impl OwnOrders for StaticMachine {
    /// Starts a child that is down (OTP rule 62).
    fn restart_order(&mut self, call: OrderId, id: &str) -> Result<Done, OrderError> {
        let key = self.down(id)?;
        self.start_for(key, StartCall { call, is_new: false })
    }

    /// Forgets the spec of a child that is down (OTP rule 63).
    fn delete_order(&mut self, id: &str) -> Result<Done, OrderError> {
        let key = self.down(id)?;
        self.core.forget(key);
        Ok(Done::Now)
    }

    /// Replaces flags and specs (OTP rules 95 to 97). Known children keep running under their new spec, and new ones
    /// are added down. Children that are not in the list stay. The order is the new list's, then theirs.
    fn reconfigure_order(&mut self, call: OrderId, flags: Flags, specs: Vec<ChildSpec>) -> Result<Done, OrderError> {
        flags.check(&specs).map_err(OrderError::Refused)?;
        let core = &mut self.core;
        let named: BTreeSet<_> = specs.iter().filter_map(|spec| core.children.find(&spec.id)).collect();
        let kept: Vec<_> = core.children.keys().filter(|key| !named.contains(key)).collect();
        let others = kept.iter().filter_map(|key| Some(&core.children.get(*key)?.spec));
        flags.check_restarts(specs.iter().chain(others)).map_err(OrderError::Refused)?;
        core.set_flags(flags);
        for spec in specs {
            let known = core.children.find(&spec.id);
            let child = known.unwrap_or_else(|| core.push(spec.clone()));
            if known.is_some() {
                core.children.move_last(child);
                core.respec(child, spec);
            } else if let Some(child) = core.children.get_mut(child) {
                // A new child is at rest: it is not part of a group that waits for its start.
                child.is_at_rest = true;
            }
            core.outbox.act(Action::Adopt { call, child });
        }
        kept.into_iter().for_each(|key| core.children.move_last(key));
        named.into_iter().for_each(|key| self.core.reconsider(key));
        Ok(Done::Now)
    }
}

impl StaticMachine {
    fn down(&self, id: &str) -> Result<ChildKey, OrderError> {
        let key = self.find(id).ok_or(OrderError::NotFound)?;
        match self.standing(key) {
            Some(ChildState::Down) => Ok(key),
            Some(ChildState::Retrying | ChildState::Waiting | ChildState::Parked | ChildState::Starting) => {
                Err(OrderError::Restarting)
            }
            Some(ChildState::Up) => Err(OrderError::Running),
            Some(ChildState::Stopping) => Err(OrderError::Stopping),
            None => Err(OrderError::NotFound),
        }
    }
}
