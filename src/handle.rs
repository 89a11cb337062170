//! What peers hold.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::blocking::block_on;
use crate::call::{self, Call, Progress, Reply};
use crate::current;
use crate::error::{CallError, Refusal, SendError};
use crate::mailbox::Overflow;
use crate::slot::accounting::Accounting;
use crate::slot::status::Status;
use crate::slot::{AnySlot, IfFull, Push, Slot};
use crate::watchdog::Wait;
use crate::why::Why;

/// The address of a service: cheap to clone, valid for ever, and always about the present incarnation.
///
/// It does not keep the service alive, and a restart does not touch it. Two handles are equal when they address the
/// same service.
///
/// ```
/// # use regrow::{Child, Context, Reply, Service, Supervisor};
/// struct Counter(u64);
/// enum Msg { Add(u64), Total(Reply<u64>) }
///
/// impl Service for Counter {
///     type Msg = Msg;
///     async fn handle(&mut self, msg: Msg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
///         match msg {
///             Msg::Add(n) => self.0 += n,
///             Msg::Total(reply) => { reply.send(self.0); }
///         }
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
/// let tree = Supervisor::one_for_one("app").child(Child::service("counter", |_| async { Ok(Counter(0)) })).start().await?;
/// let counter = tree.lookup::<Msg>("app/counter")?;
/// counter.cast(Msg::Add(2))?;
/// assert_eq!(counter.call(Msg::Total).await?, 2);
///
/// counter.kill()?; // a new incarnation starts from its factory; the handle stays as it is
/// assert_eq!(counter.call(Msg::Total).await?, 0);
/// assert_eq!(counter.generation(), 2);
/// # tree.shutdown().await; Ok(()) }
/// ```
pub struct Handle<M> {
    slot: Arc<Slot<M>>,
}

