//! Delays: no start before the least that the policy allows for that end, and none after the greatest and a margin.
//!
//! A dependency that comes back ends a delay, and one that is missing lengthens it. The time in which others of an
//! ordered group start or stop is no part of any delay.

use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::{ChildSpec, Intensity, Strategy};

use crate::chaos::judge::child::{Call, Held, History, Life};
use crate::chaos::judge::reading::{self, Phase, Steps, Tri};
use crate::chaos::judge::supervisor_view::{SupervisorView, reaches};
use crate::chaos::judge::{Claim, Violation};

/// Tolerance, because delays are computed in floating point.
const ROUNDING: Duration = Duration::from_micros(1);

impl SupervisorView {
    /// Computes the allowed delays of a restart, and moves its history one step along the curve.
    pub(super) fn schedule(&mut self, path: &Arc<str>, call: &mut Call, life: &Life, shared: Intensity) {
        let Some(child) = self.children.get_mut(path) else { return };
        let policy = child.spec.policy_rule();
        let success = {
            let long = reading::success_after(&policy, shared);
            let lived = call.at.saturating_sub(life.ready_at.unwrap_or(call.at));
            let has_lasted = policy.reset_on_ready == Some(true) || long.is_some_and(|long| lived >= long);
            match call.phase {
                Phase::Died if has_lasted => Tri::Yes,
                _ if policy.reset_after_messages.is_some() => Tri::Maybe,
                Phase::Died if life.is_foreign => Tri::Maybe,
                Phase::Died | Phase::NotReady | Phase::StartFailed => Tri::No,
            }
        };
        let is_certain = call.is_certain();
        match success {
            Tri::Yes if is_certain => child.history.succeed(),
            Tri::Yes | Tri::Maybe => child.history.blur(),
            Tri::No => {}
        }
        if !call.restarts() {
            return;
        }
        call.is_probation = match child.history.half_open() {
            Tri::Yes if !is_certain => Tri::Maybe,
            known => known,
        };
        let Some(backoff) = reading::backoff(&policy, call.phase).filter(|_| call.is_probation != Tri::Yes) else {
            return;
        };
        let is_apart = reading::is_apart(call.phase)
            && policy.not_ready.as_ref().is_some_and(|not_ready| not_ready.backoff.is_some());
        let account = child.account(is_apart);
        let (least, most) = reading::delays(backoff, account.steps, account.before);
        account.steps.take(is_certain && call.is_probation == Tri::No);
        account.before = if is_certain { most } else { account.before.max(most) };
        (call.earliest, call.most) = (call.at.saturating_add(least), most);
    }

    /// Checks the delay of a restart.
    pub(super) fn delayed(&mut self, path: &Arc<str>, delay: Duration, at: Duration, found: &mut Vec<Violation>) {
        let margin = self.margin;
        let served = self.served(path).map(|by| by.saturating_sub(at.saturating_add(margin)));
        let Some(call) = self.call_mut(path) else { return };
        let least = call.earliest.saturating_sub(call.at);
        let (most, is_exact) = (call.most, call.is_certain() && call.is_probation == Tri::No);
        // A group is started when no member has a delay left.
        let most = served.map_or(most, |served| most.max(served));
        let longest = if call.is_covered { most.max(delay) } else { most };
        // A second statement is the rest of this delay, or of the delay of another member of the group.
        let is_once_more = std::mem::replace(&mut call.was_put_off, true);
        call.by = call.by.map(|_| at.saturating_add(longest).saturating_add(margin));
        let is_early = !is_once_more && delay.saturating_add(ROUNDING) < least;
        if is_exact && (is_early || delay > longest.saturating_add(ROUNDING)) {
            let evidence = format!("{path} is put off for {delay:.3?}: its policy says {}", between(least, most));
            self.find(found, Claim::Delay, at, evidence);
        }
        if self.call(path).is_some_and(|call| call.phase != Phase::StartFailed) {
            self.charge(path, at, found);
        }
    }

    /// Returns the latest time by which all members of its group have served their delays.
    pub(super) fn served(&self, path: &str) -> Option<Duration> {
        let child = self.children.get(path)?;
        let call = child.call.as_ref()?;
        let in_group = self.pending.iter().filter_map(|other| self.children.get(other));
        let in_group = in_group.filter(|other| reaches(call.scope, child.place, other.place));
        in_group.filter_map(|other| Some(other.call.as_ref()?.by.unwrap_or(Duration::MAX))).max()
    }

