//! The life of a service: builds the state, then pumps the slot until the life ends.
//!
//! Invariants:
//! 1. The factory is polled before a stop is looked for: a prompt start is seen as a start (OTP rule 8).
//! 2. The signals are read between two messages, and after [`BATCH`] messages in a row the pump yields. Otherwise a
//!    service that is always busy would starve its thread and never see a kill. ractor and tokio act on a kill only
//!    when an await suspends.
//! 3. The state is dropped here, by this code, outside of any unwinding, whatever ended the life.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use regrow_supervisors::{Exit, Panic};
use tokio::time::{Instant, sleep_until};

use crate::base::background::{pause, yield_once};
use crate::base::panics;
use crate::base::time::later;
use crate::context::{Context, Inner};
use crate::incarnation::maker::Maker;
use crate::incarnation::redelivery::Redelivery;
use crate::incarnation::{End, failure, last_work, worse_of};
use crate::log::{line, one_line};
use crate::service::{Ignore, Service};
use crate::slot::consumer::{Next, SignalMask};
use crate::slot::erased::Ownership;
use crate::slot::line::Freed;

/// Messages handled in a row before other tasks run. tokio lets a task receive as many in one turn.
const BATCH: u32 = 128;

/// Least time between two looks at a service that may not end yet, though it has no message.
const IDLE_LOOK: Duration = Duration::from_millis(10);

