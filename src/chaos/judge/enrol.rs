//! The children of a supervisor, as the judge learns of them before they act: from its roll, and from orders.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::{ChildSpec, ChildState};

use crate::chaos::judge::child::{Child, Held, Life, Units};
use crate::chaos::judge::clock::Clock;
use crate::chaos::judge::needs::Ties;
use crate::chaos::judge::reading::{Steps, Tri};
use crate::chaos::judge::supervisor_view::SupervisorView;
use crate::chaos::judge::{Claim, Violation};
use crate::tree::statements::{Enrolled, Roll};

impl SupervisorView {
    pub(super) fn open(path: Arc<str>, life: usize, roll: &Roll, at: Duration, margin: Duration) -> Self {
        let mut view = Self {
            path,
            life,
            strategy: roll.strategy,
            auto_shutdown: roll.auto_shutdown,
            intensity: roll.intensity,
            clock: Clock::new(roll.clock),
            stop_order: roll.stop_order,
            ties: Ties::default(),
            ties_of: 0,
            is_dynamic: roll.is_dynamic,
            children: HashMap::new(),
            order: BTreeMap::new(),
            places: 0,
            busy: BTreeSet::new(),
            pending: BTreeSet::new(),
            is_booting: roll.is_booting,
            may_end: roll.is_ending,
            is_ending: roll.is_ending,
            is_killed: roll.is_killed,
            is_at_once: false,
            is_settled: roll.is_booting,
            shared: Units::default(),
            heard_at: at,
            number: 0,
            last_busy: at,
            had_group: false,
            orders: HashMap::new(),
            margin,
        };
        let mut shared = 0;
        for enrolled in &roll.children {
            view.enrol(enrolled, at);
            if let Some(left) = enrolled.left.filter(|left| !left.is_own) {
                shared = shared.max(left.restarts_max - left.left);
            }
        }
        (0..shared).for_each(|_| view.shared.add(at, at, false));
        view.settle();
        view
    }

    fn enrol(&mut self, enrolled: &Enrolled, at: Duration) {
        let Enrolled { path, spec, standing, attempt, is_ready, .. } = enrolled;
        let mut child = Child::new(spec.clone(), self.next_place(path));
        let life = |is_up, is_told| Life {
            attempt: *attempt,
            number: 0,
            is_up,
            // The true time is not known.
            ready_at: is_ready.then_some(at),
            is_told,
            is_doomed: false,
            is_foreign: true,
            by_order: false,
        };
        // Nothing is known for certain about a child that is not up yet.
        self.is_settled &= !matches!(standing, ChildState::Retrying | ChildState::Starting | ChildState::Stopping);
        match standing {
            ChildState::Down if self.is_booting && attempt.is_none() => {
                child.may_start = true;
                child.stopped_for = Some(None);
            }
            ChildState::Down | ChildState::Retrying => child.may_start = true,
            ChildState::Waiting => child.held = Held::Waits,
            ChildState::Parked => child.held = Held::Parked { from: at, by: Duration::MAX },
            ChildState::Starting => child.life = Some(life(false, false)),
            ChildState::Up => child.life = Some(life(true, false)),
            ChildState::Stopping => {
                // A restart of its group may be going on.
                child.life = Some(life(true, true));
                child.may_start = true;
            }
        }
        for account in [false, true] {
            let account = child.account(account);
            account.steps = Steps { least: 0, most: enrolled.steps };
            account.before = Duration::MAX;
            if let Some(left) = enrolled.left.filter(|left| left.is_own) {
                (left.left..left.restarts_max).for_each(|_| account.units.add(at, at, false));
            }
        }
        child.history.died.steps = if enrolled.steps == 0 { Steps::exactly(0) } else { child.history.died.steps };
        // How long it was parked before is not known.
        if enrolled.is_half_open {
            (child.history.probes.most, child.history.probe_before) = (64, Duration::MAX);
        }
        child.history.is_half_open = enrolled.is_half_open.then_some(Tri::Yes);
        child.history.parks_for_kept = enrolled.is_half_open.then_some(Tri::Maybe);
        if enrolled.steps == 0 && !enrolled.is_half_open {
            (child.history.died.before, child.history.unready.before) = (Duration::ZERO, Duration::ZERO);
        }
        self.children.insert(path.clone(), child);
        self.note(path);
    }

