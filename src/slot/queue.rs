//! The two halves of a mailbox: the back, where senders put messages, and the front, from which the pump takes them.
//!
//! The pump takes the whole back over when its front is used up, so that senders and the pump seldom need the same
//! lock. Messages that it took over stay in the slot: they count for the capacity, and drop-oldest and the fence can
//! reach them.
//!
//! Invariants:
//! 1. Order of locking: front, then back. A sender takes the back alone, or both.
//! 2. `Slot::front_len` is the length of `Front::batch` whenever both locks are held, and never less than it.
//! 3. Every message is counted in one term of the law at any instant: a message that leaves a queue is counted under
//!    the same lock.
//! 4. While the back's lock is held, `Back::front_max` is at least the length of the batch. So a sender that finds room
//!    by it reads nothing that the pump writes for each message.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use regrow_supervisors::{Completion, ExitKind};
use tokio::time::Instant;

use crate::base::{sweep, thrift};
use crate::call::fate::Fate;
use crate::slot::Slot;
use crate::slot::bar::Bar;
use crate::slot::dead_letter::DeadReason;
use crate::slot::erased::Control;
use crate::slot::in_hand::{Beside, Tries};
use crate::slot::kept::Heir;
use crate::slot::line::Line;
use crate::slot::saves::Saves;
use crate::slot::settings::Settings;
use crate::slot::signals::Signals;
use crate::slot::status::{Counts, ServiceState, ServiceStatus};
use crate::slot::tally::{Record, Times};
use crate::slot::wording::Description;

pub(crate) struct Envelope<M> {
    pub(crate) message: M,
    pub(crate) call: Option<Arc<dyn Fate>>,
}

/// Message that the pump is working on.
pub(crate) struct InHand<M> {
    pub(crate) call: Option<Arc<dyn Fate>>,
    /// Copy for redelivery, and a value to be kept when it is handled. Few messages have either.
    pub(crate) spare: Option<Box<Beside<M>>>,
}

/// An idle child has no room for what few messages need: that lies in one box.
const _: () = assert!(size_of::<InHand<[u8; 64]>>() == 3 * size_of::<usize>());

impl<M> InHand<M> {
    /// Whether it has neither a caller nor anything beside it that must be settled when it is handled.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.call.is_none() && self.spare.is_none()
    }
}

pub(crate) struct Front<M> {
    pub(crate) batch: VecDeque<Envelope<M>>,
    pub(crate) in_hand: Option<InHand<M>>,
    /// History of the message in hand; if there is none, of the head of the batch. All other messages are new
    /// (`in_hand.rs`, invariant 2), so their envelopes need not carry it.
    pub(crate) tries: Tries,
    /// Incarnation that may take messages. There is at most one.
    pub(crate) owner: Option<Arc<Signals>>,
    /// Calls that may be answered later, and what the service keeps. Few mailboxes have either.
    pub(crate) rare: Option<Box<Rare>>,
    /// Whether the batch is what a stop leaves to be handled. No later message joins it then.
    pub(crate) is_draining: bool,
    /// Whether a call with a caller that waits no more is left out.
    pub(crate) skips_abandoned: bool,
    /// Senders that found no room, and wait for it.
    pub(crate) line: Line<M>,
    /// Whether a copy that an experiment made is at the head, or behind a redelivered message.
    pub(crate) copy_waits: bool,
    pub(crate) handled: u64,
    pub(crate) crashed: u64,
    pub(crate) redelivered: u64,
}

/// State of a front that few mailboxes need.
#[derive(Default)]
pub(crate) struct Rare {
    /// Calls that were handled, but not answered: their replies still exist.
    pub(crate) deferred: Vec<Weak<dyn Fate>>,
    pub(crate) heir: Option<Box<Heir>>,
}

pub(crate) struct Back<M> {
    pub(crate) queue: VecDeque<Envelope<M>>,
    /// Length of the batch when it was last changed under both locks. Since then the batch has only become shorter.
    pub(crate) front_max: usize,
    pub(crate) state: ServiceState,
    pub(crate) generation: u64,
    pub(crate) is_ready: bool,
    /// Present if the last life ended as it should, and no attempt has begun since.
    pub(crate) completion: Option<Completion>,
    /// Whether the tree is ready only if this service is, and the reason.
    pub(crate) counts: Option<Counts>,
    pub(crate) attempts: u64,
    /// Present incarnation, as its peers reach it.
    pub(crate) control: Option<Control>,
    /// Whether the pump sleeps, so that the next message must wake it.
    pub(crate) idle: bool,
    /// Most messages that may wait.
    capacity: usize,
    /// The other settings, if they are not the defaults.
    settings: Option<Box<Settings>>,
    /// Refusals beside those of its state.
    pub(crate) bar: Option<Bar>,
    pub(crate) accepted: u64,
    /// Cause of the first end. All further ends are counted in the record.
    pub(crate) first_exit: Option<ExitKind>,
    pub(crate) losses: Option<Box<Losses>>,
}

