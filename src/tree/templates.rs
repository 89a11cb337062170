//! The counters of the services of a tree, added up by template.
//!
//! The template of a path is the path with `*` for each name that a dynamic or partitioned supervisor gave:
//! `shop/sessions/4711` belongs to `shop/sessions/*`. A child that was described is its own template.
//!
//! A service that is removed from the directory adds its counters to the totals of its template. It does so when it has
//! settled: it is gone, has no incarnation, nothing queued and nothing in hand. Until then it is on the list of those that leave, and
//! its slot is read.
//!
//! Invariants:
//! 1. A slot is either listed, or leaves, or is part of the totals. It changes from the first to the second under the
//!    lock of the directory's lists, and from the second to the third under the lock of the state.
//! 2. While a reader adds up, no slot becomes part of the totals and none is taken out. So a reader that has taken the
//!    listed slots, those that leave, and what is to be taken out, in one hold of both locks, counts each slot once. Its
//!    sums never fall from one read to the next.
//! 3. A slot is taken out of the totals before it is opened again. Later counts are not part of what is taken out.
//! 4. Order of locking: the lists of the directory, the state, a slot. No slot is dropped under the lock of the state.
//!
//! Memory is bounded by [`TEMPLATES_MAX`] totals, and by the removed services that still have a message in hand.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use crate::base::sync::lock;
use crate::slot::accounting::Accounting;
use crate::slot::erased::{AnySlot, Standing};
use crate::slot::status::ServiceState;
use crate::slot::tally::{Look, Tally};
use crate::tree::directory::{ChildKind, Listed};
use crate::tree::paths::Grouping;

/// Most templates with totals of their own. The ended services of all further ones share the template `other`.
const TEMPLATES_MAX: usize = 1_000;

/// Name of the template that stands for all further ones.
pub(crate) const OTHER: &str = "other";

/// Number of a template that has totals; zero for a child that is its own template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TemplateId(u32);

impl TemplateId {
    pub(crate) const OWN: Self = Self(0);

    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// The number as a slot keeps it.
    fn ended(self) -> u16 {
        u16::try_from(self.0)
            .unwrap_or_else(|_| unreachable!("there are at most {TEMPLATES_MAX} templates, and one more"))
    }
}

/// Rule by which the children of a supervisor belong to templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    /// Each is its own template.
    Own,
    /// All have this template.
    Shared(TemplateId),
    /// The template of each is this one and the name of the child.
    Below(TemplateId),
}

#[derive(Default)]
pub(crate) struct Templates(Mutex<State>);

#[derive(Default)]
struct State {
    numbers: HashMap<Arc<str>, TemplateId>,
    /// The template with the number n is at place n - 1.
    all: Vec<Template>,
    leaving: VecDeque<Leaving>,
    /// Counters of slots that are listed again. They are taken out of the totals when no reader is at work.
    owed: Vec<(TemplateId, Tally)>,
    readers: usize,
}

