//! A child in the table of its supervisor: its state, and the orders that wait for it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::children::Attempt;
use crate::decision::Decision;
use crate::dependency::{Completion, Outlook, Prospect};
use crate::exit::Exit;
use crate::give_up::GiveUpReason;
use crate::history::{Ended, History};
use crate::kept::KeptMark;
use crate::order::{OrderError, OrderId};
use crate::policy::Readiness;
use crate::rule::ExitKind;
use crate::spec::{ChildSpec, Restart, Strategy};

/// The state of a child, as its supervisor sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildState {
    /// The child has a spec and no process: OTP's `undefined`.
    Down,
    /// The child is to be started again, now or after a delay: OTP's `restarting`.
    Retrying,
    /// The child is to be started when the services that it depends on are ready.
    Waiting,
    /// The child is parked. It is tried again from time to time if its budget was used up, or if a service that it
    /// depends on is gone or parked. A child that was parked by [order](crate::Order::Park) stays so until an order
    /// revives it.
    Parked,
    /// The child is being started.
    Starting,
    /// The child is up.
    Up,
    /// The child has been told to stop.
    Stopping,
}

/// A child that has a process, or had one a moment ago.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) attempt: Attempt,
    pub(crate) stage: Stage,
    /// The time at which this stage began.
    pub(crate) since: Duration,
    pub(crate) ending: Ending,
    /// The start or the stop has taken longer than the prompt window.
    pub(crate) is_slow: bool,
    /// The life has handled as many messages as make it a success.
    pub(crate) is_proven: bool,
    /// The attempt and the value that its service keeps.
    pub(crate) kept: KeptMark,
    /// The attempt never began, because a service that it depends on is gone. Its start fails for that at its deadline.
    pub(crate) never_began: bool,
    /// The child is a supervisor, and ends because the whole tree is to end.
    pub(crate) ends_tree: bool,
    /// A task with this life, or after it, besides those that its end calls for. Few lives have one.
    pub(crate) errand: Option<Box<Errand>>,
    /// The exit of an attempt that is killed without having been told to stop. While the attempt is leaving: the exit
    /// that it is about to have, which counts only if it takes too long.
    pub(crate) cause: Option<Box<Exit>>,
}

/// Each child has room for one.
const _: () = assert!(size_of::<Live>() <= 72);

/// An order that waits for a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StartCall {
    pub(crate) call: OrderId,
    /// The spec came with the order, and is forgotten if the start fails (OTP rule 60).
    pub(crate) is_new: bool,
}

impl Live {
    pub(crate) fn new(attempt: Attempt, since: Duration) -> Self {
        let (stage, ending) = (Stage::Starting, Ending::NotTold);
        Self {
            attempt,
            stage,
            since,
            ending,
            is_slow: false,
            is_proven: false,
            kept: KeptMark::Unread,
            never_began: false,
            ends_tree: false,
            errand: None,
            cause: None,
        }
    }

    /// Whether the attempt was told to stop, so that its exit is expected.
    pub(crate) fn is_told(&self) -> bool {
        matches!(self.ending, Ending::Asked | Ending::Killed)
    }

    /// Whether an order parks the child when this life has ended.
    pub(crate) fn is_to_be_parked(&self) -> bool {
        matches!(self.errand.as_deref(), Some(Errand::Park { .. }))
    }

    /// Whether the attempt is up, and has not begun to end.
    pub(crate) fn goes_on(&self) -> bool {
        matches!(self.stage, Stage::Up | Stage::Ready) && self.ending == Ending::NotTold
    }

    /// Describes the end of this life.
    pub(crate) fn ended(&self, exit: Exit, now: Duration) -> Ended {
        let phase = match self.stage {
            Stage::Starting => Some(ExitKind::StartFailed),
            Stage::Up => Some(ExitKind::NotReady),
            Stage::Ready | Stage::Dead(_) => None,
        };
        let lived = now.saturating_sub(self.since);
        let Self { is_proven, kept, ends_tree, .. } = *self;
        Ended { exit, phase, lived, is_proven, has_kept: kept == KeptMark::BeganWithIt, ends_tree }
    }
}

/// A task with a life, or after it, besides those that its end calls for.
#[derive(Debug, Clone)]
pub(crate) enum Errand {
    /// Restart the child when it is up: this service, which it depends on, became ready in a new life meanwhile.
    RenewWhenUp(Arc<str>),
    /// Start the child again when it is gone. It was told to stop for a service that it depends on, or by an order to
    /// restart it.
    Renew,
    /// Carry this out when the child is gone. It was told to stop because too many of its messages failed.
    Then(Decision),
    /// Park the child when it is gone, until it is revived: this order says so.
    Park { call: OrderId, reason: Arc<str> },
}

#[derive(Debug, Clone)]
pub(crate) enum Stage {
    Starting,
    /// The child is up, and not ready yet.
    Up,
    Ready,
    /// The child ended unexpectedly, and that exit waits in the inbox.
    Dead(Box<Ended>),
}

