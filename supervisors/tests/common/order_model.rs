//! `OrderModel`: a supervisor of either kind and its children, to which management orders are given as anything else happens.
//!
//! It watches less of the supervisor's own decisions than the [`Model`](super::model) does, and more of the orders, beside
//! what the [simulator](super::sim) checks of each machine:
//!
//! 1. No order is left unanswered when the world has come to rest.
//! 2. Under the ordered strategies at most one child is being started or stopped at a time. The supervisor's own end may
//!    find one that was told by order: the others do not wait for it.
//! 3. A child without a life rests, is to be started, or is to be tried again: at rest no child is left behind, except by a
//!    group restart whose retry an order has cancelled (OTP rules 36, 61).
//! 4. A child is put to rest, and forgotten, once.
//! 5. A restart by order is answered by a life that began after it. If nothing has failed, only children that orders name
//!    are told to stop.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use regrow_supervisors::{
    Action, Answer, Attempt, ChildKey, ChildSpec, ChildState, Exit, Machine, Order, OrderId, Report,
};

use super::one_deed_away;
use super::sim::{Sim, Stage, print_history, retold};

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
    Renew,
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

#[derive(Clone, Debug)]
pub(crate) struct OrderModel {
    sim: Sim,
    menu: Orders,
    resting: BTreeSet<ChildKey>,
    retrying: BTreeSet<ChildKey>,
    /// An order has cancelled a group's retry.
    is_cancelled: bool,
    forgotten: BTreeSet<ChildKey>,
    is_told_to_end: bool,
    is_hurried: bool,
    /// The newest attempt when each restart by order was given.
    renewals: BTreeMap<OrderId, u64>,
    /// Children that orders have ended.
    touched: BTreeSet<&'static str>,
    /// Something else than orders may have ended children.
    is_disturbed: bool,
    trail: Vec<(Deed, bool)>,
}

impl OrderModel {
    pub(crate) fn new(sim: Sim, menu: Orders) -> Self {
        let mut model = Self {
            sim,
            menu,
            resting: BTreeSet::new(),
            retrying: BTreeSet::new(),
            is_cancelled: false,
            forgotten: BTreeSet::new(),
            is_told_to_end: false,
            is_hurried: false,
            renewals: BTreeMap::new(),
            touched: BTreeSet::new(),
            is_disturbed: false,
            trail: Vec::new(),
        };
        model.poll();
        model
    }

    /// Every child comes up.
    pub(crate) fn boot(&mut self) {
        while let Some((attempt, Stage::Starting)) = self.sim.moving() {
            self.happen(Deed::Started(attempt), false);
        }
    }

    /// Two models with one print have one future.
    pub(crate) fn print(&self) -> u64 {
        let Self { sim, resting, retrying, is_cancelled, forgotten, is_told_to_end, is_hurried, .. } = self;
        let orders = (&self.renewals, &self.touched, self.is_disturbed);
        let seen = (resting, retrying, is_cancelled, forgotten, is_told_to_end, is_hurried, orders);
        let print = format!("{} {seen:?}", sim.print());
        let mut hasher = DefaultHasher::new();
        print.hash(&mut hasher);
        hasher.finish()
    }

    /// What may happen next.
    pub(crate) fn deeds(&self) -> Vec<Deed> {
        let mut deeds = Vec::new();
        for (&attempt, stage) in self.sim.lives() {
            match stage {
                Stage::Starting => {
                    deeds.extend([Deed::Started(attempt), Deed::Ignored(attempt), Deed::StartFailed(attempt)]);
                }
                Stage::Up => deeds.extend([Deed::Gone(attempt, End::Normal), Deed::Gone(attempt, End::Killed)]),
                Stage::Asked => deeds.extend([Deed::Gone(attempt, End::Shutdown), Deed::Started(attempt)]),
                Stage::Killed => deeds.push(Deed::Gone(attempt, End::Killed)),
            }
        }
        if self.sim.asked().poll_timeout().is_some() {
            deeds.push(Deed::Due);
        }
        if self.sim.orders() < self.menu.orders_max {
            let verbs = [Verb::Start, Verb::Terminate, Verb::Restart, Verb::Renew, Verb::Delete];
            for &name in self.menu.names {
                deeds.extend(verbs.map(|verb| Deed::Order(verb, name)));
            }
            deeds.push(Deed::Order(Verb::Read, "all"));
        }
        if !self.sim.has_ended() {
            deeds.extend([Deed::Stop, Deed::Kill, Deed::Abandon]);
        }
        deeds
    }

