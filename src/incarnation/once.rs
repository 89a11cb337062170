//! The life of a one-shot task: a function that is called once, and the future that it returns.

use std::pin::pin;
use std::sync::{Arc, Mutex};

use regrow_supervisors::Exit;

use crate::base::background::yield_once;
use crate::base::sync::lock;
use crate::context::{Inner, TaskContext};
use crate::error::task::TaskError;
use crate::incarnation::maker::Maker;
use crate::incarnation::task::{exit_of, until_told};
use crate::incarnation::{End, last_work};
use crate::running_task::Teller;
use crate::slot::NoMessages;

/// Receiver of the outcome of a one-shot task.
pub(crate) trait Outcome<T>: Send + 'static {
    /// Takes the value, and returns the exit of the task.
    fn value(self, value: T) -> Exit;
    /// Takes the exit of a task that has no value.
    fn ended(self, exit: &Exit);
}

/// The outcome of a task that only succeeds or fails.
pub(crate) struct Plain;

impl Outcome<anyhow::Result<()>> for Plain {
    fn value(self, value: anyhow::Result<()>) -> Exit {
        exit_of(value)
    }

    fn ended(self, _: &Exit) {}
}

impl<T: Send + 'static> Outcome<T> for Teller<T> {
    fn value(self, value: T) -> Exit {
        self.tell(Ok(value));
        Exit::Normal
    }

    fn ended(self, exit: &Exit) {
        self.tell(Err(TaskError::of(exit.clone())));
    }
}

/// The work of a one-shot task, over all of its incarnations.
pub(crate) enum Once<F, O> {
    /// Work that has not begun. The function is called once.
    Due(F, O),
    /// Work that has begun, and has not succeeded.
    Begun,
    Succeeded,
}

impl<F, O> Once<F, O> {
    fn begin(&mut self) -> Self {
        let next = if matches!(self, Self::Succeeded) { Self::Succeeded } else { Self::Begun };
        std::mem::replace(self, next)
    }
}

pub(crate) async fn live<F, Fut, O>(inner: Inner<NoMessages>, maker: Arc<Maker<Mutex<Once<F, O>>, NoMessages>>) -> End
where
    F: FnOnce(TaskContext) -> Fut + Send + 'static,
    Fut: Future,
    O: Outcome<Fut::Output>,
{
    // If its supervisor begins again, or an order restarts it, there is nothing to run.
    let before = lock(maker.code()).begin();
    if matches!(before, Once::Succeeded) {
        return End::Ignored;
    }
    inner.up();
    let Once::Due(work, outcome) = before else {
        // A start that is left out counts as completed. Children that wait for this job must not take it for that.
        return End::Exit(Exit::failed("a one-shot task runs once, and its work did not succeed then"));
    };
    yield_once().await;
    let ctx = TaskContext::new(inner.clone());
    let signals = &inner.signals;
    let future = pin!(async { work(ctx).await });
    let exit = match until_told(signals, future).await {
        Some(Ok(value)) => {
            let exit = outcome.value(value);
            if !exit.is_abnormal() {
                *lock(maker.code()) = Once::Succeeded;
            }
            if signals.is_told_to_stop() && !exit.is_abnormal() { Exit::Shutdown } else { exit }
        }
        Some(Err(panic)) => {
            let exit = Exit::Panicked(panic);
            outcome.ended(&exit);
            exit
        }
        None => {
            outcome.ended(&Exit::Shutdown);
            Exit::Shutdown
        }
    };
    End::Exit(match last_work(signals, exit) {
        Ok(work) => work.await,
        Err(exit) => exit,
    })
}
