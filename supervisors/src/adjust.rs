//! Orders about policies, which both kinds of supervisor carry out alike: new ones for running children, and the revival of
//! a child that its policy has put away.

use crate::children::{ChildKey, State};
use crate::nursery::Nursery;
use crate::order::{Adjustment, Answer, Call, OrderError};
use crate::spec::{ChildSpec, SpecError, Strategy};

impl Nursery {
    /// All or nothing. What is under way (a delay, a probe, a start) goes on as it began; what is spent stays spent.
    pub(crate) fn adjust_order(
        &mut self,
        call: Call,
        adjustment: Adjustment,
        check: impl Fn(&ChildSpec) -> Result<(), SpecError>,
    ) -> Result<(), OrderError> {
        let Adjustment { specs, intensity, budget_clock } = adjustment;
        if intensity.and_then(|intensity| intensity.period()).is_some_and(|period| period.is_zero()) {
            return Err(OrderError::Refused(SpecError::ZeroPeriod));
        }
        for spec in &specs {
            spec.check().and_then(|()| check(spec)).map_err(OrderError::Refused)?;
        }
        for spec in specs {
            if let Some(key) = self.children.find(&spec.id) {
                self.children.respec(key, spec);
                self.reconsider(key);
            }
        }
        if let Some(intensity) = intensity {
            self.budget.set(intensity);
        }
        self.set_clock(budget_clock.unwrap_or(self.clock));
        self.answer(call, Ok(Answer::Done));
        Ok(())
    }

    /// Answered when the start has been ordered, not when it is done.
    pub(crate) fn revive_order(&mut self, call: Call, id: &str, strategy: Strategy) -> Result<ChildKey, OrderError> {
        let key = self.children.find(id).ok_or(OrderError::NotFound)?;
        let Some(child) = self.children.get_mut(key) else { return Err(OrderError::NotFound) };
        let held = match &mut child.state {
            State::Held(held) => held,
            State::Live(_) => return Err(OrderError::Running),
            State::Down => return Err(OrderError::AlreadyPresent),
        };
        // What is done by order costs nothing.
        held.is_paid = true;
        let held = *held;
        child.track_mut().forgive();
        self.answer(call, Ok(Answer::Done));
        if held.scope.has_group(strategy) {
            // It waits with the child.
            self.wake(key);
        } else {
            self.start(key, held.start_call);
        }
        Ok(key)
    }
}
