//! The cell that the two ends of a call share: the reply and the wait for it.
//!
//! The fate of a call travels in its envelope, and not in the thread that happens to run it. So a reply that is
//! forwarded, stored or late still tells the truth.
//!
//! Invariants:
//! 1. The first outcome wins, and every call gets one: a reply, or the reason why none can come.
//! 2. No waker is called and no value of the user is dropped while a call's lock is held.
//! 3. A reply may be cloned; only the drop of its last copy has a meaning. A mailbox that keeps a copy of the message
//!    in hand thereby keeps the call open, until the fate of that copy is known.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use regrow_supervisors::Exit;

use crate::base::panics::{self, Orphan};
use crate::base::sync::lock;
use crate::call::fate::{Answer, Fate, Instead};
use crate::error::{CallError, Returned};
use crate::slot::signals::Signals;
use crate::slot::{Slot, current};

/// Right to answer one call. Sending consumes it; dropping it ends the call without an answer.
///
/// A reply may be stored, moved to a task or sent on to another service. It may be cloned, so that messages with a
/// reply can be cloned (see [`ServiceChild::redeliver`](crate::ServiceChild::redeliver)). The first answer counts. The
/// call ends without an answer when the last copy is dropped.
///
/// ```
/// # use regrow::Reply;
/// enum Msg { Balance(Reply<i64>) }
/// fn answer(msg: Msg) {
///     match msg {
///         Msg::Balance(reply) => { reply.send(42); }
///     }
/// }
/// ```
pub struct Reply<T> {
    /// Taken when the answer has been sent.
    cell: Option<Arc<Cell<T>>>,
}

/// A reply may be the message of a [`Child::actor`](crate::Child::actor). It stays on its node.
// Without the feature, ractor implements it for every type.
#[cfg(feature = "cluster")]
impl<T: Send + 'static> ractor::Message for Reply<T> {}

impl<T> Reply<T> {
    /// Answers the call. `false` if the caller no longer waits: it is gone, its time was up, or a copy of this reply
    /// has answered before. Also `false` if this incarnation was abandoned and may not answer.
    pub fn send(mut self, value: T) -> bool {
        if current::is(|signals| signals.is_fenced()) {
            return false;
        }
        self.cell.take().is_some_and(|cell| cell.settle(Outcome::Replied(value)))
    }

    /// Returns the fate of the call, for a mailbox.
    pub(crate) fn fate(&self) -> Option<Arc<dyn Fate>> {
        self.cell.as_ref().map(|cell| (cell.erase)(cell.clone()))
    }

    /// Whether a caller still waits for the answer. Long work can be left undone if none does.
    pub fn is_wanted(&self) -> bool {
        self.cell.as_ref().is_some_and(|cell| {
            let state = lock(&cell.state);
            state.outcome.is_none() && !state.caller_gone
        })
    }
}

impl<T> Clone for Reply<T> {
    fn clone(&self) -> Self {
        if let Some(cell) = &self.cell {
            lock(&cell.state).copies += 1;
        }
        Self { cell: self.cell.clone() }
    }
}

impl<T> Drop for Reply<T> {
    #[inline]
    fn drop(&mut self) {
        // Most replies have been sent.
        if let Some(cell) = self.cell.take() {
            Self::dropped(&cell);
        }
    }
}

