//! The partitioned supervisor. Its children are equal, and each serves a part of the keys.
//!
//! Invariants:
//! 1. The partition of a key stays the same while the number of partitions does. When the number changes, only the keys
//!    move that must (jump consistent hashing, Lamping and Veach 2014).
//! 2. Keys are mapped to the partitions that the supervisor began with, and to later ones once they have been up.
//! 3. The table changes only in the supervisor's own task, while it runs. A life is planned after the end of the life
//!    before it, so its children are exactly the partitions of the table.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;

use crate::base::sweep::Kept;
use crate::child::{Child, ServiceChild};
use crate::error::start::StartError;
use crate::handle::Handle;
use crate::mailbox::mailbox;
use crate::supervisor::description::{Base, Description};
use crate::tree::Tree;

/// A supervisor of equal children that share the work by key, being described: Elixir's `PartitionSupervisor`,
/// resizable. [`Supervisor`](crate::Supervisor#which-supervisor-do-i-want) compares the kinds of supervisor.
///
/// Use it where a single service would be a bottleneck. OTP has no counterpart. The partitions are named 0, 1, 2 and so
/// on. Each is restarted alone, as under one_for_one. When the supervisor stops, it asks all of them to stop at once,
/// and each has its own time for that.
///
/// ```
/// use regrow::testing::{Journal, ProbeMsg};
/// use regrow::{Partitioned, Supervisor};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
/// let journal = Journal::new();
/// let cache = Partitioned::new("cache", 4, move |_index| journal.probe("partition"));
/// let tree = Supervisor::one_for_one("app").child(cache).start().await?;
///
/// let cache = tree.partitions::<ProbeMsg>("app/cache")?;
/// cache.handle_for("some key").cast(ProbeMsg::Note(1))?;
/// assert_eq!(cache.handle_for("some key"), cache.handle_for("some key"));
/// cache.resize(8).await?;
/// # tree.shutdown().await; Ok(()) }
/// ```
#[must_use = "a supervisor does nothing until it is started, or has been given to another one"]
pub struct Partitioned<M: Send + 'static> {
    pub(super) base: Base,
    partitions: usize,
    make: Make<M>,
}

pub(super) type Make<M> = Arc<dyn Fn(usize) -> ServiceChild<M> + Send + Sync>;

/// The partitions of one supervisor, shared by all of its handles.
pub(crate) struct PartitionTable<M: Send + 'static> {
    pub(super) state: RwLock<State<M>>,
    pub(super) resizing: Mutex<()>,
}

pub(super) struct State<M: Send + 'static> {
    pub(super) make: Make<M>,
    /// Handles of the partitions that keys are mapped to.
    pub(super) handles: Vec<Handle<M>>,
    /// Number of partitions at the first start.
    partitions: usize,
}

/// A partition table of any message type.
pub(crate) trait AnyPartitionTable: Send + Sync {
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    fn message_type(&self) -> Option<&'static str>;
    /// Number of partitions in the description.
    fn wanted(&self) -> usize;
    /// The children to start with now.
    fn children(self: Arc<Self>) -> Vec<Child>;
    /// The table to go on with when the supervisor has a new description.
    fn followed_by(self: Arc<Self>, new: Arc<dyn AnyPartitionTable>) -> Arc<dyn AnyPartitionTable>;
}

impl<M: Send + 'static> AnyPartitionTable for PartitionTable<M> {
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn message_type(&self) -> Option<&'static str> {
        Some(std::any::type_name::<M>())
    }

    fn wanted(&self) -> usize {
        self.read().partitions
    }

    fn children(self: Arc<Self>) -> Vec<Child> {
        let (make, wanted) = {
            let state = self.read();
            (state.make.clone(), if state.handles.is_empty() { state.partitions } else { 0 })
        };
        if wanted > 0 {
            let (children, handles) = (0..wanted).map(|index| new_child(&make, index)).unzip::<_, _, Vec<_>, Vec<_>>();
            let before = std::mem::replace(&mut self.write().handles, handles);
            drop(before);
            return children.into_iter().map(Into::into).collect();
        }
        // A restart of the supervisor finds the slots again by their names.
        (0..self.len()).map(|index| child(&make, index).into()).collect()
    }

    fn followed_by(self: Arc<Self>, new: Arc<dyn AnyPartitionTable>) -> Arc<dyn AnyPartitionTable> {
        let Ok(described) = new.clone().as_any().downcast::<Self>() else { return new };
        if !Arc::ptr_eq(&self, &described) {
            let make = described.read().make.clone();
            // The old `make` is the user's code, so it is dropped without the lock.
            let before = std::mem::replace(&mut self.write().make, make);
            drop(before);
        }
        self
    }
}

/// Makes a partition. The name that it brings along does not matter; a mailbox is refused.
fn child<M: Send + 'static>(make: &Make<M>, index: usize) -> ServiceChild<M> {
    make(index).named(index.to_string()).without_mailbox()
}

pub(super) fn new_child<M: Send + 'static>(make: &Make<M>, index: usize) -> (ServiceChild<M>, Handle<M>) {
    let (mailbox, handle) = mailbox();
    (child(make, index).mailbox(mailbox), handle)
}

impl<M: Send + 'static> PartitionTable<M> {
    pub(super) fn len(&self) -> usize {
        self.read().handles.len()
    }

    pub(super) fn read(&self) -> std::sync::RwLockReadGuard<'_, State<M>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> std::sync::RwLockWriteGuard<'_, State<M>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Send + 'static> Partitioned<M> {
    /// A supervisor of `partitions` children. `make` makes each from its number, beginning with 0; the name that it
    /// brings along does not matter.
    ///
    /// These are refused when the tree starts: no partitions, more than [`PARTITIONS_MAX`](crate::PARTITIONS_MAX), and a child with a [mailbox
    /// made before](ServiceChild::mailbox). A partition that ignores its start rests, and messages for its keys are
    /// refused.
    pub fn new(
        name: impl Into<Arc<str>>,
        partitions: usize,
        make: impl Fn(usize) -> ServiceChild<M> + Send + Sync + 'static,
    ) -> Self {
        let make = Kept::new(make);
        Self { base: Base::new(name), partitions, make: Arc::new(move |index| make.get()(index)) }
    }

    /// Starts a tree that consists of this supervisor.
    ///
    /// # Errors
    ///
    /// Those of [`Supervisor::start`](crate::Supervisor::start).
    pub async fn start(self) -> Result<Tree, StartError> {
        Tree::start(self.into()).await
    }

    fn describe(self) -> impl Fn() -> Description + Send + Sync + 'static {
        let Self { base, partitions, make } = self;
        let state = State { make, handles: Vec::new(), partitions };
        base.partitioned(Arc::new(PartitionTable { state: RwLock::new(state), resizing: Mutex::new(()) }))
    }
}

impl<M: Send + 'static> From<Partitioned<M>> for Description {
    fn from(partitioned: Partitioned<M>) -> Self {
        partitioned.describe()()
    }
}

impl<M: Send + 'static> From<Partitioned<M>> for Child {
    fn from(partitioned: Partitioned<M>) -> Self {
        let describe = partitioned.describe();
        Child::rebuilt(describe(), describe)
    }
}

impl<M: Send + 'static> fmt::Debug for Partitioned<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partitioned")
            .field("spec", &self.base.spec)
            .field("partitions", &self.partitions)
            .finish_non_exhaustive()
    }
}
