//! The static supervisor: facts and orders in, actions out, and the decision about an exit.
//!
//! Invariants:
//! 1. No method blocks, and none returns an error for a fact. A fact of an attempt that is no longer live is dropped.
//! 2. Exits and orders are taken one at a time, in the order in which they were handed in (OTP rule 72). Those that come
//!    during ordered work (a [procession](crate::procession)) wait in the inbox until it is done; under one_for_one
//!    nothing else ever waits.
//! 3. Outcomes of what the machine itself ordered (a start, a stop) are not queued: they are answers, not news.
//! 4. The budget is charged before anything is stopped or started (OTP rule 20), one unit for each unexpected exit that
//!    calls for a restart and for each retry of a failed one (OTP rules 22, 23).
//!
//! The management orders (`start_child`, `terminate_child`, ...) will be further variants of [`Event`]: they queue where
//! exits queue. Significant children will be one more question in [`Supervisor::decide`].

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::action::{Action, Report};
use crate::children::{Attempt, ChildKey, Children, Ending, Live, Stage, Standing, State};
use crate::exit::Exit;
use crate::intensity::{Budget, Intensity};
use crate::procession::{Goal, Procession};
use crate::spec::{ChildSpec, Restart, SpecError, Strategy};

/// What waits in the inbox.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    /// A child died unexpectedly. Its exit lies in the table, so that a stop that comes first can consume it.
    Exit(Attempt),
    /// An automatic restart failed and is to be tried again (OTP rule 31).
    Retry(ChildKey),
    /// The parent wants this supervisor to end; the reason lies in `Supervisor::stop`.
    Stop,
}

/// A running order to stop.
#[derive(Debug, Clone)]
pub(crate) struct StopOrder {
    exit: Exit,
    given: Duration,
}

/// A supervisor whose children are listed when it is made: OTP's `supervisor`, less the process.
///
/// Facts go in through the `handle_*` methods and orders through [`stop`](Self::stop), [`kill`](Self::kill) and
/// [`abandon`](Self::abandon). After each of them, perform what [`poll_action`](Self::poll_action) hands out until it
/// has no more, and call [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) is due.
///
/// `now` is the time since any fixed moment of the driver's choice. It must not run backwards; where it does, the latest
/// time seen is used.
#[derive(Debug, Clone)]
pub struct Supervisor {
    pub(crate) strategy: Strategy,
    pub(crate) budget: Budget,
    pub(crate) children: Children,
    pub(crate) procession: Option<Procession>,
    pub(crate) inbox: VecDeque<Event>,
    pub(crate) stop: Option<StopOrder>,
    pub(crate) timers: BTreeSet<(Duration, ChildKey)>,
    pub(crate) actions: VecDeque<Action>,
    pub(crate) reports: VecDeque<Report>,
    pub(crate) now: Duration,
}

/// How long a start that somebody waits to see ended may go on. A prompt start is let finish, which keeps the order of
/// events that OTP would show; a hung one is cut short.
const PATIENCE: Duration = Duration::from_millis(1);

impl Supervisor {
    /// A supervisor about to boot: the first [`poll_action`](Self::poll_action) starts its first child.
    ///
    /// # Errors
    ///
    /// When two specs carry one name, or the budget's period is zero. Nothing has been started then (OTP rule 5).
    pub fn new(
        strategy: Strategy,
        intensity: Intensity,
        specs: impl IntoIterator<Item = ChildSpec>,
    ) -> Result<Self, SpecError> {
        if intensity.limit.is_some_and(|(_, period)| period.is_zero()) {
            return Err(SpecError::ZeroPeriod);
        }
        let mut children = Children::default();
        let mut ids = BTreeSet::new();
        for spec in specs {
            if !ids.insert(spec.id.clone()) {
                return Err(SpecError::DuplicateId(spec.id));
            }
            children.push(spec);
        }
        let boot = Procession::boot(&children);
        Ok(Self {
            strategy,
            budget: Budget::new(intensity),
            children,
            procession: Some(boot),
            inbox: VecDeque::new(),
            stop: None,
            timers: BTreeSet::new(),
            actions: VecDeque::new(),
            reports: VecDeque::new(),
            now: Duration::ZERO,
        })
    }

    /// The attempt is up.
    pub fn handle_started(&mut self, attempt: Attempt, now: Duration) {
        self.tick(now);
        if let Some(live @ Live { stage: Stage::Starting, .. }) = self.children.live_mut(attempt) {
            live.stage = Stage::Up;
        }
    }

