//! The message in hand when its incarnation ends: it is lost, or put back.
//!
//! Invariants:
//! 1. A copy is made before the handler gets the message, and only if redelivery was asked for. The copying is code of
//!    the user, and runs without a lock.
//! 2. A message that is put back goes in front of everything that is queued. At most one message is in hand, so at most
//!    one message that was put back is queued, and it is at the head. Therefore its count is kept once, in the front,
//!    and not in each envelope.
//! 3. A message that has begun to run is never given back to its caller as one that never ran.

use std::sync::Arc;

use regrow_supervisors::Exit;
use tokio::time::Instant;

use crate::base::sweep;
use crate::base::sync::lock;
use crate::error::unavailable;
use crate::slot::Slot;
use crate::slot::dead_letter::DeadReason;
use crate::slot::kept::Change;
use crate::slot::queue::{Envelope, InHand};
use crate::slot::settings::OnRestart;
use crate::slot::signals::Signals;

/// History of a message: the incarnations that had it in hand before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tries {
    /// Number of incarnations that had it in hand.
    pub(crate) begun: u32,
    /// Number of those that ended by a fault of the message.
    failed: u32,
    /// Number of those that failed because a peer was not available.
    in_vain: u32,
}

/// Number of times that a message is put back because a peer was not available.
const IN_VAIN_MAX: u32 = 10;

impl Tries {
    pub(crate) fn have_begun(self) -> bool {
        self.begun > 0
    }

    fn and_one_more(self, fault: Fault) -> Self {
        Self {
            begun: self.begun.saturating_add(1),
            failed: self.failed.saturating_add(u32::from(fault == Fault::Message)),
            in_vain: self.in_vain.saturating_add(u32::from(fault == Fault::Peer)),
        }
    }

    /// Returns the reason why the message does not run once more, if it does not.
    fn verdict(self, redeliveries_max: u32, exit: &Exit) -> Option<DeadReason> {
        if self.failed > redeliveries_max {
            Some(DeadReason::Poison { exit: exit.clone() })
        } else if self.in_vain > IN_VAIN_MAX {
            Some(DeadReason::PeerUnavailable { exit: Box::new(exit.clone()) })
        } else {
            None
        }
    }
}

/// State beside the message in hand that few messages need.
pub(crate) struct Beside<M> {
    /// Copy to be put back if the handler does not succeed. Present only if redelivery is asked for.
    pub(crate) copy: Option<MessageCopy<M>>,
    /// Change of what the service keeps, to be made when the message is handled.
    pub(crate) change: Option<Change>,
    /// Time at which the handler got the message, if that is measured.
    pub(crate) begun: Option<Instant>,
}

impl<M> Default for Beside<M> {
    fn default() -> Self {
        Self { copy: None, change: None, begun: None }
    }
}

/// Copy of the message in hand.
pub(crate) struct MessageCopy<M> {
    pub(crate) message: M,
    pub(crate) redeliveries_max: u32,
}

/// Way in which an incarnation leaves its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// The incarnation has ended, and nothing of it is left.
    Ended,
    /// The incarnation did not end, and was fenced.
    CutOff,
}

/// Cause of an end. It decides whether the message in hand may run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Message,
    /// A peer was not available.
    Peer,
    /// The incarnation was killed or stopped.
    Neither,
}

impl Leave {
    /// Attributes the end. A kill comes from elsewhere, so neither is at fault; but an incarnation that survives a kill
    /// hangs. Called without a lock: it runs code of the user.
    fn fault(self, exit: &Exit) -> Fault {
        match self {
            Self::CutOff => Fault::Message,
            Self::Ended if !exit.is_abnormal() || matches!(exit, Exit::Killed) => Fault::Neither,
            Self::Ended if unavailable::is_cause_of(exit) => Fault::Peer,
            Self::Ended => Fault::Message,
        }
    }
}

