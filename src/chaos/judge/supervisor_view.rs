//! The life of a supervisor as the judge follows it: everything that was stated about it, in order.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::{AutoShutdown, Exit, Intensity, StopOrder, Strategy};

use crate::chaos::judge::child::{Call, Child, Held, Life, Units};
use crate::chaos::judge::clock::Clock;
use crate::chaos::judge::enrol::Given;
use crate::chaos::judge::needs::Ties;
use crate::chaos::judge::reading::{Phase, Scope, Tri};
use crate::chaos::judge::{Claim, Violation};
use crate::tree::paths::name_of;
use crate::tree::statements::{Seen, What};

#[derive(Debug)]
pub(super) struct SupervisorView {
    pub(super) path: Arc<str>,
    pub(super) life: usize,
    pub(super) strategy: Strategy,
    pub(super) auto_shutdown: AutoShutdown,
    pub(super) intensity: Intensity,
    pub(super) clock: Clock,
    pub(super) stop_order: StopOrder,
    /// The stop order that follows from dependencies.
    pub(super) ties: Ties,
    /// The number of changes of the needs when `ties` were computed.
    pub(super) ties_of: u64,
    pub(super) is_dynamic: bool,
    pub(super) children: HashMap<Arc<str>, Child>,
    /// Children by their places, in start order.
    pub(super) order: BTreeMap<u64, Arc<str>>,
    pub(super) places: u64,
    /// Children that are being started or stopped.
    pub(super) busy: BTreeSet<Arc<str>>,
    /// Children with an end that was not dealt with yet, or with a probe to come.
    pub(super) pending: BTreeSet<Arc<str>>,
    pub(super) is_booting: bool,
    /// Whether it was told to end, or may end for its own reasons.
    pub(super) may_end: bool,
    pub(super) is_ending: bool,
    pub(super) is_killed: bool,
    pub(super) is_at_once: bool,
    /// Whether everything uncertain is over: the time before the experiment, or before an order about all children. No
    /// violation is found before that.
    pub(super) is_settled: bool,
    pub(super) shared: Units,
    pub(super) heard_at: Duration,
    /// Number of statements so far.
    pub(super) number: u64,
    pub(super) last_busy: Duration,
    /// Whether a rule has restarted all children.
    pub(super) had_group: bool,
    pub(super) orders: HashMap<u64, Given>,
    pub(super) margin: Duration,
}

impl SupervisorView {
    pub(super) fn hear(&mut self, at: Duration, seen: Seen, found: &mut Vec<Violation>) {
        self.number += 1;
        // Actions at one moment belong together: a supervisor that stops one child after the other never rests in
        // between.
        if at > self.heard_at {
            self.heard_at = at;
            self.settle();
        }
        match seen {
            Seen::Child { path, what } => {
                self.hear_of(&path, what, at, found);
                self.note(&path);
            }
            Seen::IsReady { name } => self.wake(&name, at),
            Seen::Ordered { call, path, is_park } => self.ordered(call, Given { path, is_park }),
            Seen::Answered { call, is_done } => self.answered(call, is_done, at, found),
            Seen::ToEnd { by_force, at_once } => {
                self.may_end = true;
                self.is_killed |= by_force;
                self.is_at_once |= at_once;
            }
            Seen::Up => self.is_booting = false,
            Seen::Roll(_) | Seen::Over => {}
        }
    }

