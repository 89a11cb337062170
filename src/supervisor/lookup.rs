//! Look-up of supervisors by path and by name: for a tree, for a context, and for the shared state behind both.

use std::sync::Arc;

use crate::context::{Context, Inner, TaskContext};
use crate::error::orders::ReviveError;
use crate::service::Service;
use crate::supervisor::description::PathKind;
use crate::supervisor::dynamic_handle::DynamicHandle;
use crate::supervisor::manage::SupervisorHandle;
use crate::supervisor::partitioned::AnyPartitionTable;
use crate::supervisor::partitions::Partitions;
use crate::tree::Tree;
use crate::tree::directory::{ChildKind, Facet};
use crate::tree::lookup::LookupError;
use crate::tree::shared::Shared;

impl Shared {
    pub(crate) fn supervisor(self: &Arc<Self>, path: &str) -> Result<SupervisorHandle, LookupError> {
        Ok(self.any_supervisor(path, ChildKind::Supervisor)?.0)
    }

    pub(crate) fn dynamic(self: &Arc<Self>, path: &str) -> Result<DynamicHandle, LookupError> {
        let (handle, facet) = self.any_supervisor(path, ChildKind::Dynamic)?;
        match PathKind::of(facet.as_ref()) {
            Some(PathKind::Dynamic(state)) => Ok(DynamicHandle::new(handle, state.clone())),
            Some(PathKind::Partitioned(_)) | None => unreachable!("a dynamic supervisor is listed with its state"),
        }
    }

    pub(crate) fn partitions<M: Send + 'static>(self: &Arc<Self>, path: &str) -> Result<Partitions<M>, LookupError> {
        let (handle, table) = self.partition_table(path)?;
        let Some(found) = table.message_type() else {
            return Err(LookupError::PartitionsAreSupervisors { path: path.into() });
        };
        match table.as_any().downcast() {
            Ok(table) => Ok(Partitions::new(handle, table)),
            Err(_) => Err(LookupError::WrongType { path: path.into(), found, asked: std::any::type_name::<M>() }),
        }
    }

    /// The supervisor of any kind with this path.
    pub(crate) fn supervisor_of(self: &Arc<Self>, path: &str) -> Option<SupervisorHandle> {
        let listed = self.directory.get(path).filter(|listed| listed.kind.is_supervisor())?;
        Some(SupervisorHandle::new(path.into(), listed.slot, self.clone()))
    }

    /// The partitioned supervisor of either kind with this path, and its table.
    pub(super) fn partition_table(
        self: &Arc<Self>,
        path: &str,
    ) -> Result<(SupervisorHandle, Arc<dyn AnyPartitionTable>), LookupError> {
        let (handle, facet) = self.any_supervisor(path, ChildKind::Partitioned)?;
        match PathKind::of(facet.as_ref()) {
            Some(PathKind::Partitioned(table)) => Ok((handle, table.clone())),
            Some(PathKind::Dynamic(_)) | None => unreachable!("a partitioned supervisor is listed with its table"),
        }
    }

    fn any_supervisor(
        self: &Arc<Self>,
        path: &str,
        asked: ChildKind,
    ) -> Result<(SupervisorHandle, Option<Facet>), LookupError> {
        let listed = self.directory.get(path).ok_or_else(|| LookupError::not_found(&self.directory, path))?;
        if listed.kind != asked {
            return Err(LookupError::WrongKind { path: path.into(), found: listed.kind, asked });
        }
        Ok((SupervisorHandle::new(path.into(), listed.slot, self.clone()), listed.facet))
    }
}

impl Tree {
    /// The supervisor with this full path, to be managed.
    ///
    /// # Errors
    ///
    /// Nothing has this path, or it is not the path of a static supervisor.
    pub fn supervisor(&self, path: &str) -> Result<SupervisorHandle, LookupError> {
        self.shared.supervisor(path).map_err(|error| self.shared.directory.of_full(path, error))
    }

    /// The dynamic supervisor with this full path.
    ///
    /// # Errors
    ///
    /// Nothing has this path, or it is not the path of a dynamic supervisor.
    pub fn dynamic(&self, path: &str) -> Result<DynamicHandle, LookupError> {
        self.shared.dynamic(path).map_err(|error| self.shared.directory.of_full(path, error))
    }