    /// The models that are one deed away.
    pub(crate) fn next(&self) -> impl Iterator<Item = Self> {
        one_deed_away(self, self.deeds(), self.menu.hurry && !self.is_hurried, Self::happen)
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

    /// Every child answers at last, and so does the supervisor.
    pub(crate) fn settle(mut self) {
        self.told_on_panic(Self::poll);
        for _ in 0..200 {
            match self.sim.moving() {
                Some((attempt, Stage::Starting)) => self.happen(Deed::Started(attempt), false),
                Some((attempt, _)) => self.happen(Deed::Gone(attempt, End::Shutdown), false),
                None => break,
            }
        }
        self.told_on_panic(|model| {
            assert!(model.sim.unanswered().is_empty(), "orders without an answer");
            assert_eq!(model.sim.asked().poll_timeout(), None, "it does not rest");
            for (key, _, standing, attempt) in model.sim.asked().children() {
                match standing {
                    ChildState::Up => assert!(attempt.is_some_and(|attempt| model.sim.lives().contains_key(&attempt))),
                    ChildState::Down => {
                        let is_accounted_for =
                            model.sim.has_ended() || model.is_cancelled || model.resting.contains(&key);
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

    /// No child answers any more, and the supervisor is told to stop: it ends by the passing of time alone, and no order is
    /// left without an answer.
    pub(crate) fn outlast(mut self) {
        self.happen(Deed::Stop, false);
        for _ in 0..200 {
            if self.sim.asked().poll_timeout().is_none() {
                break;
            }
            self.happen(Deed::Due, false);
        }
        self.told_on_panic(|model| {
            assert!(model.sim.has_ended(), "it waits for ever");
            assert!(model.sim.unanswered().is_empty(), "orders without an answer");
        });
    }

    fn perform(&mut self, deed: Deed) {
        self.is_told_to_end |= matches!(deed, Deed::Stop | Deed::Kill | Deed::Abandon);
        // A life that was told to stop does not fail, whatever its exit.
        self.is_disturbed |= match deed {
            Deed::Gone(attempt, _) => self.sim.lives().get(&attempt) == Some(&Stage::Up),
            Deed::StartFailed(_) => true,
            Deed::Started(_) | Deed::Ignored(_) | Deed::Due | Deed::Order(..) => false,
            Deed::Stop | Deed::Kill | Deed::Abandon => true,
        };
        let sim = &mut self.sim;
        match deed {
            Deed::Started(attempt) => sim.started(attempt),
            Deed::Ignored(attempt) => sim.ignored(attempt),
            Deed::StartFailed(attempt) => sim.start_failed(attempt, Exit::failed("no")),
            Deed::Gone(attempt, End::Normal) => sim.exits(attempt, Exit::Normal),
            Deed::Gone(attempt, End::Shutdown) => sim.exits(attempt, Exit::Shutdown),
            Deed::Gone(attempt, End::Killed) => sim.exits(attempt, Exit::Killed),
            Deed::Due => assert!(sim.wakes(), "nothing is due"),
            Deed::Order(verb, name) => {
                let order = match verb {
                    Verb::Start => Order::StartChild((self.menu.spec)(name)),
                    Verb::Terminate => Order::TerminateChild(name.into()),
                    Verb::Restart => Order::RestartChild(name.into()),
                    Verb::Renew => Order::RenewChild { id: name.into(), reason: "".into() },
                    Verb::Delete => Order::DeleteChild(name.into()),
                    Verb::Read => Order::Read,
                };
                let newest = sim.newest();
                let call = sim.order(order);
                match verb {
                    Verb::Renew => {
                        self.renewals.insert(call, newest);
                        self.touched.insert(name);
                    }
                    Verb::Terminate => drop(self.touched.insert(name)),
                    Verb::Start | Verb::Restart | Verb::Delete | Verb::Read => {}
                }
            }
            Deed::Stop => sim.stop(Exit::Shutdown),
            Deed::Kill => sim.kill(),
            Deed::Abandon => sim.abandon(),
        }
    }

    fn poll(&mut self) {
        while let Some(action) = self.sim.act() {
            self.read_reports();
            self.on_action(&action);
        }
        self.read_reports();
        self.is_hurried = false;
        self.sim.check_counts();
        let standings = self.sim.asked().children();
        for attempt in self.sim.lives().keys() {
            let is_known = standings.iter().any(|(.., present)| *present == Some(*attempt));
            assert!(is_known, "{attempt:?} lives and is not known");
        }
        let is_moving = |stage: &&Stage| **stage != Stage::Up;
        if self.menu.is_ordered && !self.is_told_to_end {
            assert!(self.sim.lives().values().filter(is_moving).count() <= 1, "two children move at once");
        }
    }

    fn read_reports(&mut self) {
        while let Some(report) = self.sim.hear() {
            if let Report::StartError { child, .. } = report {
                self.retrying.insert(child);
            }
        }
    }

    fn on_action(&mut self, action: &Action) {
        match action {
            Action::Start(attempt) => {
                self.resting.remove(&attempt.child());
                self.retrying.remove(&attempt.child());
            }
            Action::Park { .. } | Action::Wait(_) => panic!("no policy says so"),
            Action::NoteKept { .. } => panic!("no child keeps a value"),
            Action::Dismiss(key) => assert!(!self.resting.contains(key), "dismissed while it rests"),
            Action::Answer { call, result: Ok(Answer::Started(attempt)) } => {
                if let Some(newest) = self.renewals.remove(call) {
                    assert!(attempt.number() > newest, "answered by the life that it was to end");
                }
                assert!(!self.forgotten.contains(&attempt.child()), "started and forgotten");
            }
            Action::Adopt { child, .. } => assert!(!self.sim.is_live(*child), "adopted while it lives"),
            Action::Rest(key) => {
                assert!(self.resting.insert(*key), "put to rest twice");
                self.is_cancelled |= self.retrying.remove(key) && self.menu.is_ordered;
            }
            Action::Forget(key) => {
                assert!(self.forgotten.insert(*key), "forgotten twice");
                self.resting.remove(key);
            }
            Action::Ask(attempt) | Action::Kill(attempt) => {
                let is_named =
                    self.sim.asked().spec(attempt.child()).is_none_or(|spec| self.touched.contains(spec.id()));
                assert!(self.is_disturbed || is_named, "{attempt:?} is told to stop for no reason");
            }
            Action::Abandon(_)
            | Action::Withdraw(_)
            | Action::Readmit(_)
            | Action::Answer { .. }
            | Action::Up
            | Action::End(_) => {}
        }
    }

    fn told_on_panic(&mut self, deed: impl FnOnce(&mut Self)) {
        retold(self, deed, |model| {
            print_history(&model.trail);
            eprintln!("{model:#?}");
        });
    }
}
