//! The port of an incarnation: how it is woken, asked to stop, killed and cut off.
//!
//! A slot holds the port of its present incarnation and replaces it under its lock at every restart; that is the moment
//! from which peers reach the new one.
//!
//! Invariants:
//! 1. Signals only accumulate. Each is set before the wakers are called, and looked at after a waker was registered, so
//!    that none is missed.
//! 2. No waker is called while a slot's lock is held.
//! 3. The maker of extras first makes them and then looks at the signals. The setter of a signal first sets it and then looks
//!    for extras. A fence lies between the two steps on each side, so one of the two sees what the other did.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU16, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::{Context, Poll, Waker};

use regrow_supervisors::{Attempt, Exit};
use tokio::sync::Notify;
use tracing::Span;
use tracing::span::Entered;

use crate::base::sync::lock;
use crate::slot::activity::Activity;
use crate::slot::erased::AnySlot;
use crate::slot::fact::Fact;
use crate::slot::inbox::Inbox;
use crate::slot::rooms::{RoomWait, Rooms};
use crate::slot::tasks::Tasks;

/// The supervisor wants it to stop.
const STOP: u16 = 1;
/// It is to end at once.
const KILL: u16 = 2;
/// It has been abandoned: nothing it does counts any more.
const FENCED: u16 = 4;
/// It wants to stop by itself (`ctx.stop()`, `ctx.exit()`).
const LEAVE: u16 = 8;
/// A task of its own has panicked.
const BROKEN: u16 = 16;
/// It is up.
const UP: u16 = 32;
/// The incarnation wants to be told of a stop instead of being dropped (`Context::stopping`).
const LISTENS: u16 = 64;
/// It is over: no task may be linked to it any more.
const OVER: u16 = 128;
/// It has said that it is ready.
const READY: u16 = 256;
/// An experiment has faults for it.
const AFFLICTED: u16 = 1024;
/// Neither a stop nor a kill reaches it now, as if its code did not yield.
const IGNORES_KILL: u16 = 2048;
/// It is a thread, whose waits a stop ends.
const INTERRUPTIBLE: u16 = 4096;
/// It is a thread, and has seen that it is to stop.
const TOLD: u16 = 8192;
/// Its supervisor knows that it ends by itself.
const LEAVING_TOLD: u16 = 16384;
/// Its supervisor knows that it has ended, but for what it leaves behind.
const REMAINS_TOLD: u16 = 32768;
/// It is ready when it says so, and not as soon as it is up.
const SAYS_READY: u16 = 512;

/// Who waits for wake-ups.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Waiting {
    /// The task that the incarnation lives in.
    Life,
    /// What takes messages, where that is not the same task: an OS thread.
    Consumer,
}

pub(crate) struct Signals {
    attempt: Attempt,
    /// Span around all code of the incarnation, on any thread. `None` if no subscriber wants it.
    span: Option<Box<Span>>,
    inbox: Arc<Inbox>,
    signals: AtomicU16,
    wakers: Mutex<[Option<Waker>; 2]>,
    extras: OnceLock<Box<Extras>>,
    /// The slot that its incarnation is to live in.
    home: Weak<dyn AnySlot>,
    origin: Origin,
}

/// The place of an incarnation in its tree, and its past.
pub(crate) struct Origin {
    /// The generation that it will have when it is up.
    pub(crate) generation: u64,
    /// Exit of the life before.
    pub(crate) last_exit: Option<Arc<Exit>>,
}

