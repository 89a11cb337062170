//! Partitions that are supervisors: a subtree for each part of the keys.
//!
//! The keys are mapped as those of services are (`partitioned.rs`, invariant 1). The number of subtrees is fixed.

use std::any::Any;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

use crate::base::sweep::Kept;
use crate::child::Child;
use crate::context::{Context, Inner, TaskContext};
use crate::error::not_running::NotRunning;
use crate::error::start::StartError;
use crate::handle::Handle;
use crate::service::Service;
use crate::slot::NoMessages;
use crate::supervisor::description::{Base, Description};
use crate::supervisor::dynamic_handle::DynamicHandle;
use crate::supervisor::manage::SupervisorHandle;
use crate::supervisor::outcome::{ChildCount, ChildInfo};
use crate::supervisor::partitioned::{AnyPartitionTable, Partitioned};
use crate::supervisor::partitions::{hash, partition_of};
use crate::supervisor::rolling::RollingError;
use crate::tree::Tree;
use crate::tree::lookup::LookupError;
use crate::tree::shared::Shared;

impl Partitioned<NoMessages> {
    /// A supervisor of `partitions` equal subtrees that share the work by key. `make` gets the number of a subtree, from 0,
    /// and describes it. The name in that description is replaced by the number. Use it if each part of the keys needs
    /// more than one service, or its own pool.
    ///
    /// The subtrees may be supervisors of any kind. A key belongs to the same number as in a [`Partitioned`] of as many
    /// [services](Self::new). The number of subtrees cannot be changed while they run: there is no `resize`.
    ///
    /// ```
    /// use regrow::testing::{Journal, ProbeMsg};
    /// use regrow::{DynamicSupervisor, Partitioned, Supervisor};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let journal = Journal::new();
    /// let shards = Partitioned::supervisors("shards", 4, move |_index| {
    ///     Supervisor::rest_for_one("shard").child(journal.probe("db")).child(DynamicSupervisor::new("sessions"))
    /// });
    /// let tree = Supervisor::one_for_one("app").child(shards).start().await?;
    ///
    /// let shards = tree.supervisor_partitions("app/shards")?;
    /// let db = shards.lookup_for::<ProbeMsg>("ada", "db")?;
    /// db.cast(ProbeMsg::Note(1))?;
    /// let shard = shards.supervisor_for("ada")?; // to manage it
    /// assert_eq!(shard.count_children().await?.supervisors, 1);
    /// # tree.shutdown().await; Ok(()) }
    /// ```
    pub fn supervisors<C: Into<Child>>(
        name: impl Into<Arc<str>>,
        partitions: usize,
        make: impl Fn(usize) -> C + Send + Sync + 'static,
    ) -> PartitionedSupervisors {
        let make = Kept::new(make);
        PartitionedSupervisors {
            base: Base::new(name),
            partitions,
            make: Arc::new(move |index| make.get()(index).into()),
        }
    }
}

type Make = Arc<dyn Fn(usize) -> Child + Send + Sync>;

/// A supervisor of equal subtrees, being described. [`Partitioned::supervisors`] makes it.
///
/// The subtrees are named 0, 1, 2 and so on. Each is restarted alone, as under one_for_one. When the supervisor stops,
/// it asks all of them to stop at once.
#[must_use = "a supervisor does nothing until it is started, or has been given to another one"]
pub struct PartitionedSupervisors {
    pub(super) base: Base,
    partitions: usize,
    make: Make,
}

impl PartitionedSupervisors {
    /// Starts a tree that consists of this supervisor.
    ///
    /// # Errors
    ///
    /// Those of [`Supervisor::start`](crate::Supervisor::start). No subtrees at all are refused, and so are more than
    /// [`PARTITIONS_MAX`](crate::PARTITIONS_MAX).
    pub async fn start(self) -> Result<Tree, StartError> {
        Tree::start(self.into()).await
    }

