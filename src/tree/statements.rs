//! What the judge of supervision hears: what supervisors were told and what they do, in the order in which it happens.
//!
//! The driver of a supervisor says these things while an experiment is armed (`supervisor/testify.rs`). They are data: what
//! ought to have happened is the judge's own business.

use std::sync::{Arc, Weak};
use std::time::Duration;

use regrow_supervisors::{
    AutoShutdown, BudgetClock, BudgetLeft, ChildSpec, ChildState, Exit, Intensity, StopOrder, Strategy,
};

use crate::slot::signals::Signals;

/// What is said to the judge.
#[derive(Debug)]
pub(crate) enum Statement {
    /// A supervisor was told something, or does something.
    Testimony(Testimony),
    /// An incarnation moves into its slot.
    MovesIn { path: Arc<str>, signals: Weak<Signals> },
    /// Nothing of this incarnation is left.
    MovesOut { path: Arc<str>, signals: Weak<Signals> },
}

/// One thing that a supervisor was told, or does.
#[derive(Debug)]
pub(crate) struct Testimony {
    /// The supervisor's path.
    pub(crate) supervisor: Arc<str>,
    /// Which of its lives.
    pub(crate) life: usize,
    /// When, on the clock of the tree.
    pub(crate) at: Duration,
    pub(crate) seen: Seen,
}

#[derive(Debug)]
pub(crate) enum Seen {
    /// The supervisor and its children: before the first thing it says, and after orders.
    Roll(Box<Roll>),
    /// This happened to a child, or is done to it. Children go by their paths.
    Child { path: Arc<str>, what: What },
    /// A service elsewhere, that children depend on under this name, has become ready.
    IsReady { name: Arc<str> },
    /// A management order has come: about this child, or about all of them.
    Ordered { call: u64, path: Option<Arc<str>> },
    /// The order was answered.
    Answered { call: u64 },
    /// The supervisor is to end, one child after the other or all at once.
    ToEnd { by_force: bool, at_once: bool },
    /// It has started all of its children.
    Up,
    /// It is over.
    Over,
}

#[derive(Debug)]
pub(crate) enum What {
    /// A child that came by order.
    Adopted(Box<ChildSpec>),
    Started(u64),
    Ready(u64),
    Ignored(u64),
    StartFailed(u64, Exit),
    Ended(u64, Exit),
    /// Something other than its supervisor kills it.
    KillUnderWay,
    /// The supervisor starts this attempt.
    Start(u64),
    /// The supervisor asks it to stop.
    Ask,
    /// The supervisor kills it.
    Kill,
    /// The supervisor waits for it no longer.
    Abandon,
    /// It takes too long, and is killed for that.
    Overdue,
    /// Its restart is put off.
    Delayed(Duration),
    /// It waits for services that it depends on.
    Waits,
    /// It is put away, and tried again after this time.
    Parked(Duration),
    /// It is put away because a service that it depends on is gone or parked.
    Blocked,
    /// A service that it depends on is gone, and its start fails for that before it begins.
    Missed,
    /// It is not restarted.
    Rests,
    /// Its spec is forgotten.
    Forgotten,
    /// The supervisor gives up on it.
    GaveUp,
}

/// A supervisor, and its children in start order.
#[derive(Debug)]
pub(crate) struct Roll {
    pub(crate) strategy: Strategy,
    pub(crate) auto_shutdown: AutoShutdown,
    pub(crate) intensity: Intensity,
    pub(crate) clock: BudgetClock,
    /// How many children it stops at a time.
    pub(crate) stop_order: StopOrder,
    /// Children come and go; they have no order, and no group.
    pub(crate) is_dynamic: bool,
    /// It has not come up yet.
    pub(crate) is_booting: bool,
    pub(crate) is_ending: bool,
    pub(crate) is_killed: bool,
    pub(crate) children: Vec<Enrolled>,
}

/// A child, as it stands.
#[derive(Debug)]
pub(crate) struct Enrolled {
    pub(crate) path: Arc<str>,
    pub(crate) spec: ChildSpec,
    pub(crate) standing: ChildState,
    pub(crate) is_ready: bool,
    pub(crate) attempt: Option<u64>,
    /// Steps on its curve, and what is left of the budget that it is charged to.
    pub(crate) steps: u32,
    pub(crate) left: Option<BudgetLeft>,
    pub(crate) is_half_open: bool,
}
