//! The slot without its type of messages, and the tree as the slot sees it.

use std::any::Any;
use std::sync::atomic::AtomicU8;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use regrow_supervisors::{Completion, Exit, ExitKind};
use tokio::sync::{Notify, watch};
use tracing::Level;

use crate::base::time::TreeTime;
use crate::call::fate::Fate;
use crate::call::outcomes::Outcomes;
use crate::error::refusal::Refusal;
use crate::event::Outage;
use crate::slot::accounting::Accounting;
use crate::slot::dead_letter::{DeadReason, Notice, Wanted};
use crate::slot::fact::Fact;
use crate::slot::inbox::Inbox;
use crate::slot::kept::KeptInfo;
use crate::slot::restarts::{RestartCause, Restarts};
use crate::slot::saves::Saves;
use crate::slot::settings::Settings;
use crate::slot::signals::Signals;
use crate::slot::status::{Counts, ServiceState, ServiceStatus};
use crate::slot::tally::Look;

/// Slot without its message type: the directory and the supervisors use it.
pub(crate) trait AnySlot: Send + Sync {
    fn path(&self) -> Arc<str>;
    fn set_path(&self, path: &Arc<str>) -> bool;
    fn set_tree(&self, tree: Weak<dyn SlotTree>);
    /// Returns the tree in which it is listed, while that exists.
    fn tree(&self) -> Option<Arc<dyn SlotTree>>;
    fn settings(&self) -> Settings;
    fn configure(&self, settings: Settings);
    fn message_type(&self) -> &'static str;
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    fn status(&self) -> ServiceStatus;
    fn watch(&self) -> watch::Receiver<ServiceStatus>;
    /// Continues the generations of the slot that had this path before, of which `latest` was the last. Its own are not
    /// turned back.
    fn continue_after(&self, latest: u64);
    /// The state as the events have told it. Only the recorder writes it.
    fn recorded(&self) -> &AtomicU8;
    fn accounting(&self) -> Accounting;
    /// Counts an end, and returns the generation that has ended. `fell`: the time, if the child has failed by it and is
    /// not up.
    fn note_end(&self, cause: ExitKind, fell: Option<TreeTime>) -> u64;
    /// Counts a restart.
    fn note_restart(&self, cause: RestartCause, now: TreeTime);
    /// Counts a start after which nothing is up: it failed, or the service is not wanted.
    fn note_no_start(&self, is_failure: bool);
    /// Notes the restarts that the budget of this supervisor still forgives: `left` of `restarts_max` within a time.
    fn note_budget(&self, left: u32, restarts_max: u32, within: Duration);
    /// Counts that this supervisor gave up.
    fn note_gave_up(&self);
    fn restarts(&self) -> Restarts;
    /// Returns all its counters and its state, as of one moment.
    fn look(&self) -> Look;
    /// Whether its times are measured.
    fn is_measured(&self) -> bool;
    /// Whether the totals of its template hold its counters. Read and written under the lock of the templates.
    fn standing(&self) -> Standing;
    fn set_standing(&self, standing: Standing);
    /// Number of senders that wait for room.
    fn waiting_for_room(&self) -> usize;
    /// Returns the facts about the value that it keeps.
    fn kept_info(&self) -> Option<KeptInfo>;
    /// Records how many lives in a row that began with the kept value have failed, and whether it is set aside.
    fn note_kept(&self, failed: u32, set_aside: bool);
    /// Number of monitors that are told of its ends.
    fn watchers(&self) -> usize;
    /// Returns the figures of its saves, if it has a checkpoint.
    fn saves(&self) -> Option<Arc<Saves>>;
    #[allow(dead_code, reason = "only checkpoints call it, and they are a feature")]
    fn saves_or_new(&self) -> Arc<Saves>;
    /// Whether its messages wait because others go first: `hold.rs`.
    fn is_held(&self) -> bool;
    /// Describes a message that this service was sent, in the service's words.
    fn describe(&self, message: &dyn Any) -> Option<String>;
    /// Returns the text of the present incarnation about its state.
    #[allow(dead_code, reason = "only the admin source shows it, and it is a feature")]
    fn described(&self) -> Option<Arc<str>>;
    /// Returns the number of the message in hand, and the incarnation that has it. Each message in hand has a different
    /// number.
    fn in_hand(&self) -> Option<(u64, Arc<Signals>)>;
    /// Returns the number of the message that `signals` has in hand.
    fn in_hand_of(&self, signals: &Signals) -> Option<u64>;
    fn close(&self, state: ServiceState);
    /// Refuses every message until the service is started again.
    fn dismiss(&self);
    /// Reverts `dismiss`.
    fn take_back_dismissal(&self);
    /// Refuses waits from below this supervisor, and ends queued calls from there as never ran. `is_below` recognises
    /// the numbers of the supervisors there.
    fn withdraw(&self, supervisor: &Arc<str>, is_below: &dyn Fn(usize) -> bool);
    /// Reverts `withdraw`.
    fn readmit(&self);
    /// Takes the message of a dead letter, if there is room for it.
    fn replay(&self, message: Box<dyn Any + Send>) -> Result<(), (Refused, Box<dyn Any + Send>)>;
    /// Kills the present incarnation; `false` if there is none.
    fn kill(&self) -> bool;
    /// Kills the incarnation of this generation, if it is the present one.
    fn kill_generation(&self, generation: u64) -> KillOutcome;
    /// Whether code of one of these incarnations waits for the answer to a call that is queued or in hand here.
    fn owes_answer_to(&self, incarnations: &[Arc<Signals>]) -> bool;
    /// Returns the present incarnation, as it can be stopped and killed.
    fn control(&self) -> Option<Control>;
    /// Records that the child has failed and is not up. `a_start`: a start failed.
    fn fell(&self, a_start: bool, now: TreeTime);
    /// Records that the child is up at this time, counts the restart, and returns the outage that this ends, and whether the child is
    /// ready.
    fn rose(&self, restart: Option<RestartCause>, now: TreeTime) -> (Option<Outage>, bool);
    /// Reopens a slot that was down, parked or gone, because its supervisor begins a new life.
    fn reopen(&self);
    /// Accepts messages again after a rest or a park, because the service will be started as soon as it can be.
    fn wait(&self);
    /// Records that the last life ended as it should. `None`: that end was one too many, and counts as a failure.
    fn complete(&self, completion: Option<Completion>);
    /// Returns that record, if no attempt has begun since.
    fn completion(&self) -> Option<Completion>;
    /// Whether the tree is ready only if this service is.
    fn counts(&self) -> Option<Counts>;
    /// Sets `counts`; `true` if that is a change.
    fn set_counts(&self, counts: Option<Counts>) -> bool;
    fn life(&self) -> &dyn Ownership;
    /// Faults of experiments on its messages.
    #[allow(dead_code, reason = "only experiments call it, and they are a feature")]
    fn faulty(&self) -> &dyn Faulty;
}

