//! Calls: the reply, the wait for it, and what became of a call that gets none.

mod cell;
mod forward;

use std::fmt;
use std::pin::Pin;
#[cfg(feature = "chaos")]
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

#[cfg(feature = "chaos")]
use crate::chaos::tally::Tally;
use crate::error::{CallError, SendError};
use crate::watchdog::Wait;
pub use cell::Reply;
pub(crate) use cell::{Answer, Fate, Waiting, pair};

/// A call under way: a future of its outcome, made by [`Handle::call`](crate::Handle::call).
///
/// The message was sent when this was made. Dropping it leaves the message where it is: it will run, and its answer is
/// thrown away.
#[must_use = "a call does nothing more for you unless its answer is awaited"]
pub struct Call<M, T> {
    stage: Progress<M, T>,
    limit: Option<Pin<Box<tokio::time::Sleep>>>,
    /// What the watchdog is told of it, if it is to be told anything.
    wait: Option<Box<Wait>>,
    /// Where its outcome is counted while an experiment goes on.
    #[cfg(feature = "chaos")]
    tally: Option<Arc<Tally>>,
}

/// How far a call has come.
pub(crate) enum Progress<M, T> {
    Refused(SendError<M>),
    /// It waits for room in the mailbox.
    Sending(Pin<Box<dyn Future<Output = Result<(), SendError<M>>> + Send>>, Waiting<M, T>),
    Sent(Waiting<M, T>),
    Done,
}

impl<M, T> Call<M, T> {
    pub(crate) fn new(stage: Progress<M, T>) -> Self {
        Self {
            stage,
            limit: None,
            wait: None,
            #[cfg(feature = "chaos")]
            tally: None,
        }
    }

    pub(crate) fn seen_by(mut self, wait: Option<Box<Wait>>) -> Self {
        self.wait = wait;
        self
    }

    #[cfg(feature = "chaos")]
    pub(crate) fn counted(mut self, tally: Option<Arc<Tally>>) -> Self {
        self.tally = tally;
        self
    }

    /// Waits no longer than `limit` from now; then the call ends as [`CallError::TimedOut`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled, as [`tokio::time::sleep`] does.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(Box::pin(tokio::time::sleep(limit)));
        self
    }
}

impl<M, T> Unpin for Call<M, T> {}

impl<M: Send + 'static, T> Future for Call<M, T> {
    type Output = Result<T, CallError<M>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.poll_outcome(cx);
        let is_limited = self.limit.is_some();
        if let Some(wait) = &mut self.wait {
            match polled {
                Poll::Pending => wait.goes_on(is_limited),
                Poll::Ready(_) => self.wait = None,
            }
        }
        #[cfg(feature = "chaos")]
        if let (Poll::Ready(outcome), Some(tally)) = (&polled, &self.tally) {
            tally.count(outcome);
        }
        polled
    }
}

impl<M: Send + 'static, T> Call<M, T> {
    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, CallError<M>>> {
        let this = self;
        if let Progress::Sending(sending, _) = &mut this.stage {
            let sent = sending.as_mut().poll(cx);
            this.stage = match (sent, std::mem::replace(&mut this.stage, Progress::Done)) {
                (Poll::Ready(Err(error)), _) => Progress::Refused(error),
                (Poll::Ready(Ok(())), Progress::Sending(_, waiting)) => Progress::Sent(waiting),
                (_, stage) => stage,
            };
        }
        match &mut this.stage {
            Progress::Sent(waiting) => {
                if let Poll::Ready(result) = waiting.poll(cx) {
                    this.stage = Progress::Done;
                    return Poll::Ready(result);
                }
            }
            Progress::Sending(..) => {}
            Progress::Refused(_) | Progress::Done => return this.refuse(),
        }
        if this.is_late(cx)
            && let Some(queued) = this.time_out()
        {
            this.stage = Progress::Done;
            return Poll::Ready(Err(CallError::TimedOut { queued }));
        }
        Poll::Pending
    }

    #[cold]
    fn refuse(&mut self) -> Poll<Result<T, CallError<M>>> {
        match std::mem::replace(&mut self.stage, Progress::Done) {
            Progress::Refused(error) => Poll::Ready(Err(CallError::Refused(error))),
            _ => panic!("a call was polled after it had completed"),
        }
    }

    /// Where the message was left; `None` when an outcome is there after all.
    fn time_out(&self) -> Option<bool> {
        match &self.stage {
            Progress::Sent(waiting) => waiting.time_out(),
            Progress::Sending(..) | Progress::Refused(_) | Progress::Done => Some(false),
        }
    }
}

impl<M, T> Call<M, T> {
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        self.limit.as_mut().is_some_and(|limit| limit.as_mut().poll(cx).is_ready())
    }
}

impl<M, T> fmt::Debug for Call<M, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Progress::Refused(_) => "refused",
            Progress::Sending(..) => "waiting for room",
            Progress::Sent(_) => "sent",
            Progress::Done => "done",
        };
        f.debug_struct("Call").field("stage", &stage).finish_non_exhaustive()
    }
}
