//! Circles among children that depend on each other.

use std::collections::{BTreeMap, BTreeSet};

use crate::children::ChildKey;

/// A child, and one that it depends on.
pub(crate) type Tie = (ChildKey, ChildKey);

/// Numbers the strongly connected components: children that can reach each other have one number. Those are the members
/// of one circle, or of circles that meet.
fn components(ties: &BTreeSet<Tie>) -> BTreeMap<ChildKey, usize> {
    let (mut forward, mut back) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::<_, Vec<_>>::new());
    for &(dependent, dependency) in ties {
        forward.entry(dependent).or_default().push(dependency);
        back.entry(dependency).or_default().push(dependent);
    }
    let children: BTreeSet<_> = ties.iter().flat_map(|&(dependent, dependency)| [dependent, dependency]).collect();
    // Kosaraju's algorithm: the child that is left last on the way forward is reached first on the way back.
    let mut seen = BTreeSet::new();
    let left: Vec<_> = children.iter().flat_map(|&child| walk(child, &forward, &mut seen)).collect();
    let (mut seen, mut components) = (BTreeSet::new(), BTreeMap::new());
    for (number, &child) in left.iter().rev().enumerate() {
        components.extend(walk(child, &back, &mut seen).into_iter().map(|member| (member, number)));
    }
    components
}

/// Returns all children that can be reached from here and were not seen, in the order in which they are left. Without
/// recursion, because a chain of dependencies may be long.
fn walk(from: ChildKey, ways: &BTreeMap<ChildKey, Vec<ChildKey>>, seen: &mut BTreeSet<ChildKey>) -> Vec<ChildKey> {
    let (mut left, mut path) = (Vec::new(), Vec::new());
    if seen.insert(from) {
        path.push((from, 0));
    }
    while let Some((at, tried)) = path.last_mut() {
        match ways.get(at).and_then(|next| next.get(*tried)) {
            Some(&next) => {
                *tried += 1;
                if seen.insert(next) {
                    path.push((next, 0));
                }
            }
            None => left.extend(path.pop().map(|(done, _)| done)),
        }
    }
    left
}

/// Removes the ties between members of a circle, which cannot all hold.
pub(crate) fn untie(ties: &mut BTreeSet<Tie>) {
    let components = components(ties);
    ties.retain(|(dependent, dependency)| components.get(dependent) != components.get(dependency));
}

/// Returns one circle for each component of children that depend on each other. Each child depends on the next, and the
/// last on the first.
pub(crate) fn circles(ties: &BTreeSet<Tie>) -> Vec<Vec<ChildKey>> {
    let components = components(ties);
    let tight: Vec<_> = ties.iter().filter(|(a, b)| components.get(a) == components.get(b)).collect();
    let mut told = BTreeSet::new();
    let mut circles = Vec::new();
    for &&(first, _) in &tight {
        if !told.insert(components.get(&first)) {
            continue;
        }
        let mut way = vec![first];
        loop {
            let at = way.last().copied();
            // Each member of such a group has a way on that stays in it.
            let Some(&&(_, next)) = tight.iter().find(|(from, _)| Some(*from) == at) else { break };
            if let Some(begin) = way.iter().position(|passed| *passed == next) {
                circles.push(way.split_off(begin));
                break;
            }
            way.push(next);
        }
    }
    circles
}
