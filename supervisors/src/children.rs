//! The ordered table of children: the only place that knows its shape.
//!
//! Invariants:
//! 1. Places grow: iterating by place is iterating in start order, and a child added later comes behind (OTP rule 42).
//! 2. A key is never reused, and neither is the number of an attempt.
//! 3. Look-ups and counts never scan the table: counts are kept. Every change of a child's state goes through `change`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

use crate::child::{Child, ChildState, Held, Live, State};
use crate::circles::Tie;
use crate::dependency::Dependency;
use crate::names::ByName;
use crate::spec::ChildSpec;

/// The name of a child in its supervisor's table. It stays the same through restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildKey(u64);

/// A table by child. Keys are numbers that the supervisor gives, so that no input can be chosen to make them collide.
pub type ByChild<T> = HashMap<ChildKey, T, BuildHasherDefault<KeyHasher>>;

/// A hasher that spreads numbers: it multiplies by an odd constant (Knuth's, from the golden ratio) and folds.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = u128::from(self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        self.0 = (mixed >> 64) as u64 ^ mixed as u64;
    }
}

/// An attempt to start a child. Facts carry it, so that late ones are recognised and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    child: ChildKey,
    number: u64,
}

impl Attempt {
    /// Returns the child that this attempt is for.
    pub fn child(self) -> ChildKey {
        self.child
    }

    pub(crate) fn of(child: ChildKey, number: u64) -> Self {
        Self { child, number }
    }

    /// Returns the number of this attempt among those of its supervisor, from 1.
    pub fn number(self) -> u64 {
        self.number
    }
}

/// The number of children of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ChildCounts {
    /// Children that have a spec.
    pub specs: usize,
    /// Children that are up, or are being stopped.
    pub active: usize,
    /// Significant children that are not down.
    pub(crate) significant: usize,
}

impl ChildCounts {
    /// Counts one child.
    fn of(child: &Child) -> Self {
        let standing = child.standing();
        Self {
            specs: 1,
            active: usize::from(matches!(standing, ChildState::Up | ChildState::Stopping)),
            significant: usize::from(child.spec.terms.significant && standing != ChildState::Down),
        }
    }

    fn add(&mut self, other: Self) {
        self.specs += other.specs;
        self.active += other.active;
        self.significant += other.significant;
    }

    fn take_away(&mut self, other: Self) {
        self.specs -= other.specs;
        self.active -= other.active;
        self.significant -= other.significant;
    }
}

#[derive(Clone, Default)]
pub(crate) struct Children {
    /// Boxed, because a large table is half empty.
    table: ByChild<Box<Child>>,
    order: BTreeMap<u64, ChildKey>,
    ids: ByName<ChildKey>,
    /// Dependents by the name of the service that they depend on.
    dependents: ByName<BTreeSet<ChildKey>>,
    counts: ChildCounts,
    keys: u64,
    places: u64,
    attempts: u64,
}

/// Prints the children in start order, so that two machines with the same history look alike.
impl fmt::Debug for Children {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table: _, order: _, ids: _, dependents: _, counts: _, keys, places, attempts } = self;
        let children: Vec<_> = self.iter().collect();
        let mut children_seen = f.debug_struct("Children");
        children_seen.field("children", &children).field("keys", keys).field("places", places);
        children_seen.field("attempts", attempts).finish()
    }
}

impl Children {
    /// A table of these children, all down.
    pub(crate) fn of(specs: Vec<ChildSpec>) -> Self {
        let mut children = Self::default();
        children.table.reserve(specs.len());
        children.ids.reserve(specs.len());
        let places: Vec<_> = specs.into_iter().map(|spec| children.enter(spec)).collect();
        // Built in one go, the tree has no gaps.
        children.order = places.into_iter().collect();
        children
    }

    /// Appends a child that is down.
    pub(crate) fn push(&mut self, spec: ChildSpec) -> ChildKey {
        let (place, key) = self.enter(spec);
        self.order.insert(place, key);
        key
    }

    /// Enters a child that is down, everywhere but in the order. Returns its place there, and its key.
    fn enter(&mut self, spec: ChildSpec) -> (u64, ChildKey) {
        let key = ChildKey(self.keys);
        self.keys += 1;
        self.places += 1;
        self.ids.insert(spec.id.clone(), key);
        let child = Child::new(spec, self.places);
        self.counts.add(ChildCounts::of(&child));
        self.table.insert(key, Box::new(child));
        self.note_dependencies(key);
        (self.places, key)
    }

