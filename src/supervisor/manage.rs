//! Management of a running supervisor: OTP's calls, as methods with typed answers.

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "policy")]
use regrow_supervisors::Adjustment;
use regrow_supervisors::{self as machine, Answer, ChildSpec, Exit, Intensity, Order, OrderError};
use tokio::sync::oneshot;

use crate::base::sweep;
use crate::child::Child;
use crate::error::gave_up::GaveUp;
use crate::error::start::StartError;
use crate::handle::Handle;
use crate::slot::current;
use crate::slot::erased::{AnySlot, Control};
use crate::slot::fact::{AnyOrder, Fact};
use crate::slot::inbox::Inbox;
use crate::slot::status::ServiceState;
use crate::supervisor::description::{Description, Shape};
use crate::supervisor::driver::Driver;
use crate::supervisor::dynamic::Limits;
use crate::supervisor::outcome::{ChildCount, ChildInfo, ManageError, StartOutcome};
use crate::supervisor::plan::{Known, Make, Plan, Planned};
#[cfg(feature = "policy")]
use crate::supervisor::reconfigure::Configuration;
use crate::supervisor::{Supervisor, effect};
use crate::tree::dependencies::Graph;
use crate::tree::lookup::LookupError;
use crate::tree::options::Options;
use crate::tree::overrides::Defaults;
use crate::tree::shared::{Shared, caller_within};

/// An order on its way to a supervisor.
pub(crate) struct Ordered {
    pub(crate) order: Order,
    /// The children that the order describes.
    pub(crate) planned: Vec<Planned>,
    pub(crate) finish: Finish,
}

pub(crate) type Finish = Box<dyn FnOnce(&mut Driver, Result<Answer, OrderError>) + Send>;

/// An order that a machine is carrying out.
pub(crate) struct Pending {
    pub(crate) planned: Vec<Planned>,
    /// Paths with dependencies that were put in force for the order, and are taken back if it fails.
    pub(crate) claims: Vec<Arc<str>>,
    pub(crate) finish: Finish,
}

impl AnyOrder for Ordered {}

impl Ordered {
    /// Returns the order as its sender made it. No other type of order exists.
    pub(crate) fn of(order: Box<dyn AnyOrder>) -> Self {
        match (order as Box<dyn Any + Send>).downcast() {
            Ok(ordered) => *ordered,
            Err(_) => unreachable!("all orders to supervisors are made in this folder"),
        }
    }

    /// Returns a reference to the order as its sender made it.
    pub(crate) fn lent(order: &dyn AnyOrder) -> Option<&Self> {
        (order as &dyn Any).downcast_ref()
    }
}

impl fmt::Debug for Ordered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ordered").field("order", &self.order).finish_non_exhaustive()
    }
}

/// A running supervisor, to be managed. Like every handle, it is valid for ever and is about the present incarnation.
///
/// Orders and exits of children are served in the order in which they come (OTP rule 72). A service may manage its own
/// supervisor, because nothing waits inside a supervisor. An order by which the service would wait for its own end is
/// refused ([`ManageError::ToItself`]).
///
/// ```
/// use regrow::testing::{Journal, ProbeMsg};
/// use regrow::{ManageError, ChildState, Supervisor};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
/// let journal = Journal::new();
/// let tree = Supervisor::one_for_one("app").child(journal.probe("a")).start().await?;
/// let app = tree.supervisor("app")?;
///
/// app.start_child(journal.probe("b")).await?;
/// assert!(tree.lookup::<ProbeMsg>("app/b").is_ok());
/// assert!(matches!(app.start_child(journal.probe("b")).await, Err(ManageError::AlreadyStarted { .. })));
///
/// app.terminate_child("b").await?;
/// assert_eq!(app.which_children().await?[1].standing, ChildState::Down);
/// app.delete_child("b").await?;
/// # tree.shutdown().await; Ok(()) }
/// ```
#[derive(Clone)]
pub struct SupervisorHandle {
    pub(super) path: Arc<str>,
    slot: Arc<dyn AnySlot>,
    shared: Arc<Shared>,
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
    /// * A name that is taken: [`AlreadyStarted`](ManageError::AlreadyStarted),
    ///   [`AlreadyPresent`](ManageError::AlreadyPresent), [`Stopping`](ManageError::Stopping).
    /// * A start that [`Failed`](ManageError::Failed).
    /// * A supervisor that is not running.
    ///
    /// Nothing is kept of the child then.
    pub async fn start_child(&self, child: impl Into<Child>) -> Result<StartOutcome, ManageError> {
        self.start_child_and(child, |_| ()).await
    }

