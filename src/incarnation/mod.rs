//! One life of a child, whatever its kind: it wraps the body, watches the port, and sees to it that nothing of the old
//! life is left when its end is told.
//!
//! Invariants:
//! 1. The end of a life is told exactly once, by this wrapper and by nobody else, also when the task that runs it is
//!    dropped before its first poll. (A guard made inside the body would not exist then.)
//! 2. Body, state and linked tasks are gone before the end is told.
//! 3. A life that was fenced tells nothing: its supervisor has forgotten it, and the slot belongs to another.

pub(crate) mod actor;
pub(crate) mod foreign;
pub(crate) mod maker;
pub(crate) mod redelivery;
pub(crate) mod service;
pub(crate) mod task;
pub(crate) mod thread;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use regrow_supervisors::{Abandon, Exit, Failure, Panic};

use crate::base::panics;
use crate::base::sweep;
use crate::context::Inner;
use crate::log::{line, one_line};
use crate::slot::Slot;
use crate::slot::current;
use crate::slot::erased::AnySlot;
use crate::slot::fact::Fact;
use crate::slot::signals::{Signals, Waiting};
use crate::tree::shared::Shared;

/// How a body ends.
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

/// What a kill does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnKill {
    /// The body is dropped where it stands.
    Drop,
    /// The body sees it on its port and ends; what it guards cannot be dropped from outside.
    Tell,
}

/// All that a new life is given.
pub(crate) struct SpawnArgs {
    pub(crate) slot: Arc<dyn AnySlot>,
    pub(crate) signals: Arc<Signals>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) drain: bool,
    pub(crate) abandon: Abandon,
    /// The supervisor, for what links itself to it.
    pub(crate) cell: ractor::ActorCell,
}

impl SpawnArgs {
    /// What the incarnation will know, as one whose messages are `M`.
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
            door: Entry::Outside,
            knows_stop: false,
            is_rest: false,
        }
    }
}

/// Waits until the slot is free, which the end of a life makes it, before the body runs.
///
/// In a tree left alone it always is. It is not when somebody has killed a supervisor through ractor: then its children
/// are still ending when the next ones come. The wait has the limit that a kill has.
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
                if let (Some(zombie), Some(tree)) = (slot.life().owner(), slot.tree()) {
                    tree.cut_off(&slot.path(), &*slot, &zombie);
                }
                slot.life().claim(&signals);
            }
        }
    }
    body.await
}

/// Where a life stands at its slot's door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// In a bare task. Its supervisor has spawned it, and goes on before it runs.
    Outside,
    /// In a ractor actor. ractor has just woken the supervisor, so its task is next: see [`yield_once`].
    OutsideAndWoken,
    Inside,
}

pub(crate) struct Life {
    body: Option<Body>,
    signals: Arc<Signals>,
    /// The port once more, lent to whoever asks whose code is running.
    mark: Option<Arc<Signals>>,
    slot: Arc<dyn AnySlot>,
    /// How long it waits for the slot.
    limit: Option<Duration>,
    on_kill: OnKill,
    /// Known, and waits to be told until the linked tasks are gone.
    end: Option<Box<End>>,
    waker: Option<Waker>,
    told: bool,
    door: Entry,
    /// The body has been polled since it was asked to stop.
    knows_stop: bool,
    /// What was left of a life that was dropped.
    is_rest: bool,
}

impl Future for Life {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let life = &mut *self;
        // Registered before the signals are looked at: invariant 1 of the port.
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
    /// Lets the supervisor have its turn before the life moves in, as the task that starts it has woken the supervisor.
    pub(crate) fn after_supervisor(mut self) -> Self {
        self.door = Entry::OutsideAndWoken;
        self
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        // A kill that is as quick as the request before it must not keep the body from seeing that (`Shutdown::After(0)`).
        let is_asked = self.signals.is_told_to_stop() && !std::mem::replace(&mut self.knows_stop, true);
        let is_killed = self.signals.is_killed() && self.on_kill == OnKill::Drop;
        let is_killed = is_killed && !self.signals.ignores_kill();
        if self.signals.is_fenced() || (is_killed && !is_asked) {
            return Poll::Ready(End::Exit(Exit::Killed));
        }
        if let Some(exit) = self.signals.broken() {
            // What the body owns is dropped next, and may block: the supervisor has its turn before.
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

    /// Moves into the slot; `false` when it has to be polled again first.
    fn enter(&mut self, cx: &Context<'_>) -> bool {
        let door = std::mem::replace(&mut self.door, Entry::Inside);
        if door == Entry::Inside {
            return true;
        }
        if !self.slot.life().claim(&self.signals)
            && let Some(body) = self.body.take()
        {
            let (slot, signals) = (self.slot.clone(), self.signals.clone());
            self.body = Some(Box::pin(enter_later(slot, signals, self.limit, body)));
        }
        if door == Entry::OutsideAndWoken {
            cx.waker().wake_by_ref();
        }
        door == Entry::Outside
    }

    /// Drops what the life owned (invariant 2). How it has ended then.
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

    /// Its end, which is a kill if it has not ended.
    fn end_or_kill(&mut self) -> End {
        match self.end.take() {
            Some(end) => *end,
            None => self.tear_down(End::Exit(Exit::Killed)),
        }
    }

    /// The end is told (invariant 1): to the slot, which settles what was in hand, then to the supervisor.
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
                self.slot.life().end(&self.signals, &exit);
                if self.signals.is_up() { Fact::Ended { attempt, exit } } else { Fact::StartFailed { attempt, exit } }
            }
        };
        self.signals.tell(fact);
    }
}

/// Dropped unfinished: by ractor's kill, or because the runtime goes away. It counts as killed.
impl Drop for Life {
    fn drop(&mut self) {
        if self.told {
            return;
        }
        // A thread or a foreign actor would live on without its body: the life orders its end, and waits for it. A
        // supervisor that ractor has given this to drops no state of the user's.
        let is_told = self.on_kill == OnKill::Tell || sweep::is_turn();
        if !is_told {
            let end = self.end_or_kill();
            self.end = Some(Box::new(end));
        }
        let is_final = self.is_rest || (!is_told && !self.signals.has_tasks());
        if let (false, Ok(runtime)) = (is_final, tokio::runtime::Handle::try_current()) {
            // What is left ends a little later, and the end is told after it. A runtime that is going away drops this at
            // once, and all of it too.
            let rest = Self {
                body: self.body.take(),
                signals: self.signals.clone(),
                mark: self.mark.take(),
                slot: self.slot.clone(),
                limit: self.limit,
                door: self.door,
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

/// An end that was clean until a destructor panicked is a panic; one that was worse stays, and the panic is logged.
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

/// What a failing service's error becomes.
pub(crate) fn failure(error: anyhow::Error) -> Exit {
    let text = format!("{error:#}");
    let exit = sweep::kept(Exit::Failed(Failure::with_cause(text, error)));
    // Replies that it dropped on its way out were not dropped by a live service.
    panics::settle_orphans(Some(&exit));
    exit
}
