//! Ordered work: boot, group restart and ordered stop are one shape, a row of stops followed by a row of starts.
//!
//! Invariants:
//! 1. Stops go youngest first, starts eldest first, one at a time (OTP rules 8, 33, 55).
//! 2. No start before the last stop is confirmed.
//! 3. A procession that ends the supervisor is the last: it is replaced only by a more forceful end.

use std::collections::VecDeque;
use std::time::Duration;

use crate::child::{Held, Standing, State};
use crate::children::{ChildKey, Children};
use crate::decide::{Alike, Step};
use crate::supervisor::Supervisor;

#[derive(Debug, Clone)]
pub(crate) struct Procession {
    pub(crate) goal: Goal,
    /// Still to be stopped; the youngest is at the end.
    pub(crate) stops: Vec<ChildKey>,
    /// Still to be started; the eldest is in front.
    pub(crate) starts: VecDeque<ChildKey>,
    /// The child that the next step waits for.
    pub(crate) awaiting: Option<ChildKey>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    Boot,
    GroupRestart,
    /// One child, for an order.
    One,
    End,
}

impl Procession {
    fn new(goal: Goal, stops: Vec<ChildKey>, starts: impl IntoIterator<Item = ChildKey>) -> Self {
        Self { goal, stops, starts: starts.into_iter().collect(), awaiting: None }
    }

    /// All children from the first (OTP rule 8).
    pub(crate) fn boot(children: &Children) -> Self {
        Self::new(Goal::Boot, Vec::new(), children.keys())
    }

    /// The children from `first` on, or all of them, are stopped and started again, those that were down included
    /// (OTP rules 33, 34, 38, 39).
    pub(crate) fn group(children: &Children, first: Option<ChildKey>) -> Self {
        let mut keys: Vec<_> = match first {
            Some(first) => children.keys_from(first).collect(),
            None => children.keys().collect(),
        };
        keys.retain(|key| children.get(*key).is_some_and(|child| !child.is_apart()));
        Self::new(Goal::GroupRestart, keys.clone(), keys)
    }

    /// These are started: a group whose other members stay as they are.
    pub(crate) fn starts(keys: Vec<ChildKey>) -> Self {
        Self::new(Goal::GroupRestart, Vec::new(), keys)
    }

    /// One child that has just been told to start or to stop is waited for.
    pub(crate) fn wait_for(child: ChildKey) -> Self {
        Self { awaiting: Some(child), ..Self::new(Goal::One, Vec::new(), []) }
    }

    /// Everything that lives is stopped, and nothing started.
    pub(crate) fn end(children: &Children) -> Self {
        Self::new(Goal::End, children.keys().collect(), [])
    }
}

impl Supervisor {
    /// One step of the procession.
    pub(crate) fn advance(&mut self) -> Step {
        let by_force = self.nursery.is_killing();
        let Some(procession) = &mut self.procession else { return Step::Idle };
        if let Some(awaited) = procession.awaiting {
            match self.nursery.children.get(awaited).map(|child| child.standing()) {
                Some(Standing::Starting | Standing::Stopping) => return Step::Waits,
                Some(_) | None => procession.awaiting = None,
            }
        }
        if let Some(key) = procession.stops.pop() {
            // One that is held only since the group set out has a time of its own.
            if procession.goal == Goal::GroupRestart && self.nursery.children.held(key).is_some() {
                return Step::Taken;
            }
            // A temporary child has no part in a group restart: with or without a process, it is forgotten (OTP rule 33).
            if self.stop_child(key, by_force)
                && let Some(procession) = &mut self.procession
            {
                procession.awaiting = Some(key);
            }
            return Step::Taken;
        }
        // Invariant 2: the stops are used up, and the last of them was awaited above.
        while let Some(key) = procession.starts.pop_front() {
            if self.nursery.children.get(key).is_some_and(|child| matches!(child.state, State::Down)) {
                procession.awaiting = Some(key);
                // One that has to wait for others holds up nobody: it is started when they are ready.
                self.nursery.start_after(key, Duration::ZERO, Held::ALONE);
                return Step::Taken;
            }
        }
        match procession.goal {
            Goal::Boot => {
                self.procession = None;
                self.boot_has_gone_through();
            }
            Goal::GroupRestart | Goal::One => self.procession = None,
            Goal::End if self.nursery.be_over() => {}
            Goal::End => return Step::Waits,
        }
        Step::Taken
    }
}
