//! Faults as data: the kind of fault, when it strikes, and for how long.

use std::fmt;
use std::time::Duration;

use crate::chaos::scope::Scope;
use crate::tree::directory::ChildKind;

/// A fault that an experiment injects into a tree.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// Kills the incarnation. A supervisor dies with its subtree.
    Kill,
    /// Kills this number of children in scope at once.
    KillTogether(usize),
    /// Makes the handler panic at the next message.
    Panic,
    /// Makes the handler return an error at the next message.
    Error,
    /// Makes starts panic. In virtual time each takes a millisecond.
    StartPanic(Times),
    /// Makes starts return an error. In virtual time each takes a millisecond.
    StartError(Times),
    /// Makes starts take this much longer.
    SlowStart(Duration),
    /// Kills the child this time after each of its starts.
    Flap(Duration),
    /// Makes the handler hang at the next message, until the incarnation is killed or the faults are cleared at the
    /// end.
    Hang,
    /// Makes the service take no message; they stay in its mailbox.
    Hold,
    /// Makes the handling of each message take this much longer.
    Slow(Duration),
    /// Makes the incarnation ignore the request to stop.
    RefuseStop,
    /// Makes the handler of the next message run for this time without yielding, so that neither a stop nor a kill ends
    /// it. Live it blocks its thread. In virtual time a kill takes effect only when the time has passed.
    Block(Duration),
    /// Drops this share of the messages, from 0 to 1. They become dead letters.
    Drop(f64),
    /// Makes each message wait for this time before it is handed over, one after the other.
    Delay(Duration),
    /// Hands over this share of the messages twice, from 0 to 1. Only for services that
    /// [redeliver](crate::ServiceChild::redeliver), because their messages can be copied.
    Duplicate(f64),
    /// Swaps this share of the messages with the next one, from 0 to 1.
    Reorder(f64),
    /// Makes the mailbox count as full: a `cast` meets the overflow policy, and a `send` or a `call` waits for room.
    MailboxFull,
    /// Makes saves of a checkpoint fail: nothing is stored, and its owner gets an error. Discards count as saves. A
    /// child without a checkpoint is never struck, here and in the other faults of saves.
    SaveFail(Times),
    /// Makes saves break off in the middle: its owner gets an error, and what was stored before must still be there.
    /// `CheckpointStore::tear` says what the store leaves of such a write.
    SaveTear(Times),
    /// Makes each save reach the store this much later. The save goes on if the incarnation is killed meanwhile, and may
    /// come when the next one has claimed the checkpoint.
    SaveDelay(Duration),
    /// Makes saves count as done, but nothing is stored. A disk that does this breaks the claim that no acknowledged save
    /// is lost.
    SaveLose(Times),
    /// Moves the clock forward by this time. In virtual time only; the scope does not matter.
    ClockJump(Duration),
}

/// Number of starts or saves that a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Times {
    /// This number of starts or saves.
    Count(u32),
    /// Each start or save, as long as the fault lasts.
    Always,
}

