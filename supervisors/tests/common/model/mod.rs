//! `Model`: an independent idea of what a supervisor may do, fed with every fact, report and action.
//!
//! It knows the OTP rules as promises, not as a mechanism: it cannot say what comes next, only that what came was wrong.
//!
//! 1. Never two lives of one child; no child is killed twice; a child is told to stop when all that depend on it are gone,
//!    the youngest of those first and one at a time, or all of those at once.
//! 2. A group stops before it starts, starts eldest first, and leaves no child out (OTP rules 33 to 40).
//! 3. Exits, retries and the order to stop are taken in the order in which they came, and none during ordered work
//!    (OTP rules 13, 31, 46, 56, 72).
//! 4. One unit for each exit that calls for a restart and for each retry; the supervisor gives up when, and only when,
//!    the window holds more than are forgiven (OTP rules 20 to 27).
//! 5. A supervisor that is to end ends for the right reason, after its last child, and emits nothing after that.
//! 6. A supervisor that waits waits for a child, and one that rests has left no child behind.
//! 7. While a group stops or a supervisor ends, calls to every member without a life are refused, and to no child when
//!    nothing is under way.
//! 8. Under one_for_one a start that is less than a millisecond old holds back what is in the mailbox, unless another was
//!    known to be slow when it was ordered; nothing else holds anything back, and nothing slips past it.

mod actions;
mod facts;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use regrow_supervisors::{
    Abandon, Attempt, ChildKey, ChildSpec, ChildState, Exit, Restart, Shutdown, StopOrder, Strategy,
};

use super::MS;
use super::mailbox::Mailbox;

/// One child's process, as the world sees it.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) starting: bool,
    pub(crate) told: Told,
    pub(crate) killed_by_others: bool,
    /// It ends by itself, and is slow to do it.
    pub(crate) is_leaving: bool,
    /// Too slow: it is to be killed.
    is_overrun: bool,
    /// When its start was ordered.
    issued: Duration,
    /// No start was known to be slow then, so that others wait a moment for this one.
    is_awaited: bool,
    /// It was waited for in vain.
    is_slow: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Nothing,
    ToStop,
    Killed,
}

/// What matters of a spec.
#[derive(Clone, Debug)]
struct Rules {
    restart: Restart,
    /// What it is told first when it has to stop.
    word: Told,
}

impl Rules {
    fn of(spec: &ChildSpec) -> Self {
        let word = match spec.shutdown_rule() {
            Shutdown::Kill => Told::Killed,
            Shutdown::After(_) | Shutdown::Wait => Told::ToStop,
        };
        Self { restart: spec.restart_type(), word }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Boot {
        started: Vec<ChildKey>,
    },
    Idle,
    /// From `first` on; `None` is all.
    Group {
        first: Option<ChildKey>,
        started: Vec<ChildKey>,
    },
    Ending(Why),
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Asked,
    GaveUp,
    BootFailed,
    Killed,
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    strategy: Strategy,
    stop_order: StopOrder,
    /// Which child depends on which.
    said: BTreeSet<(ChildKey, ChildKey)>,
    /// The same, directly or through others that are there: as it was when the operation under way began.
    ties: BTreeSet<(ChildKey, ChildKey)>,
    withdrawn: BTreeSet<ChildKey>,
    budget: (u32, Duration),
    /// The specs that are not forgotten.
    specs: BTreeMap<ChildKey, Rules>,
    pub(crate) lives: BTreeMap<Attempt, Life>,
    /// Given up on, and to be cut off.
    abandoned: BTreeMap<Attempt, Told>,
    pub(crate) phase: Phase,
    mailbox: Mailbox,
    resting: BTreeSet<ChildKey>,
    /// Dead under one for one, charged, and not yet started again.
    charged: BTreeSet<ChildKey>,
    retrying: BTreeSet<ChildKey>,
    pub(crate) units: Vec<Duration>,
    /// The last unit was one too many.
    over: bool,
    stop_given: Option<Duration>,
    /// Every rung of every ladder has a limit.
    pub(crate) is_bounded: bool,
    newest: u64,
    pub(crate) now: Duration,
}

/// What an ordered stop ends with.
pub(crate) fn asked() -> Exit {
    Exit::ShutdownWith("asked".into())
}

/// What an attempt that leaves by itself ends with.
pub(crate) fn leaves() -> Exit {
    Exit::failed("leaves")
}

impl Model {
    pub(crate) fn new(
        strategy: Strategy,
        (stop_order, ties): (StopOrder, BTreeSet<(ChildKey, ChildKey)>),
        budget: (u32, Duration),
        specs: &BTreeMap<ChildKey, ChildSpec>,
    ) -> Self {
        let has_limits =
            |spec: &ChildSpec| spec.shutdown_rule() != Shutdown::Wait && spec.abandon_rule() != Abandon::Never;
        Self {
            strategy,
            stop_order,
            said: ties,
            ties: BTreeSet::new(),
            withdrawn: BTreeSet::new(),
            budget,
            is_bounded: specs.values().all(has_limits),
            specs: specs.iter().map(|(&key, spec)| (key, Rules::of(spec))).collect(),
            lives: BTreeMap::new(),
            abandoned: BTreeMap::new(),
            phase: Phase::Boot { started: Vec::new() },
            mailbox: Mailbox::default(),
            resting: BTreeSet::new(),
            charged: BTreeSet::new(),
            retrying: BTreeSet::new(),
            units: Vec::new(),
            over: false,
            stop_given: None,
            newest: 0,
            now: Duration::ZERO,
        }
    }

