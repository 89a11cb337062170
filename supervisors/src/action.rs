//! What must be done, and what happened, as data.

use std::sync::Arc;
use std::time::Duration;

use crate::children::{Attempt, ChildKey};
use crate::dependency::DependencyGone;
use crate::exit::Exit;
use crate::order::{Answer, OrderError, OrderId};
use crate::why::GiveUpReason;

/// One thing the driver must do. Actions are to be performed in the order they are polled.
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
    /// The child that this order describes has this key from now on: a new one, or one whose spec was replaced.
    Adopt {
        /// The order.
        call: OrderId,
        /// Its key.
        child: ChildKey,
    },
    /// The answer to an order.
    Answer {
        /// The order.
        call: OrderId,
        /// What became of it.
        result: Result<Answer, OrderError>,
    },
    /// The child rests: it ended cleanly, was ignored or was terminated. An order or a group restart can bring it back.
    Rest(ChildKey),
    /// The child is parked: it refuses what it is sent until it is up again. It is tried at this time.
    Park {
        /// Which child.
        child: ChildKey,
        /// When it is tried.
        until: Duration,
    },
    /// The child rested or was parked, and now waits for services that it depends on or for its next try: its mailbox takes
    /// messages again.
    Wait(ChildKey),
    /// The child's spec is forgotten.
    Forget(ChildKey),
    /// The child is terminated by an order, and nothing will start it again by itself: it is to accept nothing more.
    Dismiss(ChildKey),
    /// The child was stopped together with others, and its group has not been started again: a call to it that comes from
    /// below this supervisor is to be refused, for what waits for it may be what the group waits for.
    Withdraw(ChildKey),
    /// The group of a child that was withdrawn is started: calls to it may wait again. A child that is started, rests or is
    /// forgotten is not withdrawn any more either, and no such action comes for it.
    Readmit(ChildKey),
    /// Boot is complete: every child has been started.
    Up,
    /// The supervisor itself has ended, after its last child. Nothing follows but the refusal of later orders. Without an
    /// [`Action::Up`] before it, the boot failed.
    End(Exit),
}

/// One thing that happened, for logs and subscribers. The first four are OTP's supervisor reports.
#[derive(Debug, Clone)]
pub enum Report {
    /// A child ended that should not have, or should not have yet ([OTP rule 19](crate::rules)).
    ChildTerminated {
        /// Which child.
        child: ChildKey,
        /// How it ended.
        exit: Exit,
    },
    /// A start failed.
    StartError {
        /// Which child.
        child: ChildKey,
        /// Why.
        exit: Exit,
    },
    /// A child that was told to stop ended otherwise than expected (OTP rule 51).
    ShutdownError {
        /// Which child.
        child: ChildKey,
        /// How it ended.
        exit: Exit,
    },
    /// The supervisor gives up: it stops its children and ends (OTP rule 28).
    GaveUp {
        /// The child whose exit was one too many.
        child: ChildKey,
        /// That exit.
        exit: Exit,
        /// What forbids one more restart.
        reason: GiveUpReason,
    },
    /// A significant child ended and is not restarted (OTP rules 74 to 76).
    SignificantEnded {
        /// Which child.
        child: ChildKey,
        /// How it ended.
        exit: Exit,
        /// Whether its end ends the supervisor.
        is_last: bool,
    },
    /// A restart was put off: the child is started again at this time, unless somebody is quicker.
    Delayed {
        /// Which child.
        child: ChildKey,
        /// When.
        until: Duration,
    },
    /// A child is not started yet, because services that it depends on are not ready.
    Waiting {
        /// Which child.
        child: ChildKey,
        /// The services, as the child's spec names them.
        services: Vec<Arc<str>>,
    },
    /// At its start, a service that it depends on was gone for good.
    DependencyGone {
        /// Which child.
        child: ChildKey,
        /// The service, as the child's spec names it.
        name: Arc<str>,
        /// What becomes of the child.
        then: DependencyGone,
    },
    /// The child is put away, and tried again at this time: its restart budget is gone, or a service that it depends on
    /// is gone or parked.
    Parked {
        /// Which child.
        child: ChildKey,
        /// When.
        until: Duration,
        /// The services that are gone or parked, as the child's spec names them. None where its budget is gone.
        services: Vec<Arc<str>>,
    },
    /// A child is killed because of this: its start took too long, or it hung.
    Overdue {
        /// Which attempt.
        attempt: Attempt,
        /// What its exit will be.
        exit: Exit,
    },
    /// A child that is ending by itself takes longer for that than its shutdown time. It is killed.
    Overran {
        /// Which attempt.
        attempt: Attempt,
        /// What its exit will be: that with which it began to end.
        exit: Exit,
    },
    /// A killed child did not end in time and was left behind.
    Abandoned {
        /// Which attempt.
        attempt: Attempt,
    },
}
