//! Ordered work: boot, group restart and ordered stop are one shape, a row of stops followed by a row of starts.
//!
//! Invariants:
//! 1. Stops go youngest first, starts eldest first, one at a time (OTP rules 8, 33, 55).
//! 2. No start before the last stop is confirmed.
//! 3. A procession that ends the supervisor is the last: it is replaced only by a more forceful end.

use std::collections::VecDeque;
use std::time::Duration;

use crate::action::Action;
use crate::children::{ChildKey, Children, Held, Hold, Scope, Standing, State};
use crate::exit::Exit;
use crate::spec::Restart;
use crate::supervisor::Supervisor;

#[derive(Debug, Clone)]
pub(crate) struct Procession {
    /// Still to be stopped; the youngest is at the end.
    pub(crate) stops: Vec<ChildKey>,
    /// Still to be started; the eldest is in front.
    starts: VecDeque<ChildKey>,
    /// The child that the next step waits for.
    pub(crate) awaiting: Option<ChildKey>,
    pub(crate) goal: Goal,
}

#[derive(Debug, Clone)]
pub(crate) enum Goal {
    Boot,
    GroupRestart,
    /// One child, for an order.
    One,
    End {
        exit: Exit,
        by_force: bool,
    },
    /// All is done, and nothing will ever be again.
    Ended,
}

impl Procession {
    /// All children from the first (OTP rule 8).
    pub(crate) fn boot(children: &Children) -> Self {
        let starts = children.keys().collect();
        Self { stops: Vec::new(), starts, awaiting: None, goal: Goal::Boot }
    }

    /// The children from `first` on, or all of them, are stopped and started again, those that were down included
    /// (OTP rules 33, 34, 38, 39).
    pub(crate) fn group(children: &Children, first: Option<ChildKey>) -> Self {
        let mut keys: Vec<_> = match first {
            Some(first) => children.keys_from(first).collect(),
            None => children.keys().collect(),
        };
        keys.retain(|key| children.get(*key).is_some_and(|child| !child.is_apart()));
        Self { starts: keys.iter().copied().collect(), stops: keys, awaiting: None, goal: Goal::GroupRestart }
    }

    /// The others of the group of `key`, from `first` on, are stopped; the group is started when the delay of `key` is over.
    pub(crate) fn pause(children: &Children, first: Option<ChildKey>, key: ChildKey) -> Self {
        let mut group = Self::group(children, first);
        group.stops.retain(|other| *other != key);
        Self { starts: VecDeque::new(), ..group }
    }

    /// These are started: a group whose other members stay as they are.
    pub(crate) fn starts(keys: Vec<ChildKey>) -> Self {
        Self { stops: Vec::new(), starts: keys.into(), awaiting: None, goal: Goal::GroupRestart }
    }

    /// The delays that children of the group are serving: until when the last of them lasts.
    pub(crate) fn held_until(children: &Children, first: Option<ChildKey>) -> Option<Duration> {
        let held = Self::group(children, first).stops.into_iter().filter_map(|key| match &children.get(key)?.state {
            State::Held(Held { hold: Hold::Backoff { until }, .. }) => Some(*until),
            State::Held(_) | State::Live(_) | State::Down => None,
        });
        held.max()
    }

    /// One child that has just been told to start or to stop is waited for.
    pub(crate) fn wait_for(child: ChildKey) -> Self {
        Self { stops: Vec::new(), starts: VecDeque::new(), awaiting: Some(child), goal: Goal::One }
    }

    /// Everything that lives is stopped, and nothing started.
    pub(crate) fn end(children: &Children, exit: Exit, by_force: bool) -> Self {
        let stops = children.keys().collect();
        Self { stops, starts: VecDeque::new(), awaiting: None, goal: Goal::End { exit, by_force } }
    }
}

impl Supervisor {
    /// One step of the procession; `false` when it waits for somebody.
    pub(crate) fn advance(&mut self) -> bool {
        let by_force = self.is_killing();
        let Some(procession) = &mut self.procession else { return false };
        let is_group = matches!(procession.goal, Goal::GroupRestart);
        if let Some(awaited) = procession.awaiting {
            match self.nursery.children.get(awaited).map(|child| child.standing()) {
                Some(Standing::Starting | Standing::Stopping) => return false,
                Some(_) | None => procession.awaiting = None,
            }
        }
        if let Some(key) = procession.stops.pop() {
            // One that is held only since the group set out has a time of its own.
            if is_group && self.nursery.children.is_held(key) {
                return true;
            }
            if self.stop_child(key, by_force) {
                self.wait_for(key);
            } else if is_group {
                self.drop_temporary(key);
            }
            return true;
        }
        // Invariant 2: the stops are used up, and the last of them was awaited above.
        while let Some(key) = procession.starts.pop_front() {
            // Temporary children were forgotten (OTP rule 33).
            if self.nursery.children.get(key).is_some_and(|child| matches!(child.state, State::Down)) {
                procession.awaiting = Some(key);
                // One that has to wait for others holds up nobody: it is started when they are ready.
                self.nursery.start_after(key, Duration::ZERO, Held::new(Hold::Dependency, Scope::Alone).paid());
                return true;
            }
        }
        match std::mem::replace(&mut procession.goal, Goal::Ended) {
            Goal::Boot => {
                self.procession = None;
                self.nursery.actions.push_back(Action::Up);
            }
            Goal::GroupRestart | Goal::One => self.procession = None,
            Goal::End { exit, .. } => self.nursery.actions.push_back(Action::End(exit)),
            Goal::Ended => return false,
        }
        true
    }

    /// A failure at boot ends the supervisor: elder children are stopped, no budget is used (OTP rule 11).
    pub(crate) fn fail_boot(&mut self, key: ChildKey, cause: Exit) {
        let Some(child) = self.nursery.children.get(key) else { return };
        let exit = Exit::ChildFailedToStart { child: child.spec.id.clone(), cause: cause.into() };
        self.end(exit, false);
    }

    pub(crate) fn is_killing(&self) -> bool {
        self.procession.as_ref().is_some_and(|procession| matches!(procession.goal, Goal::End { by_force: true, .. }))
    }

    /// A temporary child has no part in a group restart, with or without a process (OTP rule 33).
    fn drop_temporary(&mut self, key: ChildKey) {
        if self.nursery.children.get(key).is_some_and(|child| child.spec.restart == Restart::Temporary) {
            self.nursery.forget(key);
        }
    }

    fn wait_for(&mut self, key: ChildKey) {
        if let Some(procession) = &mut self.procession {
            procession.awaiting = Some(key);
        }
    }
}
