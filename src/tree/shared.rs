//! The state that all supervisors and services of one tree share. Nothing is global but the panic hook.

use std::any::Any;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use regrow_supervisors::Exit;
use tokio::sync::broadcast;
use tracing::Level;

use crate::base::name::is_within;
use crate::base::on_demand::OnDemand;
use crate::base::sweep::{self, Sweeps};
use crate::call::fate::Fate;
use crate::call::outcomes::Outcomes;
use crate::event::{Event, EventKind};
use crate::log::{self, Aside, Log};
use crate::recorder::Recorder;
use crate::recorder::entry::HistoryKind;
use crate::recorder::state::HistoryState;
use crate::slot::current;
use crate::slot::dead_letter::{DeadReason, Notice, Wanted};
use crate::slot::erased::{AnySlot, Control, SlotTree};
use crate::slot::fact::Fact;
use crate::slot::signals::Signals;
use crate::slot::status::{self, ServiceState};
use crate::tree::clock::Clock;
use crate::tree::counts::Counts;
use crate::tree::dead_letters::Queue;
use crate::tree::dependencies::InForce;
use crate::tree::directory::{ChildKind, Directory, Facet};
use crate::tree::ending::Ending;
use crate::tree::in_force::TreeOptions;
use crate::tree::inject::Inject;
use crate::tree::living::Living;
use crate::tree::open_calls::OpenCalls;
use crate::tree::required::Required;
use crate::tree::statements::Statement;
use crate::tree::stop_order::StopOrder;
use crate::tree::unwell::Unwell;
use crate::watchdog::Watchdog;

/// Number of events that a slow subscriber may lag behind before it loses the oldest.
const EVENTS_KEPT: usize = 4096;

pub(crate) struct Shared {
    pub(crate) directory: Directory,
    pub(crate) recorder: Recorder,
    events: OnDemand<broadcast::Sender<Event>>,
    pub(crate) dead_letters: OnDemand<Arc<Queue>>,
    pub(crate) log: Log,
    pub(crate) options_in_force: TreeOptions,
    pub(crate) in_force: InForce,
    pub(crate) required: Required,
    /// Set when an experiment first begins.
    faults: OnceLock<Arc<dyn Inject>>,
    pub(crate) clock: Clock,
    pub(crate) ending: Ending,
    pub(crate) open_calls: OpenCalls,
    pub(crate) watchdog: Arc<Watchdog>,
    pub(crate) stop_order: StopOrder,
    pub(crate) sweeps: Arc<Sweeps>,
    pub(crate) living: Living,
    pub(crate) counts: Arc<Counts>,
    pub(crate) unwell: Unwell,
}

/// The child that an event is about, and its time.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) path: &'a Arc<str>,
    pub(crate) slot: Option<&'a dyn AnySlot>,
    /// Time on the tree's clock.
    pub(crate) now: Duration,
}

impl Shared {
    pub(crate) fn new(options_in_force: TreeOptions) -> Arc<Self> {
        Arc::new(Self {
            options_in_force,
            in_force: InForce::default(),
            required: Required::default(),
            faults: OnceLock::new(),
            directory: Directory::default(),
            recorder: Recorder::default(),
            events: OnDemand::default(),
            dead_letters: OnDemand::default(),
            log: Log::new(),
            clock: Clock::new(),
            ending: Ending::default(),
            open_calls: OpenCalls::default(),
            watchdog: Arc::default(),
            stop_order: StopOrder::default(),
            sweeps: Arc::default(),
            living: Living::default(),
            counts: Arc::default(),
            unwell: Unwell::default(),
        })
    }

    /// Lists a slot. Another one that had the path before gets no further life, and is closed.
    pub(crate) fn list(&self, path: &Arc<str>, kind: ChildKind, slot: &Arc<dyn AnySlot>, facet: Option<Facet>) {
        let Some(before) = self.directory.insert(path, kind, slot.clone(), facet) else { return };
        before.close(ServiceState::Gone);
        self.directory.templates.settle(&before);
        if before.counts().is_some() {
            self.required.wake();
        }
    }

