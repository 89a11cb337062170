//! The static supervisor: facts and orders in, actions out, and the decision about an exit.
//!
//! Invariants, beside those of [`Machine`]:
//! 1. Events that come during ordered work (a [procession](crate::procession)) wait in the inbox until it is done; under
//!    one_for_one they wait for a start only as long as it may still prove prompt.
//! 2. The budget is charged before anything is stopped or started (OTP rule 20), one unit for each unexpected exit that
//!    calls for a restart and for each retry of a failed one (OTP rules 22, 23).

use std::time::Duration;

use crate::action::{Action, Report};
use crate::children::{Attempt, Child, ChildKey, Held, Hold, Scope, Standing, StartCall, State};
use crate::exit::Exit;
use crate::intensity::Budget;
use crate::judge::{Charge, Verdict};
use crate::machine::{Decide, Machine};
use crate::nursery::{Event, Nursery, PATIENCE, Stop};
use crate::order::{Answer, Order};
use crate::procession::{Goal, Procession};
use crate::spec::{AutoShutdown, ChildSpec, Flags, Restart, SpecError, Strategy};
use crate::track::Ended;

/// A supervisor whose children are listed when it is made: OTP's `supervisor`, less the process.
///
/// It is driven as a [`Machine`].
#[derive(Debug, Clone)]
pub struct Supervisor {
    pub(crate) flags: Flags,
    pub(crate) nursery: Nursery,
    pub(crate) procession: Option<Procession>,
}

impl Machine for Supervisor {
    fn is_ending(&self) -> bool {
        self.procession.as_ref().is_some_and(|procession| matches!(procession.goal, Goal::End { .. } | Goal::Ended))
    }

    fn kill(&mut self, now: Duration) {
        self.nursery.tick(now);
        if !self.is_ended() {
            self.end(Exit::Killed, true);
        }
    }

    fn abandon(&mut self, now: Duration) {
        self.kill(now);
        let keys: Vec<_> = self.nursery.children.keys().rev().collect();
        for key in keys {
            if self.stop_child(key, true)
                && let Some(attempt) = self.nursery.abandon(key)
            {
                self.handle_exit(attempt, Exit::Killed, now);
            }
        }
    }

    fn poll_action(&mut self) -> Option<Action> {
        loop {
            if let Some(action) = self.nursery.actions.pop_front() {
                return Some(action);
            }
            // Invariant 1.
            if self.procession.is_some() {
                if !self.advance() {
                    return None;
                }
            } else if self.nursery.is_patient() {
                return None;
            } else {
                let event = self.nursery.inbox.pop_front()?;
                self.take(event);
            }
        }
    }
}

impl Decide for Supervisor {
    fn nursery(&self) -> &Nursery {
        &self.nursery
    }

    fn nursery_mut(&mut self) -> &mut Nursery {
        &mut self.nursery
    }

    fn stopped(&mut self, key: ChildKey, exit: &Exit) {
        let is_expected = self.nursery.is_expected(key, exit);
        let Some(live) = self.nursery.vacate(key) else { return };
        // A killed supervisor tells nothing.
        if !is_expected && !self.is_killing() {
            self.nursery.reports.push_back(Report::ShutdownError { child: key, exit: exit.clone() });
        }
        if let Some(call) = live.start_call {
            self.start_order_failed(key, call, exit.clone());
        } else if !self.is_ending() {
            // A supervisor that ends keeps its specs: should it be started again, all are.
            let is_temporary = self.spec(key).is_some_and(|spec| spec.restart == Restart::Temporary);
            // OTP rules 33, 61.
            if is_temporary || !live.stop_calls.is_empty() {
                self.rest(key);
            }
        }
        for call in live.stop_calls {
            self.nursery.answer(call, Ok(Answer::Done));
        }
    }

    fn ignored(&mut self, attempt: Attempt) {
        let call = self.nursery.ended(attempt).and_then(|live| live.start_call);
        self.rest(attempt.child());
        if let Some(StartCall { call, .. }) = call {
            self.nursery.answer(call, Ok(Answer::Ignored));
        }
    }

    fn start_failed(&mut self, attempt: Attempt, exit: Exit) {
        let key = attempt.child();
        let (call, ended) = self.nursery.failed(attempt, exit);
        if let Some(call) = call {
            self.start_order_failed(key, call, ended.exit);
            return;
        }
        // A killed supervisor tells nothing.
        if !self.is_killing() {
            self.nursery.reports.push_back(Report::StartError { child: key, exit: ended.exit.clone() });
        }
        if self.is_ending() {
            return;
        }
        let exit = ended.exit.clone();
        let (verdict, rule) = self.nursery.judge(key, ended, Charge::Later);
        match verdict {
            // OTP rule 11, unless a rule has thought of it.
            Verdict::Restart(..) | Verdict::GiveUp
                if self.is_booting() && (rule.is_none() || verdict == Verdict::GiveUp) =>
            {
                self.fail_boot(key, exit);
            }
            Verdict::Restart(held, delay) => self.try_again(key, held, delay),
            Verdict::Rest | Verdict::Park | Verdict::GiveUp => self.follow(key, verdict),
        }
    }

