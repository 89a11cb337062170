//! What both kinds of supervisor are made of: the children, the ladder by which one of them is stopped, the patience
//! with which one is started, and what comes out.
//!
//! Invariants:
//! 1. A child on the ladder that ends is never restarted for it and costs no unit (OTP rules 25, 52).
//! 2. Each rung has a limit of its own; only `Shutdown::Wait` and `Abandon::Never` have none.
//! 3. A live child has at most one entry in the timer table, and a child that is not live has none.
//! 4. A start, and a stop that was ordered, hold up other events for at most [`PATIENCE`], and only while no other is known
//!    to be slow: what is prompt happens in OTP's order, and what hangs delays nobody.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::action::{Action, Report};
use crate::children::{Attempt, ChildKey, Children, Ending, Live, Stage, Standing, StartCall, State};
use crate::exit::Exit;
use crate::intensity::Budget;
use crate::order::{Answer, Call, Order, OrderError};
use crate::spec::{Abandon, Restart, Shutdown};

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
    /// It had no process.
    Idle,
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

    /// The exit of a child that died, when its turn comes; `None` where a stop that came first has consumed it (OTP rules
    /// 43, 52).
    pub(crate) fn take_exit(&mut self, attempt: Attempt) -> Option<Exit> {
        let Live { stage: Stage::Dead(exit), .. } = self.children.live_mut(attempt)? else { return None };
        let exit = exit.clone();
        self.vacate(attempt.child());
        Some(exit)
    }

    /// Whether a child is still to be tried again when its turn comes: not where it was terminated or revived meanwhile
    /// (OTP rule 32).
    pub(crate) fn is_retrying(&self, key: ChildKey) -> bool {
        self.children.get(key).is_some_and(|child| matches!(child.state, State::Retrying))
    }

    /// A failed automatic restart is tried again, behind what already waits (OTP rules 30, 31).
    pub(crate) fn try_again(&mut self, key: ChildKey) {
        if let Some(child) = self.children.get_mut(key) {
            child.state = State::Retrying;
            self.inbox.push_back(Event::Retry(key));
        }
    }

    pub(crate) fn answer(&mut self, call: Call, result: Result<Answer, OrderError>) {
        self.actions.push_back(Action::Answer { call, result });
    }

    /// Begins an attempt. `call` waits for its outcome.
    pub(crate) fn start(&mut self, key: ChildKey, call: Option<StartCall>) {
        let attempt = self.children.next_attempt(key);
        let Some(child) = self.children.get_mut(key) else { return };
        child.state = State::Live(Live::new(attempt, self.now, call));
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
        let Some(live @ Live { stage: Stage::Starting, .. }) = self.children.live_mut(attempt) else { return };
        live.stage = Stage::Up;
        let was_slow = std::mem::take(&mut live.is_slow);
        let call = live.start_call.take();
        self.slow -= usize::from(was_slow);
        if let Some(StartCall { call, .. }) = call {
            self.answer(call, Ok(Answer::Started(attempt)));
        }
    }

    /// The attempt is over, whether or not it was up. `None`: it is not known (any more).
    pub(crate) fn ended(&mut self, attempt: Attempt) -> Option<Live> {
        self.children.live_mut(attempt)?;
        self.vacate(attempt.child())
    }

    /// The child has no process any more.
    pub(crate) fn vacate(&mut self, key: ChildKey) -> Option<Live> {
        self.disarm(key);
        let child = self.children.get_mut(key)?;
        match std::mem::replace(&mut child.state, State::Down) {
            State::Live(live) => {
                self.slow -= usize::from(live.is_slow);
                Some(live)
            }
            State::Down | State::Retrying => None,
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
            State::Live(_) | State::Down | State::Retrying => None,
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
            State::Live(live) if child.standing() == Standing::Starting => Some(live.begun),
            State::Live(_) | State::Down | State::Retrying => None,
        }
    }

    /// When the next rung of anybody's ladder is due.
    pub(crate) fn next_rung(&self) -> Option<Duration> {
        self.timers.first().map(|&(at, _)| at)
    }

    /// Somebody outside has killed this attempt.
    pub(crate) fn kill_under_way(&mut self, attempt: Attempt) {
        let Some(live) = self.children.live_mut(attempt) else { return };
        if let (Ending::NotTold, Stage::Starting | Stage::Up) = (live.ending, &live.stage) {
            live.ending = Ending::KilledByOthers;
            self.arm_abandon(attempt.child());
        }
    }

    /// Puts a child on the ladder, or a rung further (OTP rules 47 to 49, 53).
    pub(crate) fn stop(&mut self, key: ChildKey, by_force: bool) -> Stop {
        let Some(child) = self.children.get_mut(key) else { return Stop::Idle };
        let live = match &mut child.state {
            State::Live(live) => live,
            State::Down => return Stop::Idle,
            State::Retrying => {
                child.state = State::Down;
                return Stop::Idle;
            }
        };
        if let Stage::Dead(exit) = &live.stage {
            return Stop::Dead(exit.clone());
        }
        let rule = if by_force { Shutdown::Kill } else { child.spec.shutdown };
        match (live.ending, rule) {
            (Ending::Killed, _) | (Ending::Asked, Shutdown::After(_) | Shutdown::Wait) => {}
            // It is on the last rung already, and its deadline stands.
            (Ending::KilledByOthers, _) => live.ending = Ending::Killed,
            (Ending::NotTold | Ending::Asked, Shutdown::Kill) => self.kill(key),
            (Ending::NotTold, Shutdown::After(limit)) => self.ask(key, Some(limit)),
            (Ending::NotTold, Shutdown::Wait) => self.ask(key, None),
        }
        Stop::Told
    }

    /// Takes one step up a ladder whose rung is due. The attempt that comes back was abandoned: it counts as killed.
    pub(crate) fn climb(&mut self) -> Option<Option<Attempt>> {
        let &(at, key) = self.timers.first()?;
        if at > self.now {
            return None;
        }
        self.disarm(key);
        let Some(State::Live(live)) = self.children.get(key).map(|child| &child.state) else { return Some(None) };
        match live.ending {
            Ending::Asked => {
                self.kill(key);
                Some(None)
            }
            Ending::Killed | Ending::KilledByOthers => Some(self.abandon(key)),
            Ending::NotTold => Some(None),
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

    /// Whether an unexpected exit calls for a restart (OTP rules 14 to 16); it is reported as rule 19 says.
    pub(crate) fn wants_restart(&mut self, key: ChildKey, exit: Exit) -> bool {
        let Some(child) = self.children.get(key) else { return false };
        let is_abnormal = exit.is_abnormal();
        if child.spec.restart == Restart::Permanent || is_abnormal {
            self.reports.push_back(Report::ChildTerminated { child: key, exit });
        }
        match (child.spec.restart, is_abnormal) {
            (Restart::Permanent, _) | (Restart::Transient, true) => true,
            (Restart::Transient, false) | (Restart::Temporary, _) => false,
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
            Exit::Failed(_) | Exit::Panicked(_) => false,
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
            live.ending = ending;
            self.actions.push_back(action(live.attempt));
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
        if let Some(State::Live(live)) = self.children.get_mut(key).map(|child| &mut child.state)
            && let Some(deadline) = live.deadline.take()
        {
            self.timers.remove(&(deadline, key));
        }
    }
}