    pub(crate) fn is_told_to_end(&self) -> bool {
        self.stop_given.is_some() || matches!(self.phase, Phase::Ending(_) | Phase::Ended)
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.phase == Phase::Ending(Why::Killed)
    }

    pub(crate) fn is_permanent(&self, key: ChildKey) -> bool {
        self.specs.get(&key).is_some_and(|rules| rules.restart == Restart::Permanent)
    }

    fn is_live(&self, key: ChildKey) -> bool {
        self.lives.keys().any(|life| life.child() == key)
    }

    /// Promise 8.
    fn patient_until(&self) -> Option<Duration> {
        let may_prove_prompt = |life: &&Life| {
            life.starting
                && life.told == Told::Nothing
                && !life.killed_by_others
                && !life.is_leaving
                && life.is_awaited
                && !life.is_slow
        };
        match (self.strategy, &self.phase) {
            (Strategy::OneForOne, Phase::Idle) => {
                self.lives.values().filter(may_prove_prompt).map(|life| life.issued + MS).max()
            }
            _ => None,
        }
    }

    fn is_patient(&self) -> bool {
        self.patient_until().is_some_and(|until| self.now < until)
    }

    fn told(&self) -> impl Iterator<Item = &Life> {
        self.lives.values().filter(|life| life.told != Told::Nothing)
    }

    /// An operation begins.
    fn tie(&mut self) {
        self.ties = self.said.clone();
        self.ties.retain(|(a, b)| self.specs.contains_key(a) && self.specs.contains_key(b));
        for middle in self.specs.keys() {
            let ways: Vec<_> = self.ties.iter().copied().filter(|(_, to)| to == middle).collect();
            let on: Vec<_> = self.ties.iter().copied().filter(|(from, _)| from == middle).collect();
            self.ties.extend(ways.iter().flat_map(|(from, _)| on.iter().map(|(_, to)| (*from, *to))));
        }
    }

    fn end(&mut self, why: Why) {
        self.tie();
        self.phase = Phase::Ending(why);
        self.mailbox.clear();
        self.over = false;
    }
}

/// Before and after all actions are polled.
impl Model {
    /// What was waited for in vain is slow from now on.
    pub(crate) fn on_poll(&mut self) {
        if self.patient_until().is_some_and(|until| self.now >= until) {
            for life in self.lives.values_mut() {
                life.is_slow |= life.starting && life.is_awaited && !life.killed_by_others && !life.is_leaving;
            }
        }
    }

    /// A child that was already killed from outside need not be told.
    fn on_silent_tell(&mut self, attempt: Attempt) {
        self.on_first_tell(attempt.child());
        self.lives.entry(attempt).and_modify(|life| life.told = Told::Killed);
    }

