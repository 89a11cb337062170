//! The rule about a value that a service keeps from one life to the next: when it is set aside, and what follows.
//!
//! Invariants:
//! 1. A life counts against the value only if it began with it, kept no newer one, and ended by a fault of its own before
//!    it was a success.
//! 2. The number of such lives in a row is kept with the value, outside of the machine: it outlives the supervisor.

use std::time::Duration;

use crate::action::{Action, Report};
use crate::backoff::Backoff;
use crate::children::{Attempt, ChildKey};
use crate::core::Core;
use crate::exit::Exit;
use crate::give_up::GiveUp;
use crate::history::Ended;
use crate::restart::has_lasted;
use crate::rule::ExitKind;

/// The number of lives in a row after which a kept value is set aside, and what follows.
///
/// A value may be what ends the lives that begin with it: it was wrong before it was kept. A life counts if it began with
/// the value, kept no newer one, and failed, panicked or hung before it was a success
/// ([`reset_after`](field@crate::Policy::reset_after) and its kin). Failed starts count. Kills and stops do not, nor do ends after which the message in hand runs again.
///
/// The number is kept with the value, so it outlives the supervisor. The end of the life that kept the value is charged
/// too: with the default, the budget has to forgive four restarts. With a smaller one the supervisor gives up first. The
/// default budget forgives one.
///
/// ```
/// use regrow_supervisors::{KeptRule, KeptThen, Policy};
/// use std::time::Duration;
///
/// // After five such lives the child is parked. It is tried without the value after 30 s.
/// let policy = Policy::default().kept(KeptRule::new(5).then(KeptThen::park(Duration::from_secs(30))));
/// assert!(policy.check().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct KeptRule {
    /// The number of lives in a row after which the value is set aside. Default: 3. Zero is refused.
    pub lives_max: u32,
    /// The consequence. Default: the next life begins without a value.
    pub then: KeptThen,
}

/// The consequence for a child with a kept value that was set aside.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum KeptThen {
    /// The child is restarted as after any other end, and begins without a value.
    #[default]
    BeginEmpty,
    /// The child alone is parked, and tried on this schedule until a life is a success, as
    /// [`GiveUp::Park`](crate::GiveUp::Park) says. It begins without a value then. No budget is charged.
    Park(Backoff),
}

impl Default for KeptRule {
    fn default() -> Self {
        Self::new(3)
    }
}

impl KeptRule {
    /// The value is set aside after this many lives in a row, and the next one begins without it. `u32::MAX`: never.
    pub const fn new(lives_max: u32) -> Self {
        Self { lives_max, then: KeptThen::BeginEmpty }
    }

    /// Sets what follows.
    pub fn then(self, then: KeptThen) -> Self {
        Self { then, ..self }
    }
}

impl KeptThen {
    /// Parks the child, and tries it after `first`, then after twice as long each time, up to an hour. An order to start it
    /// tries it at once.
    pub fn park(first: Duration) -> Self {
        Self::Park(GiveUp::probes(first))
    }
}

/// News about an attempt and the value that its service keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptNews {
    /// The attempt begins with the value. So did `failed` lives in a row that ended by a fault of their own.
    BeganWith {
        /// The number of those lives.
        failed: u32,
    },
    /// The attempt has kept a newer value, or has dropped the value.
    Replaced,
    /// The attempt has ended by a fault that is not the value's: a service that it needs was not available, or the message
    /// in hand is to be blamed first, and runs again.
    NotItsFault,
}

/// An attempt and the value that its service keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeptMark {
    /// The attempt has not taken the value.
    Unread,
    /// The attempt began with the value, and answers for it.
    BeganWithIt,
    /// The attempt has replaced the value, or ends by a fault that is not its own.
    Cleared,
}

impl Core {
    pub(crate) fn take_kept_news(&mut self, attempt: Attempt, news: KeptNews) {
        let Some(live) = self.children.live_mut(attempt) else { return };
        match (news, live.kept) {
            (KeptNews::BeganWith { failed }, KeptMark::Unread | KeptMark::BeganWithIt) => {
                live.kept = KeptMark::BeganWithIt;
                if let Some(child) = self.children.get_mut(attempt.child()) {
                    child.history_mut().kept_failed = failed;
                }
            }
            // News of two threads of a life may change places.
            (KeptNews::BeganWith { .. }, KeptMark::Cleared) => {}
            (KeptNews::Replaced | KeptNews::NotItsFault, _) => live.kept = KeptMark::Cleared,
        }
    }

    /// Counts a life that has ended against the value that it began with (invariant 1). Returns what follows if the
    /// value is set aside for it.
    pub(crate) fn judge_kept(&mut self, key: ChildKey, ended: &Ended) -> Option<KeptThen> {
        if !ended.has_kept {
            return None;
        }
        let period = self.meter.budget().period();
        let child = self.children.get_mut(key)?;
        let policy = child.spec.policy_rule();
        let was_ready = !matches!(ended.phase, Some(ExitKind::StartFailed | ExitKind::NotReady));
        let is_success = ended.is_proven || has_lasted(&policy, period, was_ready.then_some(ended.lived));
        let is_fault = match ended.exit {
            Exit::Failed(_) | Exit::Panicked(_) | Exit::Hung(_) => true,
            Exit::Normal | Exit::Shutdown | Exit::ShutdownWith(_) => false,
            Exit::ChildFailedToStart { .. } | Exit::Killed => false,
        };
        let history = child.history_mut();
        let before = history.kept_failed;
        let failed = match (is_success, is_fault) {
            (true, _) => 0,
            (false, true) => before.saturating_add(1),
            (false, false) => before,
        };
        let rule = policy.kept.unwrap_or_default();
        let set_aside = is_fault && failed >= rule.lives_max;
        // Read again with the next value.
        history.kept_failed = 0;
        if failed != before || set_aside {
            self.outbox.act(Action::NoteKept { child: key, failed, set_aside });
        }
        if !set_aside {
            return None;
        }
        let (exit, then) = (ended.exit.clone(), rule.then.clone());
        self.outbox.report(Report::KeptSetAside { child: key, failed, exit, then });
        Some(rule.then)
    }
}
