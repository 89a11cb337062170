//! Builders of children: one with a mailbox, and one without.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::{Abandon, ChildSpec, Policy, Restart, Shutdown};

use crate::child::{Child, Factory, Leaf};
use crate::incarnation::maker::Describes;
use crate::incarnation::redelivery::Redelivery;
use crate::mailbox::{Mailbox, Reserved};
use crate::service::Service;
use crate::slot::settings::{OnRestart, Overflow, Settings};
use crate::slot::wording::{Aspect, Wording};
use crate::slot::{NoMessages, Slot};
use crate::tree::directory::ChildKind;
use crate::tree::overrides::Named;

/// A child with a mailbox for messages of type `M`, being described.
#[must_use = "a child does nothing until a supervisor has it"]
pub struct ServiceChild<M: Send + 'static> {
    spec: ChildSpec,
    named: Named,
    kind: ChildKind,
    drain: bool,
    is_actor: bool,
    settings: Settings,
    mailbox: Option<Mailbox<M>>,
    is_given_in_vain: bool,
    redelivery: Option<Redelivery<M>>,
    wording: Option<Wording<M>>,
    maker: Arc<dyn Describes<M>>,
}

impl<M: Send + 'static> ServiceChild<M> {
    pub(super) fn new(name: impl Into<Arc<str>>, kind: ChildKind, maker: impl Describes<M> + 'static) -> Self {
        Self {
            spec: ChildSpec::new(name),
            named: Named::default(),
            kind,
            drain: false,
            is_actor: false,
            settings: Settings::default(),
            mailbox: None,
            is_given_in_vain: false,
            redelivery: None,
            wording: None,
            maker: Arc::new(maker),
        }
    }

    /// Sets the function that names the child's messages in reports.
    pub(super) fn wording(mut self, wording: Wording<M>) -> Self {
        self.wording = Some(wording);
        self
    }

    /// Sets the exits that call for a restart. Default: permanent.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.spec = self.spec.restart(restart);
        self.named.restart = true;
        self
    }

    /// Sets the restart type of a kind of child that is not permanent by default.
    pub(super) fn restart_by_default(mut self, restart: Restart) -> Self {
        self.spec = self.spec.restart(restart);
        self
    }

    /// Sets the way in which it is stopped. Default: asked to stop, and killed after five seconds.
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.spec = self.spec.shutdown(shutdown);
        self.named.shutdown = true;
        self
    }

    /// Sets what happens if a kill does not end it. Default: it is abandoned after five seconds. A time below 10 ms
    /// counts as 10 ms, because code that yields needs a turn of the scheduler to end.
    pub fn abandon(mut self, abandon: Abandon) -> Self {
        self.spec = self.spec.abandon(abandon);
        self
    }

    /// Sets the answer to its exits beyond the restart type: delays, a budget for it alone, parking, rules. Default:
    /// OTP's. The child is restarted at once, and its supervisor gives up when the budget is used up.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.spec = self.spec.policy(policy);
        self
    }

    /// Lets its end also end its supervisor, as that supervisor's [`AutoShutdown`](crate::AutoShutdown) says. Refused
    /// for a permanent child (OTP rule 73).
    pub fn significant(mut self) -> Self {
        self.spec = self.spec.significant(true);
        self
    }

    /// Uses a mailbox that was made before with [`mailbox`](crate::mailbox()). Its handles may be in use already.
    pub fn mailbox(mut self, mailbox: Mailbox<M>) -> Self {
        self.mailbox = Some(mailbox);
        self
    }

    /// Sets the number of messages that may wait, without the one in hand. Default: 1024. Zero is refused when the tree
    /// starts.
    pub fn capacity(mut self, messages: usize) -> Self {
        self.settings.capacity = messages;
        self.named.capacity = true;
        self
    }

    /// Lets any number of messages wait. Memory is then the only limit.
    pub fn unbounded(self) -> Self {
        self.capacity(usize::MAX)
    }

    /// Sets what a full mailbox does with a message that cannot wait, from a `cast` or a `try_call`. Default: the
    /// message is refused.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.settings.overflow = overflow;
        self.named.overflow = true;
        self
    }

    /// Sets the time that a `send` or a `call` waits for room. After that the message comes back as
    /// [`Full`](crate::Refusal::Full); with zero it comes back at once. Default: 5 s.
    ///
    /// Waiting senders get room in the order in which they came. Timers of the service itself
    /// ([`Context::send_after`](crate::Context::send_after)) wait without limit: they end with the incarnation.
    pub fn wait_for_room(mut self, limit: Duration) -> Self {
        self.settings.room_wait = Some(limit);
        self.named.room_wait = true;
        self
    }

    /// Lets a `send` or a `call` wait for room without limit. The wait ends if the service is parked, down or gone.
    pub fn wait_for_room_unlimited(mut self) -> Self {
        self.settings.room_wait = None;
        self.named.room_wait = true;
        self
    }

    /// Ends an incarnation normally when it has had no message for this time. The time begins when it is up, and again
    /// whenever it has handled all messages. Default: never.
    ///
    /// The mailbox is found empty and closed in one step. A message that comes before that is handled, and one that
    /// comes after it is refused ([`Stopping`](crate::Refusal::Stopping)), so no accepted message is lost. The stop hook
    /// runs. A service that still [owes a reply](crate::Reply) is not idle, and its time begins again. Zero ends it as
    /// soon as its mailbox is empty. [`Context::stop_if_idle`](crate::Context::stop_if_idle) does the same once, when
    /// the service wants it.
    ///
    /// Below a dynamic supervisor such a service is forgotten, and its handles say [`Gone`](crate::Refusal::Gone) for ever.
    /// [`Template::get_or_start`](crate::Template::get_or_start) starts another one with its name, and returns the handle
    /// of that:
    ///
    /// ```
    /// # use regrow::{Child, Context, DynamicSupervisor, Reply, Restart, Service, ServiceState};
    /// # use std::time::Duration;
    /// # struct Session(u32);
    /// # type Count = Reply<u32>;
    /// # impl Service for Session {
    /// #     type Msg = Count;
    /// #     async fn handle(&mut self, count: Count, _: &mut Context<Self>) -> anyhow::Result<()> { self.0 += 1; count.send(self.0); Ok(()) }
    /// # }
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> anyhow::Result<()> {
    /// let sessions = DynamicSupervisor::new("sessions").template(|user: String| {
    ///     Child::service(user, |_| async { Ok(Session(0)) })
    ///         .restart(Restart::Transient)
    ///         .idle_after(Duration::from_secs(600))
    /// });
    /// let tree = sessions.start().await?;
    /// let sessions = tree.dynamic("sessions")?.template::<String>()?;
    ///
    /// let ada = sessions.get_or_start::<Count>("ada".into()).await?;
    /// assert_eq!(ada.call(|reply| reply).await?, 1);
    /// assert_eq!(sessions.get_or_start::<Count>("ada".into()).await?, ada);
    /// tokio::time::sleep(Duration::from_secs(601)).await;
    /// assert_eq!(ada.status().state, ServiceState::Gone); // it had nothing to do
    ///
    /// let ada = sessions.get_or_start::<Count>("ada".into()).await?;
    /// assert_eq!(ada.call(|reply| reply).await?, 1); // another life
    /// # tree.shutdown().await; Ok(()) }
    /// ```
    ///
    /// The start is [refused](crate::StartError::NoEffect) for a service that is started again after a normal end, as a
    /// permanent one is, and for a thread or an actor.
    pub fn idle_after(mut self, time: Duration) -> Self {
        self.settings.idle_after = Some(time);
        self.named.idle_after = true;
        self
    }

    /// Leaves out calls that no caller waits for any more when their turn comes. A caller has gone if its future was
    /// dropped, or if its [time limit](crate::Handle::call_within) is over. Default: each accepted call runs, since it
    /// may do more than answer.
    ///
    /// Under overload, a service that answers calls too late does work that no code needs, and is late again. With this
    /// it catches up. A call that was left out is counted as dead-lettered
    /// ([`CallerGone`](crate::DeadReason::CallerGone)) and not kept. A call that has begun runs to its end, also when it
    /// is [redelivered](Self::redeliver). Long handlers ask [`Reply::is_wanted`](crate::Reply::is_wanted) meanwhile.
    ///
    /// ```
    /// # use regrow::{Child, Context, Reply, Service, Supervisor};
    /// # use std::time::Duration;
    /// # struct Search; type Query = Reply<u32>;
    /// # impl Service for Search { type Msg = Query; async fn handle(&mut self, query: Query, _: &mut Context<Self>) -> anyhow::Result<()> { query.send(1); Ok(()) } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let search = Child::service("search", |_| async { Ok(Search) }).skip_abandoned_calls();
    /// let tree = Supervisor::one_for_one("app").child(search).start().await?;
    /// let search = tree.lookup::<Query>("app/search")?;
    ///
    /// drop(search.call(|reply| reply)); // the caller changes its mind
    /// assert_eq!(search.call(|reply| reply).await?, 1);
    /// assert_eq!(search.accounting().dead_lettered, 1);
    /// # tree.shutdown().await; Ok(()) }
    /// ```
    pub fn skip_abandoned_calls(mut self) -> Self {
        self.settings.skips_abandoned = true;
        self
    }

    /// Sets what happens to queued messages when an incarnation ends. Default: they are kept for the next.
    pub fn on_restart(mut self, on_restart: OnRestart) -> Self {
        self.settings.on_restart = on_restart;
        self.named.on_restart = true;
        self
    }

    /// Puts the message in hand back if its incarnation ends by a panic, an error or a hang, at most `times` times. The
    /// next incarnation takes it first. Default: 0, and the message in hand is lost.
    ///
    /// A message that ends the last of these incarnations too is *poison*. It becomes a [dead
    /// letter](crate::DeadLetters) that says how that incarnation ended.
    ///
    /// A message may run up to `times + 1` times, or more. A kill from outside is not the message's fault, so it puts
    /// the message back without counting. An incarnation that outlives its kill and is [abandoned](crate::Abandon) does
    /// count. Use it for messages that may run twice.
    ///
    /// * A copy is made before each message is handled. Services without redelivery pay nothing. If `clone` panics,
    ///   that is a panic of the service, and the message is put back like any other.
    /// * A failure because a peer was not available is not the message's fault either. The error then has a
    ///   [`PeerUnavailable`](crate::PeerUnavailable) in its chain. The message is put back without counting up to ten
    ///   times, each time with the delay of the child's restart ([`Policy::backoff`]). Then it is a dead letter with
    ///   the reason [`PeerUnavailable`](crate::DeadReason::PeerUnavailable). A call that crashed its peer or was not
    ///   answered counts.
    /// * A call stays open, and the first incarnation that answers completes it. A poison call ends as
    ///   [`Crashed`](crate::CallError::Crashed). So does a call that has run and is shed while it waits to run again.
    /// * [`OnRestart::Drop`] sheds the message in hand with the others.
    /// * The [start](crate::Supervisor::start) is refused if one message alone could use up the budget that pays for
    ///   the restarts, the child's own or the shared one. `times` must be less than the number of restarts that the
    ///   budget forgives. Delays and rules are not taken into account.
    ///
    /// Redelivery is for a [`Child::service`](crate::Child::service) and a [`Child::thread`](crate::Child::thread). In
    /// a thread, the message in hand is the one last taken from the iterator. A [`Child::actor`](crate::Child::actor)
    /// has nothing in hand, because its messages are handed on to the actor. Its start is
    /// [refused](crate::StartError::NoEffect).
    pub fn redeliver(mut self, times: u32) -> Self
    where
        M: Clone,
    {
        self.redelivery = (times > 0).then_some(Redelivery { times, copy: M::clone });
        self
    }

    /// Runs each life in a ractor actor, linked under the actor of its supervisor. Default: a bare tokio task.
    ///
    /// Use it in programs that look at their actors through ractor. Such a program gains the following:
    ///
    /// * The child is in `ActorCell::get_children` of its supervisor's actor, and so in tools that draw the actor tree.
    /// * ractor reports its start and end in `SupervisionEvent`s, which monitors receive too (ractor's feature
    ///   `monitors`).
    /// * It has an `ActorId`. `registry::where_is_pid`, `get_all_pids` and the pid lifecycle events know it (ractor's
    ///   feature `cluster`).
    /// * `ActorCell::kill` and `stop` on its cell end it, which counts as a kill. A kill of its supervisor's actor
    ///   reaches it through ractor's tree. A bare task ends in that case too: the dropped supervisor kills it.
    /// * ractor's span `Actor`, with the actor's id, is around it. regrow's span `incarnation`, with path and
    ///   generation, is around its code either way.
    ///
    /// All else is the same: mailbox, handles, restarts, exits, events, the order of a stop. The actor has no name and
    /// takes no messages: they go through the [`Handle`](crate::Handle). An idle child takes about 8 kB instead of 2
    /// kB, and a restart about twice the time. [`Child::thread`](crate::Child::thread) keeps its thread, and
    /// [`Child::actor`](crate::Child::actor) its own actor: the ractor actor asked for here runs around that.
    ///
    /// ```
    /// use regrow::Supervisor;
    /// use regrow::testing::Journal;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let journal = Journal::new();
    /// let tree = Supervisor::one_for_one("app").child(journal.probe("db").as_actor()).start().await?;
    /// # tree.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn as_actor(mut self) -> Self {
        self.is_actor = true;
        self
    }

    pub(crate) fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.spec = self.spec.named(name);
        self
    }

    pub(crate) fn without_mailbox(mut self) -> Self {
        self.is_given_in_vain = self.mailbox.take().is_some();
        self
    }

    /// Handles what is queued at the moment of the order before a planned stop, within the shutdown time.
    ///
    /// It is for a [`Child::service`](crate::Child::service) only. The start of a thread or an actor with it is
    /// [refused](crate::StartError::NoEffect). So is a start with [`Shutdown::Kill`], which leaves no time for it.
    ///
    /// If the service is terminated or the tree ends, a message that comes after the order is refused
    /// ([`Stopping`](crate::Refusal::Stopping)). In any other stop, such as that of a group, it waits for the next
    /// incarnation. Messages that the shutdown time cuts off stay in the mailbox, as after any other end.
    pub fn drain(mut self) -> Self {
        self.drain = true;
        self
    }
}

