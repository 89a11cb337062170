//! Group commit: the state lives here, a task saves the newest one, and replies wait for the save.
//!
//! `desk` is where the service leaves its state and what waits for it; `writer` is the task that saves.
//!
//! Invariants of the three files:
//! 1. A value is taken by the writer only between two changes, never during one.
//! 2. What waits for change `n` is released after a save of change `n` or of a later one is durable, and never else.
//! 3. After a failed save or change, and after the end of the incarnation, nothing is released. What waits is then dropped
//!    in the linked task, so that callers are told the exit of the incarnation.
//! 4. No code of the user runs under the lock.
//! 5. Effects leave the desk one by one, and each runs and is dropped under a catch. So none overtakes another, and the
//!    panic of one never meets that of another.

mod desk;
mod writer;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use regrow_supervisors::Exit;

use crate::Reply;
use crate::base::panics;
use crate::checkpoint::claimed::Claimed;
use crate::checkpoint::error::{CheckpointError, NotSaved};
use crate::checkpoint::state::State;
use crate::slot::last_work::Last;
use crate::slot::saves::{SaveFigures, Saves};
use crate::slot::signals::Signals;
use desk::{Desk, Left};
use writer::Writer;

/// State of a service that is saved after each change, by a task that saves several changes at once.
///
/// The handler changes the state and goes on; it does not wait for the store. While one save is under way, changes
/// collect, and the next save has all of them. A [`reply`](Self::reply) waits until the changes before it are durable, so
/// that a caller never hears of a change that a crash takes back. The state is encoded once per save, in that task. It is
/// cloned only if a change comes just while it is being encoded.
///
/// ```
/// use regrow::checkpoint::{Checkpoints, GroupCommit, Json, MemoryStore};
/// use regrow::{Child, Context, Reply, Service, Supervisor};
/// use std::collections::BTreeMap;
///
/// struct Stock { items: GroupCommit<Json<BTreeMap<String, u32>>> }
/// enum Msg { Add(String, u32, Reply<u32>), Count(String, Reply<u32>) }
///
/// impl Service for Stock {
///     type Msg = Msg;
///     async fn handle(&mut self, msg: Msg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
///         match msg {
///             Msg::Add(item, number, reply) => {
///                 let count = self.items.change(|items| {
///                     let count = items.entry(item).or_default();
///                     *count += number;
///                     *count
///                 });
///                 self.items.reply(reply, count); // goes out when the change is durable
///             }
///             // It may tell of a change that is not durable yet. `self.items.reply` would not.
///             Msg::Count(item, reply) => { reply.send(self.items.get(&item).copied().unwrap_or(0)); }
///         }
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
/// let store = Checkpoints::new(MemoryStore::new());
/// let stock = Child::service("stock", move |ctx| {
///     let store = store.clone();
///     async move { Ok(Stock { items: ctx.checkpoint(&store).await?.group_commit(Default::default) }) }
/// });
/// let tree = Supervisor::one_for_one("shop").child(stock).start().await?;
/// let stock = tree.lookup("shop/stock")?;
/// assert_eq!(stock.call(|reply| Msg::Add("tea".into(), 3, reply)).await?, 3);
/// stock.kill()?;
/// assert_eq!(stock.call(|reply| Msg::Count("tea".into(), reply)).await?, 3);
/// # tree.shutdown().await; Ok(()) }
/// ```
///
/// # What can be lost
///
/// * The changes since the last durable save, if the incarnation is killed, panics, fails, or the process ends. No reply
///   that was tied to them has gone out: their calls end as [`Crashed`](crate::CallError::Crashed).
/// * A cast has no reply. Its sender learns only that the mailbox took it, so a change by a cast may be lost without a
///   word. Use a call if the sender must know.
/// * What other services were told before the save. [`after_save`](Self::after_save) keeps such effects back.
///
/// If a save fails, or gives no answer in time, the incarnation ends at its next await with that error, and its stop hook
/// does not run. A [thread](crate::Child::thread) ends when it asks for its next message. The same happens if an effect, an
/// encoding or a change panics.
///
/// An incarnation that ends in order saves its last change after the stop hook, within its shutdown time. A task that gives a [value](crate::RunningTask) gives it before that: await [`saved`](Self::saved) first.
///
/// # What it costs
///
/// A change costs two short locks and a counted reference. The value is encoded in one task, which holds up the other tasks
/// of its thread for that time. If a clone of the state is slow, keep its parts in `Arc`s.
pub struct GroupCommit<T> {
    current: Arc<T>,
    desk: Arc<Desk<T>>,
    epoch: u64,
    saves: Arc<Saves>,
    signals: Arc<Signals>,
    /// Error for those that wait when a change has panicked.
    half_changed: NotSaved,
}

