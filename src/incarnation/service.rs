//! The life of a service: build the state, then pump the slot until something ends it.
//!
//! Invariants:
//! 1. The factory is polled before a stop is looked at: a prompt start is seen as a start (OTP rule 8).
//! 2. Between two messages the signals are looked at; after [`BATCH`] messages in a row the pump yields, or a service
//!    that is always busy would starve its thread and never see a kill: ractor and tokio look at a kill only when an
//!    await suspends.
//! 3. The state is dropped here, by us, outside of any unwinding, whatever ended the life.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use regrow_supervisors::{Exit, Panic};

use crate::base::background::yield_once;
use crate::base::panics;
use crate::context::{Context, Inner};
use crate::incarnation::maker::Maker;
use crate::incarnation::redelivery::Redelivery;
use crate::incarnation::{End, failure, worse_of};
use crate::log::{line, one_line};
use crate::service::{Ignore, Service};
use crate::slot::consumer::{Next, SignalMask};
use crate::slot::erased::Ownership;
use crate::slot::line::Freed;

/// Messages handled in a row before others get their turn. As many as tokio lets a task receive in one.
const BATCH: u32 = 128;

/// Not an `async fn`: that would keep its arguments twice, at the cost of each idle child.
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

/// Builds the state, or says how the life ends without one.
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

/// Runs the stop hook, where there is one to be run, and drops the state.
///
/// A future of its own: what it keeps over an await shares its room with what the pump keeps.
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
            // Before the hook, which may block: then nothing could be told any more.
            if ctx.inner().signals.tell_leaving(&exit) {
                yield_once().await;
            }
            let had_chosen = ctx.inner().signals.is_leaving();
            let stopped = caught(pin!(service.stopped(ctx))).await;
            match stopped {
                Ok(Ok(())) if had_chosen || exit.is_abnormal() => {}
                Ok(Ok(())) => exit = ctx.inner().signals.chosen().unwrap_or(exit),
                Ok(Err(error)) if exit.is_abnormal() => {
                    let (path, generation) = (ctx.path(), ctx.generation());
                    let error = format_args!("{error:#}");
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
        // Invariant 2.
        if pump.has_had_its_turn(ctx.inner()) {
            pause(true).await;
        }
        let message = match pump.next(ctx.inner(), drain) {
            Step::Message(message) => message,
            Step::Again => continue,
            Step::Pause { is_busy } => {
                pause(is_busy).await;
                continue;
            }
            Step::Faults => {
                let repeats = Box::pin(look_at_faults(ctx.inner())).await;
                pump.faults = Some(repeats);
                continue;
            }
            Step::End(exit) => return exit,
        };
        let message = match prepare::<S>(ctx.inner(), *redelivery, message) {
            Ok(message) => message,
            Err(panic) => return Exit::Panicked(panic),
        };
        let message = match pump.faults.take() {
            None => message,
            Some(repeats) => {
                pump.freed.flush();
                match caught(Box::pin(suffer(ctx.inner(), redelivery.filter(|_| repeats), message))).await {
                    Ok(Ok(message)) => message,
                    Ok(Err(error)) => return failure(error),
                    Err(panic) => return Exit::Panicked(panic),
                }
            }
        };
        let mut handling = pin!(service.handle(message, ctx));
        // One future around the user's: each additional one costs a call per message, and room in each service.
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

/// State of the pump itself. It is kept while the service is idle: a byte here is a byte in each child.
struct Pump {
    /// A stop was asked for, and what was queued then is still to be handled.
    is_draining: bool,
    /// Before the pump goes to sleep it looks once more, after all other tasks: a caller that it has just answered may have
    /// more, and then nothing has to wake the pump.
    is_last_look: bool,
    /// The faults of the next message are known; `true`: it is to be handed over twice.
    faults: Option<bool>,
    in_a_row: u32,
    freed: Freed,
}

/// What the pump does next.
enum Step<M> {
    Message(M),
    /// Looks again at once.
    Again,
    /// Lets other tasks have their turn. `is_busy`: it comes back without being woken.
    Pause {
        is_busy: bool,
    },
    /// An experiment has faults for the next message.
    Faults,
    End(Exit),
}

impl Pump {
    fn new(freed: Freed) -> Self {
        Self { is_draining: false, is_last_look: true, faults: None, in_a_row: 0, freed }
    }

    /// Whether so many messages were handled in a row that others are to have their turn now.
    #[inline(always)]
    fn has_had_its_turn<M: Send + 'static>(&mut self, inner: &Inner<M>) -> bool {
        if self.in_a_row < BATCH {
            return false;
        }
        self.in_a_row = 0;
        // A kill that comes now must not find a message in hand that is done.
        inner.slot.finish(&inner.signals);
        self.freed.flush();
        true
    }

    #[inline(always)]
    fn next<M: Send + 'static>(&mut self, inner: &Inner<M>, drain: bool) -> Step<M> {
        let heed = match self.faults {
            _ if self.is_draining => SignalMask::Force,
            Some(_) => SignalMask::Orders,
            None => SignalMask::Everything,
        };
        match inner.slot.poll_next(&inner.signals, heed, self.is_last_look, &mut self.freed) {
            Poll::Ready(Next::Message(message)) => {
                self.in_a_row += 1;
                self.is_last_look = false;
                Step::Message(message)
            }
            Poll::Ready(Next::Signal) => self.signal(inner, drain),
            Poll::Pending if self.is_draining => Step::End(Exit::Shutdown),
            Poll::Pending => {
                self.in_a_row = 0;
                self.freed.flush();
                Step::Pause { is_busy: !std::mem::replace(&mut self.is_last_look, true) }
            }
        }
    }

    #[cold]
    fn signal<M: Send + 'static>(&mut self, inner: &Inner<M>, drain: bool) -> Step<M> {
        if !inner.signals.is_ordered() && inner.slot.is_owned_by(&inner.signals) {
            self.freed.flush();
            return Step::Faults;
        }
        match ordered(inner) {
            Exit::Shutdown if drain && !self.is_draining => {
                self.is_draining = true;
                self.faults = None;
                // The supervisor has done so with its order. Here for orders that come another way.
                inner.slot.begin_to_drain(&inner.signals);
                Step::Again
            }
            exit => Step::End(exit),
        }
    }
}

