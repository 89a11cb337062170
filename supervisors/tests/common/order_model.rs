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
//! 5. A child that an order has parked is started by an order to revive it, and by nothing else.
//! 6. An order about one life is obeyed if no later life of that child has come up, and refused as replaced otherwise.
//! 7. A restart by order is answered by a life that began after it. If nothing has failed, only children that orders name
//!    are told to stop.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use regrow_supervisors::{
    Action, Answer, Attempt, ChildKey, ChildSpec, ChildState, Exit, Machine, Order, OrderError, OrderId, Report,
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
    Park,
    Revive,
    /// About the latest life.
    ParkThis,
    TerminateThis,
    RenewThis,
    /// About the first life that the child ever had.
    ParkFirst,
    Read,
}

/// The orders that OTP has, and the restart of a running child.
pub(crate) const CLASSIC: &[Verb] = &[Verb::Start, Verb::Terminate, Verb::Restart, Verb::Renew, Verb::Delete];

/// Parks, with what begins and ends them, and orders about one life.
pub(crate) const PARKS: &[Verb] =
    &[Verb::Start, Verb::Terminate, Verb::Restart, Verb::Park, Verb::Revive, Verb::ParkThis, Verb::ParkFirst];

/// Orders about one life, and what they may meet.
pub(crate) const MEANT: &[Verb] = &[Verb::Renew, Verb::Park, Verb::Revive, Verb::TerminateThis, Verb::RenewThis];

pub(crate) const ALL: &[Verb] = &[
    Verb::Start,
    Verb::Terminate,
    Verb::Restart,
    Verb::Renew,
    Verb::Delete,
    Verb::Park,
    Verb::Revive,
    Verb::ParkThis,
    Verb::TerminateThis,
    Verb::RenewThis,
    Verb::ParkFirst,
];

impl Verb {
    fn means_a_life(self) -> bool {
        matches!(self, Self::ParkThis | Self::TerminateThis | Self::RenewThis | Self::ParkFirst)
    }
}

/// The life that an order of this kind is about.
fn life_of(verb: Verb, name: &str, sim: &Sim, firsts: &BTreeMap<&'static str, Attempt>) -> Option<Attempt> {
    match verb {
        Verb::ParkFirst => firsts.get(name).copied(),
        _ if verb.means_a_life() => sim.asked().latest_life(sim.asked().find(name)?),
        _ => None,
    }
}