impl<M: Send + 'static> Slot<M> {
    /// Number of incarnations that have had the message in hand, `signals` included; 0 if it has none in hand.
    pub(crate) fn delivery(&self, signals: &Arc<Signals>) -> u32 {
        let front = lock(&self.front);
        let has_one = front.in_hand.is_some() && front.is_owned_by(signals);
        if has_one { front.tries.begun.saturating_add(1) } else { 0 }
    }

    /// Keeps a copy of the message that `signals` has in hand.
    pub(crate) fn keep_spare(&self, signals: &Arc<Signals>, copy: MessageCopy<M>) {
        let mut spare = Some(Box::new(Beside { copy: Some(copy), ..Beside::default() }));
        {
            let mut front = lock(&self.front);
            if front.is_owned_by(signals)
                && let Some(in_hand) = &mut front.in_hand
            {
                match (&mut in_hand.spare, &mut spare) {
                    // A linked task has kept a value meanwhile.
                    (Some(beside), Some(spare)) => std::mem::swap(&mut beside.copy, &mut spare.copy),
                    (none, spare) => std::mem::swap(none, spare),
                }
            }
        }
        // The incarnation was fenced meanwhile, and its message in hand is lost.
        if let Some(copy) = spare.and_then(|spare| spare.copy) {
            sweep::drop_quietly(copy, &self.path(), "the copy of a message");
        }
    }

    /// Removes the incarnation from the slot. Its message in hand is lost, put back, or found to be poison.
    /// `true`: it was put back.
    pub(crate) fn move_out(&self, signals: &Arc<Signals>, exit: &Exit, way: Leave) -> bool {
        let exit = &signals.verdict(exit.clone());
        let fault = way.fault(exit);
        let (mut lost, mut told_before, mut shed, mut unmade) = (None, None, Vec::new(), None);
        let (mut is_put_back, mut begun) = (false, None);
        let mut freed = self.freed();
        let (owner, deferred, waiting) = {
            let mut front = lock(&self.front);
            if !front.is_owned_by(signals) {
                return false;
            }
            let owner = front.owner.take();
            let (waiting, deferred) = (front.take_waiting(), front.take_deferred());
            let mut back = lock(&self.back);
            back.vacate();
            if let Some(measure) = back.measure() {
                measure.ended(Instant::now());
            }
            let on_restart = match back.settings().on_restart {
                OnRestart::Keep => None,
                OnRestart::Drop => Some(DeadReason::DroppedOnRestart),
            };
            let in_hand = front.in_hand.take();
            let tries = if in_hand.is_some() { std::mem::take(&mut front.tries) } else { Tries::default() };
            match in_hand {
                None => {}
                Some(InHand { call, spare }) => {
                    let Beside { copy, change, begun: begun_at } = spare.map(|spare| *spare).unwrap_or_default();
                    // The message was not handled, so what was to be kept with it is dropped.
                    unmade = change;
                    begun = begun_at;
                    match copy {
                        None => {
                            front.crashed += 1;
                            lost = call;
                        }
                        Some(MessageCopy { message, redeliveries_max }) => {
                            let tries = tries.and_one_more(fault);
                            told_before = call.as_ref().map(|call| call.requeued(Box::new(exit.clone())));
                            let envelope = Envelope { message, call };
                            let verdict = tries.verdict(redeliveries_max, exit);
                            match verdict.or(back.state.dead_reason()).or(on_restart.clone()) {
                                Some(reason) => shed.push(back.shed(envelope, tries, reason)),
                                None => {
                                    // Invariant 2.
                                    front.batch.push_front(envelope);
                                    front.tries = tries;
                                    front.redelivered += 1;
                                    is_put_back = true;
                                    self.note_front(&front, &mut back);
                                }
                            }
                        }
                    }
                }
            }
            if let Some(reason) = on_restart {
                shed.extend(self.shed_all(&mut front, &mut back, &reason));
                self.let_in(&mut front, &mut back, &mut freed);
            }
            (owner, deferred, waiting)
        };
        if let Some(call) = lost {
            match way {
                Leave::Ended => call.crashed(exit),
                Leave::CutOff => call.fenced(exit),
            }
        }
        self.settle(shed);
        freed.flush();
        if let Some(begun) = begun {
            self.note_done(begun);
        }
        if !deferred.is_empty()
            && let Some(tree) = self.tree()
        {
            tree.note_open_calls(deferred);
        }
        self.drop_change(unmade);
        self.drop_change(waiting);
        drop((owner, told_before));
        if let Some(notifiers) = self.notifiers.get() {
            if let Some(watchers) = notifiers.watchers.get() {
                watchers.tell(self.path(), signals, exit, way);
            }
            notifiers.vacant.notify_waiters();
        }
        self.publish();
        is_put_back
    }
}