    /// Forgets the child with this path and all below it, as they are gone. Only this method and [`Self::forget_slot`]
    /// know everything that is remembered of a path. Every path leaves the directory through them.
    ///
    /// `is_told`: an event tells that the child itself is gone. Nothing tells it of those below.
    pub(crate) fn forget(&self, path: &str, is_told: bool) {
        self.forget_said(path);
        let closed = self.directory.close(path, ServiceState::Gone);
        // A required child was one for which the readiness of the tree waits.
        if closed.iter().any(|(_, listed)| listed.slot.counts().is_some()) {
            self.required.wake();
        }
        for (below, listed) in &closed {
            self.forget_required(below);
            if !(is_told && **below == *path) {
                self.note_lost(below, &*listed.slot);
            }
        }
        // This comes last: a closed mailbox may leave dead letters behind, which the log tells.
        self.log.forget(path);
    }

    /// Does what [`forget`](Self::forget) does, for one slot that has had this path. Another slot may have the path by
    /// now.
    pub(crate) fn forget_slot(&self, path: &Arc<str>, slot: &Arc<dyn AnySlot>) {
        self.forget_said(path);
        self.directory.remove(path, slot);
        self.forget_required(path);
        self.note_lost(path, &**slot);
        if slot.counts().is_some() {
            self.required.wake();
        }
        self.log.forget(path);
    }

    /// Forgets everything below a path, as its child is no supervisor any more.
    pub(crate) fn forget_below(&self, path: &str) {
        for (below, listed) in self.directory.under(path).into_iter().filter(|(below, _)| **below != *path) {
            self.forget_slot(&below, &listed.slot);
        }
    }

    /// Forgets that a child was required by its own policy. Another child may have the path by now.
    fn forget_required(&self, path: &str) {
        let counts = || self.directory.get(path).and_then(|listed| listed.slot.counts());
        self.required.forget(path, || counts() == Some(status::Counts::BySaying));
    }

    /// Notes that a child left the tree without an event.
    fn note_lost(&self, path: &Arc<str>, slot: &dyn AnySlot) {
        let is_there = HistoryState::from_byte(slot.recorded().load(Ordering::Relaxed)).is_there();
        if is_there && !self.is_ending() {
            self.record(path, slot, HistoryKind::Lost);
        }
    }

    fn forget_said(&self, path: &str) {
        self.in_force.forget(path);
        self.stop_order.forget(path);
        self.directory.forget_below(path);
    }

    /// Notes that the root is ending: no child that is down comes back, and no caller waits for one.
    pub(crate) fn begin_to_end(&self) {
        if self.ending.begin(self.clock.now()) {
            self.directory.close_vacant();
            self.ending.begins.notify_waiters();
        }
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending.has_begun()
    }

    /// Kills everything that lives, at every level and in no order, as the limit of a shutdown is reached.
    pub(crate) fn kill_all(&self, root: &str) {
        // A supervisor is told before those below it, so that it takes no end below it for one that calls for a
        // restart.
        for (_, listed) in self.directory.under(root).into_iter().rev() {
            if let Some(Control::Supervisor(inbox)) = listed.slot.control() {
                inbox.push(Fact::Kill);
            }
        }
    }

    /// Closes every slot and ends every stream of events, as the tree is over.
    pub(crate) fn end(&self) {
        self.ending.is_over(self.clock.now());
        self.watchdog.end();
        self.directory.close_all();
        // Ends the subscribers' streams.
        drop(self.events.end());
        self.log.end();
        if let Some(queue) = self.dead_letters.end() {
            queue.end();
            if queue.have_been_used() {
                // A letter may hold the reply, and no service is left to answer.
                self.open_calls.orphan_all();
            }
        }
    }

