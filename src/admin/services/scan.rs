//! A walk through a tree in slices, and what is read of each child.

use std::sync::Arc;

use crate::admin::row::state_of;
use crate::admin::services::listing::Listing;
use crate::admin::wire::services::State;
use crate::slot::accounting::Accounting;
use crate::slot::restarts::Restarts;
use crate::tree::directory::{Listed, SLICE};
use crate::tree::shared::Shared;

/// Sight of a child, as a walk reads it.
pub(super) struct Look<'a> {
    pub(super) path: Arc<str>,
    pub(super) tree: &'a Listing,
    pub(super) state: State,
    pub(super) generation: u64,
    pub(super) accounting: Accounting,
    pub(super) restarts: Restarts,
}

impl<'a> Look<'a> {
    /// Reads the slot of a child. No lock of the directory is held meanwhile.
    pub(super) fn at(path: &Arc<str>, listed: &Listed, tree: &'a Listing) -> Self {
        let status = listed.slot.status();
        let accounting = listed.slot.accounting();
        let restarts = listed.slot.restarts();
        let (path, state) = (path.clone(), state_of(status.state));
        Self { path, tree, state, generation: status.generation, accounting, restarts }
    }
}

/// Visits the child at `top` and those below it, in the order of the tree. Those that are there all the time are visited
/// exactly once.
pub(super) fn scan(shared: &Shared, top: &str, mut visit: impl FnMut(&Arc<str>, &Listed)) {
    let mut after: Option<Arc<str>> = None;
    loop {
        let slice = slice(shared, top, after.as_deref(), SLICE);
        let Some((last, _)) = slice.last() else { return };
        after = Some(last.clone());
        slice.iter().for_each(|(path, listed)| visit(path, listed));
    }
}

/// Returns the first children behind `after`, in slices as well.
pub(super) fn page(shared: &Shared, top: &str, after: Option<&str>, max: usize) -> Vec<(Arc<str>, Listed)> {
    let mut page: Vec<(Arc<str>, Listed)> = Vec::new();
    while page.len() < max {
        let last = page.last().map(|(path, _)| path.clone());
        let slice = slice(shared, top, last.as_deref().or(after), SLICE.min(max - page.len()));
        if slice.is_empty() {
            break;
        }
        page.extend(slice);
    }
    page
}

#[cfg(not(test))]
pub(super) fn slice(shared: &Shared, top: &str, after: Option<&str>, max: usize) -> Vec<(Arc<str>, Listed)> {
    shared.directory.page(top, after, max)
}

/// Times for which the directory's lock was held, or waited for.
#[cfg(test)]
pub(super) static HOLDS: std::sync::Mutex<Vec<std::time::Duration>> = std::sync::Mutex::new(Vec::new());

#[cfg(test)]
pub(super) fn slice(shared: &Shared, top: &str, after: Option<&str>, max: usize) -> Vec<(Arc<str>, Listed)> {
    let begun = std::time::Instant::now();
    let slice = shared.directory.page(top, after, max);
    let took = begun.elapsed();
    HOLDS.lock().unwrap().push(took);
    slice
}
