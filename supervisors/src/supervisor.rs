//! The static supervisor: its strategies turn a decision about one child into work for a group.
//!
//! Invariants, besides those of [`Machine`]:
//! 1. Events that come during ordered work (a [sequence](crate::sequence)) wait in the inbox until it is done. Under
//!    one_for_one they wait for a start only within the prompt window.
//! 2. The budget is charged before anything is stopped or started (OTP rule 20). Each unexpected exit that calls for a
//!    restart costs one unit, and so does each retry of a failed restart (OTP rules 22, 23).

use std::collections::BTreeSet;
use std::time::Duration;

use crate::action::Action;
use crate::child::{Child, ChildState, Held, Hold, Scope, Stage, State};
use crate::children::{ChildKey, Children};
use crate::core::Core;
use crate::exit::Exit;
use crate::machine::Machine;
use crate::order::OrderError;
use crate::sequence::{Goal, Sequence};
use crate::spec::{ChildSpec, Flags, SpecError, Strategy};
use crate::transitions::{Kind, Step, Transitions};

/// A supervisor with children that are listed when it is made: OTP's `supervisor`, without the process.
///
/// It is driven as a [`Machine`].
#[derive(Debug, Clone)]
pub struct StaticMachine {
    pub(crate) core: Core,
    pub(crate) sequence: Option<Sequence>,
    /// Children that a rule lets try their first start again after the boot has gone through. The boot is complete when
    /// they are up, parked, at rest, or wait for others. `None`: it is complete.
    pub(crate) boot: Option<Vec<ChildKey>>,
}

impl Kind for StaticMachine {
    fn core(&self) -> &Core {
        &self.core
    }

    fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    /// Goes on with ordered work first (invariant 1).
    fn work(&mut self) -> Step {
        match self.advance() {
            Step::Idle => self.complete_boot(),
            step @ (Step::Waits | Step::Taken) => step,
        }
    }

    fn end(&mut self, exit: Exit, by_force: bool) {
        self.core.begin_to_end(exit, by_force);
        let mut sequence = Sequence::end(&self.core);
        let members: Vec<_> = self.core.children.keys().collect();
        if by_force {
            let stopping: BTreeSet<_> = members.iter().copied().filter(|key| self.is_stopping(*key)).collect();
            sequence.stops.begin_with(&stopping);
            for key in stopping.into_iter().rev() {
                self.stop_child(key, true);
            }
        }
        self.sequence = Some(sequence);
        self.withdraw_dead(&members);
    }

    /// Lets a child rest. A temporary child's spec is forgotten, other children keep theirs (OTP rules 10, 17).
    fn rest(&mut self, key: ChildKey) {
        let Some(child) = self.core.children.get_mut(key) else { return };
        child.is_withdrawn = false;
        if child.is_temporary() {
            self.core.forget(key);
        } else if !std::mem::replace(&mut child.is_at_rest, true) {
            self.core.answer_renewals(key, &Err(OrderError::Down));
            self.core.outbox.act(Action::Rest(key));
            self.core.forget_what_it_saw(key);
            self.core.reconsider_dependents_of(key);
        }
    }

    /// Decides about a child that was stopped (OTP rules 33, 61). A supervisor that ends keeps its specs: if it is
    /// started again, all children are.
    fn gone(&mut self, key: ChildKey, was_ordered: bool) {
        if let Some(child) = self.core.children.get_mut(key) {
            child.was_terminated = was_ordered;
        }
        let is_temporary = self.core.children.get(key).is_some_and(Child::is_temporary);
        if (is_temporary || was_ordered) && !self.core.is_ending() {
            self.rest(key);
        }
    }

    /// Stops a group at once, and starts it together when no member has a delay to serve any more. An elder that dies
    /// meanwhile takes the group over, and that is one restart.
    fn restart(&mut self, key: ChildKey, delay: Duration, mut held: Held) {
        let children = &self.core.children;
        let mut first = match held.scope.under(self.core.flags().strategy) {
            Strategy::OneForOne => {
                self.core.start_after(key, delay, held);
                return self.wait_in_order(key);
            }
            Strategy::OneForAll => None,
            Strategy::RestForOne => Some(key),
        };
        let mut members = Sequence::members(children, first);
        // A member that is to be started with all others takes them along, or they would be left behind.
        let calls_all = |&key: &ChildKey| children.held(key).is_some_and(|held| held.scope == Scope::All);
        if first.is_some() && members.iter().any(calls_all) {
            (first, held.scope) = (None, Scope::All);
            members = Sequence::members(children, first);
        }
        let served = members.iter().filter_map(|&key| children.held(key)?.hold.until()).max();
        let until = served.unwrap_or_default().max(self.core.meter.after(delay));
        // Members that are held now are started with the group.
        for &key in &members {
            if self.core.children.held(key).is_some() {
                self.core.vacate(key);
            }
        }
        self.withdraw_dead(&members);
        let delayed = (until > self.core.meter.now()).then_some(key);
        if delayed.is_some() {
            self.core.hold(key, Hold::Backoff { until }, held);
            self.core.open(key);
        }
        self.sequence = Some(Sequence::group(&self.core, members, delayed));
    }

    /// Retries a start that failed (OTP rules 30, 31, 36, 40).
    fn try_again(&mut self, key: ChildKey, delay: Duration, held: Held) {
        self.core.try_again(key, delay, held);
        // A start that one_for_one left behind when the flags were replaced is not part of the group. A child that is
        // retried alone does not hold the group up.
        if held.scope.under(self.core.flags().strategy) != Strategy::OneForOne
            && !self.is_going_through_boot()
            && self.sequence.as_ref().is_some_and(|sequence| sequence.awaiting == Some(key))
        {
            self.sequence = None;
        }
    }

