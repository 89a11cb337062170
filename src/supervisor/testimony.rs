//! The statements of a driver about its facts and actions, for the experiment that judges the supervision.
//!
//! Invariant: nothing here decides anything. Without an armed experiment, one number is read and nothing else is done.

use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::{
    Action, Attempt, AutoShutdown, ChildKey, ChildSpec, DependencyGone, Exit, Flags, GiveUpReason, Intensity, KeptThen,
    Order, OrderId, Report, StopOrder,
};

use crate::slot::fact::Fact;
use crate::supervisor::description::Shape;
use crate::supervisor::driver::Driver;
use crate::supervisor::give_order::Ordered;
use crate::tree::statements::{Enrolled, Roll, Seen, Statement, Testimony, What};

/// The statements that a driver has made so far.
#[derive(Debug, Default)]
pub(crate) struct Oath {
    /// Number of the experiment that has got the list of children; zero for none.
    sworn: u64,
    /// Whether orders may have changed what that list says of the children.
    is_stale: bool,
    /// Flags that came with an order, and replace those of the plan.
    flags: Option<Flags>,
    /// Whether there were orders about the supervisor as a whole.
    is_ordered: bool,
    /// A budget that came with an order.
    intensity: Option<Intensity>,
}

/// A step of the driver.
pub(super) enum Saying<'a> {
    /// Before any fact is looked at.
    Begin,
    Fact(&'a Fact),
    Report(&'a Report),
    Deed(&'a Action),
    /// After all facts have been dealt with.
    Done,
    Over,
}

impl Driver {
    /// States a step. Without any experiment that costs one look.
    #[inline]
    pub(super) fn testify(&mut self, saying: &Saying<'_>, now: Duration) {
        if self.shared.faults().is_some() {
            self.testify_to(saying, now);
        }
    }

    #[inline(never)]
    fn testify_to(&mut self, saying: &Saying<'_>, now: Duration) {
        let armed = self.shared.faults().map_or(0, |faults| faults.armed());
        if armed == 0 {
            self.oath.sworn = 0;
            return;
        }
        match saying {
            Saying::Begin if self.oath.sworn != armed => {
                self.oath.sworn = armed;
                self.say(now, self.roll(now));
            }
            Saying::Begin => {}
            // The turn began when nothing was armed, and the experiment has no list of children yet.
            _ if self.oath.sworn != armed => {}
            Saying::Fact(fact) => self.testify_fact(fact, now),
            Saying::Report(report) => {
                if let Some((child, what)) = reported(report, now) {
                    self.say_of(child, what, now);
                }
            }
            Saying::Deed(action) => self.testify_deed(action, now),
            Saying::Done if std::mem::take(&mut self.oath.is_stale) => self.say(now, self.roll(now)),
            Saying::Done => {}
            Saying::Over => self.say(now, Seen::Over),
        }
    }

    fn testify_fact(&mut self, fact: &Fact, now: Duration) {
        let named = |exit: &Exit| self.shared.options_in_force.named(exit.clone());
        let number = |attempt: &Attempt| attempt.number();
        let (attempt, what) = match fact {
            Fact::Started { attempt, .. } => (attempt, What::Started(number(attempt))),
            Fact::Ready(attempt) => (attempt, What::Ready(number(attempt))),
            Fact::Ignored(attempt) => (attempt, What::Ignored(number(attempt))),
            Fact::StartFailed { attempt, exit } => (attempt, What::StartFailed(number(attempt), named(exit))),
            Fact::Ended { attempt, exit } => (attempt, What::Ended(number(attempt), named(exit))),
            Fact::KillUnderWay(attempt) => (attempt, What::KillUnderWay),
            // Whatever the outlook is, dependents may now be started, or go on without the service.
            Fact::Dependency { name, .. } => return self.say(now, Seen::IsReady { name: name.clone() }),
            Fact::Stop(_) => return self.say(now, Seen::ToEnd { by_force: false, at_once: false }),
            Fact::Kill => {
                let at_once = self.shared.ending.is_hurried();
                return self.say(now, Seen::ToEnd { by_force: true, at_once });
            }
            Fact::Abandon => return self.say(now, Seen::ToEnd { by_force: true, at_once: true }),
            Fact::Order(order) => {
                let Some(ordered) = Ordered::lent(&**order) else { return };
                match &ordered.order {
                    Order::Read => return,
                    Order::Reconfigure(flags, _) => {
                        (self.oath.flags, self.oath.intensity) = (Some(*flags), Some(flags.intensity));
                    }
                    Order::Limit { intensity, .. } => self.oath.intensity = Some(*intensity),
                    Order::Adjust(adjustment) => {
                        self.oath.intensity = adjustment.intensity.or(self.oath.intensity);
                    }
                    Order::StartChild(_)
                    | Order::TerminateChild(_)
                    | Order::RestartChild(_)
                    | Order::DeleteChild(_)
                    | Order::Revive(_)
                    | Order::RenewChild { .. }
                    | Order::Park { .. }
                    | Order::Meant { .. } => {}
                }
                let is_park = matches!(ordered.order, Order::Park { .. });
                let path = ordered.order.child().map(|id| Arc::from(format!("{}/{id}", self.plan.path)));
                self.oath.is_stale |= path.is_none();
                self.oath.is_ordered |= path.is_none();
                // The number that the order will get when it is handed over.
                return self.say(now, Seen::Ordered { call: self.orders_given + 1, path, is_park });
            }
            Fact::Admitted(_)
            | Fact::Failing { .. }
            | Fact::Kept { .. }
            | Fact::Hung { .. }
            | Fact::Ending { .. }
            | Fact::Chosen { .. }
            | Fact::Leaving { .. }
            | Fact::Remains { .. }
            | Fact::Tick => return,
        };
        self.say_of(attempt.child(), what, now);
    }

    fn testify_deed(&mut self, action: &Action, now: Duration) {
        let (child, what) = match action {
            Action::Start(attempt) => (attempt.child(), What::Start(attempt.number())),
            Action::Ask(attempt) => (attempt.child(), What::Ask),
            Action::Kill(attempt) => (attempt.child(), What::Kill),
            Action::Rest(child) => (*child, What::Rests),
            Action::Forget(child) => (*child, What::Forgotten),
            // Stated when the action has been performed: before that the driver does not know the child.
            Action::Adopt { child, .. } => {
                self.oath.is_stale |= !matches!(self.plan.shape, Shape::Dynamic(_));
                let spec = self.machine.spec(*child).cloned();
                let adopted = spec.map(|spec| {
                    let path = Arc::from(format!("{}/{}", self.plan.path, spec.id()));
                    Seen::Child { path, what: What::Adopted(Box::new(spec)) }
                });
                return adopted.into_iter().for_each(|seen| self.say(now, seen));
            }
            Action::Answer { call: OrderId(call), result } => {
                self.oath.is_stale |= self.oath.is_ordered;
                return self.say(now, Seen::Answered { call: *call, is_done: result.is_ok() });
            }
            Action::Up => return self.say(now, Seen::Up),
            // A report states these in their place.
            Action::Abandon(_) | Action::Park { .. } | Action::End(_) => return,
            // These are about mailboxes.
            Action::Wait(_) | Action::Dismiss(_) | Action::Withdraw(_) | Action::Readmit(_) => return,
            Action::NoteKept { .. } => return,
        };
        self.say_of(child, what, now);
    }

    fn say_of(&self, child: ChildKey, what: What, now: Duration) {
        if let Some(entry) = self.children.get(&child) {
            self.say(now, Seen::Child { path: entry.path.clone(), what });
        }
    }

    fn say(&self, at: Duration, seen: Seen) {
        let life = Arc::as_ptr(&self.inbox).addr();
        let supervisor = self.plan.path.clone();
        if let Some(faults) = self.shared.faults() {
            faults.say(Statement::Testimony(Testimony { supervisor, life, at, seen }));
        }
    }

    fn roll(&self, now: Duration) -> Seen {
        let (flags, is_dynamic) = match &self.plan.shape {
            Shape::Static(flags) | Shape::Partitioned { flags, .. } => (*flags, false),
            Shape::Dynamic(_) => (Flags { stop_order: StopOrder::TogetherAtEnd, ..Flags::default() }, true),
        };
        let flags = self.oath.flags.unwrap_or(flags);
        // The effect of a layer on an ordered budget is not known here. The statement claims no budget then.
        let intensity = match self.oath.intensity {
            Some(_) if self.shared.options_in_force.overrides().is_some() => Intensity::unlimited(),
            ordered => ordered.unwrap_or(self.group.intensity),
        };
        let enrol = |(key, spec, standing, attempt): (ChildKey, &ChildSpec, _, Option<Attempt>)| {
            let why = self.machine.why(key, now);
            Enrolled {
                path: format!("{}/{}", self.plan.path, spec.id()).into(),
                spec: spec.clone(),
                standing,
                is_ready: why.as_ref().is_some_and(|why| why.is_ready),
                attempt: attempt.map(Attempt::number),
                steps: why.as_ref().map_or(0, |why| why.steps),
                left: why.as_ref().and_then(|why| why.budget),
                is_half_open: why.is_some_and(|why| why.is_half_open),
            }
        };
        Seen::Roll(Box::new(Roll {
            strategy: flags.strategy,
            auto_shutdown: if is_dynamic { AutoShutdown::Never } else { flags.auto_shutdown },
            intensity,
            clock: self.group.budget_clock,
            stop_order: flags.stop_order,
            is_dynamic,
            is_booting: !self.parent.was_up(),
            is_ending: self.machine.is_ending(),
            is_killed: self.is_killed,
            children: self.machine.children().into_iter().map(enrol).collect(),
        }))
    }
}

fn reported(report: &Report, now: Duration) -> Option<(ChildKey, What)> {
    Some(match report {
        Report::Delayed { child, until } => (*child, What::Delayed(until.saturating_sub(now))),
        Report::Waiting { child, .. } => (*child, What::Waits),
        Report::Renewed { child, .. } => (*child, What::Renewed),
        Report::TooManyFailures { child, .. } => (*child, What::TooManyFailures),
        Report::KeptSetAside { child, then: KeptThen::Park(_), .. } => (*child, What::KeptSetAside),
        Report::KeptSetAside { .. } => return None,
        Report::Parked { child, reason: Some(_), .. } => (*child, What::ParkedByOrder),
        Report::Parked { child, until: Some(until), services, .. } if services.is_empty() => {
            (*child, What::Parked(until.saturating_sub(now)))
        }
        Report::Parked { child, .. } => (*child, What::Blocked),
        Report::DependencyGone { child, then: DependencyGone::Fail, .. } => (*child, What::Missed),
        Report::GaveUp { child, reason, .. } => {
            (*child, What::GaveUp { is_from_below: *reason == GiveUpReason::EndOfTree })
        }
        Report::GivenUp { child, .. } => (*child, What::GivenUp),
        Report::Overdue { attempt, .. } | Report::Overran { attempt, .. } => (attempt.child(), What::Overdue),
        Report::Abandoned { attempt } => (attempt.child(), What::Abandon),
        Report::ChildTerminated { .. } | Report::StartError { .. } | Report::ShutdownError { .. } => return None,
        Report::DependencyGone { .. } | Report::SignificantEnded { .. } | Report::RestartOrdered { .. } => return None,
    })
}
