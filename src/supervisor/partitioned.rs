//! The partitioned supervisor: equal children, each of which serves a part of the keys.
//!
//! Invariants:
//! 1. While the number of partitions stays the same, so does the partition of a key; when it changes, only the keys move
//!    that must (jump consistent hashing, Lamping and Veach 2014).
//! 2. Keys are mapped to the partitions that the supervisor began with, and to later ones once they have been up.
//! 3. The ring changes only in the supervisor's own task, while it runs. A life that begins is planned after the one
//!    before it has ended, so that its children are exactly the partitions of the ring.

use std::any::Any;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use regrow_supervisors::{Flags, StopOrder, Strategy};
use tokio::sync::Mutex;

use crate::base::name::PARTITIONS_MAX;
use crate::base::sweep::Kept;
use crate::child::{Child, ServiceChild};
use crate::error::start::StartError;
use crate::handle::Handle;
use crate::mailbox::mailbox;
use crate::supervisor::description::{Base, Description, Shape, supervisor_settings};
use crate::supervisor::driver::Driver;
use crate::supervisor::manage::SupervisorHandle;
use crate::supervisor::outcome::{ChildInfo, ManageError, StartOutcome};
use crate::tree::Tree;

/// A supervisor of equal children that share the work by key, being described: Elixir's `PartitionSupervisor`, resizable.
///
/// OTP has no rule for it. For what one service would be a bottleneck for. The partitions are named 0, 1, 2 and so on, and are restarted alone, as
/// under one_for_one. When the supervisor stops, all are told at once and each has its own time to stop.
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
    base: Base,
    partitions: usize,
    make: Make<M>,
}

type Make<M> = Arc<dyn Fn(usize) -> ServiceChild<M> + Send + Sync>;

/// The partitions, as their handles know them.
pub(crate) struct PartitionTable<M: Send + 'static> {
    state: RwLock<State<M>>,
    resizing: Mutex<()>,
}

struct State<M: Send + 'static> {
    make: Make<M>,
    /// Of the partitions that keys are mapped to.
    handles: Vec<Handle<M>>,
    /// How many there shall be at first.
    partitions: usize,
}

/// A ring whose message type is not known.
pub(crate) trait AnyPartitionTable: Send + Sync {
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    fn message_type(&self) -> &'static str;
    /// How many it is described to begin with.
    fn wanted(&self) -> usize;
    /// What the supervisor starts with, now.
    fn children(self: Arc<Self>) -> Vec<Child>;
    /// The ring to go on with when the supervisor has been described anew.
    fn followed_by(self: Arc<Self>, new: Arc<dyn AnyPartitionTable>) -> Arc<dyn AnyPartitionTable>;
}

impl<M: Send + 'static> AnyPartitionTable for PartitionTable<M> {
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn message_type(&self) -> &'static str {
        std::any::type_name::<M>()
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
        // At a restart of the supervisor the slots are found again by their names.
        (0..self.len()).map(|index| child(&make, index).into()).collect()
    }

    fn followed_by(self: Arc<Self>, new: Arc<dyn AnyPartitionTable>) -> Arc<dyn AnyPartitionTable> {
        let Ok(described) = new.clone().as_any().downcast::<Self>() else { return new };
        if !Arc::ptr_eq(&self, &described) {
            let make = described.read().make.clone();
            // What makes partitions is the user's, and dropped without the lock.
            let before = std::mem::replace(&mut self.write().make, make);
            drop(before);
        }
        self
    }
}

/// A partition. The name that it brings along does not matter; a mailbox is refused.
fn child<M: Send + 'static>(make: &Make<M>, index: usize) -> ServiceChild<M> {
    make(index).named(index.to_string()).without_mailbox()
}

fn new_child<M: Send + 'static>(make: &Make<M>, index: usize) -> (ServiceChild<M>, Handle<M>) {
    let (mailbox, handle) = mailbox();
    (child(make, index).mailbox(mailbox), handle)
}