#[derive(Clone)]
struct Template {
    name: Arc<str>,
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
    fn number(&mut self, name: &str, kind: ChildKind) -> TemplateId {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let name: Arc<str> = if self.all.len() < TEMPLATES_MAX { name.into() } else { OTHER.into() };
        if let Some(other) = self.numbers.get(&name) {
            return *other;
        }
        self.all.push(Template { name: name.clone(), kind, ended: Tally::default() });
        let number = TemplateId(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        self.numbers.insert(name, number);
        number
    }

    fn template(&mut self, id: TemplateId) -> &mut Template {
        &mut self.all[id.0 as usize - 1]
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
        leaving.slot.set_standing(Standing::Ended(leaving.template.ended()));
        self.template(leaving.template).ended.add(&tally.for_good());
        Some(leaving)
    }

    /// Takes a slot out of the totals, if it is part of them. It is read until it is listed.
    fn take_out(&mut self, slot: &Arc<dyn AnySlot>) {
        let Standing::Ended(template) = slot.standing() else { return };
        let template = TemplateId(template.into());
        slot.set_standing(Standing::Returning);
        self.leaving.push_back(Leaving { template, slot: slot.clone() });
        self.owed.push((template, slot.look().tally.for_good()));
        self.pay();
    }

    /// Takes out what is owed, if no reader is at work.
    fn pay(&mut self) {
        if self.readers == 0 {
            for (template, tally) in std::mem::take(&mut self.owed) {
                self.template(template).ended.subtract(&tally);
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
        (state.all.len(), state.leaving.len())
    }

    /// Takes a slot back that is listed once more.
    #[cold]
    fn readmit(&self, slot: &Arc<dyn AnySlot>) {
        let _left = {
            let mut state = lock(&self.0);
            state.take_out(slot);
            slot.set_standing(Standing::Listed);
            let place = state.leaving.iter().rposition(|leaving| Arc::ptr_eq(&leaving.slot, slot));
            place.and_then(|place| state.leaving.swap_remove_back(place))
        };
    }
}

/// Reader of the totals (invariant 2).
pub(crate) struct Reading<'a> {
    templates: &'a Templates,
    leaving: Vec<Leaving>,
    owed: Vec<(TemplateId, Tally)>,
}

impl Reading<'_> {
    /// Calls `with` for each template that has totals, with its number, kind and totals. Slots that leave are included.
    pub(crate) fn totals(&self, mut with: impl FnMut(TemplateId, &Arc<str>, ChildKind, &Tally)) {
        let mut all = lock(&self.templates.0).all.clone();
        for (template, tally) in &self.owed {
            all[template.0 as usize - 1].ended.subtract(tally);
        }
        for (place, template) in (1..).zip(&all) {
            with(TemplateId(place), &template.name, template.kind, &template.ended);
        }
        for Leaving { template, slot } in &self.leaving {
            let Template { name, kind, .. } = &all[template.0 as usize - 1];
            with(*template, name, *kind, &slot.look().tally);
        }
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut settled = Vec::new();
        let mut state = lock(&self.templates.0);
        state.readers -= 1;
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
                let above: Arc<str> = if id == TemplateId::OWN { path.into() } else { state.template(id).name.clone() };
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
                let name = format!("{}/{name}", state.template(above).name);
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
                state.template(shared).kind = listed.kind;
                shared
            }
        };
        listed.slot.set_standing(Standing::Leaving);
        state.leaving.push_back(Leaving { template, slot: listed.slot.clone() });
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;
    use crate::slot::Slot;
    use crate::slot::consumer::SignalMask;
    use crate::slot::erased::Ownership;
    use crate::slot::settings::Settings;
    use crate::slot::tests::signals;
    use crate::tree::directory::Directory;

    fn sum(directory: &Directory) -> (u64, u64, u64) {
        let (listed, reading) = directory.read();
        let mut sum = Tally::default();
        reading.totals(|_, _, _, tally| sum.add(tally));
        listed.iter().for_each(|(_, listed)| sum.add(&listed.slot.look().tally));
        (sum.accounting.accepted, sum.accounting.crashed, sum.accounting.in_hand)
    }

    fn list(directory: &Directory, path: &str, slot: &Arc<dyn AnySlot>, kind: ChildKind) {
        slot.set_path(&path.into());
        directory.insert(&path.into(), kind, slot.clone(), None);
    }