    fn hear_of(&mut self, path: &Arc<str>, what: What, at: Duration, found: &mut Vec<Violation>) {
        if let What::Adopted(spec) = what {
            return self.adopted(path, *spec);
        }
        let Some(child) = self.children.get_mut(path) else { return };
        let says_ready = child.says_ready();
        match what {
            What::Adopted(_) => {}
            What::Started(attempt) => {
                let Some(life) = &mut child.life else { return };
                if life.attempt != Some(attempt) {
                    let others = life.attempt;
                    if !life.is_foreign {
                        let rule = format!("its attempt {} still lives", others.unwrap_or_default());
                        self.find(found, Claim::Alive, at, format!("{path} came up in attempt {attempt}: {rule}"));
                    }
                } else if !life.is_up {
                    life.is_up = true;
                    life.ready_at = (!says_ready).then_some(at);
                    if !says_ready && !life.is_told {
                        self.wake(name_of(path), at);
                    }
                }
            }
            What::Ready(attempt) => {
                let Some(life) = child.life.as_mut().filter(|life| life.attempt == Some(attempt)) else { return };
                if life.is_up && life.ready_at.is_none() {
                    life.ready_at = Some(at);
                    self.wake(name_of(path), at);
                }
            }
            What::Ignored(attempt) => {
                if child.life.as_ref().is_some_and(|life| life.attempt == Some(attempt)) {
                    let was_told = child.life.take().is_some_and(|life| life.is_told);
                    (child.call, child.held, child.stopped_for) = (None, Held::Rests, None);
                    if was_told {
                        self.clock.stop_is_over(at);
                    }
                }
            }
            What::StartFailed(attempt, exit) | What::Ended(attempt, exit) => {
                if child.life.as_ref().is_some_and(|life| life.attempt == Some(attempt)) {
                    self.ended(path, &exit, at);
                }
            }
            What::Abandon => {
                let was_killed =
                    child.life.as_ref().is_none_or(|life| life.is_told || life.is_doomed || life.is_foreign);
                // The reason of the kill was not stated, and a rule may be about it.
                let has_rules = child.spec.policy_rule().rules.is_some();
                if !was_killed && !self.is_at_once {
                    let evidence = format!("{path} is cut off, and was never told to stop: it has a shutdown time");
                    self.find(found, Claim::Order, at, evidence);
                }
                self.ended(path, &Exit::Killed, at);
                if let Some(call) = self.children.get_mut(path).and_then(|child| child.call.as_mut()) {
                    call.is_loose |= has_rules;
                }
            }
            What::KillUnderWay | What::Overdue => {
                if let Some(life) = &mut child.life {
                    life.is_doomed |= !life.is_told;
                }
            }
            What::Start(attempt) => self.start(path, attempt, at, found),
            What::Ask | What::Kill => self.stop(path, at, found),
            // Members of its group are started without it.
            What::Waits | What::Parked(_) | What::ParkedByOrder | What::Blocked | What::GivenUp | What::Rests
                if self.last_busy < at =>
            {
                self.last_busy = at;
                self.release(path, at);
                self.hear_of(path, what, at, found);
            }
            What::Delayed(delay) => self.delayed(path, delay, at, found),
            What::Waits => self.waits(path, at, found),
            What::Parked(probe_in) => self.parked(path, probe_in, at, found),
            What::ParkedByOrder => self.parked_by_order(path, at, found),
            What::Blocked => self.blocked(path, at, found),
            What::Renewed => self.renewed(path, at, found),
            // What follows is as for an order.
            What::TooManyFailures => child.is_ordered = child.spec.policy_rule().failure_rate.is_some(),
            What::KeptSetAside => child.history.parks_for_kept = Some(Tri::Yes),
            What::Missed => self.missed(path, at, found),
            What::Rests => self.rests(path, at, found),
            What::Forgotten => {
                self.leave_group(path);
                self.rests(path, at, found);
                if let Some(child) = self.children.remove(path) {
                    self.order.remove(&child.place);
                }
                self.pending.remove(path);
                self.busy.remove(path);
            }
            What::GaveUp { is_from_below } => self.gave_up(path, is_from_below, at, found),
            What::GivenUp => self.given_up(path, at, found),
        }
    }

    /// Takes the end of a life.
    fn ended(&mut self, path: &Arc<str>, exit: &Exit, at: Duration) {
        let Some(life) = self.children.get_mut(path).and_then(|child| child.life.take()) else { return };
        if life.is_told {
            self.clock.stop_is_over(at);
        }
        if !life.is_told && !self.is_ending {
            self.unexpected(path, &life, exit, at);
        }
    }