/// What most incarnations never need.
#[derive(Default)]
struct Extras {
    broken: Mutex<Option<Exit>>,
    /// The exit it has chosen.
    chosen: Mutex<Option<Exit>>,
    /// Why it is being killed, where that is more than that it is.
    blame: Mutex<Option<Exit>>,
    /// What the factory said about it.
    info: Mutex<Option<Arc<str>>>,
    /// For those who wait for a stop elsewhere than in the task that the incarnation lives in.
    stopped: Notify,
    tasks: Tasks,
    /// State that the watchdog reads, if there is one.
    activity: OnceLock<Activity>,
    /// The mailboxes in which it waits for room. Made at the first such wait.
    rooms: OnceLock<Rooms>,
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
            signals: AtomicU16::new(0),
            wakers: Mutex::new([None, None]),
            extras: OnceLock::new(),
            home: Arc::downgrade(home),
            origin,
        })
    }

    /// The extras, if there are any. To be called after a signal was set.
    fn extras_after_signal(&self) -> Option<&Extras> {
        // Invariant 3.
        fence(Ordering::SeqCst);
        self.extras_if_any()
    }

    /// The extras, if there are any that this thread knows of.
    fn extras_if_any(&self) -> Option<&Extras> {
        self.extras.get().map(|extras| &**extras)
    }

    /// The extras, made if need be. Call this before looking at the signals: a signal that is set later finds them.
    fn extras(&self) -> &Extras {
        let extras = self.extras.get_or_init(Box::default);
        // Invariant 3.
        fence(Ordering::SeqCst);
        extras
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

    /// The path of its supervisor.
    pub(crate) fn scope(&self) -> &str {
        self.inbox.path()
    }

    /// Tells its supervisor from all others.
    pub(crate) fn supervisor(&self) -> usize {
        self.inbox.number()
    }

    /// Whether the incarnation lives below this supervisor.
    pub(crate) fn is_below(&self, supervisor: &str) -> bool {
        let rest = self.inbox.path().strip_prefix(supervisor);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// It ends by itself, as `exit`, and code of its own is still to run for that: the supervisor limits its time. Where the
    /// supervisor has told it to end, it has limits already.
    /// `true`: the supervisor should have its turn now, see [`yield_once`](crate::base::background::yield_once).
    pub(crate) fn tell_leaving(&self, exit: &Exit) -> bool {
        let is_news = !self.has(STOP | KILL) && self.set_first(LEAVING_TOLD);
        if is_news {
            self.inbox.push(Fact::Leaving { attempt: self.attempt, exit: self.verdict(exit.clone()) });
        }
        is_news
    }

    /// It has ended, as `exit`, but for what can only be dropped: the supervisor limits the time for that, unless it has been
    /// killed and has limits already. What comes back is that of `tell_leaving`.
    pub(crate) fn tell_remains(&self, exit: &Exit) -> bool {
        let is_news = !self.has(KILL) && self.set_first(REMAINS_TOLD);
        if is_news {
            self.inbox.push(Fact::Remains { attempt: self.attempt, exit: self.verdict(exit.clone()) });
        }
        is_news
    }

    fn set_first(&self, signal: u16) -> bool {
        self.signals.fetch_or(signal, Ordering::AcqRel) & signal == 0
    }

    /// Whether a child of the tree is watched: only then are waits recorded.
    pub(crate) fn is_watched(&self) -> bool {
        self.inbox.is_watched()
    }

    /// What the watchdog sees of it, if it has ever looked, or will.
    pub(crate) fn activity(&self) -> Option<&Activity> {
        self.extras_if_any()?.activity.get()
    }

    pub(crate) fn activity_or_new(&self) -> &Activity {
        self.extras().activity.get_or_init(Activity::default)
    }

    pub(crate) fn rooms_or_new(&self) -> &Rooms {
        self.extras().rooms.get_or_init(Rooms::default)
    }

    /// The mailboxes in which it waits for room now.
    pub(crate) fn room_waits(&self) -> Vec<RoomWait> {
        let rooms = self.extras_if_any().and_then(|extras| extras.rooms.get());
        rooms.map(|rooms| rooms.waits(self.message_in_hand())).unwrap_or_default()
    }

    pub(crate) fn home(&self) -> Option<Arc<dyn AnySlot>> {
        self.home.upgrade()
    }

    /// The number of the message that it has in hand.
    pub(crate) fn message_in_hand(&self) -> Option<u64> {
        self.home()?.in_hand_of(self)
    }

    /// Whether it is a thread, whose waits a stop ends.
    pub(crate) fn is_interruptible(&self) -> bool {
        self.has(INTERRUPTIBLE)
    }

    /// Its blocking waits end when it is told to stop: it is a thread.
    pub(crate) fn set_interruptible(&self) {
        self.signals.fetch_or(INTERRUPTIBLE, Ordering::AcqRel);
    }

    /// The thread knows that it is to stop. What it waits for from now on belongs to its end, and only a kill cuts it short.
    pub(crate) fn set_told(&self) {
        self.signals.fetch_or(TOLD, Ordering::AcqRel);
    }

    /// Whether a thread that waits should go on.
    pub(crate) fn is_interrupted(&self) -> bool {
        let is_new = self.has(STOP | BROKEN) && self.has(INTERRUPTIBLE) && !self.has(TOLD);
        is_new || self.has(KILL | FENCED)
    }

    pub(crate) fn tell(&self, fact: Fact) {
        self.inbox.push(fact);
    }

    pub(crate) fn register(&self, who: Waiting, waker: &Waker) {
        let place = match who {
            Waiting::Life => 0,
            Waiting::Consumer => 1,
        };
        // Cloned and dropped without the lock: both may run code of another's.
        let waker = waker.clone();
        let before = lock(&self.wakers)[place].replace(waker);
        drop(before);
    }

    /// The wakers are those of tasks and threads of our own, which do not come back here.
    pub(crate) fn wake(&self) {
        let [life, consumer] = &*lock(&self.wakers);
        if let Some(waker) = consumer {
            waker.wake_by_ref();
        }
        if let Some(waker) = life {
            waker.wake_by_ref();
        }
    }

    fn signal(&self, signal: u16) -> bool {
        let before = self.signals.fetch_or(signal, Ordering::AcqRel);
        let first = before & signal == 0;
        if first {
            self.wake();
        }
        first
    }

    fn has(&self, signals: u16) -> bool {
        self.signals.load(Ordering::Acquire) & signals != 0
    }

    /// The supervisor asks it to stop.
    pub(crate) fn stop(&self) {
        if self.signal(STOP)
            && let Some(extras) = self.extras_after_signal()
        {
            extras.stopped.notify_waiters();
        }
    }

    /// Completes when the supervisor has asked it to stop, for each wait; or when it is over.
    pub(crate) async fn told_to_stop(&self) {
        let extras = self.extras();
        let mut stopped = pin!(extras.stopped.notified());
        stopped.as_mut().enable();
        if !self.has(STOP | OVER | FENCED) {
            stopped.await;
        }
    }

    /// The supervisor kills it.
    pub(crate) fn kill(&self) {
        self.signal(KILL);
    }

    /// Says what its exit will be when it is killed, or ends in any other way from now on. The first one counts.
    pub(crate) fn blame(&self, exit: &Exit) {
        lock(&self.extras().blame).get_or_insert_with(|| exit.clone());
    }

    /// The one place that knows how an incarnation ended that ends as `exit` by itself: the reason for which it was being
    /// killed, if there is one, comes first. (The machine sees it in the same way.)
    pub(crate) fn verdict(&self, exit: Exit) -> Exit {
        self.extras_if_any().and_then(|extras| lock(&extras.blame).clone()).unwrap_or(exit)
    }

    /// Somebody else kills it, and the supervisor has to know, should it not die of it.
    pub(crate) fn kill_by_others(&self) {
        if self.signal(KILL) {
            self.inbox.push(Fact::KillUnderWay(self.attempt));
        }
    }

    /// `false` when it was fenced before.
    pub(crate) fn fence(&self) -> bool {
        let is_first = self.signal(FENCED);
        if is_first && let Some(extras) = self.extras_after_signal() {
            extras.stopped.notify_waiters();
        }
        is_first
    }

    pub(crate) fn leave(&self, exit: Exit) {
        let extras = self.extras();
        let told = exit.clone();
        let unused = {
            let mut chosen = lock(&extras.chosen);
            if chosen.is_none() { chosen.replace(exit) } else { Some(exit) }
        };
        let is_first = unused.is_none();
        // It may hold an error of the user's.
        drop(unused);
        self.signal(LEAVE);
        if is_first && !self.has(STOP | KILL | OVER) {
            self.inbox.push(Fact::Chosen { attempt: self.attempt, exit: told });
        }
    }

    /// The exit that it has chosen for itself.
    pub(crate) fn chosen(&self) -> Option<Exit> {
        if self.is_leaving() { lock(&self.extras().chosen).clone() } else { None }
    }

    /// A task linked to the incarnation has ended in this way.
    pub(crate) fn break_with(&self, exit: Exit) {
        lock(&self.extras().broken).get_or_insert(exit);
        self.signal(BROKEN);
    }

    pub(crate) fn broken(&self) -> Option<Exit> {
        if self.has(BROKEN) { lock(&self.extras().broken).clone() } else { None }
    }

    pub(crate) fn set_info(&self, info: Arc<str>) {
        *lock(&self.extras().info) = Some(info);
    }

    pub(crate) fn take_info(&self) -> Option<Arc<str>> {
        lock(&self.extras_if_any()?.info).take()
    }

    /// The tasks that are linked to the incarnation.
    pub(super) fn tasks(&self) -> &Tasks {
        &self.extras().tasks
    }

    /// The future of the linked task of this number has been dropped.
    pub(crate) fn unlink(&self, number: u64) {
        if let Some(extras) = self.extras_if_any() {
            extras.tasks.ended(number);
        }
    }

    /// Aborts the linked tasks. None can be started any more.
    pub(crate) fn close(&self, exit: &Exit) {
        self.signals.fetch_or(OVER, Ordering::AcqRel);
        if let Some(extras) = self.extras_after_signal() {
            extras.tasks.close(exit);
            // After that, so that no linked task takes it for an order to stop.
            extras.stopped.notify_waiters();
        }
    }

    /// How the incarnation ended, as its linked tasks know it.
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

    pub(crate) fn is_over(&self) -> bool {
        self.has(OVER)
    }

    pub(crate) fn set_up(&self) {
        self.signals.fetch_or(UP, Ordering::AcqRel);
    }

    /// It will say when it is ready.
    pub(crate) fn says_ready(&self) {
        self.signals.fetch_or(SAYS_READY, Ordering::AcqRel);
    }

    /// It says that it is ready.
    pub(crate) fn set_ready(&self) {
        self.signals.fetch_or(READY, Ordering::AcqRel);
    }

    /// The supervisor hears of it where it does not know by itself.
    pub(crate) fn tell_ready(&self) {
        if self.has(SAYS_READY) {
            self.inbox.push(Fact::Ready(self.attempt));
        }
    }

    /// Whether it is ready, should it be up.
    pub(crate) fn is_ready(&self) -> bool {
        self.has(READY) || !self.has(SAYS_READY)
    }

    pub(crate) fn listens(&self) {
        self.signals.fetch_or(LISTENS, Ordering::AcqRel);
    }

    pub(crate) fn is_up(&self) -> bool {
        self.has(UP)
    }

    pub(crate) fn is_listening(&self) -> bool {
        self.has(LISTENS)
    }

    pub(crate) fn is_told_to_stop(&self) -> bool {
        self.has(STOP)
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.has(KILL)
    }

    pub(crate) fn is_fenced(&self) -> bool {
        self.has(FENCED)
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.has(LEAVE)
    }

    /// Whether anything but messages wants attention.
    pub(crate) fn is_signalled(&self) -> bool {
        self.has(STOP | KILL | FENCED | LEAVE | BROKEN | AFFLICTED)
    }

    /// Whether it is to end, for whatever reason.
    pub(crate) fn is_ordered(&self) -> bool {
        self.has(STOP | KILL | FENCED | LEAVE | BROKEN)
    }

    #[allow(dead_code, reason = "only experiments call it, and they are a feature")]
    pub(crate) fn set_afflicted(&self, is_afflicted: bool) {
        self.set(AFFLICTED, is_afflicted);
    }

    pub(crate) fn is_afflicted(&self) -> bool {
        self.has(AFFLICTED)
    }

    #[allow(dead_code, reason = "only experiments call it, and they are a feature")]
    pub(crate) fn set_ignores_kill(&self, is_stubborn: bool) {
        self.set(IGNORES_KILL, is_stubborn);
    }

    pub(crate) fn ignores_kill(&self) -> bool {
        self.has(IGNORES_KILL)
    }

    #[allow(dead_code, reason = "only experiments call it, and they are a feature")]
    fn set(&self, signal: u16, is_set: bool) {
        if is_set {
            self.signals.fetch_or(signal, Ordering::AcqRel);
        } else {
            self.signals.fetch_and(!signal, Ordering::AcqRel);
        }
        self.wake();
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port").field("attempt", &self.attempt).field("signals", &self.signals).finish_non_exhaustive()
    }
}