    /// Starts a child. `then` runs in the supervisor at the moment of the answer.
    pub(crate) async fn start_child_and(
        &self,
        child: impl Into<Child>,
        then: impl FnOnce(&StartOutcome) + Send + 'static,
    ) -> Result<StartOutcome, ManageError> {
        let planned = Planned::new(child.into(), &self.path, &Known::new())?;
        self.check_new(&planned, &mut None).await?;
        let order = Order::StartChild(planned.spec.clone());
        self.start(order, vec![planned], then).await
    }

    /// Checks that a new child makes sense here: its dependencies exist, and redelivery of one message cannot use up
    /// the budget alone. Asks the supervisor for its `budget` if that is needed and not known yet.
    pub(super) async fn check_new(
        &self,
        planned: &Planned,
        budget: &mut Option<(Defaults, Intensity)>,
    ) -> Result<(), ManageError> {
        self.check_dependencies(planned)?;
        if planned.redeliveries == 0 {
            return Ok(());
        }
        let (defaults, shared) = match budget {
            Some(known) => known,
            None => budget.insert(self.read_in(|driver| driver.budget()).await?),
        };
        Ok(planned.check_redelivery(defaults, *shared)?)
    }

    /// Checks that the dependencies of a new child exist.
    fn check_dependencies(&self, planned: &Planned) -> Result<(), StartError> {
        let exists = |path: &str| self.shared.directory.is_known(path);
        Graph::default().add(&self.path, &planned.path, planned.spec.dependencies(), exists)?;
        match &planned.make {
            Make::Life(_) => Ok(()),
            Make::Supervisor(recipe) => self.check_plan(&recipe.plan()),
        }
    }

    /// Checks that everything below a planned supervisor makes sense here.
    fn check_plan(&self, plan: &Plan) -> Result<(), StartError> {
        let tree = self.shared.options_in_force.defaults();
        plan.check_redelivery(tree)?;
        effect::check_error_types(plan, &self.shared.options_in_force)?;
        Graph::of(plan, tree, None, |path| self.shared.directory.is_known(path))?.check()
    }

    /// Starts a child now that is parked, or waits for a delay to pass or for services that it depends on. Its delays
    /// begin with the first again, and its own budget is full again. Completes when the start has been ordered. The
    /// [status](Handle::watch) of the child tells whether the start succeeds.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ManageError::NotFound), [`Running`](ManageError::Running), [`Stopping`](ManageError::Stopping),
    /// [`Down`](ManageError::Down), or a supervisor that is not running.
    pub async fn revive(&self, name: &str) -> Result<(), ManageError> {
        let revived = self.order(Order::Revive(name.into()), Vec::new(), |_, _| ()).await;
        match revived {
            Err(ManageError::AlreadyPresent { path }) => Err(ManageError::Down { path }),
            revived => revived,
        }
    }

    /// Returns the reasons for the state of a child; `None` if this supervisor does not know it.
    pub(crate) async fn why_child(
        &self,
        name: &str,
    ) -> Result<Option<(machine::Reasons, Option<Arc<GaveUp>>, Duration)>, ManageError> {
        let name = name.to_owned();
        self.order(Order::Read, Vec::new(), move |driver, _| driver.why(&name)).await
    }

    /// Returns the settings in force for the children, and those of the code.
    #[cfg(feature = "policy")]
    pub(crate) async fn configurations(&self) -> Result<Vec<Configuration>, ManageError> {
        self.order(Order::Read, Vec::new(), |driver, _| driver.configurations()).await
    }