impl<T> Reply<T> {
    #[inline(never)]
    fn dropped(cell: &Arc<Cell<T>>) {
        {
            let mut state = lock(&cell.state);
            state.copies -= 1;
            // Invariant 3.
            if state.outcome.is_some() || state.copies > 0 {
                return;
            }
            match cell.stage.load(Ordering::Acquire) {
                DEFERRED => {}
                // The fate of the message decides, and the mailbox or the pump will know it.
                QUEUED => {
                    state.reply_dropped = true;
                    return;
                }
                by if current::is(|signals| signals.address() == by) => {
                    state.reply_dropped = true;
                    return;
                }
                // The reply was forwarded, to a service that was quicker than the handler.
                _ => {}
            }
        }
        match panics::teardown() {
            Some(exit) => {
                cell.settle(Outcome::Crashed(Box::new(exit)));
            }
            // The code that has the reply may be about to crash, and drop it because of that.
            None if panics::adopt(|| (cell.erase)(cell.clone())) => {}
            None => {
                cell.settle(Outcome::Unanswered);
            }
        }
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}

struct Cell<T> {
    state: Mutex<State<T>>,
    /// `QUEUED`, `DEFERRED`, or the address of the signals of the incarnation that has the message in hand. The signals
    /// live longer than that.
    stage: AtomicUsize,
    /// Set when an outcome is there, or the caller no longer waits: nothing is left to be decided. Set under the lock.
    is_settled: AtomicBool,
    /// See [`Fate::caller`].
    caller: usize,
    /// Kept from a place where `T` is known to be `Send`, for a reply that is dropped where that is not known.
    erase: fn(Arc<Self>) -> Arc<dyn Fate>,
}

struct State<T> {
    /// Number of replies that exist.
    copies: u32,
    /// Exit of the last incarnation that had the message in hand, while the message waits to be taken once more.
    crashed_before: Option<Box<Exit>>,
    reply_dropped: bool,
    caller_gone: bool,
    /// Address of the signals of the incarnation that last looked for an outcome, and waits for it.
    awaited_by: usize,
    outcome: Option<Outcome<T>>,
    waker: Option<Waker>,
}

impl<T> State<T> {
    /// Takes the outcome for the caller; `None` while there is none, or the message is on its way back.
    fn take_outcome(&mut self) -> Option<Outcome<T>> {
        match self.outcome {
            None | Some(Outcome::Returning) => None,
            Some(_) => self.outcome.replace(Outcome::Taken),
        }
    }
}

/// Address of no incarnation.
const NO_PORT: usize = 0;

const QUEUED: usize = 0;
/// The handler has returned, and the reply still exists.
const DEFERRED: usize = 1;

enum Outcome<T> {
    Replied(T),
    /// Boxed: a crash is rare, and each call reserves room for its outcome.
    Crashed(Box<Exit>),
    Unanswered,
    /// The message is on its way back.
    Returning,
    Returned(Box<dyn Any + Send>),
    /// The caller has taken the outcome.
    Taken,
}

impl<T: Send + 'static> Cell<T> {
    fn new(caller: usize) -> Arc<Self> {
        let state = State {
            copies: 1,
            crashed_before: None,
            reply_dropped: false,
            caller_gone: false,
            awaited_by: NO_PORT,
            outcome: None,
            waker: None,
        };
        let (stage, is_settled) = (AtomicUsize::new(QUEUED), AtomicBool::new(false));
        Arc::new(Self { state: Mutex::new(state), stage, is_settled, caller, erase: |cell| cell })
    }
}

