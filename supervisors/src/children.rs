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
use crate::policy::{On, Readiness};
use crate::spec::{ChildSpec, Strategy};
use crate::track::{Ended, Track};

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
    /// It is to be started again, now or after a delay: OTP's `restarting`.
    Retrying,
    /// It is to be started when the services that it depends on are ready.
    Waiting,
    /// It was put away because its budget was gone, and is tried again from time to time.
    Parked,
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
    /// When it came to this stage.
    pub(crate) since: Duration,
    pub(crate) ending: Ending,
    /// When the next rung of the ladder is due.
    pub(crate) deadline: Option<Duration>,
    /// Its start, or its stop, takes longer than a prompt one.
    pub(crate) is_slow: bool,
    /// It has handled as many messages as begin its curve anew.
    pub(crate) is_proven: bool,
    /// Why it is being killed, where it was not told to stop: its exit is that.
    pub(crate) cause: Option<Box<Exit>>,
    /// Who ordered the start and waits for it.
    pub(crate) start_call: Option<StartCall>,
    /// Who ordered the stop and waits for it.
    pub(crate) stop_calls: Vec<Call>,
}

/// An order that waits for a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
            since: begun,
            ending: Ending::NotTold,
            deadline: None,
            is_slow: false,
            is_proven: false,
            cause: None,
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

    /// How it ended, with what is to be known of its life.
    pub(crate) fn ended(&mut self, exit: Exit, now: Duration) -> Ended {
        let exit = self.cause.take().map_or(exit, |cause| *cause);
        let phase = match self.stage {
            Stage::Starting => Some(On::StartFailed),
            Stage::Up => Some(On::NotReady),
            Stage::Ready | Stage::Dead(_) => None,
        };
        Ended { exit, phase, lived: now.saturating_sub(self.since), is_proven: self.is_proven }
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Stage {
    Starting,
    /// Up, and not ready yet.
    Up,
    Ready,
    /// It ended unexpectedly, and that exit waits in the inbox.
    Dead(Box<Ended>),
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
    Held(Held),
    Live(Live),
}

/// To be started later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) hold: Hold,
    pub(crate) scope: Scope,
    /// The budget has been charged for it.
    pub(crate) is_paid: bool,
    /// Who ordered the start and waits for it.
    pub(crate) start_call: Option<StartCall>,
}

impl Held {
    pub(crate) fn new(hold: Hold, scope: Scope) -> Self {
        Self { hold, scope, is_paid: false, start_call: None }
    }

    pub(crate) fn paid(self) -> Self {
        Self { is_paid: true, ..self }
    }
}

/// What a child that is to be started waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Its turn: OTP's retry, behind what waits already (OTP rule 31).
    Queued,
    /// This moment.
    Backoff { until: Duration },
    /// The services that it depends on.
    Dependency,
    /// Its next probe.
    Parked { until: Duration },
}

/// Who is started together with a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Whoever the strategy says.
    Strategy,
    /// All.
    All,
    /// Nobody.
    Alone,
}

impl Scope {
    /// Whether others are stopped and started with the child.
    pub(crate) fn has_group(self, strategy: Strategy) -> bool {
        match self {
            Self::All => true,
            Self::Alone => false,
            Self::Strategy => strategy != Strategy::OneForOne,
        }
    }
}

#[derive(Clone)]
pub(crate) struct Child {
    pub(crate) spec: ChildSpec,
    pub(crate) state: State,
    /// None until something has gone wrong.
    pub(crate) track: Option<Box<Track>>,
    /// It is down until somebody orders otherwise, and not only until its group is started.
    pub(crate) is_at_rest: bool,
    place: u64,
}

/// Only what a decision may come to depend on: two machines with one future look alike.
impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spec, state, track, is_at_rest, place } = self;
        let track = track.as_ref().filter(|_| spec.policy.is_some());
        f.debug_tuple("Child").field(spec).field(state).field(&track).field(is_at_rest).field(place).finish()
    }
}

