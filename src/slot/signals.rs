//! The signals of an incarnation: by them it is woken, asked to stop, killed and fenced.
//!
//! A slot holds the signals of its present incarnation and replaces them under its lock at every restart. From that
//! moment on, peers reach the new incarnation.
//!
//! Invariants:
//! 1. Signals only accumulate. Each is set before the wakers are called, and read after a waker was registered, so that
//!    none is missed.
//! 2. No waker is called while a slot's lock is held.
//! 3. A thread that makes the extras first makes them and then reads the signals. A thread that sets a signal first
//!    sets it and then looks for extras. A memory fence lies between the two steps on each side, so one of the two sees
//!    what the other did.

mod exits;
mod marks;

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::{Context, Poll, Waker};

use regrow_supervisors::{Attempt, Exit};
use tokio::sync::Notify;
use tracing::Span;
use tracing::span::Entered;

use crate::base::name::is_within;
use crate::base::sync::lock;
use crate::slot::activity::Activity;
use crate::slot::erased::AnySlot;
use crate::slot::fact::Fact;
use crate::slot::failures::SharedFailures;
use crate::slot::inbox::Inbox;
use crate::slot::last_work::LastWork;
use crate::slot::own_monitors::{OwnMonitors, Owned};
use crate::slot::rooms::{RoomWait, Rooms};
use crate::slot::tasks::Tasks;

/// Stop: the supervisor has asked it to stop.
const STOP: u32 = 1;
/// Kill: it must end at once.
const KILL: u32 = 2;
/// Fence: it has been abandoned, and nothing that it does counts any more.
const FENCED: u32 = 4;
/// Stop by its own choice (`ctx.stop()`, `ctx.exit()`).
const LEAVE: u32 = 8;
/// A linked task has panicked or failed.
const BROKEN: u32 = 16;
/// Set once it is up.
const UP: u32 = 32;
/// Wish for a notice of a stop, instead of being dropped (`TaskContext::stopping`).
const LISTENS: u32 = 64;
/// Set once it is over: no task can be linked to it any more.
const OVER: u32 = 128;
/// Set once it has said that it is ready.
const READY: u32 = 256;
/// An experiment has faults for it.
const AFFLICTED: u32 = 1024;
/// A fault makes it ignore stop and kill, as if its code did not yield.
const IGNORES_KILL: u32 = 2048;
/// Mark of a thread: a stop ends its blocking waits.
const INTERRUPTIBLE: u32 = 4096;
/// Mark of a thread that has seen that it must stop.
const TOLD: u32 = 8192;
/// Its supervisor knows that it ends by its own choice.
const LEAVING_TOLD: u32 = 16384;
/// Its supervisor knows that it has ended, except for what must still be dropped.
const REMAINS_TOLD: u32 = 32768;
/// Mark of an incarnation that becomes ready when it says so, and not as soon as it is up.
const SAYS_READY: u32 = 512;
/// A normal end is followed by the next incarnation.
const COMES_BACK: u32 = 65536;
/// Set once it has taken the kept value, and so begins with it.
const BEGAN_WITH_KEPT: u32 = 131072;
/// Set once it has changed what is kept.
const KEPT_ANEW: u32 = 262144;
/// Mark of a change of the kept value that waits until it is up, or until after its stop hook.
const KEEPS_LATER: u32 = 524288;

/// Party that waits for wake-ups.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Waiting {
    /// Task in which the incarnation lives.
    Life,
    /// Consumer of the messages, if that is not the same task: an OS thread.
    Consumer,
}

pub(crate) struct Signals {
    attempt: Attempt,
    /// Span around all code of the incarnation, on any thread. `None` if no subscriber wants it.
    span: Option<Box<Span>>,
    inbox: Arc<Inbox>,
    signals: AtomicU32,
    wakers: Mutex<[Option<Waker>; 2]>,
    extras: OnceLock<Box<Extras>>,
    /// Slot that its incarnation lives in, or is to live in.
    home: Weak<dyn AnySlot>,
    origin: Origin,
}

/// Place of an incarnation in its tree, and its past.
pub(crate) struct Origin {
    /// Generation that it will have when it is up.
    pub(crate) generation: u64,
    /// Exit of the life before.
    pub(crate) last_exit: Option<Arc<Exit>>,
}

