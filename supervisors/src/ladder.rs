//! Stopping one child: ask, wait, kill, wait, abandon.
//!
//! Invariants:
//! 1. A child on the ladder that ends is never restarted for it and costs no unit (OTP rules 25, 52).
//! 2. Each rung has a limit of its own; only `Shutdown::Wait` and `Abandon::Never` have none.
//! 3. A live child has at most one entry in the timer table, and a child that is not live has none.

use std::time::Duration;

use crate::action::{Action, Report};
use crate::children::{ChildKey, Ending, Stage, State};
use crate::exit::Exit;
use crate::spec::{Abandon, Restart, Shutdown};
use crate::supervisor::Supervisor;

impl Supervisor {
    /// Somebody outside the tree of supervisors has killed this attempt. Its exit will be an unexpected one; should it
    /// not come in time, the attempt is abandoned and counts as killed.
    pub fn handle_kill_under_way(&mut self, attempt: crate::Attempt, now: Duration) {
        self.now = self.now.max(now);
        let Some(live) = self.children.live_mut(attempt) else { return };
        if let (Ending::NotTold, Stage::Starting | Stage::Up) = (live.ending, &live.stage) {
            live.ending = Ending::KilledByOthers;
            self.arm_abandon(attempt.child());
        }
    }

    /// Puts a child on the ladder, or a rung further; `true` when it has to be waited for (OTP rules 47 to 49, 53).
    pub(crate) fn stop_child(&mut self, key: ChildKey, by_force: bool) -> bool {
        let Some(child) = self.children.get_mut(key) else { return false };
        let live = match &mut child.state {
            State::Live(live) => live,
            State::Down => return false,
            State::Retrying => {
                child.state = State::Down;
                return false;
            }
        };
        if let Stage::Dead(exit) = &live.stage {
            // OTP rule 52: its own reason is used, and its exit consumed.
            let exit = exit.clone();
            self.stopped(key, &exit);
            return false;
        }
        let rule = if by_force { Shutdown::Kill } else { child.spec.shutdown };
        match (live.ending, rule) {
            (Ending::Killed, _) | (Ending::Asked, Shutdown::After(_) | Shutdown::Wait) => {}
            (_, Shutdown::Kill) => self.kill_child(key),
            (Ending::NotTold | Ending::KilledByOthers, Shutdown::After(limit)) => self.ask(key, Some(limit)),
            (Ending::NotTold | Ending::KilledByOthers, Shutdown::Wait) => self.ask(key, None),
        }
        true
    }

    /// A rung's limit has passed: on to the next.
    pub(crate) fn climb(&mut self, key: ChildKey) {
        self.disarm(key);
        let Some(child) = self.children.get(key) else { return };
        let State::Live(live) = &child.state else { return };
        match live.ending {
            Ending::Asked => self.kill_child(key),
            Ending::Killed | Ending::KilledByOthers => self.give_up_on(key),
            Ending::NotTold => {}
        }
    }

    /// The last rung: go on without it. From here on its facts are those of an unknown attempt.
    pub(crate) fn give_up_on(&mut self, key: ChildKey) {
        let Some(child) = self.children.get(key) else { return };
        let State::Live(live) = &child.state else { return };
        let attempt = live.attempt;
        self.actions.push_back(Action::Abandon(attempt));
        self.reports.push_back(Report::Abandoned { attempt });
        self.handle_exit(attempt, Exit::Killed, self.now);
    }

    /// A child on the ladder is gone.
    pub(crate) fn stopped(&mut self, key: ChildKey, exit: &Exit) {
        self.vacate(key);
        let Some(child) = self.children.get(key) else { return };
        let lasting = child.spec.restart == Restart::Permanent;
        let by_kill = child.spec.shutdown == Shutdown::Kill;
        // OTP rule 51.
        let expected = match exit {
            Exit::Shutdown => !by_kill || !lasting,
            Exit::Normal | Exit::ShutdownWith(_) | Exit::ChildFailedToStart { .. } => !lasting,
            Exit::Killed => by_kill,
            Exit::Failed(_) | Exit::Panicked(_) => false,
        };
        // A killed supervisor tells nothing.
        if !expected && !self.is_killing() {
            self.reports.push_back(Report::ShutdownError { child: key, exit: exit.clone() });
        }
        // OTP rule 33. A supervisor that ends keeps its specs: should it be started again, all are.
        if !self.is_ending() && self.children.get(key).is_some_and(|child| child.spec.restart == Restart::Temporary) {
            self.forget(key);
        }
    }

    /// The child has no process any more.
    pub(crate) fn vacate(&mut self, key: ChildKey) {
        self.disarm(key);
        if let Some(child) = self.children.get_mut(key) {
            child.state = State::Down;
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

    fn ask(&mut self, key: ChildKey, limit: Option<Duration>) {
        self.tell(key, Ending::Asked, Action::Ask, limit);
    }

    fn kill_child(&mut self, key: ChildKey) {
        self.tell(key, Ending::Killed, Action::Kill, None);
        self.arm_abandon(key);
    }

    fn tell(&mut self, key: ChildKey, ending: Ending, action: fn(crate::Attempt) -> Action, limit: Option<Duration>) {
        self.disarm(key);
        if let Some(State::Live(live)) = self.children.get_mut(key).map(|child| &mut child.state) {
            live.ending = ending;
            self.actions.push_back(action(live.attempt));
        }
        self.arm(key, limit);
    }

    fn arm_abandon(&mut self, key: ChildKey) {
        match self.children.get(key).map(|child| child.spec.abandon) {
            Some(Abandon::After(limit)) => self.arm(key, Some(limit)),
            Some(Abandon::Never) | None => {}
        }
    }

    fn arm(&mut self, key: ChildKey, limit: Option<Duration>) {
        let Some(deadline) = limit.map(|limit| self.now.saturating_add(limit)) else { return };
        if let Some(State::Live(live)) = self.children.get_mut(key).map(|child| &mut child.state) {
            live.deadline = Some(deadline);
            self.timers.insert((deadline, key));
        }
    }
}