impl<M: Send + 'static> PartitionTable<M> {
    fn len(&self) -> usize {
        self.read().handles.len()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State<M>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, State<M>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Send + 'static> Partitioned<M> {
    /// `partitions` children, made by `make` from their numbers, from 0; the names that they bring along do not matter. No
    /// partitions at all, more than [`PARTITIONS_MAX`], and partitions with a
    /// [mailbox of their own](ServiceChild::mailbox) are refused when the tree starts. One that ignores its start rests, and
    /// its keys are refused.
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
    /// As for [`Supervisor::start`](crate::Supervisor::start).
    pub async fn start(self) -> Result<Tree, StartError> {
        Tree::start(self.into()).await
    }

    fn describe(self) -> impl Fn() -> Description + Send + Sync + 'static {
        let Self { base: Base { spec, intensity, init, watch, terms }, partitions, make } = self;
        let state = State { make, handles: Vec::new(), partitions };
        let ring = Arc::new(PartitionTable { state: RwLock::new(state), resizing: Mutex::new(()) });
        let stop_order = StopOrder::TogetherAtEnd;
        let flags = Flags { strategy: Strategy::OneForOne, intensity, stop_order, ..Flags::default() };
        move || Description {
            spec: spec.clone(),
            shape: Shape::Partitioned { flags, ring: ring.clone() },
            children: Vec::new(),
            init: init.clone(),
            watch: watch.clone(),
            terms: terms.clone(),
        }
    }
}

supervisor_settings!(Partitioned<M>, M: Send + 'static);

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

/// The partitions of a [`Partitioned`] supervisor. Got from [`Tree::partitions`](crate::Tree::partitions) or
/// [`Context::partitions`](crate::Context::partitions); valid for ever.
pub struct Partitions<M: Send + 'static> {
    handle: SupervisorHandle,
    ring: Arc<PartitionTable<M>>,
}

