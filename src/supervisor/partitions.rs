//! The handle of a running partitioned supervisor, which maps keys to partitions and changes their number.
//!
//! The invariants are those of `partitioned.rs`.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::base::name::PARTITIONS_MAX;
use crate::error::not_running::NotRunning;
use crate::error::orders::{DeleteChildError, StopChildError};
use crate::error::resize::ResizeError;
use crate::handle::Handle;
use crate::supervisor::driver::Driver;
use crate::supervisor::manage::SupervisorHandle;
use crate::supervisor::outcome::{ChildInfo, StartOutcome};
use crate::supervisor::partitioned::{PartitionTable, new_child};

/// The partitions of a running [`Partitioned`](crate::Partitioned) supervisor.
/// [`Tree::partitions`](crate::Tree::partitions) and [`Context::partitions`](crate::Context::partitions) return it. It
/// is valid for ever.
pub struct Partitions<M: Send + 'static> {
    handle: SupervisorHandle,
    table: Arc<PartitionTable<M>>,
}

impl<M: Send + 'static> Partitions<M> {
    pub(crate) fn new(handle: SupervisorHandle, table: Arc<PartitionTable<M>>) -> Self {
        Self { handle, table }
    }

    pub(super) fn supervisor(&self) -> &SupervisorHandle {
        &self.handle
    }

    /// The supervisor's full path.
    pub fn path(&self) -> &str {
        self.handle.path()
    }

    /// Counts the partitions.
    #[expect(clippy::len_without_is_empty, reason = "there is at least one")]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// The number of the partition that this key belongs to.
    ///
    /// It depends only on the key's [`Hash`] and on the number of partitions. `5_i32` and `5_usize` are different keys.
    /// The next version of Rust may hash differently, so do not store the number.
    pub fn partition_of<K: Hash + ?Sized>(&self, key: &K) -> usize {
        partition_of(hash(key), self.len())
    }

    /// The service that this key belongs to.
    pub fn handle_for<K: Hash + ?Sized>(&self, key: &K) -> Handle<M> {
        // `Hash` is code of the user's, so it runs without the lock.
        let hash = hash(key);
        let state = self.table.read();
        state.handles[partition_of(hash, state.handles.len())].clone()
    }

    /// The service with this number.
    pub fn handle(&self, partition: usize) -> Option<Handle<M>> {
        self.table.read().handles.get(partition).cloned()
    }

    /// The services, by number.
    pub fn handles(&self) -> Vec<Handle<M>> {
        self.table.read().handles.clone()
    }

    /// Returns the state of each partition.
    ///
    /// # Errors
    ///
    /// A supervisor that is not running.
    pub async fn which_children(&self) -> Result<Vec<ChildInfo>, NotRunning> {
        self.handle.which_children().await
    }

    /// Changes the number of partitions of the running supervisor. The change lasts through restarts of the supervisor.
    ///
    /// Partitions that stay are not touched. Only the keys move that must: one in `n + 1` when `n` partitions become `n
    /// + 1`. The state of a key does not move with it.
    ///
    /// A new partition gets keys as soon as it is up. A partition that leaves gets none any more, and is then
    /// terminated by its shutdown rule. Its queued messages are shed, unless its child says
    /// [`drain`](crate::ServiceChild::drain).
    ///
    /// Calls at the same time are carried out one after the other. Dropping the future does not undo the change or stop
    /// it half way.
    ///
    /// # Errors
    ///
    /// * Zero partitions, or more than [`PARTITIONS_MAX`]. Nothing is changed.
    /// * [`ToItself`](ResizeError::ToItself): code of a partition that is to leave would wait for its own end. Nothing
    ///   is changed.
    /// * A new partition that does not start, or is not wanted. The new partitions before it stay.
    /// * [`NotRunning`](ResizeError::NotRunning) if the supervisor does not run. [`len`](Self::len) tells how far the
    ///   change has come.
    ///
    /// # Panics
    ///
    /// If the function that makes the partitions panics, and outside of a tokio runtime.
    pub async fn resize(&self, partitions: usize) -> Result<(), ResizeError> {
        if partitions == 0 {
            return Err(ResizeError::ZeroPartitions { path: self.path().into() });
        }
        if partitions > PARTITIONS_MAX {
            return Err(ResizeError::TooMany { path: self.path().into(), partitions });
        }
        self.refuse_own_end(partitions)?;
        let table = self.clone();
        match tokio::spawn(async move { table.resize_to(partitions).await }).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(ResizeError::NotRunning { path: self.path().into() }),
            },
        }
    }

    /// Refuses a call that waits for its own end: from code of a partition that is to leave, or already leaves because
    /// of another call.
    fn refuse_own_end(&self, partitions: usize) -> Result<(), ResizeError> {
        let Some(caller) = self.handle.caller_within() else { return Ok(()) };
        let name = caller.strip_prefix(self.path()).and_then(|rest| rest.strip_prefix('/'));
        let number = name.and_then(|name| name.parse::<usize>().ok());
        if number.is_some_and(|number| number < partitions.min(self.len())) {
            return Ok(());
        }
        Err(ResizeError::ToItself { path: caller.clone(), caller })
    }

    async fn resize_to(&self, partitions: usize) -> Result<(), ResizeError> {
        let _one_at_a_time = self.table.resizing.lock().await;
        self.clear_away().await?;
        for index in self.len()..partitions {
            self.add(index).await?;
        }
        while self.len() > partitions {
            // The partition leaves the table before it ends, so that no key is mapped to it in vain. If the supervisor
            // ends first, its next life begins without it (invariant 3).
            let table = self.table.clone();
            let leave = move |_: &mut Driver| {
                let mut state = table.write();
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

    /// Ends partitions that no key is mapped to, left by an earlier resize that was refused or broken off half way.
    async fn clear_away(&self) -> Result<(), ResizeError> {
        let children = self.which_children().await?;
        let len = self.len();
        let is_left_over = |name: &str| name.parse::<usize>().is_ok_and(|index| index >= len);
        for child in children.iter().rev().filter(|child| is_left_over(&child.name)) {
            self.remove(&child.name).await?;
        }
        Ok(())
    }

    async fn add(&self, index: usize) -> Result<(), ResizeError> {
        let make = self.table.read().make.clone();
        let (child, handle) = new_child(&make, index);
        let name = index.to_string();
        let table = self.table.clone();
        let join = move |outcome: &StartOutcome| {
            if let StartOutcome::Up(_) = outcome {
                table.write().handles.push(handle);
            }
        };
        if let StartOutcome::Ignored = self.handle.start_child_and(child, join).await? {
            self.remove(&name).await?;
            return Err(ResizeError::NotWanted { path: format!("{}/{name}", self.path()).into() });
        }
        Ok(())
    }

    /// Removes a partition, even if it has ended for good and its supervisor has forgotten it.
    async fn remove(&self, name: &str) -> Result<(), ResizeError> {
        match self.handle.terminate_child(name).await {
            Ok(()) | Err(StopChildError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        match self.handle.delete_child(name).await {
            Ok(()) | Err(DeleteChildError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl<M: Send + 'static> Clone for Partitions<M> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), table: self.table.clone() }
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

/// The partition of a key with this hash, by jump consistent hashing: the last jump that stays below `buckets`. A key's
/// jumps do not depend on `buckets` (invariant 1).
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
