//! The ordered child table: the only place that knows its shape.
//!
//! Invariants:
//! 1. Places grow: iterating by place is iterating in start order, and a child added later comes behind (OTP rule 42).
//! 2. A key is never reused, and neither is an attempt's number.
//! 3. No look-up scans the table.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::Duration;

use crate::exit::Exit;
use crate::order::Call;
use crate::spec::ChildSpec;

/// Names a child in its supervisor's table. It stays the same through restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildKey(u64);

/// A table by child. Keys are numbers that we give ourselves, so that nobody can choose them to collide.
pub type ByChild<T> = HashMap<ChildKey, T, BuildHasherDefault<KeyHasher>>;

/// Spreads the numbers: a multiplication by an odd constant (Knuth's, from the golden ratio), folded.
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

/// One try to start a child. Facts carry it, so that late ones are recognised and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    child: ChildKey,
    number: u64,
}

impl Attempt {
    /// The child this attempt is for.
    pub fn child(self) -> ChildKey {
        self.child
    }

    /// Counts the attempts of this supervisor, from 1.
    pub fn number(self) -> u64 {
        self.number
    }
}

/// Where a child stands, as its supervisor sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has a spec and no process: OTP's `undefined`.
    Down,
    /// Its automatic restart failed, another try is queued: OTP's `restarting`.
    Retrying,
    /// It is being started.
    Starting,
    /// It is up.
    Up,
    /// It has been told to stop.
    Stopping,
}

/// A child that has a process, or had one a moment ago.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) attempt: Attempt,
    pub(crate) stage: Stage,
    /// When its start was ordered.
    pub(crate) begun: Duration,
    pub(crate) ending: Ending,
    /// When the next rung of the ladder is due.
    pub(crate) deadline: Option<Duration>,
    /// Its start, or its stop, takes longer than a prompt one.
    pub(crate) is_slow: bool,
    /// Who ordered the start and waits for it.
    pub(crate) start_call: Option<StartCall>,
    /// Who ordered the stop and waits for it.
    pub(crate) stop_calls: Vec<Call>,
}

/// An order that waits for a start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StartCall {
    pub(crate) call: Call,
    /// The spec came with the order, and goes if the start fails (OTP rule 60).
    pub(crate) is_new: bool,
}

impl Live {
    pub(crate) fn new(attempt: Attempt, begun: Duration, start_call: Option<StartCall>) -> Self {
        Self {
            attempt,
            stage: Stage::Starting,
            begun,
            ending: Ending::NotTold,
            deadline: None,
            is_slow: false,
            start_call,
            stop_calls: Vec::new(),
        }
    }
}

impl Live {
    /// In the middle of a start, or of a stop that was ordered.
    pub(crate) fn is_awaited(&self) -> bool {
        match self.ending {
            Ending::NotTold => matches!(self.stage, Stage::Starting),
            Ending::Asked | Ending::Killed => !self.stop_calls.is_empty(),
            Ending::KilledByOthers => false,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Stage {
    Starting,
    Up,
    /// It ended unexpectedly, and that exit waits in the inbox.
    Dead(Exit),
}

/// How far along the ladder a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    NotTold,
    /// Somebody else kills it: its exit will be an unexpected one.
    KilledByOthers,
    Asked,
    Killed,
}

#[derive(Debug, Clone)]
pub(crate) enum State {
    Down,
    Retrying,
    Live(Live),
}

#[derive(Debug, Clone)]
pub(crate) struct Child {
    pub(crate) spec: ChildSpec,
    pub(crate) state: State,
    place: u64,
}

impl Child {
    pub(crate) fn attempt(&self) -> Option<Attempt> {
        match &self.state {
            State::Live(live) => Some(live.attempt),
            State::Down | State::Retrying => None,
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        match &self.state {
            State::Down => Standing::Down,
            State::Retrying => Standing::Retrying,
            State::Live(live) => match (live.ending, &live.stage) {
                (Ending::Asked | Ending::Killed, _) => Standing::Stopping,
                (Ending::NotTold | Ending::KilledByOthers, Stage::Starting) => Standing::Starting,
                (Ending::NotTold | Ending::KilledByOthers, Stage::Up | Stage::Dead(_)) => Standing::Up,
            },
        }
    }
}

#[derive(Clone, Default)]
pub(crate) struct Children {
    /// Boxed, because a large table is half empty.
    table: ByChild<Box<Child>>,
    order: BTreeMap<u64, ChildKey>,
    ids: HashMap<Arc<str>, ChildKey>,
    keys: u64,
    places: u64,
    attempts: u64,
}

/// In start order, so that two machines with one history look alike.
impl fmt::Debug for Children {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table: _, order: _, ids: _, keys, places, attempts } = self;
        let children: Vec<_> = self.iter().collect();
        let mut children_seen = f.debug_struct("Children");
        children_seen.field("children", &children).field("keys", keys).field("places", places);
        children_seen.field("attempts", attempts).finish()
    }
}

impl Children {
    /// Appends a child that is down.
    pub(crate) fn push(&mut self, spec: ChildSpec) -> ChildKey {
        let key = ChildKey(self.keys);
        self.keys += 1;
        let place = self.next_place(key);
        self.ids.insert(spec.id.clone(), key);
        self.table.insert(key, Box::new(Child { spec, state: State::Down, place }));
        key
    }

    pub(crate) fn remove(&mut self, key: ChildKey) -> Option<Box<Child>> {
        let child = self.table.remove(&key)?;
        self.order.remove(&child.place);
        self.ids.remove(&child.spec.id);
        // What many left behind is given back.
        if self.table.len() < self.table.capacity() / 8 {
            self.table.shrink_to(2 * self.table.len());
            self.ids.shrink_to(2 * self.ids.len());
        }
        Some(child)
    }

    /// Gives a child the last place in the order, and a new spec.
    pub(crate) fn move_last(&mut self, key: ChildKey, spec: Option<ChildSpec>) {
        let place = self.next_place(key);
        if let Some(child) = self.table.get_mut(&key) {
            self.order.remove(&std::mem::replace(&mut child.place, place));
            if let Some(spec) = spec {
                child.spec = spec;
            }
        }
    }

    fn next_place(&mut self, key: ChildKey) -> u64 {
        self.places += 1;
        self.order.insert(self.places, key);
        self.places
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
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

    /// The live child of exactly this attempt; `None` for facts that come late.
    pub(crate) fn live_mut(&mut self, attempt: Attempt) -> Option<&mut Live> {
        match &mut self.table.get_mut(&attempt.child)?.state {
            State::Live(live) if live.attempt == attempt => Some(live),
            State::Live(_) | State::Down | State::Retrying => None,
        }
    }

    /// In start order.
    pub(crate) fn keys(&self) -> impl DoubleEndedIterator<Item = ChildKey> {
        self.order.values().copied()
    }

    /// In start order, from `first` on.
    pub(crate) fn keys_from(&self, first: ChildKey) -> impl Iterator<Item = ChildKey> {
        let place = self.table.get(&first).map_or(u64::MAX, |child| child.place);
        self.order.range(place..).map(|(_, &key)| key)
    }

    /// In start order.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (ChildKey, &Child)> {
        self.order.values().filter_map(|&key| Some((key, self.get(key)?)))
    }

    pub(crate) fn next_attempt(&mut self, child: ChildKey) -> Attempt {
        self.attempts += 1;
        Attempt { child, number: self.attempts }
    }
}
