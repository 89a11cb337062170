//! Each place of a panic has its backtrace in the log once: it is as long as a thousand lines, and a loop says nothing new.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use regrow_supervisors::Exit;
use tokio::time::Instant;

use crate::base::sync::lock;

/// A place whose backtrace was told so long ago has it told again: logs are cut off at their old end.
const AGAIN_AFTER: Duration = Duration::from_secs(60 * 60);

/// The places whose backtraces the log of a tree has, and since when. There are as many as the program has code.
#[derive(Debug, Default)]
pub(crate) struct Backtraces {
    told: Mutex<HashMap<Arc<str>, Instant>>,
}

impl Backtraces {
    /// The backtrace of an exit, to be written now: `None` if there is none, or the log has it.
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
