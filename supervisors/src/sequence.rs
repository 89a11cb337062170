//! Ordered work: boot, group restart and ordered stop have one shape, a row of stops followed by a row of starts.
//!
//! Invariants:
//! 1. Stops go as [`Stops`] says: youngest first and one at a time (OTP rules 33, 55), unless another order is set.
//!    Starts go eldest first, one at a time (OTP rule 8).
//! 2. No start before the last stop is confirmed.
//! 3. A sequence that ends the supervisor is the last: it is replaced only by a more forceful end.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::child::{ChildState, Held, State};
use crate::children::{ChildKey, Children};
use crate::core::Core;
use crate::spec::StopOrder;
use crate::stops::Stops;
use crate::supervisor::StaticMachine;
use crate::transitions::{Step, Transitions};

#[derive(Debug, Clone)]
pub(crate) struct Sequence {
    pub(crate) goal: Goal,
    pub(crate) stops: Stops,
    /// Whether more than one child is stopped, or kept down, for this sequence.
    is_shared: bool,
    /// Whether the stops are over, so that calls to the children that are started may wait again.
    is_readmitted: bool,
    /// Children that are still to be started; the eldest is in front.
    pub(crate) starts: VecDeque<ChildKey>,
    /// The child that the next step waits for: its start, or its stop by order.
    pub(crate) awaiting: Option<ChildKey>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    Boot,
    GroupRestart,
    /// The start or stop of a single child, for an order.
    One,
    End,
}

impl Sequence {
    fn new(goal: Goal, stops: Stops, starts: impl IntoIterator<Item = ChildKey>) -> Self {
        Self {
            goal,
            stops,
            is_shared: false,
            is_readmitted: false,
            starts: starts.into_iter().collect(),
            awaiting: None,
        }
    }

    /// A sequence that starts all children from the first (OTP rule 8).
    pub(crate) fn boot(children: &Children) -> Self {
        Self::new(Goal::Boot, Stops::default(), children.keys())
    }

    /// Returns the members of a group, in start order: the children from `first` on, or all of them. Those that are
    /// down are included (OTP rules 33, 34, 38, 39).
    pub(crate) fn members(children: &Children, first: Option<ChildKey>) -> Vec<ChildKey> {
        let mut keys: Vec<_> = match first {
            Some(first) => children.keys_from(first).collect(),
            None => children.keys().collect(),
        };
        keys.retain(|key| children.get(*key).is_some_and(|child| !child.is_apart()));
        keys
    }

    /// A sequence that stops these children, and starts them again unless `delayed` has a delay to serve.
    pub(crate) fn group(core: &Core, members: Vec<ChildKey>, delayed: Option<ChildKey>) -> Self {
        let together = core.flags().stop_order == StopOrder::Together;
        let is_shared = members.len() > 1;
        let stopped: Vec<_> = members.iter().copied().filter(|key| Some(*key) != delayed).collect();
        let stops = Stops::new(&stopped, &core.children, &core.sound_ties(), together);
        let starts = if delayed.is_some() { Vec::new() } else { members };
        Self { is_shared, ..Self::new(Goal::GroupRestart, stops, starts) }
    }

    /// A sequence that starts these children. Other members of the group stay as they are.
    pub(crate) fn starts(keys: Vec<ChildKey>) -> Self {
        Self::new(Goal::GroupRestart, Stops::default(), keys)
    }

    /// A sequence that waits for one child, which has just been told to start or to stop.
    pub(crate) fn wait_for(child: ChildKey) -> Self {
        Self { awaiting: Some(child), ..Self::new(Goal::One, Stops::default(), []) }
    }

    /// A sequence that stops everything that lives, and starts nothing.
    pub(crate) fn end(core: &Core) -> Self {
        let together = core.flags().stop_order != StopOrder::OneByOne;
        // A child that is killed does not use its dependencies any more.
        let ties = if core.is_killing() { BTreeSet::new() } else { core.sound_ties() };
        let members: Vec<_> = core.children.keys().collect();
        let stops = Stops::new(&members, &core.children, &ties, together);
        Self { is_shared: members.len() > 1, ..Self::new(Goal::End, stops, []) }
    }
}

impl StaticMachine {
    /// Takes one step of the sequence.
    pub(crate) fn advance(&mut self) -> Step {
        let by_force = self.core.is_killing();
        let Some(sequence) = &mut self.sequence else {
            self.core.forget_departed();
            return Step::Idle;
        };
        let mut departed = self.core.take_departed();
        for key in departed.drain(..) {
            // Calls to a member would wait in vain, also if it died before it was told.
            if sequence.stops.is_left(key) {
                sequence.stops.gone(key);
                if sequence.is_shared {
                    self.core.withdraw(key);
                }
            }
        }
        self.core.give_back_departed(departed);
        if let Some(awaited) = sequence.awaiting {
            match self.core.children.get(awaited).map(|child| child.standing()) {
                Some(ChildState::Starting | ChildState::Stopping) => return Step::Waits,
                Some(_) | None => sequence.awaiting = None,
            }
        }
        if let Some(key) = sequence.stops.next() {
            // A child that is held only since the group restart began has its own time.
            let is_apart = sequence.goal == Goal::GroupRestart && self.core.children.held(key).is_some();
            // A temporary child has no part in a group restart: it is forgotten, even with a process (OTP rule 33).
            if (is_apart || !self.stop_child(key, by_force))
                && let Some(sequence) = &mut self.sequence
            {
                sequence.stops.gone(key);
            }
            return Step::Taken;
        }
        // Invariant 2.
        if !sequence.stops.is_over() {
            return Step::Waits;
        }
        // Only once: this place is passed again for each of the starts, which may be many.
        if !std::mem::replace(&mut sequence.is_readmitted, true) {
            sequence.starts.iter().for_each(|key| self.core.readmit(*key));
        }
        while let Some(key) = sequence.starts.pop_front() {
            if self.core.children.get(key).is_some_and(|child| matches!(child.state, State::Down)) {
                sequence.awaiting = Some(key);
                // A child that waits for dependencies delays no other: it is started when they are ready.
                self.core.start_after(key, Duration::ZERO, Held::ALONE);
                return Step::Taken;
            }
        }
        match sequence.goal {
            Goal::Boot => {
                self.sequence = None;
                self.boot_has_gone_through();
            }
            Goal::GroupRestart | Goal::One => self.sequence = None,
            Goal::End if self.core.finish() => {}
            Goal::End => return Step::Waits,
        }
        Step::Taken
    }
}
