//! How each kind of child is described.

mod function;
mod service;

use std::fmt;
use std::sync::Arc;

use ractor::Actor;
use regrow_supervisors::{ChildSpec, Restart};

use crate::base::sweep::Kept;
use crate::context::{Context, TaskContext};
use crate::incarnation::maker::{Conceives, Maker};
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
pub use service::{ServiceChild, TaskChild};

/// A child of a [`Supervisor`], of any kind. The functions here describe one; [`Supervisor::child`] takes it.
///
/// | | a life is | restart | shutdown |
/// |---|---|---|---|
/// | [`Child::service`] | a [`Service`] built by its factory | permanent | asked, 5 s |
/// | [`Child::task`] | a future | transient | asked, 5 s |
/// | [`Child::thread`] | an OS thread that iterates its mailbox | permanent | asked, 5 s |
/// | [`Child::actor`] | a `ractor::Actor` | permanent | asked, 5 s |
/// | [`Supervisor`], [`Child::supervisor`] | a subtree | permanent | asked, no limit |
/// | [`DynamicSupervisor`] | a subtree whose children come at run time | permanent | asked, no limit |
/// | [`Partitioned`](crate::Partitioned) | equal services that share the work by key | permanent | asked, no limit |
///
/// A child that a kill does not end is abandoned 5 s after it. Mailboxes hold 1024 messages, refuse more, and keep what
/// is queued through restarts. The message in hand is lost with its incarnation, unless
/// [redelivery](ServiceChild::redeliver) is asked for.
///
/// Each life runs in a bare tokio task, and each supervisor in a ractor actor. If ractor's own tools are to see a service or
/// a task, [`as_actor`](ServiceChild::as_actor) runs it in a ractor actor, too. Do not stop or kill parts of a running tree
/// through ractor. If that happens, no service lives twice and none is left behind: a killed supervisor ends with its children,
/// and is restarted.
///
/// A name is unique among its siblings and has no slash in it; [`NameError`](crate::NameError) lists what else is refused. No
/// path has more than [`NESTING_MAX`](crate::NESTING_MAX) names.
///
/// # Settings and their defaults
///
#[doc = include_str!("settings.md")]
pub struct Child {
    pub(crate) spec: ChildSpec,
    pub(crate) named: Named,
    pub(crate) kind: ChildKind,
    pub(crate) drain: bool,
    /// Its lives run in ractor actors, and not in bare tasks.
    pub(crate) is_actor: bool,
    pub(crate) recipe: Factory,
}

/// How a life of the child is made.
pub(crate) enum Factory {
    Leaf(Leaf),
    Supervisor(SupervisorRecipe),
}

/// A child that is not a supervisor.
pub(crate) struct Leaf {
    pub(crate) slot: Reserved,
    pub(crate) settings: Settings,
    /// The slot was made by the user, and must be used.
    pub(crate) is_given: bool,
    /// A mailbox was given, and is not used.
    pub(crate) is_given_in_vain: bool,
    /// How often a message in hand is put back.
    pub(crate) redeliveries: u32,
    pub(crate) spawn: Conceive,
}

pub(crate) type Conceive = Arc<dyn Conceives>;