/// Not an `async fn`: that would keep its arguments twice, and each idle child would pay for it.
pub(crate) fn live<S, F, Fut>(
    inner: Inner<S::Msg>,
    maker: Arc<Maker<F, S::Msg>>,
    drain: bool,
) -> impl Future<Output = End> + Send
where
    S: Service,
    F: Fn(Context<S>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = anyhow::Result<S>> + Send,
{
    let mut owned = Owned { state: None, ctx: Context::new(inner), drain, redelivery: maker.redelivery() };
    async move {
        match build(&owned.ctx, maker.code()).await {
            Ok(state) => owned.state = Some(state),
            Err(end) => return end,
        }
        owned.ctx.inner().up();
        yield_once().await;
        let exit = pump(&mut owned).await;
        End::Exit(leave(&mut owned, exit).await)
    }
}

/// Builds the state, or returns the end of a life without one.
async fn build<S: Service, Fut: Future<Output = anyhow::Result<S>>>(
    ctx: &Context<S>,
    factory: &impl Fn(Context<S>) -> Fut,
) -> Result<S, End> {
    let made = until_stopped(ctx.inner(), caught(pin!(make(ctx, factory)))).await;
    match made {
        None => Err(End::Exit(Exit::Shutdown)),
        Some(Ok(Ok(service))) => Ok(service),
        Some(Ok(Err(error))) if error.is::<Ignore>() => Err(End::Ignored),
        Some(Ok(Err(error))) => Err(End::Exit(failure(error))),
        Some(Err(panic)) => Err(End::Exit(Exit::Panicked(panic))),
    }
}

async fn make<S: Service, Fut: Future<Output = anyhow::Result<S>>>(
    ctx: &Context<S>,
    factory: &impl Fn(Context<S>) -> Fut,
) -> anyhow::Result<S> {
    if let Some(faults) = ctx.inner().shared().faults().filter(|faults| faults.armed() > 0) {
        faults.before_start(ctx.inner().target()).await?;
    }
    factory(ctx.clone()).await
}

/// Runs the stop hook, if it is to run, and drops the state.
///
/// A separate future: what it keeps over an await shares its memory with what the pump keeps.
#[expect(clippy::manual_async_fn, reason = "an `async fn` keeps its arguments twice")]
fn leave<S: Service>(owned: &mut Owned<S>, mut exit: Exit) -> impl Future<Output = Exit> + Send {
    async move {
        let (service, ctx) = owned.parts();
        if matches!(exit, Exit::Shutdown)
            && ctx.inner().signals.is_told_to_stop()
            && ctx.inner().signals.is_afflicted()
            && let Some(faults) = ctx.inner().shared().faults()
        {
            faults.before_stop(ctx.inner().target()).await;
        }
        if !matches!(exit, Exit::Killed | Exit::Panicked(_)) {
            // Before the hook, which may block: nothing could be reported any more then.
            if ctx.inner().signals.tell_leaving(&exit) {
                yield_once().await;
            }
            let had_chosen = ctx.inner().signals.is_leaving();
            let stopped = caught(pin!(service.stopped(ctx))).await;
            if matches!(stopped, Ok(Ok(()))) && ctx.inner().signals.keeps_later() {
                ctx.inner().slot.make_waiting(&ctx.inner().signals);
            }
            match stopped {
                Ok(Ok(())) if had_chosen || exit.is_abnormal() => {}
                Ok(Ok(())) => exit = ctx.inner().signals.chosen().unwrap_or(exit),
                Ok(Err(error)) if exit.is_abnormal() => {
                    let (path, generation) = (ctx.path(), ctx.generation());
                    let error = format!("{error:#}");
                    line!(
                        ERROR,
                        { path = %path, generation, exit.kind = %exit.kind(), exit.text = %one_line(&exit), error = %one_line(&error) },
                        "the stop hook failed after a failure"
                    );
                }
                Ok(Err(error)) => exit = failure(error),
                Err(panic) => exit = worse_of(exit, panic, &ctx.path()),
            }
        }
        exit = match last_work(&ctx.inner().signals, exit) {
            Ok(work) => work.await,
            Err(exit) => exit,
        };
        exit = ctx.inner().signals.verdict(exit);
        if matches!(exit, Exit::Panicked(_)) && std::mem::needs_drop::<S>() && ctx.inner().signals.tell_remains(&exit) {
            yield_once().await;
        }
        match panics::tear_down(&exit, owned.state.take()) {
            Ok(()) => exit,
            Err(panic) => worse_of(exit, panic, &owned.ctx.path()),
        }
    }
}

async fn pump<S: Service>(owned: &mut Owned<S>) -> Exit {
    let drain = owned.drain;
    // By reference: a copy would take room in each idle child.
    let Owned { state: Some(service), ctx, redelivery, .. } = owned else {
        unreachable!("there is a state to be served")
    };
    let mut pump = Pump::new(ctx.inner().slot.freed());
    loop {
        let message = loop {
            // Invariant 2.
            if pump.has_had_its_turn(ctx.inner()) {
                pause(true).await;
            }
            // No message and no exit is kept over these awaits: each idle child would have room for it.
            let wait = match pump.take(ctx.inner(), drain) {
                Ok(message) => break message,
                Err(Step::Again) => continue,
                Err(Step::Wait(wait)) => wait,
                Err(Step::End(exit)) => return exit,
            };
            match wait {
                Wait::Pause { is_busy } if is_busy || ctx.inner().slot.idle_limit().is_none() => pause(is_busy).await,
                Wait::Pause { .. } => {
                    if Box::pin(rest(ctx.inner())).await {
                        return Exit::Normal;
                    }
                }
                Wait::Faults => {
                    pump.repeats = Box::pin(look_at_faults(ctx.inner())).await;
                    pump.mask = SignalMask::Orders;
                }
            }
        };
        pump.is_last_look = false;
        let message = match prepare::<S>(ctx.inner(), *redelivery, message) {
            Ok(message) => message,
            Err(panic) => return Exit::Panicked(panic),
        };
        let message = if pump.mask == SignalMask::Orders {
            pump.mask = SignalMask::Everything;
            pump.freed.flush();
            let repeat = redelivery.filter(|_| pump.repeats);
            match caught(Box::pin(suffer(ctx.inner(), repeat, message))).await {
                Ok(Ok(message)) => message,
                Ok(Err(error)) => return failure(error),
                Err(panic) => return Exit::Panicked(panic),
            }
        } else {
            message
        };
        let mut handling = pin!(service.handle(message, ctx));
        // One future around the user's: each additional one costs a call per message, and memory in each service.
        let handled = std::future::poll_fn(|cx| match panics::catch_within(|| handling.as_mut().poll(cx)) {
            Ok(Poll::Ready(handled)) => Poll::Ready(Ok(handled)),
            Ok(Poll::Pending) => {
                pump.freed.flush();
                Poll::Pending
            }
            Err(panic) => Poll::Ready(Err(panic)),
        });
        match handled.await {
            Ok(Ok(())) => panics::settle_orphans(None),
            Ok(Err(error)) => return failure(error),
            Err(panic) => return Exit::Panicked(panic),
        }
    }
}

/// State of the pump itself. It is kept while the service is idle: each byte here is a byte in each child.
struct Pump {
    /// The signals that keep the pump from the next message. `Orders`: the faults of that message are known. `Force`: a stop
    /// was ordered, and the messages queued then are still to be handled.
    mask: SignalMask,
    /// Whether the next message is to be delivered twice, if its faults are known.
    repeats: bool,
    /// Whether the pump looks once more, after all other tasks, before it sleeps. A caller that it has just answered
    /// may send more, and then no wake-up is needed.
    is_last_look: bool,
    in_a_row: u32,
    freed: Freed,
}

/// Next step of the pump when it has no message.
enum Step {
    /// Looks for a message again at once.
    Again,
    Wait(Wait),
    End(Exit),
}

/// Reason for which the pump waits before it looks for a message again.
#[derive(Clone, Copy)]
enum Wait {
    /// Other tasks are to run. `is_busy`: the pump comes back without being woken.
    Pause { is_busy: bool },
    /// An experiment has faults for the next message.
    Faults,
}

impl Pump {
    fn new(freed: Freed) -> Self {
        Self { mask: SignalMask::Everything, repeats: false, is_last_look: true, in_a_row: 0, freed }
    }

    /// Whether the pump has handled a full batch in a row, so that other tasks must run now.
    #[inline(always)]
    fn has_had_its_turn<M: Send + 'static>(&mut self, inner: &Inner<M>) -> bool {
        if self.in_a_row < BATCH {
            return false;
        }
        self.in_a_row = 0;
        // A kill that comes now must not find a finished message in hand.
        inner.slot.finish(&inner.signals);
        self.freed.flush();
        true
    }

    /// Takes the next message. If there is none, returns the next step.
    #[inline(always)]
    fn take<M: Send + 'static>(&mut self, inner: &Inner<M>, drain: bool) -> Result<M, Step> {
        match inner.slot.poll_next(&inner.signals, self.mask, self.is_last_look, &mut self.freed) {
            Poll::Ready(Next::Message(message)) => {
                self.in_a_row += 1;
                Ok(message)
            }
            Poll::Ready(Next::Unwanted) => {
                self.in_a_row += 1;
                Err(Step::Again)
            }
            Poll::Ready(Next::Signal) => Err(self.signal(inner, drain)),
            Poll::Pending => Err(self.without_message()),
        }
    }

    /// The next step when the queue is empty.
    fn without_message(&mut self) -> Step {
        if self.mask == SignalMask::Force {
            return Step::End(Exit::Shutdown);
        }
        self.in_a_row = 0;
        self.freed.flush();
        Step::Wait(Wait::Pause { is_busy: !std::mem::replace(&mut self.is_last_look, true) })
    }

    #[cold]
    fn signal<M: Send + 'static>(&mut self, inner: &Inner<M>, drain: bool) -> Step {
        if !inner.signals.is_ordered() && inner.slot.is_owned_by(&inner.signals) {
            self.freed.flush();
            return Step::Wait(Wait::Faults);
        }
        match ordered(inner) {
            Exit::Shutdown if drain && self.mask != SignalMask::Force => {
                self.mask = SignalMask::Force;
                // The supervisor does this with its order. Repeated here for stops that come in another way.
                inner.slot.begin_to_drain(&inner.signals);
                Step::Again
            }
            exit => Step::End(exit),
        }
    }
}