    /// The attempt decided that the child is not wanted: the child rests and no further try is made (OTP rules 10, 30).
    pub fn handle_ignored(&mut self, attempt: Attempt, now: Duration) {
        self.tick(now);
        let Some(Live { stage: Stage::Starting, ending, .. }) = self.children.live_mut(attempt) else { return };
        match ending {
            Ending::Asked | Ending::Killed => self.stopped(attempt.child(), &Exit::Shutdown),
            Ending::NotTold | Ending::KilledByOthers => {
                self.vacate(attempt.child());
                self.rest(attempt.child());
            }
        }
    }

    /// The attempt came to nothing.
    pub fn handle_start_failed(&mut self, attempt: Attempt, exit: Exit, now: Duration) {
        self.tick(now);
        let Some(Live { stage: Stage::Starting, ending, .. }) = self.children.live_mut(attempt) else { return };
        let key = attempt.child();
        match ending {
            Ending::Asked | Ending::Killed => self.stopped(key, &exit),
            Ending::NotTold | Ending::KilledByOthers => {
                self.vacate(key);
                // A killed supervisor tells nothing.
                if !self.is_killing() {
                    self.reports.push_back(Report::StartError { child: key, exit: exit.clone() });
                }
                if self.is_booting() {
                    self.fail_boot(key, exit);
                } else if !self.is_ending() {
                    self.try_again(key);
                }
            }
        }
    }

    /// The attempt has ended, and nothing of it is left.
    pub fn handle_exit(&mut self, attempt: Attempt, exit: Exit, now: Duration) {
        self.tick(now);
        let Some(live) = self.children.live_mut(attempt) else { return };
        match (live.ending, &live.stage) {
            (Ending::Asked | Ending::Killed, _) => self.stopped(attempt.child(), &exit),
            (_, Stage::Starting) => self.handle_start_failed(attempt, exit, now),
            (_, Stage::Dead(_)) => {}
            (_, Stage::Up) => {
                live.stage = Stage::Dead(exit);
                self.disarm(attempt.child());
                self.inbox.push_back(Event::Exit(attempt));
            }
        }
    }

    /// Orders the supervisor to end with `exit`, after its children, youngest first (OTP rules 54, 55).
    ///
    /// Waits its turn behind what was handed in before it, but not for a start that hangs: that is cut short.
    pub fn stop(&mut self, exit: Exit, now: Duration) {
        self.tick(now);
        if self.stop.is_none() && !self.is_ending() {
            self.stop = Some(StopOrder { exit, given: self.now });
            self.inbox.push_back(Event::Stop);
        }
    }

    /// Kills the supervisor: its children are killed at once, one after the other, youngest first, and it ends as
    /// [`Exit::Killed`].
    ///
    /// In OTP the children of a killed supervisor die by their links, in no order, and slow ones overlap their
    /// replacements (OTP rules 57, 58). Here they are gone before the parent hears of it.
    pub fn kill(&mut self, now: Duration) {
        self.tick(now);
        if !self.is_ended() {
            self.end(Exit::Killed, true);
        }
    }

    /// Kills every child at once and waits for none: the last resort of a bounded shutdown.
    pub fn abandon(&mut self, now: Duration) {
        self.tick(now);
        if self.is_ended() {
            return;
        }
        self.end(Exit::Killed, true);
        let mut living: Vec<_> = self.children.iter().map(|(key, _)| key).collect();
        while let Some(key) = living.pop() {
            if self.stop_child(key, true) {
                self.give_up_on(key);
            }
        }
    }

