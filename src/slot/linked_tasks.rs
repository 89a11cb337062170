//! The tasks that are linked to an incarnation: they end with it, and their panic ends it.
//!
//! Invariants:
//! 1. A linked task is in the list from before it is spawned until its future has been dropped.
//! 2. A future of the user's is never dropped, and a task never spawned or aborted, under the lock of the list. A
//!    runtime that goes away drops futures where they are spawned, and their destructors may spawn more.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};

use regrow_supervisors::Exit;
use tokio::task::AbortHandle;

use crate::base::panics;
use crate::base::sync::lock;
use crate::log::{line, one_line};
use crate::slot::current;
use crate::slot::signals::Signals;

#[derive(Debug, Default)]
pub(crate) struct Tasks {
    list: Mutex<List>,
    /// How the incarnation ended.
    end: OnceLock<Exit>,
}

#[derive(Debug, Default)]
struct List {
    /// By number; `None` for a task that is being spawned.
    tasks: BTreeMap<u64, Option<AbortHandle>>,
    /// The number of the latest.
    number: u64,
    /// Called when the last task is gone.
    waker: Option<Waker>,
}

impl List {
    fn enter(&mut self) -> u64 {
        self.number += 1;
        self.tasks.insert(self.number, None);
        self.number
    }
}

impl Tasks {
    /// `None` when the incarnation is over: the future is dropped.
    pub(crate) fn spawn(
        &self,
        signals: &Arc<Signals>,
        path: Arc<str>,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> Option<AbortHandle> {
        // Looked at under the lock: a close that comes later finds the task in the list.
        let number = {
            let mut list = lock(&self.list);
            if signals.is_over() { None } else { Some(list.enter()) }
        };
        let future = Some(Box::pin(future));
        let linked = Linked { future, signals: signals.clone(), path, mark: Some(signals.clone()), number };
        number?;
        // Invariant 2.
        let task = tokio::spawn(linked).abort_handle();
        let is_over = {
            let mut list = lock(&self.list);
            if let Some(place) = number.and_then(|number| list.tasks.get_mut(&number)) {
                *place = Some(task.clone());
            }
            signals.is_over()
        };
        // The close may have come before there was anything to abort.
        if is_over {
            task.abort();
        }
        Some(task)
    }

    /// Aborts them all. The port is over already, and lets none start any more.
    pub(crate) fn close(&self, exit: &Exit) {
        let _ = self.end.set(exit.clone());
        let tasks: Vec<_> = lock(&self.list).tasks.values().flatten().cloned().collect();
        tasks.iter().for_each(AbortHandle::abort);
    }

    pub(crate) fn end(&self) -> Option<&Exit> {
        self.end.get()
    }

    pub(crate) fn is_gone(&self) -> bool {
        lock(&self.list).tasks.is_empty()
    }

    /// Ready when the last has been dropped.
    pub(crate) fn poll_gone(&self, cx: &Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let (before, is_gone) = {
            let mut list = lock(&self.list);
            (list.waker.replace(waker), list.tasks.is_empty())
        };
        drop(before);
        if is_gone { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The future of this task has been dropped.
    pub(crate) fn ended(&self, number: u64) {
        let (task, waker) = {
            let mut list = lock(&self.list);
            let task = list.tasks.remove(&number);
            (task, if list.tasks.is_empty() { list.waker.take() } else { None })
        };
        drop(task);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What the user gave, and what is to be told when it is dropped.
struct Linked<F> {
    future: Option<Pin<Box<F>>>,
    signals: Arc<Signals>,
    path: Arc<str>,
    /// The port once more, lent to what asks whose code is running.
    mark: Option<Arc<Signals>>,
    /// Its number in the list, if it was let in.
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

/// Replies that it holds go down with the incarnation, where it has ended.
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
