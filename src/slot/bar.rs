//! Refusals of a mailbox beside those of its state. It refuses everything while its service is being terminated, and
//! waits of some callers while its group is stopped.
//!
//! Invariant: only calls that can be given back as *never ran* are ended. All other queued messages stay queued.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::base::sync::lock;
use crate::error::refusal::Refusal;
use crate::slot::queue::{Back, Envelope, Front, Shed};
use crate::slot::{Slot, current};

#[derive(Debug, Clone)]
pub(crate) enum Bar {
    /// The service is being terminated by an order, or ends itself, and no restart follows.
    Dismissed,
    /// The service was stopped together with others below this supervisor.
    Withdrawn(Arc<str>),
}

impl<M> Back<M> {
    /// Returns the reason for a refusal, if there is one. `waits`: the sender would wait, for an answer or for room.
    pub(crate) fn refusal(&self, waits: bool) -> Option<Refusal> {
        let refusal = self.state.refusal();
        if self.bar.is_none() || refusal.is_some() {
            return refusal;
        }
        self.barred(waits)
    }

    #[cold]
    fn barred(&self, waits: bool) -> Option<Refusal> {
        match self.bar.as_ref()? {
            Bar::Dismissed => Some(Refusal::Stopping),
            Bar::Withdrawn(supervisor) => {
                let is_below = waits && current::caller(|signals| signals.is_below(supervisor)) == Some(true);
                is_below.then_some(Refusal::StoppedWithGroup)
            }
        }
    }

    /// Removes the calls of the callers for which `is_one` is true.
    fn hand_back_all(
        &mut self,
        queue: VecDeque<Envelope<M>>,
        is_one: impl Fn(usize) -> bool,
        shed: &mut Vec<Shed<M>>,
    ) -> VecDeque<Envelope<M>> {
        let mut kept = VecDeque::with_capacity(queue.len());
        for envelope in queue {
            if !is_one(caller(&envelope)) {
                kept.push_back(envelope);
                continue;
            }
            match self.hand_back(envelope) {
                Ok(handed_back) => shed.push(handed_back),
                Err(envelope) => kept.push_back(envelope),
            }
        }
        kept
    }
}

fn caller<M>(envelope: &Envelope<M>) -> usize {
    envelope.call.as_ref().map_or(0, |call| call.caller())
}

impl<M: Send + 'static> Slot<M> {
    /// Returns the reason for which a wait of the running code is refused now, if there is one.
    pub(crate) fn refusal_of_waits(&self) -> Option<Refusal> {
        lock(&self.back).refusal(true)
    }

    /// Returns the reason for which a message that does not wait is refused now, if there is one.
    pub(crate) fn refusal_of_casts(&self) -> Option<Refusal> {
        lock(&self.back).refusal(false)
    }

    pub(super) fn set_bar(&self, bar: Option<Bar>) {
        self.bar(bar, |_, _| ());
    }

    /// Sets the bar, and reads the state with `look` in the same hold of the locks.
    fn bar<T>(&self, bar: Option<Bar>, look: impl FnOnce(&Front<M>, &Back<M>) -> T) -> T {
        let mut freed = self.freed();
        let (seen, before) = {
            let mut front = lock(&self.front);
            let mut back = lock(&self.back);
            if let Some(Bar::Dismissed) = bar {
                self.refuse_line(&mut front, &mut back, Refusal::Stopping, &mut freed);
            }
            let before = std::mem::replace(&mut back.bar, bar);
            (look(&front, &back), before)
        };
        drop(before);
        freed.flush();
        // The status is the same, but tasks that wait for it may be refused from now on.
        self.publish();
        seen
    }

    /// Refuses waits from below `supervisor`, and ends queued calls from there. `is_below` recognises the numbers of
    /// the supervisors there, and is called without a lock.
    pub(super) fn withdraw_from(&self, supervisor: &Arc<str>, is_below: &dyn Fn(usize) -> bool) {
        // No such call can be enqueued after this look at the queue.
        let mut callers: Vec<_> = self.bar(Some(Bar::Withdrawn(supervisor.clone())), |front, back| {
            let queued = front.batch.iter().chain(&back.queue).map(caller);
            queued.chain(front.line.callers()).filter(|caller| *caller != 0).collect()
        });
        callers.retain(|caller| is_below(*caller));
        if callers.is_empty() {
            return;
        }
        let (mut shed, mut freed) = (Vec::new(), self.freed());
        {
            let mut front = lock(&self.front);
            let mut back = lock(&self.back);
            let is_one = |caller: usize| callers.contains(&caller);
            let mut batch = std::mem::take(&mut front.batch);
            // A message that has begun to run before is not given back.
            let begun = if front.tries.have_begun() { batch.pop_front() } else { None };
            front.batch = back.hand_back_all(batch, is_one, &mut shed);
            if let Some(begun) = begun {
                front.batch.push_front(begun);
            }
            let queue = std::mem::take(&mut back.queue);
            back.queue = back.hand_back_all(queue, is_one, &mut shed);
            self.note_front(&front, &mut back);
            let refused = self.refuse_in_line(&mut front, is_one, Refusal::StoppedWithGroup, &mut freed);
            back.note_refused(Refusal::StoppedWithGroup, refused);
            self.let_in(&mut front, &mut back, &mut freed);
        }
        self.settle(shed);
        freed.flush();
    }
}
