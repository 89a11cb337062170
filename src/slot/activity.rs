//! The activity of an incarnation, as the watchdog sees it.
//!
//! It belongs to the signals. A watched incarnation has one from its start. Another incarnation gets one when it first
//! waits for a service, in a tree with a watched child.
//!
//! Invariant: only the task that polls the incarnation writes the counter of polls, and there is one at a time.

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
    /// Limit in nanoseconds; zero for none.
    limit: AtomicU64,
    /// Counter of polls: odd while its code runs.
    polls: AtomicU64,
    /// Hash of the label, so that an unchanged label is not written again.
    label_key: AtomicUsize,
    label: Mutex<Option<&'static str>>,
    grant: Mutex<Option<Grant>>,
    /// Whether its signs of life are its work: it is a task, and has no messages.
    has_heartbeat: AtomicBool,
    /// Whether the times of its messages are measured.
    is_measured: AtomicBool,
    /// Number of signs of life of a task.
    beats: AtomicU64,
    pub(crate) waits: Mutex<Waits>,
}

/// Extension that a handler has asked for, because its message takes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Number of the message that it is about.
    pub(crate) message: u64,
    pub(crate) at: Instant,
    /// Time that the incarnation had waited for others by then.
    pub(crate) waited: Duration,
    pub(crate) time: Duration,
}

impl Activity {
    pub(crate) fn set_limit(&self, limit: Option<Duration>) {
        let nanos = limit.map_or(0, |limit| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
        self.limit.store(nanos, Ordering::Relaxed);
    }

    /// Returns the longest time that a message may be in hand.
    pub(crate) fn limit(&self) -> Option<Duration> {
        Some(self.limit.load(Ordering::Relaxed)).filter(|nanos| *nanos > 0).map(Duration::from_nanos)
    }

    pub(crate) fn begin_poll(&self) {
        self.polls.store(self.polls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    pub(crate) fn end_poll(&self) {
        self.begin_poll();
    }

    /// Returns the counter of its polls: odd while one is under way.
    pub(crate) fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    /// Returns the number of the poll that is under way, if there is one.
    pub(crate) fn poll_under_way(&self) -> Option<u64> {
        Some(self.polls()).filter(|polls| polls % 2 == 1)
    }

    /// Marks it as a task, which has no messages: its signs of life are checked.
    pub(crate) fn set_has_heartbeat(&self) {
        self.has_heartbeat.store(true, Ordering::Relaxed);
    }

    /// Notes that the times of its messages are measured.
    pub(crate) fn set_measured(&self) {
        self.is_measured.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_measured(&self) -> bool {
        self.is_measured.load(Ordering::Relaxed)
    }

    /// Records a sign of life.
    pub(crate) fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of the work that is under way: the message in hand, or the last sign of life of a task.
    pub(crate) fn work(&self, slot: &dyn AnySlot, signals: &Signals) -> Option<u64> {
        if !self.has_messages() {
            return signals.is_up().then(|| self.beats.load(Ordering::Relaxed));
        }
        slot.in_hand().filter(|(_, owner)| std::ptr::eq(&**owner, signals)).map(|(message, _)| message)
    }

    /// Describes a hang of this length.
    pub(crate) fn hang(&self, slot: &dyn AnySlot, time: Duration) -> Hang {
        match self.has_messages() {
            false => Hang::silence(time),
            true => Hang::new(time, self.label().unwrap_or_else(|| slot.message_type())),
        }
    }

    /// Sets the label of the message that is about to be handled.
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

    /// Grants this message more time from now on, waits for others not included.
    pub(crate) fn grant(&self, message: u64, time: Duration) {
        let at = Instant::now();
        let in_hand = self.has_messages().then_some(message);
        let rest = lock(&self.waits).leave_behind(in_hand, at);
        rest.settle();
        let waited = lock(&self.waits).waited(at);
        *lock(&self.grant) = Some(Grant { message, at, waited, time });
    }

    /// Returns the extension that was granted to this message.
    pub(crate) fn granted(&self, message: u64) -> Option<Grant> {
        (*lock(&self.grant)).filter(|grant| grant.message == message)
    }

    /// Returns the total time that it has waited for others.
    pub(crate) fn waited(&self, now: Instant) -> Duration {
        lock(&self.waits).waited(now)
    }

    pub(crate) fn is_waiting(&self) -> bool {
        lock(&self.waits).is_any_open()
    }

    /// Returns the service from which it waits for an answer, and the start of that wait.
    pub(crate) fn waits_for_answer(&self) -> Option<(Arc<str>, Instant)> {
        lock(&self.waits).on_answer()
    }

    /// Returns the first service that it waits for, and the start of that wait.
    pub(crate) fn waits_for(&self) -> Option<(Arc<str>, Instant)> {
        lock(&self.waits).on()
    }

    fn has_messages(&self) -> bool {
        !self.has_heartbeat.load(Ordering::Relaxed)
    }

    /// Ends the waits that are over or not awaited, and probes the others: see `wait.rs`.
    pub(crate) fn probe_waits(&self, signals: &Signals, now: Instant, pause: Duration, patience: Duration) {
        let message = signals.message_in_hand();
        let polls = (!signals.is_interruptible()).then(|| self.polls());
        let rest = lock(&self.waits).leave_behind(message, now);
        rest.settle();
        let rest = lock(&self.waits).probe(polls, now, pause, patience);
        rest.settle();
    }
}
