//! Orders about policies, which both kinds of supervisor carry out alike: new policies for running children, and the
//! revival of a child that was parked.

use std::sync::Arc;

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

    /// Checks specs for children that are in the table.
    pub(crate) fn check_specs(&self, specs: &[ChildSpec]) -> Result<(), SpecError> {
        specs.iter().try_for_each(|spec| self.flags().check_child(spec))?;
        self.check_restarts(specs)
    }

    /// Checks that no child is restarted with a sibling that the strategy restarts with the child, when these specs are
    /// in the table. A spec with a new name comes last.
    pub(crate) fn check_restarts<'a>(&self, new: impl IntoIterator<Item = &'a ChildSpec>) -> Result<(), SpecError> {
        let flags = *self.flags();
        if flags.strategy == Strategy::OneForOne {
            return Ok(());
        }
        let place = |name: &str| match self.children.find(name).and_then(|key| self.children.get(key)) {
            Some(child) => child.place,
            None => u64::MAX,
        };
        let check = |spec: &ChildSpec, service: &Arc<str>| {
            let is_sibling = self.children.find(service).is_some();
            if is_sibling && flags.is_circle(place(service) < place(&spec.id)) {
                let (service, dependent) = (service.clone(), spec.id.clone());
                return Err(SpecError::RestartCircle { service, dependent, strategy: flags.strategy });
            }
            Ok(())
        };
        for spec in new {
            spec.dependencies().iter().filter(|on| on.restart).try_for_each(|on| check(spec, &on.name))?;
            // Children that wait for this one by its name come before it.
            if self.children.find(&spec.id).is_none() {
                for key in self.children.dependents(&spec.id) {
                    let Some(dependent) = self.children.get(key).map(|child| &child.spec) else { continue };
                    if dependent.is_renewed_with(&spec.id) && flags.is_circle(false) {
                        let (service, dependent) = (spec.id.clone(), dependent.id.clone());
                        return Err(SpecError::RestartCircle { service, dependent, strategy: flags.strategy });
                    }
                }
            }
        }
        Ok(())
    }

    /// Starts a child that is held or has ended for good, and forgets all its failures. The answer comes as soon as the
    /// start is ordered.
    pub(crate) fn revive(&mut self, call: OrderId, key: ChildKey) -> Result<(), OrderError> {
        let strategy = self.flags().strategy;
        let Some(child) = self.children.get_mut(key) else { return Err(OrderError::NotFound) };
        let held = match &mut child.state {
            State::Held(held) => held,
            State::Live(live) if live.is_told() => return Err(OrderError::Stopping),
            State::Live(_) => return Err(OrderError::Running),
            State::Down if child.history.as_ref().is_some_and(|history| history.given_up.is_some()) => {
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
