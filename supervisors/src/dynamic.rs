//! The dynamic supervisor: children come and go at run time, and have no group. A child that has ended for good leaves
//! nothing behind. It is OTP's `simple_one_for_one`, and Elixir's `DynamicSupervisor`.
//!
//! Invariants:
//! 1. A child is in the table exactly while it lives, is being started, is to be tried again, or is parked (OTP rule
//!    82).
//! 2. The end tells all children at once; each has its own limit from that moment (OTP rule 88). A child that others
//!    depend on is told when they are gone.
//! 3. Events are taken in the order in which they were handed in. They wait for a start only within the prompt window.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::action::Action;
use crate::child::{ChildState, Held, Scope};
use crate::children::ChildKey;
use crate::core::Core;
use crate::exit::Exit;
use crate::intensity::Intensity;
use crate::machine::Machine;
use crate::management::{Done, OwnOrders};
use crate::order::OrderError;
use crate::spec::{ChildSpec, Flags, SpecError};
use crate::stops::Stops;
use crate::transitions::{Kind, Step, Transitions};

/// A supervisor for children that are added at run time. It is driven as a [`Machine`].
#[derive(Debug, Clone)]
pub struct DynamicMachine {
    core: Core,
    children_max: Option<usize>,
    /// At the end: the children that wait for their dependents to go.
    stops: Stops,
}

impl Kind for DynamicMachine {
    fn core(&self) -> &Core {
        &self.core
    }

    fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    fn work(&mut self) -> Step {
        if !self.core.is_ending() {
            self.core.forget_departed();
            return Step::Idle;
        }
        for key in self.core.take_departed() {
            self.stops.gone(key);
        }
        while let Some(key) = self.stops.next() {
            if !self.stop_child(key, self.core.is_killing()) {
                self.stops.gone(key);
            }
        }
        if self.core.children.len() == 0 && self.core.finish() { Step::Taken } else { Step::Waits }
    }

    /// Begins the end of all children (invariant 2).
    fn end(&mut self, exit: Exit, by_force: bool) {
        self.core.begin_to_end(exit, by_force);
        let ties = if by_force { BTreeSet::new() } else { self.core.sound_ties() };
        let keys: Vec<_> = self.core.children.keys().collect();
        let is_there = |key: &ChildKey| self.core.children.get(*key).is_some_and(|child| !child.has_no_process());
        // Children without a process go at once. So do all children if none depends on another.
        let (later, now): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| !ties.is_empty() && is_there(key));
        self.stops = Stops::new(&later, &self.core.children, &ties, true);
        for key in now {
            self.stop_child(key, by_force);
        }
    }

    /// Forgets the child (invariant 1).
    fn rest(&mut self, key: ChildKey) {
        self.core.forget(key);
    }

    fn gone(&mut self, key: ChildKey, _: bool) {
        self.core.forget(key);
    }

    /// Starts the child alone: a dynamic supervisor has no groups.
    fn restart(&mut self, key: ChildKey, delay: Duration, held: Held) {
        self.core.start_after(key, delay, Held { scope: Scope::Alone, ..held });
    }

    fn try_again(&mut self, key: ChildKey, delay: Duration, held: Held) {
        self.core.try_again(key, delay, Held { scope: Scope::Alone, ..held });
    }

    fn admit(&self, spec: &ChildSpec) -> Result<(), OrderError> {
        if self.children_max.is_some_and(|max| self.core.children.len() >= max) {
            return Err(OrderError::MaxChildren);
        }
        let Some(key) = self.find(&spec.id) else { return Ok(()) };
        match self.standing(key) {
            Some(ChildState::Stopping) => Err(OrderError::Stopping),
            _ => Err(OrderError::AlreadyStarted(key)),
        }
    }
}

// OTP rule 84: the orders about specs are refused.
impl OwnOrders for DynamicMachine {
    /// Replaces the limits (OTP rules 95, 98).
    fn limit_order(&mut self, intensity: Intensity, children_max: Option<usize>) -> Result<Done, OrderError> {
        Self::check(intensity, children_max).map_err(OrderError::Refused)?;
        self.core.meter.set_intensity(intensity);
        self.children_max = children_max;
        Ok(Done::Now)
    }
}

impl DynamicMachine {
    /// A supervisor without children. It is up at once: the first action says so.
    ///
    /// `children_max` also counts children that are being started or are to be tried again.
    ///
    /// # Errors
    ///
    /// [`SpecError::ZeroPeriod`] if the budget's period is zero, [`SpecError::ZeroChildren`] if `children_max` is.
    pub fn new(intensity: Intensity, children_max: Option<usize>) -> Result<Self, SpecError> {
        Self::check(intensity, children_max)?;
        let mut core = Core::new(Flags { intensity, ..Flags::default() });
        core.outbox.act(Action::Up);
        Ok(Self { core, children_max, stops: Stops::default() })
    }

    /// Checks the limits.
    ///
    /// # Errors
    ///
    /// The same as those of [`new`](Self::new).
    pub fn check(intensity: Intensity, children_max: Option<usize>) -> Result<(), SpecError> {
        Flags { intensity, ..Flags::default() }.check([])?;
        if children_max == Some(0) { Err(SpecError::ZeroChildren) } else { Ok(()) }
    }
}
