//! What a supervisor is told.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use regrow_supervisors::{Attempt, Exit, Hang, Outlook};

use crate::error::gave_up::GaveUp;

/// What a supervisor is told.
#[derive(Debug)]
pub(crate) enum Fact {
    Started {
        attempt: Attempt,
        generation: u64,
        info: Option<Arc<str>>,
    },
    /// An incarnation that is up has said that it is ready.
    Ready(Attempt),
    /// The start of this attempt is let in through the gates.
    Admitted(Attempt),
    /// What is known of a service elsewhere, that children depend on.
    Dependency {
        name: Arc<str>,
        outlook: Outlook,
    },
    Ignored(Attempt),
    StartFailed {
        attempt: Attempt,
        exit: Exit,
    },
    Ended {
        attempt: Attempt,
        exit: Exit,
    },
    /// A child that is a supervisor is about to tell its end: whether it gave up, and on which child.
    Ending {
        attempt: Attempt,
        gave_up: Option<Arc<GaveUp>>,
    },
    /// It will end by itself, as `exit`, when it is done with the message in hand.
    Chosen {
        attempt: Attempt,
        exit: Exit,
    },
    /// It ends by itself, as `exit`, and code of its own still runs for that.
    Leaving {
        attempt: Attempt,
        exit: Exit,
    },
    /// It has ended as `exit`, but for work of its own that was killed and is still there.
    Remains {
        attempt: Attempt,
        exit: Exit,
    },
    KillUnderWay(Attempt),
    /// It takes too long, or waits in a circle.
    Hung {
        attempt: Attempt,
        seen: Overdue,
        hang: Hang,
    },
    Stop(Exit),
    Kill,
    Abandon,
    Order(Box<dyn AnyOrder>),
    /// A deadline of the machine may have passed.
    Tick,
}

/// What the watchdog has seen. When its word arrives, that may be over.
pub(crate) enum Overdue {
    /// This message is in hand for too long, or a task has not said that it is alive since it said so for this time.
    Work(u64),
    /// These wait for each other.
    Circle(StillStuck),
}

/// An order to a supervisor, which knows what it says: a slot only brings it there.
pub(crate) trait AnyOrder: Any + fmt::Debug + Send {}

/// Whether the members of a circle wait for each other now as they did when it was found.
pub(crate) type StillStuck = Box<dyn Fn() -> bool + Send>;

impl fmt::Debug for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work(number) => f.debug_tuple("Work").field(number).finish(),
            Self::Circle(_) => f.write_str("Circle"),
        }
    }
}
