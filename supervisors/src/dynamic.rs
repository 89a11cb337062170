//! The dynamic supervisor: children come and go at run time, nobody depends on anybody, and a child that is done leaves
//! nothing behind. OTP's `simple_one_for_one`, and Elixir's `DynamicSupervisor`.
//!
//! Invariants:
//! 1. A child is in the table exactly while it lives, is being started, or is to be tried again (OTP rule 82).
//! 2. The end tells all children at once; each has its own limit from that moment (OTP rule 88).
//! 3. Events are taken in the order in which they were handed in, and wait for a start only as long as it may still prove
//!    prompt.

use std::time::Duration;

use crate::action::{Action, Report};
use crate::children::{Attempt, ChildKey, Held, Scope, StartCall, State};
use crate::exit::Exit;
use crate::intensity::{Budget, Intensity};
use crate::judge::{Charge, Verdict};
use crate::machine::{Decide, Machine};
use crate::nursery::{Event, Nursery, Stop};
use crate::order::{Answer, Call, Order, OrderError};
use crate::spec::{ChildSpec, Flags, SpecError, Strategy};

#[derive(Debug, Clone)]
enum Phase {
    Running,
    Ending { exit: Exit, by_force: bool },
    Ended,
}

/// A supervisor whose children are added at run time. It is driven as a [`Machine`].
#[derive(Debug, Clone)]
pub struct DynamicSupervisor {
    nursery: Nursery,
    children_max: Option<usize>,
    phase: Phase,
}

impl Machine for DynamicSupervisor {
    fn is_ending(&self) -> bool {
        !matches!(self.phase, Phase::Running)
    }

    fn kill(&mut self, now: Duration) {
        self.nursery.tick(now);
        self.end(Exit::Killed, true);
    }

    fn poll_action(&mut self) -> Option<Action> {
        loop {
            if let Some(action) = self.nursery.actions.pop_front() {
                return Some(action);
            }
            match &self.phase {
                Phase::Ended => return None,
                Phase::Ending { exit, .. } if self.nursery.children.len() == 0 => {
                    let exit = exit.clone();
                    self.phase = Phase::Ended;
                    return Some(Action::End(exit));
                }
                Phase::Ending { .. } => return None,
                // Invariant 3.
                Phase::Running if self.nursery.is_patient() => return None,
                Phase::Running => {
                    let event = self.nursery.inbox.pop_front()?;
                    self.take(event);
                }
            }
        }
    }
}

impl Decide for DynamicSupervisor {
    fn nursery(&self) -> &Nursery {
        &self.nursery
    }

    fn nursery_mut(&mut self) -> &mut Nursery {
        &mut self.nursery
    }

    /// It is forgotten (invariant 1).
    fn stopped(&mut self, key: ChildKey, exit: &Exit) {
        let is_expected = self.nursery.is_expected(key, exit);
        let Some(live) = self.nursery.vacate(key) else { return };
        if !is_expected && !matches!(self.phase, Phase::Ending { by_force: true, .. }) {
            self.nursery.reports.push_back(Report::ShutdownError { child: key, exit: exit.clone() });
        }
        self.nursery.forget(key);
        self.start_order_failed(live.start_call, exit.clone());
        for call in live.stop_calls {
            self.nursery.answer(call, Ok(Answer::Done));
        }
    }

    /// It is forgotten (OTP rules 81, 90).
    fn ignored(&mut self, attempt: Attempt) {
        let call = self.nursery.ended(attempt).and_then(|live| live.start_call);
        self.nursery.forget(attempt.child());
        if let Some(StartCall { call, .. }) = call {
            self.nursery.answer(call, Ok(Answer::Ignored));
        }
    }

    /// An ordered start is not retried; an automatic one is (OTP rules 81, 85).
    fn start_failed(&mut self, attempt: Attempt, exit: Exit) {
        let key = attempt.child();
        let (call, ended) = self.nursery.failed(attempt, exit);
        if call.is_some() {
            self.nursery.forget(key);
            self.start_order_failed(call, ended.exit);
            return;
        }
        self.nursery.reports.push_back(Report::StartError { child: key, exit: ended.exit.clone() });
        match self.nursery.judge(key, ended, Charge::Later).0 {
            Verdict::Restart(held, delay) => self.nursery.try_again(key, Held { scope: Scope::Alone, ..held }, delay),
            verdict @ (Verdict::Rest | Verdict::Park | Verdict::GiveUp) => self.follow(key, verdict),
        }
    }

    fn patient_until(&self) -> Option<Duration> {
        if self.nursery.inbox.is_empty() { None } else { self.nursery.patient_until() }
    }

    fn patience_is_over(&mut self) {}
}

impl DynamicSupervisor {
    /// A supervisor without children. It is up at once: the first action says so.
    ///
    /// `children_max` counts children that are being started or are to be tried again.
    ///
    /// # Errors
    ///
    /// When the budget's period is zero, or `children_max` is.
    pub fn new(intensity: Intensity, children_max: Option<usize>) -> Result<Self, SpecError> {
        Self::check(intensity, children_max)?;
        let mut nursery = Nursery::new(Budget::new(intensity));
        nursery.actions.push_back(Action::Up);
        Ok(Self { nursery, children_max, phase: Phase::Running })
    }

