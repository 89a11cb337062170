//! The kinds of children and how each is described.

mod function;
mod once;
mod service;

use std::fmt;
use std::sync::Arc;

use ractor::Actor;
use regrow_supervisors::{ChildSpec, Restart};

use crate::base::sweep::Kept;
use crate::context::{Context, TaskContext};
use crate::incarnation::maker::{Maker, Spawns};
use crate::incarnation::thread::Inbox;
use crate::incarnation::{self, OnKill, foreign, task, thread};
use crate::mailbox::Reserved;
use crate::service::Service;
use crate::slot::NoMessages;
use crate::slot::settings::Settings;
use crate::supervisor::Supervisor;
use crate::supervisor::description::Description;
use crate::supervisor::dynamic::DynamicSupervisor;
use crate::supervisor::factory::SupervisorRecipe;
use crate::tree::directory::ChildKind;
use crate::tree::overrides::Named;
pub use function::{ServiceFn, TaskFn};
pub use once::OnceChild;
pub use service::{ServiceChild, TaskChild};

/// A child of a [`Supervisor`], of any kind. The functions here describe one, and [`Supervisor::child`] takes it.
///
/// | | a life is | restart | shutdown |
/// |---|---|---|---|
/// | [`Child::service`] | a [`Service`] built by its factory | permanent | asked, 5 s |
/// | [`Child::task`] | a future | transient | asked, 5 s |
/// | [`Child::once`] | a future that runs once | temporary | asked, 5 s |
/// | [`Child::thread`] | an OS thread that iterates its mailbox | permanent | asked, 5 s |
/// | [`Child::actor`] | a `ractor::Actor` | permanent | asked, 5 s |
/// | [`Supervisor`], [`Child::supervisor`] | a subtree | permanent | asked, no limit |
/// | [`DynamicSupervisor`] | a subtree with children that come at run time | permanent | asked, no limit |
/// | [`Partitioned`](crate::Partitioned) | equal services that share the work by key | permanent | asked, no limit |
///
/// A child that outlives its kill is abandoned after 5 s. A mailbox holds 1024 messages and refuses more. It keeps what
/// is queued through restarts. The message in hand is lost with its incarnation, unless the child asks for
/// [redelivery](ServiceChild::redeliver).
///
/// Each life runs in a bare tokio task, and each supervisor in a ractor actor. [`as_actor`](ServiceChild::as_actor)
/// runs a service or a task in a ractor actor too, so that ractor's own tools see it.
///
/// Do not stop or kill parts of a running tree through ractor. If that happens, no service lives twice and none is left
/// behind: a killed supervisor ends with its children and is restarted.
///
/// A name is unique among its siblings and has no slash in it. [`NameError`](crate::NameError) lists what else is
/// refused. A path has at most [`NESTING_MAX`](crate::NESTING_MAX) names.
///
/// # Stop, exit or kill?
///
/// The first line is the usual way: the stop hook runs, and the message in hand is finished. What the supervisor does
/// next is the difference between the lines.
///
/// | | ends | stop hook | exit | then |
/// |---|---|---|---|---|
/// | [`SupervisorHandle::terminate_child`](crate::SupervisorHandle::terminate_child) | a child, from outside | runs | `Shutdown` | no restart; it rests until an order starts it (a temporary child is forgotten) |
/// | [`Context::stop`](crate::Context::stop) | the service itself: its work is done | runs | `Normal` | a permanent child is restarted, a transient one rests |
/// | [`Context::exit`](crate::Context::exit) | the service itself, for a reason of its choice | runs | that reason | the restart type and the [rules](crate::ExitRule) decide by the reason |
/// | an error from [`handle`](Service::handle) | the service itself: its state may be wrong | runs | `Failed` | restarted, unless it is temporary |
/// | [`Handle::kill`](crate::Handle::kill), [`Tree::kill`](crate::Tree::kill) | a child that must end now, from outside | does not run | `Killed` | restarted, unless it is temporary |
/// | [`Handle::restart`](crate::Handle::restart), [`Tree::restart`](crate::Tree::restart) | a child, from outside, for its next life | runs | `ShutdownWith` the reason | started at once; no budget, delay or sibling is touched |
/// | [`Tree::shutdown`](crate::Tree::shutdown) | the whole tree, in order | runs | `Shutdown` | nothing is started again |
///
/// 1. `kill` is a crash, for tests and emergencies. It does not remove a child: the supervisor starts it again, and the
///    restart counts against the budget.
/// 2. `terminate_child` and `restart` are for code outside of the child. From inside they are refused
///    ([`ToItself`](crate::StopChildError::ToItself)), for the child would wait for its own end.
/// 3. `stop` and `exit` return at once. The message in hand is finished first.
/// 4. Every one of them but `kill` gives the child its [shutdown time](ServiceChild::shutdown). After that the child is
///    killed.
///
/// # Settings and their defaults
///
#[doc = include_str!("settings.md")]
pub struct Child {
    pub(crate) spec: ChildSpec,
    pub(crate) named: Named,
    pub(crate) kind: ChildKind,
    pub(crate) drain: bool,
    /// Whether its lives run in ractor actors instead of bare tasks.
    pub(crate) is_actor: bool,
    pub(crate) recipe: Factory,
}

