//! The acts of an operator: what may be done with the child at a path.
//!
//! | act | service, task, thread, actor | supervisor of any kind | child of a dynamic supervisor | partition | root |
//! |---|---|---|---|---|---|
//! | `kill` | ends its incarnation as a crash would; a start too | ends it with everything below | as any child | as any child | refused: shut the tree down |
//! | `restart` | stops it and starts it again, at no cost | with everything below | as any child | as any child | refused: shut the tree down |
//! | `terminate` | stops it; it is down until it is started | with everything below | stops it and forgets it | refused: its keys would have no service; park it, or resize | refused: shut the tree down |
//! | `start` | starts it, if it is down | with everything below | refused: a child that is down is forgotten, and any other runs or is to run | refused: revive it, or resize | refused: it runs |
//! | `park` | stops it and sets it aside until it is revived | everything below refuses messages too | it still counts as one of the children | its keys are refused meanwhile | refused: shut the tree down |
//! | `revive` | starts it now, if it is parked, has ended for good, or waits | with everything below | as any child | as any child | refused: it runs |
//!
//! What the child's state does not allow is refused too, by the supervisor: to restart a child that is down, to start
//! one that runs. A temporary child is forgotten when it is terminated. A one-shot task cannot run twice: an act that
//! would start it again makes it fail.
//!
//! An act may mean one generation. It is checked when the act is carried out, which may be later than it is given: an
//! order waits while its supervisor restarts a group. The generations of a path go on when its child becomes one of another
//! kind. They begin again with 1 only after the path has left the tree: a child that was deleted, or was terminated below a
//! dynamic supervisor, and is added again with the same name.

use std::fmt;
use std::sync::Arc;

use regrow_supervisors::Order;

use crate::error::manage::ManageError;
use crate::event::act::ActKind;
use crate::slot::status::ServiceState;
use crate::supervisor::manage::SupervisorHandle;
use crate::supervisor::outcome::StartOutcome;
use crate::tree::directory::ChildKind;
use crate::tree::shared::Shared;
use crate::tree::{Directory, KillError};

#[cfg(test)]
mod tests;

/// An act of an operator on one child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Kill,
    Restart,
    Terminate,
    Start,
    Park,
    Revive,
}

impl Deed {
    /// Returns the word for the deed, the same in logs, commands and the source.
    pub(crate) fn word(self) -> &'static str {
        let kind = match self {
            Self::Kill => ActKind::Kill,
            Self::Restart => ActKind::Restart,
            Self::Terminate => ActKind::Terminate,
            Self::Start => ActKind::Start,
            Self::Park => ActKind::Park,
            Self::Revive => ActKind::Revive,
        };
        kind.word()
    }
}

/// A deed that was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acted {
    /// The deed is done. A kill and a revival are done when they have been ordered.
    Done,
    /// This generation came up.
    Up(u64),
    /// The child was to be started, and said that it is not wanted.
    Ignored,
}

/// Reason why a deed was not carried out. Each text names the path, and what to do instead.
#[derive(Debug, Clone)]
pub(crate) enum ActError {
    /// Nothing has this path.
    NotFound { path: Arc<str> },
    /// The root was named. It has no supervisor to carry the deed out.
    IsRoot { path: Arc<str>, deed: Deed },
    /// A child of a dynamic supervisor was to be started. Such a child is forgotten when it is down.
    IsDynamic { path: Arc<str> },
    /// A partition was named, and its supervisor does not do this to one partition.
    IsPartition { path: Arc<str>, deed: Deed },
    /// The generation that was meant is not the latest.
    Replaced { path: Arc<str>, meant: u64, latest: u64 },
    /// The supervisor of the child refused, or the deed failed.
    Refused(ManageError),
    /// Nothing was killed.
    NotKilled(KillError),
}

impl ActError {
    fn of(error: ManageError) -> Self {
        match error {
            ManageError::Replaced { path, meant, latest } => Self::Replaced { path, meant, latest },
            ManageError::NotFound { path } => Self::NotFound { path },
            error => Self::Refused(error),
        }
    }
}

impl From<KillError> for ActError {
    fn from(error: KillError) -> Self {
        match error {
            KillError::Replaced { path, meant, latest } => Self::Replaced { path, meant, latest },
            KillError::NotFound { path } => Self::NotFound { path },
            KillError::NotRunning(_) => Self::NotKilled(error),
        }
    }
}

