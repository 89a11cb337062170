//! What a mailbox knows of a call.

use std::any::Any;
use std::sync::Arc;

use regrow_supervisors::Exit;

use crate::base::panics::Orphan;
use crate::slot::signals::Signals;

/// What a mailbox knows of the call inside an envelope.
pub(crate) trait Fate: Orphan {
    /// The message leaves the mailbox for the handler of this incarnation.
    fn taken(&self, by: &Signals);
    /// The handler came back with success.
    fn handled(&self) -> Answer;
    /// The handler did not come back, or with an error. A reply that lives on elsewhere may still answer.
    fn crashed(&self, exit: &Exit);
    /// The incarnation was cut off: no answer of its may count, wherever the reply is.
    fn fenced(&self, exit: &Exit);
    /// The handler is done with the message, and the answer may come from anywhere.
    fn is_elsewhere(&self) -> bool;
    /// The handler did not come back, and a copy of the message waits in the mailbox again. What was known of an earlier
    /// time comes back, to be dropped without a lock.
    fn requeued(&self, exit: Box<Exit>) -> Option<Box<Exit>>;
    /// The message left the mailbox: it has run without success and will not run again, or it never ran and its caller does
    /// not take it back. Told without a lock.
    fn given_up(&self);
    /// Whether code of this incarnation waits for the answer.
    fn is_awaited_by(&self, signals: &Signals) -> bool;
    /// The message will not run, and never did. `true`: the caller is there to take it back, and `give_back` must follow.
    fn reserve_return(&self) -> bool;
    /// The number of the supervisor of the incarnation that calls; 0 where it is none.
    fn caller(&self) -> usize;
    /// Whether an answer is still waited for.
    fn is_open(&self) -> bool;
    /// The call itself, which lives as long as its reply. The fate that a mailbox keeps of a forwarded call ends earlier.
    fn call(self: Arc<Self>) -> Arc<dyn Fate>;
    /// The message of a call that never ran goes back to its caller; or to ours, when that one has just gone.
    fn give_back(&self, message: Box<dyn Any + Send>) -> Option<Box<dyn Any + Send>>;
}

/// Whether a handled call has been settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Settled,
    Deferred,
}