    /// Returns a receiver of all events from now on. Once the tree is over its stream ends at once.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        let sender = self.events.get_or_make(|| broadcast::Sender::new(EVENTS_KEPT));
        sender.unwrap_or_else(|| broadcast::Sender::new(1)).subscribe()
    }

    /// Keeps dead letters from now on. Once the tree is over the queue is empty and has ended.
    pub(crate) fn keep_dead_letters(&self) -> Arc<Queue> {
        self.dead_letters.get_or_make(Queue::new).unwrap_or_else(|| {
            let over = Queue::new();
            over.end();
            over
        })
    }

    /// Tells the recorder, subscribers and the log.
    pub(crate) fn tell(&self, about: About<'_>, generation: impl FnOnce() -> u64, kind: EventKind) {
        let level = log::level(&kind);
        self.tell_at(level, about, generation, kind, || Aside::Nothing);
    }

    /// Does what [`tell`](Self::tell) does, with another level in the log, and with more to say there.
    pub(crate) fn tell_at(
        &self,
        level: Level,
        about: About<'_>,
        generation: impl FnOnce() -> u64,
        kind: EventKind,
        aside: impl FnOnce() -> Aside,
    ) {
        let About { path, slot, now } = about;
        let recorded = slot.map(|slot| slot.recorded());
        let sender = self.events.get();
        let is_logged = log::is_enabled(level);
        if !is_logged && matches!(kind, EventKind::Gone) {
            self.log.forget(path);
        }
        let generation = generation();
        self.recorder.note(recorded, now, path, generation, &kind);
        if !is_logged && sender.is_none() {
            return;
        }
        let event = Event { path: path.clone(), generation, kind };
        if is_logged {
            self.log.event(&event, level, &aside());
        }
        if let Some(sender) = sender {
            // An error means that no subscriber listens any more.
            let _ = sender.send(event);
        }
    }

    /// The seam at which an experiment injects faults, once one has begun in this tree.
    pub(crate) fn faults(&self) -> Option<&Arc<dyn Inject>> {
        self.faults.get()
    }

    /// The same seam, made by the first experiment.
    #[allow(dead_code, reason = "only experiments call it, and they are a feature")]
    pub(crate) fn faults_or_new(&self, make: impl FnOnce() -> Arc<dyn Inject>) -> &Arc<dyn Inject> {
        self.faults.get_or_init(make)
    }

    /// The tree that a slot is listed in, while that tree is there.
    pub(crate) fn of(slot: &dyn AnySlot) -> Option<Arc<Self>> {
        let tree: Arc<dyn Any + Send + Sync> = slot.tree()?;
        tree.downcast().ok()
    }
}

impl SlotTree for Shared {
    fn wants_letter(&self, reason: &DeadReason) -> Wanted {
        let level = Log::wants_letter(reason, self.ending.is_noting());
        Wanted { is_kept: reason.is_kept() && self.dead_letters.get().is_some(), level }
    }

    fn note_refused_by_gone(&self) {
        self.counts.refused_by_gone.add(1);
    }

    fn log_letter(&self, notice: &Notice, level: Level) {
        self.log.letter(notice, level);
    }

    fn keep_letter(self: Arc<Self>, notice: Notice, message: Box<dyn Any + Send>) {
        match self.dead_letters.get() {
            Some(queue) => queue.push(notice, message, &self),
            // The tree has ended meanwhile.
            None => sweep::drop_quietly(message, &notice.path, "a message"),
        }
    }

    fn note_open_calls(&self, calls: Vec<Weak<dyn Fate>>) {
        self.open_calls.note(calls);
    }

    fn cut_off(&self, path: &Arc<str>, slot: &dyn AnySlot, signals: &Arc<Signals>) -> bool {
        let generation = slot.status().generation;
        let is_new = slot.life().fence(signals, &signals.verdict(Exit::Killed));
        if is_new {
            self.watchdog.watch_no_more(path, signals);
            self.ending.abandoned(path);
            let about = About { path, slot: Some(slot), now: self.clock.now() };
            self.tell(about, || generation, EventKind::Abandoned);
            signals.wake();
        }
        is_new
    }

    fn remember_waiter(&self, signals: &Arc<Signals>) {
        self.watchdog.remember_waiter(signals);
    }

    fn watch_no_more(&self, path: &str, signals: &Arc<Signals>) {
        self.watchdog.watch_no_more(path, signals);
    }

    fn tell_blocks(&self, path: &Arc<str>, generation: u64, time: Duration) {
        let slot = self.directory.get(path).map(|listed| listed.slot);
        let about = About { path, slot: slot.as_deref(), now: self.clock.now() };
        self.tell(about, || generation, EventKind::Blocks { time });
    }

    fn outcomes(&self) -> Option<Arc<Outcomes>> {
        self.faults()?.outcomes()
    }

    fn tell_move(&self, slot: &dyn AnySlot, signals: &Arc<Signals>, is_in: bool) {
        let Some(faults) = self.faults().filter(|faults| faults.armed() > 0) else { return };
        let (path, signals) = (slot.path(), Arc::downgrade(signals));
        faults.say(match is_in {
            true => Statement::MovesIn { path, signals },
            false => Statement::MovesOut { path, signals },
        });
    }
}

/// The path of the incarnation that this thread runs code of, or a linked task of, if it is at this path or below it.
pub(crate) fn caller_within(shared: &Arc<Shared>, path: &str) -> Option<Arc<str>> {
    let home = current::caller(Signals::home).flatten()?;
    let is_here = Shared::of(&*home).is_some_and(|other| Arc::ptr_eq(&other, shared));
    let caller = home.path();
    (is_here && is_within(&caller, path)).then_some(caller)
}
