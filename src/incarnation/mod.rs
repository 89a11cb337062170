//! The life of a child, whatever its kind. It wraps the body, watches the signals, and makes sure that nothing of the
//! old life is left when its end is reported.
//!
//! Invariants:
//! 1. The end of a life is reported exactly once, and only by this wrapper. This also holds if the task that runs it is
//!    dropped before its first poll. (A guard made inside the body would not exist then.)
//! 2. Body, state and linked tasks are gone before the end is reported.
//! 3. A life that was fenced reports nothing: its supervisor has forgotten it, and the slot belongs to another
//!    incarnation.

pub(crate) mod actor;
pub(crate) mod foreign;
pub(crate) mod maker;
pub(crate) mod once;
pub(crate) mod redelivery;
pub(crate) mod service;
pub(crate) mod task;
pub(crate) mod thread;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use regrow_supervisors::{Abandon, Exit, KeptNews, Panic};

use crate::base::{panics, sweep};
use crate::context::Inner;
use crate::error::unavailable;
use crate::log::{line, one_line};
use crate::slot::erased::AnySlot;
use crate::slot::fact::Fact;
use crate::slot::signals::{Signals, Waiting};
use crate::slot::{Slot, current};
use crate::tree::shared::Shared;

/// End of a body.
pub(crate) enum End {
    /// The child is not wanted.
    Ignored,
    Exit(Exit),
}

impl End {
    fn exit(&self) -> Exit {
        match self {
            Self::Ignored => Exit::Shutdown,
            Self::Exit(exit) => exit.clone(),
        }
    }
}

pub(crate) type Body = Pin<Box<dyn Future<Output = End> + Send>>;

/// Effect of a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnKill {
    /// The body is dropped at its present await.
    Drop,
    /// The body sees the kill in its signals and ends. What it guards cannot be dropped from outside.
    Tell,
}

/// Arguments of a new life.
pub(crate) struct SpawnArgs {
    pub(crate) slot: Arc<dyn AnySlot>,
    pub(crate) signals: Arc<Signals>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) drain: bool,
    pub(crate) abandon: Abandon,
    /// Supervisor, for actors that link themselves to it.
    pub(crate) cell: ractor::ActorCell,
}

impl SpawnArgs {
    /// Returns the inner state of the incarnation, with messages of type `M`.
    pub(crate) fn inner<M: Send + 'static>(&self) -> Inner<M> {
        let Ok(slot) = self.slot.clone().as_any().downcast::<Slot<M>>() else {
            unreachable!("the planner gives a child a slot of its own message type")
        };
        Inner { slot, signals: self.signals.clone(), shared: self.shared.clone() }
    }

    pub(crate) fn live(&self, on_kill: OnKill, body: Body) -> Life {
        let limit = match self.abandon {
            Abandon::After(limit) => Some(limit),
            Abandon::Never => None,
        };
        Life {
            body: Some(body),
            signals: self.signals.clone(),
            mark: Some(self.signals.clone()),
            slot: self.slot.clone(),
            limit,
            on_kill,
            end: None,
            waker: None,
            told: false,
            entry: Entry::Outside,
            knows_stop: false,
            is_rest: false,
        }
    }
}

/// Waits until the slot is free, and then runs the body. The end of a life frees its slot.
///
/// In a tree left alone the slot always is free. If a supervisor was killed through ractor, its children may still be
/// ending when the next ones start. The wait has the limit that a kill has.
async fn enter_later(slot: Arc<dyn AnySlot>, signals: Arc<Signals>, limit: Option<Duration>, body: Body) -> End {
    let free = async {
        loop {
            let vacant = slot.life().released().notified();
            if slot.life().claim(&signals) {
                return;
            }
            vacant.await;
        }
    };
    match limit {
        None => free.await,
        Some(limit) => {
            if tokio::time::timeout(limit, free).await.is_err() {
                if let (Some(owner), Some(tree)) = (slot.life().owner(), slot.tree()) {
                    tree.cut_off(&slot.path(), &*slot, &owner);
                }
                slot.life().claim(&signals);
            }
        }
    }
    body.await
}

/// Position of a life on its way into the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// In a bare task. Its supervisor has spawned it, and runs on before the life does.
    Outside,
    /// In a ractor actor. ractor has just woken the supervisor, so the supervisor's task must run next: see
    /// [`yield_once`].
    OutsideAndWoken,
    Inside,
}

