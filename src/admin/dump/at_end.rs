//! The file that is written when a root gives up.

use std::path::PathBuf;
use std::sync::Arc;

use crate::log::{line, one_line};
use crate::supervisor::settings::every_builder;
use crate::tree::at_end::{AtEnd, End};

struct DumpAtEnd(PathBuf);

impl AtEnd for DumpAtEnd {
    fn is_over(&self, end: End<'_>) {
        if end.gave_up.is_none() {
            return;
        }
        let (path, file) = (end.path, self.0.display());
        match (end.history)().write_to_file(&self.0) {
            Ok(()) => line!(INFO, { path = %path, file = %one_line(&file) }, "the history of the tree was written"),
            Err(error) => line!(
                ERROR,
                { path = %path, file = %one_line(&file), error = %one_line(&error) },
                "the history of the tree could not be written"
            ),
        }
    }
}

every_builder! {
    /// Writes the [history](crate::History) to this file if the root gives up. For a root only; refused elsewhere.
    ///
    /// The file appears as a whole or not at all, and only this user can read it. One that was there is replaced. It is
    /// there when [`Tree::wait`](crate::Tree::wait) and [`Tree::shutdown`](crate::Tree::shutdown) return, and the thread of
    /// the root is blocked until the disk has it. If it cannot be written, the log says so.
    pub fn dump_history_to(mut self, path: impl Into<PathBuf>) -> Self {
        self.options_mut().at_end = Some(Arc::new(DumpAtEnd(path.into())));
        self
    }
}
