//! A dynamic supervisor that runs: its children are started and terminated through its handle.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use regrow_supervisors::{ChildSpec, Exit};

use crate::child::Child;
use crate::handle::Handle;
use crate::supervisor::dynamic::{Configuration, DynamicState, DynamicSupervisor, Limits, Made, Make};
use crate::supervisor::manage::SupervisorHandle;
use crate::supervisor::outcome::{ChildCount, ChildInfo, ManageError, StartOutcome};
use crate::tree::lookup::LookupError;

/// A running dynamic supervisor. Valid for ever and about the present incarnation, like every handle; got from
/// [`Tree::dynamic`](crate::Tree::dynamic) or [`Context::dynamic`](crate::Context::dynamic).
///
/// Its children are started and terminated, and neither restarted nor deleted by order (OTP rule 84): a child that is
/// terminated is gone.
#[derive(Clone)]
pub struct DynamicHandle {
    handle: SupervisorHandle,
    pool: Arc<DynamicState>,
}

impl DynamicHandle {
    pub(crate) fn new(handle: SupervisorHandle, pool: Arc<DynamicState>) -> Self {
        Self { handle, pool }
    }

    /// The supervisor's full path.
    pub fn path(&self) -> &str {
        self.handle.path()
    }

    /// Finds a child by its name.
    ///
    /// # Errors
    ///
    /// When there is no such child, or it takes other messages.
    pub fn lookup<M: Send + 'static>(&self, name: &str) -> Result<Handle<M>, LookupError> {
        self.handle.lookup(name)
    }

    /// Adds a child and starts it (OTP rule 81). It has its mailbox and its place in the directory before it starts. One
    /// that ignores its start, and one that fails it, leave nothing behind. Dropping the future does not undo it.
    ///
    /// # Errors
    ///
    /// A description that makes no sense, a name that is in use ([`AlreadyStarted`](ManageError::AlreadyStarted),
    /// [`Stopping`](ManageError::Stopping)), [`MaxChildren`](ManageError::MaxChildren), a start that [`Failed`](ManageError::Failed), or a supervisor that is
    /// not running. Nothing is kept of the child then.
    pub async fn start_child(&self, child: impl Into<Child>) -> Result<StartOutcome, ManageError> {
        self.handle.start_child(self.pool.admit(child.into())).await
    }

    /// Adds many children and starts them, and returns one outcome per child, in the order of `children`.
    ///
    /// A child that fails or is refused keeps no other from being started. A child waits for another one only if it
    /// depends on that one. This is faster than as many [`start_child`](Self::start_child), as the supervisor is woken once
    /// per batch of 128.
    ///
    /// Up to 256 starts are under way at a time, and `children` is asked for more when half of them are answered. So an
    /// iterator over a million children is never held as a list, but the returned outcomes are. The iterator runs in the
    /// caller's task, up to 128 children without a pause. A start that hangs delays the return until it is over, and not
    /// the children behind it: [`start_timeout`](crate::Policy::start_timeout) limits it.
    ///
    /// Dropping the future starts no more children. What is under way is carried out, and its outcomes are lost.
    /// [`max_children`](DynamicSupervisor::max_children) counts as for single starts: children beyond it are refused.
    ///
    /// ```
    /// use regrow::testing::Journal;
    /// use regrow::{DynamicSupervisor, ManageError};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let journal = Journal::new();
    /// let tree = DynamicSupervisor::new("sessions").max_children(2).start().await?;
    /// let sessions = tree.dynamic("sessions")?;
    ///
    /// let started = sessions.start_children(["ada", "bob", "eve"].map(|user| journal.probe(user))).await;
    /// assert!(started[0].is_ok() && started[1].is_ok());
    /// assert!(matches!(started[2], Err(ManageError::MaxChildren { .. })));
    /// # tree.shutdown().await; Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// For each child those of [`start_child`](Self::start_child). If the supervisor ends meanwhile, children without an
    /// answer get [`NotRunning`](ManageError::NotRunning). Such a child may have been up for a moment.
    ///
    /// # Panics
    ///
    /// If the iterator panics. What is under way is carried out then. The outcomes are lost, and so are the up to 127
    /// children that were not handed over yet.
    pub async fn start_children<C: Into<Child>>(
        &self,
        children: impl IntoIterator<Item = C>,
    ) -> Vec<Result<StartOutcome, ManageError>> {
        self.handle.start_children(children.into_iter().map(|child| Ok(self.pool.admit(child.into())))).await
    }

    /// The template, by which children are made from values of type `A`.
    ///
    /// # Errors
    ///
    /// When the supervisor has no template, or one for other values.
    pub fn template<A: 'static>(&self) -> Result<Template<A>, LookupError> {
        let path = || self.path().into();
        let Some(Made { make, arguments }) = self.pool.template() else {
            return Err(LookupError::NoTemplate { path: path() });
        };
        if make.is::<Make<A>>() {
            return Ok(Template { supervisor: self.clone(), arguments: PhantomData });
        }
        Err(LookupError::WrongTemplate { path: path(), found: arguments, asked: std::any::type_name::<A>() })
    }

    /// Takes the limits and the template of `new` for those in force, at once and together (OTP rules 95 and 98); it lasts
    /// through restarts of the supervisor. Where `new` has no template there is none any more, and where it has no budget
    /// the budget is the default. Children that are there stay as they are, also if there are more than there may be now,
    /// and are restarted as they were made. What is spent of the restart budget stays spent. The rest of `new` does not
    /// matter: its name, whether it is [`numbered`](DynamicSupervisor::numbered).
    ///
    /// # Errors
    ///
    /// Limits that make no sense. `defaults`, `budget_clock` or `max_starting` that differ from those in force
    /// ([`NoEffect`](StartError::NoEffect)). A supervisor that is not running. Nothing is changed then.
    pub async fn reconfigure(&self, new: DynamicSupervisor) -> Result<(), ManageError> {
        self.handle.check_reconfiguration(&new.base.terms).await?;
        let limits = Limits { intensity: new.base.intensity, children_max: new.children_max };
        let (pool, template) = (self.pool.clone(), new.pool.template());
        let then = move || pool.configure(|configuration| *configuration = Configuration { limits, template });
        self.handle.limit(limits, then).await
    }

    /// Starts a child now that is parked, or waits: see [`SupervisorHandle::revive`](crate::SupervisorHandle::revive).
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn revive(&self, name: &str) -> Result<(), ManageError> {
        self.handle.revive(name).await
    }

    /// Stops a child by its shutdown rule and forgets it: its handles say `Gone` (OTP rule 83). A retry is cancelled.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ManageError::NotFound), a supervisor that is not running, or [`ToItself`](ManageError::ToItself) if code of
    /// the child, or of one below it, waits for this. Nothing is stopped then.
    pub async fn terminate_child(&self, name: &str) -> Result<(), ManageError> {
        self.handle.terminate_child(name).await
    }

    /// The children, eldest first, and where each stands (OTP rule 87). Answered at once, also while starts hang.
    ///
    /// # Errors
    ///
    /// A supervisor that is not running.
    pub async fn which_children(&self) -> Result<Vec<ChildInfo>, ManageError> {
        self.handle.which_children().await
    }

    /// How many children there are. (OTP rule 86, which counts the one template as the only spec; here, as in Elixir, every
    /// child has one.)
    ///
    /// # Errors
    ///
    /// A supervisor that is not running.
    pub async fn count_children(&self) -> Result<ChildCount, ManageError> {
        self.handle.count_children().await
    }

    /// The spec of a child (OTP rule 84).
    ///
    /// # Errors
    ///
    /// [`NotFound`](ManageError::NotFound), or a supervisor that is not running.
    pub async fn child_spec(&self, name: &str) -> Result<ChildSpec, ManageError> {
        self.handle.child_spec(name).await
    }

    /// Orders the supervisor to end with this reason, after its children: all are told at once (OTP rule 88).
    ///
    /// # Errors
    ///
    /// A supervisor that is not running.
    pub fn stop(&self, exit: Exit) -> Result<(), ManageError> {
        self.handle.stop(exit)
    }
}

