//! What both kinds of supervisor are made of: the children, the ladder by which one of them is stopped, the patience
//! with which one is started, and what comes out.
//!
//! Invariants:
//! 1. A child on the ladder that ends is never restarted for it and costs no unit (OTP rules 25, 52).
//! 2. Each rung has a limit of its own; only `Shutdown::Wait` and `Abandon::Never` have none.
//! 3. A child has at most one entry in the timer table: for the next rung, for a start that takes too long, or for the end
//!    of a delay. A child that is down has none.
//! 4. A start, and a stop that was ordered, hold up other events for at most [`PATIENCE`], and only while no other is known
//!    to be slow: what is prompt happens in OTP's order, and what hangs delays nobody.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::action::{Action, Report};
use crate::children::{
    Attempt, Child, ChildKey, Children, Ending, Held, Hold, Live, Scope, Stage, Standing, StartCall, State,
};
use crate::exit::Exit;
use crate::intensity::Budget;
use crate::order::{Answer, Call, Order, OrderError};
use crate::policy::Readiness;
use crate::spec::{Abandon, BudgetClock, Restart, Shutdown};
use crate::track::Ended;

/// How long a start or a stop that others wait for counts as prompt.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1);

#[derive(Debug, Clone)]
pub struct Nursery {
    pub(crate) children: Children,
    pub(crate) budget: Budget,
    pub(crate) actions: VecDeque<Action>,
    pub(crate) reports: VecDeque<Report>,
    /// Exits and orders whose turn has not come yet.
    pub(crate) inbox: VecDeque<Event>,
    pub(crate) now: Duration,
    /// Services elsewhere that are ready, as the driver calls them.
    pub(crate) ready: HashSet<Arc<str>>,
    pub(crate) clock: BudgetClock,
    /// How many children are being stopped, and since when without a break.
    stops: usize,
    pub(crate) stops_since: Option<Duration>,
    /// The time that budgets do not know of, without the stops that are going on.
    pub(crate) left_out: Duration,
    timers: BTreeSet<(Duration, ChildKey)>,
    /// The start or stop that is given time to prove prompt, and since when.
    awaited: Option<(Attempt, Duration)>,
    /// How many have proved slow and are still going on.
    slow: usize,
}

/// What waits in the inbox.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A child died unexpectedly. Its exit lies in the table, so that a stop that comes first can consume it.
    Exit(Attempt),
    /// An automatic restart failed and is to be tried again (OTP rule 31).
    Retry(ChildKey),
    /// The parent wants this supervisor to end.
    Stop { exit: Exit, given: Duration },
    /// A management order.
    Order { call: Call, order: Order, given: Duration },
}

/// What stopping a child comes to.
pub(crate) enum Stop {
    /// It had no process, and will not have the one that this order waits for.
    Idle(Option<StartCall>),
    /// It was dead already, of this (OTP rule 52).
    Dead(Exit),
    /// It has been told.
    Told,
}

impl Nursery {
    pub(crate) fn new(budget: Budget) -> Self {
        Self {
            children: Children::default(),
            budget,
            actions: VecDeque::new(),
            reports: VecDeque::new(),
            inbox: VecDeque::new(),
            now: Duration::ZERO,
            ready: HashSet::new(),
            clock: BudgetClock::All,
            stops: 0,
            stops_since: None,
            left_out: Duration::ZERO,
            timers: BTreeSet::new(),
            awaited: None,
            slow: 0,
        }
    }

