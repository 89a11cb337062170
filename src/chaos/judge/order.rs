//! The order: children start eldest first, one after the other, and stop youngest first; one that depends on a sibling stops
//! before it, whatever their places.

use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::Strategy;

use crate::chaos::judge::child::Held;
use crate::chaos::judge::office::Office;
use crate::chaos::judge::{Claim, Violation};

impl Office {
    /// At boot, and when a group is started.
    pub(super) fn is_its_turn(&self, path: &Arc<str>, at: Duration, found: &mut Vec<Violation>) {
        let Some(child) = self.children.get(path).filter(|_| !self.is_dynamic) else { return };
        let Some(stopped_for) = &child.stopped_for else { return };
        for (place, other) in &self.order {
            let Some(sibling) = self.children.get(other).filter(|_| other != path) else { continue };
            if sibling.is_ordered {
                continue;
            }
            let is_elder = *place < child.place;
            let is_first = stopped_for.as_ref().is_some_and(|(number, caller)| {
                caller == other && sibling.call.as_ref().is_some_and(|call| call.number == *number)
            });
            let is_left_out = sibling.stopped_for.is_some() && sibling.call.is_none();
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

    /// When a group, or the supervisor, is stopped.
    pub(super) fn stops_in_turn(&self, path: &Arc<str>, at: Duration, found: &mut Vec<Violation>) {
        if self.is_together || self.is_at_once || self.is_dynamic {
            return;
        }
        let Some(child) = self.children.get(path) else { return };
        let is_tied = self.children.values().any(|child| !child.spec.dependencies().is_empty());
        for (place, other) in &self.order {
            let Some(sibling) = self.children.get(other).filter(|_| other != path) else { continue };
            if sibling.life.is_none() || sibling.is_ordered {
                continue;
            }
            let (needs, is_needed) = match is_tied {
                true => (self.depends(path, other), self.depends(other, path)),
                false => (false, false),
            };
            let rule = match (needs, is_needed) {
                // A circle has no order, and one that is killed need not be mourned.
                (true, true) => continue,
                (false, true) if self.is_killed => continue,
                (false, true) => "it depends on it, and dependents stop first",
                (true, false) => continue,
                (false, false) if *place < child.place => continue,
                (false, false) if is_tied && (self.is_moved(path) || self.is_moved(other)) => continue,
                (false, false) => "it was started later, and the youngest stop first",
            };
            let evidence = format!("{path} is told to stop while {other} still lives: {rule}");
            return self.find(found, Claim::Order, at, evidence);
        }
    }

    /// Whether a child depends on a sibling, over others or not.
    fn depends(&self, path: &str, on: &str) -> bool {
        let mut seen = Vec::new();
        let mut next = self.dependencies(path);
        while let Some(dependency) = next.pop() {
            if &*dependency == on {
                return true;
            }
            if !seen.contains(&dependency) {
                next.extend(self.dependencies(&dependency));
                seen.push(dependency);
            }
        }
        false
    }

    fn dependencies(&self, path: &str) -> Vec<Arc<str>> {
        let names = self.children.get(path).map(|child| child.spec.dependencies()).unwrap_or_default();
        let siblings = names.iter().map(|on| &on.name).filter(|name| !name.starts_with('/'));
        siblings.map(|name| format!("{}/{name}", self.path).into()).collect()
    }

    /// A dependency moves it out of its place: it depends on a younger sibling, or an elder one depends on it.
    fn is_moved(&self, path: &str) -> bool {
        let Some(child) = self.children.get(path) else { return false };
        self.order.iter().any(|(place, other)| {
            (*place > child.place && self.depends(path, other)) || (*place < child.place && self.depends(other, path))
        })
    }
}