    pub(crate) fn remove(&mut self, key: ChildKey) -> Option<Box<Child>> {
        let child = self.table.remove(&key)?;
        self.counts.take_away(ChildCounts::of(&child));
        self.order.remove(&child.place);
        self.ids.remove(&child.spec.id);
        self.forget_dependencies(key, &child.spec);
        give_back(&mut self.table);
        give_back(&mut self.ids);
        Some(child)
    }

    /// Gives a child the last place in the order.
    pub(crate) fn move_last(&mut self, key: ChildKey) {
        let place = self.next_place(key);
        if let Some(child) = self.table.get_mut(&key) {
            self.order.remove(&std::mem::replace(&mut child.place, place));
        }
    }

    /// Gives a child a new spec, and returns the one before. The name stays.
    pub(crate) fn respec(&mut self, key: ChildKey, spec: ChildSpec) -> Option<ChildSpec> {
        let before = self.change(key, |child| std::mem::replace(&mut child.spec, spec))?;
        self.forget_dependencies(key, &before);
        self.note_dependencies(key);
        Some(before)
    }

    /// Returns the children that depend on the service of this name.
    pub(crate) fn dependents(&self, name: &str) -> Vec<ChildKey> {
        self.dependents.get(name).into_iter().flatten().copied().collect()
    }

    /// Iterates over the pairs of a child and a sibling that it depends on.
    pub(crate) fn ties(&self) -> impl Iterator<Item = Tie> {
        let named = self.dependents.iter().filter_map(|(name, dependents)| Some((self.find(name)?, dependents)));
        named.flat_map(|(dependency, dependents)| dependents.iter().map(move |&dependent| (dependent, dependency)))
    }

    /// Whether a child depends on the service of this name.
    pub(crate) fn has_dependents(&self, name: &str) -> bool {
        self.dependents.contains_key(name)
    }

    fn note_dependencies(&mut self, key: ChildKey) {
        for on in self.table.get(&key).map(|child| child.spec.dependencies()).unwrap_or_default() {
            self.dependents.entry(on.name.clone()).or_default().insert(key);
        }
    }

    fn forget_dependencies(&mut self, key: ChildKey, spec: &ChildSpec) {
        for Dependency { name, .. } in spec.dependencies() {
            if let Some(dependents) = self.dependents.get_mut(name) {
                dependents.remove(&key);
                if dependents.is_empty() {
                    self.dependents.remove(name);
                    give_back(&mut self.dependents);
                }
            }
        }
    }

    fn next_place(&mut self, key: ChildKey) -> u64 {
        self.places += 1;
        self.order.insert(self.places, key);
        self.places
    }

