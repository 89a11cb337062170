//! The course of a child, which both kinds of supervisor decide alike, and the few questions that each answers in its
//! own way.

use std::sync::Arc;
use std::time::Duration;

use crate::action::Report;
use crate::child::{Errand, Held, StartCall};
use crate::children::{Attempt, ChildKey};
use crate::core::Core;
use crate::decision::Decision;
use crate::dependency::Completion;
use crate::exit::Exit;
use crate::give_up::GiveUpReason;
use crate::inbox::Event;
use crate::management::{Manage, OwnOrders};
use crate::order::{Answer, OrderError, OrderId};
use crate::renewal::Renew;
use crate::shutdown::Stop;
use crate::spec::ChildSpec;

/// The decisions that each kind of supervisor makes in its own way.
pub(crate) trait Kind: OwnOrders {
    fn core(&self) -> &Core;
    fn core_mut(&mut self) -> &mut Core;
    /// Takes a step of the ordered work that goes before all events, if there is any.
    fn work(&mut self) -> Step;
    /// Begins to end the supervisor.
    fn end(&mut self, exit: Exit, by_force: bool);
    /// Lets a child rest that is not to be restarted.
    fn rest(&mut self, key: ChildKey);
    /// Decides about a child that was stopped, or will not be started after all: by order, or in the course of another
    /// operation.
    fn gone(&mut self, key: ChildKey, was_ordered: bool);
    /// Starts the child again after a delay, with the group that its scope names.
    fn restart(&mut self, key: ChildKey, delay: Duration, held: Held);
    /// Retries the start of a child that failed.
    fn try_again(&mut self, key: ChildKey, delay: Duration, held: Held);
    /// Refuses a child for which there is no room, or with a name that is taken.
    fn admit(&self, spec: &ChildSpec) -> Result<(), OrderError>;
    /// Whether the boot still waits for this child to come up, so that a failed start is fatal.
    fn is_booting(&self, _: ChildKey) -> bool {
        false
    }
    /// Whether the boot is not complete. If such a supervisor gives up, over whichever child, it has failed to boot.
    fn is_not_up_yet(&self) -> bool {
        false
    }
    /// Makes other events wait for what this child does, if the strategy orders them.
    fn wait_in_order(&mut self, _: ChildKey) {}
    /// Whether an operation that stops a group is about to deal with this child.
    fn is_in_group(&self, _: ChildKey) -> bool {
        false
    }
    /// Starts the rest of a group without the child that was to be started with it, and is parked.
    fn start_left_behind(&mut self) {}
    /// Lets the rest of a group rest, because the child that was to be started with it was terminated.
    fn rest_left_behind(&mut self) {}
    /// Returns the time at which events stop waiting for a start or a stop.
    fn blocked_until(&self) -> Option<Duration> {
        if self.core().inbox.is_empty() { None } else { self.core().blocked_until() }
    }
    /// Reacts to the time, if the prompt window is over.
    fn prompt_window_is_over(&mut self) {}
}

/// The outcome of a step of ordered work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing is under way: events may be taken.
    Idle,
    /// The work waits for a child, and so do events.
    Waits,
    /// The work went on.
    Taken,
}