impl fmt::Display for ActError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { path } => write!(f, "nothing is named `{path}` in this tree"),
            Self::IsRoot { path, deed: Deed::Start | Deed::Revive } => write!(f, "`{path}` is the root, and runs"),
            Self::IsRoot { path, deed } => {
                write!(f, "`{path}` is the root, which cannot be made to {}: shut the tree down", Infinitive(*deed))
            }
            Self::IsDynamic { path } => write!(
                f,
                "`{path}` is a child of a dynamic supervisor, and is never down: revive it if it is parked or waits"
            ),
            Self::IsPartition { path, deed: Deed::Start } => {
                write!(f, "`{path}` is a partition, which is not started alone: revive it if it is parked or waits")
            }
            Self::IsPartition { path, .. } => {
                write!(
                    f,
                    "`{path}` is a partition, and its keys would have no service: park it, or resize its supervisor"
                )
            }
            Self::Replaced { path, meant, latest } => {
                write!(f, "`{path}` is already replaced: generation {meant} was meant, {latest} is the latest")
            }
            Self::Refused(error) => error.fmt(f),
            Self::NotKilled(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ActError {}

/// Says what the root would have to do for a deed.
struct Infinitive(Deed);

impl fmt::Display for Infinitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Deed::Kill => "die alone",
            Deed::Restart => "begin again",
            Deed::Terminate => "stop alone",
            Deed::Park => "wait to be revived",
            Deed::Start | Deed::Revive => "start",
        })
    }
}

impl Shared {
    /// Does this to the child at `path`, if it is in the generation that is meant. Completes when it is done. Dropping the
    /// future does not undo what was ordered. `reason` goes into the events and logs of restarts and parks.
    ///
    /// Fails if there is no such child, if the table of this module says so, or if the state of the child does not allow
    /// it. Nothing was changed then, except by a start that failed.
    pub(crate) async fn act(
        self: &Arc<Self>,
        deed: Deed,
        path: &str,
        reason: Arc<str>,
        meant: Option<u64>,
    ) -> Result<Acted, ActError> {
        let not_found = || ActError::NotFound { path: path.into() };
        let Some((scope, name)) = path.rsplit_once('/') else {
            let is_root = self.directory.get(path).is_some();
            return Err(if is_root { ActError::IsRoot { path: path.into(), deed } } else { not_found() });
        };
        let supervisor = self.supervisor_of(scope).ok_or_else(not_found)?;
        let (is_dynamic, is_partitioned) = match self.directory.get(scope).map(|listed| listed.kind) {
            Some(ChildKind::Dynamic) => (true, false),
            Some(ChildKind::Partitioned) => (false, true),
            Some(_) | None => (false, false),
        };
        if self.directory.get(path).is_none() {
            return Err(not_found());
        }
        match deed {
            Deed::Start if is_dynamic => return Err(ActError::IsDynamic { path: path.into() }),
            Deed::Start | Deed::Terminate if is_partitioned => {
                return Err(ActError::IsPartition { path: path.into(), deed });
            }
            Deed::Kill | Deed::Restart | Deed::Terminate | Deed::Start | Deed::Park | Deed::Revive => {}
        }
        let id: Arc<str> = name.into();
        let order = match deed {
            Deed::Kill => {
                let directory = Directory { shared: self.clone() };
                match meant {
                    Some(generation) => directory.kill_generation(path, generation)?,
                    None => directory.kill(path)?,
                }
                return Ok(Acted::Done);
            }
            Deed::Restart => Order::RenewChild { id, reason },
            Deed::Terminate => Order::TerminateChild(id),
            Deed::Start => Order::RestartChild(id),
            Deed::Park => Order::Park { id, reason },
            Deed::Revive => Order::Revive(id),
        };
        supervisor.carry_out(name, order, meant).await.map_err(ActError::of)
    }
}

impl SupervisorHandle {
    fn is_parked(&self, path: &str) -> bool {
        let state = self.shared.directory.get(path).map(|listed| listed.slot.status().state);
        matches!(state, Some(ServiceState::Parked { .. }))
    }

    /// Gives an order about a child, and says what came of it.
    async fn carry_out(&self, name: &str, order: Order, meant: Option<u64>) -> Result<Acted, ManageError> {
        let is_start = matches!(order, Order::RenewChild { .. } | Order::RestartChild(_));
        let is_revival = matches!(order, Order::Revive(_));
        // Code of a service that serves the operators would wait for its own end.
        if matches!(order, Order::RenewChild { .. } | Order::TerminateChild(_) | Order::Park { .. }) {
            self.refuse_own_end(name)?;
        }
        let outcome =
            self.order_about(
                meant,
                order,
                Vec::new(),
                move |driver, answer| {
                    if is_start { Some(driver.outcome(answer)) } else { None }
                },
            );
        match outcome.await {
            Ok(Some(StartOutcome::Up(up))) => Ok(Acted::Up(up.generation)),
            Ok(Some(StartOutcome::Ignored)) => Ok(Acted::Ignored),
            Ok(None) => Ok(Acted::Done),
            // A start says in OTP's words that the child is parked.
            Err(ManageError::Restarting { path }) if self.is_parked(&path) => Err(ManageError::Parked { path }),
            // A revival says in OTP's words that the child rests.
            Err(ManageError::AlreadyPresent { path }) if is_revival => Err(ManageError::Down { path }),
            Err(error) => Err(error),
        }
    }
}