    pub(super) fn waits(&mut self, path: &Arc<str>, at: Duration, found: &mut Vec<Violation>) {
        self.charge(path, at, found);
        if let Some(child) = self.children.get_mut(path) {
            (child.held, child.stopped_for) = (Held::Waits, None);
            if let Some(call) = &mut child.call {
                (call.scope, call.by) = (reading::Scope::Alone, None);
            }
        }
    }

    /// Parks a child until its dependency is back, or is looked for again. No time is claimed for that.
    pub(super) fn blocked(&mut self, path: &Arc<str>, at: Duration, found: &mut Vec<Violation>) {
        self.charge(path, at, found);
        if let Some(child) = self.children.get_mut(path) {
            (child.call, child.stopped_for) = (None, None);
            child.held = Held::Parked { from: Duration::ZERO, by: Duration::MAX };
            // Looking for the dependency may be a step on the curve of its probes.
            child.history.take_probe(&child.spec, false);
        }
    }

    pub(super) fn is_time(&self, path: &Arc<str>, at: Duration, found: &mut Vec<Violation>) {
        let Some(child) = self.children.get(path) else { return };
        if child.is_ordered || self.is_booting || child.held == Held::Waits && child.call.is_none() {
            return;
        }
        let of = |caller: &Arc<str>| {
            let call = self.call(caller)?;
            // A child that ended after the stop of the group takes it over only later.
            let is_later = child.stopped_for.is_some() && call.number > child.stopped_at;
            let earliest = if call.is_loose { Duration::ZERO } else { call.earliest };
            (caller == path || !is_later).then(|| (earliest, call.at, caller.clone()))
        };
        let own = child.call.as_ref().filter(|call| call.restarts()).and_then(|_| of(path));
        let is_covered = child.call.as_ref().is_none_or(|call| call.is_covered);
        let others = self.callers(path).into_iter().filter(|_| is_covered).filter_map(|caller| of(&caller));
        let first = others.chain(own).min();
        let (from, ended, whose) = match (child.held, first) {
            (Held::Parked { from, .. }, _) => (from, None, "it is parked".to_owned()),
            // One of several ends that the group was stopped for may be dealt with already.
            (_, Some((from, ended, caller))) if child.stopped_for == Some(None) => {
                (from.min(child.stopped_until), Some(ended), format!("{caller} ended at {ended:.3?}"))
            }
            (_, Some((from, ended, caller))) => (from, Some(ended), format!("{caller} ended at {ended:.3?}")),
            (_, None) => return,
        };
        if at.saturating_add(ROUNDING) < from {
            let wait = ended.map_or(String::new(), |ended| {
                format!(", and its policy puts that off for {:.3?} at least", from.saturating_sub(ended))
            });
            let evidence = format!("{path} is started {:.3?} too early: {whose}{wait}", from.saturating_sub(at));
            self.find(found, Claim::Delay, at, evidence);
        }
    }

    /// Shortens the waits of the children that depend on a service that has become ready.
    pub(super) fn wake(&mut self, name: &str, at: Duration) {
        for path in &self.pending {
            let Some(child) = self.children.get_mut(path) else { continue };
            if !child.spec.dependencies().iter().any(|dependency| *dependency.name == *name) {
                continue;
            }
            if let Some(call) = &mut child.call {
                call.earliest = call.earliest.min(at);
            }
            if let Held::Parked { from, .. } = &mut child.held {
                *from = at.min(*from);
            }
        }
    }

