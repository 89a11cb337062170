//! What an incarnation lets the watchdog see of itself.
//!
//! It belongs to the port. Those who are watched have one from their start on; others get one when they first wait for
//! somebody, in a tree in which somebody is watched.
//!
//! Invariant: the counter of polls is written by whoever polls the incarnation, which is one at a time.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use regrow_supervisors::Hang;
use tokio::time::Instant;

use crate::base::sync::lock;
use crate::slot::erased::AnySlot;
use crate::slot::signals::Signals;
use crate::slot::waits::Waits;

#[derive(Default)]
pub(crate) struct Activity {
    /// In nanoseconds. None is zero.
    limit: AtomicU64,
    /// Odd while its code runs.
    polls: AtomicU64,
    /// Recognises the label, so that one that stays the same is not written again.
    label_key: AtomicUsize,
    label: Mutex<Option<&'static str>>,
    grant: Mutex<Option<Grant>>,
    /// Its own signs of life are its work: it is a task, and has no messages.
    has_heartbeat: AtomicBool,
    /// Counts the signs of life of a task.
    beats: AtomicU64,
    pub(crate) waits: Mutex<Waits>,
}

/// A handler has said that its message will take long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grant {
    /// The message that it is about.
    pub(crate) message: u64,
    pub(crate) at: Instant,
    /// How long the incarnation had waited for others by then.
    pub(crate) waited: Duration,
    pub(crate) time: Duration,
}

impl Activity {
    pub(crate) fn set_limit(&self, limit: Option<Duration>) {
        let nanos = limit.map_or(0, |limit| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
        self.limit.store(nanos, Ordering::Relaxed);
    }

    /// How long a message may be in hand.
    pub(crate) fn limit(&self) -> Option<Duration> {
        Some(self.limit.load(Ordering::Relaxed)).filter(|nanos| *nanos > 0).map(Duration::from_nanos)
    }

    pub(crate) fn begin_poll(&self) {
        self.polls.store(self.polls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    pub(crate) fn end_poll(&self) {
        self.begin_poll();
    }

    /// The counter of its polls: odd while one is under way.
    pub(crate) fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    /// The number of the poll that is under way.
    pub(crate) fn poll_under_way(&self) -> Option<u64> {
        Some(self.polls()).filter(|polls| polls % 2 == 1)
    }

    /// It is a task, and has no messages: its signs of life are looked at.
    pub(crate) fn set_has_heartbeat(&self) {
        self.has_heartbeat.store(true, Ordering::Relaxed);
    }

    /// A sign of life.
    pub(crate) fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of the work that is under way: the message in hand, or the last sign of life of a task.
    pub(crate) fn work(&self, slot: &dyn AnySlot, signals: &Signals) -> Option<u64> {
        if !self.has_messages() {
            return signals.is_up().then(|| self.beats.load(Ordering::Relaxed));
        }
        slot.in_hand().filter(|(_, owner)| std::ptr::eq(&**owner, signals)).map(|(message, _)| message)
    }

    /// What is said of a time that is too long.
    pub(crate) fn hang(&self, slot: &dyn AnySlot, time: Duration) -> Hang {
        match self.has_messages() {
            false => Hang::silence(time),
            true => Hang::new(time, self.label().unwrap_or_else(|| slot.message_type())),
        }
    }

    /// What the service calls the message that it is about to handle.
    pub(crate) fn set_label(&self, label: Option<&'static str>) {
        let key = label.map_or(0, |label| label.as_ptr().addr() ^ label.len().rotate_right(8));
        if self.label_key.load(Ordering::Relaxed) != key {
            *lock(&self.label) = label;
            self.label_key.store(key, Ordering::Relaxed);
        }
    }

    fn label(&self) -> Option<&'static str> {
        *lock(&self.label)
    }

    /// This message will take so long from now on, waits for others left out.
    pub(crate) fn grant(&self, message: u64, time: Duration) {
        let at = Instant::now();
        let in_hand = self.has_messages().then_some(message);
        let rest = lock(&self.waits).leave_behind(in_hand, at);
        rest.settle();
        let waited = lock(&self.waits).waited(at);
        *lock(&self.grant) = Some(Grant { message, at, waited, time });
    }

    /// What was granted to this message.
    pub(crate) fn granted(&self, message: u64) -> Option<Grant> {
        (*lock(&self.grant)).filter(|grant| grant.message == message)
    }

    /// How long it has waited for others, all in all.
    pub(crate) fn waited(&self, now: Instant) -> Duration {
        lock(&self.waits).waited(now)
    }

    pub(crate) fn is_waiting(&self) -> bool {
        lock(&self.waits).is_any_open()
    }

    /// Whose answer it waits for, and since when.
    pub(crate) fn waits_for_answer(&self) -> Option<(Arc<str>, Instant)> {
        lock(&self.waits).on_answer()
    }

    /// The services that it waits for, and since when.
    pub(crate) fn waits_for(&self) -> Option<(Arc<str>, Instant)> {
        lock(&self.waits).on()
    }

    fn has_messages(&self) -> bool {
        !self.has_heartbeat.load(Ordering::Relaxed)
    }

    /// Ends the waits that are none any more, and asks for the others: see `wait.rs`.
    pub(crate) fn ask_waits(&self, signals: &Signals, now: Instant, pause: Duration, patience: Duration) {
        let message = signals.message_in_hand();
        let polls = (!signals.is_interruptible()).then(|| self.polls());
        let rest = lock(&self.waits).leave_behind(message, now);
        rest.settle();
        let rest = lock(&self.waits).ask(polls, now, pause, patience);
        rest.settle();
    }
}
