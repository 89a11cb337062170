//! Every history of small supervisors whose children end for good, end the tree, are restarted with each other, or fail
//! by rate. Whatever happens, and in whatever order:
//!
//! 1. A child that has ended for good stays down until an order starts it, also if its group is restarted.
//! 2. When a child ends the tree, here or below, the supervisor ends, and starts nothing any more.
//! 3. A child is told to stop for a new life of its dependency only while it is up, once for each such life.
//! 4. The supervisor comes to rest: each child is up, parked, ended for good, or at rest after an order.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::common::sim::{Sim, Stage};
use crate::common::{MS, one_deed_away, permanent};
use regrow_supervisors::{
    Action, Attempt, ChildKey, ChildSpec, ChildState, Dependency, Exit, FailureRate, Flags, GiveUp, Intensity, Order,
    Policy, Report, Strategy,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Started(Attempt),
    StartFailed(Attempt),
    Ended(Attempt),
    /// A message in hand fails, and that is one too many.
    FailsByRate(Attempt),
    /// A supervisor of which a child ends the tree.
    EndsTreeBelow(Attempt),
    /// An order starts a child that is down.
    Restart(ChildKey),
    Terminate(ChildKey),
    Due,
    Stop,
}

#[derive(Clone)]
struct World {
    sim: Sim,
    given_up: BTreeSet<ChildKey>,
    /// Some child has ended the tree.
    is_lost: bool,
    /// The latest life of a dependency for which a child was told to stop.
    renewed: BTreeMap<ChildKey, u64>,
    orders_left: u8,
    is_hurried: bool,
    trail: Vec<(Deed, bool)>,
}

impl World {
    fn new(strategy: Strategy, specs: impl IntoIterator<Item = ChildSpec>) -> Self {
        let flags = Flags { strategy, intensity: Intensity::new(1, 60_000 * MS), ..Flags::default() };
        let mut world = Self {
            sim: Sim::new(flags, specs),
            given_up: BTreeSet::new(),
            is_lost: false,
            renewed: BTreeMap::new(),
            orders_left: 1,
            is_hurried: false,
            trail: Vec::new(),
        };
        world.poll();
        while let Some((attempt, Stage::Starting)) = world.sim.moving() {
            world.sim.started(attempt);
            world.poll();
        }
        world
    }

    fn print(&self) -> u64 {
        let state = (&self.given_up, self.is_lost, &self.renewed, self.orders_left, self.is_hurried, &self.sim.now);
        let mut hasher = DefaultHasher::new();
        format!("{:?} {:?} {state:?}", self.sim.asked(), self.sim.lives()).hash(&mut hasher);
        hasher.finish()
    }

    fn deeds(&self) -> Vec<Deed> {
        let mut deeds = Vec::new();
        for (&attempt, &stage) in self.sim.lives() {
            match stage {
                Stage::Starting => deeds.extend([Deed::Started(attempt), Deed::StartFailed(attempt)]),
                Stage::Asked | Stage::Killed => deeds.push(Deed::Ended(attempt)),
                Stage::Up => {
                    deeds.push(Deed::Ended(attempt));
                    let spec = self.sim.asked().spec(attempt.child()).expect("it lives");
                    if spec.own_policy().is_some_and(|policy| policy.failure_rate.is_some()) {
                        deeds.push(Deed::FailsByRate(attempt));
                    }
                    if spec.id() == "sub" {
                        deeds.push(Deed::EndsTreeBelow(attempt));
                    }
                }
            }
        }
        if self.orders_left > 0 && !self.sim.asked().is_ending() {
            for (key, _, standing, _) in self.sim.asked().children() {
                match standing {
                    ChildState::Down => deeds.push(Deed::Restart(key)),
                    ChildState::Up => deeds.push(Deed::Terminate(key)),
                    _ => {}
                }
            }
            deeds.push(Deed::Stop);
        }
        if self.sim.asked().poll_timeout().is_some() {
            deeds.push(Deed::Due);
        }
        deeds
    }

