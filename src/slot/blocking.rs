//! Blocking waits: a thread without a runtime waits for a future.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use crate::slot::current;
use crate::slot::signals::Waiting;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            // A wake-up between the poll and here makes this return at once.
            Poll::Pending => thread::park(),
        }
    }
}

/// Reason for which a thread stops waiting before the outcome has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The time limit is over.
    Late,
    /// The incarnation of the waiting code must stop, or was killed.
    Interrupted,
}

/// Does what [`block_on`] does, up to `deadline`. `due` returns when to poll again if nothing has woken the thread.
///
/// It needs no timers, and so no runtime.
pub(crate) fn block_until<F: Future + Unpin>(
    future: &mut F,
    due: impl Fn(&F) -> Option<Instant>,
    deadline: Option<Instant>,
) -> Result<F::Output, Cut> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let signals = current::lent(Arc::clone);
    if let Some(signals) = &signals {
        // Registered before the signals are read: invariant 1 of `signals.rs`.
        signals.register(Waiting::Consumer, &waker);
    }
    loop {
        if let Poll::Ready(output) = Pin::new(&mut *future).poll(&mut cx) {
            return Ok(output);
        }
        if let Some(signals) = signals.as_ref().filter(|signals| signals.is_interrupted()) {
            signals.set_told();
            return Err(Cut::Interrupted);
        }
        let now = Instant::now();
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Err(Cut::Late);
        }
        match due(future).into_iter().chain(deadline).min() {
            Some(next) => thread::park_timeout(next.saturating_duration_since(now)),
            None => thread::park(),
        }
    }
}
