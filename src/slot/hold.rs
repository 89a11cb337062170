//! The hold of a mailbox: messages are accepted and stay queued, and the pump takes no more of them for a while.
//!
//! Invariant: messages that the pump took over before the hold are handled, and so is what a drain leaves.

use crate::base::sync::lock;
use crate::slot::Slot;
use crate::slot::erased::Control;
use crate::slot::queue::Back;

impl<M> Back<M> {
    /// Whether the pump must leave the queue alone.
    pub(crate) fn is_held(&self) -> bool {
        self.losses.as_ref().is_some_and(|losses| losses.is_held)
    }
}

impl<M: Send + 'static> Slot<M> {
    /// Holds the mailbox, or lets the pump go on.
    pub(crate) fn set_held(&self, is_held: bool) {
        let woken = {
            let mut back = lock(&self.back);
            if back.is_held() == is_held {
                return;
            }
            back.losses().is_held = is_held;
            let sleeps = !is_held && back.idle && !back.queue.is_empty();
            back.idle &= !sleeps;
            if sleeps { back.control.as_ref().and_then(Control::signals).cloned() } else { None }
        };
        if let Some(signals) = woken {
            signals.wake();
        }
    }
}
