//! The faults of a run: armed, struck, and recovered from.
//!
//! Invariants:
//! 1. An end is put down to the faults that struck that incarnation, and to no others.
//! 2. A fault is at work while it can strike, or while a child is down because of it.
//! 3. Of many faults the latest are kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::name::is_within;
use crate::chaos::recorder::round;
use crate::chaos::report::{FaultRecord, Totals};

/// Faults that are kept.
const FAULTS_MAX: usize = 10_000;
/// Siblings of one fault that are kept.
const SIBLINGS_MAX: usize = 10;

#[derive(Debug, Default)]
pub(super) struct FaultLog {
    /// Faults by their numbers.
    faults: BTreeMap<usize, FaultRecord>,
    open: BTreeMap<usize, Open>,
}

/// A fault at work.
#[derive(Debug, Default)]
struct Open {
    /// Whether it can strike, or strike again.
    is_armed: bool,
    /// Time of its last strike.
    since: f64,
    /// Incarnations that it struck and that have not ended yet, with the generation if it matters.
    struck: Vec<(Arc<str>, Option<u64>)>,
    /// Children that ended because of it and are not up again.
    down: Vec<Arc<str>>,
}

impl Open {
    fn is_over(&self) -> bool {
        !self.is_armed && self.struck.is_empty() && self.down.is_empty()
    }
}

impl FaultLog {
    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    /// Adds a fault that was injected. If it is armed and hit a child, it is at work from now on.
    pub(super) fn inject(&mut self, record: FaultRecord, is_armed: bool) {
        let number = record.number;
        if record.missed.is_none() && is_armed {
            self.open.insert(number, Open { is_armed, ..Open::default() });
        }
        self.faults.insert(number, record);
        if self.faults.len() > FAULTS_MAX
            && let Some((oldest, _)) = self.faults.pop_first()
        {
            self.open.remove(&oldest);
        }
    }

    /// Notes that the fault takes effect on an incarnation. Returns its kind, if that was the first time.
    pub(super) fn strikes(
        &mut self,
        number: usize,
        path: &Arc<str>,
        generation: Option<u64>,
        at: f64,
        is_last: bool,
    ) -> Option<String> {
        let fault = self.faults.get_mut(&number)?;
        let open = self.open.entry(number).or_default();
        open.is_armed &= !is_last;
        open.since = at;
        open.struck.push((path.clone(), generation));
        let is_first = fault.struck_at.replace(fault.struck_at.unwrap_or(at)).is_none();
        is_first.then(|| fault.kind.clone())
    }

    /// Notes that the incarnation did not end because of it.
    pub(super) fn passes(&mut self, number: usize, path: &str) {
        if let Some(open) = self.open.get_mut(&number) {
            open.struck.retain(|(struck, _)| **struck != *path);
        }
        self.close();
    }

    pub(super) fn clear(&mut self, number: usize, at: f64) {
        if let Some(fault) = self.faults.get_mut(&number) {
            fault.healed_at = Some(at);
        }
        if let Some(open) = self.open.get_mut(&number) {
            open.is_armed = false;
        }
        self.close();
    }

    /// Clears all faults that can still strike.
    pub(super) fn clear_all(&mut self, at: f64) {
        let armed: Vec<_> = self.open.iter().filter(|(_, open)| open.is_armed).map(|(number, _)| *number).collect();
        armed.into_iter().for_each(|number| self.clear(number, at));
    }

    /// Notes that an incarnation has ended, or a start has failed.
    pub(super) fn ended(&mut self, path: &Arc<str>, generation: u64, at: f64, totals: &mut Totals) {
        let is_it = |(struck, of): &(Arc<str>, Option<u64>)| struck == path && of.is_none_or(|of| of == generation);
        let is_struck = self.open.values().any(|open| open.struck.iter().any(is_it));
        for (number, open) in &mut self.open {
            let Some(fault) = self.faults.get_mut(number) else { continue };
            let before = open.struck.len();
            // Invariant 1.
            open.struck.retain(|struck| !is_it(struck));
            if open.struck.len() < before {
                open.down.push(path.clone());
                if fault.detected_after.is_none() {
                    let after = round(at - open.since);
                    fault.detected_after = Some(after);
                    longest(&mut totals.detection_max, after);
                }
            } else if !is_struck
                && (!open.struck.is_empty() || !open.down.is_empty())
                && fault.siblings_touched.len() < SIBLINGS_MAX
                && !fault.targets.iter().chain(&fault.siblings_touched).any(|other| **other == **path)
            {
                fault.siblings_touched.push(path.to_string());
            }
        }
    }

    pub(super) fn started(&mut self, path: &str, at: f64) {
        for (number, open) in &mut self.open {
            let before = open.down.len();
            open.down.retain(|down| **down != *path);
            // All of its targets that went down are up again.
            let has_recovered = before > 0 && open.down.is_empty() && open.struck.is_empty();
            if let (true, Some(fault)) = (has_recovered, self.faults.get_mut(number)) {
                fault.recovered_after = Some(round(at - open.since));
            }
        }
        self.close();
    }

    /// Notes that the child and its subtree stay down. Faults stop waiting for their recovery.
    pub(super) fn stays_down(&mut self, path: &str) {
        let is_there = |other: &str| is_within(other, path);
        for (number, open) in &mut self.open {
            open.struck.retain(|(struck, _)| !is_there(struck));
            open.down.retain(|down| !is_there(down));
            // If a child with this path comes again and is struck, the fault is at work again.
            if self.faults.get(number).is_none_or(|fault| fault.targets.iter().all(|target| is_there(target))) {
                open.is_armed = false;
            }
        }
        self.close();
    }

    /// Forgets which children are down, because events were missed.
    pub(super) fn forget(&mut self) {
        for open in self.open.values_mut() {
            open.struck.clear();
            open.down.clear();
        }
        self.close();
    }

    fn close(&mut self) {
        self.open.retain(|_, open| !open.is_over());
    }

    pub(super) fn detections(&self) -> Vec<f64> {
        self.faults.values().filter_map(|fault| fault.detected_after).collect()
    }

    pub(super) fn take(&mut self) -> Vec<FaultRecord> {
        std::mem::take(&mut self.faults).into_values().collect()
    }
}

pub(super) fn longest(longest: &mut Option<f64>, time: f64) {
    *longest = Some(longest.map_or(time, |longest| longest.max(time)));
}
