//! An order to a supervisor: what it carries, and how a handle gives it and waits for the answer.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use regrow_supervisors::{Answer, Order, OrderError};
use tokio::sync::oneshot;

use crate::error::manage::ManageError;
use crate::error::not_running::NotRunning;
use crate::error::start::StartError;
use crate::slot::current;
use crate::slot::erased::Control;
use crate::slot::fact::{AnyOrder, Fact};
use crate::slot::inbox::Inbox;
use crate::slot::status::ServiceState;
use crate::supervisor::driver::Driver;
use crate::supervisor::manage::SupervisorHandle;
use crate::supervisor::outcome::StartOutcome;
use crate::supervisor::plan::Planned;
use crate::tree::shared::caller_within;

/// An order on its way to a supervisor.
pub(crate) struct Ordered {
    pub(crate) order: Order,
    /// The generation of the child that the order is about, if it is about one.
    pub(crate) meant: Option<u64>,
    /// The children that the order describes.
    pub(crate) planned: Vec<Planned>,
    pub(crate) finish: Finish,
}

/// Takes the answer to an order, and the children that it described and that were not adopted.
pub(crate) type Finish = Box<dyn FnOnce(&mut Driver, Result<Answer, OrderError>, Vec<Planned>) + Send>;

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

impl SupervisorHandle {
    /// Orders a start and waits for its outcome.
    pub(super) async fn start(
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

    /// Gives an order and waits for its answer.
    pub(super) async fn order<T: Send + 'static>(
        &self,
        order: Order,
        planned: Vec<Planned>,
        answer: impl FnOnce(&mut Driver, Answer) -> T + Send + 'static,
    ) -> Result<T, ManageError> {
        self.order_about(None, order, planned, answer).await
    }

    /// Gives an order about this generation of its child, if it is about one, and waits for its answer.
    pub(super) async fn order_about<T: Send + 'static>(
        &self,
        meant: Option<u64>,
        order: Order,
        planned: Vec<Planned>,
        answer: impl FnOnce(&mut Driver, Answer) -> T + Send + 'static,
    ) -> Result<T, ManageError> {
        let about = order.child().map(str::to_owned);
        if matches!(
            order,
            Order::StartChild(_)
                | Order::TerminateChild(_)
                | Order::RestartChild(_)
                | Order::RenewChild { .. }
                | Order::Park { .. }
        ) {
            self.refuse_own_boot()?;
        }
        let answered =
            |driver: &mut Driver, result: Result<Answer, _>, _| result.map(|outcome| answer(driver, outcome));
        let given = self.give_about(meant, order, planned, answered).await?;
        let name = about.unwrap_or_default();
        given.map_err(|error| match (error, meant) {
            (OrderError::Replaced, Some(meant)) => self.replaced(&name, meant),
            (error, _) => self.error(error, &name),
        })
    }

    /// The refusal of an order about a generation that is over.
    fn replaced(&self, name: &str, meant: u64) -> ManageError {
        let path = self.child_path(name);
        match self.shared.directory.get(&path) {
            Some(listed) => ManageError::Replaced { path, meant, latest: listed.slot.status().generation },
            None => ManageError::NotFound { path },
        }
    }

    /// Hands an order over, and waits for what `answered` makes of the answer in the supervisor. It is also given the
    /// descriptions that the order did not use.
    pub(super) async fn give<T: Send + 'static>(
        &self,
        order: Order,
        planned: Vec<Planned>,
        answered: impl FnOnce(&mut Driver, Result<Answer, OrderError>, Vec<Planned>) -> T + Send + 'static,
    ) -> Result<T, NotRunning> {
        self.give_about(None, order, planned, answered).await
    }

    async fn give_about<T: Send + 'static>(
        &self,
        meant: Option<u64>,
        order: Order,
        planned: Vec<Planned>,
        answered: impl FnOnce(&mut Driver, Result<Answer, OrderError>, Vec<Planned>) -> T + Send + 'static,
    ) -> Result<T, NotRunning> {
        let (reply, replied) = oneshot::channel();
        let finish: Finish = Box::new(move |driver, result, planned| {
            // The caller may have stopped waiting for the answer.
            let _ = reply.send(answered(driver, result, planned));
        });
        self.push(Fact::Order(Box::new(Ordered { order, meant, planned, finish })))?;
        replied.await.map_err(|_| self.over())
    }

    /// Orders that a child is terminated, and does not wait for it. Needs no runtime.
    pub(super) fn terminate_later(&self, name: &str) {
        let order = Order::TerminateChild(name.into());
        let finish: Finish = Box::new(|_, _, _| ());
        // If the supervisor is over, so is the child.
        let _ = self.push(Fact::Order(Box::new(Ordered { order, meant: None, planned: Vec::new(), finish })));
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
    pub(super) fn refuse_own_end(&self, name: &str) -> Result<(), ManageError> {
        let path = self.child_path(name);
        match caller_within(&self.shared, &path) {
            Some(caller) => Err(ManageError::ToItself { path, caller }),
            None => Ok(()),
        }
    }

    pub(super) fn push(&self, fact: Fact) -> Result<(), NotRunning> {
        self.inbox()?.push(fact);
        Ok(())
    }

    /// The inbox of the running supervisor.
    pub(super) fn inbox(&self) -> Result<Arc<Inbox>, NotRunning> {
        match self.slot.control() {
            Some(Control::Supervisor(inbox)) => Ok(inbox),
            Some(Control::Signals(_)) | None => Err(self.over()),
        }
    }

    pub(super) fn over(&self) -> NotRunning {
        NotRunning { path: self.path.clone() }
    }

    pub(super) fn child_path(&self, name: &str) -> Arc<str> {
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
            OrderError::Starting => ManageError::Starting { path },
            OrderError::Parked => ManageError::Parked { path },
            OrderError::Down => ManageError::Down { path },
            OrderError::Failed(exit) => ManageError::Failed { path, exit },
            OrderError::Refused(error) => ManageError::Refused(StartError::from_spec(&self.path, error)),
            OrderError::MaxChildren => ManageError::MaxChildren { path: self.path.clone() },
            OrderError::Over => self.over().into(),
            // The supervisor got a new description and is of another kind now.
            _ => ManageError::WrongKind { path: self.path.clone() },
        }
    }
}
