//! The rows that are not well, without a walk through the tree.
//!
//! Supervisors enter the children that are not up ([`tree::unwell`](crate::tree::unwell)). Below a supervisor that is not
//! up nothing is entered, so all is read there. In a tree that fails as a whole that would be all: a look is limited.

use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;

use crate::admin::services::listing::Listing;
use crate::admin::services::place::Place;
use crate::admin::services::scan::{Look, slice};
use crate::admin::wire::services::State;
use crate::tree::directory::{Listed, SLICE};

/// Most rows that are not well.
const ROWS: usize = 200;
/// Most children that are looked at for them.
const LOOKS: usize = 20_000;

/// The rows to be shown, of all that are not well.
#[derive(Default)]
pub(super) struct Unwell {
    /// The worst, in the order of the tree. The last of them is on top.
    worst: BinaryHeap<Place>,
    met: u64,
}

impl Unwell {
    pub(super) fn add(&mut self, look: &Look<'_>) {
        if !look.state.is_unwell() {
            return;
        }
        self.met += 1;
        self.worst.push(Place { key: severity(look.state), path: look.path.clone() });
        if self.worst.len() > ROWS {
            self.worst.pop();
        }
    }

    /// Returns the paths, the worst first, and the number of those that were left out.
    pub(super) fn finish(self) -> (Vec<Arc<str>>, u64) {
        let left_out = self.met.saturating_sub(self.worst.len() as u64);
        (self.worst.into_sorted_vec().into_iter().map(|place| place.path).collect(), left_out)
    }
}

fn severity(state: State) -> i64 {
    match state {
        State::Parked => 4,
        State::Restarting => 3,
        State::Waiting => 2,
        State::Starting => 1,
        State::Up | State::Down | State::Gone => 0,
    }
}

/// Returns the children of a tree that are not up, and whether there may be more.
pub(super) fn find(tree: &Listing) -> (Vec<Look<'_>>, bool) {
    let mut finder = Finder { tree, found: Vec::new(), tops: HashSet::new(), left: LOOKS };
    finder.look(&tree.root);
    let mut rows = Some(0);
    while let Some(first) = rows
        && finder.left > 0
    {
        let (paths, next) = tree.shared.unwell.slice(first, SLICE);
        paths.iter().for_each(|path| finder.look(path));
        rows = next;
    }
    let is_partial = finder.left == 0;
    let Finder { mut found, tops, .. } = finder;
    // Some of those below a supervisor that is not up were entered before, and found twice.
    let mut below = HashSet::new();
    found.retain(|look| !is_under(&look.path, &tops) || below.insert(look.path.clone()));
    (found, is_partial)
}

struct Finder<'a> {
    tree: &'a Listing,
    found: Vec<Look<'a>>,
    /// Supervisors that are not up, and below which all was read.
    tops: HashSet<Arc<str>>,
    /// Number of looks that are left.
    left: usize,
}

impl Finder<'_> {
    fn look(&mut self, path: &Arc<str>) {
        self.left = self.left.saturating_sub(1);
        let Some(listed) = self.tree.shared.directory.get(path) else { return };
        if self.add(path, &listed) && listed.kind.is_supervisor() && self.tops.insert(path.clone()) {
            self.read_below(path);
        }
    }

    fn read_below(&mut self, top: &Arc<str>) {
        let mut after = top.clone();
        while self.left > 0 {
            let slice = slice(&self.tree.shared, top, Some(&after), SLICE.min(self.left));
            let Some((last, _)) = slice.last() else { return };
            after = last.clone();
            self.left -= slice.len();
            for (path, listed) in &slice {
                self.add(path, listed);
            }
        }
    }

    /// Adds a child, if it is not up.
    fn add(&mut self, path: &Arc<str>, listed: &Listed) -> bool {
        let look = Look::at(path, listed, self.tree);
        let is_not_up = look.state != State::Up;
        if is_not_up {
            self.found.push(look);
        }
        is_not_up
    }
}

/// Whether a path is below one of these.
fn is_under(path: &str, tops: &HashSet<Arc<str>>) -> bool {
    path.match_indices('/').any(|(end, _)| tops.contains(&path[..end]))
}
