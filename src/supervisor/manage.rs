//! Management of a running supervisor: OTP's calls, as methods with typed answers.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

#[cfg(feature = "policy")]
use regrow_supervisors::{Adjustment, SpecError};
use regrow_supervisors::{ChildSpec, Exit, Order};

use crate::base::sweep;
use crate::child::Child;
use crate::error::manage::ManageError;
use crate::error::not_running::NotRunning;
use crate::error::orders::{
    DeleteChildError, ReconfigureError, RestartChildError, ReviveError, StartChildError, StopChildError,
};
use crate::handle::Handle;
use crate::slot::erased::AnySlot;
use crate::slot::fact::Fact;
use crate::supervisor::Supervisor;
use crate::supervisor::description::{Description, Shape};
use crate::supervisor::driver::Driver;
use crate::supervisor::dynamic::Limits;
use crate::supervisor::outcome::{ChildCount, ChildInfo, StartOutcome};
use crate::supervisor::plan::{Known, Plan, Planned};
#[cfg(feature = "policy")]
use crate::supervisor::reconfigure::Configuration;
use crate::tree::lookup::LookupError;
use crate::tree::shared::Shared;
use crate::tree::why::Grounds;

/// A running supervisor, to be managed. Like every handle, it is valid for ever and is about the present incarnation.
///
/// Orders and exits of children are served in the order in which they come (OTP rule 72). A service may manage its own
/// supervisor, because nothing waits inside a supervisor. An order by which the service would wait for its own end is
/// refused ([`StopChildError::ToItself`]).
///
/// ```
/// use regrow::testing::{Journal, ProbeMsg};
/// use regrow::{ChildState, StartChildError, Supervisor};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
/// let journal = Journal::new();
/// let tree = Supervisor::one_for_one("app").child(journal.probe("a")).start().await?;
/// let app = tree.supervisor("app")?;
///
/// app.start_child(journal.probe("b")).await?;
/// assert!(tree.lookup::<ProbeMsg>("app/b").is_ok());
/// assert!(matches!(app.start_child(journal.probe("b")).await, Err(StartChildError::AlreadyStarted { .. })));
///
/// app.terminate_child("b").await?;
/// assert_eq!(app.which_children().await?[1].standing, ChildState::Down);
/// app.delete_child("b").await?;
/// # tree.shutdown().await; Ok(()) }
/// ```
#[derive(Clone)]
pub struct SupervisorHandle {
    pub(super) path: Arc<str>,
    pub(super) slot: Arc<dyn AnySlot>,
    pub(super) shared: Arc<Shared>,
}

impl SupervisorHandle {
    pub(crate) fn new(path: Arc<str>, slot: Arc<dyn AnySlot>, shared: Arc<Shared>) -> Self {
        Self { path, slot, shared }
    }