    pub(crate) fn on_polled(&mut self, standings: &BTreeMap<ChildKey, ChildState>, next: Option<Duration>) {
        assert!(!self.over, "more restarts than forgiven");
        assert!(self.abandoned.is_empty(), "abandoned and not cut off");
        assert!(self.specs.keys().eq(standings.keys()), "the specs that it still has");
        let is_silently_told = |(attempt, life): &(&Attempt, &Life)| {
            life.killed_by_others && life.told == Told::Nothing && standings[&attempt.child()] == ChildState::Stopping
        };
        let silent: Vec<_> = self.lives.iter().filter(is_silently_told).map(|(&attempt, _)| attempt).collect();
        silent.into_iter().rev().for_each(|attempt| self.on_silent_tell(attempt));
        self.check_stops();
        for (attempt, life) in &self.lives {
            let standing = match (life.told, life.starting) {
                (Told::ToStop | Told::Killed, _) => ChildState::Stopping,
                (Told::Nothing, true) => ChildState::Starting,
                (Told::Nothing, false) => ChildState::Up,
            };
            assert_eq!(standings[&attempt.child()], standing, "standing");
        }
        let waits_for = |who: fn(&Life) -> bool| assert!(self.lives.values().any(who), "it waits for nobody");
        match self.phase {
            Phase::Boot { .. } => waits_for(|life| life.starting),
            Phase::Group { .. } => waits_for(|life| life.starting || life.told != Told::Nothing),
            Phase::Ending(_) => waits_for(|life| life.told != Told::Nothing),
            Phase::Idle => {
                let held_back = self.mailbox.next(&self.retrying).filter(|_| self.is_patient());
                assert_eq!(self.mailbox.next(&self.retrying), held_back, "left in the mailbox");
                assert!(held_back.is_none() || next.is_some() && next <= self.patient_until(), "held back too long");
                let is_held_back = |key| self.mailbox.has_exit_of(key) || self.retrying.contains(&key);
                let left_behind = |key: &&ChildKey| {
                    let is_accounted_for = self.is_live(**key) || self.resting.contains(key);
                    !is_accounted_for && (held_back.is_none() || !is_held_back(**key))
                };
                assert_eq!(self.specs.keys().find(left_behind), None, "a child is left behind");
            }
            Phase::Ended => assert_eq!(next, None, "it wants to be woken after the end"),
        }
        let is_to_go = |life: &Life| life.told != Told::Nothing || life.killed_by_others || life.is_leaving;
        let waits = self.lives.values().any(is_to_go) || self.is_told_to_end() && self.phase != Phase::Ended;
        assert!(!waits || !self.is_bounded || next.is_some(), "it may wait for ever");
    }

    /// All members may be told at once.
    fn is_together(&self) -> bool {
        match self.phase {
            Phase::Group { .. } => self.stop_order == StopOrder::Together,
            Phase::Ending(_) => self.stop_order != StopOrder::OneByOne,
            Phase::Boot { .. } | Phase::Idle | Phase::Ended => false,
        }
    }

    /// The children that are stopped now. None while they are started again.
    fn is_to_stop(&self, key: ChildKey) -> bool {
        match &self.phase {
            Phase::Group { first, started } => started.is_empty() && first.is_none_or(|first| key >= first),
            Phase::Ending(_) => true,
            Phase::Boot { .. } | Phase::Idle | Phase::Ended => false,
        }
    }

    /// Something that depends on it is still there, and to be stopped with it.
    fn is_blocked(&self, key: ChildKey) -> bool {
        let blocks = |life: &Attempt| self.ties.contains(&(life.child(), key)) && self.is_to_stop(life.child());
        !self.is_killed() && self.lives.keys().any(blocks)
    }

    fn check_stops(&self) {
        if self.is_together() {
            for (attempt, life) in &self.lives {
                let is_due = self.is_to_stop(attempt.child()) && !self.is_blocked(attempt.child());
                assert!(!is_due || life.told != Told::Nothing, "{attempt:?} is kept waiting");
            }
        }
        if self.phase == Phase::Idle {
            assert!(self.withdrawn.is_empty(), "calls are refused, and nothing is under way");
        }
        let members = self.specs.keys().filter(|key| self.is_to_stop(**key)).count();
        let is_refused = |key: &ChildKey| self.withdrawn.contains(key) || self.resting.contains(key);
        for key in self.specs.keys().filter(|key| self.is_to_stop(**key) && !self.is_live(**key)) {
            assert!(members < 2 || self.is_killed() || is_refused(key), "{key:?} may be waited for");
        }
        assert!(self.withdrawn.iter().all(|key| !self.is_live(*key)), "refused while it lives");
    }
}
