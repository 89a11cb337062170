//! The management orders, and how they are answered.

use std::fmt;
use std::sync::Arc;

use crate::children::{Attempt, ChildKey};
use crate::exit::Exit;
use crate::intensity::Intensity;
use crate::spec::{BudgetClock, ChildSpec, Flags, SpecError};

/// Names one order, so that its answer can be given to whoever waits for it. The driver chooses the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub u64);

/// What a supervisor can be told to do ([OTP rules 60 to 72 and 79 to 91](crate::rules)). Orders are answered in the
/// order in which they were given, exits included (OTP rule 72).
#[derive(Debug, Clone)]
pub enum Order {
    /// Append a child and start it (OTP rule 60).
    StartChild(ChildSpec),
    /// Stop a child by its shutdown rule; its spec stays unless it is temporary (OTP rule 61).
    TerminateChild(Arc<str>),
    /// Start a child that is down (OTP rule 62).
    RestartChild(Arc<str>),
    /// Forget a child that is down (OTP rule 63).
    DeleteChild(Arc<str>),
    /// Take these flags and specs for the ones in force (OTP rules 95 to 97). For a static supervisor.
    Reconfigure(Flags, Vec<ChildSpec>),
    /// Take these limits for the ones in force (OTP rules 95, 98). For a dynamic supervisor.
    Limit {
        /// The restart budget. What is spent stays spent.
        intensity: Intensity,
        /// How many children there may be. Those that are there stay.
        children_max: Option<usize>,
    },
    /// Take these policies for the ones in force. For both kinds of supervisor; nothing is started or stopped for it.
    Adjust(Box<Adjustment>),
    /// Start a child now that is parked, or waits for a delay or for others; and forget that it ever failed.
    Revive(Arc<str>),
    /// Nothing: the answer says that it is this order's turn, and that the table may be read.
    Read,
}

/// What an [`Order::Adjust`] changes.
#[derive(Debug, Clone, Default)]
pub struct Adjustment {
    /// The new specs of children, by their names. Names that the supervisor does not know are passed over.
    pub specs: Vec<ChildSpec>,
    /// The new restart budget. What is spent stays spent.
    pub intensity: Option<Intensity>,
    /// What the budget's window is measured in from now on.
    pub budget_clock: Option<BudgetClock>,
}

/// An order that was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// This attempt is up.
    Started(Attempt),
    /// The start was answered with *ignore*.
    Ignored,
    /// Done.
    Done,
}

/// Why an order was not carried out.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum OrderError {
    /// A child of this name is running ([OTP rule 60](crate::rules)).
    AlreadyStarted(ChildKey),
    /// A child of this name is down or being restarted (OTP rule 60).
    AlreadyPresent,
    /// No child has this name.
    NotFound,
    /// The child is running (OTP rules 62, 63).
    Running,
    /// The child is being restarted (OTP rules 62, 63).
    Restarting,
    /// The child has been told to stop and has not ended yet.
    Stopping,
    /// The start came to nothing.
    Failed(Exit),
    /// The description makes no sense. Nothing was changed.
    Refused(SpecError),
    /// The children of a dynamic supervisor are neither restarted nor deleted by order (OTP rule 84), and each kind of
    /// supervisor has its own configuration.
    WrongKind,
    /// A dynamic supervisor has as many children as it may have.
    MaxChildren,
    /// The supervisor is ending or has ended: OTP's `noproc`.
    Over,
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyStarted(_) => f.write_str("a child of this name is running"),
            Self::AlreadyPresent => f.write_str("a child of this name is down or being restarted"),
            Self::NotFound => f.write_str("no child has this name"),
            Self::Running => f.write_str("the child is running"),
            Self::Restarting => f.write_str("the child is being restarted"),
            Self::Stopping => f.write_str("the child is stopping"),
            Self::Failed(exit) => write!(f, "the child did not start: {exit}"),
            Self::Refused(error) => error.fmt(f),
            Self::WrongKind => f.write_str("a supervisor of this kind does not take this order"),
            Self::MaxChildren => f.write_str("the supervisor has as many children as it may have"),
            Self::Over => f.write_str("the supervisor is ending or has ended"),
        }
    }
}

impl std::error::Error for OrderError {}
