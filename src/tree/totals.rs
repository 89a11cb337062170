//! The counters of the services of a tree, added up by template.
//!
//! A service that is removed from the directory adds its counters to the totals of its template. It does so when it has
//! settled: it is gone, has no incarnation, nothing queued and nothing in hand. Until then it is on the list of those that leave, and
//! its slot is read.
//!
//! Invariants:
//! 1. A slot is either listed, or leaves, or is part of the totals. It changes from the first to the second under the
//!    lock of the directory's lists, and from the second to the third under the lock of the state.
//! 2. While a reader adds up, no slot becomes part of the totals and none is taken out. A slot that was listed when the
//!    reader began is found in the directory, where its path does not change, or among those that have left or come back
//!    since. A slot that was part of the totals then, and is found listed, is known by what is to be taken out. So a reader
//!    takes the listed slots in slices, counts each slot once, and its sums never fall from one read to the next.
//! 3. A slot is taken out of the totals before it is opened again. Later counts are not part of what is taken out.
//! 4. Order of locking: the lists of the directory, the state, a slot. No slot is dropped under the lock of the state.
//!
//! Memory is bounded by [`TEMPLATES_MAX`](crate::tree::templates) totals, and by the removed services that still have a message in hand.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use crate::base::sync::lock;
use crate::slot::accounting::Accounting;
use crate::slot::erased::{AnySlot, Standing};
use crate::slot::status::ServiceState;
use crate::slot::tally::{Look, Tally};
#[cfg(feature = "admin")]
use crate::tree::directory::Directory;
use crate::tree::directory::{ChildKind, Listed};
use crate::tree::paths::Grouping;
use crate::tree::templates::{Names, Naming, TemplateId};

#[cfg(test)]
mod check;
#[cfg(test)]
mod tests;

#[derive(Default)]
pub(crate) struct Templates(Mutex<State>);

#[derive(Default)]
struct State {
    names: Names,
    /// The sums, each at the place of its template.
    sums: Vec<Sum>,
    leaving: VecDeque<Leaving>,
    /// Counters of slots that are listed again. They are taken out of the totals when no reader is at work.
    owed: Vec<Owed>,
    readers: usize,
    /// Slots that had left, and are listed again, since the first of the readers began.
    readmitted: Vec<Leaving>,
}

/// Counters of a slot that are to be taken out of the totals. The slot is there until then: it is listed, or leaves.
#[derive(Clone)]
struct Owed {
    template: TemplateId,
    tally: Tally,
    /// Address of the slot.
    slot: usize,
}

/// Counters of the slots of one template that have left and settled.
#[derive(Clone)]
struct Sum {
    /// Kind of the child that left last, or of the first one.
    kind: ChildKind,
    ended: Tally,
}

/// Slot that has left the directory and has not settled.
#[derive(Clone)]
struct Leaving {
    template: TemplateId,
    slot: Arc<dyn AnySlot>,
}

impl State {
    /// Returns the number of a template, which begins to have totals if it has none.
    fn number(&mut self, name: &str, kind: ChildKind) -> TemplateId {
        let id = self.names.number(name);
        if self.sums.len() <= id.place() {
            self.sums.push(Sum { kind, ended: Tally::default() });
        }
        id
    }

    fn sum(&mut self, id: TemplateId) -> &mut Sum {
        &mut self.sums[id.place()]
    }

    /// Adds the counters of a slot to the totals, if it has settled and no reader is at work.
    fn settle(&mut self, place: usize) -> Option<Leaving> {
        let leaving = self.leaving.get(place).filter(|_| self.readers == 0)?;
        if leaving.slot.standing() != Standing::Leaving {
            return None;
        }
        let Look { tally, state, .. } = leaving.slot.look();
        // An incarnation that has not ended may still come up, which counts.
        let is_vacant = leaving.slot.control().is_none();
        let Accounting { queued, in_hand, .. } = tally.accounting;
        let has_settled = state == ServiceState::Gone && is_vacant && queued == 0 && in_hand == 0;
        if !has_settled {
            return None;
        }
        let leaving = self.leaving.swap_remove_back(place)?;
        leaving.slot.set_standing(Standing::Ended(leaving.template.kept()));
        self.sum(leaving.template).ended.add(&tally.for_good());
        Some(leaving)
    }

