//! The slot: the directory's entry of a service. It owns the mailbox, the state, the generation and the counters; an
//! incarnation only borrows them. Therefore a handle stays valid when an incarnation dies.
//!
//! Invariants:
//! 1. Locks are short and never held across an await; no user code, destructor or waker runs under one.
//! 2. At most one incarnation owns the slot. A new one gets it only when the old one has ended or was fenced.
//! 3. The accounting law holds whenever both locks are held (see [`Accounting`](accounting::Accounting)).
//! 4. A generation is given when an incarnation comes up, and is never used again.
//!
//! # Why no wake-up is lost, and why there are never two consumers
//!
//! Both depend only on which lock is held at which moment.
//!
//! *Wake-ups.* A pump registers its waker with its signals before it looks for messages. If it finds none, it sets
//! `idle` under the lock of the back, in the same hold in which it has seen the queue empty. A sender enqueues under
//! that lock. If its hold comes before the pump's, the pump sees the message. If it comes after, the sender sees
//! `idle`, and the waker that it then calls was registered before the hold that it follows. There is no third order.
//! Signals (stop, kill) are set before the wakers are called, and read after a waker was registered. That is the same
//! argument with an atomic in place of the queue.
//!
//! *Hand-over.* `owner` is read and written under the lock of the front. A claim succeeds only if there is no owner,
//! and only the end or the fence of exactly this owner removes it. A pump that takes a message compares itself with the
//! owner in the same hold. So of two incarnations at most one is ever given messages, and after a fence not even that
//! one.
//!
//! *Room.* A sender that finds no room joins the line with its message, in the hold in which it has seen that there is
//! none. The pump that makes room takes the first message of the line in the hold in which it makes the room
//! (`line.rs`). It wakes the sender of that message when it next yields.

pub(crate) mod accounting;
pub(crate) mod activity;
mod bar;
pub(crate) mod blocking;
pub(crate) mod consumer;
mod counting;
pub(crate) mod current;
pub(crate) mod dead_letter;
pub(crate) mod erased;
pub(crate) mod erased_slot;
pub(crate) mod fact;
pub(crate) mod failures;
pub(crate) mod heir;
pub(crate) mod histogram;
mod hold;
mod idle;
pub(crate) mod in_hand;
pub(crate) mod inbox;
pub(crate) mod inject;
pub(crate) mod kept;
pub(crate) mod last_work;
pub(crate) mod limit;
pub(crate) mod line;
pub(crate) mod linked_tasks;
mod measure;
pub(crate) mod monitors;
pub(crate) mod own_monitors;
pub(crate) mod queue;
pub(crate) mod restarts;
pub(crate) mod room;
pub(crate) mod rooms;
pub(crate) mod said;
pub(crate) mod saves;
pub(crate) mod settings;
pub(crate) mod signals;
pub(crate) mod status;
pub(crate) mod tally;
pub(crate) mod tasks;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod timekeeper;
#[cfg(test)]
pub(crate) mod turns;
pub(crate) mod unwanted;
pub(crate) mod wait;
pub(crate) mod waits;
pub(crate) mod wording;

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use tokio::sync::{Notify, watch};

use crate::base::sweep;
use crate::base::sync::lock;
use crate::call::fate::Fate;
use crate::error::refusal::Refusal;
use crate::slot::dead_letter::{DeadReason, Notice};
use crate::slot::erased::{AnySlot, Control, SlotTree};
use crate::slot::settings::{Overflow, Settings};
use in_hand::Tries;
use queue::{Back, Envelope, Front, Shed};
use status::{ServiceState, ServiceStatus};
use wording::Wording;

/// Message type of a child that takes no messages: a task, a supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoMessages {}

/// The fields have this order in memory: those that senders write, those that are seldom touched, and those that the
/// pump writes for each message. So senders and the pump share no cache line, without padding.
#[repr(C)]
pub(crate) struct Slot<M> {
    back: Mutex<Back<M>>,
    path: OnceLock<Arc<str>>,
    /// Tree that lists it in its directory.
    tree: OnceLock<Weak<dyn SlotTree>>,
    /// Made when a task first follows the status, or waits for the slot to be free.
    notifiers: OnceLock<Box<Notifiers>>,
    /// Names and describes a message in the words of its service.
    wording: OnceLock<Wording<M>>,
    /// Whether its messages can be delivered twice.
    can_repeat: std::sync::atomic::AtomicBool,
    /// Whether an experiment counts the outcomes of its calls.
    is_counted: std::sync::atomic::AtomicBool,
    /// Whether its incarnations end after some time without a message.
    has_idle_limit: std::sync::atomic::AtomicBool,
    /// Whether its times are measured.
    is_measured: std::sync::atomic::AtomicBool,
    /// Where its counters are added up: see [`AnySlot::standing`].
    standing: AtomicU16,
    /// State of the service as the events have told it, for the recorder alone.
    recorded: AtomicU8,
    front_len: AtomicUsize,
    front: Mutex<Front<M>>,
}