impl<T: State + Clone + Sync> GroupCommit<T> {
    pub(super) fn new(claimed: Claimed, state: T) -> Self {
        let desk = Arc::new(Desk::new());
        let (epoch, saves) = (claimed.epoch(), claimed.saves.clone());
        let (signals, path) = (claimed.signals.clone(), claimed.slot.path());
        let store = claimed.terms.store.describe();
        let (ended, half_changed) =
            (NotSaved::ended(&claimed.key, &store), NotSaved::half_changed(&claimed.key, &store));
        // If the incarnation is over already, the writer is dropped, and closes the desk.
        let writer = Writer::new(desk.clone(), claimed, ended);
        signals.spawn(path, writer.write());
        let last: Arc<dyn Last> = desk.clone();
        signals.do_last(&last);
        Self { current: Arc::new(state), desk, epoch, saves, signals, half_changed }
    }

    /// Changes the state, and has it saved soon. Returns what `change` returns.
    ///
    /// # Panics
    ///
    /// If `change` panics. The state is then never saved again, and the incarnation ends with that panic, also if your
    /// code catches it.
    pub fn change<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        // Invariant 1. Without the writer's copy, the change is made in place.
        drop(self.desk.take_back());
        let current = &mut self.current;
        let returned = panics::observed(
            || change(Arc::make_mut(current)),
            |panic| {
                self.desk.end(self.half_changed.clone());
                self.signals.break_with(Exit::Panicked(panic));
            },
        );
        self.desk.stage(self.current.clone());
        returned
    }

    /// Replaces the state, and has it saved soon.
    pub fn set(&mut self, state: T) {
        self.current = Arc::new(state);
        self.desk.stage(self.current.clone());
    }

    /// Answers a call when all changes that were made so far are durable; at once, if they are. The answer then cannot be
    /// taken back by a crash. If the incarnation ends before that, the call ends with its exit, and never with this
    /// answer.
    pub fn reply<V: Send + 'static>(&self, reply: Reply<V>, value: V) {
        self.after_save(move || {
            reply.send(value);
        });
    }

    /// Runs `effect` when all changes that were made so far are durable: here and at once if they are and no effect is still
    /// to run, and in the task that saves otherwise. The effect is dropped if the incarnation ends before that.
    ///
    /// Effects run in the order in which they were given. One that blocks holds up the saves, and one that panics ends the
    /// incarnation. An effect may run more than once for one message if the message is redelivered.
    pub fn after_save(&self, effect: impl FnOnce() + Send + 'static) {
        if let Some(effect) = self.desk.leave_effect(Box::new(effect)) {
            effect();
        }
    }

    /// Completes when all changes that were made so far are durable.
    ///
    /// # Errors
    ///
    /// If nothing is saved any more: a save has failed, or the incarnation is over.
    pub fn saved(&self) -> impl Future<Output = Result<(), NotSaved>> + Send + use<T> {
        let desk = self.desk.clone();
        let wanted = desk.newest();
        async move { desk.settled(wanted).await }
    }

    /// Whether all changes that were made so far are durable.
    pub fn is_saved(&self) -> bool {
        self.desk.is_saved()
    }

    /// Saves what is not saved yet, which releases what waits for it, and then removes the stored value. The next incarnation
    /// begins without one.
    ///
    /// # Errors
    ///
    /// If the value is not known to be removed. If a save fails before that, the incarnation ends with its error.
    pub fn discard(self) -> impl Future<Output = Result<(), CheckpointError>> + Send + use<T> {
        let desk = self.desk.clone();
        desk.leave(Left::ToDiscard);
        async move { desk.claim_back().await?.discard().await }
    }

    /// Returns the number of the claim: see [`Checkpoint::epoch`](crate::checkpoint::Checkpoint::epoch).
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns the figures of the service's saves.
    pub fn figures(&self) -> SaveFigures {
        self.saves.figures()
    }
}

/// The writer saves what is left, and ends.
impl<T> Drop for GroupCommit<T> {
    fn drop(&mut self) {
        self.desk.leave(Left::Dropped);
    }
}

/// The state, with all changes that were made so far.
impl<T> Deref for GroupCommit<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.current
    }
}

impl<T> fmt::Debug for GroupCommit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupCommit").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}
