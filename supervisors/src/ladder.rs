//! The ladder by which one child is stopped: ask, wait, kill, wait, abandon.
//!
//! Invariants:
//! 1. A child on the ladder that ends is never restarted for it and costs no unit (OTP rules 25, 52).
//! 2. Each rung has a limit of its own; only `Shutdown::Wait` and `Abandon::Never` have none.

use std::time::Duration;

use crate::action::{Action, Report};
use crate::child::{Ending, Held, Hold, Stage, State};
use crate::children::{Attempt, ChildKey};
use crate::exit::Exit;
use crate::nursery::Nursery;
use crate::spec::{Abandon, Restart, Shutdown};

/// What stopping a child comes to.
pub(crate) enum Stop {
    /// It had no process, and will not have the one that was to come.
    Idle,
    /// It was dead already, of this (OTP rule 52).
    Dead(Exit),
    /// It has been told.
    Told,
}

impl Nursery {
    /// Puts a child on the ladder, or a rung further (OTP rules 47 to 49, 53).
    pub(crate) fn stop(&mut self, key: ChildKey, by_force: bool) -> Stop {
        let Some(child) = self.children.get(key) else { return Stop::Idle };
        let State::Live(live) = &child.state else {
            self.vacate(key);
            return Stop::Idle;
        };
        if let Stage::Dead(ended) = &live.stage {
            return Stop::Dead(ended.exit.clone());
        }
        if live.is_stillborn {
            return Stop::Dead(Exit::Shutdown);
        }
        let rule = if by_force { Shutdown::Kill } else { child.spec.shutdown };
        match (live.ending, rule) {
            (Ending::Killed, _) | (Ending::Asked, Shutdown::After(_) | Shutdown::Wait) => {}
            // It is on the last rung already, and its deadline stands.
            (Ending::KilledByOthers, _) => drop(self.come_to(key, Ending::Killed)),
            (Ending::NotTold | Ending::Asked, Shutdown::Kill) => self.kill(key, Ending::Killed),
            (Ending::NotTold, Shutdown::After(limit)) => self.ask(key, Some(limit)),
            (Ending::NotTold, Shutdown::Wait) => self.ask(key, None),
        }
        Stop::Told
    }

    /// Does what is due: a step up a ladder, the end of a delay, of a start that takes too long. The attempt that comes back
    /// was abandoned and counts as killed, or never began.
    pub(crate) fn climb(&mut self) -> Option<Option<Attempt>> {
        let &(at, key) = self.timers.first()?;
        if at > self.now {
            return None;
        }
        self.set_timer(key, None);
        let child = self.children.get(key)?;
        let live = match &child.state {
            State::Live(live) => live,
            State::Held(held @ Held { hold: Hold::Blocked { .. }, .. }) => {
                self.look_again(key, *held);
                return Some(None);
            }
            State::Held(_) | State::Down => {
                self.wake(key);
                return Some(None);
            }
        };
        if live.is_stillborn {
            return Some(Some(live.attempt));
        }
        match live.ending {
            Ending::Asked => self.kill(key, Ending::Killed),
            Ending::Killed | Ending::KilledByOthers => return Some(self.abandon(key)),
            Ending::NotTold => {
                let late = format!("not ready after {:?}", child.start_timeout().unwrap_or_default());
                self.overdue(live.attempt, Exit::failed(late));
            }
        }
        Some(None)
    }

    /// Somebody outside has killed this attempt.
    pub(crate) fn kill_under_way(&mut self, attempt: Attempt) {
        if self.is_at_large(attempt) {
            self.come_to(attempt.child(), Ending::KilledByOthers);
            self.arm_abandon(attempt.child());
        }
    }

    /// Kills an attempt that takes too long. Its exit will be `exit`, and unexpected.
    pub(crate) fn overdue(&mut self, attempt: Attempt, exit: Exit) {
        if self.is_at_large(attempt)
            && let Some(live) = self.children.live_mut(attempt)
        {
            live.cause = Some(Box::new(exit.clone()));
            self.reports.push_back(Report::Overdue { attempt, exit });
            self.kill(attempt.child(), Ending::KilledByOthers);
        }
    }

    /// The last rung: go on without it.
    pub(crate) fn abandon(&mut self, key: ChildKey) -> Option<Attempt> {
        let attempt = self.children.get(key)?.attempt()?;
        self.actions.push_back(Action::Abandon(attempt));
        self.reports.push_back(Report::Abandoned { attempt });
        Some(attempt)
    }

    /// Whether a child that was told to stop may end so without a report (OTP rule 51).
    pub(crate) fn is_expected(&self, key: ChildKey, exit: &Exit) -> bool {
        let Some(child) = self.children.get(key) else { return true };
        let lasting = child.spec.restart == Restart::Permanent;
        let by_kill = child.spec.shutdown == Shutdown::Kill;
        match exit {
            Exit::Shutdown => !by_kill || !lasting,
            Exit::Normal | Exit::ShutdownWith(_) | Exit::ChildFailedToStart { .. } => !lasting,
            Exit::Killed => by_kill,
            Exit::Failed(_) | Exit::Panicked(_) | Exit::Hung(_) => false,
        }
    }

    /// Nobody ends it, and it has not ended by itself.
    fn is_at_large(&mut self, attempt: Attempt) -> bool {
        let live = self.children.live_mut(attempt);
        live.is_some_and(|live| live.ending == Ending::NotTold && !matches!(live.stage, Stage::Dead(_)))
    }

    fn ask(&mut self, key: ChildKey, limit: Option<Duration>) {
        let attempt = self.come_to(key, Ending::Asked);
        self.arm(key, limit);
        self.actions.extend(attempt.map(Action::Ask));
    }

    fn kill(&mut self, key: ChildKey, ending: Ending) {
        let attempt = self.come_to(key, ending);
        self.arm_abandon(key);
        self.actions.extend(attempt.map(Action::Kill));
    }

    fn arm_abandon(&mut self, key: ChildKey) {
        let limit = match self.children.get(key).map(|child| child.spec.abandon) {
            Some(Abandon::After(limit)) => Some(limit),
            Some(Abandon::Never) | None => None,
        };
        self.arm(key, limit);
    }

    fn come_to(&mut self, key: ChildKey, ending: Ending) -> Option<Attempt> {
        let State::Live(live) = &mut self.children.get_mut(key)?.state else { return None };
        let was_told = live.is_told();
        live.ending = ending;
        if live.is_told() && !was_told {
            self.stops += 1;
            self.stops_since.get_or_insert(self.now);
        }
        Some(live.attempt)
    }

    /// One child less is being stopped.
    pub(crate) fn stop_is_over(&mut self) {
        self.stops -= 1;
        if self.stops == 0 {
            self.left_out = self.now.saturating_sub(self.budget_now());
            self.stops_since = None;
        }
    }
}
