//! A child with a mailbox, and one without, being described.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::{Abandon, ChildSpec, Policy, Restart, Shutdown};

use crate::child::{Child, Factory, Leaf};
use crate::incarnation::maker::Describes;
use crate::incarnation::redelivery::Redelivery;
use crate::mailbox::{Mailbox, Reserved};
use crate::slot::NoMessages;
use crate::slot::settings::{OnRestart, Overflow, Settings};
use crate::slot::{Label, Slot};
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
    label: Option<Label<M>>,
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
            label: None,
            maker: Arc::new(maker),
        }
    }

    /// What its messages are called where they are told of.
    pub(super) fn label(mut self, label: Label<M>) -> Self {
        self.label = Some(label);
        self
    }

    /// Which exits call for a restart. Default: permanent.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.spec = self.spec.restart(restart);
        self.named.restart = true;
        self
    }

    /// For a kind of child whose restart type is another one than permanent.
    pub(super) fn restart_by_default(mut self, restart: Restart) -> Self {
        self.spec = self.spec.restart(restart);
        self
    }

    /// How it is stopped. Default: asked, and killed after five seconds.
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.spec = self.spec.shutdown(shutdown);
        self.named.shutdown = true;
        self
    }

    /// What happens when a kill does not end it. Default: abandoned after five seconds. A time below 10 ms counts as 10 ms:
    /// code that yields needs a turn of the scheduler to end.
    pub fn abandon(mut self, abandon: Abandon) -> Self {
        self.spec = self.spec.abandon(abandon);
        self
    }

    /// What happens when it ends, beyond its restart type: delays, a budget of its own, parking, rules. Default: OTP's,
    /// which is to restart at once, and to give up by dying upward.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.spec = self.spec.policy(policy);
        self
    }

    /// Its end may end its supervisor, as that one's [`AutoShutdown`](crate::AutoShutdown) says. Refused for a permanent
    /// child (OTP rule 73).
    pub fn significant(mut self) -> Self {
        self.spec = self.spec.significant(true);
        self
    }

    /// Uses a mailbox that was made before, with [`mailbox`](crate::mailbox()), whose handles are already held.
    pub fn mailbox(mut self, mailbox: Mailbox<M>) -> Self {
        self.mailbox = Some(mailbox);
        self
    }

    /// How many messages may wait, the one in hand not counted. Default: 1024. Zero is refused when the tree starts.
    pub fn capacity(mut self, messages: usize) -> Self {
        self.settings.capacity = messages;
        self.named.capacity = true;
        self
    }

    /// Lets any number of messages wait. Memory is then the only limit.
    pub fn unbounded(self) -> Self {
        self.capacity(usize::MAX)
    }

    /// What happens to one message more than there is room for, if it cannot wait: a `cast`, a `try_call`. Default: refused.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.settings.overflow = overflow;
        self.named.overflow = true;
        self
    }

    /// How long a `send` or a `call` waits for room. Then the message comes back as
    /// [`Full`](crate::Refusal::Full). With zero it comes back at once. Default: 5 s.
    ///
    /// Senders that wait are let in in the order in which they came. Timers of the service itself
    /// ([`Context::send_after`](crate::Context::send_after)) wait without limit: they end with the incarnation.
    pub fn wait_for_room(mut self, limit: Duration) -> Self {
        self.settings.room_wait = Some(limit);
        self.named.room_wait = true;
        self
    }

    /// Lets a `send` or a `call` wait for room without limit: as long as the service is not parked, down or gone.
    pub fn wait_for_room_unlimited(mut self) -> Self {
        self.settings.room_wait = None;
        self.named.room_wait = true;
        self
    }

    /// What happens to queued messages when an incarnation ends. Default: kept for the next.
    pub fn on_restart(mut self, on_restart: OnRestart) -> Self {
        self.settings.on_restart = on_restart;
        self.named.on_restart = true;
        self
    }

    /// Puts the message in hand back when its incarnation ends by a panic, an error or a hang, up to so many times: it is
    /// the first that the next incarnation takes. If it ends that one too, and so on to the last, it is *poison*: a
    /// [dead letter](crate::DeadLetters) that says how the last incarnation ended. Default: 0, the message in hand is lost.
    ///
    /// So a message may run up to `times + 1` times, or more: an incarnation that is killed by somebody is not the
    /// message's fault, and puts it back without counting (one that outlives its kill and is
    /// [abandoned](crate::Abandon) is). A message should be such that it may run twice.
    ///
    /// * A copy is made before each message is handled; services that do not ask for this pay nothing. If `clone` panics,
    ///   that is a panic of the service, and the message is put back as any other.
    /// * An end is not the message's fault either if the incarnation failed because a peer was not available: its error has a
    ///   [`PeerUnavailable`](crate::PeerUnavailable) in its chain. That too puts the message back without counting, up to ten
    ///   times, each time as late as the child's restart is ([`Policy::backoff`]); then it is a dead letter, with the reason
    ///   [`PeerUnavailable`](crate::DeadReason::PeerUnavailable). A call that crashed its peer or was not answered counts.
    /// * A call stays open: whichever incarnation answers first, answers it. A poison call ends as
    ///   [`Crashed`](crate::CallError::Crashed), and so does one that has run and is shed while it waits to run again.
    /// * [`OnRestart::Drop`] sheds the message in hand with the others.
    /// * The [start](crate::Supervisor::start) is refused where one message alone could use up the budget that the
    ///   restarts are charged to, the child's own or the one shared with its siblings: `times` must be less than it
    ///   forgives. Delays and rules are not taken into account.
    ///
    /// For a [`Child::service`](crate::Child::service) and a [`Child::thread`](crate::Child::thread), where it is the message last taken from the iterator. A
    /// [`Child::actor`](crate::Child::actor) has nothing in hand: a message that was handed on to the actor is out of reach, so the
    /// start is [refused](crate::StartError::NoEffect).
    pub fn redeliver(mut self, times: u32) -> Self
    where
        M: Clone,
    {
        self.redelivery = (times > 0).then_some(Redelivery { times, copy: M::clone });
        self
    }

    /// Runs each life in a ractor actor, linked under the actor of its supervisor. Default: a bare tokio task.
    ///
    /// It is for programs that look at their actors through ractor. What such a program gets by it:
    ///
    /// * the child is in `ActorCell::get_children` of its supervisor's actor, and in what tools draw from that;
    /// * ractor tells of its start and end in `SupervisionEvent`s, which monitors receive too (ractor's feature `monitors`);
    /// * it has an `ActorId`: `registry::where_is_pid`, `get_all_pids` and the pid lifecycle events know it (ractor's feature
    ///   `cluster`);
    /// * `ActorCell::kill` and `stop` on its cell end it, which counts as a kill; a kill of its supervisor's actor reaches it
    ///   through ractor's tree. A bare task ends in that case too: the dropped supervisor kills it;
    /// * ractor's span `Actor`, with the actor's id, is around it. regrow's span `incarnation`, with path and generation, is
    ///   around its code either way.
    ///
    /// All else is the same: mailbox, handles, restarts, ends, events, the order of a stop. The actor has no name and takes no
    /// messages: they go through the [`Handle`](crate::Handle). An idle child takes about 8 kB in place of 2 kB, and a restart
    /// about twice the time. [`Child::thread`](crate::Child::thread) keeps its thread, and
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

    /// Before a planned stop, what is queued at the moment of the order is still handled, within the shutdown time. For a
    /// [`Child::service`](crate::Child::service) only. The start of a thread or an actor with it is
    /// [refused](crate::StartError::NoEffect), and so is one with [`Shutdown::Kill`], which leaves no time for it.
    ///
    /// If the service is terminated, or the tree ends, a message that comes after the order is refused
    /// ([`Stopping`](crate::Refusal::Stopping)). In any other stop, as that of a group, it waits for the next
    /// incarnation. What the shutdown time cuts off stays in the mailbox, as after any other end.
    pub fn drain(mut self) -> Self {
        self.drain = true;
        self
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
        if let Some(label) = child.label {
            slot.set_label(label);
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
    /// Which exits call for a restart. Default: transient.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.child = self.child.restart(restart);
        self
    }

    /// How it is stopped. Default: asked, and killed after five seconds.
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.child = self.child.shutdown(shutdown);
        self
    }

    /// What happens when a kill does not end it. Default: abandoned after five seconds. A time below 10 ms counts as 10 ms:
    /// code that yields needs a turn of the scheduler to end.
    pub fn abandon(mut self, abandon: Abandon) -> Self {
        self.child = self.child.abandon(abandon);
        self
    }

    /// What happens when it ends, beyond its restart type: see [`ServiceChild::policy`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.child = self.child.policy(policy);
        self
    }

    /// Its end may end its supervisor, as that one's [`AutoShutdown`](crate::AutoShutdown) says.
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