/// The parts from which a life of the child is made.
pub(crate) enum Factory {
    Leaf(Leaf),
    Supervisor(SupervisorRecipe),
}

/// A child that is not a supervisor.
pub(crate) struct Leaf {
    pub(crate) slot: Reserved,
    pub(crate) settings: Settings,
    /// Whether the user made the slot, which must then be used.
    pub(crate) is_given: bool,
    /// Whether a mailbox was given that is not used.
    pub(crate) is_given_in_vain: bool,
    /// Number of times that a message in hand is put back.
    pub(crate) redeliveries: u32,
    pub(crate) spawn: Spawner,
}

pub(crate) type Spawner = Arc<dyn Spawns>;

impl Child {
    /// A service: `factory` builds its state for every incarnation. A restart is no more than that.
    ///
    /// The factory runs in the incarnation's own task, so a slow or hung factory delays no other child. It sees the
    /// [`Context`], and with it the generation to be and the last exit. It may return [`ignore()`](crate::ignore) if
    /// the service is not wanted.
    ///
    /// ```
    /// # use regrow::{Child, Context, Handle, Service, Supervisor};
    /// # struct Ledger { audit: Handle<String> }
    /// # impl Service for Ledger { type Msg = i64; async fn handle(&mut self, _: i64, _: &mut Context<Self>) -> anyhow::Result<()> { Ok(()) } }
    /// let ledger = Child::service("ledger", |ctx| async move { Ok(Ledger { audit: ctx.lookup("audit")? }) });
    /// ```
    pub fn service<S, F, Fut>(name: impl Into<Arc<str>>, factory: F) -> ServiceChild<S::Msg>
    where
        S: Service,
        F: Fn(Context<S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = anyhow::Result<S>> + Send + 'static,
    {
        let maker = Maker::new(factory, |maker, args| {
            let body = incarnation::service::live(args.inner::<S::Msg>(), maker, args.drain);
            args.live(OnKill::Drop, Box::pin(body))
        });
        ServiceChild::new(name, ChildKind::Service, maker).wording(service::says::<S>)
    }

    /// Does what [`service`](Self::service) does, and gives the factory a clone of `captured` each time.
    ///
    /// ```
    /// # use regrow::{Child, Context, Handle, Service};
    /// # struct Ledger { peers: Peers }
    /// # #[derive(Clone)] struct Peers;
    /// # impl Service for Ledger { type Msg = i64; async fn handle(&mut self, _: i64, _: &mut Context<Self>) -> anyhow::Result<()> { Ok(()) } }
    /// # let peers = Peers;
    /// let ledger = Child::service_with("ledger", peers, |peers, _ctx| async move { Ok(Ledger { peers }) });
    /// ```
    pub fn service_with<S, C, F, Fut>(name: impl Into<Arc<str>>, captured: C, factory: F) -> ServiceChild<S::Msg>
    where
        S: Service,
        C: Clone + Send + Sync + 'static,
        F: Fn(C, Context<S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = anyhow::Result<S>> + Send + 'static,
    {
        Self::service(name, move |ctx| factory(captured.clone(), ctx))
    }

    /// Does what [`service`](Self::service) does, with a plain `async fn` for a factory. The function takes the context
    /// or nothing. Its error may be of any type that converts into `anyhow::Error`.
    ///
    /// A closure would need the types of its argument and of its error spelled out here. [`service`](Self::service)
    /// knows these types, so closures belong there: `|ctx| async { Ok(Cache::open(ctx).await?) }`.
    ///
    /// ```
    /// # use regrow::{Child, Context, Service};
    /// # use std::{fs::File, io};
    /// struct Journal { file: File }
    /// # impl Service for Journal { type Msg = String; async fn handle(&mut self, _: String, _: &mut Context<Self>) -> anyhow::Result<()> { Ok(()) } }
    ///
    /// async fn open() -> io::Result<Journal> {
    ///     Ok(Journal { file: File::create("journal.txt")? })
    /// }
    ///
    /// let journal = Child::service_fn("journal", open);
    /// ```
    pub fn service_fn<S, Args>(name: impl Into<Arc<str>>, factory: impl ServiceFn<S, Args>) -> ServiceChild<S::Msg>
    where
        S: Service,
    {
        Self::service(name, move |ctx| factory.build(ctx))
    }

    /// A task: a future that takes no messages. It is up at once and ends normally when the future returns `Ok`. Its
    /// restart type is transient, unless [`restart`](TaskChild::restart) sets another one.
    ///
    /// To stop the task, its supervisor drops the future at its next await. A task that listens to
    /// [`TaskContext::stopping`] ends in its own way instead.
    ///
    /// # `Child::task` or `ctx.spawn`?
    ///
    /// Describe a child if one of these matters, and use [`Context::spawn`] for the rest:
    ///
    /// 1. **The work must go on after a failure.** A child is restarted, and its failures count against a budget. A
    ///    linked task is not: its panic ends the incarnation that spawned it.
    /// 2. **The work must outlive the service that began it.** A linked task is dropped when its incarnation ends, before
    ///    the next one is built. A child ends when its work is done, or when its supervisor or a kill ends it.
    /// 3. **The work must be seen and managed.** A child has a path, a status, events, a watchdog and an answer to
    ///    [`why`](crate::Tree::why). A linked task has none of these.
    /// 4. **The work needs time to stop.** A child may listen to [`stopping`](TaskContext::stopping) within its
    ///    shutdown time. A linked task is aborted at its next await.
    ///
    /// The first point is the most important one. `ctx.spawn` is for short work that is worth nothing without the
    /// service, such as one request or a timer. To add children at run time, use a [`DynamicSupervisor`].
    pub fn task<F, Fut>(name: impl Into<Arc<str>>, work: F) -> TaskChild
    where
        F: Fn(TaskContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let maker = Maker::new(work, |maker, args| {
            let body = task::live(args.inner::<NoMessages>(), maker);
            args.live(OnKill::Drop, Box::pin(body))
        });
        let child = ServiceChild::new(name, ChildKind::Task, maker);
        TaskChild { child: child.restart_by_default(Restart::Transient) }
    }

    /// Does what [`task`](Self::task) does, and gives each life a clone of `captured`.
    ///
    /// ```
    /// # use regrow::Child;
    /// # #[derive(Clone)] struct Api; impl Api { async fn poll(&self) -> anyhow::Result<()> { Ok(()) } }
    /// # let api = Api;
    /// let poller = Child::task_with("poller", api, |api, _ctx| async move { api.poll().await });
    /// ```
    pub fn task_with<C, F, Fut>(name: impl Into<Arc<str>>, captured: C, work: F) -> TaskChild
    where
        C: Clone + Send + Sync + 'static,
        F: Fn(C, TaskContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        Self::task(name, move |ctx| work(captured.clone(), ctx))
    }

    /// Does what [`task`](Self::task) does, with a plain `async fn`. The function takes the context or nothing. It
    /// returns nothing, or an error of any type that converts into `anyhow::Error`.
    ///
    /// A closure would need the types of its argument and of its error spelled out here. [`task`](Self::task) knows
    /// these types, so closures belong there: `|ctx| async { Ok(sweep(ctx).await?) }`.
    ///
    /// ```
    /// # use regrow::Child;
    /// # use std::io;
    /// async fn sweep() -> io::Result<()> {
    ///     std::fs::remove_dir_all("cache")
    /// }
    ///
    /// let sweeper = Child::task_fn("sweeper", sweep);
    /// ```
    pub fn task_fn<Args>(name: impl Into<Arc<str>>, work: impl TaskFn<Args>) -> TaskChild {
        Self::task(name, move |ctx| work.run(ctx))
    }

    /// A service that owns an OS thread and iterates its mailbox. `work` runs once for every incarnation.
    ///
    /// A stop or a kill ends the iterator. A thread that is busy at that moment is waited for and abandoned in the end.
    /// An abandoned thread can take no message and complete no reply any more. It can still use what it holds.
    ///
    /// ```
    /// # use regrow::{Child, Inbox};
    /// let hasher = Child::thread("hasher", |inbox: Inbox<Vec<u8>>| {
    ///     for block in inbox {
    ///         // long, blocking work
    ///         # drop(block);
    ///     }
    ///     Ok(())
    /// });
    /// ```
    pub fn thread<M, F>(name: impl Into<Arc<str>>, work: F) -> ServiceChild<M>
    where
        M: Send + 'static,
        F: Fn(Inbox<M>) -> anyhow::Result<()> + Send + Sync + 'static,
    {
        let maker = Maker::new(work, |maker, args| {
            let body = thread::live(args.inner::<M>(), maker);
            args.live(OnKill::Tell, Box::pin(body))
        });
        ServiceChild::new(name, ChildKind::Thread, maker)
    }

    /// Does what [`thread`](Self::thread) does, and gives each life a clone of `captured`.
    ///
    /// ```
    /// # use regrow::{Child, Inbox};
    /// # let salt = String::new();
    /// let hasher = Child::thread_with("hasher", salt, |salt, inbox: Inbox<Vec<u8>>| {
    ///     for block in inbox {
    ///         // long, blocking work
    ///         # drop((&salt, block));
    ///     }
    ///     Ok(())
    /// });
    /// ```
    pub fn thread_with<M, C, F>(name: impl Into<Arc<str>>, captured: C, work: F) -> ServiceChild<M>
    where
        M: Send + 'static,
        C: Clone + Send + Sync + 'static,
        F: Fn(C, Inbox<M>) -> anyhow::Result<()> + Send + Sync + 'static,
    {
        Self::thread(name, move |inbox| work(captured.clone(), inbox))
    }

    /// Any `ractor::Actor`. `build` makes it for every incarnation, and a [`Handle`](crate::Handle) reaches it like
    /// every other child.
    ///
    /// While the actor is away, its messages wait in the mailbox here. When it is up, they are handed on to its own
    /// mailbox at once, and count as handled from then on. What the actor has not processed when it dies is lost. Calls
    /// among these messages end as the actor's own replies do.
    ///
    /// If ractor's feature `cluster` is on, turn on regrow's feature `cluster`, too. The message type `A::Msg` then decides
    /// whether other nodes see the actor. With one that is serializable, ractor announces each start and stop of the actor
    /// to all connected nodes, and they may send it messages. These go past the mailbox here: they count nowhere, and are
    /// lost while the actor is away. Serializable are the types for which ractor implements `Message`, such as `()`,
    /// numbers and `String`. A type with an empty `impl ractor::Message` is not, and its actor stays on its node.
    pub fn actor<A, F>(name: impl Into<Arc<str>>, build: F) -> ServiceChild<A::Msg>
    where
        A: Actor,
        F: Fn() -> (A, A::Arguments) + Send + Sync + 'static,
    {
        let maker = Maker::new(build, |maker, args| {
            let body = foreign::live::<A, F>(args.inner::<A::Msg>(), maker, args.cell.clone());
            args.live(OnKill::Tell, Box::pin(body))
        });
        ServiceChild::new(name, ChildKind::Actor, maker)
    }

    /// A supervisor with a description that `build` makes at each of its starts, as OTP calls `init` (OTP rule 100).
    /// Children that keep their name and type of message keep their slot, and with it their handles and mail.
    ///
    /// `build` runs for the first time when the tree is planned, before anything starts. The name is the one given
    /// here.
    pub fn supervisor(name: impl Into<Arc<str>>, build: impl Fn() -> Supervisor + Send + Sync + 'static) -> Child {
        Self::rebuilt(Description::from(build()).named(name), move || build().into())
    }

    /// A supervisor with a description that `build` makes at each of its starts but the first.
    pub(crate) fn rebuilt(first: Description, build: impl Fn() -> Description + Send + Sync + 'static) -> Child {
        let (spec, named, kind) = (first.spec.clone(), first.terms.named, first.shape.kind());
        let build = Kept::new(build);
        let recipe = Factory::Supervisor(SupervisorRecipe::new(first, Some(Box::new(move || build.get()()))));
        Child { spec, named, kind, drain: false, is_actor: false, recipe }
    }

    /// Returns the child under another name.
    pub(crate) fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        if let Factory::Supervisor(recipe) = &mut self.recipe {
            recipe.rename(&name);
        }
        self.spec = self.spec.named(name);
        self
    }
}

impl From<Supervisor> for Child {
    fn from(supervisor: Supervisor) -> Self {
        Description::from(supervisor).into()
    }
}

impl From<DynamicSupervisor> for Child {
    fn from(supervisor: DynamicSupervisor) -> Self {
        Description::from(supervisor).into()
    }
}

impl From<Description> for Child {
    fn from(description: Description) -> Self {
        let (spec, named, kind) = (description.spec.clone(), description.terms.named, description.shape.kind());
        let recipe = Factory::Supervisor(SupervisorRecipe::new(description, None));
        Child { spec, named, kind, drain: false, is_actor: false, recipe }
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").field("kind", &self.kind).field("spec", &self.spec).finish_non_exhaustive()
    }
}
