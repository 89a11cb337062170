//! The handle of a running dynamic supervisor, which starts and terminates its children.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use regrow_supervisors::{ChildSpec, Exit};

use crate::child::{Child, OnceChild};
use crate::error::not_running::NotRunning;
use crate::error::orders::{ReconfigureError, ReviveError, StartChildError, StopChildError};
use crate::handle::Handle;
use crate::supervisor::dynamic::{Configuration, DynamicState, DynamicSupervisor, Limits, Made, Make};
use crate::supervisor::manage::SupervisorHandle;
use crate::supervisor::outcome::{ChildCount, ChildInfo, StartOutcome};
use crate::tree::lookup::LookupError;

/// A running dynamic supervisor. Like every handle, it is valid for ever and is about the present incarnation.
/// [`Tree::dynamic`](crate::Tree::dynamic) and [`Context::dynamic`](crate::Context::dynamic) return it.
///
/// Its children are started and terminated by order, but neither restarted nor deleted (OTP rule 84). A child that is
/// terminated is gone.
#[derive(Clone)]
pub struct DynamicHandle {
    handle: SupervisorHandle,
    state: Arc<DynamicState>,
}

impl DynamicHandle {
    pub(crate) fn new(handle: SupervisorHandle, state: Arc<DynamicState>) -> Self {
        Self { handle, state }
    }

    pub(super) fn supervisor(&self) -> &SupervisorHandle {
        &self.handle
    }

    /// Whether its children have numbers for names.
    pub(super) fn is_numbered(&self) -> bool {
        self.state.is_numbered()
    }

    /// Starts a task under a name of the supervisor's choice.
    pub(super) async fn start_task(&self, task: OnceChild) -> Result<StartOutcome, StartChildError> {
        self.handle.start_child(self.state.admit_task(task.into())).await
    }

    /// The supervisor's full path.
    pub fn path(&self) -> &str {
        self.handle.path()
    }

    /// Finds a child by its name.
    ///
    /// # Errors
    ///
    /// There is no such child, or it takes other messages.
    pub fn lookup<M: Send + 'static>(&self, name: &str) -> Result<Handle<M>, LookupError> {
        self.handle.lookup(name)
    }

    /// Adds a child and starts it (OTP rule 81). The child has its mailbox and its place in the directory before it
    /// starts. A child that ignores or fails its start leaves nothing behind. Dropping the future does not undo the
    /// order.
    ///
    /// # Errors
    ///
    /// * A description that makes no sense.
    /// * A name that is in use: [`AlreadyStarted`](StartChildError::AlreadyStarted), [`Stopping`](StartChildError::Stopping).
    /// * Too many children: [`MaxChildren`](StartChildError::MaxChildren).
    /// * A start that [`Failed`](StartChildError::Failed).
    /// * A supervisor that is not running.
    ///
    /// Nothing is kept of the child then.
    pub async fn start_child(&self, child: impl Into<Child>) -> Result<StartOutcome, StartChildError> {
        self.handle.start_child(self.state.admit(child.into())).await
    }

    /// Adds many children and starts them, and returns one outcome per child, in the order of `children`.
    ///
    /// A child that fails or is refused does not keep the others from being started. A child waits for another one only
    /// if it depends on that one. This is faster than many calls of [`start_child`](Self::start_child), as the
    /// supervisor is woken once per batch of 128.
    ///
    /// Up to 256 starts are under way at a time, and `children` is asked for more when half of them are answered. So an
    /// iterator over a million children is never held as a list, but the returned outcomes are. The iterator runs in
    /// the caller's task, up to 128 children without a pause.
    ///
    /// A start that hangs delays the return until it is over, but not the children behind it.
    /// [`start_timeout`](crate::Policy::start_timeout) limits it.
    ///
    /// Dropping the future starts no more children. Starts under way are carried out, and their outcomes are lost.
    /// [`max_children`](DynamicSupervisor::max_children) counts as for single starts: children beyond it are refused.
    ///
    /// ```
    /// use regrow::testing::Journal;
    /// use regrow::{DynamicSupervisor, StartChildError};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let journal = Journal::new();
    /// let tree = DynamicSupervisor::new("sessions").max_children(2).start().await?;
    /// let sessions = tree.dynamic("sessions")?;
    ///
    /// let started = sessions.start_children(["ada", "bob", "eve"].map(|user| journal.probe(user))).await;
    /// assert!(started[0].is_ok() && started[1].is_ok());
    /// assert!(matches!(started[2], Err(StartChildError::MaxChildren { .. })));
    /// # tree.shutdown().await; Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// For each child, those of [`start_child`](Self::start_child). If the supervisor ends meanwhile, children without
    /// an answer get [`NotRunning`](StartChildError::NotRunning). Such a child may have been up for a moment.
    ///
    /// # Panics
    ///
    /// If the iterator panics. Starts under way are carried out then. The outcomes are lost, and so are up to 127
    /// children that were not handed over yet.
    pub async fn start_children<C: Into<Child>>(
        &self,
        children: impl IntoIterator<Item = C>,
    ) -> Vec<Result<StartOutcome, StartChildError>> {
        self.handle.start_children(children.into_iter().map(|child| Ok(self.state.admit(child.into())))).await
    }

    /// The template by which children are made from values of type `A`.
    ///
    /// # Errors
    ///
    /// The supervisor has no template, or one for other values.
    pub fn template<A: 'static>(&self) -> Result<Template<A>, LookupError> {
        let path = || self.path().into();
        let Some(Made { make, arguments }) = self.state.template() else {
            return Err(LookupError::NoTemplate { path: path() });
        };
        if make.is::<Make<A>>() {
            return Ok(Template { supervisor: self.clone(), arguments: PhantomData });
        }
        Err(LookupError::WrongTemplate { path: path(), found: arguments, asked: std::any::type_name::<A>() })
    }

    /// Replaces the limits and the template by those of `new`, at once and together (OTP rules 95 and 98). The change
    /// lasts through restarts of the supervisor.
    ///
    /// If `new` has no template, there is none any more. If it has no budget, the budget is the default. Children that
    /// are there stay, even if they are more than the new limit, and are restarted as they were made. The part of the
    /// restart budget that is spent stays spent. Name and [numbering](DynamicSupervisor::numbered) of `new` do not
    /// matter.
    ///
    /// # Errors
    ///
    /// * Limits that make no sense.
    /// * `defaults`, `budget_each`, `budget_clock` or `max_starting` that differ from those in force
    ///   ([`NoEffect`](crate::StartError::NoEffect)).
    /// * A supervisor that is not running.
    ///
    /// Nothing is changed then.
    pub async fn reconfigure(&self, new: DynamicSupervisor) -> Result<(), ReconfigureError> {
        self.handle.check_reconfiguration(&new.base.terms).await?;
        let limits = Limits { intensity: new.base.intensity, children_max: new.children_max };
        let (state, template) = (self.state.clone(), new.state.template());
        let then = move || state.configure(|configuration| *configuration = Configuration { limits, template });
        self.handle.limit(limits, then).await
    }

    /// Starts a child now that is parked or waits: see [`SupervisorHandle::revive`](crate::SupervisorHandle::revive).
    ///
    /// # Errors
    ///
    /// Those of [`SupervisorHandle::revive`](crate::SupervisorHandle::revive).
    pub async fn revive(&self, name: &str) -> Result<(), ReviveError> {
        self.handle.revive(name).await
    }

    /// Stops a child by its shutdown rule and forgets it: its handles say `Gone` (OTP rule 83). A retry is cancelled.
    ///
    /// # Errors
    ///
    /// * [`NotFound`](StopChildError::NotFound).
    /// * [`ToItself`](StopChildError::ToItself), if code of the child, or of one below it, waits for this.
    /// * A supervisor that is not running.
    ///
    /// Nothing is stopped then.
    pub async fn terminate_child(&self, name: &str) -> Result<(), StopChildError> {
        self.handle.terminate_child(name).await
    }

    /// Returns the children, eldest first, and the state of each (OTP rule 87). The answer comes at once, even while
    /// starts hang.
    ///
    /// # Errors
    ///
    /// A supervisor that is not running.
    pub async fn which_children(&self) -> Result<Vec<ChildInfo>, NotRunning> {
        self.handle.which_children().await
    }

    /// Counts the children. (OTP rule 86 counts the one template as the only spec. Here, as in Elixir, every child has
    /// one.)
    ///
    /// # Errors
    ///
    /// A supervisor that is not running.
    pub async fn count_children(&self) -> Result<ChildCount, NotRunning> {
        self.handle.count_children().await
    }

    /// The spec of a child (OTP rule 84); `None` if the supervisor has no child of this name.
    ///
    /// # Errors
    ///
    /// A supervisor that is not running.
    pub async fn child_spec(&self, name: &str) -> Result<Option<ChildSpec>, NotRunning> {
        self.handle.child_spec(name).await
    }

    /// Orders the supervisor to end with this reason. It asks all children to stop at once, and ends after them (OTP
    /// rule 88).
    ///
    /// # Errors
    ///
    /// A supervisor that is not running.
    pub fn stop(&self, exit: Exit) -> Result<(), NotRunning> {
        self.handle.stop(exit)
    }
}

