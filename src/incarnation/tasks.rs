//! The tasks that are linked to an incarnation: they end with it, and their panic ends it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};

use regrow_supervisors::Exit;
use tokio::task::{AbortHandle, JoinSet};

use crate::current;
use crate::log::{line, one_line};
use crate::port::Port;
use crate::sync::lock;

#[derive(Debug, Default)]
pub(crate) struct Tasks {
    set: Mutex<Option<JoinSet<()>>>,
    /// How the incarnation ended.
    end: OnceLock<Exit>,
}

impl Tasks {
    /// `None` when the incarnation is over: the future is dropped.
    pub(crate) fn spawn(
        &self,
        port: &Arc<Port>,
        path: Arc<str>,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> Option<AbortHandle> {
        let linked = Linked { future: Some(Box::pin(future)), port: port.clone(), path, mark: Some(port.clone()) };
        let mut set = lock(&self.set);
        if port.is_over() {
            drop(set);
            drop(linked);
            return None;
        }
        let set = set.get_or_insert_default();
        // What has finished is forgotten, so that a service that starts one per message does not grow.
        while set.try_join_next().is_some() {}
        Some(set.spawn(linked))
    }

    /// Aborts them all. The port is over already, and lets none start any more.
    pub(crate) fn close(&self, exit: &Exit) {
        let _ = self.end.set(exit.clone());
        if let Some(set) = &mut *lock(&self.set) {
            set.abort_all();
        }
    }

    pub(crate) fn end(&self) -> Option<&Exit> {
        self.end.get()
    }

    pub(crate) fn is_gone(&self) -> bool {
        lock(&self.set).as_ref().is_none_or(JoinSet::is_empty)
    }

    /// Ready when the last has been dropped.
    pub(crate) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut set = lock(&self.set);
        let Some(set) = &mut *set else { return Poll::Ready(()) };
        loop {
            match set.poll_join_next(cx) {
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Ready(Some(_)) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// What the user gave, and what is to be told when it is dropped.
struct Linked<F> {
    future: Option<Pin<Box<F>>>,
    port: Arc<Port>,
    path: Arc<str>,
    /// The port once more, lent to what asks whose code is running.
    mark: Option<Arc<Port>>,
}

impl<F: Future<Output = ()>> Future for Linked<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { future: Some(future), port, mark, .. } = &mut *self else { return Poll::Ready(()) };
        let _span = port.span().enter();
        current::run_linked(mark, || future.as_mut().poll(cx)).unwrap_or_else(|panic| {
            port.break_with(Exit::Panicked(panic));
            Poll::Ready(())
        })
    }
}

/// Replies that it holds go down with the incarnation, where it has ended.
impl<F> Drop for Linked<F> {
    fn drop(&mut self) {
        let future = self.future.take();
        let entered = self.port.span().enter();
        let dropped = match self.port.end() {
            Some(exit) => current::tear_down(&exit, future),
            None => current::catch(|| drop(future)),
        };
        drop(entered);
        if let Err(panic) = dropped {
            let path = &self.path;
            line!(ERROR, { path = %path, panic.text = %one_line(&panic) }, "a linked task panicked while it was dropped");
        }
    }
}
