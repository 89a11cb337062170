//! The history of a tree, as a reader asks for it, and the ways in which it is written.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::event::EventKind;
use crate::event::act::Act;
use crate::recorder::entry::{HistoryEntry, HistoryKind};
use crate::recorder::history::{self, History};
use crate::slot::erased::AnySlot;
use crate::tree::shared::{About, Shared};
use crate::tree::{Directory, Tree};

impl Tree {
    /// Returns what happened to the children of this tree, as far as its recorder still has it. It works for a tree that
    /// is over, too. The whole directory is read for [`History::at`]; nothing that runs waits for that.
    pub fn history(&self) -> History {
        self.shared.history()
    }
}

impl Directory {
    /// Returns the history of the tree: see [`Tree::history`].
    pub fn history(&self) -> History {
        self.shared.history()
    }

    /// Returns the entries after the one with this number, oldest first, without reading the directory. Zero asks for
    /// all.
    pub fn history_after(&self, seq: u64) -> HistoryAfter {
        let mut copied = self.shared.recorder.copy_after(seq);
        let begins = copied.failures.seq.max(copied.ordinary.seq);
        HistoryAfter {
            entries: copied.take_entries(),
            latest: copied.latest,
            first_held: begins,
            is_complete: seq.saturating_add(1) >= begins && seq <= copied.latest,
        }
    }
}

/// Entries after one that a reader has seen.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HistoryAfter {
    /// The entries, oldest first.
    pub entries: Vec<HistoryEntry>,
    /// Number of the latest entry of the tree: the one to ask for next.
    pub latest: u64,
    /// Number from which on no entry of the tree is missing.
    pub first_held: u64,
    /// Whether no entry is missing between the one that was seen and these. If one is, or if the number is not of this
    /// tree, a reader has to begin again with what is there now.
    pub is_complete: bool,
}

impl Shared {
    /// Notes an act of an operator on the child with this path, or on the whole tree by the path of its root. It becomes
    /// an event and a line in the log.
    #[allow(dead_code, reason = "only the admin source acts, and it is a feature")]
    pub(crate) fn note_act(&self, path: &Arc<str>, act: Act) {
        let slot = self.directory.get(path).map(|listed| listed.slot);
        let about = About { path, slot: slot.as_deref(), now: self.clock.now() };
        let generation = || slot.as_ref().map_or(0, |slot| slot.status().generation);
        self.tell(about, generation, EventKind::Acted { act: Arc::new(act) });
    }

    /// Notes what is no event.
    pub(crate) fn record(&self, path: &Arc<str>, slot: &dyn AnySlot, kind: HistoryKind) {
        let generation = slot.status().generation;
        self.recorder.note_fact(slot.recorded(), self.clock.now(), path, generation, kind);
    }

    pub(crate) fn history(&self) -> History {
        // The directory first: what is noted meanwhile is in the copy, and says more.
        let listed = self.directory.all().into_iter().map(|(path, listed)| {
            let recorded = listed.slot.recorded().load(Ordering::Relaxed);
            history::listed(path, recorded, listed.slot.status())
        });
        let listed: Vec<_> = listed.collect();
        let root = listed.iter().map(|status| &status.path).find(|path| !path.contains('/'));
        let root = root.cloned().unwrap_or_default();
        let copied = self.recorder.copy_after(0);
        History::new(root, copied, listed, self.clock.now(), self.clock.boot())
    }
}
