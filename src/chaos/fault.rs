//! Faults as data: the kind of fault, the children that it may hit, when it strikes, and for how long.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

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
    /// Makes saves of a checkpoint fail: nothing is stored, and the service gets an error. Discards count as saves. A
    /// service without a checkpoint is never struck, here and in the other faults of saves.
    SaveFail(Times),
    /// Makes saves break off in the middle: the service gets an error, and what was stored before must still be there.
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

    fn is_of_saves(&self) -> bool {
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
    /// [`Service`](crate::Service).
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
            | Self::Reorder(_)
            | Self::SaveFail(_)
            | Self::SaveTear(_)
            | Self::SaveDelay(_)
            | Self::SaveLose(_) => kind == ChildKind::Service,
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

/// The children that a fault may hit: those for which all of this is true. A child that is not among the experiment's
/// targets is never hit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scope {
    /// A glob over full paths: `*` within a segment, `**` across. `None` matches every path.
    pub path: Option<Arc<str>>,
    /// Only children of this kind.
    pub kind: Option<ChildKind>,
    /// Only children at this depth: the root is at 0.
    pub depth: Option<usize>,
}

impl Scope {
    /// Selects the children with a path that matches this glob.
    pub fn path(glob: impl Into<Arc<str>>) -> Self {
        Self { path: Some(glob.into()), ..Self::default() }
    }

    /// Leaves only children of this kind.
    #[must_use]
    pub fn kind(mut self, kind: ChildKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Leaves only children at this depth: the root is at 0.
    #[must_use]
    pub fn depth(mut self, depth: usize) -> Self {
        self.depth = Some(depth);
        self
    }

    /// Checks the glob, and returns what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        let glob = self.path.as_deref().map_or(Ok(()), |path| glob::Pattern::new(path).map(drop));
        glob.map_err(|error| format!("`{}`: {}", self.path.as_deref().unwrap_or_default(), error.msg.to_lowercase()))
    }

    /// Whether a child is in scope.
    pub fn matches(&self, path: &str, kind: ChildKind) -> bool {
        self.path.as_ref().is_none_or(|glob| matches(glob, path))
            && self.kind.is_none_or(|wanted| wanted == kind)
            && self.depth.is_none_or(|depth| path.matches('/').count() == depth)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.path.as_deref().unwrap_or("**"))?;
        self.kind.map_or(Ok(()), |kind| write!(f, " of kind {kind}"))?;
        self.depth.map_or(Ok(()), |depth| write!(f, " at depth {depth}"))
    }
}

impl From<&str> for Scope {
    fn from(glob: &str) -> Self {
        Self::path(glob)
    }
}

/// `*` stands for anything within a segment, `**` for any number of segments. Nothing matches a bad glob.
pub(crate) fn matches(glob: &str, path: &str) -> bool {
    const HOW: glob::MatchOptions = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: false,
    };
    glob::Pattern::new(glob).is_ok_and(|glob| glob.matches_with(path, HOW))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_stay_within_a_segment_or_go_across() {
        assert!(matches("app/*", "app/a") && !matches("app/*", "app/a/b") && matches("**", "app/a/b"));
        assert!(matches("app/**/w-*", "app/w-1") && matches("app/**/w-*", "app/x/y/w-22"));
        assert!(matches("*pp/a*c", "app/abc") && !matches("*pp/a*c", "app/ab") && !matches("app", "app/a"));
        assert!(matches("app/**", "app/a/b") && !matches("[", "["));
    }
}
