//! The history of a tree, as a reader asks for it, and the ways in which it is written.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::event::EventKind;
use crate::event::act::{Act, ActOutcome};
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
    /// Notes an act of an operator on the child with this path, or on the whole tree by the path of its root. It is
    /// counted, and becomes an event and a line in the log.
    #[allow(dead_code, reason = "only the admin source acts, and it is a feature")]
    pub(crate) fn note_act(&self, path: &Arc<str>, act: Act) {
        self.counts.note_act(act.kind, act.outcome == ActOutcome::Done);
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
        let listed = self.directory.picked(|path, listed| {
            let recorded = listed.slot.recorded().load(Ordering::Relaxed);
            Some(history::listed(path.clone(), recorded, listed.slot.status()))
        });
        let root = listed.iter().map(|status| &status.path).find(|path| !path.contains('/'));
        let root = root.cloned().unwrap_or_default();
        let copied = self.recorder.copy_after(0);
        History::new(root, copied, listed, self.clock.now(), self.clock.boot())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Mutex;

    use tracing_subscriber::fmt;

    use super::*;
    use crate::base::sync::lock;
    use crate::event::act::ActKind;
    use crate::testing::Journal;
    use crate::{HistoryState, Supervisor};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.0).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn an_act_is_an_event_a_line_in_the_log_and_an_entry() {
        let tree = Supervisor::one_for_one("app").child(Journal::new().probe("web")).start().await.unwrap();
        let (mut events, lines) = (tree.events(), Lines::default());
        let act = Act {
            kind: ActKind::Kill,
            by: "uid 0".into(),
            reason: "it\u{1b}[2J leaks".into(),
            generation: Some(4),
            outcome: ActOutcome::Refused("already replaced".into()),
        };
        let writer = lines.clone();
        let subscriber = fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            for path in ["app/web", "app", "app/nothing"] {
                tree.shared.note_act(&path.into(), act.clone());
            }
        });

        for (path, generation) in [("app/web", 1), ("app", 1), ("app/nothing", 0)] {
            let event = events.try_next().unwrap().unwrap();
            assert_eq!((&*event.path, event.generation), (path, generation));
            let EventKind::Acted { act: told } = event.kind else { panic!("{event}") };
            assert_eq!(*told, act);
        }
        let counted = tree.directory().tree_figures().acts;
        assert_eq!(counted.first(), Some(&("kill", 0, 3)));
        let history = tree.history();
        let entry = history.of("app/web").next_back().unwrap();
        assert_eq!((entry.kind.word(), entry.before, entry.after()), ("acted", HistoryState::Up, HistoryState::Up));
        let lines = String::from_utf8(lock(&lines.0).clone()).unwrap();
        let said = "INFO regrow: an operator acted path=app/web generation=1 act=kill by=uid 0 reason=it\\u{1b}[2J leaks \
                    outcome=refused: already replaced meant=4";
        assert!(lines.lines().next().is_some_and(|line| line.ends_with(said)), "{lines}");
        assert_eq!(lines.lines().count(), 3);
        assert_eq!(history.at(history.now).unwrap().len(), 2, "an act on nothing brings no child");
        tree.shutdown().await;
    }
}
