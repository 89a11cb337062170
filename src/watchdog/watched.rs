//! Who is watched, and when a message has been in hand for too long.
//!
//! Invariants:
//! 1. A message is judged by its own time: since it was first seen in hand, or since it was granted more. Left out are
//!    waits for others, and the time in which the watchdog itself was late.
//! 2. Each of the two who look has an eye of its own, and they do not disturb each other.
//! 3. Near its limit an incarnation is woken. If it has not had its turn by the next look, the runtime is overloaded,
//!    or a blocked thread keeps it. That is not its fault: its time begins again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use regrow_supervisors::Hang;
use tokio::time::Instant;

use crate::port::Port;
use crate::slot::AnySlot;
use crate::supervisor::facts::{Fact, Overdue};
use crate::sync::lock;
use crate::time::{later, part};
use crate::watchdog::{Vigil, Who};

/// Looks per limit: twice as many as the promise asks for, because a message may be seen late and judged late.
pub(super) const LOOKS: u32 = 8;
/// The shortest pause between two looks.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// An incarnation that is watched.
pub(super) struct Watched {
    slot: Weak<dyn AnySlot>,
    port: Weak<Port>,
    is_gone: AtomicBool,
    sampler: Mutex<Eye>,
    thread: Mutex<Eye>,
}

/// What was seen at the last look.
#[derive(Default)]
struct Eye {
    due: Option<Instant>,
    seen: Option<Seen>,
}

struct Seen {
    sight: Sight,
    /// Since when it counts.
    since: Instant,
    /// How long the incarnation had waited for others by then.
    waited: Duration,
    /// The time in which the watchdog was late, until then.
    lost: Duration,
    /// The counter of its polls when it was woken near its limit.
    woken: Option<u64>,
    is_told: bool,
}

/// While this stays the same, it is the same message that is in hand.
#[derive(PartialEq, Eq)]
struct Sight {
    message: u64,
    /// The poll that has not come back, for whoever looks for that.
    poll: Option<u64>,
    granted_at: Option<Instant>,
}

/// A message that has been in hand for too long.
pub(super) struct Finding {
    pub(super) slot: Arc<dyn AnySlot>,
    pub(super) port: Arc<Port>,
    message: u64,
    pub(super) hang: Hang,
}

impl Finding {
    /// Tells the supervisor.
    pub(super) fn tell(self) {
        let (attempt, seen) = (self.port.attempt(), Overdue::Work(self.message));
        self.port.tell(Fact::Hung { attempt, seen, hang: self.hang });
    }
}

impl Watched {
    pub(super) fn new(slot: &Arc<dyn AnySlot>, port: &Arc<Port>) -> Self {
        Self {
            slot: Arc::downgrade(slot),
            port: Arc::downgrade(port),
            is_gone: AtomicBool::new(false),
            sampler: Mutex::default(),
            thread: Mutex::default(),
        }
    }

    pub(super) fn is_about(&self, port: &Arc<Port>) -> bool {
        std::ptr::eq(self.port.as_ptr(), Arc::as_ptr(port))
    }

    /// The last look has found nobody. It is never watched again: the next incarnation is another one.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    pub(super) fn limit(&self) -> Option<Duration> {
        self.port.upgrade()?.vigil()?.limit()
    }

    fn eye(&self, who: Who) -> &Mutex<Eye> {
        match who {
            Who::Sampler => &self.sampler,
            Who::Thread => &self.thread,
        }
    }

    /// Looks, if it is time: what was found, and when to look again. `lost` is the time in which nobody could do anything.
    pub(super) fn look(&self, who: Who, now: Instant, lost: Duration) -> (Option<Finding>, Option<Instant>) {
        let (Some(slot), Some(port)) = (self.slot.upgrade(), self.port.upgrade()) else {
            self.is_gone.store(true, Ordering::Relaxed);
            return (None, None);
        };
        let limit = port.vigil().and_then(Vigil::limit);
        let (false, Some(vigil), Some(limit)) = (port.is_over(), port.vigil(), limit) else {
            self.is_gone.store(true, Ordering::Relaxed);
            return (None, None);
        };
        let mut eye = lock(self.eye(who));
        let pause = part(limit, LOOKS).max(PAUSE_MIN);
        let next = later(now, pause);
        // One that was made longer may be looked at earlier; one that was made shorter must not be late.
        if let Some(due) = eye.due.filter(|due| *due > now && *due <= next) {
            return (None, Some(due));
        }
        eye.due = Some(next);
        if who == Who::Sampler {
            // It calls wakers: not under a lock. Nothing but this task looks through this eye.
            drop(eye);
            vigil.ask_waits(&port, now, pause, limit);
            eye = lock(self.eye(who));
        }
        let verdict = eye.judge(who, (&*slot, &port, vigil), limit, now, lost);
        let next = match verdict {
            Verdict::MustHaveItsTurn { is_late: true } => {
                let soon = later(now, PAUSE_MIN);
                eye.due = Some(soon);
                soon
            }
            Verdict::InTime | Verdict::MustHaveItsTurn { is_late: false } | Verdict::Hangs(..) => next,
        };
        drop(eye);
        match verdict {
            Verdict::InTime => (None, Some(next)),
            Verdict::MustHaveItsTurn { .. } => {
                port.wake();
                (None, Some(next))
            }
            Verdict::Hangs(message, hang) => (Some(Finding { slot, port, message, hang }), Some(next)),
        }
    }
}

enum Verdict {
    InTime,
    /// It is to be woken (invariant 3). `is_late`: its limit is over already.
    MustHaveItsTurn {
        is_late: bool,
    },
    Hangs(u64, Hang),
}

impl Eye {
    fn judge(
        &mut self,
        who: Who,
        (slot, port, vigil): (&dyn AnySlot, &Port, &Vigil),
        limit: Duration,
        now: Instant,
        lost: Duration,
    ) -> Verdict {
        let poll = match who {
            Who::Sampler => Some(None),
            Who::Thread => vigil.poll_under_way().map(Some),
        };
        let (Some(message), Some(poll)) = (vigil.work(slot, port), poll) else {
            self.seen = None;
            return Verdict::InTime;
        };
        let (grant, waited) = (vigil.granted(message), vigil.waited(now));
        let sight = Sight { message, poll, granted_at: grant.map(|grant| grant.at) };
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
            return Verdict::InTime;
        }
        // Invariant 3. The other one looks at a poll that is under way, and the system gives a thread its turns.
        if who == Who::Sampler && !port.is_interruptible() {
            let polls = vigil.polls();
            match seen.woken {
                None if counted.saturating_add(part(limit, LOOKS / 2)) >= limit => {
                    seen.woken = Some(polls);
                    return Verdict::MustHaveItsTurn { is_late: counted >= limit };
                }
                Some(woken) if woken == polls && polls % 2 == 0 => {
                    (seen.since, seen.waited, seen.lost, seen.woken) = (now, waited, lost, None);
                    return Verdict::InTime;
                }
                Some(_) | None => {}
            }
        }
        if counted < limit {
            return Verdict::InTime;
        }
        seen.is_told = true;
        let mut hang = vigil.hang(slot, counted);
        hang.waiting_for = vigil.waits_for().map(|(path, _)| path);
        Verdict::Hangs(message, hang)
    }
}
