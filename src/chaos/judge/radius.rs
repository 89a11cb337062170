//! The blast radius: a child is stopped or started only because of an end, its group, an order or the end of its
//! supervisor. If a child is restarted, its whole group is.

use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::{AutoShutdown, Exit, ExitRule, Restart, RuleAction};

use crate::chaos::judge::child::{Call, Held, Life};
use crate::chaos::judge::reading::{self, Phase, Scope, Tri};
use crate::chaos::judge::supervisor_view::{SupervisorView, phase_of, reaches};
use crate::chaos::judge::{Claim, Violation};

/// The longest time after which a start fails if its dependency is gone.
const MISS: Duration = Duration::from_millis(100);

impl SupervisorView {
    /// Takes the end of a child that was not told to stop, and works out what has to follow.
    pub(super) fn unexpected(&mut self, path: &Arc<str>, life: &Life, exit: &Exit, at: Duration) {
        let phase = phase_of(life);
        let (intensity, budget_at) = (self.intensity, self.clock.read(at));
        let Some(child) = self.children.get(path) else { return };
        let (place, is_ordered) = (child.place, child.is_ordered || life.by_order);
        let (then, counts, is_by_rule) = reading::verdict(&child.spec, exit, phase);
        if phase == Phase::StartFailed && self.is_booting {
            // A failed start ends the boot, unless a rule covers it.
            self.may_end = true;
            if !is_by_rule {
                return;
            }
        }
        let scope = reading::scope(then, self.strategy, self.is_dynamic);
        self.had_group |= scope == Scope::All;
        // If the group of another child stops this one before its end is dealt with, the group swallows that end.
        let callers = self.callers(path);
        let may_be_swallowed = !callers.is_empty();
        if may_be_swallowed && phase != Phase::StartFailed {
            // It may have been told to stop without a statement.
            self.clock.doubt();
        }
        let is_loose = !self.is_settled || self.is_booting || is_ordered;
        let is_significant = child.spec.is_significant() && self.auto_shutdown != AutoShutdown::Never;
        self.may_end |= is_significant && (then == RuleAction::Stop || is_loose);
        let mut call = Call {
            number: self.number,
            at,
            budget_at,
            phase,
            then,
            counts,
            scope,
            may_be_swallowed,
            is_covered: may_be_swallowed,
            is_loose,
            is_charged: false,
            was_put_off: false,
            is_probation: Tri::No,
            earliest: at,
            most: Duration::ZERO,
            by: None,
        };
        self.schedule(path, &mut call, life, intensity);
        let longest = callers.iter().filter_map(|caller| self.call(caller)?.by).max();
        call.by = match then {
            _ if is_loose => None,
            RuleAction::Stop => None,
            RuleAction::Restart | RuleAction::RestartGroup | RuleAction::Park | RuleAction::Escalate => {
                let by = at.saturating_add(call.most).saturating_add(self.margin);
                Some(longest.map_or(by, |longest| longest.saturating_add(self.margin).max(by)))
            }
        };
        let restarts = call.restarts();
        let Some(child) = self.children.get_mut(path) else { return };
        child.call = Some(call);
        child.held = Held::No;
        if let (Some(served), margin) = (self.served(path), self.margin)
            && let Some(by) = self.call_mut(path).and_then(|call| call.by.as_mut())
        {
            *by = served.saturating_add(margin).max(*by);
        }
        if !restarts || scope == Scope::Alone {
            return;
        }
        let members: Vec<_> = self.order.iter().filter(|(other, _)| reaches(scope, place, **other)).collect();
        for (_, member) in members {
            if let Some(member) = self.children.get_mut(member) {
                member.may_start = true;
                if let Some(of) = &mut member.stopped_for {
                    // It is no longer known for which end it is started.
                    *of = None;
                }
                if let Some(other) = member.call.as_mut().filter(|other| other.restarts()) {
                    other.is_covered = true;
                    // The group may take over its retry before that is charged.
                    other.may_be_swallowed |= other.phase == Phase::StartFailed && !other.is_charged;
                }
            }
        }
    }

