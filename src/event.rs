//! Events of a tree, and the stream on which subscribers receive them.

mod word;

pub(crate) mod act;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use futures_core::Stream;
use regrow_supervisors::{DependencyGone, Exit, FailuresSeen};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::coop;

use crate::error::gave_up::GaveUp;
use crate::event::act::Act;
use crate::slot::kept::KeptInfo;

/// Something that happened to a child of the tree.
#[derive(Debug, Clone)]
pub struct Event {
    /// Full path of the child.
    pub path: Arc<str>,
    /// Generation that it happened to; for a failed start, the latest one before.
    pub generation: u64,
    /// Kind of the event.
    pub kind: EventKind,
}

/// Outage that is over: a child failed, and is up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outage {
    /// Time from the first failure until the child was up again.
    pub time: Duration,
    /// Number of starts that it took, the last one included.
    pub attempts: u32,
}

/// Kind of an event, with what belongs to it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum EventKind {
    /// An incarnation is up.
    Started {
        /// Text that the factory gave with [`Context::info`](crate::Context::info).
        info: Option<Arc<str>>,
        /// Outage that this start ends. `None` for a first start, and after an end that was no failure.
        outage: Option<Outage>,
    },
    /// An attempt to start failed.
    StartFailed {
        /// Reason of the failure.
        exit: Exit,
    },
    /// The factory said that the service is not wanted.
    Ignored,
    /// The incarnation has ended.
    Exited {
        /// Reason of the end.
        exit: Exit,
    },
    /// The child was asked to stop and did not end as expected (OTP rule 51).
    ShutdownError {
        /// Reason of the end.
        exit: Exit,
    },
    /// A kill did not end the child in time. It was fenced off and left behind.
    Abandoned,
    /// The restart of the child was put off.
    Delayed {
        /// Time until the restart.
        delay: Duration,
    },
    /// The child is not started yet, because services that it depends on are not ready, or jobs are not completed.
    Waiting,
    /// Too many messages of the child failed within the window of its policy. What happens then follows as an event of its
    /// own, such as [`Parked`](Self::Parked).
    TooManyFailures {
        /// The failures.
        failures: FailuresSeen,
        /// The latest of them.
        exit: Exit,
    },
    /// The value that the child [keeps](crate::Context::keep) is set aside, because several lives in a row that began with
    /// it failed. What happens then follows as an event of its own, such as [`Parked`](Self::Parked). See
    /// [`Policy::kept`](field@crate::Policy::kept).
    KeptSetAside {
        /// The value. `failed` is the number of those lives.
        kept: Arc<KeptInfo>,
        /// Exit of the last of them.
        exit: Exit,
    },
    /// The child is restarted, because a service that it depends on is ready again in a new life. Its policy asks for
    /// that with [`Dependency::restart`](crate::Dependency::restart). No budget is charged.
    Renewed {
        /// Path of that service.
        dependency: Arc<str>,
    },
    /// A service that the child depends on was gone for good when the child was to start.
    DependencyGone {
        /// Path of that service.
        dependency: Arc<str>,
        /// Consequence for the child.
        then: DependencyGone,
    },
    /// The child is set aside: it refuses messages. It is tried again from time to time if its restart budget is used up,
    /// or if a service that it depends on is gone or parked. If an order has parked it, an order has to revive it.
    Parked {
        /// Time until the next try. `None`: an order has to revive it, or the service that it waits for.
        probe_in: Option<Duration>,
        /// Reason of the order that parked it, if an order did.
        reason: Option<Arc<str>>,
    },
    /// The child is killed because its start took too long, or because it hung.
    Overdue {
        /// Exit that the child will have.
        exit: Exit,
    },
    /// The child was ending without having been asked to, and its stop hook or a destructor took longer than its
    /// shutdown time. It is killed.
    Overran {
        /// Exit that the child will have: the one with which it began to end.
        exit: Exit,
    },
    /// An order restarts the child: see [`Handle::restart`](crate::Handle::restart). Its end and its start follow, and
    /// neither is charged to a budget.
    RestartOrdered {
        /// Reason that came with the order.
        reason: Arc<str>,
    },
    /// The code of the child has not yielded for longer than its watchdog allows. [`Overdue`](Self::Overdue) reports
    /// the kill that follows, unless the code comes back before that.
    Blocks {
        /// Time without a yield so far.
        time: Duration,
    },
    /// The child is down. It starts again only if ordered to.
    Down,
    /// The spec of the child was deleted.
    Gone,
    /// This supervisor ends itself because of one of its children. Its restart budget is used up (OTP rule 28), a rule
    /// escalates, or a significant child ended by a fault.
    GaveUp {
        /// The child, its exit, and the reason why no more restart was allowed.
        why: Arc<GaveUp>,
    },
    /// The child ends for good, and its siblings and its supervisor go on: its restart budget is used up, and its policy
    /// says [`GiveUp::Stop`](crate::GiveUp::Stop). [`Down`](Self::Down) follows, or [`Gone`](Self::Gone) below a dynamic
    /// supervisor.
    GivenUp {
        /// The supervisor, the exit of the child, and the reason why no more restart was allowed.
        why: Arc<GaveUp>,
    },
    /// An operator acted on the child, or tried to. What follows is told by events of its own.
    Acted {
        /// The act.
        act: Arc<Act>,
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
            Self::TooManyFailures { failures, exit } => {
                write!(f, "fails too often: {failures}, the last one as {exit}")
            }
            Self::KeptSetAside { kept, exit } => {
                let lives = if kept.failed == 1 { "life" } else { "lives in a row" };
                write!(
                    f,
                    "begins without {kept}: {} {lives} that began with it ended, the last one as {exit}",
                    kept.failed
                )
            }
            Self::Renewed { dependency } => {
                write!(f, "is restarted with `{dependency}`, which is ready again in a new life")
            }
            Self::Waiting => f.write_str("waits for services that it depends on"),
            Self::DependencyGone { dependency, then } => {
                let then = match then {
                    DependencyGone::Park => "is parked",
                    DependencyGone::Fail => "fails to start",
                    DependencyGone::GoOn => "starts without it",
                };
                write!(f, "{then}: `{dependency}`, which it depends on, is gone")
            }
            Self::Parked { reason: Some(reason), .. } => write!(f, "is parked by order: {reason}"),
            Self::Parked { probe_in: Some(time), .. } => write!(f, "is parked, and tried again in {time:.1?}"),
            Self::Parked { .. } => f.write_str("is parked until the service that it waits for is revived"),
            Self::Overdue { exit } => write!(f, "takes too long and is killed: {exit}"),
            Self::Overran { exit } => write!(f, "was leaving ({exit}), overran its shutdown time and is killed"),
            Self::RestartOrdered { reason } => write!(f, "is restarted by order: {reason}"),
            Self::Blocks { time } => write!(f, "has blocked its thread for {time:.1?}"),
            Self::Down => f.write_str("is down"),
            Self::Gone => f.write_str("is gone"),
            Self::GaveUp { why } => why.fmt(f),
            Self::GivenUp { why } => {
                f.write_str("ends for good: ")?;
                why.say_why(f)
            }
            Self::Acted { act } => write!(f, "act of an operator: {act}"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{} {}", self.path, self.generation, self.kind)
    }
}

