//! The life of a service that owns an OS thread and iterates its mailbox.
//!
//! A thread cannot be dropped. A stop or a kill ends its iterator and its blocking waits. If its code is busy, the
//! supervisor waits for it, and abandons it in the end. The thread is then fenced: it takes no message and completes no
//! reply any more.

use std::fmt;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use regrow_supervisors::Exit;
use tokio::sync::oneshot;

use crate::base::{name, panics};
use crate::context::Inner;
use crate::error::Interruption;
use crate::handle::Handle;
use crate::incarnation::maker::Maker;
use crate::incarnation::redelivery::Redelivery;
use crate::incarnation::{End, failure, last_work};
use crate::monitor::{Monitor, PeerDown};
use crate::slot::blocking::block_on;
use crate::slot::consumer::{Next, SignalMask};
use crate::slot::current;
use crate::slot::signals::Waiting;
use crate::tree::Directory;
use crate::tree::lookup::LookupError;

/// Context of a thread service: an iterator over its messages, which ends when the thread must end.
///
/// A message counts as handled when the next one is asked for, or when the thread returns `Ok`.
pub struct Inbox<M> {
    inner: Inner<M>,
    redelivery: Option<Redelivery<M>>,
}

impl<M> Inbox<M> {
    #[allow(dead_code, reason = "only checkpoints call it, and they are a feature")]
    pub(crate) fn inner(&self) -> &Inner<M> {
        &self.inner
    }
}

impl<M: Send + 'static> Inbox<M> {
    /// Returns the service's own handle, which outlives this incarnation.
    pub fn handle(&self) -> Handle<M> {
        Handle::new(self.inner.slot.clone())
    }

    /// Finds a peer by name, as [`Context::lookup`](crate::Context::lookup) does.
    ///
    /// # Errors
    ///
    /// If there is no such service, or it takes other messages.
    pub fn lookup<N: Send + 'static>(&self, name: &str) -> Result<Handle<N>, LookupError> {
        self.inner.lookup(name)
    }

    /// Returns the service's full path.
    pub fn path(&self) -> Arc<str> {
        self.inner.slot.path()
    }

    /// Returns the generation of this incarnation.
    pub fn generation(&self) -> u64 {
        self.inner.generation()
    }

    /// Returns the exit of the life before this one; `None` for the first.
    pub fn last_exit(&self) -> Option<&Exit> {
        self.inner.last_exit()
    }

    /// Ends the iteration if no message waits in the mailbox, which takes no more messages then: see
    /// [`Context::stop_if_idle`](crate::Context::stop_if_idle). The incarnation ends normally when the thread returns.
    pub fn stop_if_idle(&self) -> bool {
        self.inner.slot.stop_if_idle(&self.inner.signals)
    }

    /// Returns the number of incarnations that have had the message in hand, this one included: see
    /// [`Context::delivery`](crate::Context::delivery). The message in hand is the one that the iterator returned last.
    pub fn delivery(&self) -> u32 {
        self.inner.delivery()
    }

    /// Returns the directory of the whole tree: see [`Context::directory`](crate::Context::directory). It has the
    /// [events](Directory::events), the [dead letters](Directory::dead_letters) and the [reasons](Directory::why). The
    /// last ones are async: in a thread, `tokio::runtime::Handle::current().block_on` waits for them.
    pub fn directory(&self) -> Directory {
        self.inner.directory()
    }

    /// Sends this service a message whenever an incarnation of `peer` ends: see
    /// [`Context::monitor`](crate::Context::monitor).
    pub fn monitor<N: Send + 'static>(
        &self,
        peer: &Handle<N>,
        message: impl Fn(PeerDown) -> M + Send + Sync + 'static,
    ) -> Monitor {
        self.inner.monitor(peer, message)
    }

    /// Says that this incarnation is ready to work, as [`Context::ready`](crate::Context::ready) does.
    pub fn ready(&self) {
        self.inner.ready();
    }

    /// Tells the watchdog that the message in hand needs `time` from now on, as
    /// [`Context::extend_deadline`](crate::Context::extend_deadline) does.
    pub fn extend_deadline(&self, time: Duration) {
        self.inner.extend_deadline(time);
    }

    /// Whether this incarnation must end: it was asked to, killed or abandoned. Long work should check this from time
    /// to time.
    pub fn is_cancelled(&self) -> bool {
        let is_cancelled = self.inner.signals.is_signalled();
        if is_cancelled {
            self.inner.signals.set_told();
        }
        is_cancelled
    }
}

