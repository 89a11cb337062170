//! The service trait. The contract between a service and its supervisor is the page [`guide::contract`](crate::guide::contract).

use crate::context::Context;

/// Behaviour of a service: one value of this type is the state of one incarnation.
///
/// `handle` gets the messages one at a time, in the order of the mailbox. With the feature `macros`, the attribute
/// `#[regrow::service]` makes the messages, this impl and a typed client of the methods of an impl block.
///
/// [The contract](crate::guide::contract) says what a service must and must not do, on one page.
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
    /// Type of the messages. It needs no trait of ractor.
    type Msg: Send + 'static;

    /// Works on one message.
    ///
    /// # Errors
    ///
    /// An error ends the incarnation as [`Exit::Failed`](crate::Exit::Failed); a panic as
    /// [`Exit::Panicked`](crate::Exit::Panicked).
    fn handle(&mut self, msg: Self::Msg, ctx: &mut Context<Self>) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Names a message in the report of a [watchdog](crate::Policy::watchdog), in the log, and in the
    /// [list](crate::DeadLetter::label) of dead letters. A message without a label is named by its type.
    ///
    /// Called once for each message of a watched service, before the message is handled, and once for each message that
    /// becomes a dead letter. It should be a `match` and nothing more.
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

    /// Describes a message to an operator that looks at [dead letters](crate::DeadLetter). Without it, nothing of the content
    /// of a message is ever shown.
    ///
    /// Called only if an operator asks for one letter, and never for a message on its way. Leave out what operators must
    /// not see.
    ///
    /// ```
    /// # use regrow::{Context, Service};
    /// # struct Mailer; struct Mail { to: u64, text: String }
    /// impl Service for Mailer {
    ///     type Msg = Mail;
    ///     # async fn handle(&mut self, _: Mail, _: &mut Context<Self>) -> anyhow::Result<()> { Ok(()) }
    ///     fn describe_message(mail: &Mail) -> Option<String> {
    ///         Some(format!("a mail of {} bytes to customer {}", mail.text.len(), mail.to))
    ///     }
    /// }
    /// ```
    fn describe_message(msg: &Self::Msg) -> Option<String> {
        let _ = msg;
        None
    }

    /// Stop hook: runs when the incarnation was asked to stop, stopped itself ([`Context::stop`]) or returned an error.
    /// It does not run after a panic or a kill.
    ///
    /// The child's shutdown time limits the hook, however the end began. A hook that takes longer is killed. After a
    /// request to stop, the exit then says so. After an error, or an end that the service chose, the exit stays what it
    /// was, and the event [`Overran`](crate::EventKind::Overran) reports the kill. A child with
    /// [`Shutdown::Kill`](crate::Shutdown::Kill) that stops itself has its [abandon time](crate::Abandon) instead.
    ///
    /// While a group stops, the hook may call services that this one depends on: they stop later. A member that has
    /// stopped already refuses the call at once ([`StoppedWithGroup`](crate::Refusal::StoppedWithGroup)); a `cast`
    /// waits for its next incarnation. At the end of the whole tree there is no next one: a member that has stopped is
    /// [`Gone`](crate::ServiceState::Gone), and refuses a cast as well.
    ///
    /// # Errors
    ///
    /// An error makes the exit [`Exit::Failed`](crate::Exit::Failed), unless it was that already.
    fn stopped(&mut self, ctx: &mut Context<Self>) -> impl Future<Output = anyhow::Result<()>> + Send {
        let _ = ctx;
        async { Ok(()) }
    }
}

/// Error that a factory returns to say that the service is not wanted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ignore;

impl std::fmt::Display for Ignore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the service is not wanted")
    }
}

impl std::error::Error for Ignore {}

/// Lets a factory say that the service is not wanted now. The service is then [`Down`](crate::ServiceState::Down), and
/// its supervisor goes on as if it had started (OTP rules 10, 30).
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