    fn patient_until(&self) -> Option<Duration> {
        match self.procession {
            None if self.nursery.inbox.is_empty() => None,
            None => self.nursery.patient_until(),
            Some(_) => self.cut_short_at(),
        }
    }

    fn patience_is_over(&mut self) {
        if self.cut_short_at().is_some_and(|at| at <= self.nursery.now) {
            self.cut_short();
        }
    }
}

impl Supervisor {
    /// A supervisor about to boot: the first [`poll_action`](Machine::poll_action) starts its first child.
    ///
    /// # Errors
    ///
    /// When the specs make no sense together, or with these flags. Nothing has been started then (OTP rule 5).
    pub fn new(flags: impl Into<Flags>, specs: impl IntoIterator<Item = ChildSpec>) -> Result<Self, SpecError> {
        let flags = flags.into();
        let specs: Vec<_> = specs.into_iter().collect();
        flags.check(&specs)?;
        let mut nursery = Nursery::new(Budget::new(flags.intensity));
        for spec in specs {
            nursery.children.push(spec);
        }
        let boot = Procession::boot(&nursery.children);
        Ok(Self { flags, nursery, procession: Some(boot) })
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Exit(attempt) => {
                if let Some(ended) = self.nursery.take_exit(attempt) {
                    self.decide(attempt.child(), ended);
                }
            }
            Event::Retry(key) => match self.nursery.take_turn(key) {
                Some(Ok(held)) => self.restart(key, Duration::ZERO, held),
                Some(Err(verdict)) => {
                    self.follow(key, verdict);
                    // Its group was to be started with it, and is started without it.
                    if verdict == Verdict::Park {
                        self.procession = Some(Procession::starts(self.left_behind()));
                    }
                }
                None => {}
            },
            Event::Stop { exit, .. } => self.end(exit, false),
            Event::Order { call, order, .. } => self.carry_out(call, order),
        }
    }

    /// The decision about an unexpected exit.
    fn decide(&mut self, key: ChildKey, ended: Ended) {
        let Some(child) = self.nursery.children.get(key) else { return };
        let significant = child.spec.significant;
        self.nursery.report_exit(key, &ended.exit);
        let (verdict, _) = self.nursery.judge(key, ended, Charge::Now);
        self.follow(key, verdict);
        if verdict == Verdict::Rest && significant && self.is_last_significant() {
            self.end(Exit::Shutdown, false);
        }
    }

    fn follow(&mut self, key: ChildKey, verdict: Verdict) {
        match verdict {
            Verdict::Rest => self.rest(key),
            Verdict::Restart(held, delay) => self.restart(key, delay, held),
            Verdict::Park => self.nursery.park(key),
            Verdict::GiveUp => {
                self.nursery.reports.push_back(Report::GaveUp { child: key });
                self.end(Exit::Shutdown, false);
            }
        }
    }

    /// Whether the end of a significant child just now ends the supervisor (OTP rules 74 to 76).
    fn is_last_significant(&self) -> bool {
        match self.flags.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => !self
                .nursery
                .children
                .iter()
                .any(|(_, child)| child.spec.significant && child.standing() != Standing::Down),
        }
    }

    /// Starts again whom the strategy says, after a delay. A group is stopped at once, and started together when nobody in
    /// it has a delay to serve any more: an elder that dies meanwhile takes it over, and it is one restart.
    fn restart(&mut self, key: ChildKey, delay: Duration, held: Held) {
        let children = &self.nursery.children;
        let first = match (held.scope, self.flags.strategy) {
            (Scope::Alone, _) | (Scope::Strategy, Strategy::OneForOne) => {
                self.nursery.start_after(key, delay, held);
                return self.wait_in_order(key);
            }
            (Scope::All, _) | (Scope::Strategy, Strategy::OneForAll) => None,
            (Scope::Strategy, Strategy::RestForOne) => Some(key),
        };
        let until = Procession::held_until(children, first).unwrap_or_default().max(self.nursery.now + delay);
        let group = if until <= self.nursery.now {
            Procession::group(children, first)
        } else {
            Procession::pause(children, first, key)
        };
        // Who is held now is started with the group.
        for &key in &group.stops {
            if self.nursery.children.is_held(key) {
                self.nursery.vacate(key);
            }
        }
        self.procession = Some(group);
        if until > self.nursery.now {
            self.nursery.hold(key, Held { hold: Hold::Backoff { until }, ..held });
        }
    }

    /// Under the ordered strategies what one child does is ordered work of its own.
    pub(crate) fn wait_in_order(&mut self, key: ChildKey) {
        if self.flags.strategy != Strategy::OneForOne {
            self.procession = Some(Procession::wait_for(key));
        }
    }

    /// A failed automatic restart is retried (OTP rules 30, 31, 36, 40).
    fn try_again(&mut self, key: ChildKey, held: Held, delay: Duration) {
        self.nursery.try_again(key, held, delay);
        // A start that one_for_one left behind when the flags were replaced is no part of the group, and one that is tried
        // again alone does not hold it up.
        let is_group = held.scope.has_group(self.flags.strategy);
        if is_group
            && !self.is_booting()
            && self.procession.as_ref().is_some_and(|procession| procession.awaiting == Some(key))
        {
            self.procession = None;
        }
    }

    /// Not to be restarted: a temporary child's spec is forgotten, the others keep theirs (OTP rules 10, 17).
    pub(crate) fn rest(&mut self, key: ChildKey) {
        match self.nursery.children.get(key).map(|child| child.spec.restart) {
            Some(Restart::Temporary) => self.nursery.forget(key),
            Some(Restart::Permanent | Restart::Transient) => {
                if let Some(child) = self.nursery.children.get_mut(key) {
                    child.is_at_rest = true;
                }
                self.nursery.actions.push_back(Action::Rest(key));
            }
            None => {}
        }
    }

    /// The members of a group that were stopped for it, and whom no child that is still held will start.
    fn left_behind(&self) -> Vec<ChildKey> {
        let (strategy, children) = (self.flags.strategy, &self.nursery.children);
        let calls = |child: &Child| matches!(&child.state, State::Held(held) if held.scope.has_group(strategy));
        let calls_all = |child: &Child| matches!(&child.state, State::Held(held) if held.scope == Scope::All);
        let mut is_called =
            children.iter().any(|(_, child)| calls_all(child) || (calls(child) && strategy == Strategy::OneForAll));
        let mut left = Vec::new();
        for (key, child) in children.iter() {
            is_called |= calls(child);
            if !is_called && child.is_stopped() {
                left.push(key);
            }
        }
        left
    }

    /// The start of a group was called off: those who were stopped for it rest.
    pub(crate) fn rest_group(&mut self) {
        self.left_behind().into_iter().for_each(|key| self.rest(key));
    }

    /// Tells a child to stop; `true` when it has to be waited for.
    pub(crate) fn stop_child(&mut self, key: ChildKey, by_force: bool) -> bool {
        match self.nursery.stop(key, by_force) {
            Stop::Idle(call) => {
                if let Some(call) = call {
                    self.start_order_failed(key, call, Exit::Shutdown);
                }
                false
            }
            Stop::Dead(exit) => {
                self.stopped(key, &exit);
                false
            }
            Stop::Told => true,
        }
    }

    /// Begins to end. What waits in the inbox is void: nobody is restarted any more (OTP rule 56).
    pub(crate) fn end(&mut self, exit: Exit, by_force: bool) {
        self.nursery.empty_inbox();
        self.procession = Some(Procession::end(&self.nursery.children, exit, by_force));
    }

    /// When a start that an order waits for is cut short.
    fn cut_short_at(&self) -> Option<Duration> {
        let awaited = self.procession.as_ref()?.awaiting?;
        let begun = self.nursery.starting_since(awaited)?;
        let child = self.nursery.children.get(awaited)?;
        let impatient = self.nursery.inbox.iter().filter_map(|event| match event {
            Event::Stop { given, .. } | Event::Order { order: Order::Read, given, .. } => Some(*given),
            Event::Order { order: Order::TerminateChild(id), given, .. } if *id == child.spec.id => Some(*given),
            Event::Order { .. } | Event::Exit(_) | Event::Retry(_) => None,
        });
        impatient.min().map(|given| given.max(begun).saturating_add(PATIENCE))
    }

    /// A start hangs: reads are answered, an order to stop is obeyed, a child that is to be terminated is told.
    fn cut_short(&mut self) {
        let Some(awaited) = self.procession.as_ref().and_then(|procession| procession.awaiting) else { return };
        let mut stop = None;
        for event in std::mem::take(&mut self.nursery.inbox) {
            match event {
                Event::Stop { exit, .. } if stop.is_none() => stop = Some(exit),
                Event::Order { call, order: Order::Read, .. } if stop.is_none() => {
                    self.nursery.answer(call, Ok(Answer::Done));
                }
                Event::Stop { .. } | Event::Order { .. } | Event::Exit(_) | Event::Retry(_) => {
                    self.nursery.inbox.push_back(event);
                }
            }
        }
        match stop {
            Some(exit) => self.end(exit, false),
            None => self.terminate_awaited(awaited),
        }
    }

    /// The orders to terminate the child that is waited for are taken out of their turn.
    fn terminate_awaited(&mut self, awaited: ChildKey) {
        let Some(child) = self.nursery.children.get_mut(awaited) else { return };
        let State::Live(live) = &mut child.state else { return };
        self.nursery.inbox.retain(|event| match event {
            Event::Order { call, order: Order::TerminateChild(id), .. } if *id == child.spec.id => {
                live.stop_calls.push(*call);
                false
            }
            Event::Stop { .. } | Event::Order { .. } | Event::Exit(_) | Event::Retry(_) => true,
        });
        if !live.stop_calls.is_empty() {
            self.stop_child(awaited, false);
        }
    }

    fn is_booting(&self) -> bool {
        self.procession.as_ref().is_some_and(|procession| matches!(procession.goal, Goal::Boot))
    }

    fn is_ended(&self) -> bool {
        self.procession.as_ref().is_some_and(|procession| matches!(procession.goal, Goal::Ended))
    }
}
