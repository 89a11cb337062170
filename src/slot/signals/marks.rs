//! The marks of an incarnation: bits that are set, and questions about them.

use std::sync::atomic::Ordering;

use crate::slot::signals::{
    AFFLICTED, BEGAN_WITH_KEPT, BROKEN, COMES_BACK, FENCED, IGNORES_KILL, INTERRUPTIBLE, KEEPS_LATER, KEPT_ANEW, KILL,
    LEAVE, LISTENS, OVER, READY, SAYS_READY, STOP, Signals, TOLD, UP,
};

impl Signals {
    pub(super) fn set_first(&self, signal: u32) -> bool {
        self.signals.fetch_or(signal, Ordering::AcqRel) & signal == 0
    }

    /// Whether it is a thread, so that a stop ends its blocking waits.
    pub(crate) fn is_interruptible(&self) -> bool {
        self.has(INTERRUPTIBLE)
    }

    /// Marks it as a thread: its blocking waits end when it is asked to stop.
    pub(crate) fn set_interruptible(&self) {
        self.signals.fetch_or(INTERRUPTIBLE, Ordering::AcqRel);
    }

    /// Records that the thread knows that it must stop. Its waits from now on belong to its end, and only a kill cuts
    /// them short.
    pub(crate) fn set_told(&self) {
        self.signals.fetch_or(TOLD, Ordering::AcqRel);
    }

    /// Whether a waiting thread must stop waiting.
    pub(crate) fn is_interrupted(&self) -> bool {
        let is_new = self.has(STOP | BROKEN) && self.has(INTERRUPTIBLE) && !self.has(TOLD);
        is_new || self.has(KILL | FENCED)
    }

    pub(super) fn has(&self, signals: u32) -> bool {
        self.signals.load(Ordering::Acquire) & signals != 0
    }

    pub(crate) fn is_over(&self) -> bool {
        self.has(OVER)
    }

    pub(crate) fn set_up(&self) {
        self.signals.fetch_or(UP, Ordering::AcqRel);
    }

    /// Marks it as one that says itself when it is ready.
    pub(crate) fn says_ready(&self) {
        self.signals.fetch_or(SAYS_READY, Ordering::AcqRel);
    }

    /// Marks it as one that is followed by another incarnation if it ends normally.
    pub(crate) fn set_comes_back(&self) {
        self.signals.fetch_or(COMES_BACK, Ordering::AcqRel);
    }

    /// Whether the service is started again after a normal end of this incarnation.
    pub(crate) fn comes_back(&self) -> bool {
        self.has(COMES_BACK)
    }

    /// Records that it has said that it is ready.
    pub(crate) fn set_ready(&self) {
        self.signals.fetch_or(READY, Ordering::AcqRel);
    }

    /// Whether it is ready, once it is up.
    pub(crate) fn is_ready(&self) -> bool {
        self.has(READY) || !self.has(SAYS_READY)
    }

    /// Records that it begins with the kept value. `true` for the first time, unless it has changed that value before.
    pub(crate) fn set_began_with_kept(&self) -> bool {
        !self.has(KEPT_ANEW) && self.set_first(BEGAN_WITH_KEPT)
    }

    /// Whether it began with the kept value, and has not changed that.
    pub(crate) fn still_has_kept(&self) -> bool {
        self.has(BEGAN_WITH_KEPT) && !self.has(KEPT_ANEW)
    }

    /// Records that it has changed what is kept. `true` for the first time.
    pub(crate) fn set_kept_anew(&self) -> bool {
        !self.has(KEPT_ANEW) && self.set_first(KEPT_ANEW)
    }

    /// Records that it may have a change of what is kept that belongs to no message.
    pub(crate) fn set_keeps_later(&self) {
        self.signals.fetch_or(KEEPS_LATER, Ordering::AcqRel);
    }

    pub(crate) fn keeps_later(&self) -> bool {
        self.has(KEEPS_LATER)
    }

    /// Whether it is up, and nothing ends it: without a message in hand, it waits for the next.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.has(UP) && !self.has(STOP | KILL | FENCED | LEAVE | BROKEN | OVER)
    }

    pub(crate) fn listens(&self) {
        self.signals.fetch_or(LISTENS, Ordering::AcqRel);
    }

    pub(crate) fn is_up(&self) -> bool {
        self.has(UP)
    }

    pub(crate) fn is_listening(&self) -> bool {
        self.has(LISTENS)
    }

    pub(crate) fn is_told_to_stop(&self) -> bool {
        self.has(STOP)
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.has(KILL)
    }

    pub(crate) fn is_fenced(&self) -> bool {
        self.has(FENCED)
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.has(LEAVE)
    }

    /// Whether any signal is pending.
    pub(crate) fn is_signalled(&self) -> bool {
        self.has(STOP | KILL | FENCED | LEAVE | BROKEN | AFFLICTED)
    }

    /// Whether it must end, for whatever reason.
    pub(crate) fn is_ordered(&self) -> bool {
        self.has(STOP | KILL | FENCED | LEAVE | BROKEN)
    }

    #[allow(dead_code, reason = "only experiments call it, and they are a feature")]
    pub(crate) fn set_afflicted(&self, is_afflicted: bool) {
        self.set(AFFLICTED, is_afflicted);
    }

    pub(crate) fn is_afflicted(&self) -> bool {
        self.has(AFFLICTED)
    }

    #[allow(dead_code, reason = "only experiments call it, and they are a feature")]
    pub(crate) fn set_ignores_kill(&self, is_stubborn: bool) {
        self.set(IGNORES_KILL, is_stubborn);
    }

    pub(crate) fn ignores_kill(&self) -> bool {
        self.has(IGNORES_KILL)
    }

    #[allow(dead_code, reason = "only experiments call it, and they are a feature")]
    fn set(&self, signal: u32, is_set: bool) {
        if is_set {
            self.signals.fetch_or(signal, Ordering::AcqRel);
        } else {
            self.signals.fetch_and(!signal, Ordering::AcqRel);
        }
        self.wake();
    }
}
