//! A tree that is listed, and what its record adds to its rows.

use std::sync::Arc;

use crate::admin::row::row;
use crate::admin::viewer::Viewer;
use crate::admin::wire::services::{Service, State};
use crate::tree::shared::Shared;

/// Record of a tree, as far as its rows need it.
pub(crate) trait Record: Send + Sync {
    /// Moment since which a child is in its state, if the record holds that change.
    fn since_ms(&self, path: &str, state: State) -> Option<u64>;
    /// Adds what it knows to a row.
    fn fill(&self, row: &mut Service);
}

/// Tree that is listed.
#[derive(Clone)]
pub(crate) struct Listing {
    /// Name of its root.
    pub(crate) root: Arc<str>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) record: Option<Arc<dyn Record>>,
}

impl Listing {
    pub(super) fn row(&self, path: &Arc<str>, viewer: Option<&Viewer>) -> Option<Service> {
        let listed = self.shared.directory.get(path)?;
        let mut row = row(&self.shared, path, &listed, viewer);
        if let Some(record) = &self.record {
            record.fill(&mut row);
        }
        Some(row)
    }
}
