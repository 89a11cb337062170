//! The statements about supervision for the judge of an experiment: facts that supervisors got and actions that they
//! took, in the order in which they happened.
//!
//! The driver of a supervisor makes them while an experiment is armed (`supervisor/testimony.rs`). They are data: the
//! judge decides what should have happened.

use std::sync::{Arc, Weak};
use std::time::Duration;

use regrow_supervisors::{
    AutoShutdown, BudgetClock, BudgetLeft, ChildSpec, ChildState, Exit, Intensity, StopOrder, Strategy,
};

use crate::slot::signals::Signals;

/// A statement to the judge.
#[derive(Debug)]
pub(crate) enum Statement {
    /// A fact or an action of a supervisor.
    Testimony(Testimony),
    /// An incarnation moves into its slot.
    MovesIn { path: Arc<str>, signals: Weak<Signals> },
    /// Nothing of this incarnation is left.
    MovesOut { path: Arc<str>, signals: Weak<Signals> },
    /// A store has answered a service, or is asked by it.
    Storing(Storing),
}

/// Statement about the stored state of a service. The key tells the values of one store apart.
#[derive(Debug)]
#[allow(dead_code, reason = "only experiments read it, and they are a feature")]
pub(crate) struct Storing {
    pub(crate) path: Arc<str>,
    pub(crate) generation: u64,
    /// Name of the store.
    pub(crate) store: String,
    pub(crate) key: Arc<str>,
    pub(crate) what: Stored,
}

/// Number of a claim, and number of the save or discard under it.
pub(crate) type Stamped = (u64, u64);

#[derive(Debug)]
#[allow(dead_code, reason = "only experiments read it, and they are a feature")]
pub(crate) enum Stored {
    /// The store was claimed, and returned the value with this stamp and checksum.
    Claimed { epoch: u64, loaded: Option<(Stamped, u32)> },
    /// The store is about to be asked for a save of a value with this checksum.
    Saves(Stamped, u32),
    /// The store has acknowledged a save.
    Saved(Stamped),
    /// The store is about to be asked for a discard.
    Discards(Stamped),
    /// The store has acknowledged a discard.
    Discarded(Stamped),
}

/// Fact or action of a supervisor, with its time.
#[derive(Debug)]
pub(crate) struct Testimony {
    /// The supervisor's path.
    pub(crate) supervisor: Arc<str>,
    /// The life of the supervisor.
    pub(crate) life: usize,
    /// Time on the clock of the tree.
    pub(crate) at: Duration,
    pub(crate) seen: Seen,
}

#[derive(Debug)]
pub(crate) enum Seen {
    /// The supervisor and its children. It comes before the first statement, and after orders.
    Roll(Box<Roll>),
    /// A fact or an action about a child, which is named by its path.
    Child { path: Arc<str>, what: What },
    /// A service elsewhere, that children depend on under this name, has become ready.
    IsReady { name: Arc<str> },
    /// A management order has come: about this child, or about all of them. It may be one to park the child.
    Ordered { call: u64, path: Option<Arc<str>>, is_park: bool },
    /// The order was answered: carried out, or refused.
    Answered { call: u64, is_done: bool },
    /// The supervisor must end, one child after the other or all at once.
    ToEnd { by_force: bool, at_once: bool },
    /// The supervisor has started all of its children.
    Up,
    /// The supervisor is over.
    Over,
}

#[derive(Debug)]
pub(crate) enum What {
    /// A child that was started by order.
    Adopted(Box<ChildSpec>),
    Started(u64),
    Ready(u64),
    Ignored(u64),
    StartFailed(u64, Exit),
    Ended(u64, Exit),
    /// The child is being killed, and its supervisor did not order that.
    KillUnderWay,
    /// The supervisor starts this attempt.
    Start(u64),
    /// The supervisor asks the child to stop.
    Ask,
    /// The supervisor kills the child.
    Kill,
    /// The supervisor waits for the child no longer.
    Abandon,
    /// The child takes too long, and is killed for that.
    Overdue,
    /// The restart of the child is delayed.
    Delayed(Duration),
    /// The child waits for services that it depends on.
    Waits,
    /// The child is parked, and tried again after this time.
    Parked(Duration),
    /// An order has parked the child, and only an order starts it again.
    ParkedByOrder,
    /// The child is parked because a service that it depends on is gone or parked.
    Blocked,
    /// Too many messages of the child failed: it is stopped, or its supervisor ends, as its policy says.
    TooManyFailures,
    /// The value that the child keeps is set aside, and the child is parked for it.
    KeptSetAside,
    /// The child is restarted, because a service that it depends on is ready again in a new life.
    Renewed,
    /// The start of the child fails before it begins, because a service that it depends on is gone.
    Missed,
    /// The child is not restarted.
    Rests,
    /// The spec of the child is forgotten.
    Forgotten,
    /// The supervisor gives up on the child, and ends. `is_from_below`: the child is a supervisor that a child below it
    /// ends with the whole tree.
    GaveUp {
        is_from_below: bool,
    },
    /// The supervisor ends the child for good, and goes on.
    GivenUp,
}

/// A supervisor, and its children in start order.
#[derive(Debug)]
pub(crate) struct Roll {
    pub(crate) strategy: Strategy,
    pub(crate) auto_shutdown: AutoShutdown,
    pub(crate) intensity: Intensity,
    pub(crate) clock: BudgetClock,
    /// Number of children that it stops at a time.
    pub(crate) stop_order: StopOrder,
    /// Whether children come and go, without an order and without a group.
    pub(crate) is_dynamic: bool,
    /// Whether it has not come up yet.
    pub(crate) is_booting: bool,
    pub(crate) is_ending: bool,
    pub(crate) is_killed: bool,
    pub(crate) children: Vec<Enrolled>,
}

/// A child in its present state.
#[derive(Debug)]
pub(crate) struct Enrolled {
    pub(crate) path: Arc<str>,
    pub(crate) spec: ChildSpec,
    pub(crate) standing: ChildState,
    pub(crate) is_ready: bool,
    pub(crate) attempt: Option<u64>,
    /// Restarts since its delays began with the first, and the rest of the budget that it is charged to.
    pub(crate) steps: u32,
    pub(crate) left: Option<BudgetLeft>,
    pub(crate) is_half_open: bool,
}
