//! A reply that is handed on to another service, together with what that service's mailbox has to know of it.

use std::any::Any;
use std::sync::Arc;

use regrow_supervisors::Exit;

use crate::base::panics::Orphan;
use crate::call::Reply;
use crate::call::fate::{Answer, Fate};
use crate::error::SendError;
use crate::handle::Handle;
use crate::slot::current::Caller;
use crate::slot::signals::Signals;
use crate::slot::{IfFull, Push};

impl<T: Send + 'static> Reply<T> {
    /// Hands the call on: `to` gets the message that `message` makes around this reply, as by [`cast`](Handle::cast), and
    /// is to answer it.
    ///
    /// The mailbox of `to` then knows of the call. If the message is shed or becomes a
    /// [dead letter](crate::DeadLetters), the caller is told at once that no answer will come. A message that was cast with
    /// a reply inside keeps the caller waiting for as long as the letter is kept: nothing can be seen inside a message.
    ///
    /// ```
    /// # use regrow::{Context, Handle, Reply, Service};
    /// enum Ask { Sum(u64, Reply<u64>) }
    /// struct Front { worker: Handle<Ask> }
    ///
    /// impl Service for Front {
    ///     type Msg = Reply<u64>;
    ///     async fn handle(&mut self, reply: Reply<u64>, _: &mut Context<Self>) -> anyhow::Result<()> {
    ///         // A refusal drops the reply, and the caller is told.
    ///         let _ = reply.forward(&self.worker, |reply| Ask::Sum(40, reply));
    ///         Ok(())
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `cast`, with the message inside, and the reply in it.
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

/// What a mailbox knows of a call to another service whose reply is inside a message. The message is not the call's own: it
/// does not go back to the caller.
struct HandedOn(Arc<dyn Fate>);

impl Orphan for HandedOn {
    fn orphaned(&self, exit: Option<&Exit>) {
        self.0.orphaned(exit);
    }
}

impl Fate for HandedOn {
    fn taken(&self, _: &Signals) {}

    fn handled(&self) -> Answer {
        if self.0.is_open() { Answer::Deferred } else { Answer::Settled }
    }

    /// The reply itself tells, when it is dropped with what had it.
    fn crashed(&self, _: &Exit) {}

    fn fenced(&self, exit: &Exit) {
        self.0.orphaned(Some(exit));
    }

    fn is_elsewhere(&self) -> bool {
        true
    }

    fn is_open(&self) -> bool {
        self.0.is_open()
    }

    fn call(self: Arc<Self>) -> Arc<dyn Fate> {
        self.0.clone().call()
    }

    fn requeued(&self, exit: Box<Exit>) -> Option<Box<Exit>> {
        Some(exit)
    }

    fn given_up(&self) {
        self.0.orphaned(None);
    }

    /// The caller waits for the first service, and not for this one.
    fn is_awaited_by(&self, _: &Signals) -> bool {
        false
    }

    /// It does not go back to the caller.
    fn caller(&self) -> usize {
        0
    }

    fn reserve_return(&self) -> bool {
        false
    }

    fn give_back(&self, message: Box<dyn Any + Send>) -> Option<Box<dyn Any + Send>> {
        Some(message)
    }
}
