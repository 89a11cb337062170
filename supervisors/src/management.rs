//! The management orders of a static supervisor, each carried out when its turn has come.

use std::collections::BTreeSet;

use crate::action::Action;
use crate::children::{ChildKey, Standing, StartCall, State};
use crate::exit::Exit;
use crate::machine::Machine;
use crate::nursery::Stop;
use crate::order::{Answer, Call, Order, OrderError};
use crate::procession::Procession;
use crate::spec::{ChildSpec, Flags, Restart, Strategy};
use crate::supervisor::Supervisor;

impl Supervisor {
    pub(crate) fn carry_out(&mut self, call: Call, order: Order) {
        let refused = match order {
            Order::StartChild(spec) => self.start_order(call, spec),
            Order::TerminateChild(id) => self.terminate_order(call, &id),
            Order::RestartChild(id) => self.restart_order(call, &id),
            Order::DeleteChild(id) => self.delete_order(call, &id),
            Order::Reconfigure(flags, specs) => self.reconfigure_order(call, flags, specs),
            Order::Limit { .. } => Err(OrderError::WrongKind),
            Order::Adjust(adjustment) => {
                let flags = self.flags;
                self.nursery.adjust_order(call, *adjustment, |spec| flags.check_significance(spec))
            }
            Order::Revive(id) => {
                let revived = self.nursery.revive_order(call, &id, self.flags.strategy);
                revived.map(|key| self.wait_in_order(key))
            }
            Order::Read => {
                self.nursery.answer(call, Ok(Answer::Done));
                Ok(())
            }
        };
        if let Err(error) = refused {
            self.nursery.answer(call, Err(error));
        }
    }

    /// OTP rule 60.
    fn start_order(&mut self, call: Call, spec: ChildSpec) -> Result<(), OrderError> {
        if let Some(key) = self.find(&spec.id) {
            return Err(match self.standing(key) {
                Some(Standing::Up | Standing::Stopping) => OrderError::AlreadyStarted(key),
                Some(
                    Standing::Down | Standing::Retrying | Standing::Waiting | Standing::Parked | Standing::Starting,
                )
                | None => OrderError::AlreadyPresent,
            });
        }
        self.flags.check_significance(&spec).and_then(|()| spec.check()).map_err(OrderError::Refused)?;
        let key = self.nursery.children.push(spec);
        self.nursery.actions.push_back(Action::Adopt { call, child: key });
        self.start_for(StartCall { call, is_new: true }, key);
        Ok(())
    }

    /// OTP rule 61.
    fn terminate_order(&mut self, call: Call, id: &str) -> Result<(), OrderError> {
        let key = self.find(id).ok_or(OrderError::NotFound)?;
        // Noted first: should it be dead already, it is answered as it is consumed.
        if let Some(State::Live(live)) = self.nursery.children.get_mut(key).map(|child| &mut child.state) {
            live.stop_calls.push(call);
            let attempt = live.attempt;
            let must_wait = self.stop_child(key, false);
            // Under the ordered strategies everybody else waits until it is gone; otherwise as long as that is prompt.
            match (must_wait, self.flags.strategy) {
                (true, Strategy::OneForOne) => self.nursery.wait_for(attempt),
                (true, Strategy::OneForAll | Strategy::RestForOne) => {
                    self.procession = Some(Procession::wait_for(key));
                }
                (false, _) => {}
            }
        } else {
            // One that is down rests already.
            let is_temporary = self.spec(key).is_some_and(|spec| spec.restart == Restart::Temporary);
            if is_temporary || self.standing(key) != Some(Standing::Down) {
                match self.nursery.stop(key, false) {
                    Stop::Idle(Some(start)) => self.start_order_failed(key, start, Exit::Shutdown),
                    Stop::Idle(None) | Stop::Dead(_) | Stop::Told => self.rest(key),
                }
                self.rest_group();
            }
            self.nursery.answer(call, Ok(Answer::Done));
        }
        Ok(())
    }

    /// OTP rule 62.
    fn restart_order(&mut self, call: Call, id: &str) -> Result<(), OrderError> {
        let key = self.down(id)?;
        self.start_for(StartCall { call, is_new: false }, key);
        Ok(())
    }

    /// OTP rule 63.
    fn delete_order(&mut self, call: Call, id: &str) -> Result<(), OrderError> {
        let key = self.down(id)?;
        self.nursery.forget(key);
        self.nursery.answer(call, Ok(Answer::Done));
        Ok(())
    }

    /// OTP rules 95 to 97: known children keep running under their new spec, new ones are added down, children that are
    /// not in the list stay. The order is the new list's, then theirs.
    fn reconfigure_order(&mut self, call: Call, flags: Flags, specs: Vec<ChildSpec>) -> Result<(), OrderError> {
        flags.check(&specs).map_err(OrderError::Refused)?;
        self.flags = flags;
        self.nursery.budget.set(flags.intensity);
        let children = &mut self.nursery.children;
        let named: BTreeSet<_> = specs.iter().filter_map(|spec| children.find(&spec.id)).collect();
        let kept: Vec<_> = children.keys().filter(|key| !named.contains(key)).collect();
        for spec in specs {
            let child = match children.find(&spec.id) {
                Some(key) => {
                    children.move_last(key, Some(spec));
                    key
                }
                None => {
                    let key = children.push(spec);
                    // No group left it behind.
                    children.get_mut(key).into_iter().for_each(|child| child.is_at_rest = true);
                    key
                }
            };
            self.nursery.actions.push_back(Action::Adopt { call, child });
        }
        for key in kept {
            children.move_last(key, None);
        }
        named.into_iter().for_each(|key| self.nursery.reconsider(key));
        self.nursery.answer(call, Ok(Answer::Done));
        Ok(())
    }

    fn down(&self, id: &str) -> Result<ChildKey, OrderError> {
        let key = self.find(id).ok_or(OrderError::NotFound)?;
        match self.standing(key) {
            Some(Standing::Down) => Ok(key),
            Some(Standing::Retrying | Standing::Waiting | Standing::Parked | Standing::Starting) => {
                Err(OrderError::Restarting)
            }
            Some(Standing::Up | Standing::Stopping) => Err(OrderError::Running),
            None => Err(OrderError::NotFound),
        }
    }

    /// A start that somebody waits for.
    fn start_for(&mut self, call: StartCall, key: ChildKey) {
        self.nursery.start_for(key, call);
        self.wait_in_order(key);
    }

    /// An ordered start came to nothing: a new child's spec is not kept, an old one's is. It is not retried, and costs
    /// no unit (OTP rules 25, 60, 62).
    pub(crate) fn start_order_failed(&mut self, key: ChildKey, StartCall { call, is_new }: StartCall, exit: Exit) {
        if is_new {
            self.nursery.forget(key);
        } else if !self.is_ending() {
            self.rest(key);
        }
        let error = if self.is_ending() { OrderError::Over } else { OrderError::Failed(exit) };
        self.nursery.answer(call, Err(error));
    }
}
