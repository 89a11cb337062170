//! A watched incarnation, and the judgement that a message has been in hand for too long.
//!
//! Invariants:
//! 1. A message is judged by its own time: since it was first seen in hand, or since it was granted more. Waits for
//!    others, and the time in which the watchdog itself was late, are left out.
//! 2. Each of the two observers, the task and the thread, has its own record, and they do not disturb each other.
//! 3. Near its limit an incarnation is woken. If it has not run by the next look, the runtime is overloaded, or a
//!    blocked thread holds it up. That is not its fault: its time begins again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use regrow_supervisors::Hang;
use tokio::time::Instant;

use crate::base::sync::lock;
use crate::base::time::{later, part};
use crate::slot::activity::Activity;
use crate::slot::erased::AnySlot;
use crate::slot::fact::{Fact, Overdue};
use crate::slot::signals::Signals;
use crate::watchdog::Observer;

/// Number of looks per limit: twice as many as the promise requires, because a message may be seen late and judged
/// late.
pub(super) const LOOKS: u32 = 8;
/// Shortest pause between two looks.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// Incarnation that is watched.
pub(super) struct Watched {
    slot: Weak<dyn AnySlot>,
    signals: Weak<Signals>,
    is_gone: AtomicBool,
    sampler: Mutex<Sampler>,
    thread: Mutex<Sampler>,
}

/// Observation of one observer at its last look.
#[derive(Default)]
struct Sampler {
    due: Option<Instant>,
    seen: Option<Seen>,
}

struct Seen {
    sight: Observation,
    /// Time from which on it counts.
    since: Instant,
    /// Time that the incarnation had waited for others by then.
    waited: Duration,
    /// Time in which the watchdog was late, until then.
    lost: Duration,
    /// Counter of polls when the incarnation was woken near its limit.
    woken: Option<u64>,
    is_told: bool,
}

/// Sight of an incarnation. While it stays the same, the same message is in hand.
#[derive(PartialEq, Eq)]
struct Observation {
    message: u64,
    /// Poll that has not returned, for the observer that looks for that.
    poll: Option<u64>,
    granted_at: Option<Instant>,
}

/// Message that has been in hand for too long.
pub(super) struct Finding {
    pub(super) slot: Arc<dyn AnySlot>,
    pub(super) signals: Arc<Signals>,
    message: u64,
    pub(super) hang: Hang,
}

impl Finding {
    /// Reports the hang to the supervisor.
    pub(super) fn tell(self) {
        let (attempt, seen) = (self.signals.attempt(), Overdue::Work(self.message));
        self.signals.tell(Fact::Hung { attempt, seen, hang: self.hang });
    }
}

impl Watched {
    pub(super) fn new(slot: &Arc<dyn AnySlot>, signals: &Arc<Signals>) -> Self {
        Self {
            slot: Arc::downgrade(slot),
            signals: Arc::downgrade(signals),
            is_gone: AtomicBool::new(false),
            sampler: Mutex::default(),
            thread: Mutex::default(),
        }
    }

    pub(super) fn is_about(&self, signals: &Arc<Signals>) -> bool {
        std::ptr::eq(self.signals.as_ptr(), Arc::as_ptr(signals))
    }

    /// Returns the time since this message was first seen in hand.
    pub(super) fn in_hand_for(&self, signals: &Signals, message: u64) -> Option<Duration> {
        if !std::ptr::eq(self.signals.as_ptr(), signals) {
            return None;
        }
        let record = lock(&self.sampler);
        let seen = record.seen.as_ref()?;
        let is_same = seen.sight.message == message && seen.sight.granted_at.is_none();
        is_same.then(|| seen.since.elapsed())
    }