    fn describe(self) -> impl Fn() -> Description + Send + Sync + 'static {
        let Self { base, partitions, make } = self;
        base.partitioned(Arc::new(SubtreeTable { partitions, make: RwLock::new(make) }))
    }
}

impl From<PartitionedSupervisors> for Description {
    fn from(partitioned: PartitionedSupervisors) -> Self {
        partitioned.describe()()
    }
}

impl From<PartitionedSupervisors> for Child {
    fn from(partitioned: PartitionedSupervisors) -> Self {
        let describe = partitioned.describe();
        Child::rebuilt(describe(), describe)
    }
}

impl fmt::Debug for PartitionedSupervisors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionedSupervisors")
            .field("spec", &self.base.spec)
            .field("partitions", &self.partitions)
            .finish_non_exhaustive()
    }
}

/// The subtrees of one supervisor, shared by all of its handles.
pub(crate) struct SubtreeTable {
    partitions: usize,
    make: RwLock<Make>,
}

impl SubtreeTable {
    fn make(&self) -> Make {
        self.make.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl AnyPartitionTable for SubtreeTable {
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn message_type(&self) -> Option<&'static str> {
        None
    }

    fn wanted(&self) -> usize {
        self.partitions
    }

    fn children(self: Arc<Self>) -> Vec<Child> {
        let make = self.make();
        (0..self.partitions).map(|index| make(index).named(index.to_string())).collect()
    }

    /// A description with another number of subtrees begins with that number, and handles of the earlier one find what
    /// is there.
    fn followed_by(self: Arc<Self>, new: Arc<dyn AnyPartitionTable>) -> Arc<dyn AnyPartitionTable> {
        match new.clone().as_any().downcast::<Self>() {
            Ok(described) if described.partitions == self.partitions => {
                if !Arc::ptr_eq(&self, &described) {
                    let make = described.make();
                    let before =
                        std::mem::replace(&mut *self.make.write().unwrap_or_else(PoisonError::into_inner), make);
                    // Code of the user, dropped without the lock.
                    drop(before);
                }
                self
            }
            Ok(_) | Err(_) => new,
        }
    }
}

/// The subtrees of a running supervisor that was described by [`Partitioned::supervisors`].
/// [`Tree::supervisor_partitions`] and [`Context::supervisor_partitions`] return it. It is valid for ever.
#[derive(Clone)]
pub struct SupervisorPartitions {
    handle: SupervisorHandle,
    table: Arc<SubtreeTable>,
}

impl SupervisorPartitions {
    /// The supervisor's full path.
    pub fn path(&self) -> &str {
        self.handle.path()
    }

    /// Counts the subtrees.
    #[expect(clippy::len_without_is_empty, reason = "there is at least one")]
    pub fn len(&self) -> usize {
        self.table.partitions
    }

    /// The number of the subtree that this key belongs to: see
    /// [`Partitions::partition_of`](crate::Partitions::partition_of).
    pub fn partition_of<K: Hash + ?Sized>(&self, key: &K) -> usize {
        partition_of(hash(key), self.len())
    }

    /// Finds a service in the subtree that this key belongs to, by its path from there: the name of a child, or
    /// `name/of/its/child`.
    ///
    /// # Errors
    ///
    /// There is no such service, or it takes other messages.
    pub fn lookup_for<M: Send + 'static>(
        &self,
        key: &(impl Hash + ?Sized),
        name: &str,
    ) -> Result<Handle<M>, LookupError> {
        self.handle.lookup(&format!("{}/{name}", self.partition_of(key)))
    }

    /// The subtree that this key belongs to, if it is a [`Supervisor`](crate::Supervisor).
    ///
    /// # Errors
    ///
    /// The subtree is another kind of supervisor, or the tree is over.
    pub fn supervisor_for<K: Hash + ?Sized>(&self, key: &K) -> Result<SupervisorHandle, LookupError> {
        self.supervisor(self.partition_of(key))
    }

