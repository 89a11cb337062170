//! The hang watchdog: a message that is in hand for longer than its service's policy allows means that the service
//! hangs. So does a task that has given no sign of life in that time.
//!
//! It tells the truth, or nothing: it counts only the time in which the incarnation could have worked. Waits count as
//! waits if they are awaited now (`wait.rs`). The time of a look that came late is left out ([`lost_by`]). An
//! incarnation that is near its limit must have had its turn (`watched.rs`). A circle is looked at once more when it is
//! acted upon (`circle.rs`).
//!
//! It costs nothing per message. What is looked at is kept by the mailbox anyway: how many messages are done, and whether one
//! is in hand. If neither has changed between two looks, it is the same message. A look comes eight times per limit, so a
//! message is seen at most an eighth of its limit late, and judged at most another eighth late: never early, and late by
//! at most a quarter.
//!
//! | file | idea |
//! |---|---|
//! | `activity.rs` | what an incarnation lets the watchdog see |
//! | `wait.rs` | time that does not count: waiting for others, if it is awaited |
//! | `watched.rs` | who is watched, and when a message has been in hand for too long |
//! | `sampler.rs` | the task that looks, in the time of the runtime |
//! | `circle.rs` | services that wait for each other |
//! | `blocked.rs` | the thread that looks when the runtime cannot: for code that does not yield |
//!
//! Invariants:
//! 1. Nothing runs, no task and no thread, unless somebody is watched, and nothing outlives the tree. Neither keeps the
//!    tree alive.
//! 2. The watchdog decides nothing. It tells a fact; the machine kills, counts and restarts.
//! 3. No lock of a slot or an incarnation is taken under the register's, and no user code runs under any of them.

mod blocked;
mod deadlock;
mod sampler;
#[cfg(test)]
mod tests;
mod waiters;
mod watched;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread::Thread;
use std::time::Duration;

use tokio::sync::Notify;

use crate::base::background;
use crate::base::sync::lock;
use crate::slot::activity::Activity;
use crate::slot::erased::AnySlot;
use crate::slot::erased::SlotTree;
use crate::slot::signals::Signals;
use std::sync::atomic::{AtomicBool, Ordering};
use waiters::Waiters;
use watched::Watched;

/// The watchdog of one tree.
#[derive(Default)]
pub(crate) struct Watchdog {
    register: Mutex<Register>,
    waiters: Waiters,
    /// Whether a child of the tree is watched. Each supervisor has it too: only then are waits recorded.
    pub(crate) is_on: Arc<AtomicBool>,
    /// Rung for the sampler when there is more to look at, or nothing any more.
    bell: Arc<Notify>,
}

#[derive(Default)]
struct Register {
    /// By path, and in that order: what is found in one look is always told in the same order.
    watched: BTreeMap<Arc<str>, Arc<Watched>>,
    has_sampler: bool,
    thread: Option<Thread>,
    is_over: bool,
}

impl Watchdog {
    /// Whether somebody is watched.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// From now on this incarnation has this limit, or none. To be called in a runtime, when it starts, and whenever the
    /// limit changes.
    pub(crate) fn watch(
        self: &Arc<Self>,
        tree: &Arc<dyn SlotTree>,
        path: &Arc<str>,
        slot: &Arc<dyn AnySlot>,
        signals: &Arc<Signals>,
        work: Work,
        limit: Option<Duration>,
    ) {
        if limit.is_none() && !self.is_on() {
            return;
        }
        let activity = signals.activity_or_new();
        if work == Work::SignsOfLife {
            activity.set_has_heartbeat();
        }
        activity.set_limit(limit);
        let mut register = lock(&self.register);
        if register.is_over {
            return;
        }
        let before = match limit {
            None => register.watched.remove(path),
            Some(_) if register.watched.get(path).is_some_and(|watched| watched.is_about(signals)) => None,
            Some(_) => register.watched.insert(path.clone(), Arc::new(Watched::new(slot, signals))),
        };
        if limit.is_some() {
            self.is_on.store(true, Ordering::Relaxed);
            if !std::mem::replace(&mut register.has_sampler, true) {
                let (watchdog, bell) = (Arc::downgrade(self), self.bell.clone());
                background::keep("the watchdog", move || sampler::run(watchdog.clone(), bell.clone()));
            }
            match &register.thread {
                Some(thread) => thread.unpark(),
                None => register.thread = blocked::start(Arc::downgrade(self), Arc::downgrade(tree)),
            }
        }
        drop(register);
        drop(before);
        self.bell.notify_one();
    }

    /// The incarnation is over, or was cut off. The task and the thread are not told: the next child may come at once.
    pub(crate) fn watch_no_more(&self, path: &str, signals: &Arc<Signals>) {
        if signals.activity().and_then(Activity::limit).is_none() {
            return;
        }
        let over = {
            let mut register = lock(&self.register);
            let is_watched = register.watched.get(path).is_some_and(|watched| watched.is_about(signals));
            is_watched.then(|| register.watched.remove(path))
        };
        drop(over);
    }

    /// Everybody who is watched. `None`: nobody, and whoever asks is to end, for another one is started when it is time.
    fn watched(&self, who: Who) -> Option<Vec<Arc<Watched>>> {
        let mut register = lock(&self.register);
        register.watched.retain(|_, watched| !watched.is_gone());
        if register.watched.is_empty() {
            self.is_on.store(false, Ordering::Relaxed);
            match who {
                Who::Sampler => register.has_sampler = false,
                Who::Thread => register.thread = None,
            }
            return None;
        }
        Some(register.watched.values().cloned().collect())
    }

    /// This incarnation waits for another one, for the first time.
    pub(crate) fn remember_waiter(&self, signals: &Arc<Signals>) {
        self.waiters.remember(signals);
    }

    pub(crate) fn tables(&self) -> [(&'static str, usize); 2] {
        let watched = lock(&self.register).watched.len();
        [("watchdog: watched", watched), ("watchdog: waiters", self.waiters.len())]
    }

    /// The tree is over.
    pub(crate) fn end(&self) {
        self.is_on.store(false, Ordering::Relaxed);
        let (watched, thread) = {
            let mut register = lock(&self.register);
            register.is_over = true;
            (std::mem::take(&mut register.watched), register.thread.take())
        };
        drop(watched);
        if let Some(thread) = thread {
            thread.unpark();
        }
        self.bell.notify_one();
    }
}

impl fmt::Debug for Watchdog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchdog").field("is_on", &self.is_on()).finish_non_exhaustive()
    }
}

/// A pause between two looks may be late by so much: timers are not more exact.
const LATE: Duration = Duration::from_millis(2);

/// The time that is left out because the watchdog was late: the process was paused, the clock jumped, the machine or
/// the runtime is overloaded. In that time no code could run. If the watchdog was late by more than the pause itself,
/// the pause is left out too: the process may have been stopped meanwhile.
fn lost_by(pause: Duration, late: Duration) -> Duration {
    if late <= LATE {
        Duration::ZERO
    } else if late <= pause {
        late
    } else {
        pause.saturating_add(late)
    }
}

/// What an incarnation is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// The message in hand.
    Messages,
    /// What a task says itself.
    SignsOfLife,
}

/// Who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Sampler,
    Thread,
}