impl<T> Cell<T> {
    /// Sets the outcome (invariant 1). `false` if it came too late, or the caller no longer waits.
    fn settle(&self, outcome: Outcome<T>) -> bool {
        let (waker, refused) = {
            let mut state = lock(&self.state);
            if state.outcome.is_some() || state.caller_gone {
                (None, Some(outcome))
            } else {
                state.outcome = Some(outcome);
                self.is_settled.store(true, Ordering::Release);
                (state.waker.take(), None)
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        refused.is_none()
    }
}

impl<T: Send> Orphan for Cell<T> {
    fn orphaned(&self, exit: Option<&Exit>) {
        self.settle(exit.cloned().map_or(Outcome::Unanswered, |exit| Outcome::Crashed(Box::new(exit))));
    }
}

impl<T: Send> Fate for Cell<T> {
    fn taken(&self, by: &Signals) -> Option<Instead> {
        self.stage.store(by.address(), Ordering::Release);
        None
    }

    fn is_abandoned(&self) -> bool {
        self.is_settled.load(Ordering::Acquire) && lock(&self.state).caller_gone
    }

    fn handled(&self) -> Answer {
        if self.is_settled.load(Ordering::Acquire) {
            return Answer::Settled;
        }
        {
            let state = lock(&self.state);
            self.stage.store(DEFERRED, Ordering::Release);
            if state.outcome.is_some() || state.caller_gone {
                return Answer::Settled;
            }
            if !state.reply_dropped {
                return Answer::Deferred;
            }
        }
        self.settle(Outcome::Unanswered);
        Answer::Settled
    }

    fn crashed(&self, exit: &Exit) {
        let reply_dropped = {
            let state = lock(&self.state);
            self.stage.store(DEFERRED, Ordering::Release);
            state.reply_dropped
        };
        if reply_dropped {
            self.settle(Outcome::Crashed(Box::new(exit.clone())));
        }
    }

    fn fenced(&self, exit: &Exit) {
        self.stage.store(DEFERRED, Ordering::Release);
        self.settle(Outcome::Crashed(Box::new(exit.clone())));
    }

    fn is_elsewhere(&self) -> bool {
        self.stage.load(Ordering::Acquire) == DEFERRED
    }

    fn call(self: Arc<Self>) -> Arc<dyn Fate> {
        (self.erase)(self)
    }

    fn requeued(&self, exit: Box<Exit>) -> Option<Box<Exit>> {
        let mut state = lock(&self.state);
        self.stage.store(QUEUED, Ordering::Release);
        state.crashed_before.replace(exit)
    }

    fn given_up(&self) {
        let before = lock(&self.state).crashed_before.take();
        self.stage.store(DEFERRED, Ordering::Release);
        self.settle(Outcome::Crashed(before.unwrap_or_else(|| Box::new(Exit::Killed))));
    }

    fn is_awaited_by(&self, signals: &Signals) -> bool {
        let state = lock(&self.state);
        state.outcome.is_none() && !state.caller_gone && state.awaited_by == signals.address()
    }

    fn caller(&self) -> usize {
        self.caller
    }

    fn is_open(&self) -> bool {
        !self.is_settled.load(Ordering::Acquire)
    }

    fn reserve_return(&self) -> bool {
        let mut state = lock(&self.state);
        let wanted = state.outcome.is_none() && !state.caller_gone;
        if wanted {
            state.outcome = Some(Outcome::Returning);
        }
        wanted
    }

    fn give_back(&self, message: Box<dyn Any + Send>) -> Option<Box<dyn Any + Send>> {
        let (waker, unwanted) = {
            let mut state = lock(&self.state);
            if state.caller_gone {
                (None, Some(message))
            } else {
                state.outcome = Some(Outcome::Returned(message));
                (state.waker.take(), None)
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        unwanted
    }
}

/// Makes the two ends of a call: the reply for the message, and the fate for the mailbox. For `caller` see
/// [`Fate::caller`].
pub(crate) fn pair<M, T: Send + 'static>(caller: usize) -> (Reply<T>, Arc<dyn Fate>, Waiting<M, T>) {
    let cell = Cell::new(caller);
    let fate: Arc<dyn Fate> = cell.clone();
    (
        Reply { cell: Some(cell.clone()) },
        fate,
        Waiting { cell, is_done: false, is_polled: false, message: std::marker::PhantomData },
    )
}

/// End of a call at the caller.
pub(crate) struct Waiting<M, T> {
    cell: Arc<Cell<T>>,
    /// Whether the outcome was taken.
    is_done: bool,
    is_polled: bool,
    message: std::marker::PhantomData<fn() -> M>,
}

impl<M, T> Waiting<M, T> {
    /// Whether the outcome was taken.
    pub(crate) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Returns the fate of the call, as a mailbox keeps it.
    pub(crate) fn fate(&self) -> Arc<dyn Fate> {
        (self.cell.erase)(self.cell.clone())
    }
}

impl<M: Send + 'static, T> Waiting<M, T> {
    // Always: otherwise it depends on unrelated code whether each poll of a call is one function call more.
    #[inline(always)]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, slot: &Slot<M>) -> Poll<Result<T, CallError<M>>> {
        let alone = self.take_alone();
        let Some(outcome) = alone.or_else(|| self.look(cx)) else { return Poll::Pending };
        self.is_done = true;
        match outcome {
            Outcome::Replied(value) => Poll::Ready(Ok(value)),
            outcome => Poll::Ready(outcome.into_result(slot)),
        }
    }

    /// Takes the outcome, if all other ends of the call are gone: then no lock is needed.
    #[inline]
    fn take_alone(&mut self) -> Option<Outcome<T>> {
        // Read first: for a call that is under way this writes nothing.
        if Arc::strong_count(&self.cell) > 1 {
            return None;
        }
        let cell = Arc::get_mut(&mut self.cell)?;
        cell.state.get_mut().unwrap_or_else(PoisonError::into_inner).take_outcome()
    }

    /// Takes the outcome, if it is there. Otherwise the waker is called when it is.
    #[inline(never)]
    fn look(&mut self, cx: &Context<'_>) -> Option<Outcome<T>> {
        // A waker is cloned without the lock: the clone may run foreign code. The first poll seldom finds an outcome.
        let mut waker = if self.is_polled { None } else { Some(cx.waker().clone()) };
        self.is_polled = true;
        loop {
            let mut state = lock(&self.cell.state);
            if let Some(outcome) = state.take_outcome() {
                drop(state);
                return Some(outcome);
            }
            state.awaited_by = current::lent(|signals| signals.address()).unwrap_or(NO_PORT);
            let is_known = state.waker.as_ref().is_some_and(|known| known.will_wake(cx.waker()));
            if let (false, None) = (is_known, &waker) {
                drop(state);
                waker = Some(cx.waker().clone());
                continue;
            }
            let before = if is_known { waker } else { std::mem::replace(&mut state.waker, waker) };
            drop(state);
            drop(before);
            return None;
        }
    }

    /// Stops waiting. `Some(queued)` says whether the message was queued; `None` if an outcome is there after all.
    pub(crate) fn time_out(&self) -> Option<bool> {
        let mut state = lock(&self.cell.state);
        match state.outcome {
            None => {
                state.caller_gone = true;
                self.cell.is_settled.store(true, Ordering::Release);
                Some(self.cell.stage.load(Ordering::Acquire) == QUEUED)
            }
            Some(_) => None,
        }
    }
}

impl<M, T> Drop for Waiting<M, T> {
    #[inline]
    fn drop(&mut self) {
        if !self.is_done {
            self.cell.leave();
        }
    }
}

impl<T> Cell<T> {
    /// Records that the caller no longer waits.
    #[inline(never)]
    fn leave(&self) {
        let (outcome, waker) = {
            let mut state = lock(&self.state);
            state.caller_gone = true;
            self.is_settled.store(true, Ordering::Release);
            // `Returning` must stay: its message is still to come.
            (state.outcome.take_if(|outcome| !matches!(outcome, Outcome::Returning)), state.waker.take())
        };
        drop((outcome, waker));
    }
}

impl<T> Outcome<T> {
    #[cold]
    fn into_result<M: Send + 'static>(self, slot: &Slot<M>) -> Result<T, CallError<M>> {
        match self {
            Self::Replied(value) => Ok(value),
            Self::Crashed(exit) => Err(CallError::Crashed { path: slot.path(), exit }),
            Self::Unanswered => Err(CallError::Unanswered { path: slot.path() }),
            Self::Returned(message) => match message.downcast() {
                Ok(message) => Err(CallError::NeverRan(Returned::never_ran(slot.path(), *message))),
                Err(_) => unreachable!("a call's message is of the type that its caller sent"),
            },
            Self::Returning | Self::Taken => panic!("a call was polled after it had completed"),
        }
    }
}
