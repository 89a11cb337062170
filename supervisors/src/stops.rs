//! The order in which one operation stops its children.
//!
//! Invariants:
//! 1. A child is told when every child that depends on it is gone, directly or through others: dependents first.
//! 2. If no dependency says otherwise, the youngest goes first (OTP rules 33, 55). Children go one at a time, or all
//!    that may go are told at once.
//! 3. Dependencies within a circle are ignored, so that there is always a next child.

use std::collections::{BTreeMap, BTreeSet};

use crate::child::Child;
use crate::children::{ChildKey, Children};
use crate::circles::Tie;

#[derive(Debug, Clone, Default)]
pub(crate) struct Stops {
    /// All children that may be told are told at once.
    together: bool,
    /// The members, by key.
    members: Vec<(ChildKey, Turn)>,
    /// The number of members that are not gone yet.
    left: usize,
    /// The number of those that are told.
    told: usize,
    /// Members that may be told, by their place; the youngest is the last.
    ready: Vec<(usize, ChildKey)>,
    /// Members that still wait for their dependents, and others through which dependents reach them.
    blocked: BTreeMap<ChildKey, Blocked>,
    /// The dependencies of members that are not gone yet.
    ties: BTreeMap<ChildKey, Vec<ChildKey>>,
}

/// The progress of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Comes,
    /// The member lost its process before it was told. Its turn still comes, and no other member waits for it.
    Dead,
    Told,
    Gone,
}

#[derive(Debug, Clone, Default)]
struct Blocked {
    /// The number of its dependents that are still there.
    dependents: usize,
    /// Its place. None if it is no member: then it stays as it is.
    place: Option<usize>,
}

impl Stops {
    /// An operation that stops `members`, in start order. `ties` have no circle.
    pub(crate) fn new(members: &[ChildKey], children: &Children, ties: &BTreeSet<Tie>, together: bool) -> Self {
        let is_dead = |key: ChildKey| children.get(key).is_none_or(Child::has_no_process);
        let turn = |key: ChildKey| if is_dead(key) { Turn::Dead } else { Turn::Comes };
        let mut turns: Vec<_> = members.iter().map(|&key| (key, turn(key))).collect();
        turns.sort_unstable_by_key(|(key, _)| *key);
        let mut stops = Self { together, left: turns.len(), members: turns, ..Self::default() };
        for &(dependent, dependency) in ties {
            stops.ties.entry(dependent).or_default().push(dependency);
            stops.blocked.entry(dependency).or_default().dependents += 1;
        }
        let mut is_free = |place: usize, member: &ChildKey| match stops.blocked.get_mut(member) {
            Some(blocked) => {
                blocked.place = Some(place);
                false
            }
            None => true,
        };
        let ready = members.iter().copied().enumerate().filter(|(place, member)| is_free(*place, member));
        stops.ready = ready.collect();
        // A dependent that is no member, or has no process, keeps no member waiting.
        let waits = |key: &&ChildKey| stops.turn(**key) == Some(Turn::Comes);
        let free = stops.ties.keys().filter(|key| !waits(key) && !stops.blocked.contains_key(key));
        for key in free.copied().collect::<Vec<_>>() {
            stops.let_go(key);
        }
        stops
    }

    /// Takes the next member to be told, if one may be told now. It counts as told.
    pub(crate) fn next(&mut self) -> Option<ChildKey> {
        if !self.together && self.told > 0 {
            return None;
        }
        let (_, key) = self.ready.pop()?;
        self.tell(key);
        Some(key)
    }

    /// Counts these members as told, before all others: a stop of them is under way, and they are to be killed.
    pub(crate) fn begin_with(&mut self, keys: &BTreeSet<ChildKey>) {
        self.ready.retain(|(_, key)| !keys.contains(key));
        keys.iter().for_each(|key| self.tell(*key));
    }

    fn tell(&mut self, key: ChildKey) {
        if let Some(turn @ (Turn::Comes | Turn::Dead)) = self.turn_mut(key) {
            *turn = Turn::Told;
            self.told += 1;
        }
    }

    /// Notes that the child is gone. If it was not told, its turn still comes.
    pub(crate) fn gone(&mut self, key: ChildKey) {
        match self.turn_mut(key) {
            Some(turn @ Turn::Told) => {
                *turn = Turn::Gone;
                self.told -= 1;
                self.left -= 1;
                self.let_go(key);
            }
            Some(turn @ Turn::Comes) => {
                *turn = Turn::Dead;
                if !self.blocked.contains_key(&key) {
                    self.let_go(key);
                }
            }
            Some(Turn::Dead | Turn::Gone) | None => {}
        }
    }

    fn turn(&self, key: ChildKey) -> Option<Turn> {
        let place = self.members.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        Some(self.members[place].1)
    }

    fn turn_mut(&mut self, key: ChildKey) -> Option<&mut Turn> {
        let place = self.members.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        Some(&mut self.members[place].1)
    }

    /// Whether the child is a member that is not gone yet.
    pub(crate) fn is_left(&self, key: ChildKey) -> bool {
        self.turn(key).is_some_and(|turn| turn != Turn::Gone)
    }

    /// Whether all members are gone.
    pub(crate) fn is_over(&self) -> bool {
        self.left == 0
    }

    /// Releases the dependencies of a child, which waited for it.
    fn let_go(&mut self, key: ChildKey) {
        if self.ties.is_empty() {
            return;
        }
        let mut gone = vec![key];
        while let Some(key) = gone.pop() {
            for dependency in self.ties.remove(&key).unwrap_or_default() {
                let Some(blocked) = self.blocked.get_mut(&dependency) else { continue };
                blocked.dependents -= 1;
                if blocked.dependents > 0 {
                    continue;
                }
                match self.blocked.remove(&dependency).and_then(|blocked| blocked.place) {
                    Some(place) => {
                        let at = self.ready.partition_point(|(other, _)| *other < place);
                        self.ready.insert(at, (place, dependency));
                        if self.turn(dependency) == Some(Turn::Dead) {
                            gone.push(dependency);
                        }
                    }
                    None => gone.push(dependency),
                }
            }
        }
    }
}
