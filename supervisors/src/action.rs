//! Actions for the driver and reports of what has happened, as data.

use std::sync::Arc;
use std::time::Duration;

use crate::children::{Attempt, ChildKey};
use crate::dependency::DependencyGone;
use crate::exit::Exit;
use crate::give_up::GiveUpReason;
use crate::kept::KeptThen;
use crate::order::{Answer, OrderError, OrderId};
use crate::rate::FailuresSeen;

/// A thing that the driver must do. Actions are to be performed in the order in which they are polled.
#[derive(Debug, Clone)]
pub enum Action {
    /// Start this attempt, without waiting for it. Answer with `handle_started`, `handle_ignored` or
    /// `handle_start_failed`.
    Start(Attempt),
    /// Ask this attempt to stop. Answer with `handle_exit` when it is gone.
    Ask(Attempt),
    /// End this attempt by force. Answer with `handle_exit` when it is gone.
    Kill(Attempt),
    /// The attempt did not end after a kill: cut it off from everything that is shared and forget it. No answer.
    Abandon(Attempt),
    /// The child that this order describes has this key from now on. The child is new, or its spec was replaced.
    Adopt {
        /// The order.
        call: OrderId,
        /// The key of the child.
        child: ChildKey,
    },
    /// The answer to an order.
    Answer {
        /// The order.
        call: OrderId,
        /// The answer.
        result: Result<Answer, OrderError>,
    },
    /// The child rests: it ended cleanly, was ignored or was terminated. An order or a group restart can bring it back.
    Rest(ChildKey),
    /// The child is parked: it refuses messages until it is up again.
    Park {
        /// The child.
        child: ChildKey,
        /// The time at which the child is tried. `None`: an order has to revive it, or the service that it waits for.
        until: Option<Duration>,
    },
    /// The mailbox of the child takes messages again. The child rested or was parked, and now waits for services that
    /// it depends on or for its next try.
    Wait(ChildKey),
    /// The child's spec is forgotten.
    Forget(ChildKey),
    /// An order ends the child for good or parks it, and nothing but another order starts it again. It must accept
    /// nothing more.
    Dismiss(ChildKey),
    /// Calls to this child from below this supervisor must be refused. The child was stopped together with others, and
    /// its group is not started yet. The group may be waiting for the very child that makes such a call.
    Withdraw(ChildKey),
    /// Calls to this child may wait again: the group of a child that was withdrawn is started. A child that is started,
    /// rests or is forgotten is not withdrawn any more either. No such action comes for it.
    Readmit(ChildKey),
    /// Remember with the value that the child keeps how many lives in a row that began with it have failed, and whether it
    /// is set aside. No answer.
    NoteKept {
        /// The child.
        child: ChildKey,
        /// The number of those lives.
        failed: u32,
        /// Whether the next life must begin without the value.
        set_aside: bool,
    },
    /// The boot is complete: every child has been started.
    Up,
    /// The supervisor itself has ended, after its last child. Nothing follows but the refusal of later orders. Without
    /// an [`Action::Up`] before it, the boot failed.
    End(Exit),
}

