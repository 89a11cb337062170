//! Budgets: a supervisor gives up, or parks a child, at the restart that is one more than the budget forgives, and at
//! no other.

use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::{AutoShutdown, GiveUp, Intensity, RuleAction};

use crate::chaos::judge::child::Held;
use crate::chaos::judge::reading::{self, Phase, Tri};
use crate::chaos::judge::supervisor_view::SupervisorView;
use crate::chaos::judge::{Claim, Violation};

impl SupervisorView {
    /// Charges the restart, which goes on: its budget forgave it.
    pub(super) fn charge(&mut self, path: &Arc<str>, at: Duration, found: &mut Vec<Violation>) {
        let now = self.clock.read(at);
        let Some(call) = self.call_mut(path).filter(|call| call.restarts() && !call.is_charged) else { return };
        call.is_charged = true;
        if call.is_probation == Tri::Yes {
            // No time is claimed for it.
            call.by = None;
        }
        let call = call.clone();
        let is_certain = call.is_certain() && !call.is_covered;
        if call.is_probation == Tri::Yes && is_certain {
            let evidence = format!("{path} is started again: it is on probation, and is to be parked when it fails");
            return self.find(found, Claim::Budget, at, evidence);
        }
        if !call.counts || call.is_probation == Tri::Yes {
            return;
        }
        let Some((limits, restarts_max, period)) = self.limits(path, call.phase) else { return };
        let is_exact = is_certain && call.is_probation == Tri::No && !self.clock.is_unsure();
        let units = self.units(path, call.phase);
        let (spent, _) = units.count(period, now);
        // The restart was charged at some time between these two.
        let from = if call.phase == Phase::StartFailed { now } else { call.budget_at };
        units.add(from, now, is_exact);
        if is_exact && spent >= restarts_max as usize {
            let evidence = format!(
                "{path} is restarted once more: {} of the {}",
                spent_are(spent),
                whose(self.is_own(path, call.phase), limits)
            );
            self.find(found, Claim::Budget, at, evidence);
        }
    }

    pub(super) fn parked(&mut self, path: &Arc<str>, probe_in: Duration, at: Duration, found: &mut Vec<Violation>) {
        let Some(child) = self.children.get(path) else { return };
        let parks = matches!(child.spec.policy_rule().on_give_up, Some(GiveUp::Park(_)));
        let is_free = child.is_ordered || (child.held == Held::Waits && !child.spec.dependencies().is_empty());
        let call = child.call.clone();
        let is_certain = call.as_ref().is_some_and(|call| call.is_certain());
        if !is_free && let Some(call) = &call {
            let is_due = match call.then {
                RuleAction::Park => true,
                RuleAction::Restart | RuleAction::RestartGroup => {
                    child.history.parks_for_kept
                        || call.is_probation != Tri::No
                        || (parks && self.may_be_spent(path, at))
                }
                RuleAction::Stop | RuleAction::Escalate => false,
            };
            if !is_due && !call.is_loose {
                let evidence = format!("{path} is parked: {}", self.what_is_left(path, call.phase, at));
                self.find(found, Claim::Budget, at, evidence);
            }
        }
        if let Some(child) = self.children.get_mut(path) {
            (child.call, child.stopped_for) = (None, None);
            child.history.is_half_open = Some(Tri::Yes);
        }
        self.probe(path, probe_in, at, is_certain, found);
    }

    /// Takes the end of a child for good: its policy says so, and its budget may be spent.
    pub(super) fn given_up(&mut self, path: &Arc<str>, at: Duration, found: &mut Vec<Violation>) {
        let Some(child) = self.children.get(path) else { return };
        let stops = matches!(child.spec.policy_rule().on_give_up, Some(GiveUp::Stop));
        let is_free = child.is_ordered || !child.spec.dependencies().is_empty();
        let call = child.call.clone();
        let is_loose = call.as_ref().is_some_and(|call| call.is_loose);
        let is_due = match &call {
            Some(call) => stops && call.restarts() && self.may_be_spent(path, at),
            None => false,
        };
        if !is_due && !is_loose && !is_free {
            let left = match &call {
                Some(call) => self.what_is_left(path, call.phase, at),
                None => "it has not failed".to_owned(),
            };
            self.find(found, Claim::Budget, at, format!("{path} is ended for good: {left}"));
        }
        if let Some(child) = self.children.get_mut(path) {
            // What follows is not a restart that is missing. An order gives the child its budget back.
            (child.call, child.history) = (None, Default::default());
            self.may_end |= child.spec.is_significant() && self.auto_shutdown != AutoShutdown::Never;
        }
    }