    pub(crate) fn tables(&self) -> [(&'static str, usize); 4] {
        [
            ("machine: children", self.table.len()),
            ("machine: start order", self.order.len()),
            ("machine: names", self.ids.len()),
            ("machine: dependents", self.dependents.len()),
        ]
    }

    /// Changes the state of a child, or its spec (invariant 3).
    pub(crate) fn change<T>(&mut self, key: ChildKey, change: impl FnOnce(&mut Child) -> T) -> Option<T> {
        let child = self.table.get_mut(&key)?;
        let before = ChildCounts::of(child);
        let changed = change(child);
        let after = ChildCounts::of(child);
        if after != before {
            self.counts.add(after);
            self.counts.take_away(before);
        }
        Some(changed)
    }

    /// Returns the kept counts.
    pub(crate) fn counts(&self) -> ChildCounts {
        self.counts
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Returns the number of different names.
    pub(crate) fn names(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn find(&self, id: &str) -> Option<ChildKey> {
        self.ids.get(id).copied()
    }

    pub(crate) fn get(&self, key: ChildKey) -> Option<&Child> {
        self.table.get(&key).map(|child| &**child)
    }

    pub(crate) fn get_mut(&mut self, key: ChildKey) -> Option<&mut Child> {
        self.table.get_mut(&key).map(|child| &mut **child)
    }

    /// Returns the life of exactly this attempt; `None` for facts that come late.
    pub(crate) fn live_mut(&mut self, attempt: Attempt) -> Option<&mut Live> {
        match &mut self.table.get_mut(&attempt.child)?.state {
            State::Live(live) if live.attempt == attempt => Some(live),
            State::Live(_) | State::Down | State::Held(_) => None,
        }
    }

    pub(crate) fn held(&self, key: ChildKey) -> Option<Held> {
        match self.get(key)?.state {
            State::Held(held) => Some(held),
            State::Live(_) | State::Down => None,
        }
    }

    /// Iterates in start order.
    pub(crate) fn keys(&self) -> impl DoubleEndedIterator<Item = ChildKey> {
        self.order.values().copied()
    }

    /// Iterates in start order, from `first` on.
    pub(crate) fn keys_from(&self, first: ChildKey) -> impl Iterator<Item = ChildKey> {
        let place = self.table.get(&first).map_or(u64::MAX, |child| child.place);
        self.order.range(place..).map(|(_, &key)| key)
    }

    /// Iterates in start order.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (ChildKey, &Child)> {
        self.order.values().filter_map(|&key| Some((key, self.get(key)?)))
    }

    /// Iterates in start order, from this place on.
    pub(crate) fn iter_from(&self, first: u64) -> impl Iterator<Item = (ChildKey, &Child)> {
        self.order.range(first..).filter_map(|(_, &key)| Some((key, self.get(key)?)))
    }

    pub(crate) fn next_attempt(&mut self, child: ChildKey) -> Attempt {
        self.attempts += 1;
        Attempt { child, number: self.attempts }
    }
}

/// Frees the room that many removed entries have left behind.
fn give_back<K: Eq + Hash, V, S: BuildHasher>(table: &mut HashMap<K, V, S>) {
    if table.len() < table.capacity() / 8 {
        table.shrink_to(2 * table.len());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    use super::*;

    #[test]
    fn what_many_children_left_behind_is_given_back() {
        let mut children = Children::default();
        let keys: Vec<_> = (0..1000).map(|number| children.push(ChildSpec::new(number.to_string()))).collect();
        let room = |children: &Children| (children.table.capacity(), children.ids.capacity());
        keys[..700].iter().for_each(|&key| drop(children.remove(key)));
        let (table, ids) = room(&children);
        assert!(table >= 1000 && ids >= 1000, "{table} and {ids} places: that many may come back");
        keys[700..990].iter().for_each(|&key| drop(children.remove(key)));
        let (table, ids) = room(&children);
        assert!(table < 100 && ids < 100, "{table} and {ids} places for ten");
        assert!(table >= 20 && ids >= 20, "{table} and {ids} places: some may come");
        assert!(keys[990..].iter().all(|&key| children.get(key).is_some()));
    }

    #[test]
    fn what_is_given_back_leaves_room_for_as_many_as_there_are() {
        let mut children = Children::default();
        let keys: Vec<_> = (0..1000).map(|number| children.push(ChildSpec::new(number.to_string()))).collect();
        let mut before = children.table.capacity();
        for key in keys {
            children.remove(key);
            let now = children.table.capacity();
            if now < before / 2 {
                assert!(now >= 2 * children.len(), "{now} places for {}", children.len());
                before = now;
            }
        }
    }

    #[test]
    fn a_child_that_is_gone_or_has_another_spec_depends_on_nothing_it_depended_on() {
        let needs = |name: &str, on: &[&str]| {
            ChildSpec::new(name.to_owned()).policy(crate::Policy::default().depends_on(on.iter().copied()))
        };
        let mut children = Children::default();
        let (db, web) = (children.push(ChildSpec::new("db")), children.push(needs("web", &["db", "cache"])));
        let shop = children.push(needs("shop", &["db"]));
        assert_eq!((children.dependents("db"), children.dependents("cache")), (vec![web, shop], vec![web]));
        assert_eq!(children.ties().collect::<Vec<_>>(), [(web, db), (shop, db)]);
        children.respec(web, needs("web", &["mail"]));
        assert_eq!((children.dependents("db"), children.dependents("mail")), (vec![shop], vec![web]));
        assert!(!children.has_dependents("cache"));
        children.remove(shop);
        assert!(!children.has_dependents("db") && children.has_dependents("mail"));
        children.remove(web);
        assert!(!children.has_dependents("mail") && children.ties().next().is_none());
    }

    #[test]
    fn keys_that_follow_each_other_are_spread_over_a_table() {
        let hasher = BuildHasherDefault::<KeyHasher>::default();
        let hashes: HashSet<_> = (0..10_000).map(|key| hasher.hash_one(ChildKey(key)) & 0xFFFF).collect();
        // About 9,300 of 65,536 places are taken if each key takes one by chance.
        assert!((9000..9600).contains(&hashes.len()) || hashes.len() == 10_000, "{}", hashes.len());
        // Attempts are keys too, of two numbers.
        // So are those that differ far up, and texts.
        let far: HashSet<_> = (0..1000).map(|key| hasher.hash_one(ChildKey(key << 40)) & 0xFFFF).collect();
        assert!(far.len() > 950, "{}", far.len());
        let texts: HashSet<_> = (0..1000_u32).map(|text| hasher.hash_one(text.to_string())).collect();
        assert_eq!(texts.len(), 1000);
        let pairs: HashSet<_> =
            (0..100_u64).flat_map(|a| (0..100_u64).map(move |b| (a, b))).map(|pair| hasher.hash_one(pair)).collect();
        assert_eq!(pairs.len(), 10_000);
    }
}
