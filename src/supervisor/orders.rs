//! The orders that a driver carries to its machine, and their answers.

use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::{
    Action, Answer, Attempt, ChildCounts, ChildKey, ChildSpec, ChildState, Order, OrderError, OrderId, Prospect,
    SpecError,
};

use crate::event::EventKind;
use crate::recorder::state;
use crate::slot::status::ServiceState;
use crate::supervisor::child_entry::ChildEntry;
use crate::supervisor::configure::paths_of;
use crate::supervisor::driver::Driver;
use crate::supervisor::give_order::{Ordered, Pending};
use crate::supervisor::outcome::{ChildCount, ChildInfo, StartOutcome, StartedChild};
use crate::supervisor::plan::{Make, Planned};
use crate::supervisor::testimony::Saying;
use crate::tree::dependencies::{Edges, Graph};
use crate::tree::paths::path_of;
use crate::tree::why::Grounds;

/// Number of children that are listed in one turn of a supervisor.
const PORTION: usize = 256;

impl Driver {
    /// Hands an order to the machine, which answers with an action.
    pub(super) fn order(&mut self, Ordered { order, meant, planned, finish }: Ordered, now: Duration) {
        self.orders_given += 1;
        let call = OrderId(self.orders_given);
        let Ok(order) = self.about_generation(order, meant) else {
            // The machine has not seen this order, and will not answer it.
            self.testify(&Saying::Deed(&Action::Answer { call, result: Err(OrderError::Replaced) }), now);
            return finish(self, Err(OrderError::Replaced), planned);
        };
        let order = self.configured_order(order, &planned);
        let edges = self.edges(&order, &planned);
        let claims = edges.iter().map(|(path, _)| path.clone()).collect();
        if let Err(cycle) = self.shared.in_force.take(edges) {
            let error = OrderError::Refused(SpecError::DependencyCycle(cycle));
            // The machine has not seen this order, and will not answer it.
            self.testify(&Saying::Deed(&Action::Answer { call, result: Err(error.clone()) }), now);
            return finish(self, Err(error), planned);
        }
        self.orders.insert(call, Pending { planned, claims, finish });
        self.machine.order(call, order, now);
    }

    /// The dependencies of the children that an order brings, and of those below them.
    fn edges(&self, order: &Order, planned: &[Planned]) -> Vec<Edges> {
        let specs = match order {
            Order::StartChild(spec) => std::slice::from_ref(spec),
            Order::Reconfigure(_, specs) => specs,
            Order::TerminateChild(_)
            | Order::RestartChild(_)
            | Order::DeleteChild(_)
            | Order::Limit { .. }
            | Order::Adjust(_)
            | Order::Revive(_)
            | Order::RenewChild { .. }
            | Order::Park { .. }
            // Only orders about children that are there mean a life of theirs.
            | Order::Meant { .. }
            | Order::Read => &[],
        };
        // Most children depend on nothing, and have their paths already.
        let dependents = specs.iter().filter(|spec| !spec.dependencies().is_empty());
        let own = dependents.map(|spec| (path_of(&self.plan.path, spec.id()), self.needs(spec)));
        if !planned.iter().any(Planned::is_supervisor) {
            return own.collect();
        }
        let (tree, overrides) = (self.shared.options_in_force.defaults(), self.shared.options_in_force.overrides());
        let coming = paths_of(planned);
        let is_known = |path: &str| coming.contains(path) || self.shared.directory.is_known(path);
        let below = planned.iter().filter_map(|planned| match &planned.make {
            Make::Supervisor(recipe) => Graph::of(&recipe.plan(), tree, overrides.as_deref(), is_known).ok(),
            Make::Life(_) => None,
        });
        own.chain(below.flat_map(Graph::into_edges)).filter(|(_, on)| !on.is_empty()).collect()
    }

    /// Takes back the dependencies of an order that failed. Those of children that are there are in force again.
    pub(super) fn give_back(&self, claims: Vec<Arc<str>>) {
        for path in claims {
            let own = path.strip_prefix(&*self.plan.path).and_then(|rest| rest.strip_prefix('/'));
            match own.and_then(|name| self.machine.find(name)).and_then(|key| self.machine.spec(key)) {
                Some(spec) => self.shared.in_force.set((path, self.needs(spec))),
                None if self.shared.directory.get(&path).is_none() => self.shared.in_force.forget(&path),
                None => {}
            }
        }
    }