impl<M: Send + 'static> Handle<M> {
    pub(crate) fn new(slot: Arc<Slot<M>>) -> Self {
        Self { slot }
    }

    /// Puts a message into the mailbox and returns at once.
    ///
    /// Success means that the message was accepted. It is lost only if the incarnation that has it in hand ends before
    /// it is done with it (see [redelivery](crate::ServiceChild::redeliver)), or if it is shed: by the mailbox's overflow or
    /// drop policy, or because the service goes down. What was shed is a [dead letter](crate::DeadLetters).
    ///
    /// # Errors
    ///
    /// With the message inside: [`Full`](Refusal::Full) where the overflow policy is to refuse or to wait (a `cast`
    /// cannot wait), [`Parked`](Refusal::Parked), [`Down`](Refusal::Down) or [`Gone`](Refusal::Gone).
    pub fn cast(&self, message: M) -> Result<(), SendError<M>> {
        match self.slot.push(message, None, IfFull::ObeyPolicy) {
            Push::Accepted => Ok(()),
            Push::Refused(refusal, message, _) => Err(self.refused(refusal, message)),
        }
    }

    /// Puts a message into the mailbox, and waits for room if there is none, whatever the overflow policy.
    ///
    /// Dropping the future before it completes drops the message, unless it was accepted.
    ///
    /// # Errors
    ///
    /// With the message inside: [`Parked`](Refusal::Parked), [`Down`](Refusal::Down), [`Gone`](Refusal::Gone), or
    /// [`ToItself`](Refusal::ToItself) when the service itself would wait for room in its own mailbox.
    pub async fn send(&self, message: M) -> Result<(), SendError<M>> {
        // Most find room, and need not get ready to wait for it.
        match self.slot.push(message, None, IfFull::Refuse) {
            Push::Accepted => Ok(()),
            Push::Refused(_, message, _) => Box::pin(self.push_waiting(message, None)).await,
        }
    }

    async fn push_waiting(&self, mut message: M, mut call: Option<Arc<dyn call::Fate>>) -> Result<(), SendError<M>> {
        loop {
            let mut room = pin!(self.slot.room().notified());
            room.as_mut().enable();
            match self.slot.push(message, call, IfFull::TellMe) {
                Push::Accepted => return Ok(()),
                Push::Refused(Refusal::Full, back, _) if self.is_caller() => {
                    return Err(self.refused(Refusal::ToItself, back));
                }
                Push::Refused(Refusal::Full, back, fate) => (message, call) = (back, fate),
                Push::Refused(refusal, back, _) => return Err(self.refused(refusal, back)),
            }
            Wait::around(Wait::of_caller(&self.slot, None), room).await;
        }
    }

    /// Sends the message that `message` makes around a [`Reply`], at once, and waits for the answer.
    ///
    /// There is no time limit: the future completes with the answer or with the reason why none can come. A crash of the
    /// service ends the calls it was working on; those that are queued reach the next incarnation.
    ///
    /// # Errors
    ///
    /// See [`CallError`]; [`CallError::is_safe_to_repeat`] tells whether the message may have had effects. A service
    /// that calls itself is refused with [`ToItself`](Refusal::ToItself).
    pub fn call<T: Send + 'static>(&self, message: impl FnOnce(Reply<T>) -> M) -> Call<M, T> {
        let (reply, fate, waiting) = call::pair::<M, T>();
        let message = message(reply);
        if self.is_caller() {
            return Call::new(Progress::Refused(self.refused(Refusal::ToItself, message)));
        }
        let wait = Wait::of_caller(&self.slot, Some(&fate));
        let stage = match self.slot.push(message, Some(fate), IfFull::ObeyPolicy) {
            Push::Accepted => Progress::Sent(waiting),
            Push::Refused(Refusal::Full, message, fate) if self.slot.overflow() == Overflow::Wait => {
                let handle = self.clone();
                Progress::Sending(Box::pin(async move { handle.push_waiting(message, fate).await }), waiting)
            }
            Push::Refused(refusal, message, _) => Progress::Refused(self.refused(refusal, message)),
        };
        let call = Call::new(stage).seen_by(wait);
        #[cfg(feature = "chaos")]
        let call = call.counted(self.slot.tally());
        call
    }

    /// As [`call`](Self::call), but waits no longer than `limit`.
    ///
    /// # Errors
    ///
    /// Those of `call`, and [`CallError::TimedOut`]. The message stays where it is and may still run.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled.
    pub fn call_within<T: Send + 'static>(&self, limit: Duration, message: impl FnOnce(Reply<T>) -> M) -> Call<M, T> {
        self.call(message).within(limit)
    }

    /// [`send`](Self::send) for code that is not async: blocks the thread until there is room.
    ///
    /// Meant for threads of your own and for [`Child::thread`](crate::Child::thread). In async code it would hold up
    /// the runtime: use `send`.
    ///
    /// # Errors
    ///
    /// Those of `send`.
    pub fn blocking_send(&self, message: M) -> Result<(), SendError<M>> {
        block_on(self.send(message))
    }

    /// [`call`](Self::call) for code that is not async: blocks the thread until the answer is there.
    ///
    /// Meant for threads of your own and for [`Child::thread`](crate::Child::thread). In async code it would hold up
    /// the runtime: use `call`.
    ///
    /// # Errors
    ///
    /// Those of `call`.
    pub fn blocking_call<T: Send + 'static>(&self, message: impl FnOnce(Reply<T>) -> M) -> Result<T, CallError<M>> {
        block_on(self.call(message))
    }

    /// Ends the present incarnation as a crash would: by force, counted against the restart budget, and followed by
    /// whatever its supervisor decides. During a start it ends the attempt.
    ///
    /// Returns at once. The incarnation ends when its code next yields; code that does not is abandoned in the end (see
    /// [`Abandon`](crate::Abandon)).
    ///
    /// # Errors
    ///
    /// When no incarnation lives or is being started.
    pub fn kill(&self) -> Result<(), NotRunning> {
        if self.slot.kill() { Ok(()) } else { Err(NotRunning { path: self.path() }) }
    }

    /// The number of the latest incarnation that came up, from 1; 0 before the first.
    pub fn generation(&self) -> u64 {
        self.status().generation
    }

    /// Where the service stands now.
    pub fn status(&self) -> Status {
        self.slot.status()
    }

    /// Follows the status. A receiver that is slow sees the newest status and not each one. The last one is
    /// [`Gone`](crate::State::Gone): then the receiver's waits end with an error.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.slot.watch()
    }

    /// The path of the service, `"(not in a tree)"` while it has none.
    pub fn path(&self) -> Arc<str> {
        self.slot.path()
    }

    /// Why the service stands where it does: in words when it is displayed, and as data. Its supervisor is asked, the
    /// service itself is not.
    pub async fn why(&self) -> Why {
        let path = self.path();
        let world = self.slot.world();
        let known = match &world {
            Some(world) => world.why(&path).await.ok(),
            None => None,
        };
        known.unwrap_or_else(|| Why::unknown(path, self.status()))
    }

    /// The books of the mailbox: one consistent snapshot.
    pub fn accounting(&self) -> Accounting {
        self.slot.accounting()
    }

    pub(crate) fn slot(&self) -> &Slot<M> {
        &self.slot
    }

    fn is_caller(&self) -> bool {
        current::is(|port| self.slot.is_present(port))
    }

    fn refused(&self, refusal: Refusal, message: M) -> SendError<M> {
        SendError::new(self.path(), refusal, message)
    }
}

impl<M> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self { slot: self.slot.clone() }
    }
}

impl<M> PartialEq for Handle<M> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.slot, &other.slot)
    }
}

impl<M> Eq for Handle<M> {}

impl<M> Hash for Handle<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.slot).hash(state);
    }
}

impl<M> fmt::Debug for Handle<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.slot).finish()
    }
}

/// There is nothing to kill: the service is between two lives, not started yet, or over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRunning {
    pub(crate) path: Arc<str>,
}

impl fmt::Display for NotRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` has no running incarnation", self.path)
    }
}

impl std::error::Error for NotRunning {}
