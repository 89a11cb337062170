//! The tasks that are linked to an incarnation: they end with it, and their panic ends it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};

use regrow_supervisors::Exit;
use tokio::task::{AbortHandle, JoinSet};

use crate::current;
use crate::port::Port;
use crate::sync::lock;

#[derive(Debug, Default)]
pub(crate) struct Tasks {
    state: Mutex<State>,
    /// How the incarnation ended.
    end: Arc<OnceLock<Exit>>,
}

#[derive(Debug, Default)]
enum State {
    /// Most incarnations never start one.
    #[default]
    None,
    Some(JoinSet<()>),
    Closed(JoinSet<()>),
}

impl Tasks {
    /// `None` when the incarnation has ended: the future is dropped.
    pub(crate) fn spawn(
        &self,
        port: &Arc<Port>,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> Option<AbortHandle> {
        let linked = Linked { future: Some(Box::pin(future)), port: port.clone(), end: self.end.clone() };
        let mut state = lock(&self.state);
        if let State::None = *state {
            *state = State::Some(JoinSet::new());
        }
        match &mut *state {
            State::Some(set) => {
                // What has finished is forgotten, so that a service that starts one per message does not grow.
                while set.try_join_next().is_some() {}
                Some(set.spawn(linked))
            }
            State::None | State::Closed(_) => {
                drop(state);
                drop(linked);
                None
            }
        }
    }

    /// Aborts them all. None can be started any more.
    pub(crate) fn close(&self, exit: &Exit) {
        let _ = self.end.set(exit.clone());
        let mut state = lock(&self.state);
        let mut set = match std::mem::take(&mut *state) {
            State::None => JoinSet::new(),
            State::Some(set) | State::Closed(set) => set,
        };
        set.abort_all();
        *state = State::Closed(set);
    }

    pub(crate) fn is_gone(&self) -> bool {
        match &*lock(&self.state) {
            State::None => true,
            State::Some(set) | State::Closed(set) => set.is_empty(),
        }
    }

    /// Ready when the last has been dropped.
    pub(crate) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *lock(&self.state) {
            State::None => Poll::Ready(()),
            State::Some(set) | State::Closed(set) => loop {
                match set.poll_join_next(cx) {
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Ready(Some(_)) => {}
                    Poll::Pending => return Poll::Pending,
                }
            },
        }
    }
}

/// What the user gave, and what is to be told when it is dropped.
struct Linked<F> {
    future: Option<Pin<Box<F>>>,
    port: Arc<Port>,
    end: Arc<OnceLock<Exit>>,
}

impl<F: Future<Output = ()>> Future for Linked<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(future) = &mut self.future else { return Poll::Ready(()) };
        current::catch(|| future.as_mut().poll(cx)).unwrap_or_else(|panic| {
            self.port.break_with(Exit::Panicked(panic));
            Poll::Ready(())
        })
    }
}

/// Replies that it holds go down with the incarnation, where it has ended.
impl<F> Drop for Linked<F> {
    fn drop(&mut self) {
        let future = self.future.take();
        let dropped = match self.end.get() {
            Some(exit) => current::tear_down(exit, future),
            None => current::catch(|| drop(future)),
        };
        if let Err(panic) = dropped {
            tracing::error!(%panic, "a linked task panicked while being dropped");
        }
    }
}