    /// Takes an attempt that ended before it began, which counts as a failed one.
    pub(super) fn missed(&mut self, path: &Arc<str>, at: Duration, found: &mut Vec<Violation>) {
        self.charge(path, at, found);
        let number = self.number;
        let Some(child) = self.children.get_mut(path) else { return };
        let by_order = child.is_ordered;
        child.is_ordered &= child.orders > 0;
        (child.call, child.held, child.stopped_for, child.may_start) = (None, Held::No, None, false);
        // The text of its end is not known here.
        let is_by_text = |rule: &ExitRule| rule.text.is_some();
        let is_loose = child.spec.policy_rule().rules.is_some_and(|rules| rules.iter().any(is_by_text));
        let exit = Exit::failed("a service that it depends on is gone");
        self.unexpected(path, &Life { by_order, ..Life::begun(None, number) }, &exit, at);
        if let Some(call) = self.call_mut(path) {
            call.is_loose |= is_loose;
            call.by = call.by.map(|by| by.saturating_add(MISS));
        }
    }

    /// Takes the restart of a child with a service that it depends on. It stops and starts outside of its group.
    pub(super) fn renewed(&mut self, path: &Arc<str>, at: Duration, found: &mut Vec<Violation>) {
        let Some(child) = self.children.get_mut(path) else { return };
        // What follows is as for an order.
        child.is_ordered = true;
        if !child.spec.dependencies().iter().any(|on| on.restart) {
            let evidence = format!("{path} is restarted with a service, and its policy does not ask for that");
            self.find(found, Claim::Radius, at, evidence);
        }
    }

    /// Takes the park of a child by order.
    pub(super) fn parked_by_order(&mut self, path: &Arc<str>, at: Duration, found: &mut Vec<Violation>) {
        let Some(child) = self.children.get_mut(path) else { return };
        let was_ordered = child.is_ordered;
        (child.call, child.stopped_for, child.may_start) = (None, None, false);
        child.held = Held::Aside;
        // The order itself is not answered yet. If others wait, one of them may start the child.
        child.is_ordered = child.orders > 1;
        if !was_ordered {
            self.find(found, Claim::Radius, at, format!("{path} is parked by order, and no order said so"));
        }
    }

    pub(super) fn may_start(&self, path: &Arc<str>, attempt: u64, at: Duration, found: &mut Vec<Violation>) {
        let Some(child) = self.children.get(path) else { return };
        if let Some(life) = child.life.as_ref().filter(|life| !life.is_foreign) {
            let other = life.attempt.unwrap_or_default();
            let evidence = format!("{path} is started in attempt {attempt} while attempt {other} still lives");
            self.find(found, Claim::Alive, at, evidence);
            return;
        }
        if self.is_ending {
            let evidence = format!("{path} is started although {} is ending", self.path);
            return self.find(found, Claim::Radius, at, evidence);
        }
        if child.held == Held::Aside && !child.is_ordered {
            let evidence = format!("{path} is started: an order has parked it, and none has revived it");
            return self.find(found, Claim::Radius, at, evidence);
        }
        let is_called = child.call.as_ref().is_some_and(|call| call.restarts() || call.is_loose);
        let is_held = matches!(child.held, Held::Waits | Held::Parked { .. });
        if !is_called && !is_held && !child.may_start && !child.is_ordered {
            let why = match &child.call {
                Some(call) => format!("its end calls for `{}`", call.then.word()),
                None => format!("nothing called for that, for {} restarts {}", self.strategy, self.concerned(path)),
            };
            self.find(found, Claim::Radius, at, format!("{path} is started: {why}"));
        }
    }

    pub(super) fn may_stop(&mut self, path: &Arc<str>, at: Duration, found: &mut Vec<Violation>) {
        let Some(child) = self.children.get(path) else { return };
        if self.is_ending {
            return self.stops_in_turn(path, at, found);
        }
        if child.is_ordered {
            return;
        }
        let callers = self.callers(path);
        if !callers.is_empty() {
            let of = if let [only] = &*callers { Some(only.clone()) } else { None };
            match &of {
                Some(only) if !self.may_end => self.charge(only, at, found),
                Some(_) | None => {
                    for caller in &callers {
                        if let Some(call) = self.call_mut(caller) {
                            call.is_covered = true;
                            call.may_be_swallowed |= self_may_be(call);
                        }
                    }
                }
            }
            let of = of.and_then(|caller| Some((self.call(&caller)?.number, caller)));
            let until = callers.iter().filter_map(|caller| Some(self.call(caller)?.earliest)).min();
            let number = self.number;
            if let Some(child) = self.children.get_mut(path) {
                (child.stopped_for, child.stopped_at, child.may_start) = (Some(of), number, true);
                child.stopped_until = until.unwrap_or(Duration::MAX);
            }
        } else if self.may_end {
            self.is_ending = true;
        } else if child.may_stop {
            let number = self.number;
            if let Some(child) = self.children.get_mut(path) {
                (child.stopped_for, child.stopped_at, child.may_start) = (Some(None), number, true);
            }
        } else {
            let evidence = format!(
                "{path} is told to stop: nothing called for that, for {} restarts {}",
                self.strategy,
                self.concerned(path)
            );
            self.find(found, Claim::Radius, at, evidence);
            if let Some(child) = self.children.get_mut(path) {
                (child.stopped_for, child.may_start) = (Some(None), true);
            }
        }
        self.stops_in_turn(path, at, found);
    }

