//! The handover of keys when the number of partitions changes, which keeps the order of each key's messages.
//!
//! Invariants:
//! 1. A partition that keys move to is held from before the table changes. It accepts messages, and handles none until
//!    the partitions that had the keys have worked off what was queued for them when the table changed.
//! 2. A hold ends, whatever happens: it is tied to a value that releases it when dropped.
//! 3. A handover that cannot go on is given up: no partition waits for another one that waits for it.

use std::sync::Arc;
use std::time::Duration;

use crate::base::name::is_within;
use crate::error::resize::ResizeError;
use crate::handle::Handle;
use crate::slot::accounting::Accounting;
use crate::slot::current;
use crate::slot::erased::{AnySlot, Ownership};
use crate::slot::status::ServiceState;

/// Longest time for which a partition may work on one message while others wait for it.
const STALL: Duration = Duration::from_secs(5);

/// Longest wait for a moment at which a partition that is to leave has nothing to do. After it others are held for what
/// is queued.
const CALM: Duration = Duration::from_secs(1);

/// Time between two looks at partitions that have work left.
const PERIOD: Duration = Duration::from_millis(1);

/// Number of looks that come one turn of the scheduler after the other.
const QUICK_LOOKS: u32 = 16;

/// Partitions that are held. Dropping it lets them go on.
pub(super) struct Held<M: Send + 'static>(Vec<Handle<M>>);

impl<M: Send + 'static> Held<M> {
    pub(super) fn new(partitions: Vec<Handle<M>>) -> Self {
        partitions.iter().for_each(|partition| partition.slot().set_held(true));
        Self(partitions)
    }

    /// Whether one of them owes an answer to code of this partition, which waits for it.
    fn is_waited_for_by(&self, partition: &Handle<M>) -> bool {
        let Some(incarnation) = partition.slot().owner() else { return false };
        let incarnation = [incarnation];
        self.0.iter().any(|held| held.slot().owes_answer_to(&incarnation))
    }
}

impl<M: Send + 'static> Drop for Held<M> {
    fn drop(&mut self) {
        self.0.iter().for_each(|partition| partition.slot().set_held(false));
    }
}

/// A partition, and what it had to do at a certain moment.
struct Work<M> {
    partition: Handle<M>,
    /// Number of messages that were queued or in hand then.
    queued: u64,
    /// Number of messages that had been handled or lost then.
    done: u64,
}

impl<M: Send + 'static> Work<M> {
    fn of(partition: &Handle<M>) -> Self {
        let counts = partition.accounting();
        Self { partition: partition.clone(), queued: to_do(&counts), done: done(&counts) }
    }

    /// Whether all of it has been done. Messages that leave the queue in other ways only lengthen the wait: it ends when
    /// as many have been done, or when nothing is left.
    fn is_over(&self) -> bool {
        let counts = self.partition.accounting();
        let is_closed = matches!(self.partition.status().state, ServiceState::Down | ServiceState::Gone);
        is_closed || to_do(&counts) == 0 || done(&counts).saturating_sub(self.done) >= self.queued
    }

    fn progress(&self) -> u64 {
        done(&self.partition.accounting())
    }
}

/// Number of messages that are queued or in hand.
fn to_do(counts: &Accounting) -> u64 {
    counts.queued + counts.in_hand
}

/// Number of messages that were handled or lost.
fn done(counts: &Accounting) -> u64 {
    counts.handled + counts.crashed
}

/// Looks of growing distance.
#[derive(Default)]
struct Looks(u32);

impl Looks {
    async fn next(&mut self) {
        self.0 = self.0.saturating_add(1);
        if self.0 < QUICK_LOOKS { tokio::task::yield_now().await } else { tokio::time::sleep(PERIOD).await }
    }
}

/// Waits until these partitions have worked off what is queued for them. `held` wait for that.
///
/// A message that was on its way to the old partition when the table changed is queued a moment later. So what is queued
/// after the first wait is waited for too.
pub(super) async fn worked_off<M: Send + 'static>(partitions: &[Handle<M>], held: &Held<M>) -> Result<(), ResizeError> {
    for _ in 0..2 {
        let mut left: Vec<_> = partitions.iter().map(Work::of).collect();
        let (mut looks, mut progress, mut since) = (Looks::default(), 0, tokio::time::Instant::now());
        loop {
            left.retain(|work| !work.is_over());
            let Some(first) = left.first() else { break };
            let now = left.iter().map(Work::progress).sum();
            if now != progress {
                (progress, since) = (now, tokio::time::Instant::now());
            }
            // Invariant 3.
            let in_circle = left.iter().find(|work| held.is_waited_for_by(&work.partition));
            let stuck = in_circle.or((since.elapsed() >= STALL).then_some(first));
            if let Some(stuck) = stuck {
                return Err(ResizeError::OrderNotKept { path: stuck.partition.path() });
            }
            looks.next().await;
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Waits for a moment at which the partition has nothing to do, but not for long: it may be busy all the time.
pub(super) async fn calm<M: Send + 'static>(partition: &Handle<M>) {
    let (mut looks, since) = (Looks::default(), tokio::time::Instant::now());
    while since.elapsed() < CALM {
        if to_do(&partition.accounting()) == 0 {
            return;
        }
        looks.next().await;
    }
}

/// The partition whose message in hand this is: code of the incarnation itself, and not of a task that is linked to it.
pub(super) fn partition_in_hand(supervisor: &str) -> Option<Arc<str>> {
    let home = current::lent(|signals| signals.home()).flatten()?;
    let path = home.path();
    is_within(&path, supervisor).then_some(path)
}
