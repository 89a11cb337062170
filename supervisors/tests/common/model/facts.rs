//! Facts and orders, as the model sees them, and the reports that come of them.

use regrow_supervisors::{Attempt, ChildKey, Report, Restart, Strategy};

use super::{Life, Model, Phase, Told, Why, leaves};
use crate::common::MS;
use crate::common::mailbox::Mail;

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

    /// A stop cuts a start short that has not answered a millisecond after both were ordered.
    pub(crate) fn on_time(&mut self) {
        let Some(given) = self.stop_given else { return };
        let is_late = |life: &Life| life.starting && self.now >= given.max(life.issued) + MS;
        if matches!(self.phase, Phase::Boot { .. } | Phase::Group { .. }) && self.lives.values().any(is_late) {
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
                match self.specs[child].restart {
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
            Report::GaveUp { child, .. } => {
                if !self.over {
                    assert_eq!(self.mailbox.next(&self.retrying), Some(Mail::Retry(*child)), "gave up for nothing");
                    self.charge();
                }
                assert!(self.over, "gave up too early");
                self.end(Why::GaveUp);
            }
            Report::ShutdownError { .. } => assert!(!self.is_killed(), "a killed supervisor tells nothing"),
            Report::SignificantEnded { child, .. } => panic!("{child:?} is not significant"),
            Report::Delayed { .. }
            | Report::Waiting { .. }
            | Report::DependencyGone { .. }
            | Report::Parked { .. }
            | Report::GivenUp { .. }
            | Report::Renewed { .. }
            | Report::TooManyFailures { .. }
            | Report::KeptSetAside { .. }
            | Report::Overdue { .. } => {
                panic!("no policy says so: {report:?}")
            }
            Report::RestartOrdered { .. } => panic!("no order is given"),
            Report::Overran { attempt, exit } => {
                assert_eq!(exit.to_string(), leaves().to_string(), "the exit stays what it was");
                let life = self.lives.get_mut(attempt).expect("overran without a life");
                assert!(life.is_leaving && life.told == Told::Nothing && !life.killed_by_others, "it does not leave");
                (life.is_overrun, life.killed_by_others) = (true, true);
            }
            Report::Abandoned { attempt } => {
                let life = self.lives.get(attempt).expect("abandoned without a life");
                let told = if life.killed_by_others { Told::Killed } else { life.told };
                self.on_gone(*attempt);
                self.abandoned.insert(*attempt, told);
            }
        }
    }

    pub(super) fn take_exit(&mut self, child: ChildKey) {
        assert_eq!(self.phase, Phase::Idle, "an exit taken during ordered work");
        assert!(!self.is_patient(), "taken before a start that may still prove prompt");
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

    pub(super) fn charge(&mut self) {
        let (restarts_max, period) = self.budget;
        self.units.push(self.now);
        self.units.retain(|&at| self.now - at <= period);
        self.over = self.units.len() > restarts_max as usize;
    }

    pub(super) fn begin_group(&mut self, first: Option<ChildKey>) {
        let is_member = |key| first.is_none_or(|first| key >= first);
        self.retrying.retain(|&key| !is_member(key));
        self.mailbox.consume_exits(is_member);
        self.tie();
        self.phase = Phase::Group { first, started: Vec::new() };
    }
}
