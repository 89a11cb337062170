//! The context of an incarnation: its handle, its peers, and its own part in its end.

mod keep;
mod observe;
mod task_context;
mod timers;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::Exit;

use crate::base::sweep;
use crate::handle::Handle;
use crate::slot::Slot;
use crate::slot::erased::Ownership;
use crate::slot::fact::Fact;
use crate::slot::signals::Signals;
use crate::tree::Directory;
use crate::tree::inject::Target;
use crate::tree::lookup::LookupError;
use crate::tree::shared::Shared;

pub use task_context::TaskContext;
pub use timers::LinkedTask;

/// Parts that every kind of incarnation shares.
pub(crate) struct Inner<M> {
    pub(crate) slot: Arc<Slot<M>>,
    pub(crate) signals: Arc<Signals>,
    pub(crate) shared: Arc<Shared>,
}

impl<M> Clone for Inner<M> {
    fn clone(&self) -> Self {
        Self { slot: self.slot.clone(), signals: self.signals.clone(), shared: self.shared.clone() }
    }
}

impl<M> Inner<M> {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn generation(&self) -> u64 {
        self.signals.origin().generation
    }

    pub(crate) fn last_exit(&self) -> Option<&Exit> {
        self.signals.origin().last_exit.as_deref()
    }
}

impl<M: Send + 'static> Inner<M> {
    /// Marks the incarnation as up, and reports that to the supervisor and to every watcher.
    pub(crate) fn up(&self) {
        self.signals.set_up();
        let is_ready = self.signals.is_ready();
        let generation = self.slot.up(&self.signals, is_ready);
        let (attempt, info) = (self.signals.attempt(), self.signals.take_info());
        self.signals.tell(Fact::Started { attempt, generation, info });
        if self.signals.keeps_later() {
            self.slot.make_waiting(&self.signals);
        }
        // Checked again: the incarnation may have called `ready` while it was coming up.
        if self.signals.is_ready() {
            self.ready();
        }
    }

    /// Marks the incarnation as ready. If it is not up yet, the mark takes effect when it is.
    pub(crate) fn ready(&self) {
        self.signals.set_ready();
        if self.slot.ready(&self.signals) {
            self.signals.tell_ready();
        }
    }

    /// Returns the incarnation as a hook of an experiment sees it.
    pub(crate) fn target(&self) -> Target {
        Target { slot: self.slot.clone(), signals: self.signals.clone() }
    }

    pub(crate) fn extend_deadline(&self, time: Duration) {
        if let Some(activity) = self.signals.activity()
            && let Some(work) = activity.work(&*self.slot, &self.signals)
        {
            activity.grant(work, time);
        }
    }

    /// Records a sign of life of a task.
    fn alive(&self) {
        if let Some(activity) = self.signals.activity() {
            activity.beat();
        }
    }

    pub(crate) fn lookup<N: Send + 'static>(&self, name: &str) -> Result<Handle<N>, LookupError> {
        self.shared().directory.resolve(self.signals.scope(), name)
    }
}

/// Context of a service: its own handle, its peers, its timers and tasks, and the exit of its last life.
///
/// It is about one incarnation: timers and tasks that it starts end with that incarnation. Clones are cheap.
pub struct Context<S: crate::Service> {
    inner: Inner<S::Msg>,
    service: PhantomData<fn() -> S>,
}

impl<S: crate::Service> Context<S> {
    pub(crate) fn new(inner: Inner<S::Msg>) -> Self {
        Self { inner, service: PhantomData }
    }

    pub(crate) fn inner(&self) -> &Inner<S::Msg> {
        &self.inner
    }