/// A step in the stop of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    NotTold,
    /// The attempt ends without having been told, and has its shutdown time for that. Its exit will be an unexpected
    /// one.
    Leaving,
    /// A kill has come that the supervisor did not order. The exit will be an unexpected one.
    KilledByOthers,
    Asked,
    Killed,
}

#[derive(Debug, Clone)]
pub(crate) enum State {
    Down,
    Held(Held),
    Live(Live),
}

/// A start that is to come later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) hold: Hold,
    pub(crate) scope: Scope,
    /// Whether the budget has been charged for the start.
    pub(crate) is_paid: bool,
}

impl Held {
    /// A start of this child alone, which costs nothing.
    pub(crate) const ALONE: Self = Self { hold: Hold::Queued, scope: Scope::Alone, is_paid: true };
}

/// The event that a later start waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// The turn of the child: OTP's retry, behind everything that waits already (OTP rule 31).
    Queued,
    /// This moment.
    Backoff { until: Duration },
    /// The services that the child depends on.
    Dependency,
    /// The next probe. `None`: an order has parked the child, and only an order brings it back.
    Parked { until: Option<Duration> },
    /// A service that the child depends on, and that is gone or parked until then. At that time the service is looked
    /// at again. `None`: the service is parked without a next try.
    Blocked { until: Option<Duration> },
}

impl Hold {
    /// Returns the time at which the wait is over, if one is set.
    pub(crate) fn until(self) -> Option<Duration> {
        match self {
            Self::Backoff { until } => Some(until),
            Self::Parked { until } | Self::Blocked { until } => until,
            Self::Queued | Self::Dependency => None,
        }
    }
}

/// The children that are started together with a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those that the strategy names.
    Strategy,
    /// All children.
    All,
    /// No other child.
    Alone,
}

impl Scope {
    /// Returns the strategy that this scope amounts to, under the strategy of the supervisor.
    pub(crate) fn under(self, strategy: Strategy) -> Strategy {
        match self {
            Self::Strategy => strategy,
            Self::All => Strategy::OneForAll,
            Self::Alone => Strategy::OneForOne,
        }
    }
}

#[derive(Clone)]
pub(crate) struct Child {
    pub(crate) spec: ChildSpec,
    pub(crate) state: State,
    /// Made when the first failure, or a source of chance, has to be kept.
    pub(crate) history: Option<Box<History>>,
    /// The child stays down until an order starts it. A child that is down and not at rest waits for its group.
    pub(crate) is_at_rest: bool,
    /// Calls from below this supervisor to the child are refused until its group is started.
    pub(crate) is_withdrawn: bool,
    /// The child was parked, and has not been up or opened since: its mailbox refuses messages.
    pub(crate) is_closed: bool,
    /// The deadline of the child: the next step of its stop, the end of its delay, or the limit of its start.
    pub(crate) was_terminated: bool,
    /// The time of the next step of a stop, of the end of a delay, or of the end of a start that takes too long.
    pub(crate) deadline: Option<Duration>,
    /// The order that waits for a start of the child.
    pub(crate) start_call: Option<StartCall>,
    /// The orders that wait for a stop of the child.
    #[expect(clippy::box_collection, reason = "few children have any, and each has room for it")]
    pub(crate) stop_calls: Option<Box<Vec<OrderId>>>,
    /// The place of the child in the start order.
    pub(crate) place: u64,
    /// The number of the latest attempt that came up; zero if none did.
    pub(crate) latest_up: u64,
    /// Set if the last life ended normally, and no attempt has begun since.
    pub(crate) completion: Option<Completion>,
}

/// Prints only what a decision may come to depend on: two machines with the same future look alike.
impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            spec,
            state,
            history,
            is_at_rest,
            is_withdrawn,
            is_closed,
            deadline,
            start_call,
            stop_calls,
            place,
            latest_up: _,
            completion,
            ..
        } = self;
        let kept = history.as_ref().map_or((0, false), |history| (history.kept_failed, history.parks_for_kept));
        let history = history.as_ref().filter(|_| spec.terms.policy.is_some());
        let has_lived = self.has_lived() && !spec.dependencies().is_empty();
        let seen = (spec, state, history, is_at_rest, is_closed, deadline, start_call, stop_calls, place);
        f.debug_tuple("Child")
            .field(&seen)
            .field(&has_lived)
            .field(completion)
            .field(is_withdrawn)
            .field(&kept)
            .finish()
    }
}

impl Child {
    /// A child that is down.
    pub(crate) fn new(spec: ChildSpec, place: u64) -> Self {
        let (state, history, is_at_rest, deadline, start_call) = (State::Down, None, false, None, None);
        let (stop_calls, latest_up, completion, was_terminated, is_closed) = (None, 0, None, false, false);
        Self {
            spec,
            state,
            history,
            is_at_rest,
            is_withdrawn: false,
            is_closed,
            was_terminated,
            deadline,
            start_call,
            stop_calls,
            place,
            latest_up,
            completion,
        }
    }

