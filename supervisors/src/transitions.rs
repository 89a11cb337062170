//! What becomes of a child, as both kinds of supervisor decide it; and the few questions they answer each in its own way.

use std::time::Duration;

use crate::action::Report;
use crate::child::{Held, StartCall};
use crate::children::{Attempt, ChildKey};
use crate::core::Core;
use crate::dependency::Completion;
use crate::exit::Exit;
use crate::inbox::Event;
use crate::management::{Done, Manage};
use crate::order::{Answer, Order, OrderError, OrderId};
use crate::restart::Decision;
use crate::shutdown::Stop;
use crate::spec::ChildSpec;

/// What a kind of supervisor decides in its own way.
pub(crate) trait Kind {
    fn core(&self) -> &Core;
    fn core_mut(&mut self) -> &mut Core;
    /// A step of the ordered work that goes before all events, if there is any.
    fn work(&mut self) -> Step;
    /// The supervisor begins to end.
    fn end(&mut self, exit: Exit, by_force: bool);
    /// The child is not to be restarted.
    fn rest(&mut self, key: ChildKey);
    /// The child was stopped, or will not be started after all; by order, or on the way to something else.
    fn gone(&mut self, key: ChildKey, was_ordered: bool);
    /// The child is started again after a delay, with whomever its scope names.
    fn restart(&mut self, key: ChildKey, delay: Duration, held: Held);
    /// The start of a child failed, and is to be tried again.
    fn try_again(&mut self, key: ChildKey, delay: Duration, held: Held);
    /// Whether there is room for this child.
    fn admit(&self, spec: &ChildSpec) -> Result<(), OrderError>;
    /// Carries out an order that only this kind of supervisor takes.
    fn carry_out_own(&mut self, call: OrderId, order: Order) -> Result<Done, OrderError>;
    /// This child has yet to come up for the boot to be complete: a start that fails is fatal.
    fn is_booting(&self, _: ChildKey) -> bool {
        false
    }
    /// The boot is not complete: a supervisor that gives up has failed to boot, whichever child it gives up on.
    fn is_not_up_yet(&self) -> bool {
        false
    }
    /// What this child does holds up the others, where their order matters.
    fn wait_in_order(&mut self, _: ChildKey) {}
    /// A child whose group was to be started with it is parked: they are started without it.
    fn start_left_behind(&mut self) {}
    /// A child whose group was to be started with it was terminated: they rest.
    fn rest_left_behind(&mut self) {}
    /// When events stop waiting for a start or a stop.
    fn blocked_until(&self) -> Option<Duration> {
        if self.core().inbox.is_empty() { None } else { self.core().blocked_until() }
    }
    /// That moment may have come.
    fn prompt_window_is_over(&mut self) {}
}

/// What came of a step of ordered work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing is under way: events may be taken.
    Idle,
    /// It waits for somebody, and so do events.
    Waits,
    /// It went on.
    Taken,
}

