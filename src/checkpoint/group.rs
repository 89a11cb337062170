//! Group commit: the state lives here, a task saves the newest one, and replies wait for the save.
//!
//! Invariants:
//! 1. A value is taken by the writer only between two changes, never during one.
//! 2. What waits for change `n` is released after a save of change `n` or of a later one is durable, and never else.
//! 3. After a failed save or change, and after the end of the incarnation, nothing is released. What waits is then dropped
//!    in the linked task, so that callers are told the exit of the incarnation.
//! 4. No code of the user runs under the lock.
//! 5. Effects leave the desk one by one, and each runs and is dropped under a catch. So none overtakes another, and the
//!    panic of one never meets that of another.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Deref;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use regrow_supervisors::Exit;
use tokio::sync::Notify;

use crate::Reply;
use crate::base::panics::{self, drop_here};
use crate::base::sweep;
use crate::base::sync::lock;
use crate::checkpoint::claimed::Claimed;
use crate::checkpoint::error::{CheckpointError, NotSaved, Problem, StoreError};
use crate::checkpoint::state::State;
use crate::slot::last_work::{Last, Work};
use crate::slot::saves::{SaveFigures, Saves};
use crate::slot::signals::Signals;

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

/// Place where the service leaves its state for the writer.
struct Desk<T> {
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
enum Left {
    Dropped,
    /// The writer hands back its claim, so that the value can be removed.
    ToDiscard,
}

/// Effect that waits for a save, most often a reply.
type Effect = Box<dyn FnOnce() + Send>;

impl<T: State + Clone + Sync> GroupCommit<T> {
    pub(super) fn new(claimed: Claimed, state: T) -> Self {
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
        let (is_staged, is_settled) = (Notify::new(), Notify::new());
        let desk = Arc::new(Desk { staged: Mutex::new(staged), is_staged, is_settled });
        let (epoch, saves) = (claimed.epoch(), claimed.saves.clone());
        let (signals, path) = (claimed.signals.clone(), claimed.slot.path());
        let store = claimed.terms.store.describe();
        let (ended, half_changed) =
            (NotSaved::ended(&claimed.key, &store), NotSaved::half_changed(&claimed.key, &store));
        // If the incarnation is over already, the writer is dropped, and closes the desk.
        let writer =
            Writer { desk: desk.clone(), claimed: Some(claimed), ended, signals: signals.clone(), path: path.clone() };
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
        let staged = lock(&self.desk.staged).value.take();
        drop(staged);
        let current = &mut self.current;
        let returned = panics::observed(
            || change(Arc::make_mut(current)),
            |panic| {
                self.desk.end(self.half_changed.clone());
                self.signals.break_with(Exit::Panicked(panic));
            },
        );
        self.stage();
        returned
    }

    /// Replaces the state, and has it saved soon.
    pub fn set(&mut self, state: T) {
        self.current = Arc::new(state);
        self.stage();
    }

