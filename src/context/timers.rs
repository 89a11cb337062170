//! Timers and tasks that are linked to an incarnation.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use regrow_supervisors::Exit;
use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;

use crate::base::panics::Orphan;
use crate::call::fate::{Fate, Instead};
use crate::context::{Context, TaskContext};
use crate::error::refusal::Refusal;
use crate::slot::limit::Limit;
use crate::slot::signals::Signals;

/// Timer or task that is linked to an incarnation. It ends with the incarnation; dropping this value does not end it.
#[derive(Debug, Clone)]
pub struct LinkedTask {
    task: Option<AbortHandle>,
    /// Whether the messages of a timer may reach later incarnations; `None` if it is no timer.
    keeps: Option<Arc<AtomicBool>>,
}

impl LinkedTask {
    /// Ends the timer or task now. A message that it has sent already stays sent.
    pub fn cancel(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }

    /// Lets messages that this timer has sent reach the next incarnation, if its own one ends before they are handled.
    /// Default: they do not, because the state that wanted them is gone. For a task that is no timer this does nothing.
    ///
    /// ```
    /// # use regrow::{Context, Service};
    /// # use std::time::Duration;
    /// # struct Billing; #[derive(Clone)] enum Msg { Begin, Charge }
    /// # impl Service for Billing {
    /// #     type Msg = Msg;
    /// async fn handle(&mut self, msg: Msg, ctx: &mut Context<Self>) -> anyhow::Result<()> {
    ///     if let Msg::Begin = msg {
    ///         // Once it is due, the charge is made, by this life or by the next.
    ///         ctx.send_after(Duration::from_secs(60), Msg::Charge).keep_messages();
    ///     }
    ///     Ok(())
    /// }
    /// # }
    /// ```
    pub fn keep_messages(self) -> Self {
        if let Some(keeps) = &self.keeps {
            keeps.store(true, Ordering::Relaxed);
        }
        self
    }

    /// Whether the timer or task has finished, was cancelled, or ended with its incarnation.
    pub fn is_finished(&self) -> bool {
        self.task.as_ref().is_none_or(AbortHandle::is_finished)
    }
}

impl<S: crate::Service> Context<S> {
    /// Starts a task that is linked to this incarnation. The task is dropped before the next incarnation is built, and
    /// a panic in it ends this one. Work that a supervisor should start again is a
    /// [`Child::task`](crate::Child::task).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> LinkedTask {
        LinkedTask { task: self.inner.signals.spawn(self.inner.slot.path(), future), keeps: None }
    }

    /// Starts a timer. `work` gets the mark of its messages.
    fn timer<F: Future<Output = ()> + Send + 'static>(&self, work: impl FnOnce(Arc<dyn Fate>) -> F) -> LinkedTask {
        let keeps = Arc::new(AtomicBool::new(false));
        let mark = Arc::new(OfTimer::new(&self.inner.signals, keeps.clone()));
        LinkedTask { keeps: Some(keeps), ..self.spawn(work(mark)) }
    }

    /// Sends `message` to this service after `delay`, unless this incarnation has ended by then. If the mailbox is
    /// full, the message waits for room while the incarnation lives.
    ///
    /// A message that was sent, and not begun before this incarnation ended, does not reach the next one. It is counted
    /// as dead-lettered ([`TimerOver`](crate::DeadReason::TimerOver)) and not kept.
    /// [`keep_messages`](LinkedTask::keep_messages) lets it reach the next one.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn send_after(&self, delay: Duration, message: S::Msg) -> LinkedTask {
        let handle = self.handle();
        self.timer(|fate| async move {
            tokio::time::sleep(delay).await;
            // Refused only if the service is over, and then the message is not wanted.
            let _ = handle.send_with(message, fate, Limit::None).await;
        })
    }

    /// Sends a message made by `message` to this service every `period`, until this incarnation ends. The first one is
    /// sent after one period. Ticks that find the mailbox full, and ticks that were missed, are left out.
    ///
    /// Ticks that are queued when this incarnation ends do not reach the next one, as with
    /// [`send_after`](Self::send_after).
    ///
    /// # Panics
    ///
    /// If `period` is zero, as [`tokio::time::interval`] does, and outside of a tokio runtime.
    pub fn interval(&self, period: Duration, mut message: impl FnMut() -> S::Msg + Send + 'static) -> LinkedTask {
        assert!(!period.is_zero(), "an interval needs a period that is not zero");
        let handle = self.handle();
        self.timer(|fate| async move {
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            ticks.tick().await;
            loop {
                ticks.tick().await;
                match handle.cast_if_room(message(), fate.clone()).map_err(|error| error.refusal()) {
                    Ok(()) | Err(Refusal::Full) => {}
                    Err(_) => return,
                }
            }
        })
    }
}

impl TaskContext {
    /// Starts a task that is linked to this incarnation, as [`Context::spawn`] does.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> LinkedTask {
        LinkedTask { task: self.inner.signals.spawn(self.inner.slot.path(), future), keeps: None }
    }
}

/// Mark on the messages of a timer: they are wanted by the incarnation that started the timer.
struct OfTimer {
    signals: Weak<Signals>,
    /// Whether they are wanted by later incarnations too.
    is_kept: Arc<AtomicBool>,
}

impl OfTimer {
    fn new(signals: &Arc<Signals>, is_kept: Arc<AtomicBool>) -> Self {
        Self { signals: Arc::downgrade(signals), is_kept }
    }
}

impl Orphan for OfTimer {
    fn orphaned(&self, _: Option<&Exit>) {}
}

impl Fate for OfTimer {
    fn taken(&self, by: &Signals) -> Option<Instead> {
        let is_wanted = std::ptr::eq(self.signals.as_ptr(), by) || self.is_kept.load(Ordering::Relaxed);
        if is_wanted { None } else { Some(Instead::TimerOver) }
    }

    fn call(self: Arc<Self>) -> Arc<dyn Fate> {
        self
    }
}