    fn happen(&mut self, deed: Deed, hurried: bool) {
        self.trail.push((deed, hurried));
        let id = |sim: &Sim, key| sim.asked().spec(key).map(|spec| spec.id().to_owned()).expect("it is there");
        match deed {
            Deed::Started(attempt) => self.sim.started(attempt),
            Deed::StartFailed(attempt) => self.sim.start_failed(attempt, Exit::failed("no")),
            Deed::Ended(attempt) => {
                let is_told = self.sim.lives()[&attempt] != Stage::Up;
                self.sim.exits(attempt, if is_told { Exit::Shutdown } else { Exit::Killed });
            }
            Deed::FailsByRate(attempt) => {
                self.sim.tell(|machine, now| machine.handle_failures(attempt, 1, 1, Exit::failed("bad"), now));
            }
            // It ends at once, or when it was told to stop for another reason.
            Deed::EndsTreeBelow(attempt) => {
                self.sim.tell(|machine, now| machine.handle_end_of_tree(attempt, now));
                self.is_lost |= !self.sim.asked().is_ending();
                self.sim.exits(attempt, Exit::Shutdown);
            }
            Deed::Restart(key) => {
                self.orders_left -= 1;
                let order = Order::RestartChild(id(&self.sim, key).into());
                self.given_up.remove(&key);
                self.sim.order(order);
            }
            Deed::Terminate(key) => {
                self.orders_left -= 1;
                let order = Order::TerminateChild(id(&self.sim, key).into());
                self.sim.order(order);
            }
            Deed::Due => drop(self.sim.wakes()),
            Deed::Stop => {
                self.orders_left = 0;
                self.sim.stop(Exit::Shutdown);
            }
        }
        self.is_hurried = hurried;
        if !hurried {
            self.poll();
        }
    }

    fn poll(&mut self) {
        while let Some(action) = self.sim.act() {
            while let Some(report) = self.sim.hear() {
                self.on_report(&report);
            }
            if let Action::Start(attempt) = action {
                // An order may have been given between the report and this start.
                let is_ordered = self.orders_left == 0;
                assert!(is_ordered || !self.given_up.contains(&attempt.child()), "promise 1: {:?}", self.trail);
                assert!(!self.sim.asked().is_ending(), "promise 2: {:?}", self.trail);
            }
        }
        while let Some(report) = self.sim.hear() {
            self.on_report(&report);
        }
        for key in &self.given_up {
            let standing = self.sim.asked().standing(*key);
            assert!(
                standing == Some(ChildState::Down) || self.orders_left == 0,
                "promise 1: {standing:?}, {:?}",
                self.trail
            );
        }
    }

    fn on_report(&mut self, report: &Report) {
        match report {
            Report::GivenUp { child, .. } => drop(self.given_up.insert(*child)),
            Report::GaveUp { ends_tree, .. } => self.is_lost |= ends_tree,
            Report::Renewed { child, name } => {
                let machine = self.sim.asked();
                let life = machine.find(name).and_then(|key| machine.attempt(key)).map_or(0, Attempt::number);
                let before = self.renewed.insert(*child, life);
                // Zero: the dependency has died again since.
                assert!(life == 0 || before != Some(life), "promise 3: {:?}", self.trail);
            }
            _ => {}
        }
    }