    /// The partitions of the partitioned supervisor with this full path.
    ///
    /// # Errors
    ///
    /// Nothing has this path, it is not the path of a partitioned supervisor, or the services take other messages.
    pub fn partitions<M: Send + 'static>(&self, path: &str) -> Result<Partitions<M>, LookupError> {
        self.shared.partitions(path).map_err(|error| self.shared.directory.of_full(path, error))
    }

    /// Starts a child now that is parked, or waits for a delay to pass or for services that it depends on: see
    /// [`SupervisorHandle::revive`].
    ///
    /// # Errors
    ///
    /// Those of [`SupervisorHandle::revive`].
    pub async fn revive(&self, path: &str) -> Result<(), ReviveError> {
        let (scope, name) = path.rsplit_once('/').unwrap_or(("", path));
        match self.shared.supervisor_of(scope) {
            Some(supervisor) => supervisor.revive(name).await,
            None => Err(ReviveError::NotFound { path: path.into() }),
        }
    }

    /// The supervisor of any kind with this path, to be managed as if it were a static one.
    #[cfg(feature = "otp")]
    pub(crate) fn any_supervisor(&self, path: &str) -> Option<SupervisorHandle> {
        self.shared.supervisor_of(path)
    }
}

impl<S: Service> Context<S> {
    /// The service's own supervisor, to be managed from inside. This cannot deadlock, for nothing waits in a
    /// supervisor.
    ///
    /// # Errors
    ///
    /// The tree is over, or the supervisor is a dynamic or partitioned one.
    pub fn supervisor(&self) -> Result<SupervisorHandle, LookupError> {
        self.inner().supervisor()
    }

    /// A dynamic supervisor, found by name as [`lookup`](Self::lookup) finds services.
    ///
    /// # Errors
    ///
    /// Nothing has that name, or it is not the name of a dynamic supervisor.
    pub fn dynamic(&self, name: &str) -> Result<DynamicHandle, LookupError> {
        self.inner().dynamic(name)
    }

    /// The partitions of a partitioned supervisor, found by name as [`lookup`](Self::lookup) finds services.
    ///
    /// # Errors
    ///
    /// Nothing has that name, it is not the name of a partitioned supervisor, or the services take other messages.
    pub fn partitions<M: Send + 'static>(&self, name: &str) -> Result<Partitions<M>, LookupError> {
        self.inner().partitions(name)
    }
}

impl TaskContext {
    /// The task's own supervisor: see [`Context::supervisor`].
    ///
    /// # Errors
    ///
    /// The tree is over, or the supervisor is a dynamic or partitioned one.
    pub fn supervisor(&self) -> Result<SupervisorHandle, LookupError> {
        self.inner.supervisor()
    }

    /// A dynamic supervisor, found by name as [`Context::dynamic`] finds it. An acceptor starts its sessions in one,
    /// for example.
    ///
    /// # Errors
    ///
    /// Nothing has that name, or it is not the name of a dynamic supervisor.
    pub fn dynamic(&self, name: &str) -> Result<DynamicHandle, LookupError> {
        self.inner.dynamic(name)
    }

    /// The partitions of a partitioned supervisor, found by name as [`Context::partitions`] does.
    ///
    /// # Errors
    ///
    /// Nothing has that name, it is not the name of a partitioned supervisor, or the services take other messages.
    pub fn partitions<M: Send + 'static>(&self, name: &str) -> Result<Partitions<M>, LookupError> {
        self.inner.partitions(name)
    }
}

impl<M> Inner<M> {
    fn supervisor(&self) -> Result<SupervisorHandle, LookupError> {
        self.shared().supervisor(self.signals.scope())
    }

    fn dynamic(&self, name: &str) -> Result<DynamicHandle, LookupError> {
        self.named(name, |shared, path| shared.dynamic(path))
    }

    fn partitions<N: Send + 'static>(&self, name: &str) -> Result<Partitions<N>, LookupError> {
        self.named(name, |shared, path| shared.partitions(path))
    }

    /// Finds what a name means as seen from this incarnation.
    pub(super) fn named<T>(
        &self,
        name: &str,
        find: impl FnOnce(&Arc<Shared>, &str) -> Result<T, LookupError>,
    ) -> Result<T, LookupError> {
        let (shared, scope) = (self.shared(), self.signals.scope());
        let found = find(shared, &shared.directory.full_path(scope, name));
        found.map_err(|error| shared.directory.in_scope(scope, name, error))
    }
}