    pub(super) fn gave_up(&mut self, path: &Arc<str>, is_from_below: bool, at: Duration, found: &mut Vec<Violation>) {
        let Some(child) = self.children.get(path) else { return };
        // A supervisor that a child below ends with the whole tree asks no budget.
        let parks = matches!(child.spec.policy_rule().on_give_up, Some(GiveUp::Park(_) | GiveUp::Stop));
        let is_free = child.is_ordered || self.is_booting || is_from_below || !child.spec.dependencies().is_empty();
        match child.call.clone() {
            Some(call) => {
                let is_due = match call.then {
                    RuleAction::Escalate => true,
                    RuleAction::Restart | RuleAction::RestartGroup => {
                        !parks && call.is_probation != Tri::Yes && self.may_be_spent(path, at)
                    }
                    RuleAction::Park | RuleAction::Stop => false,
                };
                if !is_due && !call.is_loose && !is_free {
                    let left = self.what_is_left(path, call.phase, at);
                    let evidence = format!("{} gives up on {path}: {left}", self.path);
                    self.find(found, Claim::Budget, at, evidence);
                }
            }
            None if is_free => {}
            None => {
                let evidence = format!("{} gives up on {path}, which has not failed", self.path);
                self.find(found, Claim::Budget, at, evidence);
            }
        }
        self.is_ending = true;
    }

    /// Whether the budget may be spent. Every restart that may have been charged counts.
    fn may_be_spent(&mut self, path: &Arc<str>, at: Duration) -> bool {
        let Some(call) = self.call(path).cloned() else { return true };
        if !call.counts {
            return false;
        }
        let Some((_, restarts_max, period)) = self.limits(path, call.phase) else { return false };
        self.clock.is_unsure() || self.counted(path, call.phase, period, at) >= restarts_max as usize
    }

    fn counted(&mut self, path: &Arc<str>, phase: Phase, period: Duration, at: Duration) -> usize {
        // Restarts of other children that may have been charged without a statement.
        let is_open = |other: &&Arc<str>| {
            *other != path
                && self
                    .call(other)
                    .is_some_and(|call| call.restarts() && !call.is_charged && !self.is_own(other, call.phase))
        };
        let open = if self.is_own(path, phase) { 0 } else { self.pending.iter().filter(is_open).count() };
        let now = self.clock.read(at);
        self.units(path, phase).count(period, now).1 + open
    }

    fn what_is_left(&mut self, path: &Arc<str>, phase: Phase, at: Duration) -> String {
        match self.limits(path, phase) {
            None => "its restarts are not limited".to_owned(),
            Some((limits, _, period)) => {
                let spent = self.counted(path, phase, period, at);
                format!("{} of the {}", spent_are(spent), whose(self.is_own(path, phase), limits))
            }
        }
    }

    fn is_own(&self, path: &str, phase: Phase) -> bool {
        let policy = self.children.get(path).map(|child| child.spec.policy_rule()).unwrap_or_default();
        reading::own_budget(&policy, phase).is_some()
    }

    /// Returns the budget that such an end is charged to; `None` without a limit.
    fn limits(&self, path: &str, phase: Phase) -> Option<(Intensity, u32, Duration)> {
        let policy = self.children.get(path)?.spec.policy_rule();
        let limits = reading::own_budget(&policy, phase).unwrap_or(self.intensity);
        Some((limits, limits.restarts_max()?, limits.period()?))
    }

    fn units(&mut self, path: &str, phase: Phase) -> &mut crate::chaos::judge::child::Units {
        let policy = self.children.get(path).map(|child| child.spec.policy_rule()).unwrap_or_default();
        let is_own = reading::own_budget(&policy, phase).is_some();
        let is_apart = reading::is_apart(phase) && policy.not_ready.is_some_and(|not_ready| not_ready.budget.is_some());
        match self.children.get_mut(path) {
            Some(child) if is_own => &mut child.account(is_apart).units,
            Some(_) | None => &mut self.shared,
        }
    }
}

fn spent_are(spent: usize) -> String {
    if spent == 1 { "1 restart is spent".to_owned() } else { format!("{spent} restarts are spent") }
}

fn whose(is_own: bool, limits: Intensity) -> String {
    let (restarts_max, period) = (limits.restarts_max().unwrap_or_default(), limits.period().unwrap_or_default());
    let whose = if is_own { "its own" } else { "shared ones" };
    format!("{restarts_max} in {period:?} that are forgiven ({whose})")
}
