//! The decision about a child that has ended: the one place that interprets a policy.
//!
//! Invariants:
//! 1. The order of OTP rule 20 is kept: the end is reported, the budget is charged, and only then is anything stopped
//!    or started.
//! 2. A child's own budget is charged in place of the shared one.
//! 3. A child on probation is not charged: it is parked again, for longer.
//! 4. Without a policy, this file amounts to OTP rules 14 to 16, 20 and 21.

use std::sync::Arc;
use std::time::Duration;

use crate::action::{Action, Report};
use crate::child::{Held, Hold, Live, Scope, Stage, State};
use crate::children::{Attempt, ChildKey};
use crate::core::Core;
use crate::decision::Decision;
use crate::exit::Exit;
use crate::give_up::{BudgetLeft, GiveUp, GiveUpReason};
use crate::history::{Cause, Ended};
use crate::inbox::Event;
use crate::kept::KeptThen;
use crate::policy::Policy;
use crate::rule::{ExitKind, RuleAction};
use crate::spec::{AutoShutdown, ChildSpec, Restart};

/// Whether a life that was ready for this time, if it was ready, is a success.
pub(crate) fn has_lasted(policy: &Policy, period: Option<Duration>, ready_for: Option<Duration>) -> bool {
    let long = policy.reset_time().or(period);
    ready_for.is_some_and(|lived| policy.reset_on_ready == Some(true) || long.is_some_and(|time| lived >= time))
}

/// Returns the decision to take instead of one more restart.
fn instead(policy: &Policy, reason: GiveUpReason) -> Decision {
    match policy.on_give_up {
        Some(GiveUp::Park(_)) => Decision::Park,
        Some(GiveUp::Stop) => Decision::Stop(reason),
        Some(GiveUp::EndTree) => Decision::EndTree(reason),
        Some(GiveUp::Escalate) | None => Decision::GiveUp(reason),
    }
}

/// The answer of a spec to an end.
struct Reaction {
    then: RuleAction,
    /// The place of the rule that gave the answer, if one did.
    rule: Option<usize>,
    counts: bool,
}

fn reaction(spec: &ChildSpec, exit: &Exit, phase: Option<ExitKind>) -> Reaction {
    let is_start = phase == Some(ExitKind::StartFailed);
    let by_type = match spec.terms.restart {
        // A temporary child that failed to start in a group restart is tried again (OTP rule 36).
        Restart::Permanent | Restart::Transient | Restart::Temporary if is_start => RuleAction::Restart,
        // OTP rules 14 to 16.
        Restart::Permanent => RuleAction::Restart,
        Restart::Transient if exit.is_abnormal() => RuleAction::Restart,
        Restart::Transient | Restart::Temporary => RuleAction::Stop,
    };
    let rules = spec.terms.policy.as_ref().and_then(|policy| policy.rules.as_deref()).unwrap_or_default();
    let is_bound = spec.terms.restart != Restart::Temporary;
    match rules.iter().position(|rule| is_bound && rule.matches(exit, phase)) {
        Some(rule) => Reaction { then: rules[rule].then, rule: Some(rule), counts: rules[rule].counts },
        None => Reaction { then: by_type, rule: None, counts: true },
    }
}

impl ChildSpec {
    /// Whether a life that was ready and ends as `exit` is followed by another one, as its restart type and its rules
    /// say. Budgets and strategies are left aside.
    ///
    /// ```
    /// use regrow_supervisors::{ChildSpec, Exit, Restart};
    ///
    /// let spec = ChildSpec::new("session");
    /// assert!(spec.is_restarted_after(&Exit::Normal), "it is permanent");
    /// let spec = spec.restart(Restart::Transient);
    /// assert!(!spec.is_restarted_after(&Exit::Normal) && spec.is_restarted_after(&Exit::Killed));
    /// ```
    pub fn is_restarted_after(&self, exit: &Exit) -> bool {
        reaction(self, exit, None).then == RuleAction::Restart
    }
}

impl Core {
    /// Whether no automatic start follows if this attempt, which is up, ends as `exit`.
    pub(crate) fn is_last_life(&self, attempt: Attempt, exit: &Exit) -> bool {
        let Some(child) = self.children.get(attempt.child()) else { return false };
        let State::Live(live) = &child.state else { return false };
        let phase = match live.stage {
            Stage::Up => Some(ExitKind::NotReady),
            Stage::Ready => None,
            Stage::Starting | Stage::Dead(_) => return false,
        };
        live.attempt == attempt && !live.is_told() && reaction(&child.spec, exit, phase).then == RuleAction::Stop
    }

