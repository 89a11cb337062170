//! The messages of an incarnation that its code has called failed, until its supervisor takes their count.

use std::sync::{Arc, Mutex};

use regrow_supervisors::Exit;

use crate::base::sync::lock;

/// Count of failed messages. Each message counts once.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<Untaken>);

#[derive(Debug, Default)]
struct Untaken {
    failed: u64,
    /// The number of the latest message that failed, and the failure.
    latest: Option<(u64, Exit)>,
}

/// The failures since the last time that they were taken.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) failed: u64,
    pub(crate) number: u64,
    pub(crate) exit: Exit,
}

impl Failures {
    /// Counts the message with this number as failed. `true`: the supervisor must be told, as it does not know of any
    /// failure that was not taken.
    pub(crate) fn note(&self, number: u64, exit: Exit) -> bool {
        let mut untaken = lock(&self.0);
        let is_new = untaken.latest.as_ref().is_none_or(|(latest, _)| *latest != number);
        let before = untaken.latest.replace((number, exit));
        untaken.failed += u64::from(is_new);
        let is_news = is_new && untaken.failed == 1;
        drop(untaken);
        // It may hold an error of the user.
        drop(before);
        is_news
    }

    /// Takes the count. The latest message stays known, so that it is not counted once more.
    pub(crate) fn take(&self) -> Option<Taken> {
        let mut untaken = lock(&self.0);
        let (number, exit) = untaken.latest.clone()?;
        let failed = std::mem::take(&mut untaken.failed);
        (failed > 0).then_some(Taken { failed, number, exit })
    }
}

/// The failures of one incarnation, shared with its supervisor.
pub(crate) type SharedFailures = Arc<Failures>;