/// Bounded [`Stream`] of the tree's events, from the moment of subscription. A subscriber that falls behind loses the
/// oldest events, and learns how many.
pub struct Events {
    /// `None` while the stream waits for an event.
    receiver: Option<broadcast::Receiver<Event>>,
    /// Kept here, so that no event is lost if the subscriber stops waiting. The lock only lets the stream be shared
    /// between threads; it is never taken.
    wait: Option<Mutex<Wait>>,
}

type Wait = Pin<Box<dyn Future<Output = (Result<Event, RecvError>, broadcast::Receiver<Event>)> + Send>>;

/// Error of a subscriber that was too slow: events were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged(
    /// Number of lost events.
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

    /// Waits for the next event; `None` when the tree is over and all its events have been seen. No event is lost if
    /// the future is dropped.
    ///
    /// # Errors
    ///
    /// [`Lagged`] if events were lost since the last one. The stream goes on after the gap.
    pub async fn next(&mut self) -> Option<Result<Event, Lagged>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Returns the next event if there is one now.
    ///
    /// # Errors
    ///
    /// Those of [`next`](Self::next).
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
        let Some(wait) = &mut self.wait else { unreachable!("a stream that does not wait has the receiver") };
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
        // A subscriber of a busy tree lets other tasks run in between.
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