pub(crate) struct Life {
    body: Option<Body>,
    signals: Arc<Signals>,
    /// The signals once more, lent as the mark of the running code.
    mark: Option<Arc<Signals>>,
    slot: Arc<dyn AnySlot>,
    /// Longest time that it waits for the slot.
    limit: Option<Duration>,
    on_kill: OnKill,
    /// Known end, which is reported when the linked tasks are gone.
    end: Option<Box<End>>,
    waker: Option<Waker>,
    told: bool,
    entry: Entry,
    /// Whether the body has been polled since it was asked to stop.
    knows_stop: bool,
    /// Whether this is the rest of a life that was dropped.
    is_rest: bool,
}

impl Future for Life {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let life = &mut *self;
        // Registered before the signals are read: invariant 1 of `signals.rs`.
        if !life.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            life.signals.register(Waiting::Life, cx.waker());
            life.waker = Some(cx.waker().clone());
        }
        let end = match life.end.take() {
            Some(end) => *end,
            None => match life.poll_body(cx) {
                Poll::Ready(end) => life.tear_down(end),
                Poll::Pending => return Poll::Pending,
            },
        };
        if !life.signals.is_fenced() && life.signals.poll_tasks_gone(cx).is_pending() {
            life.signals.tell_remains(&end.exit());
            life.end = Some(Box::new(end));
            return Poll::Pending;
        }
        life.tell(end);
        Poll::Ready(())
    }
}

impl Life {
    /// Lets the supervisor run before the life moves in, because the task that starts the life has woken the
    /// supervisor.
    pub(crate) fn after_supervisor(mut self) -> Self {
        self.entry = Entry::OutsideAndWoken;
        self
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        // A kill right after the request to stop must not keep the body from seeing the request (`Shutdown::After(0)`).
        let is_asked = self.signals.is_told_to_stop() && !std::mem::replace(&mut self.knows_stop, true);
        let is_killed = self.signals.is_killed() && self.on_kill == OnKill::Drop;
        let is_killed = is_killed && !self.signals.ignores_kill();
        if self.signals.is_fenced() || (is_killed && !is_asked) {
            return Poll::Ready(End::Exit(Exit::Killed));
        }
        // A thread cannot be dropped: it ends by itself, with this exit.
        if let Some(exit) = self.signals.broken().filter(|_| self.on_kill == OnKill::Drop) {
            // The values that the body owns are dropped next, and may block: the supervisor runs before that.
            if self.signals.tell_remains(&exit) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(End::Exit(exit));
        }
        if !self.enter(cx) {
            return Poll::Pending;
        }
        let Some(body) = &mut self.body else { return Poll::Ready(End::Exit(Exit::Killed)) };
        let entered = self.signals.enter_span();
        let activity = self.signals.activity();
        activity.inspect(|activity| activity.begin_poll());
        let polled = current::run_with(&mut self.mark, || body.as_mut().poll(cx));
        activity.inspect(|activity| activity.end_poll());
        drop(entered);
        match polled {
            Ok(Poll::Pending) if is_killed => Poll::Ready(End::Exit(Exit::Killed)),
            Ok(poll) => poll,
            Err(panic) => Poll::Ready(End::Exit(Exit::Panicked(panic))),
        }
    }

    /// Moves into the slot; `false` if it has to be polled again first.
    fn enter(&mut self, cx: &Context<'_>) -> bool {
        let entry = std::mem::replace(&mut self.entry, Entry::Inside);
        if entry == Entry::Inside {
            return true;
        }
        if !self.slot.life().claim(&self.signals)
            && let Some(body) = self.body.take()
        {
            let (slot, signals) = (self.slot.clone(), self.signals.clone());
            self.body = Some(Box::pin(enter_later(slot, signals, self.limit, body)));
        }
        if entry == Entry::OutsideAndWoken {
            cx.waker().wake_by_ref();
        }
        entry == Entry::Outside
    }

    /// Drops the values that the life owned (invariant 2). Returns the end to report.
    fn tear_down(&mut self, end: End) -> End {
        let end = match end {
            End::Ignored => End::Ignored,
            End::Exit(exit) => End::Exit(self.signals.verdict(exit)),
        };
        let exit = end.exit();
        let body = self.body.take();
        let entered = self.signals.enter_span();
        let dropped = current::run_as(&self.signals, || panics::tear_down(&exit, body)).unwrap_or_else(Err);
        drop(entered);
        self.signals.close(&exit);
        match dropped {
            Ok(()) => end,
            Err(panic) => End::Exit(worse_of(exit, panic, &self.slot.path())),
        }
    }