    pub(crate) fn tick(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// Nothing is decided any more: who has given an order is told so.
    pub(crate) fn empty_inbox(&mut self) {
        for event in std::mem::take(&mut self.inbox) {
            if let Event::Order { call, .. } = event {
                self.answer(call, Err(OrderError::Over));
            }
        }
    }

    /// The end of a child that died, when its turn comes; `None` where a stop that came first has consumed it (OTP rules
    /// 43, 52).
    pub(crate) fn take_exit(&mut self, attempt: Attempt) -> Option<Ended> {
        let Live { stage: Stage::Dead(ended), .. } = self.children.live_mut(attempt)? else { return None };
        let ended = (**ended).clone();
        self.vacate(attempt.child());
        Some(ended)
    }

    /// A start that came to nothing, which nobody ordered.
    pub(crate) fn failed(&mut self, attempt: Attempt, exit: Exit) -> (Option<StartCall>, Ended) {
        let now = self.now;
        let Some(live) = self.children.live_mut(attempt) else {
            unreachable!("only the failure of a start that is under way comes here")
        };
        let ended = live.ended(exit, now);
        (self.ended(attempt).and_then(|live| live.start_call), ended)
    }

    /// The child is to be started later.
    pub(crate) fn hold(&mut self, key: ChildKey, held: Held) {
        self.disarm(key);
        let Some(child) = self.children.get_mut(key) else { return };
        child.state = State::Held(held);
        if let Some(deadline) = child.deadline() {
            self.timers.insert((deadline, key));
        }
        match held.hold {
            Hold::Queued => self.inbox.push_back(Event::Retry(key)),
            Hold::Backoff { until } => self.reports.push_back(Report::Delayed { child: key, until }),
            Hold::Dependency => self.reports.push_back(Report::Waiting { child: key }),
            Hold::Parked { .. } => {}
        }
    }

    /// An ordered start. It waits for the services that the child depends on, and so does whoever ordered it.
    pub(crate) fn start_for(&mut self, key: ChildKey, call: StartCall) {
        let held = Held { start_call: Some(call), ..Held::new(Hold::Dependency, Scope::Alone).paid() };
        self.start_after(key, Duration::ZERO, held);
    }

    /// Starts it when the delay is over and everybody it depends on is ready: now, if it can be.
    pub(crate) fn start_after(&mut self, key: ChildKey, delay: Duration, held: Held) {
        if !delay.is_zero() {
            let hold = Hold::Backoff { until: self.now.saturating_add(delay) };
            self.hold(key, Held { hold, ..held });
        } else if self.is_independent(key) {
            self.start(key, held.start_call);
        } else {
            self.hold(key, Held { hold: Hold::Dependency, ..held });
        }
    }

    /// A failed automatic restart is tried again: behind what already waits (OTP rules 30, 31), or after a delay.
    pub(crate) fn try_again(&mut self, key: ChildKey, held: Held, delay: Duration) {
        let hold = match delay {
            Duration::ZERO => Hold::Queued,
            delay => Hold::Backoff { until: self.now.saturating_add(delay) },
        };
        self.hold(key, Held { hold, ..held });
    }

    pub(crate) fn answer(&mut self, call: Call, result: Result<Answer, OrderError>) {
        self.actions.push_back(Action::Answer { call, result });
    }

    /// Begins an attempt. `call` waits for its outcome.
    pub(crate) fn start(&mut self, key: ChildKey, call: Option<StartCall>) {
        self.disarm(key);
        let attempt = self.children.next_attempt(key);
        let Some(child) = self.children.get_mut(key) else { return };
        let limit = child.spec.policy.as_ref().and_then(|policy| policy.start_timeout);
        child.state = State::Live(Live::new(attempt, self.now, call));
        child.is_at_rest = false;
        if let Some(limit) = limit {
            self.arm(key, limit);
        }
        self.actions.push_back(Action::Start(attempt));
        self.wait_for(attempt);
    }

    /// Others wait for this attempt to come up, or to be gone (invariant 4).
    pub(crate) fn wait_for(&mut self, attempt: Attempt) {
        if self.slow == 0 {
            self.awaited = Some((attempt, self.now));
        }
    }

    /// The attempt is up; who waited for it is told.
    pub(crate) fn started(&mut self, attempt: Attempt) {
        let key = attempt.child();
        let Some(Live { stage: Stage::Starting, .. }) = self.children.live_mut(attempt) else { return };
        let Some(readiness) = self.children.get(key).map(Child::readiness) else { return };
        let Some(live) = self.children.live_mut(attempt) else { return };
        live.stage = Stage::Up;
        let was_slow = std::mem::take(&mut live.is_slow);
        let call = live.start_call.take();
        self.slow -= usize::from(was_slow);
        if let Some(StartCall { call, .. }) = call {
            self.answer(call, Ok(Answer::Started(attempt)));
        }
        if readiness == Readiness::WhenUp {
            self.became_ready(attempt);
        }
    }

    /// The attempt is over, whether or not it was up. `None`: it is not known (any more).
    pub(crate) fn ended(&mut self, attempt: Attempt) -> Option<Live> {
        self.children.live_mut(attempt)?;
        self.vacate(attempt.child())
    }

    /// The child has no process any more, and none is to come.
    pub(crate) fn vacate(&mut self, key: ChildKey) -> Option<Live> {
        self.disarm(key);
        let child = self.children.get_mut(key)?;
        match std::mem::replace(&mut child.state, State::Down) {
            State::Live(live) => {
                self.slow -= usize::from(live.is_slow);
                self.set_stopping(matches!(live.ending, Ending::Asked | Ending::Killed), false);
                Some(live)
            }
            State::Down | State::Held(_) => None,
        }
    }

    /// One child more, or less, is being stopped.
    fn set_stopping(&mut self, was: bool, is: bool) {
        match (was, is) {
            (false, true) => {
                self.stops += 1;
                self.stops_since.get_or_insert(self.now);
            }
            (true, false) => {
                self.stops -= 1;
                if self.stops == 0 {
                    self.left_out = self.now.saturating_sub(self.budget_now());
                    self.stops_since = None;
                }
            }
            (true, true) | (false, false) => {}
        }
    }

    /// Its spec is forgotten.
    pub(crate) fn forget(&mut self, key: ChildKey) {
        self.vacate(key);
        if self.children.remove(key).is_some() {
            self.actions.push_back(Action::Forget(key));
        }
    }

    /// Invariant 4: until when what may still prove prompt holds up other events.
    pub(crate) fn patient_until(&self) -> Option<Duration> {
        let (attempt, since) = self.awaited?;
        match &self.children.get(attempt.child())?.state {
            State::Live(live) if live.attempt == attempt && live.is_awaited() => Some(since.saturating_add(PATIENCE)),
            State::Live(_) | State::Down | State::Held(_) => None,
        }
    }

    /// Whether other events are held up now. What took too long to be waited for is remembered as slow.
    pub(crate) fn is_patient(&mut self) -> bool {
        let until = self.patient_until();
        if until.is_some_and(|until| self.now < until) {
            return true;
        }
        if let (Some(_), Some((attempt, _))) = (until, self.awaited.take())
            && let Some(live) = self.children.live_mut(attempt)
            && !std::mem::replace(&mut live.is_slow, true)
        {
            self.slow += 1;
        }
        false
    }

    /// When the start was begun in the middle of which this child is.
    pub(crate) fn starting_since(&self, key: ChildKey) -> Option<Duration> {
        let child = self.children.get(key)?;
        match &child.state {
            State::Live(live) if child.standing() == Standing::Starting => Some(live.since),
            State::Live(_) | State::Down | State::Held(_) => None,
        }
    }

    /// When the next rung of anybody's ladder is due.
    pub(crate) fn next_rung(&self) -> Option<Duration> {
        self.timers.first().map(|&(at, _)| at)
    }

    /// Somebody outside has killed this attempt.
    pub(crate) fn kill_under_way(&mut self, attempt: Attempt) {
        let Some(live) = self.children.live_mut(attempt) else { return };
        if let (Ending::NotTold, Stage::Starting | Stage::Up | Stage::Ready) = (live.ending, &live.stage) {
            live.ending = Ending::KilledByOthers;
            self.disarm(attempt.child());
            self.arm_abandon(attempt.child());
        }
    }

    /// Puts a child on the ladder, or a rung further (OTP rules 47 to 49, 53).
    pub(crate) fn stop(&mut self, key: ChildKey, by_force: bool) -> Stop {
        let Some(child) = self.children.get_mut(key) else { return Stop::Idle(None) };
        let live = match &mut child.state {
            State::Live(live) => live,
            State::Down => return Stop::Idle(None),
            State::Held(held) => {
                let call = held.start_call;
                self.vacate(key);
                return Stop::Idle(call);
            }
        };
        if let Stage::Dead(ended) = &live.stage {
            return Stop::Dead(ended.exit.clone());
        }
        let rule = if by_force { Shutdown::Kill } else { child.spec.shutdown };
        match (live.ending, rule) {
            (Ending::Killed, _) | (Ending::Asked, Shutdown::After(_) | Shutdown::Wait) => {}
            // It is on the last rung already, and its deadline stands.
            (Ending::KilledByOthers, _) => {
                live.ending = Ending::Killed;
                self.set_stopping(false, true);
            }
            (Ending::NotTold | Ending::Asked, Shutdown::Kill) => self.kill(key),
            (Ending::NotTold, Shutdown::After(limit)) => self.ask(key, Some(limit)),
            (Ending::NotTold, Shutdown::Wait) => self.ask(key, None),
        }
        Stop::Told
    }

    /// Does what is due: a step up a ladder, the end of a delay, of a start that takes too long. The attempt that comes back
    /// was abandoned: it counts as killed.
    pub(crate) fn climb(&mut self) -> Option<Option<Attempt>> {
        let &(at, key) = self.timers.first()?;
        if at > self.now {
            return None;
        }
        self.disarm(key);
        let child = self.children.get(key)?;
        let live = match &child.state {
            State::Live(live) => live,
            State::Held(_) => {
                self.wake(key);
                return Some(None);
            }
            State::Down => return Some(None),
        };
        match live.ending {
            Ending::Asked => {
                self.kill(key);
                Some(None)
            }
            Ending::Killed | Ending::KilledByOthers => Some(self.abandon(key)),
            Ending::NotTold => {
                let (attempt, limit) =
                    (live.attempt, child.spec.policy.as_ref().and_then(|policy| policy.start_timeout));
                self.overdue(attempt, Exit::failed(format!("not ready after {:?}", limit.unwrap_or_default())));
                Some(None)
            }
        }
    }

    /// What waits in line is given no time, and all of it when it is let in.
    pub(crate) fn in_line(&mut self, attempt: Attempt, is_in_line: bool) {
        let key = attempt.child();
        let limit = self.children.get(key).and_then(|child| child.spec.policy.as_ref()?.start_timeout);
        if let Some(Live { stage: Stage::Starting, ending: Ending::NotTold, .. }) = self.children.live_mut(attempt) {
            self.disarm(key);
            if let (Some(limit), false) = (limit, is_in_line) {
                self.arm(key, limit);
            }
        }
    }

    /// Kills an attempt that takes too long. Its exit will be `exit`, and unexpected.
    pub(crate) fn overdue(&mut self, attempt: Attempt, exit: Exit) {
        let Some(live) = self.children.live_mut(attempt) else { return };
        if let (Ending::NotTold, Stage::Starting | Stage::Up | Stage::Ready) = (live.ending, &live.stage) {
            live.cause = Some(Box::new(exit.clone()));
            self.reports.push_back(Report::Overdue { attempt, exit });
            self.tell(attempt.child(), Ending::KilledByOthers, Action::Kill);
            self.arm_abandon(attempt.child());
        }
    }

    /// The last rung: go on without it.
    pub(crate) fn abandon(&mut self, key: ChildKey) -> Option<Attempt> {
        let State::Live(live) = &self.children.get(key)?.state else { return None };
        let attempt = live.attempt;
        self.actions.push_back(Action::Abandon(attempt));
        self.reports.push_back(Report::Abandoned { attempt });
        Some(attempt)
    }

    /// An unexpected exit is reported as OTP rule 19 says.
    pub(crate) fn report_exit(&mut self, key: ChildKey, exit: &Exit) {
        let Some(child) = self.children.get(key) else { return };
        if child.spec.restart == Restart::Permanent || exit.is_abnormal() {
            self.reports.push_back(Report::ChildTerminated { child: key, exit: exit.clone() });
        }
    }

    /// Whether a child that was told to stop may end so without a report (OTP rule 51).
    pub(crate) fn is_expected(&self, key: ChildKey, exit: &Exit) -> bool {
        let Some(child) = self.children.get(key) else { return true };
        let lasting = child.spec.restart == Restart::Permanent;
        let by_kill = child.spec.shutdown == Shutdown::Kill;
        match exit {
            Exit::Shutdown => !by_kill || !lasting,
            Exit::Normal | Exit::ShutdownWith(_) | Exit::ChildFailedToStart { .. } => !lasting,
            Exit::Killed => by_kill,
            Exit::Failed(_) | Exit::Panicked(_) | Exit::Hung(_) => false,
        }
    }

    fn ask(&mut self, key: ChildKey, limit: Option<Duration>) {
        self.tell(key, Ending::Asked, Action::Ask);
        if let Some(limit) = limit {
            self.arm(key, limit);
        }
    }

    fn kill(&mut self, key: ChildKey) {
        self.tell(key, Ending::Killed, Action::Kill);
        self.arm_abandon(key);
    }

    fn tell(&mut self, key: ChildKey, ending: Ending, action: fn(Attempt) -> Action) {
        self.disarm(key);
        if let Some(State::Live(live)) = self.children.get_mut(key).map(|child| &mut child.state) {
            let is_stop = |ending| matches!(ending, Ending::Asked | Ending::Killed);
            let was_stop = is_stop(std::mem::replace(&mut live.ending, ending));
            self.actions.push_back(action(live.attempt));
            self.set_stopping(was_stop, is_stop(ending));
        }
    }

    fn arm_abandon(&mut self, key: ChildKey) {
        match self.children.get(key).map(|child| child.spec.abandon) {
            Some(Abandon::After(limit)) => self.arm(key, limit),
            Some(Abandon::Never) | None => {}
        }
    }

    /// Invariant 3.
    fn arm(&mut self, key: ChildKey, limit: Duration) {
        let deadline = self.now.saturating_add(limit);
        if let Some(State::Live(live)) = self.children.get_mut(key).map(|child| &mut child.state) {
            live.deadline = Some(deadline);
            self.timers.insert((deadline, key));
        }
    }

    /// Invariant 3.
    pub(crate) fn disarm(&mut self, key: ChildKey) {
        let Some(child) = self.children.get_mut(key) else { return };
        if let Some(deadline) = child.deadline() {
            self.timers.remove(&(deadline, key));
        }
        if let State::Live(live) = &mut child.state {
            live.deadline = None;
        }
    }
}