/// Returns what the service `S` says about a message.
pub(super) fn says<S: Service>(message: &S::Msg, aspect: Aspect) -> Option<Cow<'static, str>> {
    match aspect {
        Aspect::Label => S::label(message).map(Cow::Borrowed),
        Aspect::Description => S::describe_message(message).map(Cow::Owned),
    }
}

impl<M: Send + 'static> From<ServiceChild<M>> for Child {
    fn from(child: ServiceChild<M>) -> Self {
        let is_given = child.mailbox.is_some();
        let (mut spawn, redelivery) = (child.maker, child.redelivery);
        if let (Some(redelivery), Some(maker)) = (redelivery, Arc::get_mut(&mut spawn)) {
            maker.redeliver(redelivery);
        }
        let slot = match child.mailbox {
            Some(mailbox) => {
                let slot = mailbox.into_slot();
                slot.configure(child.settings);
                slot
            }
            None => Slot::<M>::new(child.settings),
        };
        if let Some(wording) = child.wording {
            slot.set_wording(wording);
        }
        if redelivery.is_some() {
            slot.set_can_repeat();
        }
        Child {
            spec: child.spec,
            named: child.named,
            kind: child.kind,
            drain: child.drain,
            is_actor: child.is_actor,
            recipe: Factory::Leaf(Leaf {
                slot: Reserved::new(slot),
                settings: child.settings,
                is_given,
                is_given_in_vain: child.is_given_in_vain,
                redeliveries: redelivery.map_or(0, |redelivery| redelivery.times),
                spawn,
            }),
        }
    }
}