impl Child {
    pub(crate) fn attempt(&self) -> Option<Attempt> {
        match &self.state {
            State::Live(live) => Some(live.attempt),
            State::Down | State::Held(_) => None,
        }
    }

    pub(crate) fn track_mut(&mut self) -> &mut Track {
        self.track.get_or_insert_default()
    }

    /// Down only until its group is started.
    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self.state, State::Down) && !self.is_at_rest
    }

    pub(crate) fn readiness(&self) -> Readiness {
        self.spec.policy.as_ref().and_then(|policy| policy.readiness).unwrap_or_default()
    }

    /// A group restart passes it over: it is parked, or somebody has ordered its start and waits for it.
    pub(crate) fn is_apart(&self) -> bool {
        match &self.state {
            State::Held(held) => matches!(held.hold, Hold::Parked { .. }) || held.start_call.is_some(),
            State::Live(_) | State::Down => false,
        }
    }

    /// When its timer is due, if it has one.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        match &self.state {
            State::Live(live) => live.deadline,
            State::Held(Held { hold: Hold::Backoff { until } | Hold::Parked { until }, .. }) => Some(*until),
            State::Held(_) | State::Down => None,
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        match &self.state {
            State::Down => Standing::Down,
            State::Held(held) => match held.hold {
                Hold::Queued | Hold::Backoff { .. } => Standing::Retrying,
                Hold::Dependency => Standing::Waiting,
                Hold::Parked { .. } => Standing::Parked,
            },
            State::Live(live) => match (live.ending, &live.stage) {
                (Ending::Asked | Ending::Killed, _) => Standing::Stopping,
                (Ending::NotTold | Ending::KilledByOthers, Stage::Starting) => Standing::Starting,
                (Ending::NotTold | Ending::KilledByOthers, Stage::Up | Stage::Ready | Stage::Dead(_)) => Standing::Up,
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
    /// Who depends on whom, by the name of whom.
    dependents: HashMap<Arc<str>, Vec<ChildKey>>,
    keys: u64,
    places: u64,
    attempts: u64,
}

/// In start order, so that two machines with one history look alike.
impl fmt::Debug for Children {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table: _, order: _, ids: _, dependents: _, keys, places, attempts } = self;
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
        self.note_dependencies(key, &spec);
        self.table.insert(key, Box::new(Child { spec, state: State::Down, track: None, is_at_rest: false, place }));
        key
    }

    pub(crate) fn remove(&mut self, key: ChildKey) -> Option<Box<Child>> {
        let child = self.table.remove(&key)?;
        self.order.remove(&child.place);
        self.ids.remove(&child.spec.id);
        self.forget_dependencies(key, &child.spec);
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
        }
        if let Some(spec) = spec {
            self.respec(key, spec);
        }
    }

    /// Gives a child a new spec. Its name stays.
    pub(crate) fn respec(&mut self, key: ChildKey, spec: ChildSpec) {
        let Some(before) = self.get(key).map(|child| child.spec.clone()) else { return };
        self.forget_dependencies(key, &before);
        self.note_dependencies(key, &spec);
        if let Some(child) = self.get_mut(key) {
            child.spec = spec;
        }
    }

    /// Who depends on the service of this name.
    pub(crate) fn dependents(&self, name: &str) -> Vec<ChildKey> {
        self.dependents.get(name).cloned().unwrap_or_default()
    }

    fn note_dependencies(&mut self, key: ChildKey, spec: &ChildSpec) {
        for name in spec.dependencies() {
            self.dependents.entry(name.clone()).or_default().push(key);
        }
    }

    fn forget_dependencies(&mut self, key: ChildKey, spec: &ChildSpec) {
        for name in spec.dependencies() {
            if let Some(dependents) = self.dependents.get_mut(name) {
                dependents.retain(|dependent| *dependent != key);
                if dependents.is_empty() {
                    self.dependents.remove(name);
                }
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
            State::Live(_) | State::Down | State::Held(_) => None,
        }
    }

    pub(crate) fn is_held(&self, key: ChildKey) -> bool {
        matches!(self.get(key).map(|child| &child.state), Some(State::Held(_)))
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