    fn settle(mut self) {
        if self.is_hurried {
            self.poll();
        }
        for _ in 0..200 {
            match self.sim.moving() {
                Some((attempt, Stage::Starting)) => self.happen(Deed::Started(attempt), false),
                Some((attempt, _)) => self.happen(Deed::Ended(attempt), false),
                // A start that never begins, because a service that it depends on is gone, fails a moment later.
                None if self
                    .sim
                    .asked()
                    .children()
                    .iter()
                    .any(|(_, _, standing, _)| *standing == ChildState::Starting) =>
                {
                    self.sim.wakes_at(self.sim.now + MS);
                    self.poll();
                }
                None => break,
            }
        }
        let trail = &self.trail;
        assert!(self.sim.moving().is_none(), "promise 4: {trail:?}");
        assert!(!self.is_lost || self.sim.has_ended(), "promise 2: {trail:?}");
        if self.sim.has_ended() {
            return;
        }
        for (key, spec, standing, _) in self.sim.asked().children() {
            let is_fine = match standing {
                ChildState::Up => true,
                ChildState::Parked => self.sim.asked().poll_timeout().is_some(),
                ChildState::Down => self.given_up.contains(&key) || self.orders_left == 0,
                _ => false,
            };
            assert!(is_fine, "promise 4: {} is {standing:?}: {trail:?}", spec.id());
        }
    }
}

fn explore(name: &str, strategy: Strategy, specs: Vec<ChildSpec>, deeds_max: usize) {
    let first = World::new(strategy, specs);
    let mut visited = HashSet::from([first.print()]);
    let mut edge = vec![first];
    for _ in 0..deeds_max {
        edge = edge
            .iter()
            .flat_map(|world| one_deed_away(world, world.deeds(), !world.is_hurried, World::happen).collect::<Vec<_>>())
            .filter(|world| visited.insert(world.print()))
            .inspect(|world| world.clone().settle())
            .collect();
    }
    println!("{strategy}, {name}: {} worlds", visited.len());
}

fn policy(restarts_max: u32, then: GiveUp) -> Policy {
    Policy::default().budget(Intensity::new(restarts_max, 60_000 * MS)).on_give_up(then)
}

const STRATEGIES: [Strategy; 3] = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne];

#[test]
fn a_child_that_ends_for_good_stays_down_in_every_small_world() {
    for strategy in STRATEGIES {
        let stops = |name: &str, restarts| permanent(name).policy(policy(restarts, GiveUp::Stop));
        explore("stop and plain", strategy, vec![stops("a", 1), permanent("b")], 6);
        explore("plain and stop", strategy, vec![permanent("a"), stops("b", 0)], 6);
        explore("three", strategy, vec![permanent("a"), stops("b", 0), permanent("c")], 4);
    }
}

#[test]
fn the_end_of_the_tree_is_never_lost_in_a_small_world() {
    for strategy in STRATEGIES {
        let ends = permanent("b").policy(policy(1, GiveUp::EndTree));
        explore("end_tree and plain", strategy, vec![permanent("a"), ends.clone()], 6);
        explore("a supervisor below", strategy, vec![ChildSpec::supervisor("sub"), permanent("b"), permanent("c")], 4);
        explore("both", strategy, vec![ChildSpec::supervisor("sub"), ends], 5);
    }
}

#[test]
fn dependents_are_restarted_once_for_each_life_in_every_small_world() {
    let with = |name: &str, on: &str| {
        permanent(name).policy(policy(3, GiveUp::Stop).depends_on([Dependency::ready(on).restart()]))
    };
    let db = || permanent("db").policy(policy(3, GiveUp::Stop));
    for strategy in [Strategy::OneForOne, Strategy::RestForOne] {
        explore("a pair", strategy, vec![db(), with("api", "db")], 6);
        explore("a chain", strategy, vec![db(), with("api", "db"), with("web", "api")], 4);
    }
    explore("younger", Strategy::OneForOne, vec![with("api", "db"), db()], 6);
}

#[test]
fn a_child_that_fails_by_rate_is_parked_or_ended_in_every_small_world() {
    for strategy in STRATEGIES {
        for then in [GiveUp::park(1000 * MS), GiveUp::Stop, GiveUp::EndTree, GiveUp::Escalate] {
            let rated = policy(2, then).failure_rate(FailureRate::new(0, 1, 10_000 * MS));
            explore("rated and plain", strategy, vec![permanent("a"), permanent("b").policy(rated)], 5);
        }
    }
}