/// State that most incarnations never need.
#[derive(Default)]
struct Extras {
    broken: Mutex<Option<Exit>>,
    /// Exit that it has chosen.
    chosen: Mutex<Option<Exit>>,
    /// Reason for the kill that is under way, if it is not an ordinary one.
    blame: Mutex<Option<Exit>>,
    /// Text that the factory gave about it.
    info: Mutex<Option<Arc<str>>>,
    /// Notified at a stop, for waits outside of the task that the incarnation lives in.
    stopped: Notify,
    tasks: Tasks,
    /// Messages that its code has called failed.
    failures: OnceLock<SharedFailures>,
    /// State that the watchdog reads, if there is one.
    activity: OnceLock<Activity>,
    /// Monitors that it has made.
    monitors: OnceLock<OwnMonitors>,
    /// Mailboxes in which it waits for room. Made at the first such wait.
    rooms: OnceLock<Rooms>,
    /// Work that it does last, if it ends in order.
    last_work: OnceLock<LastWork>,
}

impl Signals {
    pub(crate) fn new(
        attempt: Attempt,
        span: Span,
        inbox: Arc<Inbox>,
        home: &Arc<dyn AnySlot>,
        origin: Origin,
    ) -> Arc<Self> {
        Arc::new(Self {
            attempt,
            span: (!span.is_disabled()).then(|| Box::new(span)),
            inbox,
            signals: AtomicU32::new(0),
            wakers: Mutex::new([None, None]),
            extras: OnceLock::new(),
            home: Arc::downgrade(home),
            origin,
        })
    }

    /// Returns the extras, if there are any. Call this after a signal was set.
    fn extras_after_signal(&self) -> Option<&Extras> {
        // Invariant 3.
        fence(Ordering::SeqCst);
        self.extras_if_any()
    }

    /// Returns the extras, if this thread knows of any.
    fn extras_if_any(&self) -> Option<&Extras> {
        self.extras.get().map(|extras| &**extras)
    }

    /// Returns the extras, and makes them if needed. Call this before reading the signals: a signal that is set later
    /// finds them.
    fn extras(&self) -> &Extras {
        let extras = self.extras.get_or_init(Box::default);
        // Invariant 3.
        fence(Ordering::SeqCst);
        extras
    }

    /// A number that tells the incarnation from all others that live.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    pub(crate) fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// Enters the span of the incarnation.
    pub(crate) fn enter_span(&self) -> Option<Entered<'_>> {
        self.span.as_ref().map(|span| span.enter())
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns the path of its supervisor.
    pub(crate) fn scope(&self) -> &str {
        self.inbox.path()
    }

    /// Returns the number that distinguishes its supervisor from all others.
    pub(crate) fn supervisor(&self) -> usize {
        self.inbox.number()
    }

    /// Whether the incarnation lives below this supervisor.
    pub(crate) fn is_below(&self, supervisor: &str) -> bool {
        is_within(self.inbox.path(), supervisor)
    }

    /// Whether a child of the tree is watched: only then are waits recorded.
    pub(crate) fn is_watched(&self) -> bool {
        self.inbox.is_watched()
    }

    /// Returns what the watchdog sees of it, if the watchdog has ever looked at it or will.
    pub(crate) fn activity(&self) -> Option<&Activity> {
        self.extras_if_any()?.activity.get()
    }

    pub(crate) fn activity_or_new(&self) -> &Activity {
        self.extras().activity.get_or_init(Activity::default)
    }

    pub(crate) fn rooms_or_new(&self) -> &Rooms {
        self.extras().rooms.get_or_init(Rooms::default)
    }

    /// Returns the mailboxes in which it waits for room now.
    pub(crate) fn room_waits(&self) -> Vec<RoomWait> {
        let rooms = self.extras_if_any().and_then(|extras| extras.rooms.get());
        rooms.map(|rooms| rooms.waits(self.message_in_hand())).unwrap_or_default()
    }

    pub(crate) fn home(&self) -> Option<Arc<dyn AnySlot>> {
        self.home.upgrade()
    }

    /// Returns the number of the message that it has in hand.
    pub(crate) fn message_in_hand(&self) -> Option<u64> {
        self.home()?.in_hand_of(self)
    }

    pub(crate) fn tell(&self, fact: Fact) {
        self.inbox.push(fact);
    }

    /// Reports readiness to the supervisor, if the supervisor does not know it already.
    pub(crate) fn tell_ready(&self) {
        if self.has(SAYS_READY) {
            self.inbox.push(Fact::Ready(self.attempt));
        }
    }

    pub(crate) fn register(&self, party: Waiting, waker: &Waker) {
        let place = match party {
            Waiting::Life => 0,
            Waiting::Consumer => 1,
        };
        // Cloned and dropped without the lock: both may run foreign code.
        let waker = waker.clone();
        let before = lock(&self.wakers)[place].replace(waker);
        drop(before);
    }

