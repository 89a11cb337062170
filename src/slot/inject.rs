//! Faults of an experiment in a mailbox, at the end from which messages are taken. The law of accounting holds as
//! without them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use crate::base::sync::lock;
use crate::call::outcomes::Outcomes;
use crate::slot::Slot;
use crate::slot::dead_letter::DeadReason;
use crate::slot::erased::Faulty;
use crate::slot::queue::Envelope;
use crate::slot::signals::Signals;

impl<M: Send + 'static> Faulty for Slot<M> {
    fn poll_mail(&self, signals: &Arc<Signals>) -> Poll<bool> {
        self.finish(signals);
        let front = lock(&self.front);
        if signals.is_ordered() || !front.is_owned_by(signals) {
            return Poll::Ready(false);
        }
        self.poll_queued(&front).map(|()| true)
    }

    fn drop_first(&self, signals: &Arc<Signals>) {
        let mut freed = self.freed();
        let shed = {
            let mut front = lock(&self.front);
            if !front.is_owned_by(signals) {
                return;
            }
            let mut back = lock(&self.back);
            let tries = front.take_tries_of_head();
            front.copy_waits &= tries.have_begun();
            let first = front.batch.pop_front().or_else(|| back.queue.pop_front());
            self.note_front(&front, &mut back);
            let shed = first.map(|first| back.shed(first, tries, DeadReason::Chaos));
            self.let_in(&mut front, &mut back, &mut freed);
            shed
        };
        self.settle(shed.into_iter().collect());
    }

    fn swap_first(&self, signals: &Arc<Signals>) {
        let mut front = lock(&self.front);
        // A redelivered message keeps its place, and so does a copy: they are recognised by it.
        if front.is_owned_by(signals) && !front.tries.have_begun() && !front.copy_waits {
            if front.batch.len() < 2 && !front.is_draining {
                let mut back = lock(&self.back);
                let queue = std::mem::take(&mut back.queue);
                front.batch.extend(queue);
                self.note_front(&front, &mut back);
            }
            if front.batch.len() > 1 {
                front.batch.swap(0, 1);
            }
        }
    }

    fn may_repeat(&self, signals: &Arc<Signals>) -> bool {
        let mut front = lock(&self.front);
        front.is_owned_by(signals) && !front.tries.have_begun() && !std::mem::take(&mut front.copy_waits)
    }

    fn set_jammed(&self, is_jammed: bool) {
        let mut freed = self.freed();
        let mut front = lock(&self.front);
        let mut back = lock(&self.back);
        let jams = &mut back.losses().jams;
        *jams = if is_jammed { jams.saturating_add(1) } else { jams.saturating_sub(1) };
        self.let_in(&mut front, &mut back, &mut freed);
    }

    fn set_counted(&self, is_counted: bool) {
        self.is_counted.store(is_counted, Ordering::Relaxed);
    }

    fn can_repeat(&self) -> bool {
        self.can_repeat.load(Ordering::Relaxed)
    }
}

impl<M: Send + 'static> Slot<M> {
    pub(crate) fn is_owned_by(&self, signals: &Arc<Signals>) -> bool {
        lock(&self.front).is_owned_by(signals)
    }

    /// Puts a copy of the message in hand at the head of the queue. It counts as a separate message.
    pub(crate) fn repeat(&self, signals: &Arc<Signals>, message: M) {
        let unwanted = {
            let mut front = lock(&self.front);
            if front.is_owned_by(signals) {
                front.batch.push_front(Envelope { message, call: None });
                front.copy_waits = true;
                let mut back = lock(&self.back);
                back.accepted += 1;
                self.note_front(&front, &mut back);
                None
            } else {
                Some(message)
            }
        };
        drop(unwanted);
    }

    /// Returns the counters of the outcomes of calls to it, while an experiment runs.
    pub(crate) fn outcomes(&self) -> Option<Arc<Outcomes>> {
        if self.is_counted.load(Ordering::Relaxed) { self.tree()?.outcomes() } else { None }
    }

    pub(crate) fn set_can_repeat(&self) {
        self.can_repeat.store(true, Ordering::Relaxed);
    }
}
