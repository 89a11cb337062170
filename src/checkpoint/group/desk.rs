//! The desk of a group commit: where the service leaves its state, and what waits until that is durable.
//!
//! The invariants are those of `mod.rs`.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::base::sync::lock;
use crate::checkpoint::claimed::Claimed;
use crate::checkpoint::error::{CheckpointError, NotSaved, Problem, StoreError};
use crate::slot::last_work::{Last, Work};

/// Place where the service leaves its state for the writer.
pub(super) struct Desk<T> {
    staged: Mutex<Staged<T>>,
    /// Notified when there is a value to be saved.
    is_staged: Notify,
    /// Notified when a save is over, and at the end.
    is_settled: Notify,
}

struct Staged<T> {
    /// The newest state, until a save takes it.
    value: Option<Arc<T>>,
    /// Number of the newest change.
    newest: u64,
    /// Number of the newest change that is durable.
    durable: u64,
    /// Effects that wait for a save, with the number of the change that they wait for. The numbers grow.
    waiting: VecDeque<(u64, Effect)>,
    /// Whether the writer runs an effect.
    is_releasing: bool,
    /// Set when no more will be saved.
    end: Option<NotSaved>,
    /// Whether the writer is gone.
    is_closed: bool,
    /// Set when the service has dropped its state. The writer then ends when all is saved.
    left: Option<Left>,
    /// The claim, for the discard.
    claimed: Option<Claimed>,
}

/// Reason for which a service has dropped its state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    Dropped,
    /// The writer hands back its claim, so that the value can be removed.
    ToDiscard,
}

/// Effect that waits for a save, most often a reply.
pub(super) type Effect = Box<dyn FnOnce() + Send>;

impl<T> Desk<T> {
    pub(super) fn new() -> Self {
        let staged = Staged {
            value: None,
            newest: 0,
            durable: 0,
            waiting: VecDeque::new(),
            is_releasing: false,
            end: None,
            is_closed: false,
            left: None,
            claimed: None,
        };
        Self { staged: Mutex::new(staged), is_staged: Notify::new(), is_settled: Notify::new() }
    }

    /// Takes the state back that no save has taken yet.
    pub(super) fn take_back(&self) -> Option<Arc<T>> {
        lock(&self.staged).value.take()
    }

    /// Leaves the state after a change, to be saved.
    pub(super) fn stage(&self, value: Arc<T>) {
        let before = {
            let mut staged = lock(&self.staged);
            staged.newest += 1;
            if staged.end.is_some() { Some(value) } else { staged.value.replace(value) }
        };
        drop(before);
        self.is_staged.notify_one();
    }

    /// Leaves an effect until the newest change is durable. Returns it if that is so, and it is the next.
    pub(super) fn leave_effect(&self, effect: Effect) -> Option<Effect> {
        let mut staged = lock(&self.staged);
        let is_next = staged.waiting.is_empty() && !staged.is_releasing;
        if staged.end.is_none() && staged.durable >= staged.newest && is_next {
            return Some(effect);
        }
        // After a failed save it waits for the end of the incarnation (invariant 3).
        if !staged.is_closed {
            let number = staged.newest;
            staged.waiting.push_back((number, effect));
            return None;
        }
        // The incarnation is over. Invariant 4.
        drop(staged);
        drop(effect);
        None
    }

    /// Whether all changes are durable.
    pub(super) fn is_saved(&self) -> bool {
        let staged = lock(&self.staged);
        staged.durable >= staged.newest
    }

    /// Records that the service has dropped its state. The first call counts.
    pub(super) fn leave(&self, left: Left) {
        lock(&self.staged).left.get_or_insert(left);
        self.is_staged.notify_one();
    }

    /// Waits for a value to be saved. Returns it with the number of its change; `None` if no more will come.
    pub(super) async fn next(&self) -> Option<(Arc<T>, u64)> {
        loop {
            {
                let mut staged = lock(&self.staged);
                if let Some(value) = staged.value.take() {
                    return Some((value, staged.newest));
                }
                if staged.left.is_some() {
                    return None;
                }
            }
            self.is_staged.notified().await;
        }
    }

    /// Returns the number of the newest change.
    pub(super) fn newest(&self) -> u64 {
        lock(&self.staged).newest
    }

    /// Records that a change is durable.
    pub(super) fn durable(&self, number: u64) {
        lock(&self.staged).durable = number;
    }

    /// Takes the next effect that waits for no change any more (invariants 2 and 5).
    pub(super) fn next_due(&self) -> Option<Effect> {
        let mut staged = lock(&self.staged);
        let is_due = staged.waiting.front().is_some_and(|(waits_for, _)| *waits_for <= staged.durable);
        staged.is_releasing = is_due;
        if is_due { staged.waiting.pop_front().map(|(_, effect)| effect) } else { None }
    }

    /// Records that nothing will be saved any more.
    pub(super) fn end(&self, end: NotSaved) {
        lock(&self.staged).end.get_or_insert(end);
        self.tell_settled();
    }

    /// Wakes those that wait for a save.
    pub(super) fn tell_settled(&self) {
        self.is_settled.notify_waiters();
    }

    /// Takes what is left, which will not be released.
    pub(super) fn close(&self) -> (Option<Arc<T>>, VecDeque<(u64, Effect)>) {
        let mut staged = lock(&self.staged);
        staged.is_closed = true;
        (staged.value.take(), std::mem::take(&mut staged.waiting))
    }

    /// Hands the claim back if the service wants it for the discard, as the writer ends.
    pub(super) fn hand_back(&self, claimed: Option<Claimed>) {
        let mut staged = lock(&self.staged);
        if staged.left == Some(Left::ToDiscard) {
            staged.claimed = claimed;
        }
    }

    /// Waits until all is saved, and takes the claim that the writer hands back then.
    pub(super) async fn claim_back(&self) -> Result<Claimed, CheckpointError> {
        let claimed = self.until(|staged| staged.claimed.take()).await;
        claimed.map_err(|NotSaved { key, store, failure }| {
            let failure = failure.as_deref().unwrap_or("the incarnation has ended");
            let problem = Problem::Store(StoreError::Failed(anyhow::anyhow!("not removed: {failure}")));
            CheckpointError { key, store: store.to_string(), problem, superseded_by: None }
        })
    }

    /// Waits until the change with this number is durable.
    pub(super) async fn settled(&self, wanted: u64) -> Result<(), NotSaved> {
        self.until(|staged| (staged.durable >= wanted).then_some(())).await
    }

    /// Looks after each save until `look` finds something, or nothing will be saved any more.
    async fn until<R>(&self, mut look: impl FnMut(&mut Staged<T>) -> Option<R>) -> Result<R, NotSaved> {
        loop {
            let mut settled = pin!(self.is_settled.notified());
            settled.as_mut().enable();
            {
                let mut staged = lock(&self.staged);
                if let Some(found) = look(&mut staged) {
                    return Ok(found);
                }
                if let Some(end) = &staged.end {
                    return Err(end.clone());
                }
            }
            settled.await;
        }
    }
}

impl<T: Send + Sync + 'static> Last for Desk<T> {
    fn work(self: Arc<Self>) -> Work {
        Box::pin(async move { self.settled(self.newest()).await.map_err(anyhow::Error::new) })
    }
}