    /// Lists the child of an order before it starts: it now has its place in the machine's table.
    pub(super) fn adopt(&mut self, call: OrderId, child: ChildKey) {
        let Some(id) = self.machine.spec(child).map(|spec| spec.id().to_owned()) else { return };
        let Some(pending) = self.orders.get_mut(&call) else { return };
        let Some(at) = pending.planned.iter().position(|planned| planned.spec.id() == id) else { return };
        let planned = pending.planned.swap_remove(at);
        let was_known = self.children.contains_key(&child);
        match (was_known, &planned.make) {
            (false, _) => planned.list(&self.shared),
            // A new description leaves the mailbox of a child as it is.
            (true, Make::Life(_)) => planned.list_closed(&self.shared),
            // The next life of the supervisor lists what is below it then.
            (true, Make::Supervisor(recipe)) => {
                planned.keep_slots();
                recipe.replace();
            }
        }
        let (_, own) = self.configured(&planned);
        let before = match self.children.entry(child) {
            Occupied(mut known) => {
                let known = known.get_mut();
                let slot = known.slot.clone();
                let state = slot.status().state;
                let before = known.replan(&planned, own).is_supervisor();
                // With another slot, the child is still where it was: set aside, or down.
                if !Arc::ptr_eq(&slot, planned.slot()) && slot.control().is_none() {
                    planned.list_aside(&self.shared);
                    if let ServiceState::Parked { .. } = state {
                        self.shared.directory.close(&planned.path, state);
                    }
                }
                before
            }
            Vacant(new) => {
                match &planned.make {
                    Make::Life(_) => state::is_added(planned.slot().recorded()),
                    Make::Supervisor(recipe) => {
                        recipe.plan().slots().iter().for_each(|slot| state::is_added(slot.recorded()));
                    }
                }
                new.insert(ChildEntry::new(&planned, true, own));
                false
            }
        };
        self.supervisors += usize::from(planned.is_supervisor());
        self.supervisors -= usize::from(before);
        self.has_new_subtrees |= was_known && planned.is_supervisor() && !before;
        let is_at_rest = self.machine.outlook(child).is_some_and(|outlook| outlook.prospect == Prospect::Gone);
        if is_at_rest {
            self.shared.directory.close(&planned.path, ServiceState::Down);
            if let Some(entry) = self.children.get_mut(&child) {
                entry.enter(&self.shared.unwell);
                // Without this the recorder would not know of it until it is up.
                if !was_known {
                    self.shared.tell(entry.about(self.now), || entry.generation(), EventKind::Down);
                }
            }
        }
        self.heed_stop_order_anew();
        self.prepare(child);
        // A supervisor with a new description is listed with its next life.
        if was_known
            && let (Some(entry), Some(listed)) = (self.children.get(&child), self.shared.directory.get(&planned.path))
        {
            listed.slot.set_counts(entry.slot.counts());
        }
    }

    /// Returns a portion of the children in start order, with the state of each, beginning at this place. Returns the
    /// place of the next portion too.
    pub(crate) fn portion(&self, first: u64) -> (Vec<(ChildKey, ChildInfo)>, Option<u64>) {
        self.survey(first, PORTION)
    }

    /// Does what [`portion`](Self::portion) does, with a limit on the number of children.
    pub(crate) fn survey(&self, first: u64, max: usize) -> (Vec<(ChildKey, ChildInfo)>, Option<u64>) {
        let (children, next) = self.machine.children_from(first, max);
        let line = |(key, spec, standing, _): (ChildKey, &ChildSpec, ChildState, Option<Attempt>)| {
            let entry = self.children.get(&key)?;
            let (name, path, kind) = (spec.id().into(), entry.path.clone(), entry.kind);
            Some((key, ChildInfo { name, path, kind, standing, generation: entry.generation(), spec: spec.clone() }))
        };
        (children.into_iter().filter_map(line).collect(), next)
    }

    /// The state of the child with this name.
    pub(super) fn standing(&self, name: &str) -> Option<ChildState> {
        self.machine.standing(self.machine.find(name)?)
    }

    /// The reasons for the state of the child with this name.
    pub(crate) fn why(&self, name: &str) -> Option<Grounds> {
        let (now, key) = (self.shared.clock.now(), self.machine.find(name)?);
        let entry = self.children.get(&key);
        Some(Grounds {
            reasons: self.machine.why(key, now)?,
            gave_up: entry.and_then(|entry| entry.gave_up().cloned()),
            restarted: entry.and_then(|entry| entry.restarted()).map(|(reason, at)| (reason, now.saturating_sub(at))),
            now,
        })
    }

    /// Counts the children.
    pub(crate) fn count(&self) -> ChildCount {
        let ChildCounts { specs, active, .. } = self.machine.counts();
        ChildCount { specs, active, supervisors: self.supervisors, workers: specs.saturating_sub(self.supervisors) }
    }

    /// Returns the sizes of the driver's tables and of its machine's.
    pub(crate) fn tables(&self) -> Vec<(&'static str, usize)> {
        let mut tables = self.machine.tables();
        tables.extend(self.dependency_watch.tables());
        tables.push(("driver: children", self.children.len()));
        tables.push(("driver: orders", self.orders.len()));
        tables.push(("gates", self.gates.len()));
        tables
    }

    /// The spec of the child with this name.
    pub(crate) fn spec(&self, name: &str) -> Option<ChildSpec> {
        self.machine.spec(self.machine.find(name)?).cloned()
    }

    /// The outcome of an ordered start.
    pub(crate) fn outcome(&self, answer: Answer) -> StartOutcome {
        match answer {
            Answer::Started(attempt) => self.started(attempt).map_or(StartOutcome::Ignored, StartOutcome::Up),
            Answer::Ignored | Answer::Done => StartOutcome::Ignored,
        }
    }

    /// The child that came up in this attempt.
    fn started(&self, attempt: Attempt) -> Option<StartedChild> {
        let entry = self.children.get(&attempt.child())?;
        Some(StartedChild { path: entry.path.clone(), generation: entry.generation(), info: entry.info().cloned() })
    }
}
