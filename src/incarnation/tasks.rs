//! The tasks that are linked to an incarnation: they end with it, and their panic ends it.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use regrow_supervisors::Exit;
use tokio::task::{AbortHandle, JoinSet};

use crate::current;
use crate::port::Port;
use crate::sync::lock;

#[derive(Debug, Default)]
pub(crate) struct Tasks {
    state: Mutex<State>,
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
        let linked = linked(port.clone(), future);
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
    pub(crate) fn close(&self) {
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

async fn linked(port: Arc<Port>, future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    let outcome = std::future::poll_fn(|cx| match current::catch(|| future.as_mut().poll(cx)) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    });
    if let Err(panic) = outcome.await {
        port.break_with(Exit::Panicked(panic));
    }
}
