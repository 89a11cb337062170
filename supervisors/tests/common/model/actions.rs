//! Actions: each must be called for, and break no promise.

use regrow_supervisors::{Action, Attempt, ChildKey, Exit, Restart, Strategy};

use super::{Life, Model, Phase, Told, Why, asked};
use crate::common::mailbox::Mail;

impl Model {
    pub(crate) fn on_action(&mut self, action: &Action) {
        assert_ne!(self.phase, Phase::Ended, "an action after the end");
        assert!(!self.over, "more restarts than forgiven");
        match action {
            Action::Start(attempt) => self.on_start(*attempt),
            Action::Ask(attempt) => self.on_tell(*attempt, Told::ToStop),
            Action::Kill(attempt) => self.on_tell(*attempt, Told::Killed),
            Action::Abandon(attempt) => {
                assert_eq!(self.abandoned.remove(attempt), Some(Told::Killed), "abandoned before a kill");
            }
            Action::Rest(key) => {
                self.on_rest(*key);
                assert!(self.specs[key].restart != Restart::Temporary, "a temporary child is kept");
                self.withdrawn.remove(key);
                self.resting.insert(*key);
            }
            Action::Forget(key) => {
                self.on_rest(*key);
                self.withdrawn.remove(key);
                let rules = self.specs.remove(key);
                assert!(rules.is_some_and(|rules| rules.restart == Restart::Temporary), "forgotten");
            }
            Action::Dismiss(_) => panic!("no order says so"),
            Action::Withdraw(key) => {
                assert!(!self.is_live(*key), "refused while it lives");
                assert!(self.withdrawn.insert(*key), "refused twice");
            }
            Action::Readmit(key) => assert!(self.withdrawn.remove(key), "never refused"),
            Action::Up => {
                let Phase::Boot { started } = &self.phase else { panic!("up outside of boot") };
                assert!(self.specs.keys().all(|key| started.contains(key)), "up with a child never started");
                self.phase = Phase::Idle;
            }
            Action::End(exit) => self.on_end(exit),
            Action::Adopt { .. } | Action::Answer { .. } => panic!("nobody gave an order"),
            Action::Park { .. } | Action::Wait(_) => panic!("no policy says so"),
            Action::NoteKept { .. } => panic!("no child keeps a value"),
        }
    }

    /// No restart: it was ignored, stopped, or has ended clean, which is news that waited its turn.
    fn on_rest(&mut self, key: ChildKey) {
        assert!(!self.is_live(key), "put to rest while it lives");
        if self.mailbox.has_exit_of(key) {
            self.take_exit(key);
        }
    }

    /// Something moves while nothing is under way: a retry, or the order to stop.
    fn take_retry_or_stop(&mut self) {
        assert!(!self.is_patient(), "taken before a start that may still prove prompt");
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
        assert!(!self.is_live(key) && self.abandoned.is_empty(), "two lives of one child");
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
        self.withdrawn.remove(&key);
        self.lives.insert(
            attempt,
            Life {
                starting: true,
                told: Told::Nothing,
                killed_by_others: false,
                is_leaving: false,
                is_overrun: false,
                issued: self.now,
                is_awaited: !self.lives.values().any(|life| life.starting && life.is_slow),
                is_slow: false,
            },
        );
    }

    fn on_tell(&mut self, attempt: Attempt, word: Told) {
        self.abandoned.entry(attempt).and_modify(|told| *told = word);
        // It may have ended between the decision and its performance.
        let Some(life) = self.lives.get_mut(&attempt) else { return };
        if word == Told::Killed && std::mem::take(&mut life.is_overrun) {
            return;
        }
        match (life.told, word) {
            (Told::Nothing, _) => {
                self.on_first_tell(attempt.child());
                let expected = if self.is_killed() { Told::Killed } else { self.specs[&attempt.child()].word };
                assert_eq!(word, expected, "stopped by another rule than its own");
            }
            (Told::ToStop, Told::Killed) => {}
            (Told::ToStop | Told::Killed, _) => panic!("told twice"),
        }
        self.lives.entry(attempt).and_modify(|life| life.told = word);
    }

    pub(super) fn on_first_tell(&mut self, key: ChildKey) {
        if self.phase == Phase::Idle {
            self.take_retry_or_stop();
        }
        assert!(!self.is_blocked(key), "stopped before one that depends on it");
        if !self.is_together() {
            assert!(self.told().next().is_none(), "two stops at once");
            let is_passed_over = |life: &Attempt| life.child() > key && !self.is_blocked(life.child());
            assert!(!self.lives.keys().any(is_passed_over), "stopped before a younger one");
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
