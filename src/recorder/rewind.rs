//! The tree as it was: entries are undone from the present, or redone from a past.
//!
//! Invariant: a step that is undone and redone leaves the states as they were.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::recorder::entry::HistoryEntry;
use crate::recorder::state::HistoryState;

/// State of a child at some moment of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PastStatus {
    /// Full path of the child.
    pub path: Arc<str>,
    /// Its state, as the events up to then had told it.
    pub state: HistoryState,
    /// Generation of its latest incarnation; zero before the first.
    pub generation: u64,
}

/// Error of a look at a time before the history begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooEarly {
    /// Time that was asked for, on the clock of the tree.
    pub asked: Duration,
    /// Earliest time that can be told.
    pub begins: Duration,
}

impl fmt::Display for TooEarly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, begins } = self;
        write!(
            f,
            "the history begins {begins:.1?} after the start of the tree, and {asked:.1?} is earlier: ask for a later time"
        )
    }
}

impl std::error::Error for TooEarly {}

/// The part of an entry that matters for the states.
pub(crate) struct Step {
    pub(crate) path: Arc<str>,
    pub(crate) generation: u64,
    pub(crate) before: HistoryState,
    /// `None`: the state stays as it is.
    pub(crate) after: Option<HistoryState>,
}

impl Step {
    pub(crate) fn of(entry: &HistoryEntry) -> Self {
        let HistoryEntry { path, generation, before, kind, .. } = entry;
        Self { path: path.clone(), generation: *generation, before: *before, after: kind.after() }
    }

    /// Generation of the child before this entry: an entry that says that it is up begins a generation.
    fn generation_before(&self) -> u64 {
        let begins = self.after == Some(HistoryState::Up);
        self.generation.saturating_sub(u64::from(begins))
    }
}

type States = BTreeMap<Arc<str>, (HistoryState, u64)>;

fn redo(states: &mut States, step: Step) {
    if let Some(after) = step.after {
        states.insert(step.path, (after, step.generation));
    }
}

fn undo(states: &mut States, step: Step) {
    if step.after.is_some() {
        let generation = step.generation_before();
        states.insert(step.path, (step.before, generation));
    }
}

fn states(statuses: &[PastStatus]) -> States {
    statuses.iter().map(|PastStatus { path, state, generation }| (path.clone(), (*state, *generation))).collect()
}

/// The present, from what the directory listed and from all entries, oldest first. An entry that was noted after the
/// directory was read says more than the directory.
pub(crate) fn present(listed: Vec<PastStatus>, entries: impl Iterator<Item = Step>) -> Vec<PastStatus> {
    let mut states = states(&listed);
    drop(listed);
    entries.for_each(|step| redo(&mut states, step));
    as_list(states)
}

/// The tree before these entries, newest first. `is_over`: the tree was over by then.
pub(crate) fn rewind(present: &[PastStatus], undone: impl Iterator<Item = Step>, is_over: bool) -> Vec<PastStatus> {
    let mut states = states(present);
    undone.for_each(|step| undo(&mut states, step));
    shown(states, is_over)
}

fn as_list(states: States) -> Vec<PastStatus> {
    let list = states.into_iter().map(|(path, (state, generation))| PastStatus { path, state, generation });
    list.collect()
}

/// The children that had a place in the tree.
fn shown(states: States, is_over: bool) -> Vec<PastStatus> {
    // A supervisor comes before what is below it.
    let mut there: States = BTreeMap::new();
    for (path, (state, generation)) in states {
        let supervisor = path.rsplit_once('/').map(|(supervisor, _)| there.get(supervisor).map(|(state, _)| *state));
        let state = match (state, supervisor) {
            // The root has no place any more when the tree is over, and is shown with its children.
            (HistoryState::Gone, None) if is_over => state,
            (HistoryState::Absent | HistoryState::Gone, _) => continue,
            // It was described with its supervisor, and is not there before that one is.
            (HistoryState::Waiting, Some(None)) => continue,
            (HistoryState::Up, _) => state,
            // No event tells of each child below.
            (_, Some(Some(above @ (HistoryState::Down | HistoryState::Parked)))) => above,
            (state, _) => state,
        };
        there.insert(path, (state, generation));
    }
    if is_over {
        there.values_mut().for_each(|(state, _)| *state = HistoryState::Gone);
    }
    as_list(there)
}
