//! The seam for parts above the core that have work to do when a tree is over.

use std::sync::Arc;

use crate::error::gave_up::GaveUp;
use crate::recorder::history::History;

/// Work that is done when a tree is over, before those that wait for its end go on. It runs in the thread of the root,
/// and may block that.
pub(crate) trait AtEnd: Send + Sync {
    fn is_over(&self, end: End<'_>);
}

/// End of a tree.
#[cfg_attr(not(feature = "admin"), allow(dead_code, reason = "only dumps read it, and they are of a feature"))]
pub(crate) struct End<'a> {
    /// Path of the root.
    pub(crate) path: &'a Arc<str>,
    /// The child on which the root gave up, if that was the reason.
    pub(crate) gave_up: Option<&'a Arc<GaveUp>>,
    /// Takes the history of the tree, the end included.
    pub(crate) history: &'a dyn Fn() -> History,
}
