//! The task that looks, by the clock of the runtime, also if that is paused.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::watchdog::{Observer, Watchdog, deadlock, lost_by};

/// Looks until no incarnation is watched any more.
pub(super) async fn run(watchdog: Weak<Watchdog>, changed: Arc<Notify>) {
    let mut lost = Duration::ZERO;
    loop {
        // Read first: the process may be stopped in the middle of the look.
        let (wall, began) = (std::time::Instant::now(), Instant::now());
        let next = match watchdog.upgrade() {
            None => return,
            Some(watchdog) => match watchdog.sample(lost) {
                None => return,
                Some(next) => next,
            },
        };
        let wanted = next.saturating_duration_since(began);
        let _ = timeout_at(next, changed.notified()).await;
        // (Time that a test has skipped counts: by the wall clock it was short.)
        let late = Instant::now().saturating_duration_since(next).min(wall.elapsed().saturating_sub(wanted));
        lost = lost.saturating_add(lost_by(wanted, late));
    }
}

impl Watchdog {
    /// Looks at every watched incarnation that is due, and returns the time of the next look.
    fn sample(&self, lost: Duration) -> Option<Instant> {
        let watched = self.watched(Observer::Task)?;
        let now = Instant::now();
        let looks: Vec<_> = watched.iter().map(|watched| watched.look(Observer::Task, now, lost)).collect();
        let next = looks.iter().filter_map(|(_, next)| *next).min();
        for finding in looks.into_iter().filter_map(|(finding, _)| finding) {
            finding.tell();
        }
        let shortest = watched.iter().filter_map(|watched| watched.limit()).min();
        if let Some(shortest) = shortest {
            deadlock::look(self.waiters.waiting(), now, shortest);
        }
        // None: the last of them has just gone, which the next look will see.
        Some(next.unwrap_or(now))
    }
}