    fn admit(&self, spec: &ChildSpec) -> Result<(), OrderError> {
        let Some(key) = self.find(&spec.id) else { return Ok(()) };
        match self.standing(key) {
            Some(ChildState::Up) => Err(OrderError::AlreadyStarted(key)),
            Some(ChildState::Stopping) => Err(OrderError::Stopping),
            Some(
                ChildState::Down
                | ChildState::Retrying
                | ChildState::Waiting
                | ChildState::Parked
                | ChildState::Starting,
            )
            | None => Err(OrderError::AlreadyPresent),
        }
    }

    fn is_booting(&self, key: ChildKey) -> bool {
        self.is_going_through_boot() || self.boot.as_ref().is_some_and(|retried| retried.contains(&key))
    }

    fn is_not_up_yet(&self) -> bool {
        self.boot.is_some()
    }

    fn wait_in_order(&mut self, key: ChildKey) {
        if self.core.flags().strategy != Strategy::OneForOne {
            self.sequence = Some(Sequence::wait_for(key));
        }
    }

    fn is_in_group(&self, key: ChildKey) -> bool {
        self.sequence.as_ref().is_some_and(|sequence| sequence.stops.is_left(key))
    }

    fn start_left_behind(&mut self) {
        self.sequence = Some(Sequence::starts(self.left_behind()));
    }

    fn rest_left_behind(&mut self) {
        self.left_behind().into_iter().for_each(|key| self.rest(key));
    }

    fn blocked_until(&self) -> Option<Duration> {
        match self.sequence {
            None if self.core.inbox.is_empty() => None,
            None => self.core.blocked_until(),
            Some(_) => self.cut_short_at(),
        }
    }

    fn prompt_window_is_over(&mut self) {
        if self.cut_short_at().is_some_and(|at| at <= self.core.meter.now()) {
            self.cut_short();
        }
    }
}

impl StaticMachine {
    /// A supervisor about to boot: the first [`poll_action`](Machine::poll_action) starts its first child.
    ///
    /// # Errors
    ///
    /// The first fault of the specs, alone or together, or with these flags. Nothing has been started then ([OTP rule
    /// 5](crate::rules)).
    pub fn new(flags: impl Into<Flags>, specs: impl IntoIterator<Item = ChildSpec>) -> Result<Self, SpecError> {
        let flags = flags.into();
        let specs: Vec<_> = specs.into_iter().collect();
        // The full check names the first fault. It is left out if there is none: names are entered only once.
        if !flags.is_sound(&specs) {
            flags.check(&specs)?;
        }
        let named = specs.len();
        let mut core = Core::new(flags);
        core.children = Children::of(specs);
        let specs = || core.children.iter().map(|(_, child)| &child.spec);
        if core.children.names() < named {
            flags.check(specs())?;
        }
        flags.check_restarts(specs())?;
        let boot = Sequence::boot(&core.children);
        Ok(Self { core, sequence: Some(boot), boot: Some(Vec::new()) })
    }

    fn is_going_through_boot(&self) -> bool {
        self.sequence.as_ref().is_some_and(|sequence| sequence.goal == Goal::Boot)
    }

    /// Notes that every child has been started once. Those that are to be tried again have yet to come up.
    pub(crate) fn boot_has_gone_through(&mut self) {
        let keys: Vec<_> = self.core.children.keys().collect();
        self.boot = Some(keys.into_iter().filter(|&key| self.is_to_come_up(key)).collect());
    }

    fn complete_boot(&mut self) -> Step {
        let Some(mut retried) = self.boot.take() else { return Step::Idle };
        if self.core.is_ending() {
            return Step::Idle;
        }
        retried.retain(|&key| self.is_to_come_up(key));
        if retried.is_empty() {
            self.core.outbox.act(Action::Up);
            return Step::Taken;
        }
        self.boot = Some(retried);
        Step::Idle
    }

    /// Whether the first start of the child failed, and is or will be tried again.
    fn is_to_come_up(&self, key: ChildKey) -> bool {
        let Some(child) = self.core.children.get(key).filter(|child| !child.has_lived()) else { return false };
        match &child.state {
            State::Held(held) => matches!(held.hold, Hold::Queued | Hold::Backoff { .. }),
            State::Live(live) => matches!(live.stage, Stage::Starting),
            State::Down => false,
        }
    }

    /// Refuses calls to members of a group that have no process, so that no other member waits for them.
    fn withdraw_dead(&mut self, members: &[ChildKey]) {
        if members.len() > 1 {
            members.iter().for_each(|&key| self.core.withdraw(key));
        }
    }

    fn is_stopping(&self, key: ChildKey) -> bool {
        self.standing(key) == Some(ChildState::Stopping)
    }

    /// Returns the children that were stopped for a group, and that no held child will start.
    fn left_behind(&self) -> Vec<ChildKey> {
        let (strategy, children) = (self.core.flags().strategy, &self.core.children);
        let calls = |child: &Child| match &child.state {
            State::Held(held) => held.scope.under(strategy),
            State::Live(_) | State::Down => Strategy::OneForOne,
        };
        let mut is_called = children.iter().any(|(_, child)| calls(child) == Strategy::OneForAll);
        let mut left = Vec::new();
        for (key, child) in children.iter() {
            is_called |= calls(child) == Strategy::RestForOne;
            if !is_called && child.is_stopped() {
                left.push(key);
            }
        }
        left
    }
}