/// What a walk or a life may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Orders {
    pub(crate) names: &'static [&'static str],
    pub(crate) verbs: &'static [Verb],
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
    parked: BTreeSet<ChildKey>,
    were_parked: BTreeSet<ChildKey>,
    /// The children that orders are to revive.
    revivals: BTreeMap<OrderId, &'static str>,
    /// The child that the latest order to be answered revives.
    revived: Option<&'static str>,
    /// The life that each order is about, if it is about one.
    meant: BTreeMap<OrderId, (Verb, Attempt)>,
    /// The first life of each child.
    firsts: BTreeMap<&'static str, Attempt>,
    /// The latest life of each child that came up, and the latest that had not been told to stop by then.
    ups: BTreeMap<ChildKey, (u64, u64)>,
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
            parked: BTreeSet::new(),
            were_parked: BTreeSet::new(),
            revivals: BTreeMap::new(),
            revived: None,
            meant: BTreeMap::new(),
            firsts: BTreeMap::new(),
            ups: BTreeMap::new(),
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
        let lives = (&self.meant, &self.firsts, &self.ups, &self.were_parked);
        let orders = (&self.renewals, &self.touched, self.is_disturbed, &self.parked, &self.revivals, lives);
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
            for &name in self.menu.names {
                let verbs = self.menu.verbs.iter().copied().filter(|&verb| self.can_give(verb, name));
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
                    ChildState::Parked => assert!(model.parked.contains(&key), "parked by nothing"),
                    ChildState::Retrying | ChildState::Waiting | ChildState::Starting | ChildState::Stopping => {
                        panic!("{key:?} is {standing:?}")
                    }
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
            Deed::Started(attempt) => {
                // The machine may have decided what is still to be polled.
                let is_told = sim.asked().standing(attempt.child()) != Some(ChildState::Starting);
                if let Some(id) = sim.asked().spec(attempt.child()).map(|spec| spec.id().to_owned())
                    && let Some(name) = self.menu.names.iter().find(|name| **name == id)
                {
                    self.firsts.entry(name).or_insert(attempt);
                }
                let (latest, untold) = self.ups.entry(attempt.child()).or_default();
                *latest = attempt.number().max(*latest);
                *untold = if is_told { *untold } else { attempt.number().max(*untold) };
                sim.started(attempt);
            }
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
                    Verb::Revive => Order::Revive(name.into()),
                    Verb::Park | Verb::ParkThis | Verb::ParkFirst => Order::Park { id: name.into(), reason: "".into() },
                    Verb::TerminateThis => Order::TerminateChild(name.into()),
                    Verb::RenewThis => Order::RenewChild { id: name.into(), reason: "".into() },
                    Verb::Read => Order::Read,
                };
                let newest = sim.newest();
                let life = life_of(verb, name, sim, &self.firsts);
                let call = sim.order(order.meant(life));
                self.meant.extend(life.map(|life| (call, (verb, life))));
                match verb {
                    Verb::Renew | Verb::RenewThis => {
                        self.renewals.insert(call, newest);
                        self.touched.insert(name);
                    }
                    Verb::Terminate | Verb::TerminateThis | Verb::Park | Verb::ParkThis | Verb::ParkFirst => {
                        self.touched.insert(name);
                    }
                    Verb::Revive => drop(self.revivals.insert(call, name)),
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

    /// Whether an order of this kind has a life to be about.
    fn can_give(&self, verb: Verb, name: &str) -> bool {
        !verb.means_a_life() || life_of(verb, name, &self.sim, &self.firsts).is_some()
    }

    fn on_action(&mut self, action: &Action) {
        let revived = self.revived.take();
        match action {
            Action::Start(attempt) => {
                let id = self.sim.asked().spec(attempt.child()).map(ChildSpec::id);
                assert!(!self.parked.remove(&attempt.child()) || id == revived, "started although it is parked");
                self.resting.remove(&attempt.child());
                self.retrying.remove(&attempt.child());
            }
            Action::Park { child, until } => {
                assert_eq!(*until, None, "no policy says so");
                assert!(self.parked.insert(*child), "parked twice");
                self.were_parked.insert(*child);
                self.resting.remove(child);
                self.retrying.remove(child);
            }
            Action::Wait(key) => assert!(self.were_parked.contains(key), "it was not closed"),
            Action::NoteKept { .. } => panic!("no child keeps a value"),
            Action::Dismiss(key) => assert!(!self.resting.contains(key), "dismissed while it rests"),
            Action::Answer { call, result } => {
                self.revived = self.revivals.remove(call).filter(|_| result.is_ok());
                self.check_meant(*call, result);
                let Ok(Answer::Started(attempt)) = result else { return };
                if let Some(newest) = self.renewals.remove(call) {
                    assert!(attempt.number() > newest, "answered by the life that it was to end");
                }
                assert!(!self.forgotten.contains(&attempt.child()), "started and forgotten");
            }
            Action::Adopt { child, .. } => assert!(!self.sim.is_live(*child), "adopted while it lives"),
            Action::Rest(key) => {
                assert!(self.resting.insert(*key), "put to rest twice");
                self.parked.remove(key);
                self.is_cancelled |= self.retrying.remove(key) && self.menu.is_ordered;
            }
            Action::Forget(key) => {
                assert!(self.forgotten.insert(*key), "forgotten twice");
                self.resting.remove(key);
                self.parked.remove(key);
            }
            Action::Ask(attempt) | Action::Kill(attempt) => {
                let is_named =
                    self.sim.asked().spec(attempt.child()).is_none_or(|spec| self.touched.contains(spec.id()));
                assert!(self.is_disturbed || is_named, "{attempt:?} is told to stop for no reason");
            }
            Action::Abandon(_) | Action::Withdraw(_) | Action::Readmit(_) | Action::Up | Action::End(_) => {}
        }
    }

    /// The answer comes after the decision. Only a restart is answered by a later life.
    fn check_meant(&mut self, call: OrderId, result: &Result<Answer, OrderError>) {
        let Some((verb, life)) = self.meant.remove(&call) else { return };
        let (latest, untold) = self.ups.get(&life.child()).copied().unwrap_or_default();
        match result {
            Ok(_) if verb == Verb::RenewThis => {}
            // A start that was cut short for the order may have succeeded meanwhile.
            Ok(_) => assert!(untold <= life.number(), "{verb:?} was about {life:?}, and {untold} is up"),
            Err(OrderError::Replaced) => {
                let is_another = self.sim.asked().spec(life.child()).is_none();
                assert!(is_another || latest > life.number(), "{verb:?}: {life:?} is the latest life");
            }
            Err(_) => {}
        }
    }

    fn told_on_panic(&mut self, deed: impl FnOnce(&mut Self)) {
        retold(self, deed, |model| {
            print_history(&model.trail);
            eprintln!("{model:#?}");
        });
    }
}