impl Child {
    /// A service: `factory` builds its state for every incarnation, and that is the whole of a restart.
    ///
    /// The factory runs in the incarnation's own task, so a slow or hung one delays nobody else. It sees the
    /// [`Context`], and with it the generation to be and the last exit; it may return [`ignore()`](crate::ignore).
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
        let maker = Maker::new(factory, |maker, birth| {
            let body = incarnation::service::live(birth.inner::<S::Msg>(), maker, birth.drain);
            birth.live(OnKill::Drop, Box::pin(body))
        });
        ServiceChild::new(name, ChildKind::Service, maker).label(S::label)
    }

    /// As [`service`](Self::service), with a value that the factory is given a clone of each time.
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

    /// As [`service`](Self::service), with a plain `async fn` for a factory. It may take the context or nothing. Its
    /// error may be of any type that converts into `anyhow::Error`.
    ///
    /// A closure would need the types of its argument and of its error spelled out here. [`service`](Self::service)
    /// knows them, so closures belong there: `|ctx| async { Ok(Cache::open(ctx).await?) }`.
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

    /// A task: a future that takes no messages. It is up at once, ended normally when the future returns `Ok`, and
    /// transient unless told otherwise.
    ///
    /// To stop it, it is dropped at its next await, unless it listens: see [`TaskContext::stopping`].
    pub fn task<F, Fut>(name: impl Into<Arc<str>>, work: F) -> TaskChild
    where
        F: Fn(TaskContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let maker = Maker::new(work, |maker, birth| {
            let body = task::live(birth.inner::<NoMessages>(), maker);
            birth.live(OnKill::Drop, Box::pin(body))
        });
        let child = ServiceChild::new(name, ChildKind::Task, maker);
        TaskChild { child: child.restart_by_default(Restart::Transient) }
    }

    /// As [`task`](Self::task), with a value that each life is given a clone of.
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

    /// As [`task`](Self::task), with a plain `async fn`. It may take the context or nothing. It may return nothing, or
    /// an error of any type that converts into `anyhow::Error`.
    ///
    /// A closure would need the types of its argument and of its error spelled out here. [`task`](Self::task) knows
    /// them, so closures belong there: `|ctx| async { Ok(sweep(ctx).await?) }`.
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

    /// A service that owns an OS thread and iterates its mailbox; `work` runs anew for every incarnation.
    ///
    /// A stop or a kill ends the iterator. A thread that is busy then is waited for and, in the end, abandoned: it can
    /// take no message and complete no reply any more, and what it holds it can still use.
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
        let maker = Maker::new(work, |maker, birth| {
            let body = thread::live(birth.inner::<M>(), maker);
            birth.live(OnKill::Tell, Box::pin(body))
        });
        ServiceChild::new(name, ChildKind::Thread, maker)
    }

    /// As [`thread`](Self::thread), with a value that each life is given a clone of.
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

    /// Any `ractor::Actor`, built by `build` for every incarnation and reached through a [`Handle`](crate::Handle) like
    /// everything else.
    ///
    /// Its messages wait in the mailbox here while it is away. They are handed on to its own mailbox at once when it is
    /// up, and count as handled then; what it has not processed when it dies is lost, and calls among that end as its
    /// own replies do.
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
        let maker = Maker::new(build, |maker, birth| {
            let body = foreign::live::<A, F>(birth.inner::<A::Msg>(), maker, birth.cell.clone());
            birth.live(OnKill::Tell, Box::pin(body))
        });
        ServiceChild::new(name, ChildKind::Actor, maker)
    }

    /// A supervisor whose description is made anew, by `build`, at each of its starts, as OTP calls `init` (OTP rule
    /// 100). Children that keep their name and type of message keep their slot, and with it their handles and mail.
    ///
    /// `build` runs first when the tree is planned, before anything starts. The name is the one given here.
    pub fn supervisor(name: impl Into<Arc<str>>, build: impl Fn() -> Supervisor + Send + Sync + 'static) -> Child {
        Self::rebuilt(Description::from(build()).named(name), move || build().into())
    }

    /// A supervisor whose description is made anew at each of its starts but the first.
    pub(crate) fn rebuilt(first: Description, build: impl Fn() -> Description + Send + Sync + 'static) -> Child {
        let (spec, named, kind) = (first.spec.clone(), first.terms.named, first.shape.kind());
        let build = Kept::new(build);
        let recipe = Factory::Supervisor(SupervisorRecipe::new(first, Some(Box::new(move || build.get()()))));
        Child { spec, named, kind, drain: false, is_actor: false, recipe }
    }

    /// Gives it another name.
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