    /// Wakes the incarnation. The wakers belong to tasks and threads of regrow, which do not call back into this lock.
    pub(crate) fn wake(&self) {
        let [life, consumer] = &*lock(&self.wakers);
        if let Some(waker) = consumer {
            waker.wake_by_ref();
        }
        if let Some(waker) = life {
            waker.wake_by_ref();
        }
    }

    fn signal(&self, signal: u32) -> bool {
        let before = self.signals.fetch_or(signal, Ordering::AcqRel);
        let first = before & signal == 0;
        if first {
            self.wake();
        }
        first
    }

    /// Asks it to stop, by order of the supervisor.
    pub(crate) fn stop(&self) {
        if self.signal(STOP)
            && let Some(extras) = self.extras_after_signal()
        {
            extras.stopped.notify_waiters();
        }
    }

    /// Completes when the supervisor has asked it to stop, or when it is over. Every waiter is notified.
    pub(crate) async fn told_to_stop(&self) {
        let extras = self.extras();
        let mut stopped = pin!(extras.stopped.notified());
        stopped.as_mut().enable();
        if !self.has(STOP | OVER | FENCED) {
            stopped.await;
        }
    }

    /// Kills it, by order of the supervisor.
    pub(crate) fn kill(&self) {
        self.signal(KILL);
    }

    /// Kills it, though the supervisor did not order that. The supervisor is notified, so that it can abandon an
    /// incarnation that survives.
    pub(crate) fn kill_by_others(&self) {
        if self.signal(KILL) {
            self.inbox.push(Fact::KillUnderWay(self.attempt));
        }
    }

    /// Fences it; `false` if it was fenced before.
    pub(crate) fn fence(&self) -> bool {
        let is_first = self.signal(FENCED);
        if is_first && let Some(extras) = self.extras_after_signal() {
            extras.stopped.notify_waiters();
        }
        is_first
    }

    pub(crate) fn set_info(&self, info: Arc<str>) {
        *lock(&self.extras().info) = Some(info);
    }

    pub(crate) fn take_info(&self) -> Option<Arc<str>> {
        lock(&self.extras_if_any()?.info).take()
    }

    /// Returns the tasks that are linked to the incarnation.
    pub(super) fn tasks(&self) -> &Tasks {
        &self.extras().tasks
    }

    /// Records that the future of the linked task with this number has been dropped.
    pub(crate) fn unlink(&self, number: u64) {
        if let Some(extras) = self.extras_if_any() {
            extras.tasks.ended(number);
        }
    }

    /// Aborts the linked tasks. No more can be started.
    pub(crate) fn close(&self, exit: &Exit) {
        self.signals.fetch_or(OVER, Ordering::AcqRel);
        if let Some(extras) = self.extras_after_signal() {
            extras.tasks.close(exit);
            if let Some(monitors) = extras.monitors.get() {
                monitors.end(&self.home().map_or_else(|| "".into(), |home| home.path()));
            }
            // After the tasks were closed, so that no linked task takes it for an order to stop.
            extras.stopped.notify_waiters();
        }
    }

    /// Enters a monitor that the incarnation has made; `None` if it is over.
    pub(crate) fn enter_monitor(&self, monitor: Arc<dyn Owned>) -> Option<u64> {
        let is_over = || self.has(OVER | FENCED);
        self.extras().monitors.get_or_init(OwnMonitors::default).enter(monitor, is_over)
    }

    /// Whether the monitor with this number goes on.
    pub(crate) fn has_monitor(&self, number: u64) -> bool {
        self.monitors().is_some_and(|monitors| monitors.contains(number))
    }

    fn monitors(&self) -> Option<&OwnMonitors> {
        self.extras_if_any()?.monitors.get()
    }

    /// Takes a monitor out again.
    pub(crate) fn leave_monitor(&self, number: u64) -> Option<Arc<dyn Owned>> {
        self.monitors()?.leave(number)
    }

    /// Returns the exit of the incarnation, as its linked tasks know it.
    pub(crate) fn end(&self) -> Option<Exit> {
        self.extras_if_any()?.tasks.end().cloned()
    }

    pub(crate) fn has_tasks(&self) -> bool {
        self.extras_if_any().is_some_and(|extras| !extras.tasks.is_gone())
    }

    /// Ready when the last linked task has been dropped.
    pub(crate) fn poll_tasks_gone(&self, cx: &Context<'_>) -> Poll<()> {
        self.extras_if_any().map_or(Poll::Ready(()), |extras| extras.tasks.poll_gone(cx))
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals")
            .field("attempt", &self.attempt)
            .field("signals", &self.signals)
            .finish_non_exhaustive()
    }
}