    /// Takes a temporary child out of the restart of its group, even of one that it causes: its supervisor forgets it
    /// first.
    pub(super) fn leave_group(&mut self, path: &Arc<str>) {
        let Some(child) = self.children.get(path) else { return };
        let Some(call) = child.call.as_ref().filter(|call| call.restarts()) else { return };
        let (scope, place) = (call.scope, child.place);
        if scope == Scope::Alone {
            return;
        }
        for member in self.children.values_mut().filter(|member| reaches(scope, place, member.place)) {
            (member.may_stop, member.may_start) = (member.life.is_some(), true);
        }
    }

    /// Checks that no member of the group was left running.
    pub(super) fn leaves_none_running(&self, path: &Arc<str>, at: Duration, found: &mut Vec<Violation>) {
        let Some(child) = self.children.get(path) else { return };
        let Some(call) = child.call.as_ref().filter(|call| call.is_certain() && call.restarts()) else { return };
        if child.is_ordered || self.is_booting {
            return;
        }
        for (place, other) in &self.order {
            let Some(sibling) = self.children.get(other).filter(|_| reaches(call.scope, child.place, *place)) else {
                continue;
            };
            if sibling.life.as_ref().is_some_and(|life| life.number < call.number) && !sibling.is_ordered {
                let rule = match call.scope {
                    Scope::All => "all children are restarted with it",
                    Scope::Rest | Scope::Alone => "those behind it are restarted with it",
                };
                let evidence = format!("{path} is started and {other} was left running: {rule}");
                return self.find(found, Claim::Radius, at, evidence);
            }
        }
    }

    pub(super) fn rests(&mut self, path: &Arc<str>, at: Duration, found: &mut Vec<Violation>) {
        let is_over = self.may_end || self.is_ending || self.is_booting;
        let Some(child) = self.children.get_mut(path) else { return };
        let call = child.call.take();
        let is_free = is_over || child.is_ordered || child.spec.restart_type() == Restart::Temporary;
        // A child may stay down because a dependency is gone for good.
        let is_free = is_free || !child.spec.dependencies().is_empty();
        (child.held, child.stopped_for) = (Held::Rests, None);
        let is_due = |call: &Call| call.restarts() && call.is_certain() && !is_free && call.is_probation == Tri::No;
        let Some(call) = call.filter(is_due) else { return };
        // If a child is terminated, the members that were to be started with it stay down.
        if !self.children.values().any(|child| child.is_ordered) {
            let evidence = format!("{path} is not started again: its end calls for `{}`", call.then.word());
            self.find(found, Claim::Radius, at, evidence);
        }
    }

    /// Names the children with known ends, and the children that they concern.
    fn concerned(&self, path: &str) -> String {
        let ended: Vec<_> =
            self.pending.iter().filter(|other| ***other != *path && self.call(other).is_some()).collect();
        match (&*ended, self.strategy) {
            ([], _) => "children that ended, and none has".to_owned(),
            (ended, strategy) => {
                let names: Vec<_> = ended.iter().map(|path| path.to_string()).collect();
                let with = match strategy {
                    regrow_supervisors::Strategy::OneForOne => "alone",
                    regrow_supervisors::Strategy::RestForOne => "and those behind it",
                    regrow_supervisors::Strategy::OneForAll => "and all others",
                };
                format!("{} {with}", names.join(", "))
            }
        }
    }
}

/// Whether the end may be swallowed. It is not known which of several groups is being stopped, nor which end was
/// charged.
fn self_may_be(call: &Call) -> bool {
    !call.is_charged && call.phase == Phase::StartFailed
}
