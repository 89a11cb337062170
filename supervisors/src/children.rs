//! The ordered child table: the only place that knows its shape.
//!
//! Invariants:
//! 1. Keys grow: iterating by key is iterating in start order, and a child added later sorts behind (OTP rule 42).
//! 2. A key is never reused, and neither is an attempt's number.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::exit::Exit;
use crate::spec::ChildSpec;

/// A child's place in its supervisor's table. It stays the same through restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildKey(u64);

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
    pub(crate) ending: Ending,
    /// When the next rung of the ladder is due.
    pub(crate) deadline: Option<Duration>,
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
}

impl Child {
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

#[derive(Debug, Clone, Default)]
pub(crate) struct Children {
    table: BTreeMap<ChildKey, Child>,
    keys: u64,
    attempts: u64,
}

impl Children {
    pub(crate) fn push(&mut self, spec: ChildSpec) -> ChildKey {
        let key = ChildKey(self.keys);
        self.keys += 1;
        self.table.insert(key, Child { spec, state: State::Down });
        key
    }

    pub(crate) fn remove(&mut self, key: ChildKey) -> Option<Child> {
        self.table.remove(&key)
    }

    pub(crate) fn get(&self, key: ChildKey) -> Option<&Child> {
        self.table.get(&key)
    }

    pub(crate) fn get_mut(&mut self, key: ChildKey) -> Option<&mut Child> {
        self.table.get_mut(&key)
    }

    /// The live child of exactly this attempt; `None` for facts that come late.
    pub(crate) fn live_mut(&mut self, attempt: Attempt) -> Option<&mut Live> {
        match &mut self.table.get_mut(&attempt.child)?.state {
            State::Live(live) if live.attempt == attempt => Some(live),
            State::Live(_) | State::Down | State::Retrying => None,
        }
    }

    /// In start order.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (ChildKey, &Child)> {
        self.table.iter().map(|(&key, child)| (key, child))
    }

    /// In start order, from `first` on.
    pub(crate) fn keys_from(&self, first: ChildKey) -> impl Iterator<Item = ChildKey> {
        self.table.range(first..).map(|(&key, _)| key)
    }

    pub(crate) fn next_attempt(&mut self, child: ChildKey) -> Attempt {
        self.attempts += 1;
        Attempt { child, number: self.attempts }
    }
}
