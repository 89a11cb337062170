//! Tasks that are linked to an incarnation: they end with it, and a panic in one ends it.
//!
//! Invariants:
//! 1. A linked task is in the list from before it is spawned until its future has been dropped.
//! 2. A future of the user is never dropped, and a task never spawned or aborted, under the lock of the list. A runtime
//!    that shuts down drops futures at once when they are spawned, and their destructors may spawn more.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use regrow_supervisors::Exit;
use tokio::task::AbortHandle;

use crate::base::panics;
use crate::log::{line, one_line};
use crate::slot::current;
use crate::slot::signals::Signals;

impl Signals {
    /// Links a task to the incarnation. `None` if the incarnation is over: the future is dropped.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        path: Arc<str>,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> Option<AbortHandle> {
        let number = self.tasks().enter(|| self.is_over());
        let future = Some(Box::pin(future));
        let linked = Linked { future, signals: self.clone(), path, mark: Some(self.clone()), number };
        let number = number?;
        // Invariant 2.
        let task = tokio::spawn(linked).abort_handle();
        // The close may have come before there was a task to abort.
        if self.tasks().spawned(number, &task, || self.is_over()) {
            task.abort();
        }
        Some(task)
    }
}

/// Future of the user, with what must be done when it is dropped.
struct Linked<F> {
    future: Option<Pin<Box<F>>>,
    signals: Arc<Signals>,
    path: Arc<str>,
    /// The signals once more, lent as the mark of the running code.
    mark: Option<Arc<Signals>>,
    /// Number in the list, if the task was entered.
    number: Option<u64>,
}

impl<F: Future<Output = ()>> Future for Linked<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { future: Some(future), signals, mark, .. } = &mut *self else { return Poll::Ready(()) };
        let _span = signals.enter_span();
        current::run_linked(mark, || future.as_mut().poll(cx)).unwrap_or_else(|panic| {
            signals.break_with(Exit::Panicked(panic));
            Poll::Ready(())
        })
    }
}

/// Drops the future. If the incarnation has ended, calls to which the future holds the reply end with its exit.
impl<F> Drop for Linked<F> {
    fn drop(&mut self) {
        let future = self.future.take();
        let entered = self.signals.enter_span();
        let dropped = match self.signals.end() {
            Some(exit) => panics::tear_down(&exit, future),
            None => panics::catch(|| drop(future)),
        };
        drop(entered);
        if let Err(panic) = dropped {
            let path = &self.path;
            line!(ERROR, { path = %path, panic.text = %one_line(&panic) }, "a linked task panicked while it was dropped");
        }
        if let Some(number) = self.number {
            self.signals.unlink(number);
        }
    }
}
