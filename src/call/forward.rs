//! A reply that is forwarded to another service, and its fate in the mailbox of that service.

use std::sync::Arc;

use regrow_supervisors::Exit;

use crate::base::panics::Orphan;
use crate::call::Reply;
use crate::call::fate::{Answer, Fate, Instead};
use crate::error::SendError;
use crate::handle::Handle;
use crate::slot::current::Caller;
use crate::slot::signals::Signals;
use crate::slot::{IfFull, Push};

impl<T: Send + 'static> Reply<T> {
    /// Forwards the call: `to` gets the message that `message` makes around this reply, as by [`cast`](Handle::cast),
    /// and answers it.
    ///
    /// The mailbox of `to` then knows of the call. If the message is shed or becomes a
    /// [dead letter](crate::DeadLetters), the call ends at once without an answer. This does not hold for a reply
    /// inside a message that was only cast: regrow cannot look inside a message. Its caller then waits for as long as
    /// the dead letter is kept.
    ///
    /// ```
    /// # use regrow::{Context, Handle, Reply, Service};
    /// enum Ask { Sum(u64, Reply<u64>) }
    /// struct Front { worker: Handle<Ask> }
    ///
    /// impl Service for Front {
    ///     type Msg = Reply<u64>;
    ///     async fn handle(&mut self, reply: Reply<u64>, _: &mut Context<Self>) -> anyhow::Result<()> {
    ///         // A refusal drops the reply, which ends the call without an answer.
    ///         let _ = reply.forward(&self.worker, |reply| Ask::Sum(40, reply));
    ///         Ok(())
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `cast`. The message is inside, and the reply in it.
    pub fn forward<M: Send + 'static>(
        self,
        to: &Handle<M>,
        message: impl FnOnce(Self) -> M,
    ) -> Result<(), SendError<M>> {
        let fate = self.fate();
        let message = message(self);
        let pushed = match fate {
            Some(fate) => {
                let fate = Arc::new(HandedOn(fate));
                to.slot().push_call(message, fate, Caller::here().signals, IfFull::ObeyPolicy)
            }
            None => to.slot().push(message, IfFull::ObeyPolicy),
        };
        match pushed {
            Push::Accepted => Ok(()),
            Push::Refused(refusal, message, _) => Err(SendError::new(to.path(), refusal, message)),
        }
    }
}

/// Fate of a call that was forwarded to this mailbox. The message belongs to the forwarding service: it does not go
/// back to the caller, which waits for the first service. A crash ends the call when the reply is dropped with its
/// holder.
struct HandedOn(Arc<dyn Fate>);

impl Orphan for HandedOn {
    fn orphaned(&self, exit: Option<&Exit>) {
        self.0.orphaned(exit);
    }
}

impl Fate for HandedOn {
    fn taken(&self, _: &Signals) -> Option<Instead> {
        None
    }

    fn is_abandoned(&self) -> bool {
        self.0.is_abandoned()
    }

    fn handled(&self) -> Answer {
        if self.0.is_open() { Answer::Deferred } else { Answer::Settled }
    }

    fn fenced(&self, exit: &Exit) {
        self.0.orphaned(Some(exit));
    }

    fn is_open(&self) -> bool {
        self.0.is_open()
    }

    fn call(self: Arc<Self>) -> Arc<dyn Fate> {
        self.0.clone().call()
    }

    fn given_up(&self) {
        self.0.orphaned(None);
    }
}
