//! The common cause of errors about absent and busy peers, whatever the type of their message.

use std::fmt;
use std::sync::Arc;

use regrow_supervisors::Exit;

use crate::base::name::short_type;
use crate::base::panics;
use crate::error::refusal::Refusal;

/// A peer refused a message, or never ran it. It is the untyped cause of a [`SendError`](crate::SendError) or a
/// [`CallError`](crate::CallError), which [`source`](std::error::Error::source) returns.
///
/// If it is in the chain of the error of a handler, neither that handler nor its message is to blame: see
/// [`ServiceChild::redeliver`](crate::ServiceChild::redeliver). A call that crashed, was not answered or timed out in
/// the mailbox does not have this cause, because the message may have had effects. [`ToItself`](Refusal::ToItself) and
/// [`Interrupted`](Refusal::Interrupted) do not have it either: they say nothing about a peer.
///
/// ```
/// use regrow::{PeerUnavailable, Refusal, mailbox};
///
/// let (mailbox, audit) = mailbox::<u32>();
/// drop(mailbox);
/// let error = anyhow::Error::from(audit.cast(1).unwrap_err()).context("the audit was not told");
/// let peer = error.chain().find_map(|cause| cause.downcast_ref::<PeerUnavailable>()).expect("it is the cause");
/// assert_eq!(peer.refusal(), Some(Refusal::Gone));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerUnavailable {
    path: Arc<str>,
    refusal: Option<Refusal>,
}

impl PeerUnavailable {
    pub(crate) fn refused(path: Arc<str>, refusal: Refusal) -> Self {
        Self { path, refusal: Some(refusal) }
    }

    pub(crate) fn never_ran(path: Arc<str>) -> Self {
        Self { path, refusal: None }
    }

    /// Returns the path of the peer.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the reason of the refusal; `None` if the peer had accepted the message and never ran it.
    pub fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }
}

impl fmt::Display for PeerUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is unavailable", self.path)
    }
}

impl std::error::Error for PeerUnavailable {}

/// Whether an incarnation that ended with `exit` failed because a peer was not available. Runs code of the user:
/// `source`.
pub(crate) fn is_cause_of(exit: &Exit) -> bool {
    let Exit::Failed(failure) = exit else { return false };
    let Some(error) = failure.cause::<anyhow::Error>() else { return false };
    panics::catch(|| error.chain().any(|cause| cause.is::<PeerUnavailable>())).unwrap_or(false)
}

/// Returns the name of a message's type, without the modules.
pub(crate) fn type_name<M>() -> String {
    short_type(std::any::type_name::<M>())
}

#[cfg(test)]
mod tests {
    use crate::base::name::short_type;

    #[test]
    fn the_name_of_a_type_is_shown_without_its_modules() {
        for (full, shown) in [
            ("u64", "u64"),
            ("bank::ledger::LedgerMsg", "LedgerMsg"),
            ("alloc::vec::Vec<core::option::Option<a::B>>", "Vec<Option<B>>"),
            ("(a::B, &[c::D; 3])", "(B, &[D; 3])"),
            ("()", "()"),
        ] {
            assert_eq!(short_type(full), shown);
        }
    }
}
