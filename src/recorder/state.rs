//! The states of a child as the events tell them.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

/// State of a child as the events up to a moment tell it.
///
/// An event tells that a child is up; none tells that a start begins. So a child that is being started is still
/// `Waiting` or `Restarting` here, and a parked child that is tried is `Parked`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum HistoryState {
    /// The child was described with its supervisor and has never been up, or it waits for services that it depends on.
    Waiting,
    /// There is no such child yet.
    Absent,
    /// An incarnation is up.
    Up,
    /// The last incarnation has ended, or a start has failed, and nothing was told since.
    Restarting,
    /// The child is set aside until the next try.
    Parked,
    /// The child is down. Only an order, or a restart of its group, starts it again.
    Down,
    /// The spec was deleted or lost with its supervisor, or the tree is over.
    Gone,
}

impl HistoryState {
    /// All states, each in the place of its number.
    pub const ALL: [Self; 7] =
        [Self::Waiting, Self::Absent, Self::Up, Self::Restarting, Self::Parked, Self::Down, Self::Gone];

    /// Returns one word for the state, the same in dumps and queries.
    pub fn word(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Waiting => "waiting",
            Self::Up => "up",
            Self::Restarting => "restarting",
            Self::Parked => "parked",
            Self::Down => "down",
            Self::Gone => "gone",
        }
    }

    /// Whether the child has a place in the tree.
    pub(crate) fn is_there(self) -> bool {
        !matches!(self, Self::Absent | Self::Gone)
    }

    /// State that is kept in this byte.
    pub(crate) fn from_byte(byte: u8) -> Self {
        Self::ALL[usize::from(byte)]
    }
}

/// Notes that a child is to be added at run time. Until it is up there is none.
pub(crate) fn is_added(recorded: &AtomicU8) {
    recorded.store(HistoryState::Absent as u8, Ordering::Relaxed);
}

/// Notes that a slot has the path of another one from now on. The events were about the path, so its state stays.
pub(crate) fn follows(recorded: &AtomicU8, before: &AtomicU8) {
    recorded.store(before.load(Ordering::Relaxed), Ordering::Relaxed);
}

/// Notes that a slot has a path that no slot had. If it had one before, its state is of that time.
pub(crate) fn returns(recorded: &AtomicU8) {
    if HistoryState::from_byte(recorded.load(Ordering::Relaxed)) != HistoryState::Waiting {
        is_added(recorded);
    }
}

impl fmt::Display for HistoryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