/// Outcome of a kill that means one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KillOutcome {
    Killed,
    /// That generation is over, and no other has come up.
    NotRunning,
    /// Another generation is the latest.
    Replaced {
        latest: u64,
    },
}

/// Place in which the counters of a slot are added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The slot is listed: they are read from it.
    Listed,
    /// The slot has left the directory and has not settled: they are still read from it.
    Leaving,
    /// The slot is about to be listed again: they are read from it.
    Returning,
    /// The totals of the template with this number contain them.
    Ended(u16),
}

impl Standing {
    const LISTED: u16 = 0;
    const LEAVING: u16 = 1;
    const RETURNING: u16 = 2;

    pub(super) fn of(number: u16) -> Self {
        match number {
            Self::LISTED => Self::Listed,
            Self::LEAVING => Self::Leaving,
            Self::RETURNING => Self::Returning,
            ended => Self::Ended(ended - Self::RETURNING),
        }
    }

    pub(super) fn number(self) -> u16 {
        match self {
            Self::Listed => Self::LISTED,
            Self::Leaving => Self::LEAVING,
            Self::Returning => Self::RETURNING,
            Self::Ended(template) => template.saturating_add(Self::RETURNING),
        }
    }
}

/// Ownership of a slot by an incarnation, independent of the type of messages.
pub(crate) trait Ownership: Send + Sync {
    /// Moves in, if no incarnation lives here.
    fn claim(&self, signals: &Arc<Signals>) -> bool;
    /// Notified when an incarnation has left.
    fn released(&self) -> &Notify;
    /// Returns the incarnation that lives here.
    fn owner(&self) -> Option<Arc<Signals>>;
    /// Limits a stopping incarnation to the messages that are queued now. Only the first call counts.
    fn begin_to_drain(&self, signals: &Arc<Signals>);
    /// Marks the incarnation as up, and returns its generation.
    fn up(&self, signals: &Arc<Signals>, is_ready: bool) -> u64;
    /// Marks the incarnation as ready; `false` if it is not the present one, or is not up.
    fn ready(&self, signals: &Arc<Signals>) -> bool;
    /// Returns the generation that an incarnation starting now will have.
    fn generation_to_be(&self) -> u64;
    /// Removes an incarnation that has ended, after everything that it owned was dropped. Settles its message in hand.
    /// `true`: that message was put back, and runs again in the next life.
    fn end(&self, signals: &Arc<Signals>, exit: &Exit) -> bool;
    /// Fences an incarnation that does not end: it can take no message and complete no reply any more. `false` if it
    /// was fenced before.
    fn fence(&self, signals: &Arc<Signals>, exit: &Exit) -> bool;
    /// Sets the state of a supervisor's slot. The state follows the supervisor that began last.
    fn supervise(&self, inbox: &Arc<Inbox>, stage: Supervision);
}