    /// Returns its end, which is a kill if it has not ended.
    fn end_or_kill(&mut self) -> End {
        match self.end.take() {
            Some(end) => *end,
            None => self.tear_down(End::Exit(Exit::Killed)),
        }
    }

    /// Reports the end (invariant 1): to the slot, which settles the message in hand, then to the supervisor.
    fn tell(&mut self, end: End) {
        if std::mem::replace(&mut self.told, true) || self.signals.is_fenced() {
            return;
        }
        if self.signals.activity().is_some()
            && let Some(tree) = self.slot.tree()
        {
            tree.watch_no_more(&self.slot.path(), &self.signals);
        }
        let attempt = self.signals.attempt();
        let fact = match end {
            End::Ignored => {
                self.slot.life().end(&self.signals, &Exit::Normal);
                Fact::Ignored(attempt)
            }
            End::Exit(exit) => {
                // A message that runs again is at fault until it is found to be poison, and not the kept value.
                let runs_again = self.slot.life().end(&self.signals, &exit);
                if self.signals.still_has_kept() && (runs_again || unavailable::is_cause_of(&exit)) {
                    self.signals.tell(Fact::Kept { attempt, news: KeptNews::NotItsFault });
                }
                if self.signals.is_up() { Fact::Ended { attempt, exit } } else { Fact::StartFailed { attempt, exit } }
            }
        };
        self.signals.tell(fact);
    }
}

/// Handles a life that is dropped unfinished, by ractor's kill or because the runtime shuts down. It counts as killed.
impl Drop for Life {
    fn drop(&mut self) {
        if self.told {
            return;
        }
        // A thread or a foreign actor would live on without its body: the life orders its end, and waits for it. A
        // supervisor to which ractor has handed this life drops no state of the user.
        let is_told = self.on_kill == OnKill::Tell || sweep::is_turn();
        if !is_told {
            let end = self.end_or_kill();
            self.end = Some(Box::new(end));
        }
        let is_final = self.is_rest || (!is_told && !self.signals.has_tasks());
        if let (false, Ok(runtime)) = (is_final, tokio::runtime::Handle::try_current()) {
            // The rest ends a little later, and the end is reported after it. A runtime that is shutting down drops the
            // rest at once, and everything in it.
            let rest = Self {
                body: self.body.take(),
                signals: self.signals.clone(),
                mark: self.mark.take(),
                slot: self.slot.clone(),
                limit: self.limit,
                entry: self.entry,
                on_kill: self.on_kill,
                end: self.end.take(),
                waker: None,
                told: false,
                knows_stop: self.knows_stop,
                is_rest: true,
            };
            self.told = true;
            self.signals.kill();
            runtime.spawn(rest);
        } else {
            let end = self.end_or_kill();
            self.tell(end);
        }
    }
}

/// Combines an exit with the panic of a destructor. A clean exit becomes the panic; a worse exit stays, and the panic
/// is logged.
pub(crate) fn worse_of(exit: Exit, panic: Panic, path: &str) -> Exit {
    if exit.is_abnormal() {
        line!(
            ERROR,
            { path = %path, exit.kind = %exit.kind(), exit.text = %one_line(&exit), panic.text = %one_line(&panic) },
            "code of a child panicked after its exit was known"
        );
        exit
    } else {
        Exit::Panicked(panic)
    }
}

/// Returns the work that an incarnation does last, if it ends in order as `exit`; the exit if there is none. The future
/// returns the exit of the incarnation, which is a failure if that work failed.
///
/// No future without work, and a box with it: what is kept over an await takes room in each idle child.
pub(crate) fn last_work(signals: &Signals, exit: Exit) -> Result<Pin<Box<dyn Future<Output = Exit> + Send>>, Exit> {
    let work = if exit.is_abnormal() { Vec::new() } else { signals.take_last_work() };
    if work.is_empty() {
        return Err(exit);
    }
    Ok(Box::pin(async move {
        let mut exit = exit;
        for work in work {
            if let Err(error) = work.await
                && !exit.is_abnormal()
            {
                exit = failure(error);
            }
        }
        exit
    }))
}

/// Turns the error of a failing service into its exit.
pub(crate) fn failure(error: anyhow::Error) -> Exit {
    let exit = sweep::failed(error);
    // Replies that the service dropped on its way out were not dropped by a live service.
    panics::settle_orphans(Some(&exit));
    exit
}
