//! Everything that can happen in a small tree does, and the model finds no promise broken.
//!
//! A world is a machine, its children and its mailbox; worlds that have one future are visited once. Budgets end, so
//! the small ones can be walked *to their end*: every history there is. Walks that are cut off after some deeds begin
//! where all children are up, so that the deeds are not spent on boot.

use std::collections::HashSet;
use std::ops::Range;
use std::time::Instant;

use crate::common::world::{Menu, World};
use crate::common::{MS, permanent};
use regrow_supervisors::{Abandon, ChildSpec, Restart, Shutdown, StopOrder, Strategy};

const RESTARTS: [Restart; 3] = [Restart::Permanent, Restart::Transient, Restart::Temporary];

type Tree = Vec<ChildSpec>;

/// Every way to give `children` children a restart type each. The first tree is all permanent.
fn trees(children: u32) -> impl Iterator<Item = Tree> {
    (0..3_usize.pow(children)).map(move |number| {
        let child = |place: u32| {
            let restart = RESTARTS[number / 3_usize.pow(place) % 3];
            let bounded =
                permanent(&place.to_string()).shutdown(Shutdown::After(10 * MS)).abandon(Abandon::After(5 * MS));
            bounded.restart(restart)
        };
        (0..children).map(child).collect()
    })
}

fn permanent_tree(children: u32) -> impl Iterator<Item = Tree> {
    trees(children).take(1)
}

/// How far a walk goes.
#[derive(Clone, Copy, Debug)]
enum Until {
    TheEnd,
    Deeds(u32),
}

struct Walk {
    strategy: Strategy,
    menu: Menu,
    until: Until,
    /// In which order children are stopped, and which depends on which.
    orders: &'static [Order],
}