    /// The supervisor's full path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Finds a service below this supervisor by its path from here: the name of a child, or `name/of/its/child`.
    ///
    /// # Errors
    ///
    /// There is no such service, or it takes other messages.
    pub fn lookup<M: Send + 'static>(&self, name: &str) -> Result<Handle<M>, LookupError> {
        self.shared.directory.find(&self.child_path(name))
    }

    /// Adds a child at the end and starts it (OTP rule 60). The child has its mailbox and its place in the directory
    /// before it starts. A child that ignores its start keeps its spec and rests, unless it is temporary. A first start
    /// by order that fails is not retried, whatever its policy says.
    ///
    /// A child that depends on others waits for them, and so does the order. If one of them is gone for good, the start
    /// fails, even if the policy says [`Park`](crate::DependencyGone::Park).
    ///
    /// # Errors
    ///
    /// * A description that makes no sense, or a circle of dependencies.
    /// * A name that is taken: [`AlreadyStarted`](StartChildError::AlreadyStarted),
    ///   [`AlreadyPresent`](StartChildError::AlreadyPresent), [`Stopping`](StartChildError::Stopping).
    /// * A start that [`Failed`](StartChildError::Failed).
    /// * A supervisor that is not running.
    ///
    /// Nothing is kept of the child then.
    pub async fn start_child(&self, child: impl Into<Child>) -> Result<StartOutcome, StartChildError> {
        self.start_child_and(child, |_| ()).await
    }

    /// Starts a child. `then` runs in the supervisor at the moment of the answer.
    pub(crate) async fn start_child_and(
        &self,
        child: impl Into<Child>,
        then: impl FnOnce(&StartOutcome) + Send + 'static,
    ) -> Result<StartOutcome, StartChildError> {
        let planned = Planned::new(child.into(), &self.path, &Known::new())?;
        self.check_new(&planned, &mut None).await?;
        let order = Order::StartChild(planned.spec.clone());
        self.start(order, vec![planned], then).await.map_err(StartChildError::of)
    }

    /// Starts a child now that is parked, has ended for good ([`GiveUp::Stop`](crate::GiveUp::Stop)), or waits for a
    /// delay to pass or for services that it depends on. Its delays
    /// begin with the first again, and its own budget is full again. Completes when the start has been ordered: a message
    /// that comes before it begins is still refused as parked. The [status](Handle::watch) of the child tells whether the
    /// start succeeds.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ReviveError::NotFound), [`Running`](ReviveError::Running), [`Stopping`](ReviveError::Stopping),
    /// [`Down`](ReviveError::Down), or a supervisor that is not running.
    pub async fn revive(&self, name: &str) -> Result<(), ReviveError> {
        let revived = self.order(Order::Revive(name.into()), Vec::new(), |_, _| ()).await;
        revived.map_err(|error| match error {
            ManageError::AlreadyPresent { path } => ReviveError::Down { path },
            error => ReviveError::of(error),
        })
    }

    /// Returns the reasons for the state of a child; `None` if this supervisor does not know it.
    pub(crate) async fn why_child(&self, name: &str) -> Result<Option<Grounds>, NotRunning> {
        let name = name.to_owned();
        self.read_in(move |driver| driver.why(&name)).await
    }

    /// Returns the settings in force for one child, and those of the code; `None` if this supervisor does not know it.
    #[cfg(all(feature = "admin", feature = "policy"))]
    pub(crate) async fn configuration(&self, name: &str) -> Result<Option<Configuration>, NotRunning> {
        let name = name.to_owned();
        self.read_in(move |driver| driver.configuration_of(&name)).await
    }

    /// Returns the settings in force for the children, and those of the code.
    #[cfg(feature = "policy")]
    pub(crate) async fn configurations(&self) -> Result<Vec<Configuration>, NotRunning> {
        self.read_in(|driver| driver.configurations()).await
    }

    /// Checks specs for children that are there, as [`adjust`](Self::adjust) does.
    #[cfg(feature = "policy")]
    pub(crate) async fn check_specs(&self, specs: Vec<ChildSpec>) -> Result<Result<(), SpecError>, NotRunning> {
        self.read_in(move |driver| driver.machine.check_specs(&specs)).await
    }

    /// Puts new policies in force for children that are there. `then` runs in the supervisor when they are in force.
    #[cfg(feature = "policy")]
    pub(crate) async fn adjust(
        &self,
        adjustment: Adjustment,
        then: impl FnOnce(&mut Driver) + Send + 'static,
    ) -> Result<(), ReconfigureError> {
        let order = Order::Adjust(Box::new(adjustment));
        self.order(order, Vec::new(), |driver, _| then(driver)).await.map_err(ReconfigureError::of)
    }

    /// Stops a child by its shutdown rule (OTP rule 61). Its spec stays, unless it is temporary, and it rests until an
    /// order [restarts](Self::restart_child) it. A service accepts no message any more from the request to stop on
    /// ([`Stopping`](crate::Refusal::Stopping)). A child that is down already stays so. A pending retry is cancelled.
    ///
    /// # Errors
    ///
    /// * [`NotFound`](StopChildError::NotFound).
    /// * [`NotRunning`](StopChildError::NotRunning) if the supervisor does not run.
    /// * [`ToItself`](StopChildError::ToItself) if code of the child, or of one below it, would wait for its own end.
    ///
    /// Nothing is stopped then.
    pub async fn terminate_child(&self, name: &str) -> Result<(), StopChildError> {
        self.refuse_own_end(name).map_err(StopChildError::of)?;
        let order = Order::TerminateChild(name.into());
        self.order(order, Vec::new(), |_, _| ()).await.map_err(StopChildError::of)
    }

    /// Starts a child that is down (OTP rule 62). A start that fails is not retried, and costs no unit of the budget.
    /// The order waits for services that the child depends on, and fails if one of them is gone for good.
    ///
    /// # Errors
    ///
    /// [`NotFound`](RestartChildError::NotFound), [`Running`](RestartChildError::Running), [`Stopping`](RestartChildError::Stopping),
    /// [`Restarting`](RestartChildError::Restarting), [`Failed`](RestartChildError::Failed), or a supervisor that is not running.
    pub async fn restart_child(&self, name: &str) -> Result<StartOutcome, RestartChildError> {
        self.start(Order::RestartChild(name.into()), Vec::new(), |_| ()).await.map_err(RestartChildError::of)
    }

    /// Forgets a child that is down (OTP rule 63). Its handles say `Gone` from then on.
    ///
    /// # Errors
    ///
    /// [`NotFound`](DeleteChildError::NotFound), [`Running`](DeleteChildError::Running), [`Stopping`](DeleteChildError::Stopping),
    /// [`Restarting`](DeleteChildError::Restarting), or a supervisor that is not running.
    pub async fn delete_child(&self, name: &str) -> Result<(), DeleteChildError> {
        let order = Order::DeleteChild(name.into());
        self.order(order, Vec::new(), |_, _| ()).await.map_err(DeleteChildError::of)
    }

    /// Returns the children in start order, with the state of each (OTP rule 65, which has them reversed). The answer
    /// comes at once, even while a start hangs: the supervisor waits one millisecond for a start that may be prompt.
    ///
    /// Up to 256 children are listed as of one moment. A longer list is read in portions of 256. Between two portions
    /// the supervisor does its other work, so a child that comes or goes meanwhile may be in the list or not.
    ///
    /// # Errors
    ///
    /// A supervisor that is not running.
    pub async fn which_children(&self) -> Result<Vec<ChildInfo>, NotRunning> {
        let (mut all, mut seen, mut first) = (Vec::new(), HashSet::new(), Some(0));
        while let Some(place) = first {
            let (portion, next) = self.read_in(move |driver| driver.portion(place)).await?;
            // A child that was moved to the end between two portions comes twice.
            let is_one = first == Some(0) && next.is_none();
            all.extend(portion.into_iter().filter(|(key, _)| is_one || seen.insert(*key)).map(|(_, child)| child));
            first = next;
        }
        Ok(all)
    }

    /// Reads all children, whatever their number. `then` runs in the supervisor at the moment of the answer.
    #[cfg(feature = "otp")]
    pub(crate) async fn read_and<T: Send + 'static>(
        &self,
        then: impl FnOnce(Vec<ChildInfo>) -> T + Send + 'static,
    ) -> Result<T, NotRunning> {
        let infos = |driver: &Driver| driver.survey(0, usize::MAX).0.into_iter().map(|(_, child)| child).collect();
        self.read_in(move |driver| then(infos(driver))).await
    }

    /// Runs `then` in the supervisor when the turn of the order has come.
    pub(crate) async fn read_in<T: Send + 'static>(
        &self,
        then: impl FnOnce(&mut Driver) -> T + Send + 'static,
    ) -> Result<T, NotRunning> {
        // Nothing else is answered to a question.
        let read = self.order(Order::Read, Vec::new(), |driver, _| then(driver)).await;
        read.map_err(|_| self.over())
    }

    /// Counts the children (OTP rule 67). The answer comes at once, even while a start hangs.
    ///
    /// # Errors
    ///
    /// A supervisor that is not running.
    pub async fn count_children(&self) -> Result<ChildCount, NotRunning> {
        self.read_in(|driver| driver.count()).await
    }

    /// Returns the sizes of the supervisor's tables, for tests that look for leaks.
    pub(crate) async fn tables(&self) -> Result<Vec<(&'static str, usize)>, NotRunning> {
        self.read_in(|driver| driver.tables()).await
    }

    /// The spec of a child (OTP rule 64); `None` if the supervisor has no child of this name.
    ///
    /// # Errors
    ///
    /// A supervisor that is not running.
    pub async fn child_spec(&self, name: &str) -> Result<Option<ChildSpec>, NotRunning> {
        let name = name.to_owned();
        self.read_in(move |driver| driver.spec(&name)).await
    }

    /// Puts the flags and children of `new` in force, by name (OTP rules 95 to 97). Running children keep running and
    /// get their new description with their next start. New children are added down. Children that are not in `new`
    /// stay. The part of the restart budget that is spent stays spent. The name of `new` does not matter.
    ///
    /// # Errors
    ///
    /// * A description that makes no sense.
    /// * `defaults`, `budget_clock` or `max_starting` that differ from those in force
    ///   ([`NoEffect`](crate::StartError::NoEffect)): they need a new start of the supervisor.
    /// * A supervisor that is not running.
    ///
    /// Nothing is changed then.
    pub async fn reconfigure(&self, new: Supervisor) -> Result<(), ReconfigureError> {
        self.reconfigure_and(new, || ()).await
    }

    /// Puts a new description in force. `then` runs in the supervisor when that is done.
    pub(crate) async fn reconfigure_and(
        &self,
        new: Supervisor,
        then: impl FnOnce() + Send + 'static,
    ) -> Result<(), ReconfigureError> {
        let known: Known = self.shared.directory.under(&self.path).into_iter().collect();
        let (scope, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let plan = Plan::new(Description::from(new).named(name), scope, &known)?;
        let Shape::Static(flags) = plan.shape else { unreachable!("a `Supervisor` is a static one") };
        self.check_plan(&plan)?;
        self.check_reconfiguration(&plan.terms).await?;
        let specs = plan.children.iter().map(|child| child.spec.clone()).collect();
        let order = Order::Reconfigure(flags, specs);
        self.order(order, plan.children, |_, _| then()).await.map_err(ReconfigureError::of)
    }

    /// Orders the supervisor to end with this reason, after its children: OTP's `gen_server:stop`. The supervisor above
    /// treats the exit like any other, so a permanent supervisor is started again.
    ///
    /// # Errors
    ///
    /// A supervisor that is not running.
    pub fn stop(&self, exit: Exit) -> Result<(), NotRunning> {
        self.push(Fact::Stop(sweep::kept(exit)))
    }

    /// Puts new limits of a dynamic supervisor in force. `then` runs in the supervisor when they are.
    pub(crate) async fn limit(
        &self,
        Limits { intensity, children_max }: Limits,
        then: impl FnOnce() + Send + 'static,
    ) -> Result<(), ReconfigureError> {
        let order = Order::Limit { intensity, children_max };
        self.order(order, Vec::new(), |_, _| then()).await.map_err(ReconfigureError::of)
    }
}

impl fmt::Debug for SupervisorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SupervisorHandle").field(&self.path).finish()
    }
}
