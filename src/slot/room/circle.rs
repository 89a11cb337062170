//! Which incarnation waits for room where, and the circles that would close.
//!
//! An incarnation that waits for room in a mailbox goes on when the incarnation that lives there takes a message, which it
//! does when it goes on itself. So waits lead from incarnation to incarnation. One that leads back to where it began would
//! never end: it is refused before it stands.
//!
//! Only a wait is noted, so this costs nothing when there is room. The last step of a circle may also be an answer: the
//! incarnation that is waited for awaits a call that is queued or in hand where the sender lives. Other circles through
//! answers are not seen; their waits for room have a limit.
//!
//! Invariant: no lock of a slot is taken under that of a list of rooms, and nothing is dropped under it.

use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use crate::base::sync::lock;
use crate::slot::AnySlot;
use crate::slot::current;
use crate::slot::signals::Signals;

/// The mailboxes in which one incarnation waits for room.
#[derive(Default)]
pub(crate) struct Rooms(Mutex<List>);

#[derive(Default)]
struct List {
    waits: Vec<RoomWait>,
    /// Counts those that there ever were.
    number: u64,
}

/// One wait for room.
#[derive(Clone)]
pub(crate) struct RoomWait {
    number: u64,
    pub(crate) slot: Arc<dyn AnySlot>,
    pub(crate) since: Instant,
    /// The message in hand when it was last polled.
    message: Option<u64>,
}

impl Rooms {
    fn enter(&self, slot: Arc<dyn AnySlot>, message: Option<u64>) -> u64 {
        let mut list = lock(&self.0);
        list.number += 1;
        let number = list.number;
        list.waits.push(RoomWait { number, slot, since: Instant::now(), message });
        number
    }

    fn goes_on(&self, number: u64, message: Option<u64>) {
        if let Some(wait) = lock(&self.0).waits.iter_mut().find(|wait| wait.number == number) {
            wait.message = message;
        }
    }

    fn leave(&self, number: u64) {
        let left = {
            let mut list = lock(&self.0);
            let at = list.waits.iter().position(|wait| wait.number == number);
            at.map(|at| list.waits.remove(at))
        };
        drop(left);
    }

    /// Where it waits while it has this message in hand, oldest first. A send that was begun for another message and has not
    /// been polled since is kept, and not awaited.
    pub(crate) fn waits(&self, message: Option<u64>) -> Vec<RoomWait> {
        lock(&self.0).waits.iter().filter(|wait| wait.message == message).cloned().collect()
    }
}

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rooms").field("waits", &lock(&self.0).waits.len()).finish()
    }
}

/// A wait for room that is noted. Dropping it is the end of it.
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

    /// It was polled, and its sender waits on.
    pub(super) fn goes_on(&self) {
        self.signals.rooms_or_new().goes_on(self.number, self.signals.message_in_hand());
    }

    /// Whether the code that runs is that of the incarnation that it was noted for.
    pub(super) fn is_of_caller(&self) -> bool {
        current::is(|signals| std::ptr::eq(signals, &*self.signals))
    }

    /// The path of the one that waits.
    pub(super) fn path(&self) -> Option<Arc<str>> {
        self.signals.home().map(|home| home.path())
    }

    /// Whether the incarnation that is waited for waits for this one: for room, over any number of others, and the last of
    /// them maybe for an answer.
    pub(super) fn closes_circle(&self) -> bool {
        let (mut seen, mut next) = (Vec::<Arc<Signals>>::new(), vec![self.slot.clone()]);
        while let Some(slot) = next.pop() {
            let Some(tenant) = slot.life().owner() else { continue };
            if Arc::ptr_eq(&tenant, &self.signals) {
                return true;
            }
            if !seen.iter().any(|known| Arc::ptr_eq(known, &tenant)) {
                next.extend(tenant.room_waits().into_iter().map(|wait| wait.slot));
                seen.push(tenant);
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