impl fmt::Debug for DynamicHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DynamicHandle").field(&self.path()).finish()
    }
}

/// Makes the children of a dynamic supervisor from values of type `A`. [`DynamicHandle::template`] returns it.
pub struct Template<A> {
    supervisor: DynamicHandle,
    arguments: PhantomData<fn(A)>,
}

impl<A: 'static> Template<A> {
    /// Makes a child from `arguments`, adds it and starts it: see [`DynamicHandle::start_child`].
    ///
    /// # Errors
    ///
    /// Those of [`DynamicHandle::start_child`], and [`WrongTemplate`](StartChildError::WrongTemplate) if the template has
    /// been [replaced](DynamicHandle::reconfigure) by one for other values.
    ///
    /// # Panics
    ///
    /// If the template panics, which runs in the caller's task. Nothing has been started then.
    pub async fn start_child(&self, arguments: A) -> Result<StartOutcome, StartChildError> {
        let child = self.make(arguments)?;
        self.supervisor.start_child(child).await
    }

    /// Makes children from `arguments`, adds them and starts them. Returns one outcome per child, in the order of
    /// `arguments`: see [`DynamicHandle::start_children`]. The template runs in the caller's task.
    ///
    /// # Errors
    ///
    /// For each child, those of [`start_child`](Self::start_child).
    ///
    /// # Panics
    ///
    /// If the template or the iterator panics. Starts under way are carried out then. The outcomes are lost, and so are
    /// up to 127 children that were not handed over yet.
    pub async fn start_children(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Vec<Result<StartOutcome, StartChildError>> {
        let supervisor = &self.supervisor;
        let made = arguments.into_iter().map(|arguments| Ok(supervisor.state.admit(self.make(arguments)?)));
        supervisor.handle.start_children(made).await
    }

    pub(super) fn make(&self, arguments: A) -> Result<Child, StartChildError> {
        let made = self.supervisor.state.template();
        match made.as_ref().and_then(|made| made.make.downcast_ref::<Make<A>>()) {
            Some(make) => Ok(make(arguments)),
            None => {
                let (path, asked) = (self.supervisor.path().into(), std::any::type_name::<A>());
                Err(StartChildError::WrongTemplate { path, asked })
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
