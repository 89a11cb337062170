//! Management orders at every moment of a small tree, and at random moments of a larger one: each is answered exactly
//! once, whatever happens beside it.

use std::collections::HashSet;
use std::time::Instant;

use crate::common::order_model::{ALL, CLASSIC, Deed, MEANT, OrderModel, Orders, PARKS, Verb};
use crate::common::sim::Sim;
use crate::common::{MS, permanent, temporary, transient};
use crate::steps::{ALWAYS, Step, steps};
use proptest::prelude::*;
use regrow_supervisors::{Abandon, ChildSpec, Flags, Intensity, Shutdown, Strategy};

const STRATEGIES: [Strategy; 3] = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne];
const RESTARTS: [fn(&str) -> ChildSpec; 3] =
    [|name| bounded(permanent(name)), |name| bounded(transient(name)), |name| bounded(temporary(name))];

fn bounded(spec: ChildSpec) -> ChildSpec {
    spec.shutdown(Shutdown::After(10 * MS)).abandon(Abandon::After(5 * MS))
}

fn intensity(restarts_max: u32) -> Intensity {
    Intensity::new(restarts_max, 1000 * MS)
}

fn fixed(strategy: Strategy, restarts_max: u32, specs: impl IntoIterator<Item = ChildSpec>) -> Sim {
    let flags = Flags { strategy, intensity: intensity(restarts_max), ..Flags::default() };
    Sim::new(flags, specs)
}

/// Visits every world that is at most `deeds_max` deeds away from one where all are up, and looks along two ways farther
/// from the last of them.
fn explore(sim: Sim, menu: Orders, deeds_max: u32) -> usize {
    let mut first = OrderModel::new(sim, menu);
    first.boot();
    let mut visited = HashSet::from([first.print()]);
    let mut edge = vec![first];
    for _ in 0..deeds_max {
        edge = edge.iter().flat_map(OrderModel::next).filter(|model| visited.insert(model.print())).collect();
    }
    for model in edge {
        model.clone().settle();
        model.outlast();
    }
    visited.len()
}

/// One tree, whose child `a` is of every type, and an unknown name.
fn walk(name: &str, verbs: &'static [Verb], deeds_max: u32, hurry: bool) {
    for strategy in STRATEGIES {
        let begun = Instant::now();
        let mut worlds = 0;
        for spec in RESTARTS {
            let is_ordered = strategy != Strategy::OneForOne;
            let menu = Orders { names: &["a", "new"], verbs, orders_max: 3, spec, hurry, is_ordered };
            worlds += explore(fixed(strategy, 1, [spec("a"), bounded(permanent("z"))]), menu, deeds_max);
        }
        println!("{strategy}, {name}, {deeds_max} deeds: {worlds} worlds in {:.1?}", begun.elapsed());
    }
}

fn walk_dynamic(verbs: &'static [Verb], deeds_max: u32, hurry: bool) {
    let begun = Instant::now();
    let mut worlds = 0;
    for spec in RESTARTS {
        let menu = Orders { names: &["a", "b"], verbs, orders_max: 4, spec, hurry, is_ordered: false };
        let machine = Sim::dynamic(intensity(1), Some(2));
        worlds += explore(machine, menu, deeds_max);
    }
    println!("dynamic, {deeds_max} deeds: {worlds} worlds in {:.1?}", begun.elapsed());
}

#[test]
fn every_order_is_answered_once_in_every_small_world() {
    walk("2 children", CLASSIC, 3, false);
    walk("2 children, hurried", CLASSIC, 2, true);
}

#[test]
fn orders_to_park_and_orders_about_one_life_are_obeyed_in_every_small_world() {
    for verbs in [PARKS, MEANT] {
        walk("2 children", verbs, 3, false);
        walk("2 children, hurried", verbs, 2, true);
    }
    walk_dynamic(PARKS, 3, false);
    walk_dynamic(PARKS, 3, true);
}

#[test]
fn every_order_to_a_dynamic_supervisor_is_answered_once_in_every_small_world() {
    walk_dynamic(CLASSIC, 4, false);
    walk_dynamic(CLASSIC, 3, true);
}

/// In release: `cargo test --release --test walks -- every_order --ignored --nocapture`.
#[test]
#[ignore = "most of a million worlds, half a minute"]
fn larger_worlds() {
    for verbs in [CLASSIC, PARKS, MEANT] {
        walk("2 children", verbs, 5, false);
        walk("2 children, hurried", verbs, 4, true);
        walk_dynamic(verbs, 5, false);
        walk_dynamic(verbs, 5, true);
    }
}

/// Of 200 whims, those on which this deed may happen.
fn share(deed: Deed) -> u8 {
    match deed {
        Deed::Stop | Deed::Kill | Deed::Abandon => 1,
        Deed::Ignored(_) | Deed::StartFailed(_) | Deed::Order(Verb::Read, _) => 40,
        Deed::Order(Verb::Revive, _) => 100,
        Deed::Order(..) => 60,
        Deed::Started(_) | Deed::Gone(..) | Deed::Due => ALWAYS,
    }
}

fn live(sim: Sim, menu: Orders, steps: &[Step]) {
    let mut model = OrderModel::new(sim, menu);
    for step in steps {
        if let Some(deed) = step.pick(model.deeds(), share) {
            model.happen(deed, step.hurried);
        }
    }
    model.clone().settle();
    model.outlast();
}

const NAMES: &[&str] = &["a", "b", "c", "d", "e"];

proptest! {
    #[test]
    fn every_order_is_answered_once_in_a_long_life(
        strategy in 0..3_usize, spec in 0..3_usize, restarts_max in 0..40_u32,
        restarts in prop::collection::vec(0..3_usize, 0..4), steps in steps(50..300),
    ) {
        let strategy = STRATEGIES[strategy];
        let specs = NAMES.iter().zip(restarts).map(|(name, restart)| RESTARTS[restart](name));
        let is_ordered = strategy != Strategy::OneForOne;
        let spec = RESTARTS[spec];
        let menu = Orders { names: NAMES, verbs: ALL, orders_max: u64::MAX, spec, hurry: true, is_ordered };
        live(fixed(strategy, restarts_max, specs), menu, &steps);
    }

    #[test]
    fn every_order_to_a_dynamic_supervisor_is_answered_once_in_a_long_life(
        spec in 0..3_usize, restarts_max in 0..40_u32, children_max in 1..5_usize, steps in steps(50..300),
    ) {
        let spec = RESTARTS[spec];
        let menu = Orders { names: NAMES, verbs: ALL, orders_max: u64::MAX, spec, hurry: true, is_ordered: false };
        let machine = Sim::dynamic(intensity(restarts_max), Some(children_max));
        live(machine, menu, &steps);
    }
}
