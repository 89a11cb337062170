//! Messages that are not to run when their turn comes, though they were accepted: their sender does not want them any
//! more. They are counted as dead letters, and not kept.
//!
//! Invariant: the verdict falls in the hold of the locks in which the message leaves the queue. So a message is either
//! in hand, or counted as dead.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use regrow_supervisors::Exit;

use crate::base::panics::Orphan;
use crate::base::sweep;
use crate::base::sync::lock;
use crate::call::fate::{Fate, Taken};
use crate::slot::Slot;
use crate::slot::consumer::Next;
use crate::slot::dead_letter::DeadReason;
use crate::slot::queue::{Envelope, Front, InHand, Shed};
use crate::slot::signals::Signals;

/// Message whose turn has come and that has a fate. The rest follows when no lock is held.
pub(super) enum Turn<M> {
    Runs(M),
    /// The fate makes another message, which runs in its place.
    Renewed(M, Arc<dyn Fate>),
    Unwanted(Box<Shed<M>>),
}

impl<M: Send + 'static> Slot<M> {
    /// Takes a message with a fate in hand, unless it is not wanted any more.
    #[inline]
    pub(super) fn take_in_turn(
        &self,
        front: &mut Front<M>,
        signals: &Signals,
        message: M,
        call: Arc<dyn Fate>,
    ) -> Turn<M> {
        // A message that has begun before may have had effects, and its redelivery was asked for.
        if front.skips_abandoned && !front.tries.have_begun() && call.is_abandoned() {
            return self.not_run(front, message, call, DeadReason::CallerGone);
        }
        match call.taken(signals) {
            Taken::Runs => {
                front.in_hand = Some(InHand { call: Some(call), spare: None });
                Turn::Runs(message)
            }
            Taken::Renewed => {
                front.in_hand = Some(InHand { call: Some(call.clone()), spare: None });
                Turn::Renewed(message, call)
            }
            Taken::TimerOver => self.not_run(front, message, call, DeadReason::TimerOver),
            Taken::MonitorOver => self.not_run(front, message, call, DeadReason::MonitorOver),
        }
    }

    #[cold]
    fn not_run(&self, front: &mut Front<M>, message: M, call: Arc<dyn Fate>, reason: DeadReason) -> Turn<M> {
        let tries = std::mem::take(&mut front.tries);
        let envelope = Envelope { message, call: Some(call) };
        Turn::Unwanted(Box::new(lock(&self.back).shed(envelope, tries, reason)))
    }

    #[inline]
    pub(super) fn settle_turn(&self, turn: Turn<M>) -> Next<M> {
        match turn {
            Turn::Runs(message) => Next::Message(message),
            Turn::Renewed(message, fate) => Next::Message(self.renewed(message, &*fate)),
            Turn::Unwanted(shed) => {
                shed.settle(self);
                Next::Unwanted
            }
        }
    }

    #[cold]
    fn renewed(&self, queued: M, fate: &dyn Fate) -> M {
        match fate.renew().and_then(|new| new.downcast().ok()) {
            Some(new) => {
                sweep::drop_quietly(queued, &self.path(), "a message");
                *new
            }
            None => queued,
        }
    }
}

/// Mark on the messages of a timer: they are wanted by the incarnation that started the timer.
pub(crate) struct OfTimer {
    signals: Weak<Signals>,
    /// Whether they are wanted by later incarnations too.
    is_kept: Arc<AtomicBool>,
}

impl OfTimer {
    pub(crate) fn new(signals: &Arc<Signals>, is_kept: Arc<AtomicBool>) -> Self {
        Self { signals: Arc::downgrade(signals), is_kept }
    }
}

impl Orphan for OfTimer {
    fn orphaned(&self, _: Option<&Exit>) {}
}

impl Fate for OfTimer {
    fn taken(&self, by: &Signals) -> Taken {
        let is_wanted = std::ptr::eq(self.signals.as_ptr(), by) || self.is_kept.load(Ordering::Relaxed);
        if is_wanted { Taken::Runs } else { Taken::TimerOver }
    }

    fn call(self: Arc<Self>) -> Arc<dyn Fate> {
        self
    }
}
