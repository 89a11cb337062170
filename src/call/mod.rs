//! Calls: the reply, the wait for it, and the outcome of a call without an answer.

mod cell;
pub(crate) mod fate;
mod forward;
pub(crate) mod outcomes;
pub(crate) mod request;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::{Instant as Moment, Sleep};

use crate::base::time::later;
use crate::call::outcomes::Outcomes;
use crate::error::refusal::Refusal;
use crate::error::{CallError, SendError};
use crate::slot::Slot;
use crate::slot::blocking::{Cut, block_on, block_until};
use crate::slot::room::{Refused, Sending};
use crate::slot::wait::Wait;
use crate::slot::waits::{WaitsOn, What};
pub use cell::Reply;
pub(crate) use cell::{Waiting, pair};

/// Call under way: a future of its outcome, made by [`Handle::call`](crate::Handle::call).
///
/// If there was room, the message was sent when this was made. Dropping this then leaves the message in the mailbox: it
/// will run, and its answer is thrown away.
///
/// If the mailbox was full, nothing is sent before this is polled, and the call joins the line for room at its first
/// poll. Dropping it before the mailbox has accepted the message drops the message. The message was then never sent: it
/// does not run and is not counted.
#[must_use = "a call does nothing more for you unless its answer is awaited"]
pub struct Call<M, T> {
    slot: Arc<Slot<M>>,
    stage: Progress<M, T>,
    /// Record of the wait for the watchdog, if one is needed.
    wait: Wait,
    extras: Option<Box<Extras>>,
}

/// Parts that most calls do without.
#[derive(Default)]
struct Extras {
    limit: Option<TimeLimit>,
    /// Counters of outcomes, while an experiment runs.
    outcomes: Option<Arc<Outcomes>>,
}

/// Time limit of a call. Its timer is made at the first poll, because a thread that blocks needs none.
struct TimeLimit {
    due: Moment,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Progress of a call.
pub(crate) enum Progress<M, T> {
    Refused(SendError<M>),
    /// The message waits for room in the mailbox.
    Sending(Box<Unsent<M, T>>),
    Sent(Waiting<M, T>),
    Done,
}

/// Call that has found no room yet. (In a separate box: most calls find room, and are small.)
pub(crate) struct Unsent<M, T> {
    room: Box<dyn Sending<M>>,
    waiting: Waiting<M, T>,
}

impl<M, T> Progress<M, T> {
    pub(crate) fn sending(room: Box<dyn Sending<M>>, waiting: Waiting<M, T>) -> Self {
        Self::Sending(Box::new(Unsent { room, waiting }))
    }

    fn waiting(&self) -> Option<&Waiting<M, T>> {
        match self {
            Self::Sending(unsent) => Some(&unsent.waiting),
            Self::Sent(waiting) => Some(waiting),
            Self::Refused(_) | Self::Done => None,
        }
    }
}

impl<M, T> Call<M, T> {
    pub(crate) fn new(slot: Arc<Slot<M>>, stage: Progress<M, T>, wait: Wait) -> Self {
        Self { slot, stage, wait, extras: None }
    }

    pub(crate) fn counted(mut self, outcomes: Arc<Outcomes>) -> Self {
        self.extras.get_or_insert_default().outcomes = Some(outcomes);
        self
    }

    /// Limits the wait to `limit` from now; after it the call ends as [`CallError::TimedOut`]. If it still waits for
    /// room then, it ends as [`Refused`](CallError::Refused) because the mailbox is [`Full`](Refusal::Full), and the
    /// message comes back.
    ///
    /// # Panics
    ///
    /// The `await` panics outside of a tokio runtime with time enabled, as that of [`tokio::time::sleep`] does.
    /// [`blocking`](Self::blocking) needs no runtime.
    pub fn within(mut self, limit: Duration) -> Self {
        let due = later(Moment::now(), limit);
        self.extras.get_or_insert_default().limit = Some(TimeLimit { due, timer: None });
        self
    }
}

impl<M, T> Unpin for Call<M, T> {}

impl<M: Send + 'static, T> Future for Call<M, T> {
    type Output = Result<T, CallError<M>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match &mut this.stage {
            Progress::Sent(waiting) if this.extras.is_none() && !this.wait.is_recorded() => {
                waiting.poll(cx, &this.slot)
            }
            _ => this.poll_with_extras(cx),
        }
    }
}

