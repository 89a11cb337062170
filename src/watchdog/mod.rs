//! The hang watchdog. A service hangs if a message is in hand for longer than the service's policy allows. A task hangs
//! if it has given no sign of life in that time.
//!
//! It reports a hang only if it is certain: it counts only time in which the incarnation could have worked. A wait
//! counts as a wait if it is awaited now (`slot/wait.rs`). The delay of a look that came late is left out
//! ([`lost_by`]). An incarnation that is near its limit must have had a chance to run (`watched.rs`). A circle is
//! checked once more before the supervisor acts (`deadlock.rs`).
//!
//! It costs nothing per message. It reads what the mailbox keeps anyway: how many messages are done, and whether one is
//! in hand. If neither has changed between two looks, it is the same message. There are eight looks per limit. So a
//! message is seen at most an eighth of its limit late, and judged at most another eighth late. A hang is never
//! reported early, and at most a quarter of the limit late.
//!
//! | file | idea |
//! |---|---|
//! | `slot/activity.rs` | what the watchdog sees of an incarnation |
//! | `slot/wait.rs` | time that does not count: awaited waits for others |
//! | `watched.rs` | a watched incarnation, and the judgement that a message has been in hand for too long |
//! | `sampler.rs` | the task that looks, by the clock of the runtime |
//! | `deadlock.rs` | services that wait for each other |
//! | `blocked.rs` | the thread that looks while the runtime cannot: for code that does not yield |
//!
//! Invariants:
//! 1. No task and no thread runs unless an incarnation is watched, and none outlives the tree. Neither keeps the tree
//!    alive.
//! 2. The watchdog decides nothing. It reports a fact; the machine kills, counts and restarts.
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
use std::sync::{Arc, Mutex, Weak};
use std::thread::Thread;
use std::time::Duration;

use tokio::sync::Notify;

use crate::base::background;
use crate::base::sync::lock;
use crate::slot::activity::Activity;
use crate::slot::erased::{AnySlot, SlotTree};
use crate::slot::signals::Signals;
use std::sync::atomic::{AtomicBool, Ordering};
use waiters::Waiters;
use watched::Watched;

/// Watchdog of one tree.
#[derive(Default)]
pub(crate) struct Watchdog {
    register: Mutex<Register>,
    waiters: Waiters,
    /// Whether a child of the tree is watched. Each supervisor shares this flag: only then are waits recorded.
    pub(crate) is_on: Arc<AtomicBool>,
    /// Notifies the sampler when there is more to look at, or nothing any more.
    changed: Arc<Notify>,
}

#[derive(Default)]
struct Register {
    /// Watched incarnations by path, in that order: the findings of one look are always reported in the same order.
    watched: BTreeMap<Arc<str>, Arc<Watched>>,
    has_sampler: bool,
    thread: Option<Thread>,
    is_over: bool,
}

impl Watchdog {
    /// Whether an incarnation is watched.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Sets the limit of this incarnation, or removes it. Called in a runtime, when the incarnation starts and whenever
    /// the limit changes.
    pub(crate) fn watch(
        self: &Arc<Self>,
        tree: impl FnOnce() -> Weak<dyn SlotTree>,
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
                let (watchdog, changed) = (Arc::downgrade(self), self.changed.clone());
                background::keep("the watchdog", move || sampler::run(watchdog.clone(), changed.clone()));
            }
            match &register.thread {
                Some(thread) => thread.unpark(),
                None => register.thread = blocked::start(Arc::downgrade(self), tree()),
            }
        }
        drop(register);
        drop(before);
        self.changed.notify_one();
    }

    /// Ends the watch over an incarnation that is over or was fenced. The task and the thread are not notified: the
    /// next child may come at once.
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

    /// Returns all watched incarnations. `None` if there are none: the asking observer must then end, and another one
    /// is started when it is needed.
    fn watched(&self, observer: Observer) -> Option<Vec<Arc<Watched>>> {
        let mut register = lock(&self.register);
        register.watched.retain(|_, watched| !watched.is_gone());
        if register.watched.is_empty() {
            self.is_on.store(false, Ordering::Relaxed);
            match observer {
                Observer::Task => register.has_sampler = false,
                Observer::Thread => register.thread = None,
            }
            return None;
        }
        Some(register.watched.values().cloned().collect())
    }

    /// Remembers an incarnation that waits for another one, for the first time.
    pub(crate) fn remember_waiter(&self, signals: &Arc<Signals>) {
        self.waiters.remember(signals);
    }

    /// Returns the time for which this incarnation has had its message in hand, as the watchdog saw it: it may have missed an
    /// eighth of the limit. `None` if the incarnation is not watched, or was granted more time.
    pub(crate) fn in_hand_for(&self, path: &str, signals: &Signals, message: u64) -> Option<Duration> {
        let watched = lock(&self.register).watched.get(path).cloned()?;
        watched.in_hand_for(signals, message)
    }

    pub(crate) fn tables(&self) -> [(&'static str, usize); 2] {
        let watched = lock(&self.register).watched.len();
        [("watchdog: watched", watched), ("watchdog: waiters", self.waiters.len())]
    }

    /// Ends the watchdog, because the tree is over.
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
        self.changed.notify_one();
    }
}

impl fmt::Debug for Watchdog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchdog").field("is_on", &self.is_on()).finish_non_exhaustive()
    }
}

/// Delay of a look that is tolerated: timers are not more exact.
const LATE: Duration = Duration::from_millis(2);

/// Returns the time to leave out because the watchdog was late. The process was paused, the clock jumped, or the
/// machine or the runtime is overloaded, and no code could run in that time. If the watchdog was late by more than the
/// pause itself, the pause is left out too: the process may have been stopped during it.
fn lost_by(pause: Duration, late: Duration) -> Duration {
    if late <= LATE {
        Duration::ZERO
    } else if late <= pause {
        late
    } else {
        pause.saturating_add(late)
    }
}

/// Work by which an incarnation is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// The message in hand.
    Messages,
    /// Signs of life that a task gives itself.
    SignsOfLife,
}

/// Observer that looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Observer {
    Task,
    Thread,
}
