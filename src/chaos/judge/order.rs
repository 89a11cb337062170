//! The order: children start eldest first, one after the other, and stop youngest first; one that depends on a sibling
//! stops before it, whatever their places.

use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::{StopOrder, Strategy};

use crate::chaos::judge::child::Held;
use crate::chaos::judge::needs::Needs;
use crate::chaos::judge::supervisor_view::{SupervisorView, reaches};
use crate::chaos::judge::{Claim, Violation};

impl SupervisorView {
    /// Checks the order of starts, at boot and in a group.
    pub(super) fn is_its_turn(&self, path: &Arc<str>, at: Duration, found: &mut Vec<Violation>) {
        // An order may start a child before its group is started.
        let Some(child) = self.children.get(path).filter(|child| !self.is_dynamic && !child.is_ordered) else { return };
        let Some(stopped_for) = &child.stopped_for else { return };
        // If several ends take it along, it may be started for one with a group that leaves out some of its elders.
        let is_unsure = stopped_for.is_none() && !self.is_booting;
        for (place, other) in &self.order {
            let Some(sibling) = self.children.get(other).filter(|_| other != path) else { continue };
            if sibling.is_ordered {
                continue;
            }
            let is_elder = *place < child.place;
            let is_first = stopped_for.as_ref().is_some_and(|(number, caller)| {
                caller == other && sibling.call.as_ref().is_some_and(|call| call.number == *number)
            });
            let is_left_out = !is_unsure && sibling.stopped_for.is_some() && sibling.call.is_none();
            if is_elder && sibling.life.is_none() && sibling.held == Held::No && (is_first || is_left_out) {
                let evidence = format!("{path} is started before its elder {other}: groups start in start order");
                return self.find(found, Claim::Order, at, evidence);
            }
            let is_busy = sibling.is_stopping() || sibling.is_starting();
            if is_busy && (self.strategy != Strategy::OneForOne || self.is_booting) {
                let what = if sibling.is_stopping() { "stopping" } else { "starting" };
                let evidence = format!(
                    "{path} is started while {other} is {what}: a group starts one after the other, and after the last stop"
                );
                return self.find(found, Claim::Order, at, evidence);
            }
        }
    }

    /// Updates the stop order from dependencies, but not while children are being stopped together.
    pub(super) fn tie(&mut self, needs: &Needs, at: Duration) {
        let goes_on = at == self.heard_at || self.clock.is_stopping();
        if self.ties_of == 0 || (self.ties_of != needs.changes && !goes_on) {
            (self.ties, self.ties_of) = (needs.among(&self.path), needs.changes);
        }
    }

    /// Checks the order of stops, in a group and at the end of the supervisor.
    pub(super) fn stops_in_turn(&self, path: &Arc<str>, at: Duration, found: &mut Vec<Violation>) {
        if self.is_at_once {
            return;
        }
        let Some(child) = self.children.get(path) else { return };
        let callers = if self.is_ending { Vec::new() } else { self.callers(path) };
        for (place, other) in &self.order {
            let Some(sibling) = self.children.get(other).filter(|_| other != path) else { continue };
            if sibling.life.is_none() || sibling.is_ordered {
                continue;
            }
            let rule = match (self.ties.holds(path, other), self.ties.holds(other, path)) {
                // A supervisor that is killed does not stop its children in order.
                (false, true) if self.is_killed => continue,
                // A sibling that stays up need not stop first.
                (false, true) if !self.is_ending && !self.is_taken_along(other, *place, &callers) => continue,
                (false, true) => "it depends on it, and dependents stop first",
                (true, false) => continue,
                (_, _) if self.stops_together() || *place < child.place => continue,
                (_, _) if self.is_moved(path) || self.is_moved(other) => continue,
                (_, _) => "it was started later, and the youngest stop first",
            };
            let evidence = format!("{path} is told to stop while {other} still lives: {rule}");
            return self.find(found, Claim::Order, at, evidence);
        }
    }

    /// Whether the children that are being stopped may be stopped all at once. An end and a group restart that come
    /// together cannot be told apart.
    fn stops_together(&self) -> bool {
        match self.stop_order {
            StopOrder::OneByOne => false,
            StopOrder::TogetherAtEnd => self.is_ending || self.may_end,
            StopOrder::Together => true,
        }
    }

    /// Whether it is one of these callers, or is restarted with one of them.
    fn is_taken_along(&self, path: &Arc<str>, place: u64, callers: &[Arc<str>]) -> bool {
        callers.iter().any(|caller| {
            let call = self.children.get(caller).and_then(|child| Some((child.place, child.call.as_ref()?.scope)));
            caller == path || call.is_some_and(|(from, scope)| reaches(scope, from, place))
        })
    }

    /// Whether a dependency changes its stop order: it depends on a younger sibling, or an elder one depends on it.
    fn is_moved(&self, path: &str) -> bool {
        let Some(child) = self.children.get(path).filter(|_| !self.ties.are_none()) else { return false };
        self.order.iter().any(|(place, other)| {
            (*place > child.place && self.ties.holds(path, other))
                || (*place < child.place && self.ties.holds(other, path))
        })
    }
}