    #[tokio::test]
    async fn a_removed_slot_is_read_until_its_message_in_hand_is_settled() {
        let directory = Directory::default();
        let supervisor: Arc<dyn AnySlot> = Slot::<()>::new(Settings::default());
        list(&directory, "app", &supervisor, ChildKind::Dynamic);
        let slot = Slot::<u8>::new(Settings::default());
        let (child, life) = (slot.clone() as Arc<dyn AnySlot>, signals(&slot));
        list(&directory, "app/x", &child, ChildKind::Service);
        assert!(slot.claim(&life));
        slot.up(&life, true);
        slot.push(1, crate::slot::IfFull::Refuse);
        assert!(matches!(slot.poll_next(&life, SignalMask::Everything, true, &mut slot.freed()), Poll::Ready(_)));
        directory.remove("app/x", &child);
        assert_eq!((sum(&directory), child.standing()), ((1, 0, 1), Standing::Leaving));
        // The end of a life settles its message, and the next read takes the counters over.
        slot.end(&life, &regrow_supervisors::Exit::Killed);
        assert_eq!(sum(&directory), (1, 1, 0));
        assert_eq!((child.standing(), directory.templates.sizes()), (Standing::Ended(1), (1, 0)));
        assert_eq!(sum(&directory), (1, 1, 0));
        // A slot that is listed once more is counted once.
        list(&directory, "app/x", &child, ChildKind::Service);
        assert_eq!((sum(&directory), child.standing()), ((1, 1, 0), Standing::Listed));
    }

    #[test]
    fn while_a_reader_is_at_work_no_slot_becomes_part_of_the_totals() {
        let directory = Directory::default();
        let slot = Slot::<u8>::new(Settings::default());
        let child = slot.clone() as Arc<dyn AnySlot>;
        list(&directory, "app", &child, ChildKind::Service);
        slot.push(1, crate::slot::IfFull::Refuse);
        let (listed, reading) = directory.read();
        directory.remove("app", &child);
        assert_eq!((listed.len(), child.standing()), (1, Standing::Leaving));
        let mut totals = Tally::default();
        reading.totals(|_, _, _, tally| totals.add(tally));
        assert_eq!(totals, Tally::default(), "the listed slot has them");
        drop(reading);
        assert_eq!((child.standing(), sum(&directory)), (Standing::Ended(1), (1, 0, 0)));
    }

    #[test]
    fn names_without_end_share_one_template_in_the_end() {
        let directory = Directory::default();
        for number in 0..TEMPLATES_MAX + 50 {
            let child = Slot::<u8>::new(Settings::default()) as Arc<dyn AnySlot>;
            let path = format!("app{number}");
            list(&directory, &path, &child, ChildKind::Service);
            directory.remove(&path, &child);
        }
        assert_eq!(directory.templates.sizes(), (TEMPLATES_MAX + 1, 0));
    }

    /// A service that took one message, had it shed, and left the directory.
    fn left(directory: &Directory, path: &str) -> Arc<dyn AnySlot> {
        let slot = Slot::<u8>::new(Settings::default());
        let child = slot.clone() as Arc<dyn AnySlot>;
        list(directory, path, &child, ChildKind::Service);
        slot.push(1, crate::slot::IfFull::Refuse);
        directory.remove(path, &child);
        child
    }

    fn total(listed: &[(Arc<str>, Listed)], reading: &Reading<'_>) -> u64 {
        let mut sum = Tally::default();
        reading.totals(|_, _, _, tally| sum.add(tally));
        listed.iter().for_each(|(_, listed)| sum.add(&listed.slot.look().tally));
        sum.accounting.accepted
    }

    // Found by reading: a slot was taken out of the totals under the eyes of a reader that had not listed it, and a sum
    // fell. A reader that began between the two saw the slot twice.
    #[test]
    fn a_slot_that_is_listed_again_during_a_read_is_counted_once_by_each_reader() {
        let directory = Directory::default();
        let child = left(&directory, "app");
        let (listed, early) = directory.read();
        list(&directory, "app", &child, ChildKind::Service);
        let (relisted, late) = directory.read();
        assert_eq!((total(&listed, &early), total(&relisted, &late)), (1, 1));
        drop(early);
        assert_eq!(total(&relisted, &late), 1);
        drop(late);
        assert_eq!(sum(&directory).0, 1);
        // It leaves, settles and comes back during one read.
        let (listed, reading) = directory.read();
        directory.remove("app", &child);
        list(&directory, "app", &child, ChildKind::Service);
        assert_eq!(total(&listed, &reading), 1);
        drop(reading);
        assert_eq!(sum(&directory).0, 1);
    }