/// What every supervisor decides alike.
pub(crate) trait Transitions: Kind {
    /// It is so late now.
    fn at(&mut self, now: Duration) -> &mut Core {
        let core = self.core_mut();
        core.meter.advance(now);
        core
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Exit(attempt) => {
                let key = attempt.child();
                let Some(ended) = self.core_mut().take_exit(attempt) else { return };
                let is_significant = self.core().children.get(key).is_some_and(|child| child.spec.terms.significant);
                self.core_mut().report_exit(key, &ended.exit);
                let exit = ended.exit.clone();
                let decision = self.core_mut().decide(key, ended);
                let is_last = decision == Decision::Rest && is_significant && self.core().is_last_significant();
                // Those that depend on it are stopped: nothing else becomes of them.
                self.core_mut().expect_end(is_last);
                self.follow(key, decision);
                self.core_mut().expect_end(false);
                if decision == Decision::Rest && is_significant {
                    self.core_mut().outbox.report(Report::SignificantEnded { child: key, exit, is_last });
                    if is_last {
                        self.end(Exit::Shutdown, false);
                    }
                }
            }
            Event::Retry(key) => {
                let Some(decision) = self.core_mut().take_turn(key) else { return };
                self.follow(key, decision);
                if decision == Decision::Park {
                    self.start_left_behind();
                }
            }
            Event::Stop { exit, .. } => self.end(exit, false),
            Event::Order { call, order, .. } => self.carry_out(call, order),
        }
    }

    fn follow(&mut self, key: ChildKey, decision: Decision) {
        match decision {
            Decision::Rest => self.rest(key),
            Decision::Restart(held, delay) => self.restart(key, delay, held),
            Decision::Park => self.core_mut().park(key),
            // An end as `shutdown` would look like one that was ordered.
            Decision::GiveUp(_) if self.is_not_up_yet() => {
                let cause = self.core().latest_end(key).cloned().unwrap_or(Exit::Shutdown);
                self.fail_boot(key, cause);
            }
            Decision::GiveUp(reason) => {
                let exit = self.core().latest_end(key).cloned().unwrap_or(Exit::Shutdown);
                self.core_mut().outbox.report(Report::GaveUp { child: key, exit, reason });
                self.end(Exit::Shutdown, false);
            }
        }
    }

    /// A start was answered with *ignore* (OTP rules 10, 30, 81).
    fn ignored(&mut self, attempt: Attempt) {
        let key = attempt.child();
        self.core_mut().vacate(key);
        let start = self.core_mut().take_start_call(key);
        self.core_mut().complete(key, Completion { was_ready: false });
        self.rest(key);
        if let Some(StartCall { call, .. }) = start {
            self.core_mut().outbox.answer(call, Ok(Answer::Ignored));
        }
    }

    /// A start came to nothing: an ordered one is not tried again, an automatic one is (OTP rules 30, 81, 85).
    fn start_failed(&mut self, attempt: Attempt, exit: Exit) {
        let key = attempt.child();
        let now = self.core().meter.now();
        let Some(live) = self.core_mut().vacate(key) else { return };
        if let Some(start) = self.core_mut().take_start_call(key) {
            return self.start_order_failed(key, start, exit);
        }
        // A killed supervisor tells nothing.
        if !self.core().is_killing() {
            self.core_mut().outbox.report(Report::StartError { child: key, exit: exit.clone() });
        }
        if self.core().is_ending() {
            return;
        }
        let decision = self.core_mut().decide(key, live.ended(exit.clone(), now));
        match decision {
            // OTP rule 11, unless a rule has thought of it.
            Decision::Restart(..) if self.is_booting(key) && !self.core().is_by_rule(key) => self.fail_boot(key, exit),
            Decision::Restart(held, delay) => self.try_again(key, delay, held),
            Decision::Rest | Decision::Park | Decision::GiveUp(_) => self.follow(key, decision),
        }
    }

    /// A failure at boot ends the supervisor: elder children are stopped, no budget is used (OTP rule 11).
    fn fail_boot(&mut self, key: ChildKey, cause: Exit) {
        let Some(child) = self.core().children.get(key) else { return };
        let exit = Exit::ChildFailedToStart { child: child.spec.id.clone(), cause: cause.into() };
        self.end(exit, false);
    }

    /// Tells a child to stop; `true` when it has to be waited for.
    fn stop_child(&mut self, key: ChildKey, by_force: bool) -> bool {
        match self.core_mut().stop(key, by_force) {
            Stop::Idle => self.has_gone(key, &Exit::Shutdown, false),
            Stop::Dead(exit) => self.stopped(key, &exit),
            Stop::Told => return true,
        }
        false
    }

    /// A child that was told to stop is gone.
    fn stopped(&mut self, key: ChildKey, exit: &Exit) {
        let is_quiet = self.core().is_killing() || self.core().is_expected(key, exit);
        if self.core_mut().vacate(key).is_none() {
            return;
        }
        if !is_quiet {
            self.core_mut().outbox.report(Report::ShutdownError { child: key, exit: exit.clone() });
        }
        let child = self.core_mut().children.get_mut(key);
        let stop_calls = child.and_then(|child| child.stop_calls.take());
        self.has_gone(key, exit, stop_calls.is_some());
        for call in stop_calls.into_iter().flat_map(|calls| *calls) {
            self.core_mut().outbox.answer(call, Ok(Answer::Done));
        }
    }

    /// It has no process any more; who waited for its start is told.
    fn has_gone(&mut self, key: ChildKey, exit: &Exit, was_ordered: bool) {
        match self.core_mut().take_start_call(key) {
            Some(start) => self.start_order_failed(key, start, exit.clone()),
            None => self.gone(key, was_ordered),
        }
    }

    /// An ordered start came to nothing: a new child's spec is not kept, an old one's is. It is not retried, and costs
    /// no unit (OTP rules 25, 60, 62).
    fn start_order_failed(&mut self, key: ChildKey, StartCall { call, is_new }: StartCall, exit: Exit) {
        let is_over = self.core().is_ending();
        if is_new {
            self.core_mut().forget(key);
        } else if !is_over {
            self.rest(key);
        }
        self.core_mut().outbox.answer(call, Err(if is_over { OrderError::Over } else { OrderError::Failed(exit) }));
    }
}

impl<T: Kind + ?Sized> Transitions for T {}
