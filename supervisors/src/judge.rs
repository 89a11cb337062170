//! What the end of a child comes to: the one place that interprets a policy.
//!
//! Invariants:
//! 1. The order of OTP rule 20: the end is reported, the budget is charged, and only then is anything stopped or started.
//! 2. A budget of the child's own is charged in place of the shared one.
//! 3. A child on probation is not charged: it is parked again, for longer.
//! 4. Where no policy is set, what is left of this file is OTP rules 14 to 16, 20 and 21.

use std::time::Duration;

use crate::action::{Action, Report};
use crate::children::{ChildKey, Held, Hold, Scope, State};
use crate::nursery::{Event, Nursery};
use crate::policy::{GiveUp, On, Then};
use crate::spec::{BudgetClock, Restart};
use crate::track::{Cause, Ended};

/// What is to be done about a child that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Rest,
    /// After so long. The one who holds it may still have to pay.
    Restart(Held, Duration),
    Park,
    GiveUp,
}

/// Whether the budget was charged already when a retry's turn has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charge {
    Now,
    /// A failed start is charged when its retry is taken (OTP rule 32).
    Later,
}

impl Nursery {
    /// Judges an end. `None` stands for a failed start that no rule is about: at boot that is fatal (OTP rule 11).
    pub(crate) fn judge(&mut self, key: ChildKey, ended: Ended, charge: Charge) -> (Verdict, Option<usize>) {
        let now = self.now;
        let Some(child) = self.children.get_mut(key) else { return (Verdict::Rest, None) };
        // OTP rules 14 to 16.
        let by_type = match (child.spec.restart, ended.exit.is_abnormal() || charge == Charge::Later) {
            (Restart::Permanent, _) | (Restart::Transient, true) => (Then::Restart, true),
            // A temporary child whose start failed in a group restart is tried again (OTP rule 36).
            (Restart::Temporary, _) if charge == Charge::Later => (Then::Restart, true),
            (Restart::Transient, false) | (Restart::Temporary, _) => (Then::Stop, true),
        };
        let Some(policy) = child.spec.policy.clone() else {
            child.track_mut().cause = Some(Cause { exit: ended.exit, phase: ended.phase, rule: None, at: now });
            return (self.sentence(key, by_type, Duration::ZERO, charge), None);
        };
        let rules = policy.rules.as_deref().unwrap_or_default();
        let is_bound = child.spec.restart != Restart::Temporary;
        let rule = rules.iter().position(|rule| is_bound && rule.matches(&ended.exit, ended.phase));
        let (then, counts) = rule.map_or(by_type, |rule| (rules[rule].then, rules[rule].counts));

        let long = policy.reset_time().or(self.budget.period());
        let was_ready = !matches!(ended.phase, Some(On::StartFailed | On::NotReady));
        let is_success = ended.is_proven
            || (was_ready && policy.reset_on_ready == Some(true))
            || (was_ready && long.is_some_and(|time| ended.lived >= time));
        let track = child.track_mut();
        if is_success {
            track.begin_anew();
        }
        track.cause = Some(Cause { exit: ended.exit, phase: ended.phase, rule, at: now });
        // Invariant 3.
        if track.is_half_open && matches!(then, Then::Restart | Then::RestartGroup) {
            return (Verdict::Park, rule);
        }
        let delay = match then {
            Then::Restart | Then::RestartGroup => track.next_delay(&policy),
            Then::Park | Then::Stop | Then::Escalate => Duration::ZERO,
        };
        (self.sentence(key, (then, counts), delay, charge), rule)
    }

    fn sentence(&mut self, key: ChildKey, (then, counts): (Then, bool), delay: Duration, charge: Charge) -> Verdict {
        let scope = match then {
            Then::Restart => Scope::Strategy,
            Then::RestartGroup => Scope::All,
            Then::Park => return Verdict::Park,
            Then::Stop => return Verdict::Rest,
            Then::Escalate => return Verdict::GiveUp,
        };
        let held = Held::new(Hold::Queued, scope);
        match charge {
            Charge::Later if counts => Verdict::Restart(held, delay),
            Charge::Now if counts => self.charge(key).unwrap_or(Verdict::Restart(held.paid(), delay)),
            Charge::Now | Charge::Later => Verdict::Restart(held.paid(), delay),
        }
    }

    /// Spends a unit (invariant 2). What is to be done instead, if that was one too many.
    pub(crate) fn charge(&mut self, key: ChildKey) -> Option<Verdict> {
        let now = self.budget_now();
        let child = self.children.get_mut(key)?;
        let policy = child.spec.policy.clone();
        let is_fine = match policy.as_ref().and_then(|policy| child.track_mut().own_budget(policy)) {
            Some(own) => own.spend(now),
            None => self.budget.spend(now),
        };
        match policy.as_ref().and_then(|policy| policy.on_give_up.as_ref()) {
            _ if is_fine => None,
            Some(GiveUp::Park(_)) => Some(Verdict::Park),
            Some(GiveUp::Escalate) | None => Some(Verdict::GiveUp),
        }
    }

    /// The time that budgets are measured in.
    pub(crate) fn budget_now(&self) -> Duration {
        let going_on = match (self.clock, self.stops_since) {
            (BudgetClock::WithoutStops, Some(since)) => self.now.saturating_sub(since),
            (BudgetClock::WithoutStops, None) | (BudgetClock::All, _) => Duration::ZERO,
        };
        self.now.saturating_sub(self.left_out + going_on)
    }

    /// Another clock from now on: what was left out stays left out, so that no unit grows older or younger by it.
    pub(crate) fn set_clock(&mut self, clock: BudgetClock) {
        self.left_out = self.now.saturating_sub(self.budget_now());
        self.stops_since = self.stops_since.and(Some(self.now));
        self.clock = clock;
    }

    /// Puts a child away until its next probe. Its siblings hear nothing of it.
    pub(crate) fn park(&mut self, key: ChildKey) {
        let now = self.now;
        let Some(child) = self.children.get_mut(key) else { return };
        let policy = child.spec.policy_rule();
        let track = child.track_mut();
        track.is_half_open = true;
        let until = now.saturating_add(track.next_probe(&policy));
        self.hold(key, Held::new(Hold::Parked { until }, Scope::Alone).paid());
        self.reports.push_back(Report::Parked { child: key, until });
        self.actions.push_back(Action::Park { child: key, until });
    }

    /// Its time has come, or what it waited for is there: it is started when its turn comes.
    pub(crate) fn wake(&mut self, key: ChildKey) {
        self.disarm(key);
        if let Some(State::Held(held)) = self.children.get_mut(key).map(|child| &mut child.state) {
            held.hold = Hold::Queued;
            self.inbox.push_back(Event::Retry(key));
        }
    }

    /// A retry whose turn has come. `None`: it is not wanted any more, has to wait for somebody, or the verdict came to
    /// something else, which is returned as the error.
    pub(crate) fn take_turn(&mut self, key: ChildKey) -> Option<Result<Held, Verdict>> {
        let Some(State::Held(held)) = self.children.get(key).map(|child| &child.state) else { return None };
        if held.hold != Hold::Queued {
            return None;
        }
        let held = *held;
        if !held.is_paid
            && let Some(verdict) = self.charge(key)
        {
            return Some(Err(verdict));
        }
        // Should it have to wait once more, it does not pay again.
        let held = held.paid();
        if held.scope != Scope::Alone || self.is_independent(key) {
            return Some(Ok(held));
        }
        self.hold(key, Held { hold: Hold::Dependency, ..held });
        None
    }
}
