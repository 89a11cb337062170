//! Messages that are not to run when their turn comes, though they were accepted: their sender does not want them any
//! more. They are counted as dead letters, and not kept.
//!
//! Invariant: the verdict falls in the hold of the locks in which the message leaves the queue. So a message is either
//! in hand, or counted as dead.

use std::sync::MutexGuard;

use crate::base::sweep;
use crate::base::sync::lock;
use crate::call::fate::{Fate, Instead};
use crate::slot::Slot;
use crate::slot::consumer::Next;
use crate::slot::dead_letter::DeadReason;
use crate::slot::queue::{Envelope, Front, InHand};
use crate::slot::signals::Signals;

impl<M> Front<M> {
    /// Returns what comes in place of a message whose turn has come, if it does not run as it was queued.
    #[inline]
    pub(super) fn instead(&self, call: &dyn Fate, signals: &Signals) -> Option<Instead> {
        // A message that has begun before may have had effects, and its redelivery was asked for.
        if self.skips_abandoned && !self.tries.have_begun() && call.is_abandoned() {
            return Some(Instead::CallerGone);
        }
        call.taken(signals)
    }
}

impl<M: Send + 'static> Slot<M> {
    /// Takes a message that does not run as it was queued. `done` was in hand before it.
    #[cold]
    pub(super) fn take_instead(
        &self,
        signals: &Signals,
        mut front: MutexGuard<'_, Front<M>>,
        done: Option<InHand<M>>,
        envelope: Envelope<M>,
        instead: Instead,
    ) -> Next<M> {
        let reason = match instead {
            Instead::Renewed => None,
            Instead::CallerGone => Some(DeadReason::CallerGone),
            Instead::TimerOver => Some(DeadReason::TimerOver),
            Instead::MonitorOver => Some(DeadReason::MonitorOver),
        };
        let taken = match reason {
            None => {
                front.in_hand = Some(InHand { call: envelope.call.clone(), spare: None });
                Ok(envelope)
            }
            Some(reason) => {
                let tries = std::mem::take(&mut front.tries);
                Err(lock(&self.back).shed(envelope, tries, reason))
            }
        };
        drop(front);
        if let Some(done) = done {
            self.settle_handled(signals, done);
        }
        match taken {
            Ok(queued) => Next::Message(self.renewed(queued)),
            Err(shed) => {
                shed.settle(self);
                Next::Unwanted
            }
        }
    }

    fn renewed(&self, Envelope { message, call }: Envelope<M>) -> M {
        match call.and_then(|fate| fate.renew()).and_then(|new| new.downcast().ok()) {
            Some(new) => {
                sweep::drop_quietly(message, &self.path(), "a message");
                *new
            }
            None => message,
        }
    }
}
