//! The events and log lines of a driver about its children: from facts as they come, and from reports of the machine.

use std::sync::atomic::Ordering;
use std::time::Duration;

use regrow_supervisors::{ChildSpec, Exit, Readiness, Report};
use tracing::Level;

use crate::event::EventKind;
use crate::log::{self, Aside};
use crate::recorder::state::HistoryState;
use crate::slot::fact::Fact;
use crate::slot::kept::KeptInfo;
use crate::slot::restarts::RestartCause;
use crate::slot::status::ServiceState;
use crate::supervisor::child_entry::{Before, ChildEntry};
use crate::supervisor::driver::Driver;
use crate::tree::paths::{name_of, path_of};

impl Driver {
    /// Remembers what a fact says of a child, and tells subscribers and the log.
    pub(super) fn note(&mut self, fact: &Fact) {
        let (attempt, exit, mut kind) = match fact {
            Fact::Started { attempt, info, .. } => {
                (attempt, None, EventKind::Started { info: info.clone(), outage: None })
            }
            Fact::Ignored(attempt) => (attempt, None, EventKind::Ignored),
            Fact::StartFailed { attempt, exit } => (attempt, Some(exit), EventKind::StartFailed { exit: exit.clone() }),
            Fact::Ended { attempt, exit } => (attempt, Some(exit), EventKind::Exited { exit: exit.clone() }),
            Fact::Ending { attempt, gave_up } => return self.note_gave_up(*attempt, gave_up.as_ref()),
            Fact::Ready(_)
            | Fact::Admitted(_)
            | Fact::Dependency { .. }
            | Fact::Chosen { .. }
            | Fact::Leaving { .. }
            | Fact::Remains { .. }
            | Fact::KillUnderWay(_)
            | Fact::Kept { .. }
            | Fact::Failing { .. }
            | Fact::Hung { .. }
            | Fact::Stop(_)
            | Fact::Kill
            | Fact::Abandon
            | Fact::Order(_)
            | Fact::Tick => return,
        };
        let Some(entry) = self.children.get_mut(&attempt.child()) else { return };
        // The life may be one of an older description.
        entry.follow_outdated();
        let mut is_as_ordered = false;
        let exit_of_restart = exit.and_then(|exit| entry.exit_of_restart(exit));
        if let Some(exit) = &exit_of_restart {
            kind = EventKind::Exited { exit: exit.clone() };
        }
        let exit = exit_of_restart.as_ref().or(exit);
        // The start is over, whatever its outcome.
        entry.set_ticket(None);
        entry.has_failed = false;
        let mut is_unready = false;
        let now = self.shared.clock.at(self.now);
        let mut generation = match fact {
            Fact::Started { generation, .. } => Some(*generation),
            _ => None,
        };
        if let Fact::Ignored(_) = fact {
            entry.slot.note_no_start(false);
            entry.before = Before::Rest;
        }
        if let EventKind::Started { info, outage } = &mut kind {
            entry.set_info(info.clone());
            entry.leave(&self.shared.unwell);
            let restart = entry.take_restart(generation > Some(1));
            // It may have been charged to the budget since the failure.
            self.is_charged |= restart.is_some();
            let (over, is_ready) = entry.slot.rose(restart, now);
            *outage = over;
            let says_so =
                |spec: &ChildSpec| spec.own_policy().and_then(|policy| policy.readiness) == Some(Readiness::WhenSaid);
            is_unready = !is_ready && self.machine.spec(attempt.child()).is_some_and(says_so);
        }
        if let Some(exit) = exit {
            let is_start = matches!(fact, Fact::StartFailed { .. });
            is_as_ordered = entry.ends_as_ordered(exit);
            let fell = (!is_as_ordered && (exit.is_abnormal() || is_start)).then_some(now);
            self.is_charged |= fell.is_some();
            // This comes before the slot of an older description is closed, whose life has ended.
            let latest = if is_start { entry.start_failed(fell, now) } else { entry.slot.note_end(exit.on(), fell) };
            generation = Some(latest);
            entry.before = Before::End(match is_as_ordered && exit_of_restart.is_none() {
                true => RestartCause::TakenAlong,
                false => RestartCause::Own(exit.on()),
            });
            entry.enter(&self.shared.unwell);
            entry.ended(exit.clone());
            entry.control = None;
            entry.close_outdated();
            if self.shared.is_ending() {
                entry.slot.close(ServiceState::Gone);
            }
            if self.shared.ending.is_noting() {
                self.note_end(attempt.child(), exit);
            }
        }
        let Some(entry) = self.children.get(&attempt.child()) else { return };
        let level = if is_as_ordered { Level::DEBUG } else { log::level(&kind) };
        let aside = || if is_unready { Aside::Unready } else { Aside::Nothing };
        self.shared.tell_at(
            level,
            entry.about(self.now),
            || generation.unwrap_or_else(|| entry.generation()),
            kind,
            aside,
        );
    }