impl<M: Send + 'static> Partitions<M> {
    pub(crate) fn new(handle: SupervisorHandle, ring: Arc<PartitionTable<M>>) -> Self {
        Self { handle, ring }
    }

    /// The supervisor's full path.
    pub fn path(&self) -> &str {
        self.handle.path()
    }

    /// How many partitions there are.
    #[expect(clippy::len_without_is_empty, reason = "there is at least one")]
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// The number of the partition that this key belongs to.
    ///
    /// It depends on the key's [`Hash`] and on the number of partitions and on nothing else. Mind that `5_i32` and
    /// `5_usize` are different keys, and that the hash may be another one in the next version of Rust: do not write it down.
    pub fn partition_of<K: Hash + ?Sized>(&self, key: &K) -> usize {
        partition_of(hash(key), self.len())
    }

    /// The service that this key belongs to.
    pub fn handle_for<K: Hash + ?Sized>(&self, key: &K) -> Handle<M> {
        // Code of the user's, and so without the lock.
        let hash = hash(key);
        let state = self.ring.read();
        state.handles[partition_of(hash, state.handles.len())].clone()
    }

    /// The service with this number.
    pub fn handle(&self, partition: usize) -> Option<Handle<M>> {
        self.ring.read().handles.get(partition).cloned()
    }

    /// The services, by number.
    pub fn handles(&self) -> Vec<Handle<M>> {
        self.ring.read().handles.clone()
    }

    /// Where each partition stands.
    ///
    /// # Errors
    ///
    /// A supervisor that is not running.
    pub async fn which_children(&self) -> Result<Vec<ChildInfo>, ManageError> {
        self.handle.which_children().await
    }

    /// Changes the number of partitions of the running supervisor. It lasts through restarts of the supervisor.
    ///
    /// Partitions that stay are not touched. Of the keys only those move that must: from `n` to `n + 1` partitions, one
    /// in `n + 1`; their state does not move with them. A new partition is given keys as soon as it is up. One that is to
    /// go is given none any more, and is then terminated by its shutdown rule: what is queued there is shed, unless its
    /// child says [`drain`](ServiceChild::drain).
    ///
    /// Calls at the same time are carried out one after the other. Dropping the future does not undo it, or stop it half
    /// way.
    ///
    /// # Errors
    ///
    /// Nothing is changed for zero partitions, more than [`PARTITIONS_MAX`], and [`ToItself`](ManageError::ToItself):
    /// code of a partition that is to go would wait for its own end. If a new partition does not start, or is not
    /// wanted, those before it stay. [`NotRunning`](ManageError::NotRunning) if the supervisor does not run.
    /// [`len`](Self::len) tells how far it has come.
    ///
    /// # Panics
    ///
    /// Where what makes the partitions does, and outside of a tokio runtime.
    pub async fn resize(&self, partitions: usize) -> Result<(), ManageError> {
        if partitions == 0 {
            return Err(ManageError::ZeroPartitions { path: self.path().into() });
        }
        if partitions > PARTITIONS_MAX {
            return Err(StartError::TooManyPartitions { path: self.path().into(), partitions }.into());
        }
        self.refuse_own_end(partitions)?;
        let ring = self.clone();
        match tokio::spawn(async move { ring.resize_to(partitions).await }).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(ManageError::NotRunning { path: self.path().into() }),
            },
        }
    }

    /// Refuses to wait to code of a partition that is to go, or that goes already because of another call.
    fn refuse_own_end(&self, partitions: usize) -> Result<(), ManageError> {
        let Some(caller) = self.handle.caller_within() else { return Ok(()) };
        let name = caller.strip_prefix(self.path()).and_then(|rest| rest.strip_prefix('/'));
        let number = name.and_then(|name| name.parse::<usize>().ok());
        if number.is_some_and(|number| number < partitions.min(self.len())) {
            return Ok(());
        }
        Err(ManageError::ToItself { path: caller.clone(), caller })
    }

    async fn resize_to(&self, partitions: usize) -> Result<(), ManageError> {
        let _one_at_a_time = self.ring.resizing.lock().await;
        self.clear_away().await?;
        for index in self.len()..partitions {
            self.add(index).await?;
        }
        while self.len() > partitions {
            // Before it ends, so that no key is mapped to it in vain. If the supervisor ends first, its next life begins
            // without it (invariant 3).
            let ring = self.ring.clone();
            let leave = move |_: &mut Driver| {
                let mut state = ring.write();
                let leaving = state.handles.pop();
                let index = state.handles.len();
                drop(state);
                drop(leaving);
                index
            };
            let index = self.handle.read_in(leave).await?;
            self.remove(&index.to_string()).await?;
        }
        Ok(())
    }

    /// Ends partitions that no key is mapped to: a resize before this one was refused, or broken off, half way.
    async fn clear_away(&self) -> Result<(), ManageError> {
        let children = self.which_children().await?;
        let len = self.len();
        let is_left_over = |name: &str| name.parse::<usize>().is_ok_and(|index| index >= len);
        for child in children.iter().rev().filter(|child| is_left_over(&child.name)) {
            self.remove(&child.name).await?;
        }
        Ok(())
    }

    async fn add(&self, index: usize) -> Result<(), ManageError> {
        let make = self.ring.read().make.clone();
        let (child, handle) = new_child(&make, index);
        let name = index.to_string();
        let ring = self.ring.clone();
        let join = move |outcome: &StartOutcome| {
            if let StartOutcome::Up(_) = outcome {
                ring.write().handles.push(handle);
            }
        };
        if let StartOutcome::Ignored = self.handle.start_child_and(child, join).await? {
            self.remove(&name).await?;
            return Err(ManageError::NotWanted { path: format!("{}/{name}", self.path()).into() });
        }
        Ok(())
    }

    /// Also where it has ended for good, and its supervisor has forgotten it.
    async fn remove(&self, name: &str) -> Result<(), ManageError> {
        for removed in [self.handle.terminate_child(name).await, self.handle.delete_child(name).await] {
            match removed {
                Ok(()) | Err(ManageError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl<M: Send + 'static> Clone for Partitions<M> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), ring: self.ring.clone() }
    }
}

impl<M: Send + 'static> fmt::Debug for Partitions<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partitions").field("path", &self.path()).field("len", &self.len()).finish()
    }
}

fn hash<K: Hash + ?Sized>(key: &K) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// The partition of a key of this hash. Jump consistent hashing: the last of the jumps that stays below `buckets`. A key's jumps do not depend on `buckets`
/// (invariant 1).
fn partition_of(mut key: u64, buckets: usize) -> usize {
    let (mut bucket, mut next) = (0, 0);
    while next < buckets {
        bucket = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        // Uniform in (0, 1], from the upper 31 bits.
        let share = ((key >> 33) + 1) as f64 / (1u64 << 31) as f64;
        next = ((bucket + 1) as f64 / share) as usize;
    }
    bucket
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_keys_move_that_must_and_the_shares_are_equal() {
        let keys = 100_000usize;
        for buckets in 1..20 {
            let moved = (0..keys).filter(|key| {
                let (before, after) = (partition_of(hash(key), buckets), partition_of(hash(key), buckets + 1));
                assert!(before == after || after == buckets, "{key}: {before} -> {after} of {}", buckets + 1);
                before != after
            });
            let (moved, fair) = (moved.count(), keys / (buckets + 1));
            assert!(moved.abs_diff(fair) < fair / 10, "{moved} moved to bucket {buckets}, {fair} would be fair");
        }
    }
}