/// Waits for a message or a signal, no longer than the service may be idle. `true`: the time was over, and the mailbox
/// has been closed.
async fn rest<M: Send + 'static>(inner: &Inner<M>) -> bool {
    let (mut since, mut least) = (Instant::now(), Duration::ZERO);
    loop {
        let limit = inner.slot.idle_limit();
        let until = limit.map(|limit| later(since, limit.max(least)));
        let mut timer = until.map(|until| Box::pin(sleep_until(until)));
        let is_over = std::future::poll_fn(|cx| {
            if inner.slot.poll_work(&inner.signals).is_ready() {
                return Poll::Ready(Some(false));
            }
            if inner.slot.idle_limit() != limit {
                return Poll::Ready(None);
            }
            match &mut timer {
                Some(timer) => timer.as_mut().poll(cx).map(|()| Some(true)),
                None => Poll::Pending,
            }
        })
        .await;
        match is_over {
            Some(false) => return false,
            Some(true) if !inner.slot.owes_a_reply() && inner.slot.stop_if_idle(&inner.signals) => return true,
            // Another limit came into force.
            None => {}
            // It owes a reply, or a followed policy file made it permanent.
            Some(true) => (since, least) = (Instant::now(), IDLE_LOOK),
        }
    }
}

/// Keeps a copy for redelivery if one is needed, sets the label for the watchdog, and notes the time if it is measured.
#[inline(always)]
fn prepare<S: Service>(
    inner: &Inner<S::Msg>,
    redelivery: Option<Redelivery<S::Msg>>,
    message: S::Msg,
) -> Result<S::Msg, Panic> {
    let message = match redelivery {
        None => message,
        Some(redelivery) => panics::catch_within(|| redelivery.prepare(inner, message))?,
    };
    if let Some(activity) = inner.signals.activity() {
        // A label that panics counts as none.
        activity.set_label(panics::catch_within(|| S::label(&message)).unwrap_or(None));
        if activity.is_measured() {
            inner.slot.note_begun(&inner.signals);
        }
    }
    Ok(message)
}

