//! The tree of a slot, as the slot and its incarnation see it. What a tree is stands in `tree/`.

use std::any::Any;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::call::Fate;
use crate::call::outcomes::Outcomes;
use crate::slot::AnySlot;
use crate::slot::dead_letter::{DeadReason, Notice};
use crate::slot::signals::Signals;

/// What a slot needs of the tree that lists it. Each method is for something rare: no message that is sent or handled comes
/// here.
pub(crate) trait SlotTree: Any + Send + Sync {
    /// Whether a message that is dead for this reason is kept or logged.
    fn wants_letter(&self, reason: &DeadReason) -> bool;
    /// Takes a dead message. It is booked as such, and no lock is held.
    fn take_letter(self: Arc<Self>, notice: Notice, message: Box<dyn Any + Send>);
    /// An incarnation has ended whose calls these were, and their replies are still somewhere.
    fn note_open_calls(&self, calls: Vec<Weak<dyn Fate>>);
    /// Fences an incarnation that does not end, and names it, once. Whether that was now.
    fn cut_off(&self, path: &Arc<str>, slot: &dyn AnySlot, signals: &Arc<Signals>) -> bool;
    /// The watchdog has nothing more to look at here.
    fn watch_no_more(&self, path: &str, signals: &Arc<Signals>);
    /// Tells that code of an incarnation has not yielded for this time.
    fn tell_blocks(&self, path: &Arc<str>, generation: u64, time: Duration);
    /// Where the outcomes of calls are counted, while an experiment goes on.
    fn outcomes(&self) -> Option<Arc<Outcomes>>;
    /// An incarnation has moved in or out: told to the judge of an experiment, while one goes on.
    fn tell_move(&self, path: Arc<str>, signals: &Arc<Signals>, is_in: bool);
}
