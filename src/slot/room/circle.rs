//! The waits of incarnations for room, and the circles that they would close.
//!
//! An incarnation that waits for room in a mailbox goes on when the mailbox's incarnation takes a message. That one
//! takes a message when it goes on itself. So waits lead from incarnation to incarnation. A wait that leads back to its
//! start would never end, and is refused before it begins.
//!
//! Only a wait is recorded, so this costs nothing if there is room. The last step of a circle may also be a wait for an
//! answer, to a call that is queued or in hand at the sender's service. Other circles through answers are not seen;
//! their waits for room have a limit.
//!
//! Invariant: no lock of a slot is taken under that of a list of rooms, and nothing is dropped under it.

use std::sync::Arc;

use crate::slot::current;
use crate::slot::erased::AnySlot;
use crate::slot::signals::Signals;

/// Record of a wait for room. Dropping it removes the record.
pub(super) struct Entry {
    signals: Arc<Signals>,
    slot: Arc<dyn AnySlot>,
    number: u64,
}

impl Entry {
    pub(super) fn new(signals: Arc<Signals>, slot: Arc<dyn AnySlot>) -> Self {
        let number = signals.rooms_or_new().enter(slot.clone(), signals.message_in_hand());
        Self { signals, slot, number }
    }

    /// Records that it was polled, and that its sender still waits.
    pub(super) fn goes_on(&self) {
        self.signals.rooms_or_new().goes_on(self.number, self.signals.message_in_hand());
    }

    /// Whether the running code is that of the incarnation that it was recorded for.
    pub(super) fn is_of_caller(&self) -> bool {
        current::is(|signals| std::ptr::eq(signals, &*self.signals))
    }

    /// Returns the path of the service that waits.
    pub(super) fn path(&self) -> Option<Arc<str>> {
        self.signals.home().map(|home| home.path())
    }

    /// Whether the incarnation that is waited for waits for this one. The way may lead through any number of waits for
    /// room; only the last wait may be for an answer.
    pub(super) fn closes_circle(&self) -> bool {
        let (mut seen, mut next) = (Vec::<Arc<Signals>>::new(), vec![self.slot.clone()]);
        while let Some(slot) = next.pop() {
            let Some(owner) = slot.life().owner() else { continue };
            if Arc::ptr_eq(&owner, &self.signals) {
                return true;
            }
            if !seen.iter().any(|known| Arc::ptr_eq(known, &owner)) {
                next.extend(owner.room_waits().into_iter().map(|wait| wait.slot));
                seen.push(owner);
            }
        }
        self.signals.home().is_some_and(|home| home.owes_answer_to(&seen))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.signals.rooms_or_new().leave(self.number);
    }
}
