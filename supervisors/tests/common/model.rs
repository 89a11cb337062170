//! `Model`: an independent idea of what a supervisor may do, fed with every fact, report and action.
//!
//! It knows the OTP rules as promises, not as a mechanism: it cannot say what comes next, only that what came was wrong.
//!
//! 1. Never two lives of one child; nobody is killed twice; stops go youngest first, one at a time.
//! 2. A group stops before it starts, starts eldest first, and leaves nobody out (OTP rules 33 to 40).
//! 3. Exits, retries and the order to stop are taken in the order in which they came, and none during ordered work
//!    (OTP rules 13, 31, 46, 56, 72).
//! 4. One unit for each exit that calls for a restart and for each retry; the supervisor gives up when, and only when,
//!    the window holds more than are forgiven (OTP rules 20 to 27).
//! 5. Whoever is to end ends for the right reason, after the last child, and is silent for ever.
//! 6. A supervisor that waits waits for somebody, and one that rests has left nobody behind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use regrow_supervisors::{
    Abandon, Action, Attempt, ChildKey, ChildSpec, Exit, Report, Restart, Shutdown, Standing, Strategy,
};

use super::MS;
use super::mailbox::{Mail, Mailbox};

/// One child's process, as the world sees it.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) starting: bool,
    pub(crate) told: Told,
    pub(crate) killed_by_others: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Nothing,
    ToStop,
    Killed,
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
    budget: (u32, Duration),
    /// The specs that are not forgotten.
    specs: BTreeMap<ChildKey, Restart>,
    pub(crate) lives: BTreeMap<Attempt, Life>,
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
    is_bounded: bool,
    newest: u64,
    pub(crate) now: Duration,
}

/// What an ordered stop ends with.
pub(crate) fn asked() -> Exit {
    Exit::ShutdownWith("asked".into())
}

impl Model {
    pub(crate) fn new(strategy: Strategy, budget: (u32, Duration), specs: &BTreeMap<ChildKey, ChildSpec>) -> Self {
        let has_limits =
            |spec: &ChildSpec| spec.shutdown_rule() != Shutdown::Wait && spec.abandon_rule() != Abandon::Never;
        Self {
            strategy,
            budget,
            is_bounded: specs.values().all(has_limits),
            specs: specs.iter().map(|(&key, spec)| (key, spec.restart_type())).collect(),
            lives: BTreeMap::new(),
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
        self.specs.get(&key) == Some(&Restart::Permanent)
    }

    fn is_live(&self, key: ChildKey) -> bool {
        self.lives.keys().any(|life| life.child() == key)
    }

    fn told(&self) -> impl Iterator<Item = &Life> {
        self.lives.values().filter(|life| life.told != Told::Nothing)
    }

    fn end(&mut self, why: Why) {
        self.phase = Phase::Ending(why);
        self.mailbox.clear();
        self.over = false;
    }
}

/// Facts and orders.
impl Model {
    pub(crate) fn on_up(&mut self, attempt: Attempt) {
        self.lives.entry(attempt).and_modify(|life| life.starting = false);
        self.answered(attempt.child());
    }

    pub(crate) fn on_ignored(&mut self, attempt: Attempt) {
        self.lives.remove(&attempt);
        self.answered(attempt.child());
    }

    /// A group restart is over when its youngest is up, or ignored.
    fn answered(&mut self, key: ChildKey) {
        if matches!(self.phase, Phase::Group { .. }) && self.specs.keys().next_back() == Some(&key) {
            self.phase = Phase::Idle;
        }
    }

    pub(crate) fn on_gone(&mut self, attempt: Attempt) {
        if let Some(Life { starting: false, told: Told::Nothing, .. }) = self.lives.remove(&attempt) {
            self.on_unexpected_exit(attempt);
        }
    }

    fn on_unexpected_exit(&mut self, attempt: Attempt) {
        let is_consumed = match &self.phase {
            // The group will find it dead when it comes to stop it.
            Phase::Group { first, started } => started.is_empty() && first.is_none_or(|first| attempt.child() >= first),
            Phase::Boot { .. } | Phase::Idle => false,
            Phase::Ending(_) | Phase::Ended => true,
        };
        if !is_consumed {
            self.mailbox.push(Mail::Exit(attempt));
        }
    }

    pub(crate) fn on_stop(&mut self) {
        if !self.is_told_to_end() {
            self.stop_given = Some(self.now);
            self.mailbox.push(Mail::Stop);
        }
    }

    /// A stop cuts a start short that has not answered a millisecond later.
    pub(crate) fn on_time(&mut self) {
        let is_patient = self.stop_given.is_none_or(|given| self.now < given + MS);
        let is_starting = matches!(self.phase, Phase::Boot { .. } | Phase::Group { .. })
            && self.lives.values().any(|life| life.starting);
        if !is_patient && is_starting {
            self.end(Why::Asked);
        }
    }