    fn start(&mut self, path: &Arc<str>, attempt: u64, at: Duration, found: &mut Vec<Violation>) {
        self.may_start(path, attempt, at, found);
        self.is_time(path, at, found);
        self.is_its_turn(path, at, found);
        self.charge(path, at, found);
        self.leaves_none_running(path, at, found);
        self.release(path, at);
        let number = self.number;
        let Some(child) = self.children.get_mut(path) else { return };
        (child.call, child.held, child.stopped_for) = (None, Held::No, None);
        (child.may_start, child.may_stop) = (false, false);
        let by_order = child.is_ordered;
        child.is_ordered &= child.orders > 0;
        // On probation, the schedule that it was parked on stays in force.
        child.history.parks_for_kept = match child.history.half_open() {
            Tri::Yes => child.history.parks_for_kept,
            Tri::Maybe => child.history.parks_for_kept.map(|_| Tri::Maybe),
            Tri::No => None,
        };
        child.life = Some(Life { by_order, ..Life::begun(Some(attempt), number) });
    }

    /// Lets the group of this child go on. Its members that are down are started with it, also those with a failed
    /// start. So are those with ends that the group has swallowed, whatever their delays.
    pub(super) fn release(&mut self, path: &str, at: Duration) {
        let Some(child) = self.children.get(path) else { return };
        let Some((scope, place)) = child.call.as_ref().map(|call| (call.scope, child.place)) else { return };
        if scope == Scope::Alone {
            return;
        }
        for member in self.children.values_mut().filter(|member| reaches(scope, place, member.place)) {
            member.may_start |= member.life.is_none();
            if let Some(call) = member.call.as_mut().filter(|call| call.is_covered) {
                call.earliest = call.earliest.min(at);
            }
        }
    }

    fn stop(&mut self, path: &Arc<str>, at: Duration, found: &mut Vec<Violation>) {
        // A child that is killed for another reason ends without having been told to.
        let is_new = |life: &Life| !life.is_told && !life.is_doomed;
        if !self.children.get(path).and_then(|child| child.life.as_ref()).is_some_and(is_new) {
            return;
        }
        self.may_stop(path, at, found);
        self.clock.stop_begins(at);
        if let Some(life) = self.children.get_mut(path).and_then(|child| child.life.as_mut()) {
            life.is_told = true;
        }
    }

    /// Returns the children that take this one along when they are restarted, because it is in their group.
    pub(super) fn callers(&self, path: &str) -> Vec<Arc<str>> {
        let Some(place) = self.children.get(path).map(|child| child.place) else { return Vec::new() };
        let takes_along = |other: &&Arc<str>| {
            let Some(child) = self.children.get(*other).filter(|_| ***other != *path) else { return false };
            child.call.as_ref().is_some_and(|call| call.restarts() && reaches(call.scope, child.place, place))
        };
        self.pending.iter().filter(takes_along).cloned().collect()
    }

    pub(super) fn call(&self, path: &str) -> Option<&Call> {
        self.children.get(path)?.call.as_ref()
    }

    pub(super) fn call_mut(&mut self, path: &str) -> Option<&mut Call> {
        self.children.get_mut(path)?.call.as_mut()
    }

    /// Updates `busy` and `pending` for this child.
    pub(super) fn note(&mut self, path: &Arc<str>) {
        let (is_busy, is_pending) = self.children.get(path).map_or((false, false), |child| {
            let is_parked = matches!(child.held, Held::Parked { .. });
            (child.is_starting() || child.is_stopping(), child.call.is_some() || is_parked)
        });
        for (table, is_in) in [(&mut self.busy, is_busy), (&mut self.pending, is_pending)] {
            if is_in {
                table.insert(path.clone());
            } else {
                table.remove(path);
            }
        }
    }

    pub(super) fn find(&self, found: &mut Vec<Violation>, claim: Claim, at: Duration, evidence: String) {
        if self.is_settled {
            found.push(Violation { claim, at, evidence });
        }
    }
}

/// Whether the group of a child at place `from` includes the one at place `to`.
pub(super) fn reaches(scope: Scope, from: u64, to: u64) -> bool {
    match scope {
        Scope::Alone => false,
        Scope::Rest => to > from,
        Scope::All => to != from,
    }
}

pub(super) fn phase_of(life: &Life) -> Phase {
    match (life.is_up, life.ready_at) {
        (false, _) => Phase::StartFailed,
        (true, None) => Phase::NotReady,
        (true, Some(_)) => Phase::Died,
    }
}
