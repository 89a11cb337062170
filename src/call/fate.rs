//! The fate of a call, as a mailbox knows it.

use std::any::Any;
use std::sync::Arc;

use regrow_supervisors::Exit;

use crate::base::panics::Orphan;
use crate::slot::signals::Signals;

/// Fate of the message inside an envelope, as a mailbox knows it: of a call, or of a message that its sender may call
/// off. The methods with a body are those of a message without a caller.
pub(crate) trait Fate: Orphan {
    /// The message is about to leave the mailbox for the handler of this incarnation. Returns what comes instead, if it
    /// does not run as it was queued. Called under the lock of the front, so nothing of the user is dropped here.
    fn taken(&self, by: &Signals) -> Option<Instead>;
    /// Whether the caller waits no more, so that no code needs the answer.
    fn is_abandoned(&self) -> bool {
        false
    }
    /// Makes the message that runs in place of the queued one, after `taken` has asked for that. Called without a lock.
    fn renew(&self) -> Option<Box<dyn Any + Send>> {
        None
    }
    /// The handler has returned with success.
    fn handled(&self) -> Answer {
        Answer::Settled
    }
    /// The handler has panicked, been dropped, or returned an error. A reply that lives on elsewhere may still answer.
    fn crashed(&self, _: &Exit) {}
    /// The incarnation was fenced: no answer from it may count, wherever the reply is.
    fn fenced(&self, _: &Exit) {}
    /// Whether the handler has returned and the answer may come from anywhere.
    fn is_elsewhere(&self) -> bool {
        true
    }
    /// The handler did not succeed, and a copy of the message waits in the mailbox again. Returns the exit recorded for
    /// an earlier run, to be dropped without a lock.
    fn requeued(&self, exit: Box<Exit>) -> Option<Box<Exit>> {
        Some(exit)
    }
    /// The message left the mailbox for good. Either it has run without success and will not run again, or it never ran
    /// and its caller does not take it back. Called without a lock.
    fn given_up(&self) {}
    /// Whether code of this incarnation waits for the answer.
    fn is_awaited_by(&self, _: &Signals) -> bool {
        false
    }
    /// The message will not run, and never did. `true`: the caller will take it back, and `give_back` must follow. Called
    /// in the hold of the locks in which the message leaves the mailbox.
    fn reserve_return(&self) -> bool {
        false
    }
    /// Returns the number of the supervisor of the calling incarnation; 0 if no incarnation calls.
    fn caller(&self) -> usize {
        0
    }
    /// Whether the answer is still waited for.
    fn is_open(&self) -> bool {
        false
    }
    /// Returns the call itself, which lives as long as its reply. The fate that a mailbox keeps of a forwarded call
    /// ends earlier.
    fn call(self: Arc<Self>) -> Arc<dyn Fate>;
    /// Gives the message of a call that never ran back to its caller. It is returned if the caller has just gone.
    fn give_back(&self, message: Box<dyn Any + Send>) -> Option<Box<dyn Any + Send>> {
        Some(message)
    }
}

/// Outcome for a message whose turn has come and that does not run as it was queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instead {
    /// [`Fate::renew`] makes the message that runs.
    Renewed,
    /// The caller waits no more.
    CallerGone,
    /// Sent by a timer of an incarnation that is over.
    TimerOver,
    /// Sent by a monitor that is over.
    MonitorOver,
}

/// Whether a handled call has been settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Settled,
    Deferred,
}
