//! The steps by which one child is stopped: ask, wait, kill, wait, abandon.
//!
//! Invariants:
//! 1. A child that is being stopped and ends is never restarted for it and costs no unit (OTP rules 25, 52).
//! 2. Each step has its own limit; only `Shutdown::Wait` and `Abandon::Never` have none.

use std::time::Duration;

use crate::action::{Action, Report};
use crate::child::{Ending, Held, Hold, Stage, State};
use crate::children::{Attempt, ChildKey};
use crate::core::Core;
use crate::exit::Exit;
use crate::spec::{Abandon, Restart, Shutdown};

/// The outcome of an attempt to stop a child.
pub(crate) enum Stop {
    /// The child had no process, and no start of it is due any more.
    Idle,
    /// The child was dead already, with this exit (OTP rule 52).
    Dead(Exit),
    /// The child has been told.
    Told,
}

impl Core {
    /// Begins to stop a child, or takes the next step of its stop (OTP rules 47 to 49, 53).
    pub(crate) fn stop(&mut self, key: ChildKey, by_force: bool) -> Stop {
        let Some(child) = self.children.get(key) else { return Stop::Idle };
        let State::Live(live) = &child.state else {
            self.vacate(key);
            return Stop::Idle;
        };
        if let Stage::Dead(ended) = &live.stage {
            return Stop::Dead(ended.exit.clone());
        }
        if live.never_began {
            return Stop::Dead(Exit::Shutdown);
        }
        let rule = if by_force { Shutdown::Kill } else { child.spec.terms.shutdown };
        match (live.ending, rule) {
            (Ending::Killed, _) | (Ending::Asked, Shutdown::After(_) | Shutdown::Wait) => {}
            // The kill is under way already, and its deadline stands.
            (Ending::KilledByOthers, _) => drop(self.set_ending(key, Ending::Killed)),
            (Ending::NotTold | Ending::Leaving | Ending::Asked, Shutdown::Kill) => self.kill(key, Ending::Killed),
            (Ending::NotTold | Ending::Leaving, Shutdown::After(limit)) => self.ask(key, Some(limit)),
            (Ending::NotTold | Ending::Leaving, Shutdown::Wait) => self.ask(key, None),
        }
        Stop::Told
    }

    /// Does what is due: the next step of a stop, or the end of a delay, or of a start that takes too long. `None` if
    /// nothing is due. An attempt that is returned was abandoned and counts as killed, or never began.
    pub(crate) fn fire_timer(&mut self) -> Option<Option<Attempt>> {
        let key = self.timers.due(self.meter.now())?;
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
        if live.never_began {
            return Some(Some(live.attempt));
        }
        match live.ending {
            Ending::Asked => self.kill(key, Ending::Killed),
            Ending::Leaving => self.overrun(key),
            Ending::Killed | Ending::KilledByOthers => return Some(self.abandon(key)),
            Ending::NotTold => {
                let late = format!("not ready after {:?}", child.start_timeout().unwrap_or_default());
                self.overdue(live.attempt, Exit::failed(late));
            }
        }
        Some(None)
    }

    /// Notes a kill of this attempt that came from outside. An attempt that was asked to stop counts as killed from
    /// then on. Returns `false` if the attempt is over, or was killed before and has its deadline.
    pub(crate) fn kill_under_way(&mut self, attempt: Attempt) -> bool {
        let ending = match self.ending(attempt) {
            Some(Ending::NotTold | Ending::Leaving) => Ending::KilledByOthers,
            Some(Ending::Asked) => Ending::Killed,
            Some(Ending::KilledByOthers | Ending::Killed) | None => return false,
        };
        self.set_ending(attempt.child(), ending);
        self.arm_abandon(attempt.child());
        true
    }

    /// Notes that the attempt is ending as `exit` without having been told. It has its shutdown time for that.
    pub(crate) fn leaving(&mut self, attempt: Attempt, exit: Exit) {
        if self.ending(attempt) != Some(Ending::NotTold) {
            return;
        }
        let key = attempt.child();
        let limit = match self.children.get(key).map(|child| (child.spec.terms.shutdown, child.spec.terms.abandon)) {
            Some((Shutdown::After(limit), _)) => Some(limit),
            // Such a child has no time to stop when it is told. This one was not told, and has as long as a killed
            // child.
            Some((Shutdown::Kill, Abandon::After(limit))) => Some(limit),
            Some((Shutdown::Kill, Abandon::Never) | (Shutdown::Wait, _)) | None => None,
        };
        self.set_ending(key, Ending::Leaving);
        self.arm(key, limit);
        self.set_cause(attempt, exit);
    }

