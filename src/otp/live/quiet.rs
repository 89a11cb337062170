//! A runtime with one thread and a paused clock, and a future that completes when no task in it can go on.
//!
//! The hook runs when no task is runnable, before the clock would jump. Unlike a short sleep, waiting for the hook does
//! not move the clock, and timers that are due at this moment have fired by then.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use tokio::runtime::{Builder, Runtime};

use crate::base::sync::lock;

#[derive(Debug, Default)]
pub(super) struct Quiet {
    parks: AtomicU64,
    waiting: Mutex<Option<Waker>>,
}

impl Quiet {
    /// Builds the runtime, with its hook.
    pub(super) fn runtime() -> std::io::Result<(Runtime, Arc<Self>)> {
        let quiet = Arc::new(Self::default());
        let hook = quiet.clone();
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).on_thread_park(move || hook.parked()).build()?;
        Ok((runtime, quiet))
    }

    fn parked(&self) {
        self.parks.fetch_add(1, Ordering::Relaxed);
        let waiting = lock(&self.waiting).take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// Completes when no task can go on before time passes.
    pub(super) async fn settled(&self) {
        let mut since = None;
        std::future::poll_fn(|cx| {
            let parks = self.parks.load(Ordering::Relaxed);
            if *since.get_or_insert(parks) < parks {
                return Poll::Ready(());
            }
            *lock(&self.waiting) = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
