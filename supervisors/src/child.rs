//! One child: where it stands, and who waits for it.

use std::fmt;
use std::time::Duration;

use crate::children::Attempt;
use crate::dependency::{Completion, Outlook, Prospect};
use crate::exit::Exit;
use crate::history::{Ended, History};
use crate::order::OrderId;
use crate::policy::Readiness;
use crate::rule::ExitKind;
use crate::spec::{ChildSpec, Restart, Strategy};

/// Where a child stands, as its supervisor sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildState {
    /// It has a spec and no process: OTP's `undefined`.
    Down,
    /// It is to be started again, now or after a delay: OTP's `restarting`.
    Retrying,
    /// It is to be started when the services that it depends on are ready.
    Waiting,
    /// It was put away, and is tried again from time to time: its budget was gone, or a service that it depends on is gone
    /// or parked.
    Parked,
    /// It is being started.
    Starting,
    /// It is up.
    Up,
    /// It has been told to stop.
    Stopping,
}

/// A child that has a process, or had one a moment ago.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) attempt: Attempt,
    pub(crate) stage: Stage,
    /// When it came to this stage.
    pub(crate) since: Duration,
    pub(crate) ending: Ending,
    /// Its start, or its stop, takes longer than a prompt one.
    pub(crate) is_slow: bool,
    /// It has handled as many messages as begin its curve anew.
    pub(crate) is_proven: bool,
    /// It never began: a service that it depends on is gone, and its start fails for that at its deadline.
    pub(crate) is_stillborn: bool,
    /// Why it is being killed, where it was not told to stop: its exit is that. While it is leaving: how it wants to end,
    /// which counts only if it takes too long.
    pub(crate) cause: Option<Box<Exit>>,
}

/// An order that waits for a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StartCall {
    pub(crate) call: OrderId,
    /// The spec came with the order, and goes if the start fails (OTP rule 60).
    pub(crate) is_new: bool,
}

impl Live {
    pub(crate) fn new(attempt: Attempt, since: Duration) -> Self {
        let (stage, ending) = (Stage::Starting, Ending::NotTold);
        Self { attempt, stage, since, ending, is_slow: false, is_proven: false, is_stillborn: false, cause: None }
    }

    /// It was told to stop, and will end for that.
    pub(crate) fn is_told(&self) -> bool {
        matches!(self.ending, Ending::Asked | Ending::Killed)
    }

    /// How it ended, with what is to be known of its life.
    pub(crate) fn ended(&self, exit: Exit, now: Duration) -> Ended {
        let phase = match self.stage {
            Stage::Starting => Some(ExitKind::StartFailed),
            Stage::Up => Some(ExitKind::NotReady),
            Stage::Ready | Stage::Dead(_) => None,
        };
        Ended { exit, phase, lived: now.saturating_sub(self.since), is_proven: self.is_proven }
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Stage {
    Starting,
    /// Up, and not ready yet.
    Up,
    Ready,
    /// It ended unexpectedly, and that exit waits in the inbox.
    Dead(Box<Ended>),
}

/// Which step of its stop a child has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    NotTold,
    /// It is ending by itself, and has its shutdown time for that: its exit will be an unexpected one.
    Leaving,
    /// Somebody else kills it: its exit will be an unexpected one.
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

/// To be started later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) hold: Hold,
    pub(crate) scope: Scope,
    /// The budget has been charged for it.
    pub(crate) is_paid: bool,
}

impl Held {
    /// A start that takes nobody along, and costs nothing.
    pub(crate) const ALONE: Self = Self { hold: Hold::Queued, scope: Scope::Alone, is_paid: true };
}

/// What a child that is to be started waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Its turn: OTP's retry, behind what waits already (OTP rule 31).
    Queued,
    /// This moment.
    Backoff { until: Duration },
    /// The services that it depends on.
    Dependency,
    /// Its next probe.
    Parked { until: Duration },
    /// A service that it depends on and that is parked until then, or gone, which is looked at again then.
    Blocked { until: Duration },
}

impl Hold {
    /// When it is over, where a time is set.
    pub(crate) fn until(self) -> Option<Duration> {
        match self {
            Self::Backoff { until } | Self::Parked { until } | Self::Blocked { until } => Some(until),
            Self::Queued | Self::Dependency => None,
        }
    }
}