/// Waits for the next message, as the faults of the service require. `true`: the message is to be delivered twice.
async fn look_at_faults<M: Send + 'static>(inner: &Inner<M>) -> bool {
    match inner.shared().faults() {
        Some(faults) => faults.before_take(inner.target()).await,
        None => false,
    }
}

/// Applies the faults that strike before the handler gets the message. With `repeat`, puts a copy of the message at the
/// head of the queue first. A copy that panics is left out.
async fn suffer<M: Send + 'static>(inner: &Inner<M>, repeat: Option<Redelivery<M>>, message: M) -> anyhow::Result<M> {
    if let Some(repeat) = repeat
        && let Ok(copy) = panics::catch_within(|| (repeat.copy)(&message))
    {
        inner.slot.repeat(&inner.signals, copy);
    }
    if let Some(faults) = inner.shared().faults() {
        faults.before_handle(inner.target()).await?;
    }
    Ok(message)
}

/// Returns the exit that the signals order. An exit that the service has chosen comes first.
///
/// A stop takes precedence over a kill here, because no code of the user runs. A life that is asked to stop and killed
/// at once still ends as asked (OTP rule 48). The kill then cuts the stop hook short.
fn ordered<M>(inner: &Inner<M>) -> Exit {
    if let Some(chosen) = inner.signals.chosen() {
        chosen
    } else if inner.signals.is_told_to_stop() {
        Exit::Shutdown
    } else {
        inner.signals.broken().unwrap_or(Exit::Killed)
    }
}

/// Polls `future` until it is done or a signal orders an end; the future first (invariant 1).
pub(crate) fn until_stopped<M, F: Future + Unpin>(
    inner: &Inner<M>,
    mut future: F,
) -> impl Future<Output = Option<F::Output>> {
    std::future::poll_fn(move |cx| match Pin::new(&mut future).poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if inner.signals.is_told_to_stop() || inner.signals.is_killed() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
}

/// Polls user code and catches its panic. Must be polled in a [`Life`](crate::incarnation::Life), under its mark. The
/// caller pins the future: an `async fn` that pins its argument holds it twice, and each idle child would pay for that.
pub(crate) fn caught<F: Future + Unpin>(mut future: F) -> impl Future<Output = Result<F::Output, Panic>> {
    std::future::poll_fn(move |cx| match panics::catch_within(|| Pin::new(&mut future).poll(cx)) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
}

/// Parts of a life, with the state of the service. The state is dropped under a catch, also if everything around it is
/// dropped (invariant 3).
struct Owned<S: Service> {
    state: Option<S>,
    ctx: Context<S>,
    drain: bool,
    redelivery: Option<Redelivery<S::Msg>>,
}

impl<S: Service> Owned<S> {
    fn parts(&mut self) -> (&mut S, &mut Context<S>) {
        match &mut self.state {
            Some(state) => (state, &mut self.ctx),
            None => unreachable!("the state is there until it is torn down"),
        }
    }
}

impl<S: Service> Drop for Owned<S> {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            panics::drop_here(state, &self.ctx.path(), "the state");
        }
    }
}