/// State that few mailboxes need.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    pub(crate) returned: u64,
    pub(crate) dead_lettered: u64,
    /// Number of faults of experiments that make the mailbox full, whatever its settings say.
    pub(crate) jams: u32,
    /// Whether the pump must leave the queue alone: `hold.rs`.
    pub(crate) is_held: bool,
    /// Number of generations that no incarnation of this slot had: those of the slots that had its path before.
    pub(crate) generations_skipped: u64,
    /// Present while a failure keeps it from being up.
    pub(crate) fall: Option<Fall>,
    /// Figures of its saves, if it has a checkpoint.
    pub(crate) saves: Option<Arc<Saves>>,
    /// Counters of ends, restarts and refusals.
    pub(crate) record: Option<Box<Record>>,
    /// Present if its times are measured: `measure.rs`.
    pub(crate) measure: Option<Box<Measure>>,
    /// Text of an incarnation about its state, for operators.
    pub(crate) description: Option<Description>,
}

/// Times of a measured service.
#[derive(Debug, Default)]
pub(crate) struct Measure {
    /// Times at which the queued messages came, oldest first. There may be some for messages that have left.
    pub(crate) arrivals: VecDeque<Instant>,
    /// Time of an end after which the service was not ready again yet.
    pub(crate) ended_at: Option<Instant>,
    pub(crate) times: Times,
}

/// Failure that is not over yet.
#[derive(Debug)]
pub(crate) struct Fall {
    /// Its time on the tree's clock.
    pub(crate) since: Duration,
    /// Number of starts that failed since then.
    pub(crate) starts_failed: u32,
}

/// A message that left the queue without being handled.
pub(crate) struct Shed<M> {
    envelope: Envelope<M>,
    tries: Tries,
    returned: bool,
    reason: DeadReason,
    generation: u64,
}

impl<M> Front<M> {
    pub(crate) fn new(skips_abandoned: bool) -> Self {
        Self {
            batch: VecDeque::new(),
            in_hand: None,
            tries: Tries::default(),
            owner: None,
            rare: None,
            is_draining: false,
            skips_abandoned,
            line: Line::new(),
            copy_waits: false,
            handled: 0,
            crashed: 0,
            redelivered: 0,
        }
    }

    pub(crate) fn is_owned_by(&self, signals: &Arc<Signals>) -> bool {
        self.owner.as_ref().is_some_and(|owner| Arc::ptr_eq(owner, signals))
    }

    /// Counts the message that `signals` has in hand as handled.
    pub(crate) fn finish(&mut self, signals: &Arc<Signals>) -> Option<InHand<M>> {
        if self.is_owned_by(signals) { self.finish_own() } else { None }
    }

    /// Counts the message that the owner has in hand as handled.
    #[inline]
    pub(crate) fn finish_own(&mut self) -> Option<InHand<M>> {
        let done = self.in_hand.take();
        if done.is_some() {
            self.handled += 1;
            self.tries = Tries::default();
        }
        done
    }

    /// Number of the message in hand: each message in hand has a different one.
    pub(crate) fn number_in_hand(&self) -> u64 {
        self.handled + self.crashed + self.redelivered
    }

    /// Takes the history of the head of the batch, which leaves the batch.
    pub(crate) fn take_tries_of_head(&mut self) -> Tries {
        if self.in_hand.is_some() { Tries::default() } else { std::mem::take(&mut self.tries) }
    }

    /// Remembers a call that may be answered later, for the fence.
    pub(crate) fn defer(&mut self, call: &Arc<dyn Fate>) {
        let deferred = &mut self.rare.get_or_insert_default().deferred;
        thrift::remember(deferred, Arc::downgrade(&call.clone().call()));
    }

    /// Takes the calls that may be answered later.
    pub(crate) fn take_deferred(&mut self) -> Vec<Weak<dyn Fate>> {
        let Some(rare) = &mut self.rare else { return Vec::new() };
        let deferred = std::mem::take(&mut rare.deferred);
        if rare.heir.is_none() {
            self.rare = None;
        }
        deferred
    }
}