    /// Takes a slot out of the totals, if it is part of them. It is read until it is listed.
    fn take_out(&mut self, slot: &Arc<dyn AnySlot>) {
        let Standing::Ended(template) = slot.standing() else { return };
        let template = TemplateId::of(template);
        slot.set_standing(Standing::Returning);
        self.leaving.push_back(Leaving { template, slot: slot.clone() });
        self.owed.push(Owed { template, tally: slot.look().tally.for_good(), slot: address(slot) });
        self.pay();
    }

    /// Takes out what is owed, if no reader is at work.
    fn pay(&mut self) {
        if self.readers == 0 {
            for Owed { template, tally, slot: _ } in std::mem::take(&mut self.owed) {
                self.sum(template).ended.subtract(&tally);
            }
        }
    }
}

impl Templates {
    /// Adds a removed and closed slot to the totals, if it has settled. Looks at one more that has left before.
    pub(crate) fn settle(&self, slot: &Arc<dyn AnySlot>) {
        let _settled = {
            let mut state = lock(&self.0);
            // It is nearly always the last.
            let place = state.leaving.iter().rposition(|leaving| Arc::ptr_eq(&leaving.slot, slot));
            let settled = place.and_then(|place| state.settle(place));
            let other = state.settle(0);
            // One that does not settle must not keep those behind it.
            if other.is_none() && state.readers == 0 {
                let unsettled = state.leaving.pop_front();
                state.leaving.extend(unsettled);
            }
            (settled, other)
        };
    }

    /// Takes a slot that is to be listed again out of the totals, before it is opened (invariant 3).
    pub(crate) fn returns(&self, slot: &Arc<dyn AnySlot>) {
        // Most slots have never left.
        if let Standing::Ended(_) = slot.standing() {
            lock(&self.0).take_out(slot);
        }
    }

    /// Begins to read: takes the slots that leave. Called under the lock of the lists.
    pub(crate) fn begin_to_read(&self) -> Reading<'_> {
        let mut state = lock(&self.0);
        state.readers += 1;
        Reading { templates: self, leaving: state.leaving.iter().cloned().collect(), owed: state.owed.clone() }
    }

    /// Number of slots that have left and not settled.
    pub(crate) fn leaving(&self) -> usize {
        lock(&self.0).leaving.len()
    }

    /// Number of templates with totals, and of slots that have not settled.
    #[cfg(test)]
    fn sizes(&self) -> (usize, usize) {
        let state = lock(&self.0);
        (state.names.all().len(), state.leaving.len())
    }

    /// Takes a slot back that is listed once more.
    #[cold]
    fn readmit(&self, slot: &Arc<dyn AnySlot>) {
        let _left = {
            let mut state = lock(&self.0);
            state.take_out(slot);
            slot.set_standing(Standing::Listed);
            let place = state.leaving.iter().rposition(|leaving| Arc::ptr_eq(&leaving.slot, slot));
            let left = place.and_then(|place| state.leaving.swap_remove_back(place));
            // Invariant 2: the readers may have passed its path.
            if state.readers > 0 {
                state.readmitted.extend(left.clone());
            }
            left
        };
    }
}

fn address(slot: &Arc<dyn AnySlot>) -> usize {
    Arc::as_ptr(slot).addr()
}

/// Reader of the totals (invariant 2).
pub(crate) struct Reading<'a> {
    templates: &'a Templates,
    leaving: Vec<Leaving>,
    owed: Vec<Owed>,
}

/// Sums of what services of one template have counted that are not listed any more.
pub(crate) struct Total {
    pub(crate) id: TemplateId,
    pub(crate) template: Arc<str>,
    pub(crate) kind: ChildKind,
    pub(crate) tally: Tally,
}

#[cfg(feature = "admin")]
impl Total {
    /// Number of restarts, those with others included.
    pub(crate) fn restarts(&self) -> u64 {
        self.tally.restarts.iter().sum::<u64>() + self.tally.taken_along
    }
}

