//! The consumer side of the slot: an incarnation moves in, takes messages, and leaves.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use regrow_supervisors::Exit;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::base::sweep;
use crate::base::sync::lock;
use crate::call::fate::Answer;
use crate::slot::Slot;
use crate::slot::dead_letter::DeadReason;
use crate::slot::erased::{Control, Ownership, Supervision};
use crate::slot::in_hand::{Beside, Leave};
use crate::slot::inbox::Inbox;
use crate::slot::line::Freed;
use crate::slot::queue::{Envelope, Front, InHand};
use crate::slot::settings::OnRestart;
use crate::slot::signals::Signals;
use crate::slot::status::ServiceState;

/// Answer to a pump that asks for the next message.
pub(crate) enum Next<M> {
    Message(M),
    /// A message was due that its sender does not want to run any more. There may be others.
    Unwanted,
    /// A signal is pending.
    Signal,
}

/// Signals that keep a pump from the next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignalMask {
    /// Every signal.
    Everything,
    /// Signals by which it is to end. Its faults are known already.
    Orders,
    /// A kill: the queue is being drained.
    Force,
}

/// Capacity above which an empty queue gives its memory back.
const ROOMY: usize = 256;

impl<M: Send + 'static> Slot<M> {
    /// Completes the message in hand and takes the next, unless a signal in `mask` is pending. If the queue is empty
    /// and `rest` is set, marks the consumer idle, so that the next sender wakes it. Without `rest`, the consumer polls
    /// again.
    pub(crate) fn poll_next(
        &self,
        signals: &Arc<Signals>,
        mask: SignalMask,
        rest: bool,
        freed: &mut Freed,
    ) -> Poll<Next<M>> {
        let mut front = lock(&self.front);
        if !front.is_owned_by(signals) {
            return Poll::Ready(Next::Signal);
        }
        // A plain message leaves nothing that must be dropped or settled without the lock.
        let mut done = front.finish_own().filter(|done| !done.is_plain());
        if let Some(done) = &mut done
            && done.spare.is_some()
        {
            self.make_change(&mut front, done);
        }
        let is_pending = match mask {
            SignalMask::Everything => signals.is_signalled(),
            SignalMask::Orders => signals.is_ordered(),
            SignalMask::Force => signals.is_killed() || signals.is_fenced(),
        };
        let next = if is_pending {
            Poll::Ready(Next::Signal)
        } else {
            if front.batch.is_empty() && !front.is_draining {
                self.turn_over(&mut front, rest);
            }
            match front.batch.pop_front() {
                None => Poll::Pending,
                Some(Envelope { message, call }) => {
                    if front.line.is_empty() {
                        self.front_len.store(front.batch.len(), Ordering::Release);
                    } else {
                        // In one hold, or later senders might overtake those in line (invariant 1 of the line).
                        let mut back = lock(&self.back);
                        self.note_front(&front, &mut back);
                        self.let_in(&mut front, &mut back, freed);
                    }
                    if let Some(instead) = call.as_ref().and_then(|call| front.instead(&**call, signals)) {
                        let envelope = Envelope { message, call };
                        return Poll::Ready(self.take_instead(signals, front, done, envelope, instead));
                    }
                    front.in_hand = Some(InHand { call, spare: None });
                    Poll::Ready(Next::Message(message))
                }
            }
        };
        drop(front);
        if let Some(done) = done {
            self.settle_handled(signals, done);
        }
        next
    }

    /// Makes the queued messages the next batch. If there are none, and `rest` is true, the next sender wakes the pump.
    fn turn_over(&self, front: &mut Front<M>, rest: bool) {
        let mut back = lock(&self.back);
        if back.is_held() {
            back.idle = rest;
            return;
        }
        std::mem::swap(&mut front.batch, &mut back.queue);
        back.idle = rest && front.batch.is_empty();
        if back.idle && front.batch.capacity() > ROOMY {
            front.batch = Default::default();
        }
        if back.idle && back.queue.capacity() > ROOMY {
            back.queue = Default::default();
        }
        self.note_front(front, &mut back);
    }

    /// Ready when a message can be taken. Otherwise the next sender wakes the pump, and so does the end of a hold.
    pub(super) fn poll_queued(&self, front: &Front<M>) -> Poll<()> {
        if !front.batch.is_empty() {
            return Poll::Ready(());
        }
        let mut back = lock(&self.back);
        back.idle = back.queue.is_empty() || back.is_held();
        if back.idle { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Counts the message in hand as handled, and takes no other.
    pub(crate) fn finish(&self, signals: &Arc<Signals>) {
        let done = {
            let mut front = lock(&self.front);
            let mut done = front.finish(signals);
            if let Some(done) = done.as_mut().filter(|done| done.spare.is_some()) {
                self.make_change(&mut front, done);
            }
            done
        };
        if let Some(done) = done {
            self.settle_handled(signals, done);
        }
    }

    pub(super) fn settle_handled(&self, signals: &Signals, InHand { call, spare }: InHand<M>) {
        // Dropped first, so that a reply in the copy is not mistaken for one that lives on.
        if let Some(spare) = spare {
            self.settle_beside(signals, *spare);
        }
        if let Some(call) = call
            && call.handled() == Answer::Deferred
        {
            lock(&self.front).defer(&call);
        }
    }

    /// Drops what lies beside a handled message. A function of its own: most calls have nothing there.
    #[inline(never)]
    fn settle_beside(&self, signals: &Signals, Beside { copy, change, begun }: Beside<M>) {
        if let Some(begun) = begun {
            self.note_done(begun);
        }
        if let Some(copy) = copy {
            sweep::drop_quietly(copy, &self.path(), "the copy of a message");
        }
        if let Some(change) = change {
            self.settle_change(signals, change);
        }
    }

    /// Reports to the judge of an experiment, if one runs, that an incarnation moved in or out.
    fn tell_move(&self, signals: &Arc<Signals>, is_in: bool) {
        if let Some(tree) = self.tree() {
            tree.tell_move(self, signals, is_in);
        }
    }
}

impl<M: Send + 'static> Ownership for Slot<M> {
    fn claim(&self, signals: &Arc<Signals>) -> bool {
        let mut freed = self.freed();
        let shed = {
            let mut front = lock(&self.front);
            // Invariant 2 of the slot.
            if front.owner.is_some() {
                return false;
            }
            front.owner = Some(signals.clone());
            let mut back = lock(&self.back);
            back.attempts += 1;
            front.is_draining = false;
            back.bar = None;
            back.completion = None;
            back.control = Some(Control::Signals(signals.clone()));
            match back.state {
                // Gone is final, also for an incarnation that comes late.
                ServiceState::Gone => {}
                // A probe: no message is accepted before it is up.
                ServiceState::Parked { .. } => {}
                ServiceState::Waiting
                | ServiceState::Starting
                | ServiceState::Up
                | ServiceState::Restarting
                | ServiceState::Down => {
                    back.state = ServiceState::Starting;
                }
            }
            back.idle = false;
            let again = back.attempts > 1;
            if again && back.settings().on_restart == OnRestart::Drop {
                let shed = self.shed_all(&mut front, &mut back, &DeadReason::DroppedOnRestart);
                self.let_in(&mut front, &mut back, &mut freed);
                shed
            } else {
                Vec::new()
            }
        };
        self.settle(shed);
        freed.flush();
        self.publish();
        self.tell_move(signals, true);
        true
    }

    fn released(&self) -> &Notify {
        &self.notifiers.get_or_init(Box::default).vacant
    }

    fn owner(&self) -> Option<Arc<Signals>> {
        lock(&self.front).owner.clone()
    }

    fn begin_to_drain(&self, signals: &Arc<Signals>) {
        let mut front = lock(&self.front);
        if !front.is_owned_by(signals) || front.is_draining {
            return;
        }
        front.is_draining = true;
        let mut back = lock(&self.back);
        front.batch.append(&mut back.queue);
        self.note_front(&front, &mut back);
    }

    fn up(&self, signals: &Arc<Signals>, is_ready: bool) -> u64 {
        let generation = {
            let mut back = lock(&self.back);
            if back.control.as_ref().is_some_and(|control| control.is(signals)) {
                back.generation += 1;
                if back.state != ServiceState::Gone {
                    back.state = ServiceState::Up;
                    back.is_ready = is_ready;
                    if let Some(measure) = back.measure().filter(|_| is_ready) {
                        measure.is_ready(Instant::now());
                    }
                }
            }
            back.generation
        };
        self.publish();
        generation
    }

    fn ready(&self, signals: &Arc<Signals>) -> bool {
        let is_ready = {
            let mut back = lock(&self.back);
            let is_mine = back.control.as_ref().is_some_and(|control| control.is(signals));
            back.is_ready |= is_mine && back.state == ServiceState::Up;
            let is_ready = is_mine && back.is_ready;
            if let Some(measure) = back.measure().filter(|_| is_ready) {
                measure.is_ready(Instant::now());
            }
            is_ready
        };
        self.publish();
        is_ready
    }

    fn generation_to_be(&self) -> u64 {
        lock(&self.back).generation + 1
    }

    fn end(&self, signals: &Arc<Signals>, exit: &Exit) -> bool {
        // Before the next incarnation can move in.
        self.tell_move(signals, false);
        self.move_out(signals, exit, Leave::Ended)
    }

    fn fence(&self, signals: &Arc<Signals>, exit: &Exit) -> bool {
        let is_first = signals.fence();
        let deferred = {
            let mut front = lock(&self.front);
            if front.is_owned_by(signals) { front.take_deferred() } else { Vec::new() }
        };
        for call in deferred {
            if let Some(call) = call.upgrade() {
                call.fenced(exit);
            }
        }
        if is_first {
            self.tell_move(signals, false);
        }
        self.move_out(signals, exit, Leave::CutOff);
        is_first
    }

    fn supervise(&self, inbox: &Arc<Inbox>, stage: Supervision) {
        {
            let mut back = lock(&self.back);
            // A supervisor that was killed through ractor may end when its successor is there already.
            let is_mine = back.control.as_ref().is_some_and(|control| control.is_supervisor(inbox));
            match stage {
                Supervision::Begins => {
                    back.attempts += 1;
                    back.completion = None;
                    back.control = Some(Control::Supervisor(inbox.clone()));
                    back.state = ServiceState::Starting;
                }
                Supervision::IsUp if is_mine => {
                    back.generation += 1;
                    back.state = ServiceState::Up;
                    back.is_ready = true;
                }
                Supervision::Ends if is_mine => back.vacate(),
                Supervision::IsUp | Supervision::Ends => return,
            }
        }
        self.publish();
    }
}
