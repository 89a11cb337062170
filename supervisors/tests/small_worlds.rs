//! Everything that can happen in a small tree does, and the model finds no promise broken.
//!
//! All trees of one to three children, under every strategy, restart type and budget from zero to two. A world is a
//! machine, its children and the mailbox; worlds that have one future are visited once.

mod common;

use std::collections::HashSet;
use std::time::Instant;

use common::world::{Menu, World};
use common::{MS, permanent};
use regrow_supervisors::{Abandon, ChildSpec, Restart, Shutdown, Strategy};

const RESTARTS: [Restart; 3] = [Restart::Permanent, Restart::Transient, Restart::Temporary];

/// Every way to give `children` children a restart type each.
fn trees(children: u32) -> impl Iterator<Item = Vec<ChildSpec>> {
    (0..3_usize.pow(children)).map(move |number| {
        let child = |place: u32| {
            let limits =
                permanent(&place.to_string()).shutdown(Shutdown::After(10 * MS)).abandon(Abandon::After(5 * MS));
            limits.restart(RESTARTS[number / 3_usize.pow(place) % 3])
        };
        (0..children).map(child).collect()
    })
}

/// Visits every world at most `depth` deeds away; how many there are, and whether there are more.
fn explore(first: World, menu: Menu, depth: u32) -> (usize, bool) {
    let mut visited = HashSet::from([first.print()]);
    let mut frontier = vec![first];
    for _ in 0..depth {
        let mut next = Vec::new();
        for world in &frontier {
            for deed in world.deeds(menu) {
                for hurried in [false, true] {
                    if hurried && world.is_hurried {
                        continue;
                    }
                    let mut after = world.clone();
                    after.happen(deed, hurried);
                    if visited.insert(after.print()) {
                        next.push(after);
                    }
                }
            }
        }
        frontier = next;
    }
    // Worlds on the way have been through all this: the ways to rest lead through the edge.
    for world in &frontier {
        world.clone().settle();
        world.clone().outlast();
    }
    (visited.len(), !frontier.is_empty())
}

/// `REGROW_DEEPER=1` lets one more thing happen in every world, and takes some ten times as long.
fn deeper() -> u32 {
    std::env::var("REGROW_DEEPER").map_or(0, |deeds| deeds.parse().expect("a number of deeds"))
}

fn explore_all(strategy: Strategy) {
    let few = Menu { periods_max: 1, ..Menu::default() };
    let all = Menu { kills_by_others: true, abandon: true, ..few };
    for (children, is_booted, depth, menu) in
        [(1, false, 100, all), (2, false, 4, all), (2, true, 4, few), (3, false, 3, few), (3, true, 3, few)]
    {
        let depth = depth + deeper();
        let begun = Instant::now();
        let (mut worlds, mut unfinished) = (0, 0);
        for tree in trees(children) {
            for restarts_max in 0..3 {
                let mut first = World::new(strategy, restarts_max, tree.clone());
                if is_booted {
                    first.boot();
                }
                let (visited, has_more) = explore(first, menu, depth);
                worlds += visited;
                unfinished += usize::from(has_more);
            }
        }
        let begin = if is_booted { "up" } else { "booting" };
        let end = if unfinished == 0 { "to their end".to_owned() } else { format!("{depth} deeds deep") };
        println!("{strategy}, {children} children, {begin}, {end}: {worlds} worlds in {:.1?}", begun.elapsed());
    }
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