impl Fault {
    /// Returns the name of the fault in files and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::KillTogether(_) => "kill_together",
            Self::Panic => "panic",
            Self::Error => "error",
            Self::StartPanic(_) => "start_panic",
            Self::StartError(_) => "start_error",
            Self::SlowStart(_) => "slow_start",
            Self::Flap(_) => "flap",
            Self::Hang => "hang",
            Self::Hold => "hold",
            Self::Slow(_) => "slow",
            Self::RefuseStop => "refuse_stop",
            Self::Block(_) => "block",
            Self::Drop(_) => "drop",
            Self::Delay(_) => "delay",
            Self::Duplicate(_) => "duplicate",
            Self::Reorder(_) => "reorder",
            Self::MailboxFull => "mailbox_full",
            Self::SaveFail(_) => "save_fail",
            Self::SaveTear(_) => "save_tear",
            Self::SaveDelay(_) => "save_delay",
            Self::SaveLose(_) => "save_lose",
            Self::ClockJump(_) => "clock_jump",
        }
    }

    /// Whether the fault is a state that lasts until it is cleared. If not, it is instantaneous and cannot last.
    pub fn is_continuous(&self) -> bool {
        match self {
            Self::Kill
            | Self::KillTogether(_)
            | Self::Panic
            | Self::Error
            | Self::Hang
            | Self::Block(_)
            | Self::StartPanic(Times::Count(_))
            | Self::StartError(Times::Count(_))
            | Self::SaveFail(Times::Count(_))
            | Self::SaveTear(Times::Count(_))
            | Self::SaveLose(Times::Count(_))
            | Self::ClockJump(_) => false,
            Self::StartPanic(Times::Always)
            | Self::StartError(Times::Always)
            | Self::SaveFail(Times::Always)
            | Self::SaveTear(Times::Always)
            | Self::SaveLose(Times::Always)
            | Self::SaveDelay(_)
            | Self::SlowStart(_)
            | Self::Flap(_)
            | Self::Hold
            | Self::Slow(_)
            | Self::RefuseStop
            | Self::Drop(_)
            | Self::Delay(_)
            | Self::Duplicate(_)
            | Self::Reorder(_)
            | Self::MailboxFull => true,
        }
    }

    /// Whether the fault waits for a message, a start or a save and takes effect then.
    pub(crate) fn waits(&self) -> bool {
        matches!(
            self,
            Self::Panic | Self::Error | Self::Hang | Self::Block(_) | Self::StartPanic(_) | Self::StartError(_)
        ) || self.is_of_saves()
    }

    /// Whether it strikes where a checkpoint is saved.
    pub(super) fn is_of_saves(&self) -> bool {
        matches!(self, Self::SaveFail(_) | Self::SaveTear(_) | Self::SaveDelay(_) | Self::SaveLose(_))
    }

    /// The number of starts or saves that it strikes.
    pub(super) fn times(&self) -> Option<Times> {
        match self {
            Self::StartPanic(times)
            | Self::StartError(times)
            | Self::SaveFail(times)
            | Self::SaveTear(times)
            | Self::SaveLose(times) => Some(*times),
            _ => None,
        }
    }

    /// Whether the fault can hit a child of this kind. Faults of handlers and messages need a
    /// [`Service`](crate::Service); faults of saves a service, a task or a thread.
    pub fn can_hit(&self, kind: ChildKind) -> bool {
        match self {
            Self::Kill | Self::KillTogether(_) | Self::Flap(_) | Self::ClockJump(_) => true,
            Self::MailboxFull => !kind.is_supervisor() && kind != ChildKind::Task,
            Self::Panic
            | Self::Error
            | Self::StartPanic(_)
            | Self::StartError(_)
            | Self::SlowStart(_)
            | Self::Hang
            | Self::Hold
            | Self::Slow(_)
            | Self::RefuseStop
            | Self::Block(_)
            | Self::Drop(_)
            | Self::Delay(_)
            | Self::Duplicate(_)
            | Self::Reorder(_) => kind == ChildKind::Service,
            Self::SaveFail(_) | Self::SaveTear(_) | Self::SaveDelay(_) | Self::SaveLose(_) => {
                matches!(kind, ChildKind::Service | ChildKind::Task | ChildKind::Thread)
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::KillTogether(count) => write!(f, "{name} {count}"),
            Self::StartPanic(Times::Count(count))
            | Self::StartError(Times::Count(count))
            | Self::SaveFail(Times::Count(count))
            | Self::SaveTear(Times::Count(count))
            | Self::SaveLose(Times::Count(count)) => write!(f, "{name} x{count}"),
            Self::SlowStart(time)
            | Self::Flap(time)
            | Self::Slow(time)
            | Self::Block(time)
            | Self::Delay(time)
            | Self::SaveDelay(time)
            | Self::ClockJump(time) => write!(f, "{name} {time:?}"),
            Self::Drop(share) | Self::Duplicate(share) | Self::Reorder(share) => write!(f, "{name} {share}"),
            Self::Kill
            | Self::Panic
            | Self::Error
            | Self::StartPanic(Times::Always)
            | Self::StartError(Times::Always)
            | Self::SaveFail(Times::Always)
            | Self::SaveTear(Times::Always)
            | Self::SaveLose(Times::Always)
            | Self::Hang
            | Self::Hold
            | Self::RefuseStop
            | Self::MailboxFull => f.write_str(name),
        }
    }
}

/// Times at which a fault strikes, counted from the beginning of the experiment's faults.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum When {
    /// Regularly, for the first time after one period.
    Every(Duration),
    /// At these times.
    At(Vec<Duration>),
    /// At random, this number of times a second in the long run. The times between are independent (Poisson).
    Rate(f64),
    /// A delay after each event of this kind that a child in this scope has.
    After {
        /// The kind of event.
        event: Trigger,
        /// The children with such events.
        of: Scope,
        /// Time between the event and the strike.
        delay: Duration,
    },
}

/// An event that a fault may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trigger {
    /// An incarnation has ended: a fault without a delay strikes during its restart.
    Exited,
    /// An incarnation has come up.
    Started,
    /// A start of a service has begun, and its factory is about to run. A fault without a delay strikes during a start
    /// that takes some time.
    Starting,
    /// A start has failed.
    StartFailed,
    /// A restart was put off.
    Delayed,
    /// A child was parked.
    Parked,
}
