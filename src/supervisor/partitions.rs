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
use crate::supervisor::handover::{Held, calm, partition_in_hand, worked_off};
use crate::supervisor::manage::SupervisorHandle;
use crate::supervisor::outcome::{ChildCount, ChildInfo, StartOutcome};
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

    /// Counts the partitions by what they are doing. [`len`](Self::len) is the number of those that keys are mapped to.
    ///
    /// # Errors
    ///
    /// A supervisor that is not running.
    pub async fn count_children(&self) -> Result<ChildCount, NotRunning> {
        self.handle.count_children().await
    }

    /// Changes the number of partitions of the running supervisor. The change lasts through restarts of the supervisor.
    ///
    /// Partitions that stay are not touched. As few keys move as possible: about a fifth of them if four partitions become
    /// five. The state of a key does not move with it.
    ///
    /// The order of one key's messages is kept: the old partition hands the key over. For each partition that comes or
    /// leaves, one after the other:
    ///
    /// * A new partition gets keys as soon as it is up. It begins with them when the partitions that had them have worked
    ///   off what was queued when it came. Meanwhile messages wait in its mailbox.
    /// * A partition that leaves loses its keys when it has nothing to do, or after a second. The others, which get its
    ///   keys, wait until it has worked off what was queued. Then it is terminated by its shutdown rule.
    ///
    /// The order is kept if [`handle_for`](Self::handle_for) is called for each message. A handle that is kept from before
    /// the change sends to the partition that had the key then. So does a thread that is suspended between `handle_for`
    /// and its send for longer than the handover takes.
    ///
    /// A handover is given up if a partition that others wait for does not finish a message for 5 s, or waits for an
    /// answer of one that waits for it ([`OrderNotKept`](ResizeError::OrderNotKept)). The change goes on then.
    /// [`resize_now`](Self::resize_now) waits for none of this.
    ///
    /// Calls at the same time are carried out one after the other. Dropping the future does not undo the change or stop
    /// it half way.
    ///
    /// # Errors
    ///
    /// * Zero partitions, or more than [`PARTITIONS_MAX`]. Nothing is changed.
    /// * [`ToItself`](ResizeError::ToItself): code of a partition that is to leave would wait for its own end. Nothing
    ///   is changed.
    /// * [`InHand`](ResizeError::InHand): the message in hand of a partition would wait for itself. Nothing is changed.
    /// * A new partition that does not start, or is not wanted. The new partitions before it stay.
    /// * [`OrderNotKept`](ResizeError::OrderNotKept): the change is complete, and the order may not have been kept.
    /// * [`NotRunning`](ResizeError::NotRunning) if the supervisor does not run. [`len`](Self::len) tells how far the
    ///   change has come.
    ///
    /// # Panics
    ///
    /// If the function that makes the partitions panics, and outside of a tokio runtime.
    pub async fn resize(&self, partitions: usize) -> Result<(), ResizeError> {
        self.resize_by(partitions, true).await
    }

    /// Changes the number of partitions as [`resize`](Self::resize) does, without a handover. A new partition begins with
    /// its keys at once. The queue of a partition that leaves is shed, unless its child says
    /// [`drain`](crate::ServiceChild::drain). Messages of a key that moves may be handled in another order than they were
    /// sent in, by two partitions at the same time.
    ///
    /// # Errors
    ///
    /// Those of `resize`, without `InHand` and `OrderNotKept`.
    ///
    /// # Panics
    ///
    /// The same as `resize`.
    pub async fn resize_now(&self, partitions: usize) -> Result<(), ResizeError> {
        self.resize_by(partitions, false).await
    }

    async fn resize_by(&self, partitions: usize, in_order: bool) -> Result<(), ResizeError> {
        if partitions == 0 {
            return Err(ResizeError::ZeroPartitions { path: self.path().into() });
        }
        if partitions > PARTITIONS_MAX {
            return Err(ResizeError::TooMany { path: self.path().into(), partitions });
        }
        self.refuse_own_end(partitions)?;
        // Partitions that stay are waited for only if others come.
        if let Some(path) = partition_in_hand(self.path()).filter(|_| in_order && partitions > self.len()) {
            return Err(ResizeError::InHand { path });
        }
        let table = self.clone();
        match tokio::spawn(async move { table.resize_to(partitions, in_order).await }).await {
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

    async fn resize_to(&self, partitions: usize, in_order: bool) -> Result<(), ResizeError> {
        let _one_at_a_time = self.table.resizing.lock().await;
        self.clear_away().await?;
        // A change goes on if the order of a key is lost. The first loss is the outcome.
        let mut kept = Ok(());
        for index in self.len()..partitions {
            if in_order {
                kept = kept.and(self.add_in_order(index).await?);
            } else {
                self.add(index, |_| ()).await?;
            }
        }
        while self.len() > partitions {
            let (mut stay, leaving) = (self.handles(), self.handle(self.len().saturating_sub(1)));
            stay.pop();
            let held = match &leaving {
                Some(leaving) if in_order => {
                    calm(leaving).await;
                    Some(Held::new(stay))
                }
                Some(_) | None => None,
            };
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
            if let (Some(leaving), Some(held)) = (leaving, held) {
                kept = kept.and(worked_off(&[leaving], &held).await);
            }
            self.remove(&index.to_string()).await?;
        }
        kept
    }

    /// Adds a partition, which begins with its keys when the partitions that had them are done with what they have.
    /// Returns whether that kept the order of the keys.
    async fn add_in_order(&self, index: usize) -> Result<Result<(), ResizeError>, ResizeError> {
        let old = self.handles();
        let held = self.add(index, |new| Held::new(vec![new.clone()])).await?;
        Ok(worked_off(&old, &held).await)
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

    /// Adds a partition. `first` is called with its handle before it starts.
    async fn add<T>(&self, index: usize, first: impl FnOnce(&Handle<M>) -> T) -> Result<T, ResizeError> {
        let make = self.table.read().make.clone();
        let (child, handle) = new_child(&make, index);
        let first = first(&handle);
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
        Ok(first)
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

pub(super) fn hash<K: Hash + ?Sized>(key: &K) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// The partition of a key with this hash, by jump consistent hashing: the last jump that stays below `buckets`. A key's
/// jumps do not depend on `buckets` (invariant 1).
pub(super) fn partition_of(mut key: u64, buckets: usize) -> usize {
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
