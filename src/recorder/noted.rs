//! An entry as the recorder keeps it: small, since a tree keeps up to 8,192 of them.

use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::Exit;

use crate::event::EventKind;
use crate::recorder::entry::{HistoryEntry, HistoryKind};
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
        Self((number << 16) | ((word as u64) << 8) | u64::from(before))
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
    pub(super) fn entry(self) -> HistoryEntry {
        let kind = match self.more {
            Some(more) => Arc::unwrap_or_clone(more),
            None => restore(self.stamp.word()),
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

/// The word of an entry, and its kind if the word does not say everything.
pub(super) fn shorten(kind: HistoryKind) -> (Word, Option<Arc<HistoryKind>>) {
    let word = Word::of(&kind);
    let is_said = match &kind {
        HistoryKind::Event(EventKind::Started { info, outage }) => info.is_none() && outage.is_none(),
        HistoryKind::Event(EventKind::Exited { exit }) => matches!(exit, Exit::Normal | Exit::Shutdown | Exit::Killed),
        HistoryKind::Event(
            EventKind::Ignored | EventKind::Abandoned | EventKind::Waiting | EventKind::Down | EventKind::Gone,
        )
        | HistoryKind::TreeUp
        | HistoryKind::Lost => true,
        HistoryKind::Event(_) | HistoryKind::TreeOver { .. } => false,
    };
    (word, if is_said { None } else { Some(Arc::new(kind)) })
}

/// The kind that a word alone says.
fn restore(word: Word) -> HistoryKind {
    let exited = |exit| HistoryKind::Event(EventKind::Exited { exit });
    match word {
        Word::Started => HistoryKind::Event(EventKind::Started { info: None, outage: None }),
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