    /// Checks the limits.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn check(intensity: Intensity, children_max: Option<usize>) -> Result<(), SpecError> {
        Flags { intensity, ..Flags::default() }.check([])?;
        if children_max == Some(0) { Err(SpecError::ZeroChildren) } else { Ok(()) }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Exit(attempt) => {
                if let Some(ended) = self.nursery.take_exit(attempt) {
                    self.nursery.report_exit(attempt.child(), &ended.exit);
                    let (verdict, _) = self.nursery.judge(attempt.child(), ended, Charge::Now);
                    self.follow(attempt.child(), verdict);
                }
            }
            Event::Retry(key) => match self.nursery.take_turn(key) {
                Some(Ok(held)) => self.nursery.start(key, held.start_call),
                Some(Err(verdict)) => self.follow(key, verdict),
                None => {}
            },
            Event::Stop { exit, .. } => self.end(exit, false),
            Event::Order { call, order, .. } => {
                let refused = match order {
                    Order::StartChild(spec) => self.start_order(call, spec),
                    Order::TerminateChild(id) => self.terminate_order(call, &id),
                    Order::Read => {
                        self.nursery.answer(call, Ok(Answer::Done));
                        Ok(())
                    }
                    Order::Limit { intensity, children_max } => self.limit_order(call, intensity, children_max),
                    Order::Adjust(adjustment) => {
                        self.nursery.adjust_order(call, *adjustment, |spec| Flags::default().check_significance(spec))
                    }
                    Order::Revive(id) => self.nursery.revive_order(call, &id, Strategy::OneForOne).map(|_| ()),
                    // OTP rule 84.
                    Order::RestartChild(_) | Order::DeleteChild(_) | Order::Reconfigure(..) => {
                        Err(OrderError::WrongKind)
                    }
                };
                if let Err(error) = refused {
                    self.nursery.answer(call, Err(error));
                }
            }
        }
    }

    /// Nobody here has a group: who is restarted is restarted alone.
    fn follow(&mut self, key: ChildKey, verdict: Verdict) {
        match verdict {
            Verdict::Rest => self.nursery.forget(key),
            Verdict::Restart(held, delay) => {
                self.nursery.start_after(key, delay, Held { scope: Scope::Alone, ..held });
            }
            Verdict::Park => self.nursery.park(key),
            Verdict::GiveUp => {
                self.nursery.reports.push_back(Report::GaveUp { child: key });
                self.end(Exit::Shutdown, false);
            }
        }
    }

    fn start_order(&mut self, call: Call, spec: ChildSpec) -> Result<(), OrderError> {
        if self.children_max.is_some_and(|max| self.nursery.children.len() >= max) {
            return Err(OrderError::MaxChildren);
        }
        if let Some(key) = self.find(&spec.id) {
            return Err(OrderError::AlreadyStarted(key));
        }
        if spec.significant {
            return Err(OrderError::Refused(SpecError::NeverSignificant(spec.id)));
        }
        spec.check().map_err(OrderError::Refused)?;
        let key = self.nursery.children.push(spec);
        self.nursery.actions.push_back(Action::Adopt { call, child: key });
        self.nursery.start_for(key, StartCall { call, is_new: true });
        Ok(())
    }

    fn start_order_failed(&mut self, start: Option<StartCall>, exit: Exit) {
        let Some(StartCall { call, .. }) = start else { return };
        let error = match self.phase {
            Phase::Running => OrderError::Failed(exit),
            Phase::Ending { .. } | Phase::Ended => OrderError::Over,
        };
        self.nursery.answer(call, Err(error));
    }

    /// OTP rule 83.
    fn terminate_order(&mut self, call: Call, id: &str) -> Result<(), OrderError> {
        let key = self.find(id).ok_or(OrderError::NotFound)?;
        match self.nursery.stop(key, false) {
            Stop::Told => {
                if let Some(State::Live(live)) = self.nursery.children.get_mut(key).map(|child| &mut child.state) {
                    live.stop_calls.push(call);
                    let attempt = live.attempt;
                    self.nursery.wait_for(attempt);
                }
            }
            Stop::Dead(exit) => {
                self.stopped(key, &exit);
                self.nursery.answer(call, Ok(Answer::Done));
            }
            // To be started: that is cancelled.
            Stop::Idle(start) => {
                self.nursery.forget(key);
                self.start_order_failed(start, Exit::Shutdown);
                self.nursery.answer(call, Ok(Answer::Done));
            }
        }
        Ok(())
    }

    /// OTP rules 95, 98.
    fn limit_order(&mut self, call: Call, intensity: Intensity, children_max: Option<usize>) -> Result<(), OrderError> {
        Self::check(intensity, children_max).map_err(OrderError::Refused)?;
        self.nursery.budget.set(intensity);
        self.children_max = children_max;
        self.nursery.answer(call, Ok(Answer::Done));
        Ok(())
    }

    /// Invariant 2.
    fn end(&mut self, exit: Exit, by_force: bool) {
        match &mut self.phase {
            Phase::Ended => return,
            Phase::Ending { by_force: true, .. } => return,
            Phase::Ending { .. } if !by_force => return,
            phase @ (Phase::Running | Phase::Ending { .. }) => *phase = Phase::Ending { exit, by_force },
        }
        self.nursery.empty_inbox();
        let keys: Vec<_> = self.nursery.children.keys().collect();
        for key in keys {
            match self.nursery.stop(key, by_force) {
                Stop::Told => {}
                Stop::Dead(exit) => self.stopped(key, &exit),
                Stop::Idle(start) => {
                    self.nursery.forget(key);
                    self.start_order_failed(start, Exit::Shutdown);
                }
            }
        }
    }
}
