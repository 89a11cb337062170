//! Tasks that give a value, or the reason why there is none.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as Polling, Poll};

use regrow_supervisors::Exit;
use tokio::sync::oneshot;

use crate::base::panics;
use crate::context::{Context, TaskContext};
use crate::error::task::TaskError;
use crate::incarnation::service::caught;
use crate::slot::signals::Signals;

/// A task that runs already, whether it is awaited or not. Awaiting it gives its value, or the reason why there is none.
/// [`Context::run`] and [`Tasks::spawn`](crate::Tasks::spawn) return it.
///
/// Dropping it does not end the task, and drops the value. [`cancel`](Self::cancel) ends the task.
#[must_use = "the value of the task is lost if the task is not awaited"]
pub struct RunningTask<T> {
    value: oneshot::Receiver<Result<T, TaskError>>,
    cancel: Box<dyn Fn() + Send + Sync>,
}

impl<T> RunningTask<T> {
    pub(crate) fn new(
        value: oneshot::Receiver<Result<T, TaskError>>,
        cancel: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self { value, cancel: Box::new(cancel) }
    }

    /// Ends the task at its next await, unless it has finished. A task of a pool that listens for
    /// [`stopping`](TaskContext::stopping) has its shutdown time to end in its own way.
    pub fn cancel(&self) {
        (self.cancel)();
    }

    /// Whether the task is over: its value is there, or the reason why there is none.
    pub fn is_finished(&self) -> bool {
        !self.value.is_empty() || self.value.is_terminated()
    }
}

impl<T> Future for RunningTask<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Polling<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.value).poll(cx).map(|told| told.unwrap_or(Err(TaskError::Cancelled)))
    }
}

impl<T> fmt::Debug for RunningTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningTask").field("is_finished", &self.is_finished()).finish()
    }
}

/// The place where a task puts its value. If it is dropped empty, the waiting side learns how the task ended.
pub(crate) struct Teller<T> {
    tell: Option<oneshot::Sender<Result<T, TaskError>>>,
}

impl<T> Teller<T> {
    pub(crate) fn pair() -> (Self, oneshot::Receiver<Result<T, TaskError>>) {
        let (tell, told) = oneshot::channel();
        (Self { tell: Some(tell) }, told)
    }

    pub(crate) fn tell(mut self, outcome: Result<T, TaskError>) {
        if let Some(tell) = self.tell.take() {
            // A value that is not awaited any more is dropped here, as code of the task.
            drop(tell.send(outcome));
        }
    }
}

/// A life that is torn down has its exit noted on the thread: `base/panics.rs`.
impl<T> Drop for Teller<T> {
    fn drop(&mut self) {
        if let Some(tell) = self.tell.take() {
            let error = panics::teardown().map_or(TaskError::Cancelled, TaskError::Ended);
            drop(tell.send(Err(error)));
        }
    }
}

/// Runs the future of the user as a linked task that gives a value. A panic is its outcome, and does not end the
/// incarnation.
fn run<F>(signals: &Arc<Signals>, path: Arc<str>, future: F) -> RunningTask<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (teller, value) = Teller::pair();
    // The task runs under the mark of its incarnation, which records the text of a panic.
    let work = async move {
        let outcome = caught(pin!(future)).await;
        teller.tell(outcome.map_err(|panic| TaskError::of(Exit::Panicked(panic))));
    };
    let task = signals.spawn(path, work);
    RunningTask::new(value, move || task.iter().for_each(tokio::task::AbortHandle::abort))
}

impl<S: crate::Service> Context<S> {
    /// Runs a future as a task that is linked to this incarnation, and gives its value. The service can await it at
    /// once, or later, or hand it on. Meanwhile the task runs on its own, and so do others.
    ///
    /// A panic of the task is the error [`Panicked`](TaskError::Panicked), and the service goes on. With
    /// [`spawn`](Self::spawn) it would end. When this incarnation ends, the task is dropped before the next one is built.
    /// Code that awaits it elsewhere gets [`Ended`](TaskError::Ended) with the exit of the incarnation.
    ///
    /// ```
    /// # use regrow::{Child, Context, Reply, Service, Supervisor};
    /// # struct Shop;
    /// # async fn price_of(item: u64) -> u64 { item * 100 }
    /// impl Service for Shop {
    ///     type Msg = Reply<u64>;
    ///     async fn handle(&mut self, reply: Reply<u64>, ctx: &mut Context<Self>) -> anyhow::Result<()> {
    ///         let (one, two) = (ctx.run(price_of(1)), ctx.run(price_of(2)));
    ///         reply.send(one.await? + two.await?);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// # let shop = Child::service("shop", |_| async { Ok(Shop) });
    /// # let tree = Supervisor::one_for_one("app").child(shop).start().await?;
    /// let shop = tree.lookup::<Reply<u64>>("app/shop")?;
    /// assert_eq!(shop.call(|reply| reply).await?, 300);
    /// # tree.shutdown().await; Ok(()) }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn run<F>(&self, future: F) -> RunningTask<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        run(&self.inner().signals, self.path(), future)
    }
}

impl TaskContext {
    /// Runs a future as a task that is linked to this incarnation, and gives its value: see [`Context::run`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn run<F>(&self, future: F) -> RunningTask<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        run(&self.inner.signals, self.path(), future)
    }
}