impl<M: Send + 'static, T> Call<M, T> {
    /// Does not wait for room: a full mailbox applies its [overflow policy](crate::Overflow) now, as with
    /// [`Handle::try_call`](crate::Handle::try_call). If there was room when the call was made, this changes nothing.
    ///
    /// ```
    /// # use regrow::{CallError, Handle, Reply};
    /// # enum Msg { Total(Reply<u64>) }
    /// # async fn show(counter: &Handle<Msg>) -> Result<(), CallError<Msg>> {
    /// let total = counter.call(Msg::Total).try_now().await?;
    /// # let _ = total; Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The call ends as [`Refused`](CallError::Refused) because the mailbox is [`Full`](Refusal::Full), if its policy is
    /// to refuse. A call that has been polled, and waits in the line for room, leaves the line and is refused in this
    /// way, whatever the policy.
    pub fn try_now(mut self) -> Self {
        if let Progress::Sending(unsent) = &mut self.stage {
            let sent = unsent.room.try_now();
            self.sent(sent);
        }
        self
    }

    /// Waits for the outcome in code that is not async: blocks the thread. Needs no runtime, and keeps a limit that was
    /// set by [`within`](Self::within).
    ///
    /// Meant for threads of your own and for [`Child::thread`](crate::Child::thread). In async code it would hold up
    /// the runtime: `.await` the call there.
    ///
    /// ```
    /// # use regrow::{CallError, Handle, Reply};
    /// # use std::time::Duration;
    /// # enum Msg { Total(Reply<u64>) }
    /// # fn show(counter: &Handle<Msg>) -> Result<(), CallError<Msg>> {
    /// let total = counter.call(Msg::Total).within(Duration::from_secs(1)).blocking()?;
    /// # let _ = total; Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Handle::blocking_call`](crate::Handle::blocking_call), and with a limit those of
    /// [`Handle::blocking_call_within`](crate::Handle::blocking_call_within).
    pub fn blocking(mut self) -> Result<T, CallError<M>> {
        if let Progress::Sending(unsent) = &mut self.stage {
            unsent.room.set_blocking();
        }
        // The thread checks the time itself, by its own clock: a timer would need a runtime.
        let limit = self.extras.as_mut().and_then(|extras| extras.limit.take());
        let left = limit.map(|limit| limit.due.saturating_duration_since(Moment::now()));
        // A limit beyond the clock counts as none.
        let deadline = left.and_then(|left| Instant::now().checked_add(left));
        let due = |call: &Self| match &call.stage {
            Progress::Sending(unsent) => unsent.room.due(),
            Progress::Refused(_) | Progress::Sent(_) | Progress::Done => None,
        };
        match block_until(&mut self, due, deadline) {
            Ok(outcome) => outcome,
            Err(cut) => match self.cut(cut) {
                Some(error) => {
                    let outcome = Err(error);
                    self.count(&outcome);
                    outcome
                }
                // The outcome only has to be picked up.
                None => block_on(self),
            },
        }
    }

    #[inline(never)]
    fn poll_with_extras(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, CallError<M>>> {
        let polled = self.poll_outcome(cx);
        if self.wait.is_recorded() {
            let is_limited = self.extras.as_ref().is_some_and(|extras| extras.limit.is_some());
            let Self { slot, stage, wait, .. } = self;
            match (&polled, stage.waiting()) {
                (Poll::Pending, Some(waiting)) => {
                    wait.goes_on(is_limited, cx.waker(), || WaitsOn::new(slot.clone(), What::Answer(waiting.fate())));
                }
                (Poll::Pending, None) | (Poll::Ready(_), _) => wait.ends(),
            }
        }
        if let Poll::Ready(outcome) = &polled {
            self.count(outcome);
        }
        polled
    }

    fn count(&self, outcome: &Result<T, CallError<M>>) {
        if let Some(outcomes) = self.extras.as_ref().and_then(|extras| extras.outcomes.as_ref()) {
            outcomes.count(outcome);
        }
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, CallError<M>>> {
        let this = self;
        if let Progress::Sending(unsent) = &mut this.stage
            && let Poll::Ready(sent) = Pin::new(&mut unsent.room).poll(cx)
        {
            this.sent(sent);
        }
        match &mut this.stage {
            Progress::Sent(waiting) => {
                if let Poll::Ready(result) = waiting.poll(cx, &this.slot) {
                    return Poll::Ready(result);
                }
            }
            Progress::Sending(..) => {}
            Progress::Refused(_) | Progress::Done => return this.refuse(),
        }
        if this.is_late(cx)
            && let Some(error) = this.cut(Cut::Late)
        {
            return Poll::Ready(Err(error));
        }
        Poll::Pending
    }

    /// Records the outcome of the wait for room.
    #[cold]
    fn sent(&mut self, sent: Result<(), Refused<M>>) {
        self.stage = match (sent, std::mem::replace(&mut self.stage, Progress::Done)) {
            (Ok(()), Progress::Sending(unsent)) => Progress::Sent(unsent.waiting),
            (Ok(()), stage) => stage,
            (Err((refusal, message)), _) => Progress::Refused(SendError::new(self.slot.path(), refusal, message)),
        };
    }

    /// Stops waiting. `None` if an outcome is there after all, or on its way.
    #[cold]
    fn cut(&mut self, cut: Cut) -> Option<CallError<M>> {
        if let Progress::Sending(unsent) = &mut self.stage {
            let refusal = match cut {
                Cut::Late => Refusal::Full,
                Cut::Interrupted => Refusal::Interrupted,
            };
            let sent = unsent.room.give_up(refusal);
            self.sent(sent);
        }
        let error = match std::mem::replace(&mut self.stage, Progress::Done) {
            Progress::Refused(error) => CallError::Refused(error),
            Progress::Sent(waiting) => match (waiting.time_out(), cut) {
                (Some(queued), Cut::Late) => CallError::TimedOut { path: self.slot.path(), queued },
                (Some(queued), Cut::Interrupted) => CallError::Interrupted { path: self.slot.path(), queued },
                (None, _) => {
                    self.stage = Progress::Sent(waiting);
                    return None;
                }
            },
            Progress::Sending(..) | Progress::Done => unreachable!("it waits for room no longer, and is not done"),
        };
        Some(error)
    }

    #[cold]
    fn refuse(&mut self) -> Poll<Result<T, CallError<M>>> {
        match std::mem::replace(&mut self.stage, Progress::Done) {
            Progress::Refused(error) => Poll::Ready(Err(CallError::Refused(error))),
            _ => panic!("a call was polled after it had completed"),
        }
    }
}

impl<M, T> Call<M, T> {
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        self.extras.as_mut().and_then(|extras| extras.limit.as_mut()).is_some_and(|limit| {
            let due = limit.due;
            limit.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due))).as_mut().poll(cx).is_ready()
        })
    }
}

impl<M, T> fmt::Debug for Call<M, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Progress::Refused(_) => "refused",
            Progress::Sending(..) => "waiting for room",
            Progress::Sent(waiting) if !waiting.is_done() => "sent",
            Progress::Sent(_) | Progress::Done => "done",
        };
        f.debug_struct("Call").field("stage", &stage).finish_non_exhaustive()
    }
}