    /// Finds the restarts and probes that are missing by now.
    pub(super) fn look(&mut self, at: Duration, found: &mut Vec<Violation>) {
        let is_ordered = self.strategy != Strategy::OneForOne || self.had_group;
        if self.is_booting || !self.is_settled || (is_ordered && !self.busy.is_empty()) {
            self.last_busy = at;
        }
        if self.may_end || self.is_ending || self.pending.is_empty() {
            return;
        }
        let mut late = Vec::new();
        for path in &self.pending {
            let Some(child) = self.children.get(path) else { continue };
            let by = match (&child.call, child.held) {
                (Some(Call { by: Some(by), most, was_put_off, .. }), _) => {
                    let again = if *was_put_off { Duration::ZERO } else { *most };
                    (*by).max(self.last_busy.saturating_add(again).saturating_add(self.margin))
                }
                (None, Held::Parked { by, .. }) => by.max(self.last_busy.saturating_add(self.margin)),
                (Some(_) | None, _) => continue,
            };
            // The group of another child may have taken it over.
            let others = self.callers(path);
            let taken_over = others.iter().filter_map(|caller| self.call(caller)?.by.or(Some(Duration::MAX))).max();
            let by = taken_over.map_or(by, |other| other.saturating_add(self.margin).max(by));
            if at > by {
                late.push((path.clone(), by));
            }
        }
        for (path, by) in late {
            let Some(child) = self.children.get_mut(&path) else { continue };
            let rule = match &mut child.call {
                Some(call) => {
                    call.by = None;
                    let most = call.most;
                    format!("it ended at {:.3?}, and its policy allows a delay of {most:.3?} at most", call.at)
                }
                None => {
                    child.held = Held::Parked { from: Duration::ZERO, by: Duration::MAX };
                    "its probe was to come".to_owned()
                }
            };
            self.find(found, Claim::Delay, by, format!("{path} was not started: {rule}"));
        }
    }

    /// Moves all limits by a time in which supervisors can do nothing.
    pub(super) fn put_off(&mut self, by: Duration) {
        self.last_busy = self.last_busy.saturating_add(by);
        for path in &self.pending {
            let Some(child) = self.children.get_mut(path) else { continue };
            if let Some(Call { by: Some(due), .. }) = &mut child.call {
                *due = due.saturating_add(by);
            }
            if let Held::Parked { by: due, .. } = &mut child.held {
                *due = due.saturating_add(by);
            }
        }
    }

    /// Checks the time of the next probe of a parked child.
    pub(super) fn probe(
        &mut self,
        path: &Arc<str>,
        probe_in: Duration,
        at: Duration,
        is_certain: bool,
        found: &mut Vec<Violation>,
    ) {
        let margin = self.margin;
        let Some(child) = self.children.get_mut(path) else { return };
        let (least, most) = child.history.take_probe(&child.spec, is_certain);
        child.held =
            Held::Parked { from: at.saturating_add(least), by: at.saturating_add(most).saturating_add(margin) };
        if is_certain && (probe_in.saturating_add(ROUNDING) < least || probe_in > most.saturating_add(ROUNDING)) {
            let evidence = format!("{path} is parked for {probe_in:.3?}: its policy says {}", between(least, most));
            self.find(found, Claim::Delay, at, evidence);
        }
    }
}

fn between(least: Duration, most: Duration) -> String {
    if least == most { format!("{least:.3?}") } else { format!("between {least:.3?} and {most:.3?}") }
}

impl History {
    /// Returns the least and the greatest time until the next probe.
    fn take_probe(&mut self, spec: &ChildSpec, is_certain: bool) -> (Duration, Duration) {
        let policy = spec.policy_rule();
        let delays = |for_kept| reading::delays(&reading::probes(&policy, for_kept), self.probes, self.probe_before);
        let (least, most) = match self.parks_for_kept.unwrap_or(Tri::No) {
            Tri::Yes => delays(true),
            Tri::No => delays(false),
            Tri::Maybe => {
                let (one, other) = (delays(true), delays(false));
                (one.0.min(other.0), one.1.max(other.1))
            }
        };
        self.probes.take(is_certain);
        self.probe_before = self.probe_before.max(most);
        (least, most)
    }

    /// Begins every curve at its start again. A child that was on probation has its budget back.
    fn succeed(&mut self) {
        match self.half_open() {
            Tri::Yes => {
                self.died.units.clear();
                self.unready.units.clear();
            }
            Tri::Maybe => {
                self.died.units.blur();
                self.unready.units.blur();
            }
            Tri::No => {}
        }
        (self.is_half_open, self.parks_for_kept) = (None, None);
        for account in [&mut self.died, &mut self.unready] {
            (account.steps, account.before) = (Steps::exactly(0), Duration::ZERO);
        }
        (self.probes, self.probe_before) = (Steps::exactly(0), Duration::ZERO);
    }
}
