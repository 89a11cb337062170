//! The rule about a value that a service keeps from one life to the next: when it is set aside, and what follows.
//!
//! The lives are counted in `kept_lives.rs`.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::give_up::GiveUp;

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
