//! What can go wrong, as data: a fault, whom it may hit, when, and for how long.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::tree::directory::ChildKind;

/// Something that is made to go wrong.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// The incarnation is killed. A supervisor dies with its subtree.
    Kill,
    /// So many of those in scope are killed at once.
    KillTogether(usize),
    /// The handler panics at the next message.
    Panic,
    /// The handler returns an error at the next message.
    Error,
    /// Starts panic, so many times. In virtual time each takes a millisecond.
    StartPanic(Times),
    /// Starts fail, so many times. In virtual time each takes a millisecond.
    StartError(Times),
    /// Starts take so long.
    SlowStart(Duration),
    /// It dies so long after it has come up, each time.
    Flap(Duration),
    /// The handler does not come back from the next message: until it is killed, or everybody is healed at the end.
    Hang,
    /// It takes no message: its mail is held.
    Hold,
    /// Each message takes so much longer.
    Slow(Duration),
    /// It does not stop when asked to.
    RefuseStop,
    /// The next message does not yield for so long: neither a stop nor a kill ends it. Live it blocks its thread; in virtual
    /// time its kill takes effect only later.
    Block(Duration),
    /// This share of its messages is dropped, as dead letters.
    Drop(f64),
    /// Each message waits for so long before it is handed over, one after the other.
    Delay(Duration),
    /// This share of its messages is handed over twice. Only for services that [redeliver](crate::ServiceChild::redeliver),
    /// whose messages can be copied.
    Duplicate(f64),
    /// This share of its messages is overtaken by the next one.
    Reorder(f64),
    /// Its mailbox is full: what cannot wait meets the overflow policy, and a `send` or a `call` waits for room.
    MailboxFull,
    /// The clock jumps forward. In virtual time only; the scope does not matter.
    ClockJump(Duration),
}

/// How often a fault of starts strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Times {
    /// So many times.
    Count(u32),
    /// Each time, as long as the fault lasts.
    Always,
}

impl Fault {
    /// Its name, in files and reports.
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
            Self::ClockJump(_) => "clock_jump",
        }
    }

    /// Whether it is a state that lasts until it is healed, and not a blow.
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
            | Self::ClockJump(_) => false,
            Self::StartPanic(Times::Always)
            | Self::StartError(Times::Always)
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

    /// Whether it waits for a message, or a start, and takes effect then.
    pub(crate) fn waits(&self) -> bool {
        matches!(
            self,
            Self::Panic | Self::Error | Self::Hang | Self::Block(_) | Self::StartPanic(_) | Self::StartError(_)
        )
    }

    /// Whether it can hit a child of this kind: what concerns handlers and mail needs a [`Service`](crate::Service).
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
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::KillTogether(count) => write!(f, "{name} {count}"),
            Self::StartPanic(Times::Count(count)) | Self::StartError(Times::Count(count)) => {
                write!(f, "{name} x{count}")
            }
            Self::SlowStart(time)
            | Self::Flap(time)
            | Self::Slow(time)
            | Self::Block(time)
            | Self::Delay(time)
            | Self::ClockJump(time) => write!(f, "{name} {time:?}"),
            Self::Drop(share) | Self::Duplicate(share) | Self::Reorder(share) => write!(f, "{name} {share}"),
            Self::Kill
            | Self::Panic
            | Self::Error
            | Self::StartPanic(Times::Always)
            | Self::StartError(Times::Always)
            | Self::Hang
            | Self::Hold
            | Self::RefuseStop
            | Self::MailboxFull => f.write_str(name),
        }
    }
}

/// Whom a fault may hit: everybody for whom all of this is true. Nobody is hit who is not among the experiment's targets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scope {
    /// A glob over full paths: `*` within a segment, `**` across. None: everybody.
    pub path: Option<Arc<str>>,
    /// Only children of this kind.
    pub kind: Option<ChildKind>,
    /// Only at this depth: the root is at 0.
    pub depth: Option<usize>,
}

impl Scope {
    /// Whoever has a path that matches this glob.
    pub fn path(glob: impl Into<Arc<str>>) -> Self {
        Self { path: Some(glob.into()), ..Self::default() }
    }

    /// And is of this kind.
    #[must_use]
    pub fn kind(mut self, kind: ChildKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// And lives at this depth.
    #[must_use]
    pub fn depth(mut self, depth: usize) -> Self {
        self.depth = Some(depth);
        self
    }

    /// What is wrong with its glob.
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

/// When a fault strikes. Times count from the beginning of the experiment's faults.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum When {
    /// Every so often, for the first time after one period.
    Every(Duration),
    /// At these times.
    At(Vec<Duration>),
    /// At random, so many times a second in the long run: the times between are independent (Poisson).
    Rate(f64),
    /// So long after each event of this kind that somebody in this scope has.
    After {
        /// Which.
        event: Trigger,
        /// Whose.
        of: Scope,
        /// How long after it.
        delay: Duration,
    },
}

/// An event that a fault may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trigger {
    /// An incarnation has ended: what strikes at once strikes during its restart.
    Exited,
    /// An incarnation has come up.
    Started,
    /// A start of a service has begun: its factory is about to run. What follows strikes during it, should it take any time.
    Starting,
    /// A start has failed.
    StartFailed,
    /// A restart was put off.
    Delayed,
    /// It was parked.
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