    /// Decides about a child that has ended.
    pub(crate) fn decide(&mut self, key: ChildKey, ended: Ended) -> Decision {
        let now = self.meter.now();
        let kept_then = self.judge_kept(key, &ended);
        let Some(child) = self.children.get_mut(key) else { return Decision::Rest };
        if ended.ends_tree {
            child.history_mut().cause = Some(Cause { exit: ended.exit, phase: ended.phase, rule: None, at: now });
            return Decision::EndTree(GiveUpReason::EndOfTree);
        }
        let is_start = ended.phase == Some(ExitKind::StartFailed);
        let Reaction { then, rule, counts } = reaction(&child.spec, &ended.exit, ended.phase);
        let Some(policy) = child.spec.terms.policy.clone() else {
            child.history_mut().cause = Some(Cause { exit: ended.exit, phase: ended.phase, rule: None, at: now });
            return self.decision_for(key, (then, rule), counts, Duration::ZERO, is_start);
        };
        let was_ready = !matches!(ended.phase, Some(ExitKind::StartFailed | ExitKind::NotReady));
        let ready_for = if was_ready { Some(ended.lived) } else { None };
        let is_success = ended.is_proven || has_lasted(&policy, self.meter.budget().period(), ready_for);
        let history = child.history_mut();
        let over_rate = history.take_overrate();
        let parks = matches!(kept_then, Some(KeptThen::Park(_)));
        history.parks_for_kept = parks || (history.parks_for_kept && history.is_half_open);
        if is_success {
            history.reset();
        }
        history.cause = Some(Cause { exit: ended.exit, phase: ended.phase, rule, at: now });
        // Invariant 3.
        if history.is_half_open && matches!(then, RuleAction::Restart | RuleAction::RestartGroup) {
            return Decision::Park;
        }
        let delay = match then {
            RuleAction::Restart | RuleAction::RestartGroup if history.parks_for_kept => return Decision::Park,
            RuleAction::Restart | RuleAction::RestartGroup => history.next_delay(&policy),
            RuleAction::Park | RuleAction::Stop | RuleAction::Escalate => Duration::ZERO,
        };
        if let Some(seen) = over_rate
            && matches!(then, RuleAction::Restart | RuleAction::RestartGroup)
        {
            return instead(&policy, GiveUpReason::Failures(seen));
        }
        self.decision_for(key, (then, rule), counts, delay, is_start)
    }

    /// Turns the answer of a spec into a decision. `rule` is the place of the rule that gave it, if one did.
    fn decision_for(
        &mut self,
        key: ChildKey,
        (then, rule): (RuleAction, Option<usize>),
        counts: bool,
        delay: Duration,
        is_start: bool,
    ) -> Decision {
        let scope = match then {
            RuleAction::Restart => Scope::Strategy,
            RuleAction::RestartGroup => Scope::All,
            RuleAction::Park => return Decision::Park,
            RuleAction::Stop => return Decision::Rest,
            // Only a rule escalates.
            RuleAction::Escalate => return Decision::GiveUp(GiveUpReason::Rule(rule.unwrap_or_default())),
        };
        // A failed start is charged when its retry is taken (OTP rule 32).
        let is_paid = !(counts && is_start);
        let restart = Decision::Restart(Held { hold: Hold::Queued, scope, is_paid }, delay);
        if counts && !is_start { self.charge(key).unwrap_or(restart) } else { restart }
    }

    /// Returns the latest exit of a child that was decided about.
    pub(crate) fn latest_end(&self, key: ChildKey) -> Option<&Exit> {
        Some(&self.children.get(key)?.history.as_ref()?.cause.as_ref()?.exit)
    }

    /// Whether a first start of the child that failed just now is tried again: a rule has decided about it, or the policy
    /// retries each.
    pub(crate) fn is_start_retried(&self, key: ChildKey) -> bool {
        let Some(child) = self.children.get(key) else { return false };
        let cause = child.history.as_ref().and_then(|history| history.cause.as_ref());
        let retries = child.spec.own_policy().is_some_and(|policy| policy.retry_start == Some(true));
        cause.is_some_and(|cause| cause.rule.is_some()) || (retries && !child.is_temporary())
    }

    /// Charges one unit (invariant 2). Returns the decision to take instead of a restart if that was one too many.
    pub(crate) fn charge(&mut self, key: ChildKey) -> Option<Decision> {
        let now = self.meter.budget_now();
        let child = self.children.get_mut(key)?;
        let policy = child.spec.terms.policy.clone();
        let (budget, is_own) = match policy.as_ref().and_then(|policy| child.history_mut().own_budget(policy)) {
            Some(own) => (own, true),
            None => (self.meter.budget_mut(), false),
        };
        if budget.spend(now) {
            return None;
        }
        // A budget without a limit is never used up.
        let (left, restarts_max, within) = budget.left(now)?;
        let history = self.children.get_mut(key).and_then(|child| child.history.as_mut());
        if let Some(failures) = history.and_then(|history| history.failures.as_mut()) {
            failures.parked_for = None;
        }
        let reason = GiveUpReason::Budget(BudgetLeft { left, restarts_max, within, is_own });
        Some(policy.map_or(Decision::GiveUp(reason), |policy| instead(&policy, reason)))
    }