    // Found by reading: the slot was opened first, and what came in before it was listed was taken out of the totals.
    #[test]
    fn a_message_that_comes_between_the_opening_and_the_listing_is_counted() {
        let directory = Directory::default();
        let slot = Slot::<u8>::new(Settings::default());
        let child = slot.clone() as Arc<dyn AnySlot>;
        list(&directory, "app", &child, ChildKind::Service);
        slot.push(1, crate::slot::IfFull::Refuse);
        directory.remove("app", &child);
        directory.templates.returns(&child);
        slot.reopen();
        slot.push(2, crate::slot::IfFull::Refuse);
        assert_eq!(sum(&directory).0, 2, "a reader sees it before it is listed");
        list(&directory, "app", &child, ChildKind::Service);
        assert_eq!((sum(&directory).0, child.standing()), (2, Standing::Listed));
    }

    // Found by reading: a start that was under way when the path left came up after the counters were taken over.
    #[test]
    fn a_start_that_is_under_way_is_counted_when_it_comes_up() {
        let directory = Directory::default();
        let slot = Slot::<u8>::new(Settings::default());
        let (child, life) = (slot.clone() as Arc<dyn AnySlot>, signals(&slot));
        list(&directory, "app", &child, ChildKind::Service);
        assert!(slot.claim(&life));
        directory.remove("app", &child);
        slot.up(&life, true);
        let starts = || {
            let (_, reading) = directory.read();
            let mut starts = 0;
            reading.totals(|_, _, _, tally| starts += tally.starts);
            starts
        };
        assert_eq!((starts(), child.standing()), (1, Standing::Leaving));
        slot.end(&life, &regrow_supervisors::Exit::Killed);
        assert_eq!((starts(), starts(), child.standing()), (1, 1, Standing::Ended(1)));
    }

    // Found by reading: only the first of those that leave was looked at, and one that never settles kept all others.
    #[tokio::test]
    async fn a_slot_that_never_settles_keeps_no_other() {
        let directory = Directory::default();
        let hold = |path: &str| {
            let slot = Slot::<u8>::new(Settings::default());
            let (child, life) = (slot.clone() as Arc<dyn AnySlot>, signals(&slot));
            list(&directory, path, &child, ChildKind::Service);
            assert!(slot.claim(&life));
            slot.up(&life, true);
            slot.push(1, crate::slot::IfFull::Refuse);
            assert!(matches!(slot.poll_next(&life, SignalMask::Everything, true, &mut slot.freed()), Poll::Ready(_)));
            directory.remove(path, &child);
            (slot, life)
        };
        let _hangs = hold("hangs");
        for number in 0..50 {
            let (slot, life) = hold(&number.to_string());
            slot.end(&life, &regrow_supervisors::Exit::Killed);
        }
        assert!(directory.templates.leaving() <= 4, "{} are kept", directory.templates.leaving());
    }

    // Found by a planted bug: the slot was neither listed nor part of the totals, and the sums fell.
    #[test]
    fn a_slot_that_is_replaced_by_another_one_stays_in_the_sums() {
        for kind in [ChildKind::Supervisor, ChildKind::Dynamic] {
            let directory = Directory::default();
            let supervisor: Arc<dyn AnySlot> = Slot::<()>::new(Settings::default());
            list(&directory, "app", &supervisor, kind);
            for number in 1..5 {
                let slot = Slot::<u8>::new(Settings::default());
                let child = slot.clone() as Arc<dyn AnySlot>;
                list(&directory, "app/x", &child, ChildKind::Service);
                assert_eq!((sum(&directory).0, child.standing()), (number - 1, Standing::Listed));
                slot.push(1, crate::slot::IfFull::Refuse);
                assert_eq!(sum(&directory).0, number);
            }
            assert_eq!(directory.templates.leaving(), 3, "they are not closed yet, and may still count");
        }
    }
}
