//! The growth of all mailboxes between two lists by growth of one viewer.

use std::sync::Arc;

use crate::admin::lengths::Lengths;
use crate::admin::services::scan::Look;
use crate::admin::viewer::Viewer;
use crate::admin::wire::query::{ServicesQuery, Sort};

/// Growth of mailboxes while a list is made.
pub(super) struct Growth<'a> {
    viewer: &'a Viewer,
    before: Option<Arc<Lengths>>,
    /// Lengths that are noted by the first page. Later pages show the growth that the first one did.
    now: Option<Lengths>,
}

impl<'a> Growth<'a> {
    /// Begins a page. `None`: growth is not asked for, or nothing is known about the viewer.
    pub(super) fn begin(query: &ServicesQuery, viewer: Option<&'a Viewer>) -> Option<Self> {
        let viewer = viewer.filter(|_| query.sort == Sort::Growth && !query.group)?;
        let of = ServicesQuery { viewer: None, limit: None, after: None, reverse: false, ..query.clone() };
        let is_first = query.after.is_none();
        let before = viewer.lengths(is_first).filter(|lengths| lengths.of == of);
        Some(Self { viewer, before, now: is_first.then(|| Lengths::new(of)) })
    }

    /// Returns the growth of a mailbox, and notes its length. Zero at the first list.
    pub(super) fn of(&mut self, look: &Look<'_>) -> i64 {
        let queued = look.accounting.queued;
        if let Some(now) = &mut self.now {
            now.note(&look.path, queued);
        }
        self.before.as_ref().map_or(0, |before| before.growth(&look.path, queued))
    }

    /// Ends a page.
    pub(super) fn finish(self) {
        if let Some(now) = self.now {
            self.viewer.note_lengths(now);
        }
    }
}