/// A thing that has happened, for logs and subscribers. The first four are OTP's supervisor reports.
#[derive(Debug, Clone)]
pub enum Report {
    /// A child ended unexpectedly. Clean exits of transient and temporary children are not reported ([OTP rule
    /// 19](crate::rules)).
    ChildTerminated {
        /// The child.
        child: ChildKey,
        /// Its exit.
        exit: Exit,
    },
    /// A start failed.
    StartError {
        /// The child.
        child: ChildKey,
        /// The exit of the attempt.
        exit: Exit,
    },
    /// A child that was told to stop ended in another way than it was told (OTP rule 51).
    ShutdownError {
        /// The child.
        child: ChildKey,
        /// Its exit.
        exit: Exit,
    },
    /// The supervisor gives up: it stops its children and ends (OTP rule 28).
    GaveUp {
        /// The child with the exit that was one too many.
        child: ChildKey,
        /// That exit.
        exit: Exit,
        /// The reason against one more restart.
        reason: GiveUpReason,
        /// Whether the supervisors above are to give up too, so that the whole tree ends:
        /// [`GiveUp::EndTree`](crate::GiveUp::EndTree). The driver hands that on to the supervisor above, with
        /// [`handle_end_of_tree`](crate::Machine::handle_end_of_tree).
        ends_tree: bool,
    },
    /// A child ends for good, because its budget is used up: [`GiveUp::Stop`](crate::GiveUp::Stop). It is down then, or
    /// forgotten.
    GivenUp {
        /// The child.
        child: ChildKey,
        /// The exit that was one too many.
        exit: Exit,
        /// The reason against one more restart.
        reason: GiveUpReason,
    },
    /// A significant child ended and is not restarted (OTP rules 74 to 76).
    SignificantEnded {
        /// The child.
        child: ChildKey,
        /// Its exit.
        exit: Exit,
        /// Whether this exit ends the supervisor.
        is_last: bool,
    },
    /// A restart was put off: the child is started again at this time, unless an order or a group restart comes first.
    Delayed {
        /// The child.
        child: ChildKey,
        /// The time of its start.
        until: Duration,
    },
    /// A child is not started yet, because services that it depends on are not ready.
    Waiting {
        /// The child.
        child: ChildKey,
        /// The services, as the child's spec names them.
        services: Vec<Arc<str>>,
    },
    /// Too many messages of the child failed: [`Policy::failure_rate`](field@crate::Policy::failure_rate). What happens
    /// then, the policy says.
    TooManyFailures {
        /// The child.
        child: ChildKey,
        /// The failures in the window.
        seen: FailuresSeen,
        /// The latest failure, as an exit.
        exit: Exit,
    },
    /// The value that the child keeps is set aside, because too many lives in a row that began with it have failed:
    /// [`Policy::kept`](field@crate::Policy::kept).
    KeptSetAside {
        /// The child.
        child: ChildKey,
        /// The number of those lives.
        failed: u32,
        /// The exit of the last one.
        exit: Exit,
        /// The consequence for the child.
        then: KeptThen,
    },
    /// The child is restarted because a service that it depends on is ready again in a new life:
    /// [`Dependency::restart`](crate::Dependency::restart).
    Renewed {
        /// The child.
        child: ChildKey,
        /// The service, as the child's spec names it.
        name: Arc<str>,
    },
    /// A service that the child depends on was gone for good when the child was to be started.
    DependencyGone {
        /// The child.
        child: ChildKey,
        /// The service, as the child's spec names it.
        name: Arc<str>,
        /// The rule of the child's policy for this case.
        then: DependencyGone,
    },
    /// The child is parked. Its restart budget is used up, a service that it depends on is gone or parked, or an order
    /// says so.
    Parked {
        /// The child.
        child: ChildKey,
        /// The time at which the child is tried. `None`: an order has to revive it, or the service that it waits for.
        until: Option<Duration>,
        /// The services that are gone or parked, as the child's spec names them. Empty in the other cases.
        services: Vec<Arc<str>>,
        /// The reason that came with the order, if an order parked the child.
        reason: Option<Arc<str>>,
    },
    /// An order stops a child, which is then started again.
    RestartOrdered {
        /// The child.
        child: ChildKey,
        /// The reason that came with the order.
        reason: Arc<str>,
    },
    /// A child is killed because its start took too long, or because it hung.
    Overdue {
        /// The attempt.
        attempt: Attempt,
        /// The exit that the attempt will have.
        exit: Exit,
    },
    /// A child that ends without having been told takes longer for that than its shutdown time. It is killed.
    Overran {
        /// The attempt.
        attempt: Attempt,
        /// The exit that the attempt will have: the one with which it began to end.
        exit: Exit,
    },
    /// A killed child did not end in time and was left behind.
    Abandoned {
        /// The attempt.
        attempt: Attempt,
    },
}
