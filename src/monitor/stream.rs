//! The ends of a peer as a stream, for code that is no service.
//!
//! The invariants are those of `monitor.rs`.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskCx, Poll, Waker};

use futures_core::Stream;
use regrow_supervisors::Exit;

use crate::base::sync::lock;
use crate::handle::Handle;
use crate::monitor::PeerDown;
use crate::slot::monitors::Watches;

/// Stream of the ends of a peer, made by [`Handle::monitor`].
///
/// It holds at most one report. Ends that come before it is received are merged into it.
#[must_use = "dropping the stream ends the monitor"]
pub struct PeerDowns {
    cell: Arc<StreamCell>,
}

impl<M: Send + 'static> Handle<M> {
    /// Returns a stream of the ends of this service's incarnations, for code that is no service: see
    /// [`Context::monitor`](crate::Context::monitor), which says what is reported. Dropping it ends the monitor.
    pub fn monitor(&self) -> PeerDowns {
        let cell = Arc::new(StreamCell::default());
        let watcher: Arc<dyn Watches> = cell.clone();
        self.slot().watch_ends(&watcher);
        let state = self.status().state;
        if state.refusal().is_some() {
            let mut inbox = lock(&cell.inbox);
            if !inbox.was_told {
                inbox.report = Some(PeerDown::not_running(self));
            }
            inbox.is_gone |= state == crate::ServiceState::Gone;
        }
        PeerDowns { cell }
    }
}

#[derive(Default)]
struct StreamCell {
    inbox: Mutex<StreamInbox>,
}

#[derive(Default)]
struct StreamInbox {
    report: Option<PeerDown>,
    was_told: bool,
    is_gone: bool,
    waker: Option<Waker>,
}

impl StreamCell {
    /// Changes the inbox and wakes the receiver. Returns what is to be dropped without the lock.
    fn change<T>(&self, change: impl FnOnce(&mut StreamInbox) -> T) -> T {
        let (changed, waker) = {
            let mut inbox = lock(&self.inbox);
            (change(&mut inbox), inbox.waker.take())
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        changed
    }
}

impl Watches for StreamCell {
    fn ended(self: Arc<Self>, path: &Arc<str>, generation: u64, exit: &Exit) {
        let report = PeerDown::ended(path, generation, exit);
        let before = self.change(|inbox| {
            inbox.was_told = true;
            match &mut inbox.report {
                Some(waiting) => Some(waiting.merge(report)),
                None => inbox.report.replace(report),
            }
        });
        drop(before);
    }

    fn gone(&self) {
        self.change(|inbox| inbox.is_gone = true);
    }
}

impl PeerDowns {
    /// Waits for the next report. `None` if the service is gone and all ends have been received. No report is lost if
    /// the future is dropped.
    pub async fn recv(&mut self) -> Option<PeerDown> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Returns the next report, if there is one now.
    pub fn try_recv(&mut self) -> Option<PeerDown> {
        lock(&self.cell.inbox).report.take()
    }

    fn poll_recv(&mut self, cx: &TaskCx<'_>) -> Poll<Option<PeerDown>> {
        // Cloned and dropped without the lock: both may run foreign code.
        let waker = cx.waker().clone();
        let (before, polled) = {
            let mut inbox = lock(&self.cell.inbox);
            let polled = match inbox.report.take() {
                Some(report) => Poll::Ready(Some(report)),
                None if inbox.is_gone => Poll::Ready(None),
                None => Poll::Pending,
            };
            (inbox.waker.replace(waker), polled)
        };
        drop(before);
        polled
    }
}

impl Stream for PeerDowns {
    type Item = PeerDown;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskCx<'_>) -> Poll<Option<PeerDown>> {
        self.poll_recv(cx)
    }
}

impl fmt::Debug for PeerDowns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerDowns").finish_non_exhaustive()
    }
}
