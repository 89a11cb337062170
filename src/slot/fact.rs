//! Facts that a supervisor receives.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use regrow_supervisors::{Attempt, Exit, Hang, KeptNews, Outlook};

use crate::error::gave_up::GaveUp;
use crate::slot::failures::SharedFailures;

/// Fact that a supervisor receives.
#[derive(Debug)]
pub(crate) enum Fact {
    Started {
        attempt: Attempt,
        generation: u64,
        info: Option<Arc<str>>,
    },
    /// An incarnation that is up has said that it is ready.
    Ready(Attempt),
    /// The start gates have admitted this attempt.
    Admitted(Attempt),
    /// State of a service elsewhere, on which children depend.
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
    /// A child that is a supervisor is about to report its end. `gave_up` holds the give-up, if that was the reason.
    Ending {
        attempt: Attempt,
        gave_up: Option<Arc<GaveUp>>,
    },
    /// The child has chosen to end as `exit`, when the message in hand is done.
    Chosen {
        attempt: Attempt,
        exit: Exit,
    },
    /// The child ends by its own choice, as `exit`, and its code still runs for that.
    Leaving {
        attempt: Attempt,
        exit: Exit,
    },
    /// The child has ended as `exit`, except for its killed work, which still exists.
    Remains {
        attempt: Attempt,
        exit: Exit,
    },
    /// Messages of the child have failed, without ending its life.
    Failing {
        attempt: Attempt,
        failures: SharedFailures,
    },
    /// The child has begun with the value that its service keeps, or has replaced it.
    Kept {
        attempt: Attempt,
        news: KeptNews,
    },
    KillUnderWay(Attempt),
    /// The child takes too long, or waits in a circle.
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

/// Observation of the watchdog. When it arrives, the situation may be over.
pub(crate) enum Overdue {
    /// This message is in hand for too long; or the task has given no sign of life since this one for too long.
    Work(u64),
    /// These services wait for each other.
    Circle(StillStuck),
}

/// Order to a supervisor. Its content belongs to the supervisor: a slot only carries it there.
pub(crate) trait AnyOrder: Any + fmt::Debug + Send {}

/// Whether the members of a circle still wait for each other as they did when it was found.
pub(crate) type StillStuck = Box<dyn Fn() -> bool + Send>;

impl fmt::Debug for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work(number) => f.debug_tuple("Work").field(number).finish(),
            Self::Circle(_) => f.write_str("Circle"),
        }
    }
}

impl Fact {
    /// Whether it only matters for the end of that life, which comes through the same queue and wakes the supervisor.
    ///
    /// A supervisor that code of a life has woken is the task that the runtime runs next on that thread, and on no other
    /// (`yield_once`). Nothing yields between a value that is kept and the next message: if that blocks, the supervisor
    /// could not abandon it.
    pub(crate) fn can_wait(&self) -> bool {
        matches!(self, Self::Kept { .. })
    }
}