/// Keeps what is needed to redeliver the message, and its label for the watchdog.
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
        // A label that panics is none.
        activity.set_label(panics::catch_within(|| S::label(&message)).unwrap_or(None));
    }
    Ok(message)
}

/// Waits for the next message, as the faults of the service want it; `true`: it is to be handed over twice.
async fn look_at_faults<M: Send + 'static>(inner: &Inner<M>) -> bool {
    match inner.shared().faults() {
        Some(faults) => faults.before_take(inner.target()).await,
        None => false,
    }
}

/// Lets the faults of the service strike before its handler gets the message, and puts a copy of the message in front where
/// `repeat` makes one. A copy that panics is none.
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

/// Lets other tasks have their turn. With `is_busy` the pump asks for the next turn itself; without, a sender or a signal
/// wakes it.
async fn pause(is_busy: bool) {
    let mut has_paused = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut has_paused, true) {
            return Poll::Ready(());
        }
        if is_busy {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
}

/// How the life is to end by the signals it has. The exit that it has chosen itself comes first.
///
/// A stop beats a kill here, where no code of the user's runs: a life that is asked to stop and killed at once still ends as
/// asked (OTP rule 48). The kill then cuts the stop hook short.
fn ordered<M>(inner: &Inner<M>) -> Exit {
    if let Some(chosen) = inner.signals.chosen() {
        chosen
    } else if inner.signals.is_told_to_stop() {
        Exit::Shutdown
    } else {
        inner.signals.broken().unwrap_or(Exit::Killed)
    }
}

/// Polls `future` until it is done or the port wants an end, the future first (invariant 1).
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

/// Polls user code and catches its panic. To be polled in a [`Life`](crate::incarnation::Life), under its mark. The future is
/// pinned by the caller: an `async fn` that pins its argument holds it twice, and each idle child would pay for that.
pub(crate) fn caught<F: Future + Unpin>(mut future: F) -> impl Future<Output = Result<F::Output, Panic>> {
    std::future::poll_fn(move |cx| match panics::catch_within(|| Pin::new(&mut future).poll(cx)) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
}

/// The state of a service, dropped under a catch even when everything around it is dropped (invariant 3).
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
