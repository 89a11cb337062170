//! The handle of a service, which its peers hold.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use tokio::sync::watch;

use crate::call::fate::Fate;
use crate::call::{self, Call, Progress, Reply};
use crate::error::not_running::NotRunning;
use crate::error::refusal::Refusal;
use crate::error::{CallError, SendError};
use crate::slot::accounting::Accounting;
use crate::slot::blocking::block_until;
use crate::slot::current::Caller;
use crate::slot::erased::AnySlot;
use crate::slot::kept::KeptInfo;
use crate::slot::limit::Limit;
use crate::slot::queue::Envelope;
use crate::slot::restarts::Restarts;
use crate::slot::room::{ForRoom, InLine, Refused};
use crate::slot::saves::SaveFigures;
use crate::slot::status::ServiceStatus;
use crate::slot::wait::Wait;
use crate::slot::{IfFull, Push, Slot};

/// Address of a service: cheap to clone, valid for ever, and always about the present incarnation.
///
/// A handle does not keep the service alive, and a restart does not touch it. Two handles are equal if they address the
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
    /// the message is handled (see [redelivery](crate::ServiceChild::redeliver)), or if it is shed. The mailbox sheds
    /// by its overflow or drop policy, or because the service goes down. What was shed is a
    /// [dead letter](crate::DeadLetters).
    ///
    /// # Errors
    ///
    /// Each error holds the message: [`Full`](Refusal::Full) if there is no room and the overflow policy is to refuse,
    /// [`Parked`](Refusal::Parked), [`Stopping`](Refusal::Stopping), [`Down`](Refusal::Down) or
    /// [`Gone`](Refusal::Gone).
    pub fn cast(&self, message: M) -> Result<(), SendError<M>> {
        match self.slot.push(message, IfFull::ObeyPolicy) {
            Push::Accepted => Ok(()),
            Push::Refused(refusal, message, _) => Err(self.refused((refusal, message))),
        }
    }

    /// Puts a message with this fate into the mailbox if there is room, whatever the overflow policy.
    pub(crate) fn cast_if_room(&self, message: M, fate: Arc<dyn Fate>) -> Result<(), SendError<M>> {
        match self.slot.push_call(message, fate, 0, IfFull::Refuse) {
            Push::Accepted => Ok(()),
            Push::Refused(refusal, message, _) => Err(self.refused((refusal, message))),
        }
    }

    /// Puts a message into the mailbox, and waits for room if there is none, whatever the overflow policy.
    ///
    /// Waiting senders get room in the order in which they came. A message that does not wait cannot overtake them,
    /// with one exception: a `cast` to a mailbox that [drops the oldest](crate::Overflow::DropOldest) makes its own
    /// room. So the accepted messages of one sender stay in order if it awaits each `send` before it sends the next.
    ///
    /// The wait has a [limit](crate::ServiceChild::wait_for_room), 5 s unless the mailbox says otherwise. A wait of
    /// more than a second is logged, and shown by [`why`](Self::why) of the service that waits.
    ///
    /// Dropping the future before it completes drops the message, unless it was accepted. In an executor other than
    /// tokio's, the limit costs a thread while it waits.
    ///
    /// # Errors
    ///
    /// Each error holds the message: [`Full`](Refusal::Full) when the limit is over, [`Parked`](Refusal::Parked),
    /// [`Stopping`](Refusal::Stopping), [`Down`](Refusal::Down), [`Gone`](Refusal::Gone).
    ///
    /// Three errors come at once. [`ToItself`](Refusal::ToItself): the service itself would wait for room in its own
    /// mailbox. [`Circle`](Refusal::Circle): services would wait for each other.
    /// [`StoppedWithGroup`](Refusal::StoppedWithGroup): the group of the service may be waiting for the sender.
    ///
    /// # Panics
    ///
    /// If it has to wait in a tokio runtime without time enabled.
    pub async fn send(&self, message: M) -> Result<(), SendError<M>> {
        let pushed = self.slot.push(message, IfFull::StandInLine);
        if matches!(pushed, Push::Accepted) {
            return Ok(());
        }
        // Bound by a `let` alone: the parts that a `match` takes apart would take room in each future.
        let room = match self.stand_in_line(pushed, Limit::OfMailbox, false) {
            ControlFlow::Continue(room) => room,
            ControlFlow::Break(outcome) => return outcome,
        };
        room.await.map_err(|refused| self.refused(refused))
    }

    /// Puts a message with this fate into the mailbox, and waits for room no longer than `limit`.
    pub(crate) async fn send_with(&self, message: M, fate: Arc<dyn Fate>, limit: Limit) -> Result<(), SendError<M>> {
        let pushed = self.slot.push_call(message, fate, 0, IfFull::StandInLine);
        let room = match self.stand_in_line(pushed, limit, false) {
            ControlFlow::Continue(room) => room,
            ControlFlow::Break(outcome) => return outcome,
        };
        room.await.map_err(|refused| self.refused(refused))
    }

    /// Joins the line with the message if the mailbox refused it because it was full. The caller polls the wait at
    /// once.
    #[inline(never)]
    fn stand_in_line(
        &self,
        pushed: Push<M>,
        limit: Limit,
        is_blocking: bool,
    ) -> ControlFlow<Result<(), SendError<M>>, InLine<M>> {
        let outcome = match pushed {
            Push::Accepted => ControlFlow::Break(Ok(())),
            Push::Refused(Refusal::Full, message, call) => {
                let envelope = Envelope { message, call };
                InLine::join(&self.slot, envelope, limit, Waker::noop().clone(), is_blocking)
            }
            Push::Refused(refusal, message, _) => ControlFlow::Break(Err((refusal, message))),
        };
        outcome.map_break(|outcome| outcome.map_err(|refused| self.refused(refused)))
    }

    /// Sends the message that `message` makes around a [`Reply`], and waits for the answer. A call waits for room as
    /// [`send`](Self::send) does, in the same line. If there is room, the message is sent at once, and otherwise when
    /// the [`Call`] is first polled.
    ///
    /// There is no other time limit: the future completes with the answer, or with the reason why none can come. A
    /// crash of the service ends the calls that it was working on. Queued calls reach the next incarnation.
    ///
    /// # Errors
    ///
    /// See [`CallError`]; [`CallError::is_safe_to_repeat`] tells whether the message may have had effects. A service
    /// that calls itself is refused with [`ToItself`](Refusal::ToItself).
    ///
    /// # Panics
    ///
    /// If it has to wait for room in a tokio runtime without time enabled.
    pub fn call<T: Send + 'static>(&self, message: impl FnOnce(Reply<T>) -> M) -> Call<M, T> {
        self.begin(message, IfFull::Refuse)
    }

    /// Does what [`call`](Self::call) does, but does not wait for room. A full mailbox applies its
    /// [overflow policy](crate::Overflow), as with [`cast`](Self::cast). The message has been sent or refused when this
    /// returns.
    ///
    /// # Errors
    ///
    /// Those of `call`. [`Refused`](CallError::Refused) because the mailbox is [`Full`](Refusal::Full) comes at once.
    pub fn try_call<T: Send + 'static>(&self, message: impl FnOnce(Reply<T>) -> M) -> Call<M, T> {
        self.begin(message, IfFull::ObeyPolicy)
    }

    #[inline]
    fn begin<T: Send + 'static>(&self, message: impl FnOnce(Reply<T>) -> M, if_full: IfFull) -> Call<M, T> {
        let caller = Caller::here();
        let (reply, fate, waiting) = call::pair::<M, T>(caller.supervisor);
        let message = message(reply);
        let stage = match self.slot.push_call(message, fate, caller.signals, if_full) {
            Push::Accepted => Progress::Sent(waiting),
            Push::Refused(Refusal::Full, message, fate) if if_full == IfFull::Refuse => {
                Progress::sending(ForRoom::new(&self.slot, message, fate), waiting)
            }
            Push::Refused(refusal, message, _) => Progress::Refused(self.refused((refusal, message))),
        };
        let call = Call::new(self.slot.clone(), stage, Wait::of(caller));
        match self.slot.outcomes() {
            Some(outcomes) => call.counted(outcomes),
            None => call,
        }
    }

    /// Does what [`call`](Self::call) does, but waits no longer than `limit`, the wait for room included.
    ///
    /// # Errors
    ///
    /// Those of `call`, and [`CallError::TimedOut`]: the message was accepted, stays where it is and may still run. If
    /// the limit ends while the call waits for room, the call is [`Refused`](CallError::Refused) because the mailbox is
    /// [`Full`](Refusal::Full). The message then comes back, and repeating the call is safe.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled.
    pub fn call_within<T: Send + 'static>(&self, limit: Duration, message: impl FnOnce(Reply<T>) -> M) -> Call<M, T> {
        self.call(message).within(limit)
    }

    /// Does what [`send`](Self::send) does in code that is not async: blocks the thread until there is room. Needs no
    /// runtime.
    ///
    /// Meant for threads of your own and for [`Child::thread`](crate::Child::thread). In async code it would hold up
    /// the runtime: use `send`.
    ///
    /// # Errors
    ///
    /// Those of `send`. In the thread of a `Child::thread`: [`Interrupted`](Refusal::Interrupted), with the message
    /// inside, if the thread is asked to stop or is killed. A thread that has seen the stop can wait again, until a
    /// kill. It has seen the stop if its [`Inbox`](crate::Inbox) has ended, if
    /// [`is_cancelled`](crate::Inbox::is_cancelled) has said so, or if a wait was interrupted.
    pub fn blocking_send(&self, message: M) -> Result<(), SendError<M>> {
        let pushed = self.slot.push(message, IfFull::StandInLine);
        let mut room = match self.stand_in_line(pushed, Limit::OfMailbox, true) {
            ControlFlow::Break(outcome) => return outcome,
            ControlFlow::Continue(room) => room,
        };
        let sent = block_until(&mut room, |room| room.due(), None);
        let sent = sent.unwrap_or_else(|_| room.give_up(Refusal::Interrupted));
        sent.map_err(|refused| self.refused(refused))
    }

    /// Does what [`call`](Self::call) does in code that is not async: blocks the thread until the answer is there.
    /// Needs no runtime.
    ///
    /// Meant for threads of your own and for [`Child::thread`](crate::Child::thread). In async code it would hold up
    /// the runtime: use `call`.
    ///
    /// # Errors
    ///
    /// Those of `call`. If the thread of a `Child::thread` is asked to stop or is killed:
    /// [`Interrupted`](CallError::Interrupted). If the call still waits for room then: the error of
    /// [`blocking_send`](Self::blocking_send).
    pub fn blocking_call<T: Send + 'static>(&self, message: impl FnOnce(Reply<T>) -> M) -> Result<T, CallError<M>> {
        self.call(message).blocking()
    }

    /// Does what [`blocking_call`](Self::blocking_call) does, but waits no longer than `limit`, the wait for room
    /// included. Needs no runtime.
    ///
    /// # Errors
    ///
    /// Those of `blocking_call`, and those of [`call_within`](Self::call_within) when the time is up.
    pub fn blocking_call_within<T: Send + 'static>(
        &self,
        limit: Duration,
        message: impl FnOnce(Reply<T>) -> M,
    ) -> Result<T, CallError<M>> {
        self.call_within(limit, message).blocking()
    }

    /// Does what [`blocking_call`](Self::blocking_call) does, but does not wait for room, as
    /// [`try_call`](Self::try_call) does not.
    ///
    /// # Errors
    ///
    /// Those of `blocking_call`. [`Refused`](CallError::Refused) because the mailbox is [`Full`](Refusal::Full) comes
    /// at once.
    pub fn blocking_try_call<T: Send + 'static>(&self, message: impl FnOnce(Reply<T>) -> M) -> Result<T, CallError<M>> {
        self.try_call(message).blocking()
    }

    /// Ends the present incarnation as a crash would. The restart is counted against the budget, and the supervisor
    /// decides what follows. During a start it ends the attempt.
    ///
    /// Returns at once. The incarnation ends when its code next yields. Code that does not yield is abandoned in the
    /// end (see [`Abandon`](crate::Abandon)). See also [stop, exit or kill?](crate::Child#stop-exit-or-kill)
    ///
    /// # Errors
    ///
    /// [`NotRunning`] if no incarnation lives or is being started.
    pub fn kill(&self) -> Result<(), NotRunning> {
        if self.slot.kill() { Ok(()) } else { Err(NotRunning { path: self.path() }) }
    }

    /// Returns the generation of the latest incarnation that came up: 1 for the first, and 0 before it.
    pub fn generation(&self) -> u64 {
        self.status().generation
    }

    /// Returns the present state and generation of the service.
    pub fn status(&self) -> ServiceStatus {
        self.slot.status()
    }

    /// Returns the figures of the service's saves: number, age, size and cost. `None` if it has claimed no checkpoint in
    /// this tree.
    pub fn saves(&self) -> Option<SaveFigures> {
        AnySlot::saves(&*self.slot).map(|saves| saves.figures())
    }

    /// Follows the status. A slow receiver sees the newest status, and not each one. For the ends of incarnations with
    /// their exits, use [`monitor`](Self::monitor). The last status is [`Gone`](crate::ServiceState::Gone); after it,
    /// waits of the receiver end with an error.
    pub fn watch(&self) -> watch::Receiver<ServiceStatus> {
        self.slot.watch()
    }

    /// Returns the reason for which a wait for the service is refused now, if there is one.
    pub(crate) fn refusal_of_waits(&self) -> Option<Refusal> {
        self.slot.refusal_of_waits()
    }

    /// Returns the reason for which a cast is refused now, if there is one. A full mailbox is none.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.slot.refusal_of_casts()
    }

    /// Returns the path of the service, `"(not in a tree)"` while it has none.
    pub fn path(&self) -> Arc<str> {
        self.slot.path()
    }

    /// Returns facts about the value that the service [keeps](crate::Context::keep) for its next incarnation; `None` if it
    /// keeps none.
    pub fn kept(&self) -> Option<KeptInfo> {
        self.slot.kept_info()
    }

    /// Returns the counters of the mailbox, as one consistent snapshot.
    pub fn accounting(&self) -> Accounting {
        self.slot.accounting()
    }

    /// Returns the restarts of the service: how many, why, and how many of late.
    ///
    /// ```
    /// # use regrow::{ExitKind, Supervisor, testing::{Journal, ProbeMsg}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await?;
    /// let a = tree.lookup::<ProbeMsg>("app/a")?;
    /// let mut status = a.watch();
    /// a.kill()?;
    /// status.wait_for(|status| status.generation == 2).await?;
    ///
    /// let restarts = a.restarts();
    /// assert_eq!((restarts.total, restarts.by_cause.get(ExitKind::Killed), restarts.last_minute), (1, 1, 1));
    /// # tree.shutdown().await; Ok(()) }
    /// ```
    pub fn restarts(&self) -> Restarts {
        let slot: &dyn AnySlot = &*self.slot;
        slot.restarts()
    }

    pub(crate) fn slot(&self) -> &Slot<M> {
        &self.slot
    }

    fn refused(&self, (refusal, message): Refused<M>) -> SendError<M> {
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
