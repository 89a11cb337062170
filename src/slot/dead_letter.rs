//! Reasons for which messages become dead letters, and the notice of one.

use std::fmt;
use std::sync::Arc;

use regrow_supervisors::Exit;

/// Reason for which a message will not be handled.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum DeadReason {
    /// The mailbox was full, and this message had waited longest
    /// ([`Overflow::DropOldest`](crate::Overflow::DropOldest)).
    DroppedOldest,
    /// The mailbox was full when this message came ([`Overflow::DropNewest`](crate::Overflow::DropNewest)).
    DroppedNewest,
    /// An incarnation ended, and a new life begins with an empty mailbox ([`OnRestart::Drop`](crate::OnRestart::Drop)).
    DroppedOnRestart,
    /// The service was parked.
    Parked,
    /// The service was terminated, ended cleanly or was not wanted.
    Down,
    /// The service's spec was deleted, or its tree is over.
    Gone,
    /// A fault of an experiment lost the message.
    Chaos,
    /// The call had not begun, and its caller waited no more
    /// ([`skip_abandoned_calls`](crate::ServiceChild::skip_abandoned_calls)). It is counted and not kept.
    CallerGone,
    /// A timer of an incarnation that is over had sent the message ([`LinkedTask::keep_messages`]). It is counted and
    /// not kept.
    ///
    /// [`LinkedTask::keep_messages`]: crate::LinkedTask::keep_messages
    TimerOver,
    /// A [monitor](crate::Context::monitor) had sent the message, and was over before it was handled. It is counted and
    /// not kept.
    MonitorOver,
    /// The message was [redelivered](crate::ServiceChild::redeliver) as often as asked for, and ended every
    /// incarnation.
    Poison {
        /// Exit of the last of those incarnations.
        exit: Exit,
    },
    /// The message was redelivered ten times because a peer of the service was not available, and the last run failed
    /// for that reason too. See [`PeerUnavailable`](crate::PeerUnavailable).
    PeerUnavailable {
        /// Exit of the last incarnation that had the message in hand.
        exit: Box<Exit>,
    },
}

impl DeadReason {
    /// The words for all reasons, in the order of the counters.
    pub(crate) const KINDS: [&str; 12] = [
        "dropped_oldest",
        "dropped_newest",
        "dropped_on_restart",
        "parked",
        "down",
        "gone",
        "chaos",
        "caller_gone",
        "timer_over",
        "monitor_over",
        "poison",
        "peer_unavailable",
    ];

    /// Returns the place of the reason among the counters.
    pub(crate) fn place(&self) -> usize {
        match self {
            Self::DroppedOldest => 0,
            Self::DroppedNewest => 1,
            Self::DroppedOnRestart => 2,
            Self::Parked => 3,
            Self::Down => 4,
            Self::Gone => 5,
            Self::Chaos => 6,
            Self::CallerGone => 7,
            Self::TimerOver => 8,
            Self::MonitorOver => 9,
            Self::Poison { .. } => 10,
            Self::PeerUnavailable { .. } => 11,
        }
    }

    /// Whether such a message is kept as a letter. The others are not wanted by their own senders.
    pub(crate) fn is_kept(&self) -> bool {
        !matches!(self, Self::CallerGone | Self::TimerOver | Self::MonitorOver)
    }

    /// Returns one word for the reason, the same in logs and queries.
    pub fn kind(&self) -> &'static str {
        Self::KINDS[self.place()]
    }
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DroppedOldest => f.write_str("the mailbox was full, and it had waited longest"),
            Self::DroppedNewest => f.write_str("the mailbox was full"),
            Self::DroppedOnRestart => f.write_str("the service was restarted with an empty mailbox"),
            Self::Parked => f.write_str("the service was parked"),
            Self::Down => f.write_str("the service went down"),
            Self::Gone => f.write_str("the service is gone"),
            Self::Chaos => f.write_str("an experiment had it lost"),
            Self::CallerGone => f.write_str("its caller waited no more before it began"),
            Self::TimerOver => f.write_str("the incarnation that had set its timer is over"),
            Self::MonitorOver => f.write_str("the monitor that had sent it is over"),
            Self::Poison { exit } => write!(f, "it is poison: {exit}"),
            Self::PeerUnavailable { exit } => write!(f, "peer unavailable: {exit}"),
        }
    }
}

/// Description of a message that became a dead letter.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) path: Arc<str>,
    pub(crate) generation: u64,
    pub(crate) message_type: &'static str,
    pub(crate) label: Option<&'static str>,
    pub(crate) attempt: u32,
    pub(crate) reason: DeadReason,
}

/// Wishes of a tree for a dead message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) is_kept: bool,
    /// The level of its log line, if it is logged.
    pub(crate) level: Option<tracing::Level>,
}
