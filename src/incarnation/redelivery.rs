//! Redelivery: the message in hand is put back when its incarnation ends, and does not use up the restarts.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use regrow_supervisors::{ChildSpec, Intensity, Readiness, Restart};

use crate::context::Inner;
use crate::error::start::StartError;
use crate::slot::in_hand::MessageCopy;
use crate::tree::directory::ChildKind;
use crate::tree::overrides::Defaults;

/// Number of times that a message is tried again, and the function that copies it.
pub(crate) struct Redelivery<M> {
    pub(crate) times: u32,
    pub(crate) copy: fn(&M) -> M,
}

impl<M> Clone for Redelivery<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Redelivery<M> {}

impl<M: Send + 'static> Redelivery<M> {
    /// Keeps a copy of the message that the incarnation has just taken, and hands out the message.
    ///
    /// # Panics
    ///
    /// If the user's `clone` panics. The message itself is kept then.
    pub(crate) fn prepare(self, inner: &Inner<M>, message: M) -> M {
        let keep = |message| {
            inner.slot.keep_spare(&inner.signals, MessageCopy { message, redeliveries_max: self.times });
        };
        match catch_unwind(AssertUnwindSafe(|| (self.copy)(&message))) {
            Ok(copy) => {
                keep(copy);
                message
            }
            Err(panic) => {
                keep(message);
                resume_unwind(panic)
            }
        }
    }
}

/// Checks that redelivery of one message cannot use up the restart budget. Otherwise such a message would end its
/// supervisor, or be parked with its service, before it is found to be poison.
pub(crate) fn check(
    path: &Arc<str>,
    times: u32,
    spec: &ChildSpec,
    defaults: &Defaults,
    shared: Intensity,
) -> Result<(), StartError> {
    // A temporary child is never restarted, and charged to no budget.
    if times == 0 || spec.restart_type() == Restart::Temporary {
        return Ok(());
    }
    let policy = defaults.complete(ChildKind::Service, spec.policy_rule());
    let before_ready = match policy.readiness {
        Some(Readiness::WhenSaid) => policy.not_ready.as_ref().and_then(|not_ready| not_ready.budget),
        Some(Readiness::WhenUp) | None => None,
    };
    let budgets = [Some(policy.budget.unwrap_or(shared)), before_ready];
    match budgets.into_iter().flatten().filter_map(|budget| budget.restarts_max()).min() {
        Some(restarts_max) if times >= restarts_max => {
            Err(StartError::TooManyRedeliveries { path: path.clone(), redeliveries: times, restarts_max })
        }
        Some(_) | None => Ok(()),
    }
}
