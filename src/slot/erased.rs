//! A slot whose type of messages is not known, and its tree: how the directory, the supervisors and an incarnation see them.

use std::any::Any;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use regrow_supervisors::{Completion, Exit};
use tokio::sync::{Notify, watch};

use crate::call::fate::Fate;
use crate::call::outcomes::Outcomes;
use crate::error::refusal::Refusal;
use crate::event::Outage;
use crate::slot::accounting::Accounting;
use crate::slot::dead_letter::{DeadReason, Notice};
use crate::slot::fact::Fact;
use crate::slot::inbox::Inbox;
use crate::slot::settings::Settings;
use crate::slot::signals::Signals;
use crate::slot::status::{Counts, ServiceState, ServiceStatus};

/// A slot whose message type is not known: how the directory and the supervisors see it.
pub(crate) trait AnySlot: Send + Sync {
    fn path(&self) -> Arc<str>;
    fn set_path(&self, path: &Arc<str>) -> bool;
    fn set_tree(&self, tree: Weak<dyn SlotTree>);
    /// The tree that it is listed in, while that is there.
    fn tree(&self) -> Option<Arc<dyn SlotTree>>;
    fn settings(&self) -> Settings;
    fn configure(&self, settings: Settings);
    fn message_type(&self) -> &'static str;
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    fn status(&self) -> ServiceStatus;
    fn watch(&self) -> watch::Receiver<ServiceStatus>;
    fn accounting(&self) -> Accounting;
    /// How many senders wait for room.
    fn waiting_for_room(&self) -> usize;
    /// The number of the message in hand, the same as long as it is the same message, and who has it.
    fn in_hand(&self) -> Option<(u64, Arc<Signals>)>;
    /// The number of the message that `signals` has in hand.
    fn in_hand_of(&self, signals: &Signals) -> Option<u64>;
    fn close(&self, state: ServiceState);
    /// Accepts nothing more until it is started again.
    fn dismiss(&self);
    /// Takes that back.
    fn take_back_dismissal(&self);
    /// Refuses what waits for it from below this supervisor, and ends calls from there that are queued, as never ran.
    /// `is_below` knows the numbers of the supervisors there.
    fn withdraw(&self, supervisor: &Arc<str>, is_below: &dyn Fn(usize) -> bool);
    /// Takes that back.
    fn readmit(&self);
    /// Takes a message of a dead letter, where there is room for it.
    fn replay(&self, message: Box<dyn Any + Send>) -> Result<(), (Refused, Box<dyn Any + Send>)>;
    /// Kills the present incarnation; `false` when there is none.
    fn kill(&self) -> bool;
    /// Whether code of one of these incarnations waits for the answer to a call that is queued or in hand here.
    fn owes_answer_to(&self, incarnations: &[Arc<Signals>]) -> bool;
    /// How the present incarnation is reached.
    fn control(&self) -> Option<Control>;
    /// The child has failed, and is not up; `a_start`: it was a start that failed.
    fn fell(&self, a_start: bool);
    /// The child is up; the outage that this ends.
    fn rose(&self) -> Option<Outage>;
    /// The tree runs again what it had put away.
    fn reopen(&self);
    /// It rested or was parked, and is to be started as soon as it can be: it takes messages again.
    fn wait(&self);
    /// The last life ended as it should.
    fn complete(&self, completion: Completion);
    /// Whether it did, and no attempt has begun since.
    fn completion(&self) -> Option<Completion>;
    /// Whether the tree is ready only if it is.
    fn counts(&self) -> Option<Counts>;
    /// Sets that; `true` if it is news.
    fn set_counts(&self, counts: Option<Counts>) -> bool;
    fn life(&self) -> &dyn Ownership;
    /// What an experiment does to its messages.
    #[allow(dead_code, reason = "only experiments call it, and they are a feature")]
    fn faulty(&self) -> &dyn Faulty;
}

/// The part of a tenancy that does not depend on the type of message.
pub(crate) trait Ownership: Send + Sync {
    /// Moves in, if nobody lives here.
    fn claim(&self, signals: &Arc<Signals>) -> bool;
    /// Signalled when somebody has moved out.
    fn released(&self) -> &Notify;
    /// Who lives here.
    fn owner(&self) -> Option<Arc<Signals>>;
    /// The incarnation is being stopped: what is queued now is what it still handles. Only the first call counts.
    fn begin_to_drain(&self, signals: &Arc<Signals>);
    /// The incarnation is up: its generation.
    fn up(&self, signals: &Arc<Signals>, is_ready: bool) -> u64;
    /// The incarnation is ready; `false` when it is not the present one, or is not up.
    fn ready(&self, signals: &Arc<Signals>) -> bool;
    /// The generation that an incarnation starting now will have.
    fn generation_to_be(&self) -> u64;
    /// The incarnation has ended and nothing of it is left. Settles what it had in hand.
    fn end(&self, signals: &Arc<Signals>, exit: &Exit);
    /// Cuts off an incarnation that does not end: it can take no message and complete no reply any more. `false` when
    /// somebody has done that before.
    fn fence(&self, signals: &Arc<Signals>, exit: &Exit) -> bool;
    /// A supervisor's slot: its state follows the supervisor that began last.
    fn supervise(&self, inbox: &Arc<Inbox>, stage: Supervision);
}

