//! `OrderModel`: a supervisor of either kind and its children, to which management orders are given as anything else happens.
//!
//! It watches less of the supervisor's own decisions than the [`Model`](super::model) does, and more of the orders:
//!
//! 1. Every order is answered exactly once, and none is left unanswered when the world has come to rest.
//! 2. Never two lives of one child; nobody is told twice to stop, or killed twice; what is over is told nothing more.
//! 3. Under the ordered strategies at most one child is being started or stopped at a time. The supervisor's own end may
//!    find one that was told by order: the others do not wait for it.
//! 4. A child without a life rests, is to be started, or is to be tried again: at rest nobody is left behind, except by a
//!    group restart whose retry an order has cancelled (OTP rules 36, 61).
//! 5. A child is put to rest, and forgotten, once.
//! 6. The supervisor ends once, after its last child, and then only refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use regrow_supervisors::{
    Action, Answer, Attempt, ChildKey, ChildSpec, ChildState, Exit, Machine, Order, OrderError, OrderId, Report,
};

/// One thing that may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Started(Attempt),
    Ignored(Attempt),
    StartFailed(Attempt),
    Gone(Attempt, End),
    Due,
    Order(Verb, &'static str),
    Stop,
    Kill,
    Abandon,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Normal,
    Shutdown,
    Killed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Start,
    Terminate,
    Restart,
    Delete,
    Read,
}

/// What a walk or a life may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Orders {
    pub(crate) names: &'static [&'static str],
    /// How many orders are given in all.
    pub(crate) orders_max: u64,
    /// The spec of a child that is started by order.
    pub(crate) spec: fn(&str) -> ChildSpec,
    /// Two things may happen before the machine is polled.
    pub(crate) hurry: bool,
    /// One child moves at a time.
    pub(crate) is_ordered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Starting,
    Up,
    Asked,
    Killed,
}

#[derive(Clone, Debug)]
pub(crate) struct OrderModel<M> {
    machine: M,
    menu: Orders,
    lives: BTreeMap<Attempt, Stage>,
    /// Given up on, and to be cut off.
    abandoned: BTreeMap<Attempt, Stage>,
    resting: BTreeSet<ChildKey>,
    retrying: BTreeSet<ChildKey>,
    /// An order has cancelled a group's retry.
    is_cancelled: bool,
    forgotten: BTreeSet<ChildKey>,
    unanswered: BTreeSet<OrderId>,
    calls: u64,
    newest: u64,
    is_told_to_end: bool,
    has_ended: bool,
    is_hurried: bool,
    now: Duration,
    trail: Vec<(Deed, bool)>,
}

impl<M: Machine + Clone> OrderModel<M> {
    pub(crate) fn new(machine: M, menu: Orders) -> Self {
        let mut model = Self {
            machine,
            menu,
            lives: BTreeMap::new(),
            abandoned: BTreeMap::new(),
            resting: BTreeSet::new(),
            retrying: BTreeSet::new(),
            is_cancelled: false,
            forgotten: BTreeSet::new(),
            unanswered: BTreeSet::new(),
            calls: 0,
            newest: 0,
            is_told_to_end: false,
            has_ended: false,
            is_hurried: false,
            now: Duration::ZERO,
            trail: Vec::new(),
        };
        model.poll();
        model
    }

    /// Everybody comes up.
    pub(crate) fn boot(&mut self) {
        while let Some((&attempt, _)) = self.lives.iter().find(|(_, stage)| **stage == Stage::Starting) {
            self.happen(Deed::Started(attempt), false);
        }
    }

    /// Two models with one print have one future.
    pub(crate) fn print(&self) -> u64 {
        let Self { machine, lives, abandoned, resting, forgotten, unanswered, calls, has_ended, is_hurried, .. } = self;
        let seen = (lives, abandoned, resting, forgotten, unanswered, &self.retrying, self.is_cancelled);
        let print = format!("{machine:?} {seen:?} {calls} {has_ended} {is_hurried} {}", self.is_told_to_end);
        let mut hasher = DefaultHasher::new();
        print.hash(&mut hasher);
        hasher.finish()
    }

    /// What may happen next.
    pub(crate) fn deeds(&self) -> Vec<Deed> {
        let mut deeds = Vec::new();
        for (&attempt, stage) in &self.lives {
            match stage {
                Stage::Starting => {
                    deeds.extend([Deed::Started(attempt), Deed::Ignored(attempt), Deed::StartFailed(attempt)]);
                }
                Stage::Up => deeds.extend([Deed::Gone(attempt, End::Normal), Deed::Gone(attempt, End::Killed)]),
                Stage::Asked => deeds.extend([Deed::Gone(attempt, End::Shutdown), Deed::Started(attempt)]),
                Stage::Killed => deeds.push(Deed::Gone(attempt, End::Killed)),
            }
        }
        if self.machine.poll_timeout().is_some() {
            deeds.push(Deed::Due);
        }
        if self.calls < self.menu.orders_max {
            let verbs = [Verb::Start, Verb::Terminate, Verb::Restart, Verb::Delete];
            for &name in self.menu.names {
                deeds.extend(verbs.map(|verb| Deed::Order(verb, name)));
            }
            deeds.push(Deed::Order(Verb::Read, "all"));
        }
        if !self.has_ended {
            deeds.extend([Deed::Stop, Deed::Kill, Deed::Abandon]);
        }
        deeds
    }

