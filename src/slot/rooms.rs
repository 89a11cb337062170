//! The mailboxes in which an incarnation waits for room.
//!
//! Invariant: no lock of a slot is taken under that of the list, and nothing is dropped under it.

use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use crate::base::sync::lock;
use crate::slot::erased::AnySlot;

/// Mailboxes in which one incarnation waits for room.
#[derive(Default)]
pub(crate) struct Rooms(Mutex<List>);

#[derive(Default)]
struct List {
    waits: Vec<RoomWait>,
    /// Number of waits that there ever were.
    number: u64,
}

/// Single wait for room.
#[derive(Clone)]
pub(crate) struct RoomWait {
    number: u64,
    pub(crate) slot: Arc<dyn AnySlot>,
    pub(crate) since: Instant,
    /// Message in hand when the wait was last polled.
    message: Option<u64>,
}

impl Rooms {
    pub(super) fn enter(&self, slot: Arc<dyn AnySlot>, message: Option<u64>) -> u64 {
        let mut list = lock(&self.0);
        list.number += 1;
        let number = list.number;
        list.waits.push(RoomWait { number, slot, since: Instant::now(), message });
        number
    }

    pub(super) fn goes_on(&self, number: u64, message: Option<u64>) {
        if let Some(wait) = lock(&self.0).waits.iter_mut().find(|wait| wait.number == number) {
            wait.message = message;
        }
    }

    pub(super) fn leave(&self, number: u64) {
        let left = {
            let mut list = lock(&self.0);
            let at = list.waits.iter().position(|wait| wait.number == number);
            at.map(|at| list.waits.remove(at))
        };
        drop(left);
    }

    /// Returns the waits that belong to this message in hand, oldest first. A send that was begun for another message
    /// and has not been polled since is kept, and not awaited.
    pub(crate) fn waits(&self, message: Option<u64>) -> Vec<RoomWait> {
        lock(&self.0).waits.iter().filter(|wait| wait.message == message).cloned().collect()
    }
}

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rooms").field("waits", &lock(&self.0).waits.len()).finish()
    }
}
