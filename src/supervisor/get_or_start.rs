//! The child with a name, started if it does not run: one call that is right under races.
//!
//! Only the supervisor decides which of many callers starts the child. A caller that comes too late gets its
//! description back, and waits for the child that was started. So nothing is started twice, and no caller gets a child
//! that is ending.

use std::ops::ControlFlow;
use std::sync::Arc;

use regrow_supervisors::{Answer, ChildState, Order, OrderError};

use crate::base::background::yield_once;
use crate::child::{Child, ServiceChild};
use crate::error::get_or_start::GetOrStartError;
use crate::error::orders::StartChildError;
use crate::error::refusal::Refusal;
use crate::handle::Handle;
use crate::slot::Slot;
use crate::slot::status::{ServiceState, ServiceStatus};
use crate::supervisor::driver::Driver;
use crate::supervisor::dynamic_handle::{DynamicHandle, Template};
use crate::supervisor::manage::SupervisorHandle;
use crate::supervisor::outcome::StartOutcome;
use crate::supervisor::plan::{Known, Planned};
use crate::tree::lookup::LookupError;
use crate::tree::paths::name_of;
use crate::tree::shared::caller_within;

/// Outcome of the order to start the child.
enum Ordering {
    Started(StartOutcome),
    /// Another child has the name. The description comes back.
    Taken(Option<Planned>),
}

impl SupervisorHandle {
    async fn get_or_start<M: Send + 'static>(&self, child: Child) -> Result<Handle<M>, GetOrStartError> {
        let path = self.child_path(child.spec.id());
        let mut child = Some(child);
        let mut planned = None;
        loop {
            if let Some(handle) = self.running(&path).await? {
                return Ok(handle);
            }
            let new = match (planned.take(), child.take()) {
                (Some(planned), _) => planned,
                (None, Some(child)) => {
                    let planned = Planned::new(child, &self.path, &Known::new()).map_err(StartChildError::from)?;
                    self.check_new(&planned, &mut None).await?;
                    planned
                }
                (None, None) => unreachable!("a description that was not adopted comes back"),
            };
            let handle = typed(&new)?;
            match self.start_or_take_back(new).await? {
                Ordering::Started(StartOutcome::Up(_)) => return Ok(handle),
                Ordering::Started(StartOutcome::Ignored) => return Err(GetOrStartError::Ignored { path }),
                Ordering::Taken(back) => planned = back,
            }
            // What is there has ended in this moment, or is in no state that a wait could be for.
            yield_once().await;
        }
    }

    /// Waits until the child with this path is up, or is not there. An incarnation that ends is waited for.
    async fn running<M: Send + 'static>(&self, path: &Arc<str>) -> Result<Option<Handle<M>>, GetOrStartError> {
        if self.shared.directory.get(path).is_none() {
            return Ok(None);
        }
        let handle = match self.shared.directory.find::<M>(path) {
            Ok(handle) => handle,
            // It has just gone.
            Err(_) if self.shared.directory.get(path).is_none() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut watch = handle.watch();
        let mut awaits_start = false;
        loop {
            let status = *watch.borrow_and_update();
            let look = self.look(path, &handle, status, &mut awaits_start)?;
            if let ControlFlow::Break(is_usable) = look {
                let has_left = is_usable && status.state == ServiceState::Restarting;
                if has_left && caller_within(&self.shared, path).is_none() && !self.comes_back(path).await? {
                    yield_once().await;
                    continue;
                }
                return Ok(is_usable.then_some(handle));
            }
            // An error says that it is gone, which the next look sees.
            let _ = watch.changed().await;
        }
    }

    /// Whether the supervisor has decided to start the child again, whose last incarnation has left. `false` if it has
    /// decided otherwise, or does not know yet that the incarnation has left.
    async fn comes_back(&self, path: &Arc<str>) -> Result<bool, GetOrStartError> {
        let asked = path.clone();
        let standing = self.read_in(move |driver| driver.standing(name_of(&asked))).await;
        let standing = standing.map_err(StartChildError::from)?;
        Ok(standing.is_some_and(|standing| {
            matches!(standing, ChildState::Retrying | ChildState::Waiting | ChildState::Parked | ChildState::Starting)
        }))
    }

    /// Decides about the child that has the name: breaks with `true` if the caller can have it, and with `false` if it
    /// is not there any more.
    fn look<M: Send + 'static>(
        &self,
        path: &Arc<str>,
        handle: &Handle<M>,
        status: ServiceStatus,
        awaits_start: &mut bool,
    ) -> Result<ControlFlow<bool>, GetOrStartError> {
        let is_stopping = handle.refusal() == Some(Refusal::Stopping);
        let caller = || caller_within(&self.shared, path);
        Ok(match status.state {
            ServiceState::Gone | ServiceState::Down if *awaits_start && status.generation == 0 => {
                return Err(GetOrStartError::StartFailed { path: path.clone() });
            }
            ServiceState::Gone | ServiceState::Down => ControlFlow::Break(false),
            _ if is_stopping => match caller() {
                Some(caller) => return Err(GetOrStartError::ToItself { path: path.clone(), caller }),
                None => ControlFlow::Continue(()),
            },
            ServiceState::Up | ServiceState::Parked { .. } => ControlFlow::Break(true),
            ServiceState::Waiting | ServiceState::Starting | ServiceState::Restarting => {
                // Its messages wait for its next life. Its own factory must not wait for its first one.
                if status.generation > 0 || caller().is_some() {
                    return Ok(ControlFlow::Break(true));
                }
                *awaits_start = true;
                ControlFlow::Continue(())
            }
        })
    }

    /// Orders the start of a child. If its name is in use, the description comes back.
    async fn start_or_take_back(&self, planned: Planned) -> Result<Ordering, StartChildError> {
        self.refuse_own_boot().map_err(StartChildError::of)?;
        let (order, name) = (Order::StartChild(planned.spec.clone()), planned.spec.id().to_owned());
        let answered = |driver: &mut Driver, result: Result<Answer, OrderError>, mut planned: Vec<Planned>| {
            let is_taken = |error: &OrderError| {
                matches!(error, OrderError::AlreadyStarted(_) | OrderError::AlreadyPresent | OrderError::Stopping)
            };
            match result {
                Ok(answer) => Ok(Ordering::Started(driver.outcome(answer))),
                Err(error) if is_taken(&error) => Ok(Ordering::Taken(planned.pop())),
                Err(error) => Err(error),
            }
        };
        let given = self.give(order, vec![planned], answered).await?;
        given.map_err(|error| StartChildError::of(self.error(error, &name)))
    }
}