/// Notifiers for changes of a slot. They are made at the first wait, because few slots need any.
///
/// A waiter first makes them and then reads the state, under the locks under which the state changes. A change is first
/// made, and then looks for the notifiers. So either the waiter sees the change, or the change finds the notifiers.
#[derive(Default)]
struct Notifiers {
    /// Present while the status is followed. Closed when the service is gone.
    watch: Mutex<Option<watch::Sender<ServiceStatus>>>,
    /// Notified when an incarnation leaves the slot.
    vacant: Notify,
    /// Told of the end of each incarnation. Made by the first monitor.
    watchers: OnceLock<monitors::Watchers>,
}

/// Outcome of the attempt to put a message into the mailbox.
pub(crate) enum Push<M> {
    Accepted,
    Refused(Refusal, M, Option<Arc<dyn Fate>>),
}

/// Wish of a sender for the case that there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfFull {
    ObeyPolicy,
    /// Returns the message at once.
    Refuse,
    /// Returns the message, so that the sender can join the line with it. The check for room is repeated there,
    /// exactly.
    StandInLine,
}

impl<M: Send + 'static> Slot<M> {
    pub(crate) fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            path: OnceLock::new(),
            tree: OnceLock::new(),
            notifiers: OnceLock::new(),
            wording: OnceLock::new(),
            front: Mutex::new(Front::new(settings.skips_abandoned)),
            back: Mutex::new(Back::new(settings)),
            front_len: AtomicUsize::new(0),
            can_repeat: Default::default(),
            recorded: Default::default(),
            is_counted: Default::default(),
            has_idle_limit: settings.idle_after.is_some().into(),
            is_measured: settings.is_measured.into(),
            standing: AtomicU16::default(),
        })
    }

    pub(crate) fn path(&self) -> Arc<str> {
        self.path.get().cloned().unwrap_or_else(|| "(not in a tree)".into())
    }

    pub(crate) fn tree(&self) -> Option<Arc<dyn SlotTree>> {
        self.tree.get()?.upgrade()
    }

    pub(crate) fn configure(&self, settings: Settings) {
        self.note_idle_limit(settings);
        self.is_measured.store(settings.is_measured, Ordering::Relaxed);
        let mut freed = self.freed();
        let mut front = lock(&self.front);
        let mut back = lock(&self.back);
        // A service that sleeps begins to count its idle time, or counts to another limit.
        let sleeper = if back.settings().idle_after == settings.idle_after { None } else { back.control.clone() };
        back.configure(settings);
        front.skips_abandoned = settings.skips_abandoned;
        // There may be more room than before.
        self.let_in(&mut front, &mut back, &mut freed);
        drop((front, back));
        if let Some(signals) = sleeper.as_ref().and_then(Control::signals) {
            signals.wake();
        }
    }

    /// Whether the signals of the incarnation that lives here have this address.
    pub(crate) fn is_home_of(&self, signals: usize) -> bool {
        lock(&self.back).is_home_of(signals)
    }

    /// Puts a message into the mailbox.
    pub(crate) fn push(&self, message: M, if_full: IfFull) -> Push<M> {
        self.put(message, None, 0, if_full)
    }

    /// Puts a call into the mailbox, unless the service calls itself. `from` is the address of the signals of the
    /// calling incarnation; 0 for none.
    pub(crate) fn push_call(&self, message: M, call: Arc<dyn Fate>, from: usize, if_full: IfFull) -> Push<M> {
        self.put(message, Some(call), from, if_full)
    }

    #[inline(always)]
    fn put(&self, message: M, call: Option<Arc<dyn Fate>>, from: usize, if_full: IfFull) -> Push<M> {
        {
            let mut back = lock(&self.back);
            if from != 0 && back.is_home_of(from) {
                drop(back);
                return self.refuse(Refusal::ToItself, message, call);
            }
            if let Some(refusal) = back.refusal(call.is_some()) {
                drop(back);
                return self.refuse(refusal, message, call);
            }
            if back.has_room_at_once(back.front_max) || back.has_room_at_once(self.front_len.load(Ordering::Acquire)) {
                let signals = back.accept(Envelope { message, call });
                drop(back);
                if let Some(signals) = signals {
                    signals.wake();
                }
                return Push::Accepted;
            }
        }
        if if_full == IfFull::StandInLine {
            return Push::Refused(Refusal::Full, message, call);
        }
        self.push_when_full(message, call, if_full)
    }

    /// Counts a refusal, and gives the message back. A function of its own, so that accepting stays short.
    #[cold]
    #[inline(never)]
    fn refuse(&self, refusal: Refusal, message: M, call: Option<Arc<dyn Fate>>) -> Push<M> {
        self.count_refusal(refusal);
        Push::Refused(refusal, message, call)
    }

    /// Takes the slow way in: under both locks, so that "full" is exact and the oldest message is known.
    fn push_when_full(&self, message: M, call: Option<Arc<dyn Fate>>, if_full: IfFull) -> Push<M> {
        let mut front = lock(&self.front);
        let mut back = lock(&self.back);
        if let Some(refusal) = back.refusal(call.is_some()) {
            drop((back, front));
            return self.refuse(refusal, message, call);
        }
        let envelope = Envelope { message, call };
        if back.has_room(front.batch.len()) {
            let signals = back.accept_with_time(envelope, front.batch.len());
            drop((back, front));
            if let Some(signals) = signals {
                signals.wake();
            }
            return Push::Accepted;
        }
        let policy = match if_full {
            IfFull::ObeyPolicy => back.settings().overflow,
            IfFull::Refuse | IfFull::StandInLine => Overflow::Refuse,
        };
        let (signals, shed) = match policy {
            Overflow::Refuse => {
                back.note_refused(Refusal::Full, 1);
                return Push::Refused(Refusal::Full, envelope.message, envelope.call);
            }
            Overflow::DropNewest => (None, Some(back.accept_dead(envelope, DeadReason::DroppedNewest))),
            Overflow::DropOldest => {
                let tries = front.take_tries_of_head();
                let oldest = front.batch.pop_front().or_else(|| back.queue.pop_front());
                self.note_front(&front, &mut back);
                let shed = oldest.map(|oldest| back.shed(oldest, tries, DeadReason::DroppedOldest));
                (back.accept_with_time(envelope, front.batch.len()), shed)
            }
        };
        drop((back, front));
        if let Some(signals) = signals {
            signals.wake();
        }
        if let Some(shed) = shed {
            shed.settle(self);
        }
        Push::Accepted
    }

    /// Enters a state in which nothing is accepted, and sheds what is queued. A message in hand stays in hand until its
    /// incarnation ends.
    pub(crate) fn close_as(&self, state: ServiceState) {
        let mut freed = self.freed();
        let (shed, heir) = {
            let mut front = lock(&self.front);
            let mut back = lock(&self.back);
            if back.state == ServiceState::Gone {
                return;
            }
            back.state = state;
            if matches!(state, ServiceState::Down | ServiceState::Gone)
                && let Some(measure) = back.measure()
            {
                measure.ended_at = None;
            }
            if let Some(refusal) = state.refusal() {
                self.refuse_line(&mut front, &mut back, refusal, &mut freed);
            }
            let shed = match state.dead_reason() {
                Some(reason) => self.shed_all(&mut front, &mut back, &reason),
                None => Vec::new(),
            };
            (shed, if state == ServiceState::Gone { front.take_heir() } else { None })
        };
        self.settle(shed);
        self.drop_heir(heir);
        freed.flush();
        self.publish();
        if state == ServiceState::Gone {
            // Followers have seen that it is gone. If the slot is listed again, they subscribe again.
            let watch = self.notifiers.get().map(|notifiers| {
                if let Some(watchers) = notifiers.watchers.get() {
                    watchers.gone();
                }
                lock(&notifiers.watch).take()
            });
            drop(watch);
        }
    }

    fn shed_all(&self, front: &mut Front<M>, back: &mut Back<M>, reason: &DeadReason) -> Vec<Shed<M>> {
        let mut tries = front.take_tries_of_head();
        let batch = std::mem::take(&mut front.batch);
        self.note_front(front, back);
        let queue = std::mem::take(&mut back.queue);
        batch
            .into_iter()
            .chain(queue)
            .map(|envelope| back.shed(envelope, std::mem::take(&mut tries), reason.clone()))
            .collect()
    }

    /// Records a change of the front. Both locks are held (invariants 2 and 4 of the queue).
    fn note_front(&self, front: &Front<M>, back: &mut Back<M>) {
        back.front_max = front.batch.len();
        self.front_len.store(front.batch.len(), Ordering::Release);
    }

    fn settle(&self, shed: Vec<Shed<M>>) {
        shed.into_iter().for_each(|shed| shed.settle(self));
    }

    /// Makes a message a dead letter, or drops it if dead letters are not kept. It has been counted before, and no lock
    /// is held.
    fn dead_letter(&self, message: M, tries: Tries, reason: DeadReason, generation: u64) {
        let tree = self.tree().map(|tree| (tree.wants_letter(&reason), tree));
        let Some((wanted, tree)) = tree.filter(|(wanted, _)| wanted.is_kept || wanted.level.is_some()) else {
            return sweep::drop_quietly(message, &self.path(), "a message");
        };
        let label = self.label_of(&message);
        let (path, message_type, attempt) = (self.path(), std::any::type_name::<M>(), tries.begun);
        let notice = Notice { path, generation, message_type, label, attempt, reason };
        if let Some(level) = wanted.level {
            tree.log_letter(&notice, level);
        }
        if wanted.is_kept {
            tree.keep_letter(notice, Box::new(message));
        } else {
            sweep::drop_quietly(message, &notice.path, "a message");
        }
    }

    /// Notifies the followers of the status, if there are any. They see the newest status, and not each.
    fn publish(&self) {
        let Some(notifiers) = self.notifiers.get() else { return };
        let watch = lock(&notifiers.watch).clone();
        if let Some(watch) = watch {
            watch.send_modify(|status| *status = self.status());
        }
    }
}

impl<M> fmt::Debug for Slot<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("path", &self.path.get()).finish_non_exhaustive()
    }
}