    /// Whether the last look has found no incarnation. It is never watched again: the next incarnation has another
    /// entry.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    pub(super) fn limit(&self) -> Option<Duration> {
        self.signals.upgrade()?.activity()?.limit()
    }

    fn record(&self, observer: Observer) -> &Mutex<Sampler> {
        match observer {
            Observer::Task => &self.sampler,
            Observer::Thread => &self.thread,
        }
    }

    /// Looks, if it is time. Returns the finding, and the time of the next look. `lost` is the time in which no code
    /// could run.
    pub(super) fn look(&self, observer: Observer, now: Instant, lost: Duration) -> (Option<Finding>, Option<Instant>) {
        let (Some(slot), Some(signals)) = (self.slot.upgrade(), self.signals.upgrade()) else {
            self.is_gone.store(true, Ordering::Relaxed);
            return (None, None);
        };
        let limit = signals.activity().and_then(Activity::limit);
        let (false, Some(activity), Some(limit)) = (signals.is_over(), signals.activity(), limit) else {
            self.is_gone.store(true, Ordering::Relaxed);
            return (None, None);
        };
        let mut record = lock(self.record(observer));
        let pause = part(limit, LOOKS).max(PAUSE_MIN);
        let next = later(now, pause);
        // A pause that was made longer may end earlier than now required; one that was made shorter must not be late.
        if let Some(due) = record.due.filter(|due| *due > now && *due <= next) {
            return (None, Some(due));
        }
        record.due = Some(next);
        if observer == Observer::Task {
            // It calls wakers, so it runs without the lock. Only this task uses this record.
            drop(record);
            activity.probe_waits(&signals, now, pause, limit);
            record = lock(self.record(observer));
        }
        let verdict = record.judge(observer, (&*slot, &signals, activity), limit, now, lost);
        let next = match verdict {
            Judgement::MustHaveItsTurn { is_late: true } => {
                let soon = later(now, PAUSE_MIN);
                record.due = Some(soon);
                soon
            }
            Judgement::InTime | Judgement::MustHaveItsTurn { is_late: false } | Judgement::Hangs(..) => next,
        };
        drop(record);
        match verdict {
            Judgement::InTime => (None, Some(next)),
            Judgement::MustHaveItsTurn { .. } => {
                signals.wake();
                (None, Some(next))
            }
            Judgement::Hangs(message, hang) => (Some(Finding { slot, signals, message, hang }), Some(next)),
        }
    }
}

enum Judgement {
    InTime,
    /// The incarnation must be woken (invariant 3). `is_late`: its limit is over already.
    MustHaveItsTurn {
        is_late: bool,
    },
    Hangs(u64, Hang),
}

impl Sampler {
    fn judge(
        &mut self,
        observer: Observer,
        (slot, signals, activity): (&dyn AnySlot, &Signals, &Activity),
        limit: Duration,
        now: Instant,
        lost: Duration,
    ) -> Judgement {
        let poll = match observer {
            Observer::Task => Some(None),
            Observer::Thread => activity.poll_under_way().map(Some),
        };
        let (Some(message), Some(poll)) = (activity.work(slot, signals), poll) else {
            self.seen = None;
            return Judgement::InTime;
        };
        let (grant, waited) = (activity.granted(message), activity.waited(now));
        let sight = Observation { message, poll, granted_at: grant.map(|grant| grant.at) };
        let seen = match self.seen.take().filter(|seen| seen.sight == sight) {
            Some(seen) => seen,
            None => {
                let (since, waited) = grant.map_or((now, waited), |grant| (grant.at, grant.waited));
                Seen { sight, since, waited, lost, woken: None, is_told: false }
            }
        };
        let seen = self.seen.insert(seen);
        // Invariant 1.
        let elapsed = now.saturating_duration_since(seen.since).saturating_sub(lost.saturating_sub(seen.lost));
        let counted = elapsed.saturating_sub(waited.saturating_sub(seen.waited));
        let limit = limit.saturating_add(grant.map_or(Duration::ZERO, |grant| grant.time));
        if seen.is_told {
            return Judgement::InTime;
        }
        // Invariant 3. The thread looks at a poll that is under way, and a thread service is scheduled by the operating
        // system.
        if observer == Observer::Task && !signals.is_interruptible() {
            let polls = activity.polls();
            match seen.woken {
                None if counted.saturating_add(part(limit, LOOKS / 2)) >= limit => {
                    seen.woken = Some(polls);
                    return Judgement::MustHaveItsTurn { is_late: counted >= limit };
                }
                Some(woken) if woken == polls && polls % 2 == 0 => {
                    (seen.since, seen.waited, seen.lost, seen.woken) = (now, waited, lost, None);
                    return Judgement::InTime;
                }
                Some(_) | None => {}
            }
        }
        if counted < limit {
            return Judgement::InTime;
        }
        seen.is_told = true;
        let mut hang = activity.hang(slot, counted);
        hang.waiting_for = activity.waits_for().map(|(path, _)| path);
        Judgement::Hangs(message, hang)
    }
}