/// The handle of a child that is about to be started.
fn typed<M: Send + 'static>(planned: &Planned) -> Result<Handle<M>, GetOrStartError> {
    let (path, kind) = (planned.path.clone(), planned.kind);
    if planned.is_supervisor() {
        return Err(LookupError::TakesNoMessages { path, found: kind }.into());
    }
    let found = planned.slot().message_type();
    match planned.slot().clone().as_any().downcast::<Slot<M>>() {
        Ok(slot) => Ok(Handle::new(slot)),
        Err(_) => Err(LookupError::WrongType { path, found, asked: std::any::type_name::<M>() }.into()),
    }
}

impl DynamicHandle {
    /// Returns the handle of the child that has the name of `child`, and starts `child` if there is none. It completes
    /// when the child is up.
    ///
    /// However many tasks call it at once, one child is started, and all get its handle. If the child is ending, the
    /// call waits for its end and then starts another one. If it is being restarted, or is parked, its handle is returned
    /// at once, because its policy decides about the restart.
    ///
    /// A child that has ended for good, such as an [idle](crate::ServiceChild::idle_after) one, is forgotten. Its handles
    /// say [`Gone`](Refusal::Gone) for ever, also when another child has its name. So keep the name, and call this for
    /// each piece of work. A message that is refused because the child ended in between comes back in the error.
    ///
    /// Only the child's own limits bound the wait: [`start_timeout`](crate::Policy::start_timeout), and its shutdown time.
    /// Dropping the future does not undo a start that was ordered. See also [`Template::get_or_start`].
    ///
    /// # Errors
    ///
    /// See [`GetOrStartError`]. Nothing is kept of `child` then.
    pub async fn get_or_start<M: Send + 'static>(&self, child: ServiceChild<M>) -> Result<Handle<M>, GetOrStartError> {
        self.get_or_start_child(child.into()).await
    }

    async fn get_or_start_child<M: Send + 'static>(&self, child: Child) -> Result<Handle<M>, GetOrStartError> {
        if self.is_numbered() {
            return Err(GetOrStartError::Numbered { path: self.path().into() });
        }
        self.supervisor().get_or_start(child).await
    }
}

impl<A: 'static> Template<A> {
    /// Makes a child from `arguments`, and returns the handle of the child that has its name. The new one is started if
    /// there is none: see [`DynamicHandle::get_or_start`]. The template runs in any case, because the name comes from
    /// it, and its child is dropped if it is not needed.
    ///
    /// ```
    /// use regrow::testing::{Journal, ProbeMsg};
    /// use regrow::{DynamicSupervisor, Handle};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let journal = Journal::new();
    /// let users = journal.clone();
    /// let tree = DynamicSupervisor::new("sessions").template(move |user: &str| users.probe(user)).start().await?;
    /// let sessions = tree.dynamic("sessions")?.template::<&str>()?;
    ///
    /// let ada: Handle<ProbeMsg> = sessions.get_or_start("ada").await?;
    /// assert_eq!(sessions.get_or_start::<ProbeMsg>("ada").await?, ada);
    /// assert_eq!(journal.lines(), ["start ada#1"]);
    /// # tree.shutdown().await; Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// See [`GetOrStartError`].
    ///
    /// # Panics
    ///
    /// If the template panics, which runs in the caller's task. Nothing has been started then.
    pub async fn get_or_start<M: Send + 'static>(&self, arguments: A) -> Result<Handle<M>, GetOrStartError> {
        let child = self.make(arguments)?;
        self.supervisor().get_or_start_child(child).await
    }
}