/// Who is started together with a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Whoever the strategy says.
    Strategy,
    /// All.
    All,
    /// Nobody.
    Alone,
}

impl Scope {
    /// What it comes to under this strategy.
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
    /// None until something has gone wrong.
    pub(crate) history: Option<Box<History>>,
    /// It is down until somebody orders otherwise, and not only until its group is started.
    pub(crate) is_at_rest: bool,
    /// Calls to it are refused below this supervisor, until its group is started.
    pub(crate) is_withdrawn: bool,
    /// It was parked, and has not been up or opened since: its mailbox refuses what it is sent.
    pub(crate) is_closed: bool,
    /// An order ended its last life, or its wait for one. Nothing is decided by it.
    pub(crate) was_terminated: bool,
    /// When something is due: the next step of a stop, the end of a delay, of a start that takes too long.
    pub(crate) deadline: Option<Duration>,
    /// Who ordered its start and waits for it.
    pub(crate) start_call: Option<StartCall>,
    /// Who ordered its stop and waits for it.
    #[expect(clippy::box_collection, reason = "few children have any, and each has room for it")]
    pub(crate) stop_calls: Option<Box<Vec<OrderId>>>,
    /// Its place in the start order.
    pub(crate) place: u64,
    /// It was up at least once.
    pub(crate) has_lived: bool,
    /// Its last life ended as it should, and no attempt has begun since.
    pub(crate) completion: Option<Completion>,
}

/// Only what a decision may come to depend on: two machines with one future look alike.
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
            has_lived,
            completion,
            ..
        } = self;
        let history = history.as_ref().filter(|_| spec.terms.policy.is_some());
        let has_lived = *has_lived && !spec.dependencies().is_empty();
        let seen = (spec, state, history, is_at_rest, is_closed, deadline, start_call, stop_calls, place);
        f.debug_tuple("Child").field(&seen).field(&has_lived).field(completion).field(is_withdrawn).finish()
    }
}

impl Child {
    /// A child that is down.
    pub(crate) fn new(spec: ChildSpec, place: u64) -> Self {
        let (state, history, is_at_rest, deadline, start_call) = (State::Down, None, false, None, None);
        let (stop_calls, has_lived, completion, was_terminated, is_closed) = (None, false, None, false, false);
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
            has_lived,
            completion,
        }
    }

    pub(crate) fn attempt(&self) -> Option<Attempt> {
        match &self.state {
            State::Live(live) => Some(live.attempt),
            State::Down | State::Held(_) => None,
        }
    }

    /// It has none, and nothing of it is left: it is down, held, or died of itself.
    pub(crate) fn has_no_process(&self) -> bool {
        match &self.state {
            State::Down | State::Held(_) => true,
            State::Live(live) => matches!(live.stage, Stage::Dead(_)),
        }
    }

    pub(crate) fn history_mut(&mut self) -> &mut History {
        self.history.get_or_insert_default()
    }

    /// Down only until its group is started.
    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self.state, State::Down) && !self.is_at_rest
    }

    /// What those that depend on it can count on.
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
        Outlook { prospect, completion: self.completion }
    }

    pub(crate) fn start_timeout(&self) -> Option<Duration> {
        self.spec.terms.policy.as_ref()?.start_timeout
    }

    pub(crate) fn readiness(&self) -> Readiness {
        self.spec.terms.policy.as_ref().and_then(|policy| policy.readiness).unwrap_or_default()
    }

    /// A group restart passes it over: it is parked, or somebody has ordered its start and waits for it.
    pub(crate) fn is_apart(&self) -> bool {
        match &self.state {
            State::Held(held) => {
                matches!(held.hold, Hold::Parked { .. } | Hold::Blocked { .. }) || self.start_call.is_some()
            }
            State::Live(_) | State::Down => false,
        }
    }

    /// In the middle of a start, or of a stop that was ordered.
    pub(crate) fn is_awaited(&self) -> bool {
        match self.standing() {
            ChildState::Starting => matches!(&self.state, State::Live(Live { ending: Ending::NotTold, .. })),
            ChildState::Stopping => self.stop_calls.is_some(),
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