    pub(super) fn report(&mut self, report: Report) {
        if let Report::SignificantEnded { child, exit, is_last } = report {
            return self.significant_ended(child, exit, is_last);
        }
        if let Report::GaveUp { .. } = &report {
            self.plan.slot.note_gave_up();
        }
        if let Report::GaveUp { child, exit, reason, ends_tree } = &report
            && let Some(why) = self.link(*child, exit.clone(), *reason, *ends_tree)
        {
            self.give_up(why);
        }
        if let Some(watch) = &self.plan.watch {
            let (Report::ChildTerminated { child, .. }
            | Report::StartError { child, .. }
            | Report::ShutdownError { child, .. }
            | Report::GaveUp { child, .. }) = &report
            else {
                return;
            };
            let name = self.children.get(child).map_or(String::new(), |entry| name_of(&entry.path).to_owned());
            watch.reported(&report, &name, self.machine.is_ending());
        }
        let mut services = Vec::new();
        let (child, kind) = match report {
            // The facts behind the first two were told as they came. The third is told when the driver abandons the
            // child.
            Report::ChildTerminated { .. } | Report::StartError { .. } | Report::Abandoned { .. } => return,
            // These two were told above.
            Report::GaveUp { .. } | Report::SignificantEnded { .. } => return,
            Report::ShutdownError { child, exit } => {
                self.note_fault(child, &exit);
                (child, EventKind::ShutdownError { exit })
            }
            Report::Delayed { child, until } => {
                self.take_back_dismissal(child);
                (child, EventKind::Delayed { delay: self.time_until(until) })
            }
            Report::Waiting { child, services: names } => {
                self.take_back_dismissal(child);
                services = names;
                (child, EventKind::Waiting)
            }
            Report::TooManyFailures { child, seen, exit } => {
                (child, EventKind::TooManyFailures { failures: seen, exit })
            }
            Report::KeptSetAside { child, failed, exit, then: _ } => {
                // A life that was cut off may have kept a newer value at the last moment. No life began with that one.
                let kept = self.children.get(&child).and_then(|entry| entry.slot.kept_info());
                let Some(kept) = kept.filter(|kept| kept.lives > 0) else { return };
                let kept = KeptInfo { failed, is_set_aside: true, ..kept }.into();
                (child, EventKind::KeptSetAside { kept, exit })
            }
            Report::Renewed { child, name } => {
                (child, EventKind::Renewed { dependency: path_of(&self.plan.path, &name) })
            }
            Report::DependencyGone { child, name, then } => {
                (child, EventKind::DependencyGone { dependency: path_of(&self.plan.path, &name), then })
            }
            Report::Parked { child, until, services: names, reason } => {
                services = names;
                // A child that an order has parked did not fail.
                if let Some(entry) = self.children.get(&child).filter(|_| reason.is_none()) {
                    entry.slot.fell(false, self.shared.clock.at(self.now));
                }
                (child, EventKind::Parked { probe_in: until.map(|until| self.time_until(until)), reason })
            }
            Report::GivenUp { child, exit, reason } => {
                let Some(why) = self.link(child, exit, reason, false) else { return };
                self.note_given_up(child, why.clone());
                (child, EventKind::GivenUp { why })
            }
            Report::RestartOrdered { child, reason } => {
                self.take_back_dismissal(child);
                if let Some(entry) = self.children.get_mut(&child) {
                    entry.set_restarted(reason.clone(), self.now);
                }
                (child, EventKind::RestartOrdered { reason })
            }
            Report::Overran { attempt, exit } => (attempt.child(), EventKind::Overran { exit }),
            Report::Overdue { attempt, exit } => (attempt.child(), EventKind::Overdue { exit }),
        };
        let Some(entry) = self.children.get_mut(&child) else { return };
        if matches!(kind, EventKind::Waiting | EventKind::Parked { .. }) {
            entry.enter(&self.shared.unwell);
        }
        // The line about such an event has said that the child failed.
        entry.has_failed &= !matches!(
            kind,
            EventKind::Delayed { .. } | EventKind::Waiting | EventKind::Parked { .. } | EventKind::GivenUp { .. }
        );
        // The fault to be mended is in the dependency, which has its own lines in the log.
        let is_for_others = matches!(kind, EventKind::Parked { .. }) && !services.is_empty();
        let level = if is_for_others { Level::WARN } else { log::level(&kind) };
        let aside = || match &services[..] {
            [] => Aside::Nothing,
            names => Aside::Services(names.iter().map(|name| path_of(&self.plan.path, name)).collect()),
        };
        self.shared.tell_at(level, entry.about(self.now), || entry.generation(), kind, aside);
    }

    /// Tells that a child that is up was killed, as this driver is dropped and no other code tells its end.
    pub(super) fn tell_killed(&self, entry: &ChildEntry) {
        if HistoryState::from_byte(entry.slot.recorded().load(Ordering::Relaxed)) == HistoryState::Up {
            let (about, kind) = (entry.about(self.shared.clock.now()), EventKind::Exited { exit: Exit::Killed });
            // The end of the supervisor has its own line.
            self.shared.tell_at(Level::DEBUG, about, || entry.generation(), kind, || Aside::Nothing);
        }
    }

    /// The delay as it was planned, and not the part of it that is left.
    fn time_until(&self, until: Duration) -> Duration {
        until.saturating_sub(self.now)
    }
}