/// What a supervisor's slot is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Supervision {
    Begins,
    IsUp,
    Ends,
}

/// A mailbox, as the faults of an experiment see it.
#[allow(dead_code, reason = "only experiments call it, and they are a feature")]
pub(crate) trait Faulty: Send + Sync {
    /// Whether there is mail (`true`) or something else that wants attention. Neither: the sender of the next message wakes.
    fn poll_mail(&self, signals: &Arc<Signals>) -> Poll<bool>;
    /// Sheds the message that waits longest.
    fn drop_first(&self, signals: &Arc<Signals>);
    /// Lets the message that waits longest be overtaken by the next.
    fn swap_first(&self, signals: &Arc<Signals>);
    /// Whether the message that waits longest may be handed over twice. A copy may not, nor what is redelivered: one that ends
    /// every incarnation would become ever more.
    fn may_repeat(&self, signals: &Arc<Signals>) -> bool;
    /// Makes the mailbox full, until each that has said so takes it back.
    fn set_jammed(&self, is_jammed: bool);
    /// Has the calls to it counted, or no longer.
    fn set_counted(&self, is_counted: bool);
    /// Whether its messages can be handed over twice.
    fn can_repeat(&self) -> bool;
}

/// Why a slot takes no replayed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    ByMailbox(Refusal),
    OtherType { found: &'static str },
}

/// What a slot needs of the tree that lists it. Each method is for something rare: no message that is sent or handled comes
/// here.
pub(crate) trait SlotTree: Any + Send + Sync {
    /// Whether a message that is dead for this reason is kept or logged.
    fn wants_letter(&self, reason: &DeadReason) -> bool;
    /// Takes a dead message. It is booked as such, and no lock is held.
    fn take_letter(self: Arc<Self>, notice: Notice, message: Box<dyn Any + Send>);
    /// An incarnation has ended whose calls these were, and their replies are still somewhere.
    fn note_open_calls(&self, calls: Vec<Weak<dyn Fate>>);
    /// Fences an incarnation that does not end, and names it, once. Whether that was now.
    fn cut_off(&self, path: &Arc<str>, slot: &dyn AnySlot, signals: &Arc<Signals>) -> bool;
    /// This incarnation waits for another one, for the first time.
    fn remember_waiter(&self, signals: &Arc<Signals>);
    /// The watchdog has nothing more to look at here.
    fn watch_no_more(&self, path: &str, signals: &Arc<Signals>);
    /// Tells that code of an incarnation has not yielded for this time.
    fn tell_blocks(&self, path: &Arc<str>, generation: u64, time: Duration);
    /// Where the outcomes of calls are counted, while an experiment goes on.
    fn outcomes(&self) -> Option<Arc<Outcomes>>;
    /// An incarnation has moved in or out: told to the judge of an experiment, while one goes on.
    fn tell_move(&self, slot: &dyn AnySlot, signals: &Arc<Signals>, is_in: bool);
}

/// How the present incarnation is reached: replaced under the slot's lock at every restart.
#[derive(Debug, Clone)]
pub(crate) enum Control {
    Signals(Arc<Signals>),
    Supervisor(Arc<Inbox>),
}

impl Control {
    pub(crate) fn signals(&self) -> Option<&Arc<Signals>> {
        match self {
            Self::Signals(signals) => Some(signals),
            Self::Supervisor(_) => None,
        }
    }

    pub(crate) fn stop(&self, exit: &Exit) {
        match self {
            Self::Signals(signals) => signals.stop(),
            Self::Supervisor(inbox) => inbox.push(Fact::Stop(exit.clone())),
        }
    }

    pub(crate) fn kill(&self) {
        match self {
            Self::Signals(signals) => signals.kill(),
            Self::Supervisor(inbox) => inbox.push(Fact::Kill),
        }
    }

    pub(super) fn kill_by_others(&self) {
        match self {
            Self::Signals(signals) => signals.kill_by_others(),
            Self::Supervisor(inbox) => inbox.push(Fact::Kill),
        }
    }

    pub(super) fn is(&self, signals: &Arc<Signals>) -> bool {
        self.signals().is_some_and(|mine| Arc::ptr_eq(mine, signals))
    }

    pub(super) fn is_supervisor(&self, inbox: &Arc<Inbox>) -> bool {
        match self {
            Self::Signals(_) => false,
            Self::Supervisor(mine) => Arc::ptr_eq(mine, inbox),
        }
    }
}
