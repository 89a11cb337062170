//! The one queue of a supervisor: exits and orders, in the order they happened.
//!
//! ractor would hand over supervision events before messages and lose the deaths below a killed supervisor, and OTP's
//! answers depend on the order (OTP rule 72). So facts go through here, and ractor carries only the wake-up, a `()`.
//!
//! Invariant: a wake-up is under way whenever the queue is not empty and the supervisor is not held still.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ractor::ActorRef;
use regrow_supervisors::{Attempt, Exit, Hang, Outlook};

use crate::base::sync::lock;
use crate::error::gave_up::GaveUp;
use crate::supervisor::manage::Ordered;
use crate::watchdog::{Stuck, Watchdog};

/// What a supervisor is told.
#[derive(Debug)]
pub(crate) enum Fact {
    Started {
        attempt: Attempt,
        generation: u64,
        info: Option<Arc<str>>,
    },
    /// An incarnation that is up has said that it is ready.
    Ready(Attempt),
    /// The start of this attempt is let in through the gates.
    Admitted(Attempt),
    /// What is known of a service elsewhere, that children depend on.
    Dependency {
        name: Arc<str>,
        outlook: Outlook,
    },
    Ignored(Attempt),
    StartFailed {
        attempt: Attempt,
        exit: Exit,
    },
    Ended {
        attempt: Attempt,
        exit: Exit,
    },
    /// A child that is a supervisor is about to tell its end: whether it gave up, and on which child.
    Ending {
        attempt: Attempt,
        gave_up: Option<Arc<GaveUp>>,
    },
    /// It will end by itself, as `exit`, when it is done with the message in hand.
    Chosen {
        attempt: Attempt,
        exit: Exit,
    },
    /// It ends by itself, as `exit`, and code of its own still runs for that.
    Leaving {
        attempt: Attempt,
        exit: Exit,
    },
    /// It has ended as `exit`, but for work of its own that was killed and is still there.
    Remains {
        attempt: Attempt,
        exit: Exit,
    },
    KillUnderWay(Attempt),
    /// It takes too long, or waits in a circle.
    Hung {
        attempt: Attempt,
        seen: Overdue,
        hang: Hang,
    },
    Stop(Exit),
    Kill,
    Abandon,
    Order(Box<Ordered>),
    /// A deadline of the machine may have passed.
    Tick,
}

/// What the watchdog has seen. When its word arrives, that may be over.
#[derive(Debug)]
pub(crate) enum Overdue {
    /// This message is in hand for too long, or a task has not said that it is alive since it said so for this time.
    Work(u64),
    /// These wait for each other.
    Circle(Vec<Stuck>),
}

#[derive(Debug, Default)]
pub(crate) struct Inbox {
    queue: Mutex<Queue>,
    /// The watchdog of the tree, for everybody who tells facts.
    watchdog: Arc<Watchdog>,
    /// The supervisor.
    path: Arc<str>,
    is_ending: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    inbox: VecDeque<Fact>,
    actor: Option<ActorRef<()>>,
    woken: bool,
    held: bool,
    closed: bool,
}

impl Inbox {
    pub(crate) fn new(watchdog: Arc<Watchdog>, path: &Arc<str>) -> Self {
        Self { queue: Mutex::default(), watchdog, path: path.clone(), is_ending: AtomicBool::new(false) }
    }

    /// The supervisor ends from now on.
    pub(crate) fn begin_to_end(&self) {
        self.is_ending.store(true, Ordering::Release);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Acquire)
    }

    /// The path of the supervisor.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Tells this supervisor from all others that live.
    pub(crate) fn number(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    pub(crate) fn watchdog(&self) -> &Watchdog {
        &self.watchdog
    }

    pub(crate) fn push(&self, fact: Fact) {
        let actor = {
            let mut queue = lock(&self.queue);
            if queue.closed {
                drop(queue);
                drop(fact);
                return;
            }
            // A kill is obeyed by whoever is held still, too.
            queue.held &= !matches!(fact, Fact::Kill);
            queue.inbox.push_back(fact);
            queue.wake_up()
        };
        wake(actor);
    }

    /// [`push`](Self::push) for many facts, with one wake-up.
    pub(crate) fn push_all(&self, inbox: Vec<Fact>) {
        let (actor, late) = {
            let mut queue = lock(&self.queue);
            if queue.closed {
                (None, inbox)
            } else {
                queue.inbox.extend(inbox);
                (queue.wake_up(), Vec::new())
            }
        };
        drop(late);
        wake(actor);
    }

    /// The supervisor is over: whoever gave an order is told by the loss of it.
    pub(crate) fn close(&self) {
        let left = {
            let mut queue = lock(&self.queue);
            queue.closed = true;
            std::mem::take(&mut queue.inbox)
        };
        drop(left);
    }

    /// From now on `actor` is woken.
    pub(crate) fn attach(&self, actor: ActorRef<()>) {
        let actor = {
            let mut queue = lock(&self.queue);
            queue.actor = Some(actor);
            if queue.inbox.is_empty() { None } else { queue.wake_up() }
        };
        wake(actor);
    }

    /// Swaps what there is for the empty queue `into`; `false` when nothing is to be done now. Whoever takes looks again
    /// until it may rest.
    pub(crate) fn take(&self, into: &mut VecDeque<Fact>) -> bool {
        let mut queue = lock(&self.queue);
        queue.woken = true;
        if !queue.held {
            #[cfg(not(test))]
            std::mem::swap(&mut queue.inbox, into);
            #[cfg(test)]
            crate::supervisor::turns::deal(&mut queue.inbox, into);
        }
        !queue.held
    }

    /// Nothing is left, and whoever comes from now on wakes the supervisor.
    pub(crate) fn may_rest(&self) -> bool {
        let mut queue = lock(&self.queue);
        queue.woken = !queue.inbox.is_empty() && !queue.held;
        !queue.woken
    }

    /// Holds the supervisor still, as OTP's `sys:suspend`, or lets it go on.
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
    fn wake_up(&mut self) -> Option<ActorRef<()>> {
        let actor = self.actor.clone().filter(|_| !self.woken && !self.held);
        self.woken |= actor.is_some();
        actor
    }
}

/// A supervisor that is gone hears nothing more; its facts are dropped with the queue.
fn wake(actor: Option<ActorRef<()>>) {
    if let Some(actor) = actor {
        let _ = actor.send_message(());
    }
}