/// The decisions that both kinds of supervisor make alike.
pub(crate) trait Transitions: Kind {
    /// Advances the clock to `now`, never backwards.
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
                self.core_mut().report_exit(key, &ended.exit);
                let decision = self.core_mut().decide(key, ended);
                self.conclude(key, decision);
            }
            Event::Retry(key) => {
                let Some(decision) = self.core_mut().take_turn(key) else { return };
                self.conclude(key, decision);
                if decision.goes_without_it() && !self.core().is_ending() {
                    self.start_left_behind();
                }
            }
            Event::Renew { attempt, name } => self.renew_with(attempt, name),
            Event::Overrate(attempt) => self.fail_by_rate(attempt),
            Event::Stop { exit, .. } => self.end(exit, false),
            Event::Order { call, order, .. } => self.carry_out(call, order),
        }
    }

    fn follow(&mut self, key: ChildKey, decision: Decision) {
        match decision {
            Decision::Rest => self.rest(key),
            Decision::Restart(held, delay) => self.restart(key, delay, held),
            Decision::Park => self.core_mut().park(key),
            Decision::Stop(reason) => {
                self.core_mut().give_up_on(key, reason);
                self.rest(key);
            }
            Decision::GiveUp(reason) => self.give_up(key, reason, false),
            Decision::EndTree(reason) => self.give_up(key, reason, true),
        }
    }

    /// Acts on a life of which too many messages have failed. If the supervisor goes on, the child is told to stop first.
    fn fail_by_rate(&mut self, attempt: Attempt) {
        let Some(decision) = self.core_mut().take_overrate(attempt) else { return };
        if decision.goes_without_it() {
            self.stop_for(attempt, Errand::Then(decision));
        } else {
            self.follow(attempt.child(), decision);
        }
    }

    /// Tells a child that is up to stop, for what follows when it is gone.
    fn stop_for(&mut self, attempt: Attempt, errand: Errand) {
        if let Some(live) = self.core_mut().children.live_mut(attempt) {
            live.errand = Some(Box::new(errand));
        }
        if self.stop_child(attempt.child(), false) {
            self.wait_in_order(attempt.child());
        }
    }

    /// Carries out a decision about a child that has no process any more. If it is significant and rests, the supervisor
    /// may end with it.
    fn conclude(&mut self, key: ChildKey, decision: Decision) {
        let is_significant = self.core().children.get(key).is_some_and(|child| child.spec.terms.significant);
        if decision.is_rest() && is_significant {
            self.core_mut().vacate(key);
            self.significant_ends(key, decision);
        } else {
            self.follow(key, decision);
        }
    }

    /// Lets a significant child rest, and ends the supervisor if that child was the last one (OTP rules 74 to 76).
    fn significant_ends(&mut self, key: ChildKey, decision: Decision) {
        let exit = self.core().latest_end(key).cloned().unwrap_or(Exit::Shutdown);
        let is_last = self.core().is_last_significant();
        // Dependents of the child are stopped soon: nothing else is decided about them.
        self.core_mut().expect_end(is_last);
        self.follow(key, decision);
        self.core_mut().expect_end(false);
        self.core_mut().outbox.report(Report::SignificantEnded { child: key, exit: exit.clone(), is_last });
        if is_last && self.is_not_up_yet() && !matches!(decision, Decision::Rest) {
            self.fail_boot(key, exit);
        } else if is_last {
            self.end(Exit::Shutdown, false);
        }
    }

    /// Ends the supervisor because of this child (OTP rule 28).
    fn give_up(&mut self, key: ChildKey, reason: GiveUpReason, ends_tree: bool) {
        let exit = self.core().latest_end(key).cloned().unwrap_or(Exit::Shutdown);
        let is_boot = self.is_not_up_yet();
        if ends_tree || !is_boot {
            self.core_mut().outbox.report(Report::GaveUp { child: key, exit: exit.clone(), reason, ends_tree });
        }
        // At the boot an exit `shutdown` would look like an end that was ordered.
        if is_boot { self.fail_boot(key, exit) } else { self.end(Exit::Shutdown, false) }
    }

    /// Handles a start that was answered with *ignore* (OTP rules 10, 30, 81).
    fn ignored(&mut self, attempt: Attempt) {
        let key = attempt.child();
        self.core_mut().vacate(key);
        let start = self.core_mut().take_start_call(key);
        let renewals = self.core_mut().renewals.take(key);
        self.core_mut().complete(key, Completion { was_ready: false });
        self.rest(key);
        for call in start.map(|start| start.call).into_iter().chain(renewals) {
            self.core_mut().outbox.answer(call, Ok(Answer::Ignored));
        }
    }

    /// Handles a start that failed: an ordered one is not tried again, an automatic one is (OTP rules 30, 81, 85).
    fn start_failed(&mut self, attempt: Attempt, exit: Exit) {
        let key = attempt.child();
        let now = self.core().meter.now();
        let Some(live) = self.core_mut().vacate(key) else { return };
        let ends_tree = live.ends_tree && !self.core().is_ending();
        if let Some(start) = self.core_mut().take_start_call(key) {
            // An ordered start decides nothing else, but it counts against a value that the child keeps.
            self.core_mut().judge_kept(key, &live.ended(exit.clone(), now));
            self.start_order_failed(key, start, exit);
            if ends_tree {
                self.give_up(key, GiveUpReason::EndOfTree, true);
            }
            return;
        }
        self.core_mut().answer_renewals(key, &Err(OrderError::Failed(exit.clone())));
        // A killed supervisor reports nothing.
        if !self.core().is_killing() {
            self.core_mut().outbox.report(Report::StartError { child: key, exit: exit.clone() });
        }
        if self.core().is_ending() {
            return;
        }
        let decision = self.core_mut().decide(key, live.ended(exit.clone(), now));
        match decision {
            // OTP rule 11, unless the policy retries the start.
            Decision::Restart(..) if self.is_booting(key) && !self.core().is_start_retried(key) => {
                self.fail_boot(key, exit);
            }
            Decision::Restart(held, delay) => self.try_again(key, delay, held),
            Decision::Rest | Decision::Park | Decision::Stop(_) | Decision::GiveUp(_) | Decision::EndTree(_) => {
                self.follow(key, decision);
            }
        }
    }

    /// Ends the supervisor after a failure at boot. Elder children are stopped, and no budget is charged (OTP rule 11).
    fn fail_boot(&mut self, key: ChildKey, cause: Exit) {
        // A temporary child may be forgotten.
        let exit = match self.core().children.get(key) {
            Some(child) => Exit::ChildFailedToStart { child: child.spec.id.clone(), cause: cause.into() },
            None => cause,
        };
        self.end(exit, false);
    }

    /// Tells a child to stop. Returns `true` if it has to be waited for.
    fn stop_child(&mut self, key: ChildKey, by_force: bool) -> bool {
        match self.core_mut().stop(key, by_force) {
            Stop::Idle => self.has_gone(key, &Exit::Shutdown, false),
            Stop::Dead(exit) => self.stopped(key, &exit),
            Stop::Told => return true,
        }
        false
    }

    /// Handles the end of a child that was told to stop.
    fn stopped(&mut self, key: ChildKey, exit: &Exit) {
        let is_quiet = self.core().is_killing() || self.core().is_expected(key, exit);
        let Some(live) = self.core_mut().vacate(key) else { return };
        if !is_quiet {
            self.core_mut().outbox.report(Report::ShutdownError { child: key, exit: exit.clone() });
        }
        let child = self.core_mut().children.get_mut(key);
        let stop_calls = child.and_then(|child| child.stop_calls.take());
        let is_ordered = stop_calls.is_some() || self.core().is_ending();
        match live.errand.map(|errand| *errand) {
            Some(Errand::Then(decision)) if !is_ordered => self.conclude(key, decision),
            Some(Errand::Renew) if !is_ordered && !self.is_in_group(key) => self.begin_again(key),
            Some(Errand::Park { call, reason }) if !is_ordered => self.set_aside(key, call, reason),
            Some(Errand::Park { call, .. }) => {
                // An order to terminate the child, or the end of the supervisor, came meanwhile.
                let error = if self.core().is_ending() { OrderError::Over } else { OrderError::Down };
                self.core_mut().outbox.answer(call, Err(error));
                self.has_gone(key, exit, stop_calls.is_some());
            }
            Some(Errand::Then(_) | Errand::Renew | Errand::RenewWhenUp(_)) | None => {
                self.has_gone(key, exit, stop_calls.is_some());
            }
        }
        for call in stop_calls.into_iter().flat_map(|calls| *calls) {
            self.core_mut().outbox.answer(call, Ok(Answer::Done));
        }
        // The end of the tree is not lost because the child was told to stop for another reason meanwhile.
        if live.ends_tree && !self.core().is_ending() {
            self.give_up(key, GiveUpReason::EndOfTree, true);
        }
    }

    /// Handles a child that has no process any more, and answers the order that waited for its start.
    fn has_gone(&mut self, key: ChildKey, exit: &Exit, was_ordered: bool) {
        match self.core_mut().take_start_call(key) {
            Some(start) => self.start_order_failed(key, start, exit.clone()),
            None => self.gone(key, was_ordered),
        }
    }

    /// Parks a child that has no process any more, by order, and answers that order.
    fn set_aside(&mut self, key: ChildKey, call: OrderId, reason: Arc<str>) {
        if let Some(StartCall { call, .. }) = self.core_mut().take_start_call(key) {
            self.core_mut().outbox.answer(call, Err(OrderError::Parked));
        }
        self.core_mut().park_by_order(key, reason);
        self.core_mut().outbox.answer(call, Ok(Answer::Done));
    }

    /// Answers an order after the start of its child failed. A new child's spec is not kept, an old one's is. The start
    /// is not retried, and costs no unit (OTP rules 25, 60, 62).
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