    #[cfg(feature = "policy")]
    /// Puts new policies in force for children that are there. `then` runs in the supervisor when they are in force.
    pub(crate) async fn adjust(
        &self,
        adjustment: Adjustment,
        then: impl FnOnce(&mut Driver) + Send + 'static,
    ) -> Result<(), ManageError> {
        self.order(Order::Adjust(Box::new(adjustment)), Vec::new(), |driver, _| then(driver)).await
    }

    /// Stops a child by its shutdown rule (OTP rule 61). Its spec stays, unless it is temporary, and it rests until an
    /// order [restarts](Self::restart_child) it. A service accepts no message any more from the request to stop on
    /// ([`Stopping`](crate::Refusal::Stopping)). A child that is down already stays so. A pending retry is cancelled.
    ///
    /// # Errors
    ///
    /// * [`NotFound`](ManageError::NotFound).
    /// * [`NotRunning`](ManageError::NotRunning) if the supervisor does not run.
    /// * [`ToItself`](ManageError::ToItself) if code of the child, or of one below it, would wait for its own end.
    ///
    /// Nothing is stopped then.
    pub async fn terminate_child(&self, name: &str) -> Result<(), ManageError> {
        self.refuse_own_end(name)?;
        self.order(Order::TerminateChild(name.into()), Vec::new(), |_, _| ()).await
    }

    /// Starts a child that is down (OTP rule 62). A start that fails is not retried, and costs no unit of the budget.
    /// The order waits for services that the child depends on, and fails if one of them is gone for good.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ManageError::NotFound), [`Running`](ManageError::Running), [`Stopping`](ManageError::Stopping),
    /// [`Restarting`](ManageError::Restarting), [`Failed`](ManageError::Failed), or a supervisor that is not running.
    pub async fn restart_child(&self, name: &str) -> Result<StartOutcome, ManageError> {
        self.start(Order::RestartChild(name.into()), Vec::new(), |_| ()).await
    }

