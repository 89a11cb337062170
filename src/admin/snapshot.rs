//! A snapshot of a tree that fits its stream of events.
//!
//! The number of the latest entry is read first, then the state of each child, and then the entries noted meanwhile, which
//! are redone over what was read. The result is the tree as the entries up to the last of them tell it, and the stream goes
//! on with the next one. In the other order a child that ended between the two looks would be shown as alive for ever.
//!
//! An end is seen in the slot before its entry is noted. A child that is up by the entries and not in its slot is shown as
//! its slot says, so nothing is shown as alive that is known to be dead.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::admin::wire::event::Child;
use crate::admin::wire::services::State;
use crate::admin::{record, row};
use crate::recorder::history;
use crate::recorder::rewind::{self, Step};
use crate::slot::status::ServiceState;
use crate::tree::Directory;
use crate::tree::shared::Shared;

/// Attempts to read a tree in which so much happens that entries are pushed out meanwhile.
const ATTEMPTS: u32 = 10;

/// The children of a tree as of one entry, in the order of the paths.
pub(crate) struct Snapshot {
    pub(crate) children: Vec<Child>,
    /// Number of that entry.
    pub(crate) seq: u64,
    /// Its moment.
    pub(crate) at_ms: u64,
}

/// Reads a tree. `None`: entries were pushed out faster than the tree could be read.
pub(crate) fn read(shared: &Arc<Shared>, root: &str) -> Option<Snapshot> {
    (0..ATTEMPTS).find_map(|_| attempt(shared, root))
}

fn attempt(shared: &Arc<Shared>, root: &str) -> Option<Snapshot> {
    let directory = Directory { shared: shared.clone() };
    let first = directory.history_after(u64::MAX).latest;
    let listed = shared.directory.slices(root, |_, _| true).flatten().map(|(path, listed)| {
        let recorded = listed.slot.recorded().load(Ordering::Relaxed);
        history::listed(path, recorded, listed.slot.status())
    });
    let listed = listed.collect();
    let meanwhile = directory.history_after(first);
    if !meanwhile.is_complete {
        return None;
    }
    let at = shared.clock.now();
    let present = rewind::present(listed, meanwhile.entries.iter().map(Step::of));
    let children = present.into_iter().filter_map(|status| {
        let told = record::state(status.state).filter(|state| *state != State::Gone)?;
        let state = match told {
            State::Up => in_slot(shared, &status.path)?,
            told => told,
        };
        Some(Child { path: status.path.to_string(), state, generation: status.generation })
    });
    let children = children.collect();
    Some(Snapshot { children, seq: meanwhile.latest, at_ms: record::moment(shared.clock.boot(), at) })
}

/// The state of a child that is up by the entries. `None`: it is gone.
fn in_slot(shared: &Shared, path: &str) -> Option<State> {
    match shared.directory.get(path)?.slot.status().state {
        ServiceState::Up => Some(State::Up),
        // The next incarnation is on its way, and its entry tells when it is up.
        ServiceState::Starting => Some(State::Restarting),
        state => Some(row::state_of(state)).filter(|state| *state != State::Gone),
    }
}
