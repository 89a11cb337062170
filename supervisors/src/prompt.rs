//! The prompt window: the time for which a start, or a stop that was ordered, holds up other events.
//!
//! Invariant: at most [`PROMPT_WINDOW`], and only while no other start or stop is known to be slow. Prompt starts and
//! stops happen in OTP's order, and one that hangs delays no other child.

use std::time::Duration;

use crate::action::Action;
use crate::child::{Child, ChildState, Errand, Live, State};
use crate::children::Attempt;
use crate::core::Core;
use crate::inbox::Event;
use crate::order::{Answer, Order, OrderId};
use crate::supervisor::StaticMachine;
use crate::transitions::{Kind, Transitions};

/// The time within which a start or a stop that others wait for counts as prompt.
pub(crate) const PROMPT_WINDOW: Duration = Duration::from_millis(1);

/// The start or stop that other events wait for, and those that have proved slow.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prompt {
    /// The attempt that is given time to prove prompt, and the time since which it has it.
    awaited: Option<(Attempt, Duration)>,
    /// The number of starts and stops that have proved slow and still go on.
    slow: usize,
}

impl Prompt {
    /// Gives this attempt time to prove prompt, unless another one is known to be slow.
    fn wait_for(&mut self, attempt: Attempt, now: Duration) {
        if self.slow == 0 {
            self.awaited = Some((attempt, now));
        }
    }

    fn awaited(&self) -> Option<(Attempt, Duration)> {
        self.awaited
    }

    fn take_awaited(&mut self) -> Option<(Attempt, Duration)> {
        self.awaited.take()
    }

    /// Notes that the start or stop of this life has proved slow.
    fn mark_slow(&mut self, live: &mut Live) {
        self.slow += usize::from(!std::mem::replace(&mut live.is_slow, true));
    }

    /// Notes that the start or stop of this life is over, whether it was slow or not.
    pub(crate) fn mark_done(&mut self, live: &mut Live) {
        self.slow -= usize::from(std::mem::take(&mut live.is_slow));
    }
}

impl Core {
    /// Makes other events wait for this attempt to come up, or to be gone.
    pub(crate) fn wait_for(&mut self, attempt: Attempt) {
        self.prompt.wait_for(attempt, self.meter.now());
    }

    /// Returns the time until which a start or stop that may still prove prompt holds up other events.
    pub(crate) fn blocked_until(&self) -> Option<Duration> {
        let (attempt, since) = self.prompt.awaited()?;
        let child = self.children.get(attempt.child())?;
        let is_renewed = || child.standing() == ChildState::Stopping && self.renewals.contains(attempt.child());
        (child.attempt() == Some(attempt) && (child.is_awaited() || is_renewed()))
            .then(|| since.saturating_add(PROMPT_WINDOW))
    }

    /// Whether other events are held up now. A start or stop that took too long is marked as slow.
    pub(crate) fn is_blocked(&mut self) -> bool {
        let until = self.blocked_until();
        if until.is_some_and(|until| self.meter.now() < until) {
            return true;
        }
        if let (Some(_), Some((attempt, _))) = (until, self.prompt.take_awaited())
            && let Some(live) = self.children.live_mut(attempt)
        {
            self.prompt.mark_slow(live);
        }
        false
    }
}

/// Whether the order ends a start of this child that hangs.
fn ends_start(order: &Order, child: &Child) -> bool {
    match order {
        Order::TerminateChild(id) => *id == child.spec.id,
        // An order to terminate the child that came first wins.
        Order::Park { id, .. } => *id == child.spec.id && child.stop_calls.is_none() && child.check_park().is_ok(),
        Order::Meant { life, order } => child.is_latest_life(*life) && ends_start(order, child),
        Order::StartChild(_)
        | Order::RestartChild(_)
        | Order::DeleteChild(_)
        | Order::Reconfigure(..)
        | Order::Limit { .. }
        | Order::Adjust(_)
        | Order::Revive(_)
        | Order::RenewChild { .. }
        | Order::Read => false,
    }
}

/// Takes an order that ends the start of this child.
fn take_end_of_start(call: OrderId, order: Order, child: &mut Child) {
    match (order, &mut child.state) {
        (Order::Meant { order, .. }, _) => take_end_of_start(call, *order, child),
        (Order::Park { reason, .. }, State::Live(live)) => live.errand = Some(Box::new(Errand::Park { call, reason })),
        _ => child.stop_calls.get_or_insert_default().push(call),
    }
}

impl StaticMachine {
    /// Returns the time at which a start that an order waits for is cut short.
    pub(crate) fn cut_short_at(&self) -> Option<Duration> {
        let child = self.core.children.get(self.sequence.as_ref()?.awaiting?)?;
        let State::Live(live) = &child.state else { return None };
        let impatient = self.core.inbox.iter().filter_map(|event| match event {
            Event::Stop { given, .. } | Event::Order { order: Order::Read, given, .. } => Some(*given),
            Event::Order { order, given, .. } if ends_start(order, child) => Some(*given),
            Event::Order { .. } | Event::Exit(_) | Event::Retry(_) | Event::Renew { .. } | Event::Overrate(_) => None,
        });
        let given = impatient.min().filter(|_| child.standing() == ChildState::Starting)?;
        Some(given.max(live.since).saturating_add(PROMPT_WINDOW))
    }

    /// Cuts short a start that hangs. Out of turn, reads are answered, an order to stop is obeyed, and a child that is
    /// to be terminated or parked is told.
    pub(crate) fn cut_short(&mut self) {
        let Some(awaited) = self.sequence.as_ref().and_then(|sequence| sequence.awaiting) else { return };
        let Some(child) = self.core.children.get_mut(awaited) else { return };
        let events = self.core.inbox.take_all();
        let must_end = events.iter().any(|event| matches!(event, Event::Stop { .. }));
        let mut end = None;
        for event in events {
            match event {
                Event::Stop { exit, .. } if end.is_none() => end = Some(exit),
                Event::Order { call, order: Order::Read, .. } if end.is_none() => {
                    self.core.outbox.answer(call, Ok(Answer::Done));
                }
                Event::Order { call, order, .. } if !must_end && ends_start(&order, child) => {
                    take_end_of_start(call, order, child);
                }
                Event::Stop { .. }
                | Event::Order { .. }
                | Event::Exit(_)
                | Event::Retry(_)
                | Event::Renew { .. }
                | Event::Overrate(_) => {
                    self.core.inbox.push(event);
                }
            }
        }
        let is_parked = matches!(&child.state, State::Live(live) if live.is_to_be_parked());
        let is_told = child.stop_calls.is_some() || is_parked;
        if let Some(exit) = end {
            self.end(exit, false);
        } else if is_told {
            self.core.outbox.act(Action::Dismiss(awaited));
            self.stop_child(awaited, false);
        }
    }
}