    /// The models that are one deed away.
    pub(crate) fn next(&self) -> impl Iterator<Item = Self> {
        let paces: &[bool] = if self.menu.hurry && !self.is_hurried { &[false, true] } else { &[false] };
        self.deeds().into_iter().flat_map(|deed| paces.iter().map(move |&hurried| (deed, hurried))).map(
            |(deed, hurried)| {
                let mut model = self.clone();
                model.happen(deed, hurried);
                model
            },
        )
    }

    pub(crate) fn happen(&mut self, deed: Deed, hurried: bool) {
        self.trail.push((deed, hurried));
        self.told_on_panic(|model| {
            model.perform(deed);
            model.is_hurried = true;
            model.read_reports();
            if !hurried {
                model.poll();
            }
        });
    }

    /// Everybody answers at last, and so does the supervisor.
    pub(crate) fn settle(mut self) {
        self.told_on_panic(Self::poll);
        for _ in 0..200 {
            let moving =
                self.lives.iter().find(|(_, stage)| **stage != Stage::Up).map(|(&attempt, &stage)| (attempt, stage));
            match moving {
                Some((attempt, Stage::Starting)) => self.happen(Deed::Started(attempt), false),
                Some((attempt, _)) => self.happen(Deed::Gone(attempt, End::Shutdown), false),
                None => break,
            }
        }
        self.told_on_panic(|model| {
            assert!(model.unanswered.is_empty(), "orders without an answer");
            assert_eq!(model.machine.poll_timeout(), None, "it does not rest");
            for (key, _, standing, attempt) in model.machine.children() {
                match standing {
                    ChildState::Up => assert!(attempt.is_some_and(|attempt| model.lives.contains_key(&attempt))),
                    ChildState::Down => {
                        let is_accounted_for = model.has_ended || model.is_cancelled || model.resting.contains(&key);
                        assert!(is_accounted_for, "left behind");
                    }
                    ChildState::Retrying
                    | ChildState::Waiting
                    | ChildState::Parked
                    | ChildState::Starting
                    | ChildState::Stopping => panic!("{key:?} is {standing:?}"),
                }
            }
        });
    }

    /// Nobody answers any more, and it is told to stop: it ends by the passing of time alone, and owes nobody an answer.
    pub(crate) fn outlast(mut self) {
        self.happen(Deed::Stop, false);
        for _ in 0..200 {
            if self.machine.poll_timeout().is_none() {
                break;
            }
            self.happen(Deed::Due, false);
        }
        self.told_on_panic(|model| {
            assert!(model.has_ended, "it waits for ever");
            assert!(model.unanswered.is_empty(), "orders without an answer");
        });
    }

    fn perform(&mut self, deed: Deed) {
        self.is_told_to_end |= matches!(deed, Deed::Stop | Deed::Kill | Deed::Abandon);
        let now = self.now;
        match deed {
            Deed::Started(attempt) => {
                self.machine.handle_started(attempt, now);
                self.lives.entry(attempt).and_modify(|stage| {
                    if *stage == Stage::Starting {
                        *stage = Stage::Up;
                    }
                });
            }
            Deed::Ignored(attempt) => {
                self.machine.handle_ignored(attempt, now);
                self.lives.remove(&attempt);
            }
            Deed::StartFailed(attempt) => {
                self.machine.handle_start_failed(attempt, Exit::failed("no"), now);
                self.lives.remove(&attempt);
            }
            Deed::Gone(attempt, end) => {
                let exit = match end {
                    End::Normal => Exit::Normal,
                    End::Shutdown => Exit::Shutdown,
                    End::Killed => Exit::Killed,
                };
                self.machine.handle_exit(attempt, exit, now);
                self.lives.remove(&attempt);
            }
            Deed::Due => {
                self.now = self.machine.poll_timeout().map_or(now, |due| due.max(now));
                self.machine.handle_timeout(self.now);
            }
            Deed::Order(verb, name) => {
                let order = match verb {
                    Verb::Start => Order::StartChild((self.menu.spec)(name)),
                    Verb::Terminate => Order::TerminateChild(name.into()),
                    Verb::Restart => Order::RestartChild(name.into()),
                    Verb::Delete => Order::DeleteChild(name.into()),
                    Verb::Read => Order::Read,
                };
                self.calls += 1;
                self.unanswered.insert(OrderId(self.calls));
                self.machine.order(OrderId(self.calls), order, now);
            }
            Deed::Stop => self.machine.stop(Exit::Shutdown, now),
            Deed::Kill => self.machine.kill(now),
            Deed::Abandon => self.machine.abandon(now),
        }
    }