impl<M: Send + 'static> fmt::Debug for ServiceChild<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceChild").field("kind", &self.kind).field("spec", &self.spec).finish_non_exhaustive()
    }
}

/// A task, being described.
#[must_use = "a child does nothing until a supervisor has it"]
#[derive(Debug)]
pub struct TaskChild {
    pub(super) child: ServiceChild<NoMessages>,
}

impl TaskChild {
    /// Sets the exits that call for a restart. Default: transient.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.child = self.child.restart(restart);
        self
    }

    /// Sets the way in which it is stopped. Default: asked to stop, and killed after five seconds.
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.child = self.child.shutdown(shutdown);
        self
    }

    /// Sets what happens if a kill does not end it. Default: it is abandoned after five seconds. A time below 10 ms
    /// counts as 10 ms, because code that yields needs a turn of the scheduler to end.
    pub fn abandon(mut self, abandon: Abandon) -> Self {
        self.child = self.child.abandon(abandon);
        self
    }

    /// Sets the answer to its exits beyond the restart type: see [`ServiceChild::policy`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.child = self.child.policy(policy);
        self
    }

    /// Lets its end also end its supervisor, as that supervisor's [`AutoShutdown`](crate::AutoShutdown) says.
    pub fn significant(mut self) -> Self {
        self.child = self.child.significant();
        self
    }

    /// Runs each life in a ractor actor: see [`ServiceChild::as_actor`].
    pub fn as_actor(mut self) -> Self {
        self.child = self.child.as_actor();
        self
    }
}

impl From<TaskChild> for Child {
    fn from(task: TaskChild) -> Self {
        task.child.into()
    }
}
