//! The service: the trait, and the contract page.
//!
//! # What a service must and must not do
//!
//! 1. **Yield.** Between two messages and at every `.await` that really waits, a service can be stopped or killed. Code
//!    that does not yield cannot be stopped by anybody: it is abandoned after the stop ladder, and until then holds up
//!    its supervisor's stop. On a single-threaded runtime it holds up everybody. A [watchdog](crate::Policy::watchdog)
//!    finds a handler that does not come back, whether it yields or not.
//! 2. **Own what it starts.** The state is dropped before the next incarnation is built, and with it sockets, files and
//!    locks; so are timers and tasks started through the [`Context`]. What a service starts by other means
//!    (`tokio::spawn`, `spawn_blocking`, `tokio::fs`) outlives it.
//! 3. **Let it crash.** An error or a panic ends the incarnation; the message in hand is lost (unless
//!    [redelivery](crate::ServiceChild::redeliver) is asked for) and a caller who waits for it is told. The queue is kept (or dropped, by policy). Repair nothing: the factory builds a fresh state.
//! 4. **Expect peers to be busy or away.** What is optional gets a [`cast`](crate::Handle::cast) whose refusal is handled;
//!    `?` is for a peer without which this life is useless, and the change of state comes after it: see
//!    [the crate's page](crate#peers-that-are-busy-or-absent).
//! 5. **Not call itself.** The call is refused, and so is a wait for room that would close a circle of services that wait for
//!    each other. Two services that call each other at the same time, and find room, wait for ever, so
//!    let replies travel ([`Reply`](crate::Reply) can be sent on) or use a time limit
//!    ([`call_within`](crate::Handle::call_within); one that is put around the call from outside is not seen). In a tree in
//!    which somebody has a watchdog, a circle that has stood for as long as its limit is found, and broken by ending one.
//! 6. **Not call what starts later, in its factory.** Children start one after the other: a factory that waits for the
//!    answer of a younger sibling waits for ever, and the boot with it. Casting is fine, the message waits.
//! 7. **Drop without panicking.** A panic in a destructor is caught and told. While another panic unwinds it aborts the
//!    process: that is a rule of Rust's, and nothing here can mend it.

use crate::context::Context;

/// The behaviour of a service: one value of this type is the state of one incarnation.
///
/// `handle` gets the messages one at a time, in the order of the mailbox.
///
/// ```
/// use regrow::{Context, Reply, Service};
///
/// struct Ledger { balance: i64 }
///
/// enum LedgerMsg { Deposit(i64), Balance(Reply<i64>) }
///
/// impl Service for Ledger {
///     type Msg = LedgerMsg;
///
///     async fn handle(&mut self, msg: LedgerMsg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
///         match msg {
///             LedgerMsg::Deposit(n) => self.balance += n,
///             LedgerMsg::Balance(reply) => { reply.send(self.balance); }
///         }
///         Ok(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a service",
    label = "its incarnations would have no `handle`",
    note = "implement `regrow::Service` for it; a child that takes no messages is a `Child::task`"
)]
pub trait Service: Sized + Send + 'static {
    /// What it is sent. Nothing of ractor's has to be implemented for it.
    type Msg: Send + 'static;

    /// Works on one message.
    ///
    /// # Errors
    ///
    /// An error ends the incarnation as [`Exit::Failed`](crate::Exit::Failed); a panic as
    /// [`Exit::Panicked`](crate::Exit::Panicked).
    fn handle(&mut self, msg: Self::Msg, ctx: &mut Context<Self>) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// What a message is called in the report of a [watchdog](crate::Policy::watchdog) that finds it in hand for too long,
    /// and in the log and the [list](crate::DeadLetter::label) of dead letters. Without a label it is the type of the
    /// messages.
    ///
    /// Asked for every message, before it is handled, of services that are watched, and for each message that dies: it
    /// should be a `match` and nothing more.
    ///
    /// ```
    /// # use regrow::{Context, Service};
    /// # struct Store; enum Msg { Load(u64), Save }
    /// impl Service for Store {
    ///     type Msg = Msg;
    ///     # async fn handle(&mut self, _: Msg, _: &mut Context<Self>) -> anyhow::Result<()> { Ok(()) }
    ///     fn label(msg: &Msg) -> Option<&'static str> {
    ///         Some(match msg { Msg::Load(_) => "load", Msg::Save => "save" })
    ///     }
    /// }
    /// ```
    fn label(msg: &Self::Msg) -> Option<&'static str> {
        let _ = msg;
        None
    }

    /// The stop hook: runs when the incarnation was asked to stop, left by itself ([`Context::stop`]) or returned an
    /// error; not after a panic or a kill. The child's shutdown time limits it, however the end began. One that takes longer is
    /// killed: after a request to stop the exit says so; after an error, or an end of its own choice, the exit stays what it
    /// was, and the event [`Overran`](crate::EventKind::Overran) tells. (A child with [`Shutdown::Kill`](crate::Shutdown::Kill)
    /// that leaves by itself has its [abandon time](crate::Abandon) instead.)
    ///
    /// While a group stops, the hook may call what it depends on, which stops later. A member that has stopped already refuses
    /// the call at once ([`StoppedWithGroup`](crate::Refusal::StoppedWithGroup)); a `cast` waits for its next incarnation.
    /// At the end of the whole tree there is no next one: a member that has stopped is [`Gone`](crate::ServiceState::Gone), and
    /// refuses a cast as well.
    ///
    /// # Errors
    ///
    /// An error makes the exit [`Exit::Failed`](crate::Exit::Failed), unless it was that already.
    fn stopped(&mut self, ctx: &mut Context<Self>) -> impl Future<Output = anyhow::Result<()>> + Send {
        let _ = ctx;
        async { Ok(()) }
    }
}

/// What a factory returns to say that the service is not wanted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ignore;

impl std::fmt::Display for Ignore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the service is not wanted")
    }
}

impl std::error::Error for Ignore {}

/// Lets a factory say that the service is not wanted now: it rests, [`Down`](crate::ServiceState::Down), and its supervisor
/// goes on as if it had started (OTP rules 10, 30).
///
/// ```
/// # use regrow::{Context, Service, ignore};
/// # struct Metrics; impl Service for Metrics { type Msg = (); async fn handle(&mut self, _: (), _: &mut Context<Self>) -> anyhow::Result<()> { Ok(()) } }
/// async fn open(_ctx: Context<Metrics>) -> anyhow::Result<Metrics> {
///     if std::env::var_os("METRICS").is_none() {
///         return ignore();
///     }
///     Ok(Metrics)
/// }
/// ```
///
/// # Errors
///
/// Always: the error is the answer.
pub fn ignore<T>() -> anyhow::Result<T> {
    Err(Ignore.into())
}
