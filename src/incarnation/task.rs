//! The life of a task: a future that is up from its first poll.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use regrow_supervisors::{Exit, Panic};

use crate::base::background::yield_once;
use crate::context::{Inner, TaskContext};
use crate::incarnation::maker::Maker;
use crate::incarnation::service::caught;
use crate::incarnation::{End, failure, last_work};
use crate::service::Ignore;
use crate::slot::NoMessages;
use crate::slot::signals::Signals;

pub(crate) async fn live<F, Fut>(inner: Inner<NoMessages>, maker: Arc<Maker<F, NoMessages>>) -> End
where
    F: Fn(TaskContext) -> Fut + Send + 'static,
    Fut: Future<Output = anyhow::Result<()>>,
{
    inner.up();
    yield_once().await;
    let ctx = TaskContext::new(inner.clone());
    let signals = &inner.signals;
    let future = pin!(async { maker.code()(ctx).await });
    let exit = match until_told(signals, future).await {
        None => Exit::Shutdown,
        Some(Ok(Ok(()))) if signals.is_told_to_stop() => Exit::Shutdown,
        Some(Ok(outcome)) => exit_of(outcome),
        Some(Err(panic)) => Exit::Panicked(panic),
    };
    End::Exit(match last_work(signals, exit) {
        Ok(work) => work.await,
        Err(exit) => exit,
    })
}

/// Returns the exit of a task that has returned this.
pub(crate) fn exit_of(outcome: anyhow::Result<()>) -> Exit {
    match outcome {
        Ok(()) => Exit::Normal,
        Err(error) if error.is::<Ignore>() => Exit::Normal,
        Err(error) => failure(error),
    }
}

/// Polls the user's future until it is done, has panicked, or is to stop and does not listen for that (`None`). The
/// caller pins the future, as for [`caught`].
pub(crate) fn until_told<F: Future + Unpin>(
    signals: &Signals,
    future: F,
) -> impl Future<Output = Option<Result<F::Output, Panic>>> {
    let mut future = caught(future);
    std::future::poll_fn(move |cx| match Pin::new(&mut future).poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        // A plain process dies of `shutdown`; a task that listens ends in its own way.
        Poll::Pending if signals.is_told_to_stop() && !signals.is_listening() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
}