    /// Whether the child was up at least once.
    pub(crate) fn has_lived(&self) -> bool {
        self.latest_up > 0
    }

    /// Whether this is the present attempt, or the latest that came up.
    pub(crate) fn is_latest_life(&self, life: Attempt) -> bool {
        self.attempt() == Some(life) || self.latest_up == life.number()
    }

    /// Checks that an order may park the child.
    pub(crate) fn check_park(&self) -> Result<(), OrderError> {
        match &self.state {
            State::Live(live) if live.is_told() || live.is_to_be_parked() => Err(OrderError::Stopping),
            // The order that brought the child would have to say whether it is there.
            _ if self.start_call.is_some_and(|start| start.is_new) => Err(OrderError::Starting),
            State::Held(Held { hold: Hold::Parked { until: None }, .. }) => Err(OrderError::Parked),
            State::Down if self.is_at_rest => Err(OrderError::Down),
            State::Live(_) | State::Held(_) | State::Down => Ok(()),
        }
    }

    pub(crate) fn attempt(&self) -> Option<Attempt> {
        match &self.state {
            State::Live(live) => Some(live.attempt),
            State::Down | State::Held(_) => None,
        }
    }

    /// Whether the child has no process: it is down or held, or has ended unexpectedly and its exit waits.
    pub(crate) fn has_no_process(&self) -> bool {
        match &self.state {
            State::Down | State::Held(_) => true,
            State::Live(live) => matches!(live.stage, Stage::Dead(_)),
        }
    }

    pub(crate) fn history_mut(&mut self) -> &mut History {
        self.history.get_or_insert_default()
    }

    /// Whether the child is down only until its group is started.
    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self.state, State::Down) && !self.is_at_rest
    }

    /// Returns what dependents of the child can count on.
    pub(crate) fn outlook(&self) -> Outlook {
        let prospect = match &self.state {
            State::Live(Live { stage: Stage::Ready, ending: Ending::NotTold, .. }) => Prospect::Ready,
            State::Live(_) => Prospect::MayCome,
            State::Held(Held { hold: Hold::Parked { until } | Hold::Blocked { until }, .. }) => {
                Prospect::Parked { until: *until }
            }
            State::Held(Held { hold: Hold::Queued | Hold::Backoff { .. } | Hold::Dependency, .. }) => Prospect::MayCome,
            State::Down if self.is_at_rest => Prospect::Gone,
            State::Down => Prospect::MayCome,
        };
        Outlook { prospect, completion: self.completion, life: self.attempt().map_or(0, Attempt::number) }
    }

    pub(crate) fn start_timeout(&self) -> Option<Duration> {
        self.spec.terms.policy.as_ref()?.start_timeout
    }

    pub(crate) fn readiness(&self) -> Readiness {
        self.spec.terms.policy.as_ref().and_then(|policy| policy.readiness).unwrap_or_default()
    }

    /// Returns the reason why the policy of the child has ended it for good, while the child is down for that.
    pub(crate) fn given_up(&self) -> Option<GiveUpReason> {
        self.history.as_ref()?.given_up.as_deref().copied().filter(|_| matches!(self.state, State::Down))
    }

    /// Whether a group restart passes the child over: it is parked, it has ended for good, or an order waits for its
    /// start.
    pub(crate) fn is_apart(&self) -> bool {
        match &self.state {
            State::Held(held) => {
                matches!(held.hold, Hold::Parked { .. } | Hold::Blocked { .. }) || self.start_call.is_some()
            }
            State::Down => self.given_up().is_some(),
            State::Live(_) => false,
        }
    }

    /// Whether the child is in the middle of a start, or of a stop that was ordered.
    pub(crate) fn is_awaited(&self) -> bool {
        match self.standing() {
            ChildState::Starting => matches!(&self.state, State::Live(Live { ending: Ending::NotTold, .. })),
            ChildState::Stopping => {
                self.stop_calls.is_some() || matches!(&self.state, State::Live(live) if live.is_to_be_parked())
            }
            ChildState::Down | ChildState::Retrying | ChildState::Waiting | ChildState::Parked | ChildState::Up => {
                false
            }
        }
    }

    pub(crate) fn is_temporary(&self) -> bool {
        self.spec.terms.restart == Restart::Temporary
    }

    pub(crate) fn standing(&self) -> ChildState {
        match &self.state {
            State::Down => ChildState::Down,
            State::Held(held) => match held.hold {
                Hold::Queued | Hold::Backoff { .. } => ChildState::Retrying,
                Hold::Dependency => ChildState::Waiting,
                Hold::Parked { .. } | Hold::Blocked { .. } => ChildState::Parked,
            },
            State::Live(live) => match (live.ending, &live.stage) {
                (Ending::Asked | Ending::Killed, _) => ChildState::Stopping,
                (Ending::NotTold | Ending::Leaving | Ending::KilledByOthers, stage) => match stage {
                    Stage::Starting => ChildState::Starting,
                    Stage::Up | Stage::Ready | Stage::Dead(_) => ChildState::Up,
                },
            },
        }
    }
}