    pub(crate) fn on_kill(&mut self) {
        if self.phase != Phase::Ended {
            self.end(Why::Killed);
        }
    }
}

/// Reports.
impl Model {
    pub(crate) fn on_report(&mut self, report: &Report) {
        assert_ne!(self.phase, Phase::Ended, "a report after the end");
        assert!(!self.over || matches!(report, Report::GaveUp { .. }), "more restarts than forgiven");
        match report {
            Report::ChildTerminated { child, .. } => {
                self.take_exit(*child);
                match self.specs[child] {
                    Restart::Permanent | Restart::Transient => self.on_crash(*child),
                    Restart::Temporary => {}
                }
            }
            Report::StartError { child, .. } => match self.phase {
                Phase::Boot { .. } => self.end(Why::BootFailed),
                Phase::Idle | Phase::Group { .. } => {
                    self.phase = Phase::Idle;
                    self.retrying.insert(*child);
                    self.mailbox.push(Mail::Retry(*child));
                }
                Phase::Ending(_) | Phase::Ended => assert!(!self.is_killed(), "a killed supervisor tells nothing"),
            },
            Report::GaveUp { child } => {
                if !self.over {
                    assert_eq!(self.mailbox.next(&self.retrying), Some(Mail::Retry(*child)), "gave up for nothing");
                    self.charge();
                }
                assert!(self.over, "gave up too early");
                self.end(Why::GaveUp);
            }
            Report::ShutdownError { .. } => assert!(!self.is_killed(), "a killed supervisor tells nothing"),
            Report::Abandoned { attempt } => match self.lives.get(attempt) {
                Some(Life { starting: false, told: Told::Nothing, .. }) => self.on_unexpected_exit(*attempt),
                Some(_) | None => {}
            },
        }
    }

    fn take_exit(&mut self, child: ChildKey) {
        assert_eq!(self.phase, Phase::Idle, "an exit taken during ordered work");
        match self.mailbox.take(&self.retrying) {
            Some(Mail::Exit(attempt)) if attempt.child() == child => {}
            other => panic!("the exit of {child:?} taken before {other:?}"),
        }
    }

    fn on_crash(&mut self, child: ChildKey) {
        self.charge();
        if !self.over {
            match self.strategy {
                Strategy::OneForOne => drop(self.charged.insert(child)),
                Strategy::OneForAll => self.begin_group(None),
                Strategy::RestForOne => self.begin_group(Some(child)),
            }
        }
    }

    fn charge(&mut self) {
        let (restarts_max, period) = self.budget;
        self.units.push(self.now);
        self.units.retain(|&at| self.now - at <= period);
        self.over = self.units.len() > restarts_max as usize;
    }

    fn begin_group(&mut self, first: Option<ChildKey>) {
        let is_member = |key| first.is_none_or(|first| key >= first);
        self.retrying.retain(|&key| !is_member(key));
        self.mailbox.consume_exits(is_member);
        self.phase = Phase::Group { first, started: Vec::new() };
    }
}

/// Actions.
impl Model {
    pub(crate) fn on_action(&mut self, action: &Action) {
        assert_ne!(self.phase, Phase::Ended, "an action after the end");
        assert!(!self.over, "more restarts than forgiven");
        match action {
            Action::Start(attempt) => self.on_start(*attempt),
            Action::Ask(attempt) => self.on_tell(*attempt, Told::ToStop),
            Action::Kill(attempt) => self.on_tell(*attempt, Told::Killed),
            Action::Abandon(attempt) => {
                if let Some(life) = self.lives.remove(attempt) {
                    assert!(life.told == Told::Killed || life.killed_by_others, "abandoned before a kill");
                }
            }
            Action::Rest(key) => {
                self.on_restless(*key);
                self.resting.insert(*key);
            }
            Action::Forget(key) => {
                self.on_restless(*key);
                assert_eq!(self.specs.remove(key), Some(Restart::Temporary), "forgotten");
            }
            Action::Up => {
                let Phase::Boot { started } = &self.phase else { panic!("up outside of boot") };
                assert!(self.specs.keys().all(|key| started.contains(key)), "up with a child never started");
                self.phase = Phase::Idle;
            }
            Action::End(exit) => self.on_end(exit),
        }
    }

    /// No restart: it was ignored, stopped, or has ended clean, which is news that waited its turn.
    fn on_restless(&mut self, key: ChildKey) {
        assert!(!self.is_live(key), "put to rest while it lives");
        if self.mailbox.has_exit_of(key) {
            self.take_exit(key);
        }
    }

    /// Something moves while nothing is under way: a retry, or the order to stop.
    fn take_retry_or_stop(&mut self) {
        match self.mailbox.take(&self.retrying) {
            Some(Mail::Retry(child)) => {
                self.charge();
                assert!(!self.over, "a retry that the budget does not forgive");
                match self.strategy {
                    Strategy::OneForOne => drop((self.retrying.remove(&child), self.charged.insert(child))),
                    Strategy::OneForAll => self.begin_group(None),
                    Strategy::RestForOne => self.begin_group(Some(child)),
                }
            }
            Some(Mail::Stop) => self.end(Why::Asked),
            other => panic!("a move that nothing called for: next is {other:?}"),
        }
    }

