//! Outcomes of calls while an experiment runs, as their callers saw them.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::CallError;

const NAMES: [&str; 7] = ["answered", "refused", "never ran", "crashed", "unanswered", "timed out", "interrupted"];

/// Number of calls by outcome. A call counts when it ends; a call that its caller dropped does not count.
#[derive(Debug, Default)]
pub(crate) struct Outcomes([AtomicU64; NAMES.len()]);

impl Outcomes {
    pub(crate) fn count<T, M>(&self, result: &Result<T, CallError<M>>) {
        let place = match result {
            Ok(_) => 0,
            Err(CallError::Refused(_)) => 1,
            Err(CallError::NeverRan(_)) => 2,
            Err(CallError::Crashed { .. }) => 3,
            Err(CallError::Unanswered { .. }) => 4,
            Err(CallError::TimedOut { .. }) => 5,
            Err(CallError::Interrupted { .. }) => 6,
        };
        self.0[place].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the outcomes that occurred, and their numbers.
    #[allow(dead_code, reason = "only experiments call it, and they are a feature")]
    pub(crate) fn counted(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        NAMES.into_iter().zip(counts).filter(|(_, count)| *count > 0)
    }
}