    /// Counts messages of a life that have failed. If they are too many, the decision about that waits for its turn. A
    /// life that is ending, or has ended, is decided about with its end.
    pub(crate) fn count_failures(&mut self, attempt: Attempt, counts: (u64, u64), exit: Exit) {
        let (key, now) = (attempt.child(), self.meter.now());
        let Some(Live { since, .. }) = self.children.live_mut(attempt) else { return };
        let since = *since;
        let Some(child) = self.children.get_mut(key) else { return };
        let Some(rate) = child.spec.own_policy().and_then(|policy| policy.failure_rate) else { return };
        let history = child.history_mut();
        let failures = history.failures.get_or_insert_default();
        failures.window.note(rate, counts, since, now);
        let Some(seen) = failures.window.exceeded(rate) else { return };
        if failures.over_rate.replace(seen).is_none() {
            self.outbox.report(Report::TooManyFailures { child: key, seen, exit: exit.clone() });
            self.inbox.push(Event::Overrate(attempt));
        }
        // The reason for what follows, if the child is up.
        history.cause = Some(Cause { exit, phase: None, rule: None, at: now });
    }

    /// Takes the decision about a life of which too many messages have failed. `None` if that is decided already.
    pub(crate) fn take_overrate(&mut self, attempt: Attempt) -> Option<Decision> {
        // Otherwise it is decided with the end.
        self.children.live_mut(attempt).filter(|live| live.goes_on())?;
        let child = self.children.get_mut(attempt.child())?;
        let seen = child.history_mut().take_overrate()?;
        Some(instead(&child.spec.policy_rule(), GiveUpReason::Failures(seen)))
    }

    /// Notes that the child ends for good, and reports that. It has no process.
    pub(crate) fn give_up_on(&mut self, key: ChildKey, reason: GiveUpReason) {
        let exit = self.latest_end(key).cloned().unwrap_or(Exit::Shutdown);
        self.vacate(key);
        let Some(child) = self.children.get_mut(key) else { return };
        child.history_mut().given_up = Some(Box::new(reason));
        // A permanent child may have ended normally, and too often. Its dependents must not take that for a success.
        child.completion = None;
        self.outbox.report(Report::GivenUp { child: key, exit, reason });
    }

    /// Parks a child until its next probe. Its siblings are left alone.
    pub(crate) fn park(&mut self, key: ChildKey) {
        let now = self.meter.now();
        let Some(child) = self.children.get_mut(key) else { return };
        let policy = child.spec.policy_rule();
        let history = child.history_mut();
        history.is_half_open = true;
        history.forget_failures();
        let until = now.saturating_add(history.next_probe(&policy));
        self.put_away(key, Some(until), None);
    }

    /// Parks a child until an order revives it. Its siblings are left alone.
    pub(crate) fn park_by_order(&mut self, key: ChildKey, reason: Arc<str>) {
        let Some(child) = self.children.get_mut(key) else { return };
        child.history_mut().parked_by_order = Some(reason.clone());
        self.put_away(key, None, Some(reason));
    }

    fn put_away(&mut self, key: ChildKey, until: Option<Duration>, reason: Option<Arc<str>>) {
        self.hold(key, Hold::Parked { until }, Held::ALONE);
        self.outbox.report(Report::Parked { child: key, until, services: Vec::new(), reason });
        self.outbox.act(Action::Park { child: key, until });
        self.shut(key);
        self.reconsider_dependents_of(key);
    }

    /// Queues the start of a child: its time has come, or its dependencies are there.
    pub(crate) fn wake(&mut self, key: ChildKey) {
        if let Some(held) = self.children.held(key) {
            self.hold(key, Hold::Queued, held);
        }
    }

    /// Takes a retry when its turn has come, and returns the decision about it. `None` if the child does not wait for
    /// its turn any more.
    pub(crate) fn take_turn(&mut self, key: ChildKey) -> Option<Decision> {
        let held = self.children.held(key).filter(|held| held.hold == Hold::Queued)?;
        let refused = if held.is_paid { None } else { self.charge(key) };
        // If the start has to wait once more, it does not pay again.
        Some(refused.unwrap_or(Decision::Restart(Held { is_paid: true, ..held }, Duration::ZERO)))
    }

    /// Whether the end of a significant child just now ends the supervisor (OTP rules 74 to 76).
    pub(crate) fn is_last_significant(&self) -> bool {
        match self.flags().auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => self.children.counts().significant == 0,
        }
    }
}