    /// Reads the roll after an order: specs, places and limits may have changed.
    pub(super) fn enrol_again(&mut self, roll: &Roll, at: Duration) {
        (self.strategy, self.auto_shutdown) = (roll.strategy, roll.auto_shutdown);
        (self.intensity, self.stop_order) = (roll.intensity, roll.stop_order);
        self.clock.set(roll.clock);
        self.order.clear();
        let listed: BTreeSet<_> = roll.children.iter().map(|enrolled| enrolled.path.clone()).collect();
        self.children.retain(|path, _| listed.contains(path));
        self.pending.retain(|path| listed.contains(path));
        self.busy.retain(|path| listed.contains(path));
        for enrolled in &roll.children {
            if self.children.contains_key(&enrolled.path) {
                let place = self.next_place(&enrolled.path);
                if let Some(child) = self.children.get_mut(&enrolled.path) {
                    (child.spec, child.place) = (enrolled.spec.clone(), place);
                }
            } else {
                self.enrol(enrolled, at);
            }
        }
    }

    fn next_place(&mut self, path: &Arc<str>) -> u64 {
        self.places += 1;
        self.order.insert(self.places, path.clone());
        self.places
    }

    pub(super) fn adopted(&mut self, path: &Arc<str>, spec: ChildSpec) {
        if let Some(child) = self.children.get_mut(path) {
            child.spec = spec;
            return;
        }
        let mut child = Child::new(spec, self.next_place(path));
        (child.may_start, child.is_ordered) = (true, true);
        child.orders = self.orders.values().filter(|given| given.path.as_ref() == Some(path)).count() as u32;
        self.children.insert(path.clone(), child);
    }

    pub(super) fn ordered(&mut self, call: u64, given: Given) {
        match &given.path {
            Some(path) => {
                if let Some(child) = self.children.get_mut(path) {
                    child.orders += 1;
                    loosen(child);
                }
            }
            None => {
                self.is_settled = false;
                self.children.values_mut().for_each(loosen);
                self.shared.blur();
            }
        }
        self.orders.insert(call, given);
    }

    /// Takes the answer to an order. It was carried out since it was given, and what was known of the child may be
    /// outdated.
    pub(super) fn answered(&mut self, call: u64, is_done: bool, at: Duration, found: &mut Vec<Violation>) {
        match self.orders.remove(&call) {
            Some(Given { path: Some(path), is_park }) => {
                let Some(child) = self.children.get_mut(&path) else { return };
                child.orders = child.orders.saturating_sub(1);
                child.history.blur();
                if is_park && is_done && (child.held != Held::Aside || child.life.is_some()) {
                    let evidence = format!("{path} was to be parked by order, and is not");
                    self.find(found, Claim::Radius, at, evidence);
                }
            }
            Some(Given { path: None, .. }) => {
                self.children.values_mut().for_each(|child| child.history.blur());
                self.shared.blur();
            }
            None => {}
        }
    }

    /// Marks the supervisor as settled when everything uncertain is over.
    pub(super) fn settle(&mut self) {
        if self.is_settled
            || self.is_booting
            || !self.busy.is_empty()
            || self.orders.values().any(|given| given.path.is_none())
        {
            return;
        }
        let is_settled = |path: &Arc<str>| self.children.get(path).is_none_or(Child::is_settled);
        self.is_settled = self.pending.iter().all(is_settled);
    }
}

/// An order that was given and not answered: its child, or all children.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) path: Option<Arc<str>>,
    /// Whether it is to park the child.
    pub(super) is_park: bool,
}

fn loosen(child: &mut Child) {
    child.is_ordered = true;
    child.may_start = true;
    if let Some(call) = &mut child.call {
        (call.is_loose, call.by) = (true, None);
    }
    if let Held::Parked { from, by } = &mut child.held {
        (*from, *by) = (Duration::ZERO, Duration::MAX);
    }
    child.history.blur();
}