impl<M> Back<M> {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            queue: VecDeque::new(),
            front_max: 0,
            state: ServiceState::Waiting,
            generation: 0,
            is_ready: false,
            completion: None,
            counts: None,
            attempts: 0,
            control: None,
            idle: false,
            capacity: settings.capacity,
            settings: unusual(settings),
            bar: None,
            accepted: 0,
            first_exit: None,
            losses: settings
                .is_measured
                .then(|| Box::new(Losses { measure: Some(Box::default()), ..Losses::default() })),
        }
    }

    /// Whether the signals of the incarnation that lives here have this address.
    pub(crate) fn is_home_of(&self, signals: usize) -> bool {
        self.control.as_ref().and_then(Control::signals).is_some_and(|mine| mine.address() == signals)
    }

    /// Whether there is room for one more message, with `in_front` messages in the front.
    pub(crate) fn has_room(&self, in_front: usize) -> bool {
        self.queue.len() + in_front < self.capacity()
    }

    /// Whether there is room on the fast way in, which leaves no time of arrival behind.
    pub(crate) fn has_room_at_once(&self, in_front: usize) -> bool {
        let is_barred = self.losses.as_ref().is_some_and(|losses| losses.jams > 0 || losses.measure.is_some());
        self.queue.len() + in_front < if is_barred { 0 } else { self.capacity }
    }

    /// Number of messages that there is room for.
    fn capacity(&self) -> usize {
        let is_jammed = self.losses.as_ref().is_some_and(|losses| losses.jams > 0);
        if is_jammed { 0 } else { self.capacity }
    }

    pub(crate) fn settings(&self) -> Settings {
        let said = self.settings.as_deref().copied().unwrap_or_default();
        Settings { capacity: self.capacity, ..said }
    }

    pub(crate) fn configure(&mut self, settings: Settings) {
        (self.capacity, self.settings) = (settings.capacity, unusual(settings));
        if settings.is_measured {
            self.losses().measure.get_or_insert_default();
        }
    }

    pub(crate) fn losses(&mut self) -> &mut Losses {
        self.losses.get_or_insert_default()
    }

    pub(crate) fn status(&self) -> ServiceStatus {
        ServiceStatus { state: self.state, generation: self.generation, ready: self.is_ready }
    }

    /// Enqueues the message, and returns the incarnation that must be woken for it, if any.
    pub(crate) fn accept(&mut self, envelope: Envelope<M>) -> Option<Arc<Signals>> {
        self.accepted += 1;
        self.queue.push_back(envelope);
        if !self.idle {
            return None;
        }
        self.idle = false;
        self.control.as_ref().and_then(Control::signals).cloned()
    }

    /// Enqueues the message like [`accept`](Self::accept), behind `in_front` messages that the pump has taken over. Notes
    /// when it came, if that is measured.
    pub(crate) fn accept_with_time(&mut self, envelope: Envelope<M>, in_front: usize) -> Option<Arc<Signals>> {
        let queued = in_front + self.queue.len();
        if let Some(measure) = self.measure() {
            measure.came(queued, Instant::now());
        }
        self.accept(envelope)
    }

    /// Accepts a message that is dead already (invariant 3). `Shed::settle` must follow, without the locks.
    pub(crate) fn accept_dead(&mut self, envelope: Envelope<M>, reason: DeadReason) -> Shed<M> {
        self.accepted += 1;
        self.shed(envelope, Tries::default(), reason)
    }

    /// Removes the incarnation, which has left.
    pub(crate) fn vacate(&mut self) {
        self.control = None;
        self.idle = false;
        self.is_ready = false;
        match self.state {
            ServiceState::Waiting | ServiceState::Starting | ServiceState::Up | ServiceState::Restarting => {
                self.state = ServiceState::Restarting
            }
            ServiceState::Parked { .. } | ServiceState::Down | ServiceState::Gone => {}
        }
    }

    /// Counts the message of a call as returned, if its caller is there to take it back. `Shed::settle` must follow,
    /// without the locks.
    pub(crate) fn hand_back(&mut self, envelope: Envelope<M>) -> Result<Shed<M>, Envelope<M>> {
        if !envelope.call.as_ref().is_some_and(|call| call.reserve_return()) {
            return Err(envelope);
        }
        self.losses().returned += 1;
        let (tries, reason) = (Tries::default(), DeadReason::Down);
        Ok(Shed { envelope, tries, returned: true, reason, generation: self.generation })
    }

    /// Counts a message that will not be handled (invariant 3). `Shed::settle` must follow, without the locks.
    pub(crate) fn shed(&mut self, envelope: Envelope<M>, tries: Tries, reason: DeadReason) -> Shed<M> {
        // A message that has run may have had effects, so its caller must not be told that it never ran.
        let returned = !tries.have_begun() && envelope.call.as_ref().is_some_and(|call| call.reserve_return());
        if returned {
            self.losses().returned += 1;
        } else {
            self.losses().dead_lettered += 1;
            self.note_dead(&reason);
        }
        Shed { envelope, tries, returned, reason, generation: self.generation }
    }
}

/// Returns the settings, boxed, if they are not the defaults. The capacity does not count: it is kept beside them.
fn unusual(settings: Settings) -> Option<Box<Settings>> {
    let usual = Settings { capacity: settings.capacity, ..Settings::default() };
    (settings != usual).then(|| Box::new(settings))
}

impl<M: Send + 'static> Shed<M> {
    /// Gives the message back to its caller, if that still waits, or makes it a dead letter.
    pub(crate) fn settle(self, slot: &Slot<M>) {
        let Self { envelope: Envelope { message, call }, tries, returned, reason, generation } = self;
        match call {
            Some(call) if returned => {
                let unwanted = call.give_back(Box::new(message));
                sweep::drop_quietly(unwanted, &slot.path(), "a message");
                return;
            }
            Some(call) => call.given_up(),
            None => {}
        }
        slot.dead_letter(message, tries, reason, generation);
    }
}