    /// Finds a peer by name: first beside this service, then one scope further up at a time, and at last as a full
    /// path. A name with a leading `/` is looked up as a full path only.
    ///
    /// Every service of a tree can be found before the first one starts, whatever its state.
    ///
    /// # Errors
    ///
    /// If there is no such service, or it takes other messages.
    pub fn lookup<M: Send + 'static>(&self, name: &str) -> Result<Handle<M>, LookupError> {
        self.inner.lookup(name)
    }

    /// Returns the directory: the paths of the whole tree and what is there, and whether the tree
    /// [is draining](Directory::is_draining).
    pub fn directory(&self) -> Directory {
        self.inner.directory()
    }

    /// Returns the service's own handle, which outlives this incarnation.
    pub fn handle(&self) -> Handle<S::Msg> {
        Handle::new(self.inner.slot.clone())
    }

    /// Returns the service's full path.
    pub fn path(&self) -> Arc<str> {
        self.inner.slot.path()
    }

    /// Returns the generation of this incarnation; in a factory, the one that it will have when it is up.
    pub fn generation(&self) -> u64 {
        self.inner.generation()
    }

    /// Returns how many starts of a child the supervisor has attempted, for all its children, this attempt included.
    pub fn attempt(&self) -> u64 {
        self.inner.signals.attempt().number()
    }

    /// Returns the exit of the life or attempt before this one; `None` for the first.
    pub fn last_exit(&self) -> Option<&Exit> {
        self.inner.last_exit()
    }

    /// Sets a line about the new incarnation, such as the port that it listens on. Called in a factory; the event and
    /// the log line of the start show it.
    pub fn info(&self, info: impl Into<Arc<str>>) {
        self.inner.signals.set_info(info.into());
    }

    /// Ends this incarnation normally after the message in hand and the stop hook. A permanent service is then started
    /// again; a transient one is not.
    ///
    /// If no restart follows, the mailbox refuses new messages ([`Stopping`](crate::Refusal::Stopping)) as soon as the
    /// supervisor knows of the end. What is queued is shed at the end.
    ///
    /// See also [stop, exit or kill?](crate::Child#stop-exit-or-kill)
    pub fn stop(&self) {
        self.exit(Exit::Normal);
    }

    /// Does what [`stop`](Self::stop) does, but ends as `exit`: OTP's `{stop, Reason, State}`. The supervisor decides
    /// by the exit whether to restart the service. The first exit counts if there are several. In the
    /// [stop hook](crate::Service::stopped) it replaces a clean exit that led there.
    pub fn exit(&self, exit: Exit) {
        self.inner.signals.leave(sweep::kept(exit));
    }

    /// Counts the message in hand as failed, and goes on with this life: for a budget by rate, see
    /// [`Policy::failure_rate`](field@crate::Policy::failure_rate). A message counts once, also if its handler returns an
    /// error or panics after that. The text of the latest failure is in [`Why`](crate::Why) and in the event when there
    /// are too many.
    ///
    /// Without such a budget, and without a message in hand, it has no effect. It takes two short locks.
    ///
    /// ```
    /// use regrow::{Context, Reply, Service};
    ///
    /// struct Quotes;
    /// impl Service for Quotes {
    ///     type Msg = Reply<Option<String>>;
    ///     async fn handle(&mut self, reply: Self::Msg, ctx: &mut Context<Self>) -> anyhow::Result<()> {
    ///         // The bank is not reached: no reason to end this life. If that happens often, the service is parked.
    ///         let quote = tokio::fs::read_to_string("/no/such/quote").await;
    ///         reply.send(quote.map_err(|error| ctx.failure(error)).ok());
    ///         Ok(())
    ///     }
    /// }
    /// ```
    pub fn failure(&self, error: impl Into<anyhow::Error>) {
        self.inner.signals.fail(sweep::failed(error.into()));
    }

    /// Ends this incarnation normally if no message waits in its mailbox. `true`: the mailbox takes no more messages,
    /// and the end follows after the message in hand and the stop hook, as with [`stop`](Self::stop).
    ///
    /// The mailbox is found empty and closed in one step. A message that comes before that is handled, and one that
    /// comes after it is refused ([`Stopping`](crate::Refusal::Stopping)). So no accepted message is lost, as it would
    /// be with `stop`. The message in hand does not count, nor do timers and replies that the service still owes.
    ///
    /// `false`, and nothing changes:
    ///
    /// * if a message waits, or a sender waits for room,
    /// * if the service would be started again after a normal end, as a permanent one is,
    /// * in a factory, when the supervisor has asked the service to stop, and when it has chosen to fail.
    ///
    /// [`ServiceChild::idle_after`](crate::ServiceChild::idle_after) does this after some time without a message.
    ///
    /// ```
    /// # use regrow::{Context, Service};
    /// # struct Session; enum Msg { Work, Hangup }
    /// impl Service for Session {
    ///     type Msg = Msg;
    ///     async fn handle(&mut self, msg: Msg, ctx: &mut Context<Self>) -> anyhow::Result<()> {
    ///         match msg {
    ///             Msg::Work => {}
    ///             // What was sent meanwhile is still handled. The next hangup comes from the client, or from a timer.
    ///             Msg::Hangup => { ctx.stop_if_idle(); }
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// ```
    pub fn stop_if_idle(&self) -> bool {
        self.inner.slot.stop_if_idle(&self.inner.signals)
    }

    /// Says that this incarnation is ready to work, if its policy is
    /// [`Readiness::WhenSaid`](crate::Readiness::WhenSaid). Services that [depend](crate::Policy::depends_on) on it are
    /// started then, and the time limit for its start is met. With another policy, and the second time, it changes
    /// nothing.
    ///
    /// In a factory it takes effect when the service is up.
    pub fn ready(&self) {
        self.inner.ready();
    }

    /// Whether the supervisor has asked this incarnation to stop. Long work may check it.
    pub fn is_stopping(&self) -> bool {
        self.inner.signals.is_told_to_stop()
    }

    /// Tells the [watchdog](crate::Policy::watchdog) that the message in hand needs `time` from now on. The limit of
    /// the watchdog begins to count only after that time. It applies to this message alone. The last call counts, so
    /// long work may call it at every step. Without a watchdog it does nothing.
    ///
    /// ```
    /// # use regrow::{Context, Service};
    /// # use std::time::Duration;
    /// # struct Index; impl Index { async fn compact(&mut self) {} }
    /// impl Service for Index {
    ///     type Msg = ();
    ///     async fn handle(&mut self, (): (), ctx: &mut Context<Self>) -> anyhow::Result<()> {
    ///         ctx.extend_deadline(Duration::from_secs(60));
    ///         self.compact().await;
    ///         Ok(())
    ///     }
    /// }
    /// ```
    pub fn extend_deadline(&self, time: Duration) {
        self.inner.extend_deadline(time);
    }
}

impl<S: crate::Service> Clone for Context<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), service: PhantomData }
    }
}

impl<S: crate::Service> fmt::Debug for Context<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("path", &self.path()).field("generation", &self.generation()).finish()
    }
}
