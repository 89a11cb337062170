//! Orders about policies, which both kinds of supervisor carry out alike: new policies for running children, and the
//! revival of a child that was parked.

use std::collections::HashMap;

use crate::child::State;
use crate::children::ChildKey;
use crate::core::Core;
use crate::management::Done;
use crate::order::{Adjustment, Answer, OrderError, OrderId};
use crate::spec::{ChildSpec, Flags, SpecError, Strategy};

impl Core {
    /// Changes all that the adjustment names, or nothing. A delay, a probe or a start that is under way goes on as it
    /// began. Spent units of the budget stay spent.
    pub(crate) fn adjust(&mut self, adjustment: Adjustment) -> Result<Done, OrderError> {
        let Adjustment { specs, intensity, budget_clock } = adjustment;
        let flags = Flags { intensity: intensity.unwrap_or(self.flags().intensity), ..*self.flags() };
        flags.check([]).map_err(OrderError::Refused)?;
        self.check_specs(&specs).map_err(OrderError::Refused)?;
        for spec in specs {
            if let Some(key) = self.children.find(&spec.id) {
                self.respec(key, spec);
                self.reconsider(key);
            }
        }
        if let Some(intensity) = intensity {
            self.meter.set_intensity(intensity);
        }
        self.meter.set_clock(budget_clock.unwrap_or(self.meter.clock()));
        Ok(Done::Now)
    }

    /// Checks specs for children that are in the table, or are to come last.
    pub(crate) fn check_specs(&self, specs: &[ChildSpec]) -> Result<(), SpecError> {
        specs.iter().try_for_each(|spec| self.flags().check_child(spec))?;
        self.check_restarts(specs)
    }

    /// Checks that no child is restarted with a sibling that the strategy restarts with the child, when these specs are
    /// in the table.
    fn check_restarts(&self, new: &[ChildSpec]) -> Result<(), SpecError> {
        let may_close_circle = |spec: &ChildSpec| {
            spec.dependencies().iter().any(|on| on.restart) || self.children.has_dependents(&spec.id)
        };
        // Few specs may, and the table need not be read for the others.
        if !new.iter().any(may_close_circle) {
            return Ok(());
        }
        let by_id: HashMap<_, _> = new.iter().map(|spec| (&spec.id, spec)).collect();
        let known = self.children.iter().map(|(_, child)| by_id.get(&child.spec.id).copied().unwrap_or(&child.spec));
        let added = new.iter().filter(|spec| self.children.find(&spec.id).is_none());
        self.flags().check_restarts(known.chain(added))
    }

    /// Starts a child that is held or has ended for good, and forgets all its failures. The answer comes as soon as the
    /// start is ordered.
    pub(crate) fn revive(&mut self, call: OrderId, key: ChildKey) -> Result<(), OrderError> {
        let strategy = self.flags().strategy;
        let Some(child) = self.children.get_mut(key) else { return Err(OrderError::NotFound) };
        let is_given_up = child.given_up().is_some();
        let held = match &mut child.state {
            State::Held(held) => held,
            State::Live(live) if live.is_told() => return Err(OrderError::Stopping),
            State::Live(_) => return Err(OrderError::Running),
            State::Down if is_given_up => {
                self.outbox.answer(call, Ok(Answer::Done));
                self.start(key);
                return Ok(());
            }
            State::Down => return Err(OrderError::AlreadyPresent),
        };
        // A start by order costs no unit of the budget.
        held.is_paid = true;
        let has_group = held.scope.under(strategy) != Strategy::OneForOne;
        child.history_mut().clear();
        self.outbox.answer(call, Ok(Answer::Done));
        if has_group {
            // The group waits with the child.
            self.wake(key);
        } else {
            self.start(key);
        }
        Ok(())
    }
}
