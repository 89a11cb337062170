//! The one queue of a supervisor: exits and orders, in the order in which they happened.
//!
//! ractor would hand over supervision events before messages, and lose the deaths below a killed supervisor. OTP's
//! answers depend on the order (OTP rule 72). So facts go through this queue, and ractor carries only the wake-up, a
//! `Wake`.
//!
//! Invariant: a wake-up is under way whenever the queue has a fact that cannot wait and the supervisor is not suspended.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::base::sync::lock;
use crate::base::wake::Wake;
use crate::slot::fact::Fact;
use ractor::ActorRef;

#[derive(Debug, Default)]
pub(crate) struct Inbox {
    queue: Mutex<Queue>,
    /// Whether a child of the tree is watched.
    is_watched: Arc<AtomicBool>,
    /// Path of the supervisor.
    path: Arc<str>,
    is_ending: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    facts: VecDeque<Fact>,
    actor: Option<ActorRef<Wake>>,
    woken: bool,
    held: bool,
    closed: bool,
}

impl Inbox {
    pub(crate) fn new(is_watched: Arc<AtomicBool>, path: &Arc<str>) -> Self {
        Self { queue: Mutex::default(), is_watched, path: path.clone(), is_ending: AtomicBool::new(false) }
    }

    /// Records that the supervisor ends from now on.
    pub(crate) fn begin_to_end(&self) {
        self.is_ending.store(true, Ordering::Release);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Acquire)
    }

    /// Returns the path of the supervisor.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Returns a number that distinguishes this supervisor from all others that live.
    pub(crate) fn number(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Whether a child of the tree is watched: only then are waits recorded.
    pub(crate) fn is_watched(&self) -> bool {
        self.is_watched.load(Ordering::Relaxed)
    }

    pub(crate) fn push(&self, fact: Fact) {
        let actor = {
            let mut queue = lock(&self.queue);
            if queue.closed {
                drop(queue);
                drop(fact);
                return;
            }
            // A kill also wakes a suspended supervisor.
            queue.held &= !matches!(fact, Fact::Kill);
            let can_wait = fact.can_wait();
            queue.facts.push_back(fact);
            if can_wait { None } else { queue.wake_up() }
        };
        wake(actor);
    }

    /// Pushes many facts, with one wake-up.
    pub(crate) fn push_all(&self, facts: Vec<Fact>) {
        let (actor, late) = {
            let mut queue = lock(&self.queue);
            if queue.closed {
                (None, facts)
            } else {
                queue.facts.extend(facts);
                (queue.wake_up(), Vec::new())
            }
        };
        drop(late);
        wake(actor);
    }

    /// Closes the inbox when the supervisor is over. Pending orders are dropped, which their callers see as an error.
    pub(crate) fn close(&self) {
        let left = {
            let mut queue = lock(&self.queue);
            queue.closed = true;
            std::mem::take(&mut queue.facts)
        };
        drop(left);
    }

    /// Attaches the actor that is woken from now on.
    pub(crate) fn attach(&self, actor: ActorRef<Wake>) {
        let actor = {
            let mut queue = lock(&self.queue);
            queue.actor = Some(actor);
            if queue.facts.is_empty() { None } else { queue.wake_up() }
        };
        wake(actor);
    }

    /// Swaps the waiting facts for the empty queue `into`; `false` if the supervisor is suspended. The driver takes
    /// again until `may_rest` is true.
    pub(crate) fn take(&self, into: &mut VecDeque<Fact>) -> bool {
        let mut queue = lock(&self.queue);
        queue.woken = true;
        if !queue.held {
            #[cfg(not(test))]
            std::mem::swap(&mut queue.facts, into);
            #[cfg(test)]
            crate::slot::turns::deal(&mut queue.facts, into);
        }
        !queue.held
    }

    /// Whether no fact is left. If so, the next fact wakes the supervisor.
    pub(crate) fn may_rest(&self) -> bool {
        let mut queue = lock(&self.queue);
        queue.woken = !queue.facts.is_empty() && !queue.held;
        !queue.woken
    }

    /// Suspends the supervisor, as OTP's `sys:suspend` does, or lets it go on.
    #[cfg(feature = "otp")]
    pub(crate) fn hold(&self, held: bool) {
        let actor = {
            let mut queue = lock(&self.queue);
            queue.held = held;
            queue.wake_up()
        };
        wake(actor);
    }
}

impl Queue {
    fn wake_up(&mut self) -> Option<ActorRef<Wake>> {
        let actor = self.actor.clone().filter(|_| !self.woken && !self.held);
        self.woken |= actor.is_some();
        actor
    }
}

/// Wakes the supervisor. One that is gone gets nothing more; its facts are dropped with the queue.
fn wake(actor: Option<ActorRef<Wake>>) {
    if let Some(actor) = actor {
        let _ = actor.send_message(Wake);
    }
}