impl fmt::Debug for DynamicHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DynamicHandle").field(&self.path()).finish()
    }
}

/// Makes the children of a dynamic supervisor from values of type `A`. Got from [`DynamicHandle::template`].
pub struct Template<A> {
    supervisor: DynamicHandle,
    arguments: PhantomData<fn(A)>,
}

impl<A: 'static> Template<A> {
    /// Makes a child from `arguments`, adds and starts it: see [`DynamicHandle::start_child`].
    ///
    /// # Errors
    ///
    /// As for [`DynamicHandle::start_child`], and when the template has been [replaced](DynamicHandle::reconfigure) by one
    /// for other values.
    ///
    /// # Panics
    ///
    /// If the template panics, which runs here, in the caller's task. Nothing has been started then.
    pub async fn start_child(&self, arguments: A) -> Result<StartOutcome, ManageError> {
        let child = self.make(arguments)?;
        self.supervisor.start_child(child).await
    }

    /// Makes children from `arguments`, adds and starts them, and returns one outcome per child, in the order of
    /// `arguments`: see [`DynamicHandle::start_children`]. The template runs in the caller's task.
    ///
    /// # Errors
    ///
    /// For each child those of [`start_child`](Self::start_child).
    ///
    /// # Panics
    ///
    /// If the template or the iterator panics. What is under way is carried out then. The outcomes are lost, and so are the
    /// up to 127 children that were not handed over yet.
    pub async fn start_children(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Vec<Result<StartOutcome, ManageError>> {
        let supervisor = &self.supervisor;
        let made = arguments.into_iter().map(|arguments| Ok(supervisor.pool.admit(self.make(arguments)?)));
        supervisor.handle.start_children(made).await
    }

    fn make(&self, arguments: A) -> Result<Child, ManageError> {
        let made = self.supervisor.pool.template();
        match made.as_ref().and_then(|made| made.make.downcast_ref::<Make<A>>()) {
            Some(make) => Ok(make(arguments)),
            None => {
                let (path, asked) = (self.supervisor.path().into(), std::any::type_name::<A>());
                Err(ManageError::WrongTemplate { path, asked })
            }
        }
    }

    /// The supervisor.
    pub fn supervisor(&self) -> &DynamicHandle {
        &self.supervisor
    }
}

impl<A> Clone for Template<A> {
    fn clone(&self) -> Self {
        Self { supervisor: self.supervisor.clone(), arguments: PhantomData }
    }
}

impl<A> fmt::Debug for Template<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.supervisor.path()).field(&std::any::type_name::<A>()).finish()
    }
}
