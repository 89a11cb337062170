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
use crate::slot::consumer::{Next, Ownership, SignalMask};

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
    // Boxed, as all that few ever need: it would take its room in every service.
    #[cfg(feature = "chaos")]
    if ctx.inner().shared().active_faults.is_armed() {
        Box::pin(ctx.inner().before_start()).await?;
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
        #[cfg(feature = "chaos")]
        if matches!(exit, Exit::Shutdown) && ctx.inner().signals.is_told_to_stop() && ctx.inner().signals.is_afflicted()
        {
            Box::pin(ctx.inner().before_stop()).await;
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
    // A stop was asked for, and what was queued then is still to be handled.
    let mut is_draining = false;
    let mut in_a_row = 0;
    // Before it goes to sleep it looks once more, after everybody else: whoever it has just answered may have more, and
    // then nobody has to wake it.
    let mut rest = true;
    let mut freed = ctx.inner().slot.freed();
    // What ails it stands between it and its mail: known for the next message, and that is to be handed over twice.
    #[cfg(feature = "chaos")]
    let (mut is_known, mut repeats) = (false, false);
    loop {
        let heed = if is_draining { SignalMask::Force } else { SignalMask::Everything };
        #[cfg(feature = "chaos")]
        let heed = if is_known && heed == SignalMask::Everything { SignalMask::Orders } else { heed };
        // Invariant 2.
        if in_a_row == BATCH {
            in_a_row = 0;
            // A kill that comes now must not find a message in hand that is done.
            ctx.inner().slot.finish(&ctx.inner().signals);
            freed.flush();
            pause(true).await;
        }
        // Not kept over an await: it would take room in each idle child.
        let inner = ctx.inner();
        let next = match inner.slot.poll_next(&inner.signals, heed, rest, &mut freed) {
            Poll::Ready(next) => next,
            Poll::Pending if is_draining => return Exit::Shutdown,
            Poll::Pending => {
                in_a_row = 0;
                freed.flush();
                pause(!std::mem::replace(&mut rest, true)).await;
                continue;
            }
        };
        let message = match next {
            Next::Message(message) => message,
            #[cfg(feature = "chaos")]
            Next::Signal if !inner.signals.is_ordered() && inner.slot.is_owned_by(&inner.signals) => {
                freed.flush();
                repeats = Box::pin(inner.before_take()).await;
                is_known = true;
                continue;
            }
            Next::Signal => match signal(inner) {
                Exit::Shutdown if drain && !is_draining => {
                    is_draining = true;
                    // The supervisor has done so with its order. Here for orders that come another way.
                    inner.slot.begin_to_drain(&inner.signals);
                    #[cfg(feature = "chaos")]
                    {
                        (is_known, repeats) = (false, false);
                    }
                    continue;
                }
                exit => return exit,
            },
        };
        in_a_row += 1;
        rest = false;
        let message = match redelivery {
            None => message,
            Some(redelivery) => match panics::catch_within(|| redelivery.prepare(inner, message)) {
                Ok(message) => message,
                Err(panic) => return Exit::Panicked(panic),
            },
        };
        if let Some(activity) = inner.signals.activity() {
            // A label that panics is none.
            activity.set_label(panics::catch_within(|| S::label(&message)).unwrap_or(None));
        }
        #[cfg(feature = "chaos")]
        let message = if std::mem::take(&mut is_known) {
            if let (Some(redelivery), true) = (*redelivery, std::mem::take(&mut repeats)) {
                inner.repeat(&redelivery, &message);
            }
            freed.flush();
            let suffered = caught(Box::pin(inner.before_handle(message))).await;
            match suffered {
                Ok(Ok(message)) => message,
                Ok(Err(error)) => return failure(error),
                Err(panic) => return Exit::Panicked(panic),
            }
        } else {
            message
        };
        let mut handling = pin!(service.handle(message, ctx));
        // One future around the user's: each additional one costs a call per message, and room in each service.
        let handled = std::future::poll_fn(|cx| match panics::catch_within(|| handling.as_mut().poll(cx)) {
            Ok(Poll::Ready(handled)) => Poll::Ready(Ok(handled)),
            Ok(Poll::Pending) => {
                freed.flush();
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

/// What the port wants. What it has chosen itself comes first; a stop beats a kill here, where nothing of the user's is running: asked and killed in one breath
/// still ends as asked (OTP rule 48). The kill then cuts the stop hook short.
fn signal<M>(inner: &Inner<M>) -> Exit {
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
