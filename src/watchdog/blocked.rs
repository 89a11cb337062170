//! The thread that looks while the runtime cannot: for code that does not yield. On a single-threaded runtime such code
//! starves the sampler and every other task.
//!
//! It finds a poll of an incarnation that does not return, with the same message in hand, and reports it. The report
//! counts only if the message is still in hand when the supervisor can act.
//!
//! Invariant: it finds nothing under a paused clock. It sleeps by the wall clock and judges by the clock of the
//! runtime. A paused clock stands still while a poll is under way, so a message in a poll never grows old.

use std::sync::Weak;
use std::thread::{Builder, Thread, park_timeout};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::base::background::keep_on_thread;
use crate::log::{line, one_line};
use crate::slot::erased::SlotTree;
use crate::watchdog::{Observer, Watchdog, lost_by};

/// Shortest pause between two looks.
const PAUSE_MIN: Duration = Duration::from_millis(2);

/// Name of the thread, as debuggers show it.
const NAME: &str = "regrow-watchdog";

/// Starts the thread. It ends when no incarnation is watched any more, and with the tree.
pub(super) fn start(watchdog: Weak<Watchdog>, tree: Weak<dyn SlotTree>) -> Option<Thread> {
    let runtime = Handle::current();
    match Builder::new()
        .name(NAME.into())
        .spawn(move || keep_on_thread("the thread of the watchdog", || run(&watchdog, &tree, &runtime)))
    {
        Ok(thread) => Some(thread.thread().clone()),
        Err(error) => {
            line!(ERROR, { error = %one_line(&error) }, "no thread could be started to find code that blocks");
            None
        }
    }
}

fn run(watchdog: &Weak<Watchdog>, tree: &Weak<dyn SlotTree>, runtime: &Handle) {
    // For its clock.
    let _entered = runtime.enter();
    let mut lost = Duration::ZERO;
    loop {
        // Read first: the process may be stopped in the middle of the look.
        let (wall, began) = (std::time::Instant::now(), Instant::now());
        let next = match watchdog.upgrade().and_then(|watchdog| look(&watchdog, tree, lost)) {
            None => return,
            Some(next) => next,
        };
        let wanted = next.saturating_duration_since(began).max(PAUSE_MIN);
        park_timeout(wanted.saturating_sub(wall.elapsed()).max(PAUSE_MIN));
        // A thread waits only for the operating system: the process was paused, or the machine is overloaded.
        lost = lost.saturating_add(lost_by(wanted, wall.elapsed().saturating_sub(wanted)));
    }
}

/// Looks, and returns the time of the next look; `None` if no incarnation is watched.
fn look(watchdog: &Watchdog, tree: &Weak<dyn SlotTree>, lost: Duration) -> Option<Instant> {
    let watched = watchdog.watched(Observer::Thread)?;
    let now = Instant::now();
    let mut next = None;
    for watched in watched {
        let (finding, again) = watched.look(Observer::Thread, now, lost);
        next = next.into_iter().chain(again).min();
        if let Some(finding) = finding {
            let (path, generation) = (finding.slot.path(), finding.slot.status().generation);
            if let Some(tree) = tree.upgrade() {
                tree.tell_blocks(&path, generation, finding.hang.time);
            }
            finding.tell();
        }
    }
    // None: the last of them has just gone, which the next look will see.
    Some(next.unwrap_or(now))
}