impl Reading<'_> {
    /// Makes the slots of slices and those that leave disjoint, and complete: see invariant 2.
    pub(crate) fn complete(&mut self, listed: &mut Vec<(Arc<str>, Listed)>) {
        let (late, returned) = {
            let state = lock(&self.templates.0);
            let late: Vec<_> = state.leaving.iter().chain(&state.readmitted).cloned().collect();
            let returned: Vec<_> = state.owed.iter().skip(self.owed.len()).map(|owed| owed.slot).collect();
            (late, returned)
        };
        // Nothing has left or come back, as a rule.
        if late.is_empty() && returned.is_empty() {
            return;
        }
        let before = self.leaving.iter().map(|leaving| address(&leaving.slot));
        let mut counted: HashSet<usize> = before.chain(returned).collect();
        listed.retain(|(_, listed)| counted.insert(address(&listed.slot)));
        self.leaving.extend(late.into_iter().filter(|leaving| counted.insert(address(&leaving.slot))));
    }

    /// Returns the totals of each template that has a number, in the order of the numbers. Slots that leave are included.
    pub(crate) fn totals(&self) -> Vec<Total> {
        let mut totals: Vec<_> = {
            let state = lock(&self.templates.0);
            let named = state.names.all().iter().zip(&state.sums).enumerate();
            let total = |(place, (template, sum)): (usize, (&Arc<str>, &Sum))| {
                let Sum { kind, ended: tally } = sum.clone();
                Total { id: TemplateId::at(place), template: template.clone(), kind, tally }
            };
            named.map(total).collect()
        };
        for Owed { template, tally, slot: _ } in &self.owed {
            totals[template.place()].tally.subtract(tally);
        }
        for Leaving { template, slot } in &self.leaving {
            totals[template.place()].tally.add(&slot.look().tally);
        }
        totals
    }
}

#[cfg(feature = "admin")]
impl Directory {
    /// Returns what services counted that are not listed any more, of each template with any. Services that are leaving
    /// are among them.
    ///
    /// The listed ones are read by another look. A reader that reads them afterwards misses one that was removed in
    /// between, and the next look has it.
    pub(crate) fn ended(&self) -> Vec<Total> {
        let mut totals = self.templates.begin_to_read().totals();
        let has_any = |total: &Total| {
            total.tally.starts > 0 || total.restarts() > 0 || total.tally.accounting != Accounting::default()
        };
        totals.retain(has_any);
        totals
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut settled = Vec::new();
        let mut state = lock(&self.templates.0);
        state.readers -= 1;
        if state.readers == 0 {
            settled.append(&mut state.readmitted);
        }
        state.pay();
        for place in (0..state.leaving.len()).rev() {
            settled.extend(state.settle(place));
        }
        drop(state);
    }
}

impl Grouping<Listed> for Templates {
    fn naming(&self, path: &str, supervisor: &Listed) -> Naming {
        let id = supervisor.template;
        match supervisor.kind {
            ChildKind::Dynamic | ChildKind::Partitioned => {
                let mut state = lock(&self.0);
                let above: Arc<str> = if id == TemplateId::OWN { path.into() } else { state.names.get(id).clone() };
                // The kind of its children is set when the first is listed.
                Naming::Shared(state.number(&format!("{above}/*"), ChildKind::Service))
            }
            ChildKind::Service | ChildKind::Task | ChildKind::Thread | ChildKind::Actor | ChildKind::Supervisor => {
                if id == TemplateId::OWN { Naming::Own } else { Naming::Below(id) }
            }
        }
    }

    fn names_children(&self, listed: &Listed) -> bool {
        listed.kind.is_supervisor()
    }

    fn enters(&self, naming: Naming, path: &Arc<str>, listed: &mut Listed) {
        listed.template = match naming {
            Naming::Own => TemplateId::OWN,
            Naming::Shared(id) => id,
            Naming::Below(above) => {
                let mut state = lock(&self.0);
                let name = path.rsplit_once('/').map_or(&**path, |(_, name)| name);
                let name = format!("{}/{name}", state.names.get(above));
                state.number(&name, listed.kind)
            }
        };
        if listed.slot.standing() != Standing::Listed {
            self.readmit(&listed.slot);
        }
    }

    fn replaces(&self, path: &Arc<str>, before: &Listed, now: &mut Listed) {
        if Arc::ptr_eq(&before.slot, &now.slot) {
            // Its counters stay in the sums of one template.
            now.template = before.template;
        } else {
            self.leaves(path, before);
        }
    }

    fn leaves(&self, path: &str, listed: &Listed) {
        let mut state = lock(&self.0);
        let template = match listed.template {
            TemplateId::OWN => state.number(path, listed.kind),
            shared => {
                state.sum(shared).kind = listed.kind;
                shared
            }
        };
        listed.slot.set_standing(Standing::Leaving);
        state.leaving.push_back(Leaving { template, slot: listed.slot.clone() });
    }
}