    /// The subtree that this key belongs to, if it is a [`DynamicSupervisor`](crate::DynamicSupervisor).
    ///
    /// # Errors
    ///
    /// The subtree is another kind of supervisor, or the tree is over.
    pub fn dynamic_for<K: Hash + ?Sized>(&self, key: &K) -> Result<DynamicHandle, LookupError> {
        self.handle.shared.dynamic(&self.path_of(self.partition_of(key)))
    }

    /// The subtree with this number, if it is a [`Supervisor`](crate::Supervisor).
    ///
    /// # Errors
    ///
    /// There is no such subtree, or it is another kind of supervisor.
    pub fn supervisor(&self, partition: usize) -> Result<SupervisorHandle, LookupError> {
        self.handle.shared.supervisor(&self.path_of(partition))
    }

    /// Returns the state of each subtree.
    ///
    /// # Errors
    ///
    /// A supervisor that is not running.
    pub async fn which_children(&self) -> Result<Vec<ChildInfo>, NotRunning> {
        self.handle.which_children().await
    }

    /// Counts the subtrees by what they are doing.
    ///
    /// # Errors
    ///
    /// A supervisor that is not running.
    pub async fn count_children(&self) -> Result<ChildCount, NotRunning> {
        self.handle.count_children().await
    }

    /// Restarts the subtrees by order, by number, at most `at_most` at a time: see
    /// [`Partitions::restart_rolling`](crate::Partitions::restart_rolling).
    ///
    /// # Errors
    ///
    /// Those of [`Partitions::restart_rolling`](crate::Partitions::restart_rolling).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn restart_rolling(&self, at_most: usize, reason: impl Into<Arc<str>>) -> Result<usize, RollingError> {
        self.handle.restart_rolling(at_most, reason).await
    }

    fn path_of(&self, partition: usize) -> String {
        format!("{}/{partition}", self.path())
    }
}

impl fmt::Debug for SupervisorPartitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupervisorPartitions").field("path", &self.path()).field("len", &self.len()).finish()
    }
}

impl Shared {
    fn supervisor_partitions(self: &Arc<Self>, path: &str) -> Result<SupervisorPartitions, LookupError> {
        let (handle, table) = self.partition_table(path)?;
        match table.as_any().downcast() {
            Ok(table) => Ok(SupervisorPartitions { handle, table }),
            Err(_) => Err(LookupError::PartitionsAreServices { path: path.into() }),
        }
    }
}

impl Tree {
    /// The subtrees of the supervisor with this full path: see [`Partitioned::supervisors`].
    ///
    /// # Errors
    ///
    /// Nothing has this path, or it is not the path of such a supervisor.
    pub fn supervisor_partitions(&self, path: &str) -> Result<SupervisorPartitions, LookupError> {
        self.shared.supervisor_partitions(path)
    }
}

impl<M> Inner<M> {
    fn supervisor_partitions(&self, name: &str) -> Result<SupervisorPartitions, LookupError> {
        self.named(name, |shared, path| shared.supervisor_partitions(path))
    }
}

impl<S: Service> Context<S> {
    /// The subtrees of a supervisor, found by name as [`lookup`](Self::lookup) finds services: see
    /// [`Partitioned::supervisors`].
    ///
    /// # Errors
    ///
    /// Nothing has that name, or it is not the name of such a supervisor.
    pub fn supervisor_partitions(&self, name: &str) -> Result<SupervisorPartitions, LookupError> {
        self.inner().supervisor_partitions(name)
    }
}

impl TaskContext {
    /// The subtrees of a supervisor, found by name: see [`Context::supervisor_partitions`].
    ///
    /// # Errors
    ///
    /// Nothing has that name, or it is not the name of such a supervisor.
    pub fn supervisor_partitions(&self, name: &str) -> Result<SupervisorPartitions, LookupError> {
        self.inner.supervisor_partitions(name)
    }
}