    fn on_start(&mut self, attempt: Attempt) {
        let key = attempt.child();
        assert!(attempt.number() > self.newest, "an attempt's number is used again");
        assert!(!self.is_live(key), "two lives of one child");
        assert!(self.told().next().is_none(), "a start before the last stop is confirmed");
        if self.phase == Phase::Idle && !self.charged.contains(&key) {
            self.take_retry_or_stop();
        }
        let (first, started) = match &mut self.phase {
            Phase::Boot { started } => (None, Some(started)),
            Phase::Group { first, started } => (*first, Some(started)),
            Phase::Idle => {
                assert!(self.charged.remove(&key), "a restart that nothing called for");
                (None, None)
            }
            Phase::Ending(_) | Phase::Ended => panic!("a start while it ends"),
        };
        if let Some(started) = started {
            let is_left = |&&key: &&ChildKey| {
                first.is_none_or(|first| key >= first) && started.last().is_none_or(|&last| key > last)
            };
            assert_eq!(self.specs.keys().find(is_left), Some(&key), "starts go eldest first and leave nobody out");
            assert!(self.lives.keys().all(|life| life.child() < key), "a start while a younger one lives");
            let is_member_left = |life: &Attempt| started.is_empty() && first.is_none_or(|first| life.child() >= first);
            assert!(!self.lives.keys().any(is_member_left), "a group starts before it has stopped");
            started.push(key);
        }
        self.newest = attempt.number();
        self.resting.remove(&key);
        self.lives.insert(attempt, Life { starting: true, told: Told::Nothing, killed_by_others: false });
    }

    fn on_tell(&mut self, attempt: Attempt, word: Told) {
        // It may have ended between the decision and its performance.
        let Some(life) = self.lives.get(&attempt) else { return };
        match (life.told, word) {
            (Told::Nothing, _) => self.on_first_tell(attempt.child()),
            (Told::ToStop, Told::Killed) => {}
            (Told::ToStop | Told::Killed, _) => panic!("told twice"),
        }
        self.lives.entry(attempt).and_modify(|life| life.told = word);
    }

    fn on_first_tell(&mut self, key: ChildKey) {
        assert!(self.told().next().is_none(), "two stops at once");
        assert!(self.lives.keys().all(|life| life.child() <= key), "stopped before a younger one");
        if self.phase == Phase::Idle {
            self.take_retry_or_stop();
        }
        match &self.phase {
            Phase::Group { first, started } => {
                assert!(started.is_empty(), "a stop after the first start of a group");
                assert!(first.is_none_or(|first| key > first), "an elder is stopped");
            }
            Phase::Ending(_) => {}
            Phase::Boot { .. } | Phase::Idle | Phase::Ended => panic!("a stop that nothing called for"),
        }
    }

    fn on_end(&mut self, exit: &Exit) {
        assert!(self.lives.is_empty(), "it ends before its children");
        if self.phase == Phase::Idle {
            self.take_retry_or_stop();
        }
        let why = match exit {
            Exit::Killed => Why::Killed,
            Exit::Shutdown => Why::GaveUp,
            Exit::ChildFailedToStart { .. } => Why::BootFailed,
            exit => {
                assert_eq!(exit.to_string(), asked().to_string(), "why it ends");
                Why::Asked
            }
        };
        assert_eq!(self.phase, Phase::Ending(why), "why it ends");
        self.phase = Phase::Ended;
    }
}

/// When there is no more action.
impl Model {
    pub(crate) fn on_polled(&mut self, standings: &BTreeMap<ChildKey, Standing>, next: Option<Duration>) {
        assert!(!self.over, "more restarts than forgiven");
        assert!(self.specs.keys().eq(standings.keys()), "the specs that it still has");
        for (attempt, life) in &self.lives {
            let standing = match (life.told, life.starting) {
                (Told::ToStop | Told::Killed, _) => Standing::Stopping,
                (Told::Nothing, true) => Standing::Starting,
                (Told::Nothing, false) => Standing::Up,
            };
            assert_eq!(standings[&attempt.child()], standing, "standing");
        }
        let waits_for = |who: fn(&Life) -> bool| assert!(self.lives.values().any(who), "it waits for nobody");
        match self.phase {
            Phase::Boot { .. } => waits_for(|life| life.starting),
            Phase::Group { .. } => waits_for(|life| life.starting || life.told != Told::Nothing),
            Phase::Ending(_) => waits_for(|life| life.told != Told::Nothing),
            Phase::Idle => {
                assert_eq!(self.mailbox.next(&self.retrying), None, "left in the mailbox");
                let left_behind = |key: &&ChildKey| !self.is_live(**key) && !self.resting.contains(key);
                assert_eq!(self.specs.keys().find(left_behind), None, "a child is left behind");
            }
            Phase::Ended => assert_eq!(next, None, "it wants to be woken after the end"),
        }
        let is_to_end = self.is_told_to_end() && self.phase != Phase::Ended;
        assert!(!(is_to_end && self.is_bounded) || next.is_some(), "it may wait for ever");
    }
}