    /// Forgets a child that is down (OTP rule 63). Its handles say `Gone` from then on.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ManageError::NotFound), [`Running`](ManageError::Running), [`Stopping`](ManageError::Stopping),
    /// [`Restarting`](ManageError::Restarting), or a supervisor that is not running.
    pub async fn delete_child(&self, name: &str) -> Result<(), ManageError> {
        self.order(Order::DeleteChild(name.into()), Vec::new(), |_, _| ()).await
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
    pub async fn which_children(&self) -> Result<Vec<ChildInfo>, ManageError> {
        let (mut all, mut seen, mut first) = (Vec::new(), HashSet::new(), Some(0));
        while let Some(place) = first {
            let (portion, next) = self.order(Order::Read, Vec::new(), move |driver, _| driver.portion(place)).await?;
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
    ) -> Result<T, ManageError> {
        let infos = |driver: &Driver| driver.survey(0, usize::MAX).0.into_iter().map(|(_, child)| child).collect();
        self.read_in(move |driver| then(infos(driver))).await
    }

    /// Runs `then` in the supervisor when the turn of the order has come.
    pub(crate) async fn read_in<T: Send + 'static>(
        &self,
        then: impl FnOnce(&mut Driver) -> T + Send + 'static,
    ) -> Result<T, ManageError> {
        self.order(Order::Read, Vec::new(), |driver, _| then(driver)).await
    }

    /// Counts the children (OTP rule 67). The answer comes at once, even while a start hangs.
    ///
    /// # Errors
    ///
    /// A supervisor that is not running.
    pub async fn count_children(&self) -> Result<ChildCount, ManageError> {
        self.order(Order::Read, Vec::new(), |driver, _| driver.count()).await
    }

    /// Returns the sizes of the supervisor's tables, for tests that look for leaks.
    pub(crate) async fn tables(&self) -> Result<Vec<(&'static str, usize)>, ManageError> {
        self.order(Order::Read, Vec::new(), |driver, _| driver.tables()).await
    }

    /// The spec of a child (OTP rule 64).
    ///
    /// # Errors
    ///
    /// [`NotFound`](ManageError::NotFound), or a supervisor that is not running.
    pub async fn child_spec(&self, name: &str) -> Result<ChildSpec, ManageError> {
        let asked = name.to_owned();
        let found = self.order(Order::Read, Vec::new(), move |driver, _| driver.spec(&asked)).await?;
        found.ok_or_else(|| ManageError::NotFound { path: self.child_path(name) })
    }

    /// Puts the flags and children of `new` in force, by name (OTP rules 95 to 97). Running children keep running and
    /// get their new description with their next start. New children are added down. Children that are not in `new`
    /// stay. The part of the restart budget that is spent stays spent. The name of `new` does not matter.
    ///
    /// # Errors
    ///
    /// * A description that makes no sense.
    /// * `defaults`, `budget_clock` or `max_starting` that differ from those in force
    ///   ([`NoEffect`](StartError::NoEffect)): they need a new start of the supervisor.
    /// * A supervisor that is not running.
    ///
    /// Nothing is changed then.
    pub async fn reconfigure(&self, new: Supervisor) -> Result<(), ManageError> {
        self.reconfigure_and(new, || ()).await
    }

    /// Puts a new description in force. `then` runs in the supervisor when that is done.
    pub(crate) async fn reconfigure_and(
        &self,
        new: Supervisor,
        then: impl FnOnce() + Send + 'static,
    ) -> Result<(), ManageError> {
        let known: Known = self.shared.directory.under(&self.path).into_iter().collect();
        let (scope, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let plan = Plan::new(Description::from(new).named(name), scope, &known)?;
        let Shape::Static(flags) = plan.shape else { unreachable!("a `Supervisor` is a static one") };
        self.check_plan(&plan)?;
        self.check_reconfiguration(&plan.terms).await?;
        let specs = plan.children.iter().map(|child| child.spec.clone()).collect();
        self.order(Order::Reconfigure(flags, specs), plan.children, |_, _| then()).await
    }

    /// Refuses settings that differ from those in force and cannot change while the supervisor runs.
    pub(crate) async fn check_reconfiguration(&self, new: &Options) -> Result<(), ManageError> {
        // Most descriptions leave these settings out. Their order is then the first and only one, and has its place
        // among the exits (OTP rule 72).
        if effect::of_reconfiguration(new, &Options::default()).is_none() {
            return Ok(());
        }
        let now = self.order(Order::Read, Vec::new(), |driver, _| driver.plan.terms.clone()).await?;
        match effect::of_reconfiguration(new, &now) {
            None => Ok(()),
            Some((setting, why)) => Err(StartError::NoEffect { path: self.path.clone(), setting, why }.into()),
        }
    }

    /// Orders the supervisor to end with this reason, after its children: OTP's `gen_server:stop`. The supervisor above
    /// treats the exit like any other, so a permanent supervisor is started again.
    ///
    /// # Errors
    ///
    /// A supervisor that is not running.
    pub fn stop(&self, exit: Exit) -> Result<(), ManageError> {
        self.push(Fact::Stop(sweep::kept(exit)))
    }

    async fn start(
        &self,
        order: Order,
        planned: Vec<Planned>,
        then: impl FnOnce(&StartOutcome) + Send + 'static,
    ) -> Result<StartOutcome, ManageError> {
        self.order(order, planned, |driver, answer| {
            let outcome = driver.outcome(answer);
            then(&outcome);
            outcome
        })
        .await
    }

    /// Puts new limits of a dynamic supervisor in force. `then` runs in the supervisor when they are.
    pub(crate) async fn limit(
        &self,
        Limits { intensity, children_max }: Limits,
        then: impl FnOnce() + Send + 'static,
    ) -> Result<(), ManageError> {
        self.order(Order::Limit { intensity, children_max }, Vec::new(), |_, _| then()).await
    }

    async fn order<T: Send + 'static>(
        &self,
        order: Order,
        planned: Vec<Planned>,
        answer: impl FnOnce(&mut Driver, Answer) -> T + Send + 'static,
    ) -> Result<T, ManageError> {
        let about = match &order {
            Order::StartChild(spec) => Some(spec.id().to_owned()),
            Order::TerminateChild(id) | Order::RestartChild(id) | Order::DeleteChild(id) | Order::Revive(id) => {
                Some(id.to_string())
            }
            Order::Reconfigure(..) | Order::Limit { .. } | Order::Adjust(_) | Order::Read => None,
        };
        if matches!(order, Order::StartChild(_) | Order::TerminateChild(_) | Order::RestartChild(_)) {
            self.refuse_own_boot()?;
        }
        let (reply, replied) = oneshot::channel();
        let finish: Finish = Box::new(move |driver, result| {
            // The caller may have stopped waiting for the answer.
            let _ = reply.send(result.map(|outcome| answer(driver, outcome)));
        });
        self.push(Fact::Order(Box::new(Ordered { order, planned, finish })))?;
        match replied.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.error(error, about.as_deref().unwrap_or_default())),
            Err(_) => Err(self.over()),
        }
    }

    /// Refuses an order that would deadlock. The supervisor carries it out after its boot, and the boot waits for the
    /// factory that gives it.
    pub(super) fn refuse_own_boot(&self) -> Result<(), ManageError> {
        let is_booting = self.slot.status().state == ServiceState::Starting;
        let is_starting = || current::caller(|signals| !signals.is_up()) == Some(true);
        match self.caller_within().filter(|_| is_booting && is_starting()) {
            Some(caller) => Err(ManageError::Booting { path: self.path.clone(), caller }),
            None => Ok(()),
        }
    }

    /// The path of the incarnation that runs the calling code, if it is below this supervisor.
    pub(crate) fn caller_within(&self) -> Option<Arc<str>> {
        caller_within(&self.shared, &self.path)
    }

    /// Refuses an order that ends this child if the caller is code of its incarnation or of one below it, and would
    /// wait for its own end.
    fn refuse_own_end(&self, name: &str) -> Result<(), ManageError> {
        let path = self.child_path(name);
        match caller_within(&self.shared, &path) {
            Some(caller) => Err(ManageError::ToItself { path, caller }),
            None => Ok(()),
        }
    }

    fn push(&self, fact: Fact) -> Result<(), ManageError> {
        self.inbox()?.push(fact);
        Ok(())
    }

    /// The inbox of the running supervisor.
    pub(super) fn inbox(&self) -> Result<Arc<Inbox>, ManageError> {
        match self.slot.control() {
            Some(Control::Supervisor(inbox)) => Ok(inbox),
            Some(Control::Signals(_)) | None => Err(self.over()),
        }
    }

    pub(super) fn over(&self) -> ManageError {
        ManageError::NotRunning { path: self.path.clone() }
    }

    fn child_path(&self, name: &str) -> Arc<str> {
        format!("{}/{name}", self.path).into()
    }

    pub(super) fn error(&self, error: OrderError, name: &str) -> ManageError {
        let path = self.child_path(name);
        match error {
            OrderError::AlreadyStarted(_) => ManageError::AlreadyStarted { path },
            OrderError::AlreadyPresent => ManageError::AlreadyPresent { path },
            OrderError::NotFound => ManageError::NotFound { path },
            OrderError::Running => ManageError::Running { path },
            OrderError::Restarting => ManageError::Restarting { path },
            OrderError::Stopping => ManageError::Stopping { path },
            OrderError::Failed(exit) => ManageError::Failed { path, exit },
            OrderError::Refused(error) => ManageError::Refused(StartError::from_spec(&self.path, error)),
            OrderError::MaxChildren => ManageError::MaxChildren { path: self.path.clone() },
            OrderError::Over => self.over(),
            // The supervisor got a new description and is of another kind now.
            _ => ManageError::WrongKind { path: self.path.clone() },
        }
    }
}

impl fmt::Debug for SupervisorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SupervisorHandle").field(&self.path).finish()
    }
}