/// Stage of a supervisor, as its slot records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Supervision {
    Begins,
    IsUp,
    Ends,
}

/// Mailbox, as the faults of an experiment see it.
#[allow(dead_code, reason = "only experiments call it, and they are a feature")]
pub(crate) trait Faulty: Send + Sync {
    /// Whether there is a message (`true`) or a signal. If there is neither, the sender of the next message wakes the
    /// consumer.
    fn poll_mail(&self, signals: &Arc<Signals>) -> Poll<bool>;
    /// Sheds the oldest waiting message.
    fn drop_first(&self, signals: &Arc<Signals>);
    /// Lets the second message overtake the oldest one.
    fn swap_first(&self, signals: &Arc<Signals>);
    /// Whether the oldest waiting message may be delivered twice. A copy may not, nor may a redelivered message: one
    /// that ends every incarnation would multiply.
    fn may_repeat(&self, signals: &Arc<Signals>) -> bool;
    /// Makes the mailbox full, until each caller that set it has reverted it.
    fn set_jammed(&self, is_jammed: bool);
    /// Starts or stops counting the outcomes of calls to it.
    fn set_counted(&self, is_counted: bool);
    /// Whether its messages can be delivered twice.
    fn can_repeat(&self) -> bool;
}

/// Reason for which a slot takes no replayed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    ByMailbox(Refusal),
    OtherType { found: &'static str },
}

/// Tree that lists a slot, as the slot uses it. Each method is for something rare: no message that is sent or handled
/// comes here.
pub(crate) trait SlotTree: Any + Send + Sync {
    /// Says whether a message that is dead for this reason is kept, and whether it is logged.
    fn wants_letter(&self, reason: &DeadReason) -> Wanted;
    /// Counts a message that a service refused because it is gone.
    fn note_refused_by_gone(&self);
    /// Logs a dead message.
    fn log_letter(&self, notice: &Notice, level: Level);
    /// Keeps a dead message. It has been counted as such, and no lock is held.
    fn keep_letter(self: Arc<Self>, notice: Notice, message: Box<dyn Any + Send>);
    /// Remembers the open calls of an incarnation that has ended. Their replies still exist.
    fn note_open_calls(&self, calls: Vec<Weak<dyn Fate>>);
    /// Fences an incarnation that does not end, and reports it by name, once. Returns whether this call did that.
    fn cut_off(&self, path: &Arc<str>, slot: &dyn AnySlot, signals: &Arc<Signals>) -> bool;
    /// Remembers an incarnation that waits for another one, for the first time.
    fn remember_waiter(&self, signals: &Arc<Signals>);
    /// Ends the watch over an incarnation.
    fn watch_no_more(&self, path: &str, signals: &Arc<Signals>);
    /// Reports that code of an incarnation has not yielded for this time.
    fn tell_blocks(&self, path: &Arc<str>, generation: u64, time: Duration);
    /// Returns the counters of the outcomes of calls, while an experiment runs.
    fn outcomes(&self) -> Option<Arc<Outcomes>>;
    /// Reports to the judge of an experiment, while one runs, that an incarnation has moved in or out.
    fn tell_move(&self, slot: &dyn AnySlot, signals: &Arc<Signals>, is_in: bool);
}

/// Means to stop and kill the present incarnation. Replaced under the slot's lock at every restart.
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