impl<M: Send + 'static> Iterator for Inbox<M> {
    type Item = M;

    fn next(&mut self) -> Option<M> {
        panics::settle_orphans(None);
        let Inner { slot, signals, .. } = &self.inner;
        let next = std::future::poll_fn(|cx| {
            signals.register(Waiting::Consumer, cx.waker());
            loop {
                match slot.poll_next(signals, SignalMask::Everything, true, &mut slot.freed()) {
                    Poll::Ready(Next::Unwanted) => {}
                    next => return next,
                }
            }
        });
        match block_on(next) {
            Next::Message(message) => Some(match self.redelivery {
                None => message,
                Some(redelivery) => redelivery.prepare(&self.inner, message),
            }),
            Next::Unwanted => unreachable!("such a message is passed over"),
            Next::Signal => {
                self.inner.signals.set_told();
                None
            }
        }
    }
}

impl<M> fmt::Debug for Inbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("generation", &self.inner.generation()).finish_non_exhaustive()
    }
}

pub(crate) async fn live<M, F>(inner: Inner<M>, maker: Arc<Maker<F, M>>) -> End
where
    M: Send + 'static,
    F: Fn(Inbox<M>) -> anyhow::Result<()> + Send + Sync + 'static,
{
    inner.signals.set_interruptible();
    let (ended, end) = oneshot::channel();
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let (on_thread, runtime) = (inner.clone(), tokio::runtime::Handle::current());
    let thread = std::thread::Builder::new().name(name::of_thread(&inner.slot.path())).spawn(move || {
        // For timers in `call_within`, and for `tokio::spawn`.
        let _runtime = runtime.enter();
        let _span = on_thread.signals.enter_span();
        // The code of the user sees an incarnation that is up, as that of other services does.
        let _ = gone.recv();
        let exit = run(&on_thread, maker.code(), maker.redelivery());
        drop(maker);
        // An abandoned thread has no listener.
        let _ = ended.send(exit);
    });
    if let Err(error) = thread {
        return End::Exit(failure(anyhow::Error::new(error).context("no thread could be started")));
    }
    inner.up();
    drop(go);
    let exit = end.await.unwrap_or(Exit::Killed);
    End::Exit(match last_work(&inner.signals, exit) {
        Ok(work) => work.await,
        Err(exit) => exit,
    })
}

fn run<M: Send + 'static>(
    inner: &Inner<M>,
    work: &(impl Fn(Inbox<M>) -> anyhow::Result<()> + ?Sized),
    redelivery: Option<Redelivery<M>>,
) -> Exit {
    let outcome = current::run_as(&inner.signals, || {
        work(Inbox { inner: inner.clone(), redelivery }).map_err(|error| {
            let is_interrupted = error.chain().any(|cause| cause.is::<Interruption>());
            let exit = failure(error);
            match is_interrupted {
                // The thread has stopped as asked, in the middle of a wait.
                true if inner.signals.is_told_to_stop() => Exit::Shutdown,
                true if inner.signals.is_killed() => Exit::Killed,
                _ => exit,
            }
        })
    });
    match outcome {
        Ok(Ok(())) => {
            // Counts the last message as handled, and takes no other: the thread is over.
            settle_last(inner);
            if let Some(exit) = inner.signals.broken() {
                exit
            } else if inner.signals.is_told_to_stop() {
                Exit::Shutdown
            } else if inner.signals.is_killed() {
                Exit::Killed
            } else {
                Exit::Normal
            }
        }
        Ok(Err(exit)) => exit,
        Err(panic) => Exit::Panicked(panic),
    }
}

fn settle_last<M: Send + 'static>(inner: &Inner<M>) {
    inner.signals.leave(Exit::Normal);
    match inner.slot.poll_next(&inner.signals, SignalMask::Everything, true, &mut inner.slot.freed()) {
        Poll::Ready(Next::Signal) | Poll::Pending => {}
        Poll::Ready(Next::Message(_) | Next::Unwanted) => {
            unreachable!("an incarnation that leaves is given no message")
        }
    }
}
