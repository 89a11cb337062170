//! What subscribers see.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use futures_core::Stream;
use regrow_supervisors::{DependencyGone, Exit};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::coop;

use crate::error::gave_up::GaveUp;

/// Something that happened to a child of the tree.
#[derive(Debug, Clone)]
pub struct Event {
    /// The child's full path.
    pub path: Arc<str>,
    /// The generation it happened to; for a start that failed, the latest one before.
    pub generation: u64,
    /// What happened.
    pub kind: EventKind,
}

/// An outage that is over: a child failed, and is up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outage {
    /// How long it was not up: from its first failure on.
    pub time: Duration,
    /// How many starts it took, the last one included.
    pub attempts: u32,
}

/// What happened to a child.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum EventKind {
    /// An incarnation is up.
    Started {
        /// What the factory said about it.
        info: Option<Arc<str>>,
        /// The outage that this ends. `None` for a first start, and after an end that was no failure.
        outage: Option<Outage>,
    },
    /// An attempt to start came to nothing.
    StartFailed {
        /// Why.
        exit: Exit,
    },
    /// The factory said that the service is not wanted.
    Ignored,
    /// The incarnation has ended.
    Exited {
        /// How.
        exit: Exit,
    },
    /// It was told to stop and ended otherwise than expected (OTP rule 51).
    ShutdownError {
        /// How it ended.
        exit: Exit,
    },
    /// A kill did not end it in time; it was cut off and left behind.
    Abandoned,
    /// Its restart was put off.
    Delayed {
        /// For how long.
        delay: Duration,
    },
    /// It is not started yet, because services that it depends on are not ready, or jobs are not completed.
    Waiting,
    /// At its start, a service that it depends on was gone for good.
    DependencyGone {
        /// The service.
        dependency: Arc<str>,
        /// What becomes of the child.
        then: DependencyGone,
    },
    /// It alone is put away, refuses what it is sent, and is tried from time to time: its restart budget is gone, or a
    /// service that it depends on is gone or parked.
    Parked {
        /// How long until it is tried next.
        probe_in: Duration,
    },
    /// It is killed because its start took too long, or because it hung.
    Overdue {
        /// What its exit will be.
        exit: Exit,
    },
    /// It was ending by itself and took longer for that than its shutdown time: its stop hook, or a destructor. It is killed.
    Overran {
        /// What its exit will be: that with which it began to end.
        exit: Exit,
    },
    /// Its code has not yielded for longer than its watchdog allows. What is done about it is told by
    /// [`Overdue`](Self::Overdue), unless it comes back before that.
    Blocks {
        /// For how long by now.
        time: Duration,
    },
    /// It will not be started again by itself.
    Down,
    /// Its spec is forgotten.
    Gone,
    /// This supervisor ends itself over one of its children: a restart budget is used up (OTP rule 28), a rule escalates, or
    /// a significant child ended by a fault.
    GaveUp {
        /// Which child, how it had ended, and what forbade one more restart.
        why: Arc<GaveUp>,
    },
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { info: None, .. } => f.write_str("started"),
            Self::Started { info: Some(info), .. } => write!(f, "started ({info})"),
            Self::StartFailed { exit } => write!(f, "failed to start: {exit}"),
            Self::Ignored => f.write_str("is not wanted"),
            Self::Exited { exit } => write!(f, "exited: {exit}"),
            Self::ShutdownError { exit } => write!(f, "did not stop as asked: {exit}"),
            Self::Abandoned => f.write_str("was abandoned"),
            Self::Delayed { delay } => write!(f, "is started again in {delay:.1?}"),
            Self::Waiting => f.write_str("waits for services that it depends on"),
            Self::DependencyGone { dependency, then } => {
                let then = match then {
                    DependencyGone::Park => "is parked",
                    DependencyGone::Fail => "fails to start",
                    DependencyGone::GoOn => "starts without it",
                };
                write!(f, "{then}: `{dependency}`, which it depends on, is gone")
            }
            Self::Parked { probe_in } => write!(f, "is parked, and tried again in {probe_in:.1?}"),
            Self::Overdue { exit } => write!(f, "takes too long and is killed: {exit}"),
            Self::Overran { exit } => write!(f, "was leaving ({exit}), overran its shutdown time and is killed"),
            Self::Blocks { time } => write!(f, "has blocked its thread for {time:.1?}"),
            Self::Down => f.write_str("is down"),
            Self::Gone => f.write_str("is gone"),
            Self::GaveUp { why } => why.fmt(f),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{} {}", self.path, self.generation, self.kind)
    }
}

/// A bounded [`Stream`] of the tree's events, from the moment it was asked for. A subscriber that falls behind loses
/// the oldest ones, and learns how many.
pub struct Events {
    /// `None` while an event is waited for.
    receiver: Option<broadcast::Receiver<Event>>,
    /// Kept here, so that no event is lost if the subscriber stops waiting. The lock lets the stream be shared between
    /// threads, and is never taken.
    wait: Option<Mutex<Wait>>,
}

type Wait = Pin<Box<dyn Future<Output = (Result<Event, RecvError>, broadcast::Receiver<Event>)> + Send>>;

/// Events that a slow subscriber lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged(
    /// How many.
    pub u64,
);

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events were lost because the subscriber was too slow", self.0)
    }
}

impl std::error::Error for Lagged {}

impl Events {
    pub(crate) fn new(receiver: broadcast::Receiver<Event>) -> Self {
        Self { receiver: Some(receiver), wait: None }
    }

    /// The next event; `None` when the tree is over and all its events have been seen. No event is lost if the future is
    /// dropped.
    ///
    /// # Errors
    ///
    /// When events were lost since the last one. The stream goes on behind the gap.
    pub async fn next(&mut self) -> Option<Result<Event, Lagged>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The next event if there is one now.
    ///
    /// # Errors
    ///
    /// As for [`next`](Self::next).
    pub fn try_next(&mut self) -> Option<Result<Event, Lagged>> {
        match self.poll_event(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(event) => event,
            Poll::Pending => None,
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Lagged>>> {
        if let Some(receiver) = &mut self.receiver {
            match receiver.try_recv() {
                Ok(event) => return Poll::Ready(Some(Ok(event))),
                Err(TryRecvError::Lagged(count)) => return Poll::Ready(Some(Err(Lagged(count)))),
                Err(TryRecvError::Closed) => return Poll::Ready(None),
                Err(TryRecvError::Empty) => {}
            }
        }
        let begin = |mut receiver: broadcast::Receiver<Event>| -> Mutex<Wait> {
            Mutex::new(Box::pin(coop::unconstrained(async move { (receiver.recv().await, receiver) })))
        };
        if self.wait.is_none() {
            self.wait = self.receiver.take().map(begin);
        }
        let Some(wait) = &mut self.wait else { unreachable!("what does not wait has the receiver") };
        let wait = wait.get_mut().unwrap_or_else(PoisonError::into_inner);
        let (event, receiver) = ready!(wait.as_mut().poll(cx));
        (self.receiver, self.wait) = (Some(receiver), None);
        Poll::Ready(match event {
            Ok(event) => Some(Ok(event)),
            Err(RecvError::Lagged(count)) => Some(Err(Lagged(count))),
            Err(RecvError::Closed) => None,
        })
    }
}

impl Stream for Events {
    type Item = Result<Event, Lagged>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // A subscriber of a busy tree lets other tasks have their turn.
        let turn = ready!(coop::poll_proceed(cx));
        let event = self.poll_event(cx);
        if event.is_ready() {
            turn.made_progress();
        }
        event
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}