    fn stage(&self) {
        let value = self.current.clone();
        let before = {
            let mut staged = lock(&self.desk.staged);
            staged.newest += 1;
            if staged.end.is_some() { Some(value) } else { staged.value.replace(value) }
        };
        drop(before);
        self.desk.is_staged.notify_one();
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
        let mut effect: Option<Effect> = Some(Box::new(effect));
        let is_due = {
            let mut staged = lock(&self.desk.staged);
            let is_next = staged.waiting.is_empty() && !staged.is_releasing;
            let is_due = staged.end.is_none() && staged.durable >= staged.newest && is_next;
            // After a failed save it waits for the end of the incarnation (invariant 3).
            if !staged.is_closed && !is_due {
                let number = staged.newest;
                staged.waiting.extend(effect.take().map(|effect| (number, effect)));
            }
            is_due
        };
        // If it is not due and was not taken, the incarnation is over.
        if let Some(effect) = effect.filter(|_| is_due) {
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
        let staged = lock(&self.desk.staged);
        staged.durable >= staged.newest
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

impl<T> Desk<T> {
    /// Records that the service has dropped its state. The first call counts.
    fn leave(&self, left: Left) {
        lock(&self.staged).left.get_or_insert(left);
        self.is_staged.notify_one();
    }

    /// Waits for a value to be saved. Returns it with the number of its change; `None` if no more will come.
    async fn next(&self) -> Option<(Arc<T>, u64)> {
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
    fn newest(&self) -> u64 {
        lock(&self.staged).newest
    }

    /// Records that a change is durable.
    fn durable(&self, number: u64) {
        lock(&self.staged).durable = number;
    }

    /// Takes the next effect that waits for no change any more (invariants 2 and 5).
    fn next_due(&self) -> Option<Effect> {
        let mut staged = lock(&self.staged);
        let is_due = staged.waiting.front().is_some_and(|(waits_for, _)| *waits_for <= staged.durable);
        staged.is_releasing = is_due;
        if is_due { staged.waiting.pop_front().map(|(_, effect)| effect) } else { None }
    }

    /// Records that nothing will be saved any more.
    fn end(&self, end: NotSaved) {
        lock(&self.staged).end.get_or_insert(end);
        self.is_settled.notify_waiters();
    }

    /// Takes what is left, which will not be released.
    fn close(&self) -> (Option<Arc<T>>, VecDeque<(u64, Effect)>) {
        let mut staged = lock(&self.staged);
        staged.is_closed = true;
        (staged.value.take(), std::mem::take(&mut staged.waiting))
    }

    /// Waits until all is saved, and takes the claim that the writer hands back then.
    async fn claim_back(&self) -> Result<Claimed, CheckpointError> {
        loop {
            let mut settled = pin!(self.is_settled.notified());
            settled.as_mut().enable();
            {
                let mut staged = lock(&self.staged);
                if let Some(claimed) = staged.claimed.take() {
                    return Ok(claimed);
                }
                if let Some(end) = &staged.end {
                    let (key, store) = (end.key.clone(), end.store.to_string());
                    let failure = end.failure.as_deref().unwrap_or("the incarnation has ended");
                    let problem = Problem::Store(StoreError::Failed(anyhow::anyhow!("not removed: {failure}")));
                    return Err(CheckpointError { key, store, problem, superseded_by: None });
                }
            }
            settled.await;
        }
    }

    /// Waits until the change with this number is durable.
    async fn settled(&self, wanted: u64) -> Result<(), NotSaved> {
        loop {
            let mut settled = pin!(self.is_settled.notified());
            settled.as_mut().enable();
            {
                let staged = lock(&self.staged);
                if staged.durable >= wanted {
                    return Ok(());
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

/// The task that saves.
struct Writer<T> {
    desk: Arc<Desk<T>>,
    /// Taken when it ends because the service has left.
    claimed: Option<Claimed>,
    /// Error for those that wait when it is dropped.
    ended: NotSaved,
    signals: Arc<Signals>,
    path: Arc<str>,
}

impl<T: State + Sync> Writer<T> {
    async fn write(mut self) {
        if let Err((end, exit)) = self.save_all().await {
            self.desk.end(end);
            self.signals.break_with(exit);
            // The linked task goes on until the incarnation has its exit, and drops what waits then (invariant 3).
            return std::future::pending().await;
        }
        let claimed = self.claimed.take();
        let mut staged = lock(&self.desk.staged);
        if staged.left == Some(Left::ToDiscard) {
            staged.claimed = claimed;
        }
    }

    /// Saves until the service has left. Returns the error for those that wait, and the exit of the incarnation.
    async fn save_all(&mut self) -> Result<(), (NotSaved, Exit)> {
        let Some(claimed) = &mut self.claimed else { return Ok(()) };
        let panicked = |panic| (self.ended.clone(), Exit::Panicked(panic));
        while let Some((value, number)) = self.desk.next().await {
            let encode = move || {
                let encoded = value.encode();
                drop(value);
                encoded
            };
            let saved = match panics::catch_within(encode).map_err(panicked)? {
                Ok(bytes) => claimed.save(T::SCHEMA, bytes).await,
                Err(wrong) => Err(claimed.not_encoded(wrong)),
            };
            saved.map_err(|error| (NotSaved::of(&error), sweep::failed(error.into())))?;
            self.desk.durable(number);
            while let Some(effect) = self.desk.next_due() {
                // An abandoned incarnation has no effects any more.
                let is_fenced = self.signals.is_fenced();
                let run = || if is_fenced { drop(effect) } else { effect() };
                panics::catch_within(run).map_err(panicked)?;
            }
            self.desk.is_settled.notify_waiters();
        }
        Ok(())
    }
}

/// Drops what waits. That happens in the linked task, when the exit of the incarnation is known.
impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        self.desk.end(self.ended.clone());
        let (value, waiting) = self.desk.close();
        // Invariant 5.
        drop_here(value, &self.path, "a state that was not saved");
        for (_, effect) in waiting {
            drop_here(effect, &self.path, "an effect that waited for a save");
        }
    }
}