    /// Notes that the attempt has ended as `exit`, and that work which was left of it has been killed and does not end.
    pub(crate) fn remains(&mut self, attempt: Attempt, exit: Exit) {
        if self.kill_under_way(attempt) {
            self.set_cause(attempt, exit);
        }
    }

    /// Kills an attempt that has taken too long to leave. Its exit stays the one that was announced.
    fn overrun(&mut self, key: ChildKey) {
        let Some(State::Live(live)) = self.children.get_mut(key).map(|child| &mut child.state) else { return };
        let (attempt, cause) = (live.attempt, live.cause.take());
        let exit = cause.map_or(Exit::Killed, |cause| *cause);
        self.outbox.report(Report::Overran { attempt, exit: exit.clone() });
        self.kill(key, Ending::KilledByOthers);
        self.set_cause(attempt, exit);
    }

    fn set_cause(&mut self, attempt: Attempt, exit: Exit) {
        if let Some(live) = self.children.live_mut(attempt) {
            live.cause = Some(Box::new(exit));
        }
    }

    /// Kills an attempt that takes too long. Its exit will be `exit`, an unexpected one.
    pub(crate) fn overdue(&mut self, attempt: Attempt, exit: Exit) {
        if let Some(Ending::NotTold | Ending::Leaving) = self.ending(attempt) {
            self.outbox.report(Report::Overdue { attempt, exit: exit.clone() });
            self.kill(attempt.child(), Ending::KilledByOthers);
            self.set_cause(attempt, exit);
        }
    }

    /// Takes the last step: goes on without the child.
    pub(crate) fn abandon(&mut self, key: ChildKey) -> Option<Attempt> {
        let attempt = self.children.get(key)?.attempt()?;
        self.outbox.act(Action::Abandon(attempt));
        self.outbox.report(Report::Abandoned { attempt });
        Some(attempt)
    }

    /// Whether a child that was told to stop may have this exit without a report (OTP rule 51).
    pub(crate) fn is_expected(&self, key: ChildKey, exit: &Exit) -> bool {
        let Some(child) = self.children.get(key) else { return true };
        let lasting = child.spec.terms.restart == Restart::Permanent;
        let by_kill = child.spec.terms.shutdown == Shutdown::Kill;
        match exit {
            Exit::Shutdown => !by_kill || !lasting,
            Exit::Normal | Exit::ShutdownWith(_) | Exit::ChildFailedToStart { .. } => !lasting,
            Exit::Killed => by_kill,
            Exit::Failed(_) | Exit::Panicked(_) | Exit::Hung(_) => false,
        }
    }

    /// Returns the step that the stop of the attempt has reached; `None` after its end.
    fn ending(&mut self, attempt: Attempt) -> Option<Ending> {
        self.children.live_mut(attempt).filter(|live| !matches!(live.stage, Stage::Dead(_))).map(|live| live.ending)
    }

    fn ask(&mut self, key: ChildKey, limit: Option<Duration>) {
        let attempt = self.set_ending(key, Ending::Asked);
        self.arm(key, limit);
        attempt.into_iter().for_each(|attempt| self.outbox.act(Action::Ask(attempt)));
    }

    fn kill(&mut self, key: ChildKey, ending: Ending) {
        let attempt = self.set_ending(key, ending);
        self.arm_abandon(key);
        attempt.into_iter().for_each(|attempt| self.outbox.act(Action::Kill(attempt)));
    }

    fn arm_abandon(&mut self, key: ChildKey) {
        let limit = match self.children.get(key).map(|child| child.spec.terms.abandon) {
            Some(Abandon::After(limit)) => Some(limit),
            Some(Abandon::Never) | None => None,
        };
        self.arm(key, limit);
    }

    fn set_ending(&mut self, key: ChildKey, ending: Ending) -> Option<Attempt> {
        let (attempt, is_news) = self.children.change(key, |child| {
            let State::Live(live) = &mut child.state else { return None };
            let was_told = live.is_told();
            if live.ending == Ending::Leaving {
                // The exit that was announced does not matter any more.
                live.cause = None;
            }
            live.ending = ending;
            Some((live.attempt, live.is_told() && !was_told))
        })??;
        if is_news {
            self.meter.stop_begins();
        }
        Some(attempt)
    }
}
