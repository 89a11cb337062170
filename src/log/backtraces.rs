//! Backtraces in the log: once for each place of a panic. A backtrace is as long as a thousand lines, and repeating it
//! in a loop says nothing new.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use regrow_supervisors::Exit;
use tokio::time::Instant;

use crate::base::sync::lock;

/// Time after which the backtrace of a place is logged again: old parts of a log are deleted.
const AGAIN_AFTER: Duration = Duration::from_secs(60 * 60);

/// Places with a backtrace in the log of a tree, and when it was written. The code of the program bounds their number.
#[derive(Debug, Default)]
pub(crate) struct Backtraces {
    told: Mutex<HashMap<Arc<str>, Instant>>,
}

impl Backtraces {
    /// Returns the backtrace of an exit, to be written now. `None` if there is none, or the log has it.
    pub(super) fn take<'a>(&self, exit: &'a Exit) -> Option<&'a str> {
        let Exit::Panicked(panic) = exit else { return None };
        let backtrace = panic.backtrace.as_deref()?;
        let Some(location) = &panic.location else { return Some(backtrace) };
        let now = Instant::now();
        let mut told = lock(&self.told);
        let is_new = told.get(location).is_none_or(|at| now.saturating_duration_since(*at) >= AGAIN_AFTER);
        if is_new {
            told.insert(location.clone(), now);
        }
        is_new.then_some(backtrace)
    }
}
