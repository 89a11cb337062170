//! The counters of a mailbox.

use std::fmt;

/// Counters of every message that a mailbox accepted, by what happened to it: one consistent snapshot.
///
/// The law holds at every instant:
/// `accepted = handled + crashed + returned + dead_lettered + queued + in_hand`.
///
/// A refused message is not accepted and is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accounting {
    /// Messages that were ever enqueued.
    pub accepted: u64,
    /// Messages that were handled to the end, without error.
    pub handled: u64,
    /// Messages lost for good with the incarnation that had them in hand. A message that is
    /// [redelivered](crate::ServiceChild::redeliver) is not lost: it is queued again.
    pub crashed: u64,
    /// Calls that never ran, given back to their callers.
    pub returned: u64,
    /// Messages that were shed: by the drop policy, by overflow, when the service went down, or as poison. They are
    /// casts, and calls that have run before or have no waiting caller. They can be seen as
    /// [dead letters](crate::DeadLetters). A dead letter that is replayed stays counted here, and is accepted once
    /// more. Messages that their own senders do not want any more are counted here too, and not kept: see
    /// [`DeadReason`](crate::DeadReason).
    pub dead_lettered: u64,
    /// Messages waiting now.
    pub queued: u64,
    /// Messages being handled now: 0 or 1.
    pub in_hand: u64,
    /// Attempts to start an incarnation, ever. Not part of the law.
    pub attempts: u64,
    /// Number of times that a message in hand was put back to the head of the queue because its incarnation ended. Not
    /// part of the law: the message is queued again.
    pub redelivered: u64,
}

impl Accounting {
    /// Returns the number of accepted messages that the other counters do not account for. Anything but 0 would be a bug in
    /// regrow.
    pub fn difference(&self) -> i64 {
        let Self { accepted, handled, crashed, returned, dead_lettered, queued, in_hand, .. } = *self;
        let known = handled + crashed + returned + dead_lettered + queued + in_hand;
        i64::try_from(i128::from(accepted) - i128::from(known)).unwrap_or(i64::MAX)
    }

    /// Whether the law holds. `false` would be a bug in regrow.
    pub fn is_balanced(&self) -> bool {
        self.accepted == self.handled + self.crashed + self.returned + self.dead_lettered + self.queued + self.in_hand
    }
}

impl fmt::Display for Accounting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, handled, crashed, returned, dead_lettered, queued, in_hand, .. } = self;
        let sign = if self.is_balanced() { "=" } else { "!=" };
        write!(
            f,
            "accepted {accepted} {sign} handled {handled} + crashed {crashed} + returned {returned} \
             + dead-lettered {dead_lettered} + queued {queued} + in hand {in_hand}"
        )
    }
}
