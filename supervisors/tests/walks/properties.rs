//! Long random lives of larger trees: the model of `exhaustive.rs` finds no promise broken here either.

use std::time::Duration;

use crate::common::world::{Deed, Menu, World};
use crate::common::{MS, permanent};
use crate::steps::{ALWAYS, Step, steps};
use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;
use regrow_supervisors::{Abandon, ChildSpec, Restart, Shutdown, StopOrder, Strategy};

const EVERYTHING: Menu =
    Menu { periods_max: u8::MAX, kills_by_others: true, leaves: true, abandon: true, ghosts: true, hurry: true };

fn strategies() -> impl Generator<Value = Strategy> {
    prop_oneof![Just(Strategy::OneForOne), Just(Strategy::OneForAll), Just(Strategy::RestForOne)]
}

/// An order of stopping, and pairs of places that go in no circle: of the seven places, shuffled, each depends on some of
/// those behind it.
fn orders() -> impl Generator<Value = (StopOrder, Vec<(usize, usize)>)> {
    let order = prop_oneof![Just(StopOrder::OneByOne), Just(StopOrder::TogetherAtEnd), Just(StopOrder::Together)];
    let places = Just((0..7).collect::<Vec<usize>>()).prop_shuffle();
    let pairs = prop::collection::vec((0..7_usize, 0..7_usize), 0..6);
    (order, places, pairs).prop_map(|(order, places, pairs)| {
        let forward = pairs.into_iter().filter(|(a, b)| a < b);
        (order, forward.map(|(a, b)| (places[a], places[b])).collect())
    })
}

fn children() -> impl Generator<Value = Vec<ChildSpec>> {
    let restart =
        prop_oneof![3 => Just(Restart::Permanent), 1 => Just(Restart::Transient), 1 => Just(Restart::Temporary)];
    let shutdown = prop_oneof![
        Just(Shutdown::Kill),
        Just(Shutdown::After(Duration::ZERO)),
        Just(Shutdown::After(10 * MS)),
        Just(Shutdown::Wait),
    ];
    let abandon = prop_oneof![3 => Just(Abandon::After(5 * MS)), 1 => Just(Abandon::Never)];
    prop::collection::vec((restart, shutdown, abandon), 1..7).prop_map(|rules| {
        let child = |(place, (restart, shutdown, abandon)): (usize, _)| {
            permanent(&place.to_string()).restart(restart).shutdown(shutdown).abandon(abandon)
        };
        rules.into_iter().enumerate().map(child).collect()
    })
}

/// Of 200 whims, those on which this deed may happen.
fn share(deed: Deed) -> u8 {
    match deed {
        Deed::Stop | Deed::Kill | Deed::Abandon => 1,
        Deed::Ignored(_) => 5,
        Deed::StartFailed(_) | Deed::Ended(_) | Deed::KillUnderWay(_) | Deed::Period => 40,
        Deed::Leaving(_) | Deed::Remains(_) => 20,
        Deed::Started(_) | Deed::Killed(_) | Deed::Stopped(_) | Deed::Due | Deed::Ghost(_) => ALWAYS,
    }
}

/// A first whim decides whether all that may happen happens to its boot as well.
fn live(world: &mut World, steps: &[Step]) {
    if steps.first().is_some_and(|step| step.whim < 150) {
        world.boot();
    }
    for step in steps {
        if let Some(deed) = step.pick(world.deeds(EVERYTHING), share) {
            world.happen(deed, step.hurried);
        }
    }
}

proptest! {
    #[test]
    fn no_promise_is_broken_in_a_long_life(
        strategy in strategies(), (stop_order, ties) in orders(), restarts_max in 0..40_u32,
        children in children(), steps in steps(50..400),
    ) {
        let there: Vec<_> = ties.into_iter().filter(|(a, b)| a.max(b) < &children.len()).collect();
        let mut world = World::stopping(stop_order, &there, strategy, restarts_max, children);
        live(&mut world, &steps);
        world.clone().settle();
        if world.is_bounded() {
            world.outlast();
        }
    }

    // Scheduling belongs to the driver; the machine itself draws no lots and reads no clock.
    #[test]
    fn the_same_history_has_the_same_outcome(
        strategy in strategies(), restarts_max in 0..40_u32, children in children(), steps in steps(50..400),
    ) {
        let mut worlds = [World::new(strategy, restarts_max, children.clone()), World::new(strategy, restarts_max, children)];
        for world in &mut worlds {
            live(world, &steps);
        }
        prop_assert_eq!(worlds[0].print(), worlds[1].print());
    }
}
