//! An entry as the recorder keeps it: small, since a tree keeps up to 8,192 of them.

use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::Exit;

use crate::event::{EventKind, Outage};
use crate::recorder::entry::{HistoryEntry, HistoryKind};
use crate::recorder::slim::{slim_event, slim_exit};
use crate::recorder::state::HistoryState;
use crate::recorder::word::Word;

/// Entry in a ring. Its number, word and former state share one field.
#[derive(Debug, Clone)]
pub(super) struct Noted {
    pub(super) path: Arc<str>,
    /// Time on the tree's clock, in nanoseconds.
    pub(super) at: u64,
    pub(super) stamp: Stamp,
    pub(super) generation: u64,
    /// The kind with all that belongs to it. `None` if the word says everything: most starts and clean ends.
    pub(super) more: Option<Arc<HistoryKind>>,
}

const _: () = assert!(size_of::<Noted>() == 48);

/// Number of an entry (48 bits), its word (8 bits) and the state before it (8 bits).
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp(u64);

impl Stamp {
    pub(super) fn new(number: u64, word: Word, before: u8) -> Self {
        Self((number << 16) | (word as u64) << 8 | u64::from(before))
    }

    pub(super) fn number(self) -> u64 {
        self.0 >> 16
    }

    fn word(self) -> Word {
        let [_, word, ..] = self.0.to_le_bytes();
        Word::ALL[usize::from(word)]
    }

    fn before(self) -> HistoryState {
        let [before, ..] = self.0.to_le_bytes();
        HistoryState::from_byte(before)
    }
}

impl Noted {
    /// The entry for a reader. `outage`: the one that was kept apart.
    pub(super) fn entry(self, outage: Option<Outage>) -> HistoryEntry {
        let kind = match self.more {
            Some(more) => Arc::unwrap_or_clone(more),
            None => restore(self.stamp.word(), outage),
        };
        HistoryEntry {
            seq: self.stamp.number(),
            at: Duration::from_nanos(self.at),
            path: self.path,
            generation: self.generation,
            before: self.stamp.before(),
            kind,
        }
    }
}

/// A kind of entry as it is kept.
pub(super) struct Short {
    pub(super) word: Word,
    pub(super) more: Option<Arc<HistoryKind>>,
    /// The outage that a start ends, if the word says everything else. The ring keeps it apart.
    pub(super) outage: Option<Outage>,
}

impl Short {
    const fn said(word: Word) -> Self {
        Self { word, more: None, outage: None }
    }

    pub(super) fn of(event: &EventKind) -> Self {
        match event {
            EventKind::Started { info: None, outage } => Self { outage: *outage, ..Self::said(Word::Started) },
            EventKind::Exited { exit: Exit::Normal } => Self::said(Word::ExitedNormal),
            EventKind::Exited { exit: Exit::Shutdown } => Self::said(Word::ExitedShutdown),
            EventKind::Exited { exit: Exit::Killed } => Self::said(Word::ExitedKilled),
            EventKind::Ignored => Self::said(Word::Ignored),
            EventKind::Abandoned => Self::said(Word::Abandoned),
            EventKind::Waiting => Self::said(Word::Waiting),
            EventKind::Down => Self::said(Word::Down),
            EventKind::Gone => Self::said(Word::Gone),
            EventKind::Started { .. }
            | EventKind::Exited { .. }
            | EventKind::StartFailed { .. }
            | EventKind::ShutdownError { .. }
            | EventKind::Delayed { .. }
            | EventKind::TooManyFailures { .. }
            | EventKind::KeptSetAside { .. }
            | EventKind::Renewed { .. }
            | EventKind::DependencyGone { .. }
            | EventKind::Parked { .. }
            | EventKind::Overdue { .. }
            | EventKind::Overran { .. }
            | EventKind::RestartOrdered { .. }
            | EventKind::Blocks { .. }
            | EventKind::GaveUp { .. }
            | EventKind::GivenUp { .. }
            | EventKind::Acted { .. } => Self::with_all(event),
        }
    }

    #[cold]
    fn with_all(event: &EventKind) -> Self {
        let more = Arc::new(HistoryKind::Event(slim_event(event.clone())));
        Self { more: Some(more), ..Self::said(Word::of_event(event)) }
    }

    pub(super) fn of_fact(kind: HistoryKind) -> Self {
        match kind {
            HistoryKind::Event(event) => Self::of(&event),
            HistoryKind::TreeUp => Self::said(Word::TreeUp),
            HistoryKind::Lost => Self::said(Word::Lost),
            HistoryKind::TreeOver { exit } => {
                let more = Arc::new(HistoryKind::TreeOver { exit: slim_exit(exit) });
                Self { more: Some(more), ..Self::said(Word::TreeOver) }
            }
        }
    }
}

/// The kind that a word says, with an outage that was kept apart.
fn restore(word: Word, outage: Option<Outage>) -> HistoryKind {
    let exited = |exit| HistoryKind::Event(EventKind::Exited { exit });
    match word {
        Word::Started => HistoryKind::Event(EventKind::Started { info: None, outage }),
        Word::ExitedNormal => exited(Exit::Normal),
        Word::ExitedShutdown => exited(Exit::Shutdown),
        Word::ExitedKilled => exited(Exit::Killed),
        Word::Ignored => HistoryKind::Event(EventKind::Ignored),
        Word::Abandoned => HistoryKind::Event(EventKind::Abandoned),
        Word::Waiting => HistoryKind::Event(EventKind::Waiting),
        Word::Down => HistoryKind::Event(EventKind::Down),
        Word::Gone => HistoryKind::Event(EventKind::Gone),
        Word::TreeUp => HistoryKind::TreeUp,
        Word::Lost => HistoryKind::Lost,
        Word::StartFailed
        | Word::ExitedFailed
        | Word::ExitedPanicked
        | Word::ExitedHung
        | Word::ShutdownError
        | Word::Delayed
        | Word::TooManyFailures
        | Word::KeptSetAside
        | Word::Renewed
        | Word::DependencyGone
        | Word::Parked
        | Word::Overdue
        | Word::Overran
        | Word::RestartOrdered
        | Word::Blocks
        | Word::GaveUp
        | Word::GivenUp
        | Word::Acted
        | Word::TreeOver => unreachable!("an entry of this kind keeps what belongs to it"),
    }
}