    fn poll(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            self.read_reports();
            self.on_action(&action);
        }
        self.read_reports();
        self.is_hurried = false;
        assert!(self.abandoned.is_empty(), "abandoned and not cut off");
        super::check_counts(&self.machine);
        let standings = self.machine.children();
        for attempt in self.lives.keys() {
            let is_known = standings.iter().any(|(.., present)| *present == Some(*attempt));
            assert!(is_known, "{attempt:?} lives and is not known");
        }
        let is_moving = |stage: &&Stage| **stage != Stage::Up;
        if self.menu.is_ordered && !self.is_told_to_end {
            assert!(self.lives.values().filter(is_moving).count() <= 1, "two children move at once");
        }
        if self.has_ended {
            assert!(self.unanswered.is_empty(), "it ended and owes answers");
        }
    }

    fn read_reports(&mut self) {
        while let Some(report) = self.machine.poll_report() {
            match report {
                Report::Abandoned { attempt } => {
                    let stage = self.lives.remove(&attempt).expect("abandoned without a life");
                    self.abandoned.insert(attempt, stage);
                }
                Report::StartError { child, .. } => drop(self.retrying.insert(child)),
                _ => {}
            }
        }
    }

    fn on_action(&mut self, action: &Action) {
        let is_refusal = matches!(action, Action::Answer { result: Err(OrderError::Over), .. });
        assert!(!self.has_ended || is_refusal, "an action after the end");
        match action {
            Action::Start(attempt) => {
                assert!(attempt.number() > self.newest, "an attempt's number is used again");
                assert!(!self.is_live(attempt.child()), "two lives of one child");
                self.newest = attempt.number();
                self.resting.remove(&attempt.child());
                self.retrying.remove(&attempt.child());
                self.lives.insert(*attempt, Stage::Starting);
            }
            // It may have ended between the decision and its performance.
            Action::Ask(attempt) => {
                if let Some(stage) = self.stage_mut(*attempt) {
                    assert!(matches!(stage, Stage::Starting | Stage::Up), "told twice");
                    *stage = Stage::Asked;
                }
            }
            Action::Kill(attempt) => {
                if let Some(stage) = self.stage_mut(*attempt) {
                    assert_ne!(*stage, Stage::Killed, "killed twice");
                    *stage = Stage::Killed;
                }
            }
            Action::Park { .. } | Action::Wait(_) => panic!("no policy says so"),
            // It may have ended between the decision and its performance.
            Action::Dismiss(key) => assert!(!self.resting.contains(key), "dismissed while it rests"),
            Action::Withdraw(_) | Action::Readmit(_) => {}
            Action::Abandon(attempt) => {
                assert_eq!(self.abandoned.remove(attempt), Some(Stage::Killed), "abandoned before a kill");
            }
            Action::Adopt { call, child } => {
                assert!(self.unanswered.contains(call), "adopted for nobody");
                assert!(!self.is_live(*child), "adopted while it lives");
            }
            Action::Answer { call, result } => {
                assert!(self.unanswered.remove(call), "answered twice");
                if let Ok(Answer::Started(attempt)) = result {
                    assert!(!self.forgotten.contains(&attempt.child()), "started and forgotten");
                }
            }
            Action::Rest(key) => {
                assert!(!self.is_live(*key), "put to rest while it lives");
                assert!(self.resting.insert(*key), "put to rest twice");
                self.is_cancelled |= self.retrying.remove(key) && self.menu.is_ordered;
            }
            Action::Forget(key) => {
                assert!(!self.is_live(*key), "forgotten while it lives");
                assert!(self.forgotten.insert(*key), "forgotten twice");
                self.resting.remove(key);
            }
            Action::Up => {}
            Action::End(_) => {
                assert!(self.lives.is_empty(), "it ends before its children");
                self.has_ended = true;
            }
        }
    }

    fn stage_mut(&mut self, attempt: Attempt) -> Option<&mut Stage> {
        self.lives.get_mut(&attempt).or_else(|| self.abandoned.get_mut(&attempt))
    }

    fn is_live(&self, key: ChildKey) -> bool {
        self.lives.keys().any(|life| life.child() == key)
    }

    fn told_on_panic(&mut self, deed: impl FnOnce(&mut Self)) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| deed(self))) {
            eprintln!("the history:");
            for (deed, hurried) in &self.trail {
                eprintln!("    {deed:?}{}", if *hurried { ", and at once" } else { "" });
            }
            eprintln!("{self:#?}");
            resume_unwind(panic);
        }
    }
}
