//! The management orders and their answers.

use std::fmt;
use std::sync::Arc;

use crate::children::{Attempt, ChildKey};
use crate::exit::Exit;
use crate::intensity::Intensity;
use crate::spec::{BudgetClock, ChildSpec, Flags, SpecError};

/// The number of an order, by which its answer finds the caller. The driver chooses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub u64);

/// A command to a supervisor ([OTP rules 60 to 72 and 79 to 91](crate::rules)). Orders are answered in the order in
/// which they were given, exits included (OTP rule 72).
#[derive(Debug, Clone)]
pub enum Order {
    /// Append a child and start it (OTP rule 60).
    StartChild(ChildSpec),
    /// Stop a child by its shutdown rule. Its spec stays unless the child is temporary (OTP rule 61).
    TerminateChild(Arc<str>),
    /// Start a child that is down (OTP rule 62).
    RestartChild(Arc<str>),
    /// Forget a child that is down (OTP rule 63).
    DeleteChild(Arc<str>),
    /// Replace the flags and the specs (OTP rules 95 to 97). For a static supervisor.
    Reconfigure(Flags, Vec<ChildSpec>),
    /// Replace the limits (OTP rules 95, 98). For a dynamic supervisor.
    Limit {
        /// The restart budget. Spent units stay spent.
        intensity: Intensity,
        /// The greatest number of children. Children that are there stay.
        children_max: Option<usize>,
    },
    /// Replace policies. For both kinds of supervisor; nothing is started or stopped for it.
    Adjust(Box<Adjustment>),
    /// Start a child now that is parked, or waits for a delay or for others, and forget all its failures.
    Revive(Arc<str>),
    /// End the life of a child that is up, by its shutdown rule, and start it again. Its siblings are left alone, and no
    /// budget is charged. For both kinds of supervisor, and whatever the child's restart type. Orders that are given
    /// before the new life begins to start merge.
    RenewChild {
        /// The child.
        id: Arc<str>,
        /// The reason, for reports.
        reason: Arc<str>,
    },
    /// Set a child aside until an order [revives](Self::Revive) it. For both kinds of supervisor.
    ///
    /// A child with a life is stopped by its shutdown rule, as by [`TerminateChild`](Self::TerminateChild), and is parked
    /// when it is gone. A start that is due or under way is cut short. A child that is parked already, because of its
    /// budget or of a service that it depends on, is not tried any more. Its siblings are left alone, and no budget is
    /// charged. A group that waits for the child is started without it.
    ///
    /// From then on the child is like any [parked](crate::ChildState::Parked) one, but no time brings it back. A group
    /// restart passes it over. An order to terminate it ends that: the child is then down, or forgotten.
    Park {
        /// The child.
        id: Arc<str>,
        /// The reason, for reports.
        reason: Arc<str>,
    },
    /// Carry this order out only if no later life of its child has come up:
    /// [`OrderError::Replaced`]. The check is made when the order is carried out, which may be later than it is given.
    Meant {
        /// The life that is meant: the latest one that the sender of the order knew.
        life: Attempt,
        /// The order, about a child that is there.
        order: Box<Order>,
    },
    /// Do nothing: the answer says that the turn of this order has come, and that the table may be read.
    Read,
}

impl Order {
    /// Returns the name of the child that the order is about; `None` if it is about the supervisor.
    pub fn child(&self) -> Option<&str> {
        match self {
            Self::StartChild(spec) => Some(spec.id()),
            Self::TerminateChild(id)
            | Self::RestartChild(id)
            | Self::DeleteChild(id)
            | Self::Revive(id)
            | Self::RenewChild { id, .. }
            | Self::Park { id, .. } => Some(id),
            Self::Meant { order, .. } => order.child(),
            Self::Reconfigure(..) | Self::Limit { .. } | Self::Adjust(_) | Self::Read => None,
        }
    }

    /// Limits the order to this life of its child, if there is one: see [`Meant`](Self::Meant).
    #[must_use]
    pub fn meant(self, life: Option<Attempt>) -> Self {
        match life {
            Some(life) => Self::Meant { life, order: Box::new(self) },
            None => self,
        }
    }
}

/// The changes of an [`Order::Adjust`].
#[derive(Debug, Clone, Default)]
pub struct Adjustment {
    /// The new specs of children, by their names. Names that the supervisor does not know are ignored.
    pub specs: Vec<ChildSpec>,
    /// The new restart budget. Spent units stay spent.
    pub intensity: Option<Intensity>,
    /// The clock that the budget's window is measured by from now on.
    pub budget_clock: Option<BudgetClock>,
}

/// An order that was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// This attempt is up.
    Started(Attempt),
    /// The start was answered with *ignore*.
    Ignored,
    /// The order was carried out.
    Done,
}

/// The reason why an order was not carried out.
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
    /// The child is being started.
    Starting,
    /// The child is parked.
    Parked,
    /// The child is down.
    Down,
    /// The life that was meant is over, and a later one has come up: [`Order::Meant`].
    Replaced,
    /// The start failed.
    Failed(Exit),
    /// The description is invalid. Nothing was changed.
    Refused(SpecError),
    /// The order is for the other kind of supervisor. The children of a dynamic supervisor are neither restarted nor
    /// deleted by order (OTP rule 84), and each kind has its own configuration.
    WrongKind,
    /// The dynamic supervisor has as many children as it may have.
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
            Self::Starting => f.write_str("the child is being started"),
            Self::Parked => f.write_str("the child is parked"),
            Self::Down => f.write_str("the child is down"),
            Self::Replaced => f.write_str("the life that was meant has been replaced"),
            Self::Failed(exit) => write!(f, "the child did not start: {exit}"),
            Self::Refused(error) => error.fmt(f),
            Self::WrongKind => f.write_str("a supervisor of this kind does not take this order"),
            Self::MaxChildren => f.write_str("the supervisor has as many children as it may have"),
            Self::Over => f.write_str("the supervisor is ending or has ended"),
        }
    }
}

impl std::error::Error for OrderError {}
