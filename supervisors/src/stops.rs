//! In which order one operation stops its children.
//!
//! Invariants:
//! 1. A child is told when every child that depends on it is gone, directly or through others: dependents first.
//! 2. Where no dependency says otherwise the youngest goes first (OTP rules 33, 55), one at a time, or all that may go at
//!    once.
//! 3. Dependencies within a circle say nothing, so that there is always a next one.

use std::collections::{BTreeMap, BTreeSet};

use crate::child::Child;
use crate::children::{ChildKey, Children};
use crate::circles::Tie;

#[derive(Debug, Clone, Default)]
pub(crate) struct Stops {
    /// All that may go go at once.
    together: bool,
    /// The members that are not gone yet.
    left: BTreeSet<ChildKey>,
    /// Those that may be told, by their place; the youngest is the last.
    ready: BTreeMap<usize, ChildKey>,
    /// Told, and not gone yet.
    told: BTreeSet<ChildKey>,
    /// Members that have no process although they were not told: their turn still comes, and nothing waits for it.
    dead: BTreeSet<ChildKey>,
    /// Members that still wait for their dependents, and others through which dependents reach them.
    blocked: BTreeMap<ChildKey, Blocked>,
    /// The dependencies of those that are not gone yet.
    ties: BTreeMap<ChildKey, Vec<ChildKey>>,
}

#[derive(Debug, Clone, Default)]
struct Blocked {
    /// How many that depend on it are still there.
    dependents: usize,
    /// Its place; none where it is no member and stays as it is.
    place: Option<usize>,
}

impl Stops {
    /// `members` in start order. `ties` go in no circle.
    pub(crate) fn new(members: &[ChildKey], children: &Children, ties: &BTreeSet<Tie>, together: bool) -> Self {
        let mut stops = Self { together, left: members.iter().copied().collect(), ..Self::default() };
        let is_dead = |key: &ChildKey| children.get(*key).is_none_or(Child::has_no_process);
        stops.dead = members.iter().copied().filter(is_dead).collect();
        for &(dependent, dependency) in ties {
            stops.ties.entry(dependent).or_default().push(dependency);
            stops.blocked.entry(dependency).or_default().dependents += 1;
        }
        for (place, member) in members.iter().enumerate() {
            match stops.blocked.get_mut(member) {
                Some(blocked) => blocked.place = Some(place),
                None => drop(stops.ready.insert(place, *member)),
            }
        }
        // A dependent that is no member, or not there, keeps nothing waiting.
        let waits = |key: &&ChildKey| stops.left.contains(key) && !stops.dead.contains(key);
        let free = stops.ties.keys().filter(|key| !waits(key) && !stops.blocked.contains_key(key));
        for key in free.copied().collect::<Vec<_>>() {
            stops.let_go(key);
        }
        stops
    }

    /// The next one to be told, if one may be told now. It counts as told.
    pub(crate) fn next(&mut self) -> Option<ChildKey> {
        if !self.together && !self.told.is_empty() {
            return None;
        }
        let (_, key) = self.ready.pop_last()?;
        self.told.insert(key);
        Some(key)
    }

    /// These go before all others: what stops already is to be killed.
    pub(crate) fn begin_with(&mut self, keys: &BTreeSet<ChildKey>) {
        self.ready.retain(|_, key| !keys.contains(key));
        self.told.extend(keys);
    }

    /// The child is gone. If it was not told, its turn still comes.
    pub(crate) fn gone(&mut self, key: ChildKey) {
        if self.told.remove(&key) {
            self.left.remove(&key);
            self.let_go(key);
        } else if self.left.contains(&key) && self.dead.insert(key) && !self.blocked.contains_key(&key) {
            self.let_go(key);
        }
    }

    /// Whether it is one of those that are stopped, and its turn is not over.
    pub(crate) fn is_left(&self, key: ChildKey) -> bool {
        self.left.contains(&key)
    }

    /// Whether all are gone.
    pub(crate) fn is_over(&self) -> bool {
        self.left.is_empty()
    }

    /// What it depends on waits for it no longer.
    fn let_go(&mut self, key: ChildKey) {
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
                        self.ready.insert(place, dependency);
                        if self.dead.contains(&dependency) {
                            gone.push(dependency);
                        }
                    }
                    None => gone.push(dependency),
                }
            }
        }
    }
}
