//! The partitioned supervisor: equal children, each of which serves a part of the keys.
//!
//! Invariants:
//! 1. While the number of partitions stays the same, so does the partition of a key; when it changes, only the keys move
//!    that must (jump consistent hashing, Lamping and Veach 2014).
//! 2. Keys are only mapped to partitions that have been up.

use std::any::Any;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use regrow_supervisors::{Flags, Strategy};
use tokio::sync::Mutex;

use crate::child::{Child, ServiceChild};
use crate::handle::Handle;
use crate::mailbox::mailbox;
use crate::slot::status::State;
use crate::supervisor::StartError;
use crate::supervisor::description::{Base, Description, Shape, supervisor_settings};
use crate::supervisor::manage::{ChildInfo, ManageError, SupervisorHandle};

/// A supervisor of equal children that share the work by key, being described: Elixir's `PartitionSupervisor`, resizable.
///
/// For what one service would be a bottleneck for. The partitions are named 0, 1, 2 and so on, and are restarted alone, as
/// under one_for_one.
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
#[must_use = "a supervisor does nothing until it has been given to another one"]
pub struct Partitioned<M: Send + 'static> {
    base: Base,
    partitions: usize,
    ring: Ring<M>,
}

/// The partitions, as their handles know them.
pub(crate) struct Ring<M: Send + 'static> {
    make: Box<dyn Fn(usize) -> ServiceChild<M> + Send + Sync>,
    handles: RwLock<Vec<Handle<M>>>,
    resizing: Mutex<()>,
}

/// A ring whose message type is not known.
pub(crate) trait AnyRing: Send + Sync {
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    fn message_type(&self) -> &'static str;
    fn len(&self) -> usize;
    /// What the supervisor starts with, now.
    fn children(&self) -> Vec<Child>;
}

impl<M: Send + 'static> AnyRing for Ring<M> {
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn message_type(&self) -> &'static str {
        std::any::type_name::<M>()
    }

    fn len(&self) -> usize {
        self.read().len()
    }

    /// At a restart of the supervisor the slots are found again by their names.
    fn children(&self) -> Vec<Child> {
        (0..self.len()).map(|index| self.child(index).into()).collect()
    }
}

impl<M: Send + 'static> Ring<M> {
    fn child(&self, index: usize) -> ServiceChild<M> {
        (self.make)(index).named(index.to_string())
    }

    fn new_child(&self, index: usize) -> (ServiceChild<M>, Handle<M>) {
        let (mailbox, handle) = mailbox();
        (self.child(index).mailbox(mailbox), handle)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Vec<Handle<M>>> {
        self.handles.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Vec<Handle<M>>> {
        self.handles.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Send + 'static> Partitioned<M> {
    /// `partitions` children, made by `make` from their numbers, from 0; the names they bring along do not matter. No
    /// partitions at all are refused when the tree starts.
    pub fn new(
        name: impl Into<Arc<str>>,
        partitions: usize,
        make: impl Fn(usize) -> ServiceChild<M> + Send + Sync + 'static,
    ) -> Self {
        let ring = Ring { make: Box::new(make), handles: RwLock::default(), resizing: Mutex::new(()) };
        Self { base: Base::new(name), partitions, ring }
    }
}

supervisor_settings!(Partitioned<M>, M: Send + 'static);

impl<M: Send + 'static> From<Partitioned<M>> for Child {
    fn from(partitioned: Partitioned<M>) -> Self {
        let Partitioned { base: Base { spec, intensity, init, watch }, partitions, ring } = partitioned;
        let ring = Arc::new(ring);
        let flags = Flags { strategy: Strategy::OneForOne, intensity, ..Flags::default() };
        let describe = {
            let (spec, ring) = (spec, ring.clone());
            move |children| Description {
                spec: spec.clone(),
                shape: Shape::Partitioned { flags, ring: ring.clone() },
                children,
                init: init.clone(),
                watch: watch.clone(),
            }
        };
        let (first, handles) = (0..partitions).map(|index| ring.new_child(index)).unzip::<_, _, Vec<_>, Vec<_>>();
        *ring.write() = handles;
        let first = describe(first.into_iter().map(Into::into).collect());
        Child::rebuilt(first, move || describe(ring.children()))
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
    ring: Arc<Ring<M>>,
}

impl<M: Send + 'static> Partitions<M> {
    pub(crate) fn new(handle: SupervisorHandle, ring: Arc<Ring<M>>) -> Self {
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
    /// It depends on the key's [`Hash`] and on the number of partitions and on nothing else.
    pub fn partition_of<K: Hash + ?Sized>(&self, key: &K) -> usize {
        partition_of(key, self.ring.len())
    }

    /// The service that this key belongs to.
    pub fn handle_for<K: Hash + ?Sized>(&self, key: &K) -> Handle<M> {
        let handles = self.ring.read();
        handles[partition_of(key, handles.len())].clone()
    }

    /// The services, by number.
    pub fn handles(&self) -> Vec<Handle<M>> {
        self.ring.read().clone()
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
    /// Calls at the same time are carried out one after the other.
    ///
    /// # Errors
    ///
    /// Zero partitions, a partition that does not start (those before it stay), or a supervisor that is not running.
    /// [`len`](Self::len) tells how far it has come.
    pub async fn resize(&self, partitions: usize) -> Result<(), ManageError> {
        if partitions == 0 {
            return Err(ManageError::Refused(StartError::ZeroPartitions { path: self.path().into() }));
        }
        let _one_at_a_time = self.ring.resizing.lock().await;
        for index in self.len()..partitions {
            let (child, handle) = self.ring.new_child(index);
            self.handle.start_child(child).await?;
            if handle.status().state == State::Gone {
                // The supervisor has ended meanwhile, and its next life will not know this one.
                return Err(ManageError::NotRunning { path: self.path().into() });
            }
            self.ring.write().push(handle);
        }
        for index in (partitions..self.len()).rev() {
            let name = index.to_string();
            // Before it ends, so that nobody is sent there in vain.
            let leaving = self.ring.write().pop();
            match self.handle.terminate_child(&name).await {
                Ok(()) => {}
                Err(error) => {
                    self.ring.write().extend(leaving);
                    return Err(error);
                }
            }
            self.handle.delete_child(&name).await?;
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

fn partition_of<K: Hash + ?Sized>(key: &K, partitions: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    jump(hasher.finish(), partitions)
}

/// Jump consistent hashing: the last of the jumps that stays below `buckets`. A key's jumps do not depend on `buckets`
/// (invariant 1).
fn jump(mut key: u64, buckets: usize) -> usize {
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
                let (before, after) = (partition_of(key, buckets), partition_of(key, buckets + 1));
                assert!(before == after || after == buckets, "{key}: {before} -> {after} of {}", buckets + 1);
                before != after
            });
            let (moved, fair) = (moved.count(), keys / (buckets + 1));
            assert!(moved.abs_diff(fair) < fair / 10, "{moved} moved to bucket {buckets}, {fair} would be fair");
        }
    }
}