    /// The next thing to do, or nothing for now.
    pub fn poll_action(&mut self) -> Option<Action> {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Some(action);
            }
            // Invariant 2: the inbox rests while a procession is under way.
            if self.procession.is_some() {
                if !self.advance() {
                    return None;
                }
            } else {
                let event = self.inbox.pop_front()?;
                self.take(event);
            }
        }
    }

    /// The next thing that happened. Reports are in order among themselves; those that are there after a
    /// [`poll_action`](Self::poll_action) happened before the action it returned is performed.
    pub fn poll_report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called next.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let rung = self.timers.first().map(|&(at, _)| at);
        [rung, self.cut_short_at()].into_iter().flatten().min()
    }

    /// Time has passed. Harmless when nothing is due.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.tick(now);
        while let Some(&(at, key)) = self.timers.first() {
            if at > self.now {
                break;
            }
            self.climb(key);
        }
        if self.cut_short_at().is_some_and(|at| at <= self.now) {
            self.take(Event::Stop);
        }
    }

    /// The spec of a child, while the supervisor has one.
    pub fn spec(&self, child: ChildKey) -> Option<&ChildSpec> {
        Some(&self.children.get(child)?.spec)
    }

    /// The children in start order, and where each stands.
    pub fn children(&self) -> impl DoubleEndedIterator<Item = (ChildKey, &ChildSpec, Standing)> {
        self.children.iter().map(|(key, child)| (key, &child.spec, child.standing()))
    }

    fn tick(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Exit(attempt) => {
                // Consumed by a stop that came first: OTP rules 43, 52.
                let Some(live) = self.children.live_mut(attempt) else { return };
                let Stage::Dead(exit) = std::mem::replace(&mut live.stage, Stage::Up) else { return };
                self.vacate(attempt.child());
                self.decide(attempt.child(), exit);
            }
            Event::Retry(key) => {
                // Terminated or revived meanwhile: OTP rule 32.
                if self.children.get(key).is_some_and(|child| matches!(child.state, State::Retrying)) {
                    self.restart(key);
                }
            }
            Event::Stop => {
                if let Some(order) = self.stop.take() {
                    self.end(order.exit, false);
                }
            }
        }
    }

    /// The decision about an unexpected exit.
    fn decide(&mut self, key: ChildKey, exit: Exit) {
        let Some(child) = self.children.get(key) else { return };
        let restart = match (child.spec.restart, exit.is_abnormal()) {
            (Restart::Permanent, _) | (Restart::Transient, true) => true,
            (Restart::Transient, false) | (Restart::Temporary, _) => false,
        };
        if child.spec.restart == Restart::Permanent || exit.is_abnormal() {
            self.reports.push_back(Report::ChildTerminated { child: key, exit });
        }
        if restart {
            self.restart(key);
        } else {
            self.rest(key);
        }
    }

    /// One unit of the budget, then the strategy (OTP rule 20).
    fn restart(&mut self, key: ChildKey) {
        if !self.budget.spend(self.now) {
            self.reports.push_back(Report::GaveUp { child: key });
            self.end(Exit::Shutdown, false);
            return;
        }
        match self.strategy {
            Strategy::OneForOne => self.start(key),
            Strategy::OneForAll => self.procession = Some(Procession::group(&self.children, None)),
            Strategy::RestForOne => self.procession = Some(Procession::group(&self.children, Some(key))),
        }
    }

    /// A failed automatic restart is retried, behind what already waits (OTP rules 30, 31, 36, 40).
    fn try_again(&mut self, key: ChildKey) {
        if let Some(child) = self.children.get_mut(key) {
            child.state = State::Retrying;
            self.inbox.push_back(Event::Retry(key));
        }
        self.procession = None;
    }

    pub(crate) fn start(&mut self, key: ChildKey) {
        let attempt = self.children.next_attempt(key);
        if let Some(child) = self.children.get_mut(key) {
            child.state =
                State::Live(Live { attempt, stage: Stage::Starting, ending: Ending::NotTold, deadline: None });
            self.actions.push_back(Action::Start(attempt));
        }
    }

    /// Not to be restarted: a temporary child's spec is forgotten, the others keep theirs (OTP rules 10, 17).
    pub(crate) fn rest(&mut self, key: ChildKey) {
        match self.children.get(key).map(|child| child.spec.restart) {
            Some(Restart::Temporary) => self.forget(key),
            Some(Restart::Permanent | Restart::Transient) => self.actions.push_back(Action::Rest(key)),
            None => {}
        }
    }

    pub(crate) fn forget(&mut self, key: ChildKey) {
        if self.children.remove(key).is_some() {
            self.actions.push_back(Action::Forget(key));
        }
    }

    /// Begins to end. What waits in the inbox is void: nobody is restarted any more (OTP rule 56).
    pub(crate) fn end(&mut self, exit: Exit, by_force: bool) {
        self.inbox.clear();
        self.stop = None;
        self.procession = Some(Procession::end(&self.children, exit, by_force));
    }

    /// When the start that an order to stop waits for is cut short.
    fn cut_short_at(&self) -> Option<Duration> {
        let order = self.stop.as_ref()?;
        let awaited = self.procession.as_ref()?.awaiting?;
        let child = self.children.get(awaited)?;
        (child.standing() == Standing::Starting).then(|| order.given.saturating_add(PATIENCE))
    }

    fn is_booting(&self) -> bool {
        self.procession.as_ref().is_some_and(|procession| matches!(procession.goal, Goal::Boot))
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.procession.as_ref().is_some_and(|procession| matches!(procession.goal, Goal::End { .. } | Goal::Ended))
    }

    fn is_ended(&self) -> bool {
        self.procession.as_ref().is_some_and(|procession| matches!(procession.goal, Goal::Ended))
    }
}