type Order = (StopOrder, &'static [(usize, usize)]);

const OTP: &[Order] = &[(StopOrder::OneByOne, &[])];

/// Two children: the elder depends on the younger, or on nothing.
const PAIRS: &[Order] = &[
    (StopOrder::OneByOne, &[(0, 1)]),
    (StopOrder::TogetherAtEnd, &[]),
    (StopOrder::TogetherAtEnd, &[(0, 1)]),
    (StopOrder::Together, &[]),
    (StopOrder::Together, &[(0, 1)]),
];

/// Three children: chains either way, a fork, a join.
const TRIPLES: &[Order] = &[
    (StopOrder::OneByOne, &[(0, 1), (1, 2)]),
    (StopOrder::OneByOne, &[(0, 2)]),
    (StopOrder::TogetherAtEnd, &[(0, 2), (1, 2)]),
    (StopOrder::Together, &[(0, 1), (0, 2)]),
    (StopOrder::Together, &[(1, 0), (0, 2)]),
    (StopOrder::Together, &[]),
];

impl Walk {
    /// Visits every world of every tree with every budget.
    fn through(&self, name: &str, trees: impl Iterator<Item = Tree>, budgets: Range<u32>) {
        let begun = Instant::now();
        let mut worlds = 0;
        for tree in trees {
            for restarts_max in budgets.clone() {
                for &(stop_order, ties) in self.orders {
                    let world = World::stopping(stop_order, ties, self.strategy, restarts_max, tree.clone());
                    worlds += self.explore(world);
                }
            }
        }
        let Self { strategy, until, orders, .. } = self;
        println!("{strategy}, {name}, {until:?}, {} orders: {worlds} worlds in {:.1?}", orders.len(), begun.elapsed());
    }

    fn explore(&self, mut first: World) -> usize {
        let deeds_max = match self.until {
            Until::TheEnd => u32::MAX,
            Until::Deeds(deeds_max) => {
                first.boot();
                deeds_max
            }
        };
        let mut visited = HashSet::from([first.print()]);
        let mut edge = vec![first];
        for _ in 0..deeds_max {
            edge = edge
                .iter()
                .flat_map(|world| world.next(self.menu))
                .filter(|world| visited.insert(world.print()))
                .collect();
            if edge.is_empty() {
                break;
            }
        }
        // A walk to the end has been everywhere; one that is cut off looks along two ways farther.
        for world in edge {
            world.clone().settle();
            world.outlast();
        }
        visited.len()
    }
}

const PLAIN: Menu =
    Menu { hurry: false, periods_max: 0, kills_by_others: false, leaves: false, abandon: false, ghosts: false };
const HURRIED: Menu = Menu { hurry: true, periods_max: 1, ..PLAIN };
const EVERYTHING: Menu = Menu { kills_by_others: true, abandon: true, ..HURRIED };
const SLOW: Menu = Menu { kills_by_others: true, leaves: true, ..PLAIN };

fn explore_all(strategy: Strategy) {
    let walk = |menu, until| Walk { strategy, menu, until, orders: OTP };
    walk(EVERYTHING, Until::TheEnd).through("1 child, everything", trees(1), 0..2);
    walk(PLAIN, Until::TheEnd).through("2 children", trees(2), 0..2);
    walk(EVERYTHING, Until::Deeds(3)).through("2 children, everything", trees(2), 0..3);
    walk(PLAIN, Until::TheEnd).through("3 permanent children", permanent_tree(3), 0..2);
    walk(HURRIED, Until::Deeds(3)).through("3 children, hurried", trees(3), 1..2);
}

/// Beyond OTP: children that are stopped together or dependents first, and lives that are slow to leave.
fn explore_orders(strategy: Strategy) {
    let walk = |menu, until, orders| Walk { strategy, menu, until, orders };
    walk(SLOW, Until::TheEnd, OTP).through("1 child, slow to leave", trees(1), 0..2);
    walk(SLOW, Until::Deeds(4), OTP).through("2 children, slow to leave", permanent_tree(2), 1..2);
    walk(PLAIN, Until::TheEnd, PAIRS).through("2 children", permanent_tree(2), 0..2);
    walk(PLAIN, Until::Deeds(5), PAIRS).through("2 children", trees(2), 1..2);
    walk(EVERYTHING, Until::Deeds(3), PAIRS).through("2 children, everything", permanent_tree(2), 1..2);
    walk(PLAIN, Until::Deeds(6), TRIPLES).through("3 permanent children", permanent_tree(3), 1..2);
    walk(SLOW, Until::Deeds(3), TRIPLES).through("3 permanent children, slow to leave", permanent_tree(3), 1..2);
}

#[test]
fn whatever_the_order_of_stopping_one_for_one_keeps_its_promises() {
    explore_orders(Strategy::OneForOne);
}

#[test]
fn whatever_the_order_of_stopping_one_for_all_keeps_its_promises() {
    explore_orders(Strategy::OneForAll);
}

#[test]
fn whatever_the_order_of_stopping_rest_for_one_keeps_its_promises() {
    explore_orders(Strategy::RestForOne);
}

#[test]
fn one_for_one_keeps_its_promises_in_every_small_world() {
    explore_all(Strategy::OneForOne);
}

#[test]
fn one_for_all_keeps_its_promises_in_every_small_world() {
    explore_all(Strategy::OneForAll);
}

#[test]
fn rest_for_one_keeps_its_promises_in_every_small_world() {
    explore_all(Strategy::RestForOne);
}

/// In release: `cargo test --release --test walks -- exhaustive --ignored --nocapture`.
#[test]
#[ignore = "millions of worlds, minutes"]
fn larger_worlds() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let walk = |menu, until| Walk { strategy, menu, until, orders: OTP };
        walk(EVERYTHING, Until::TheEnd).through("2 children, everything", trees(2), 0..2);
        walk(HURRIED, Until::TheEnd).through("2 children, hurried", trees(2), 0..3);
        walk(PLAIN, Until::TheEnd).through("3 children", trees(3), 0..2);
        walk(EVERYTHING, Until::Deeds(5)).through("3 children, everything", trees(3), 0..3);
    }
}
