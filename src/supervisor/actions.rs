//! Performs the actions of the machine, and the end of the supervisor as the last one.

use ractor::ActorRef;
use regrow_supervisors::{Action, Exit};
use tracing::Level;

use crate::base::thrift;
use crate::base::wake::Wake;
use crate::event::EventKind;
use crate::log::{self, Aside};
use crate::recorder::entry::HistoryKind;
use crate::slot::erased::Supervision;
use crate::slot::status::ServiceState;
use crate::supervisor::child_entry::Before;
use crate::supervisor::description::Shape;
use crate::supervisor::driver::Driver;
use crate::supervisor::start::Spawning;
use crate::supervisor::testimony::Saying;
use crate::tree::at_end::End;
use crate::tree::report::ShutdownReport;

/// The outcome of an action.
pub(super) enum Performed {
    Done,
    /// A ractor actor must be spawned before the next action.
    Spawns(Spawning),
    /// The supervisor has ended.
    Over,
}

impl Driver {
    pub(super) fn perform(&mut self, action: Action, myself: &ActorRef<Wake>) -> Performed {
        // Noted so that the log tells an ordered end from any other.
        if let Action::Kill(attempt) = &action
            && let Some(entry) = self.children.get_mut(&attempt.child())
        {
            entry.was_killed = true;
        }
        match action {
            Action::Start(attempt) => return self.start(attempt, myself).map_or(Performed::Done, Performed::Spawns),
            Action::Ask(attempt) => {
                if let Some(entry) = self.children.get_mut(&attempt.child()) {
                    entry.asked_at = Some(self.now);
                    // This comes before the request to stop: a message behind it is not part of the drain.
                    entry.begin_to_drain(self.shared.is_ending());
                    match &entry.control {
                        Some(control) => control.stop(&Exit::Shutdown),
                        None => self.leave_line(attempt, Exit::Shutdown),
                    }
                }
            }
            Action::Kill(attempt) => {
                match self.children.get(&attempt.child()).and_then(|entry| entry.control.as_ref()) {
                    Some(control) => control.kill(),
                    None => self.leave_line(attempt, Exit::Killed),
                }
            }
            Action::Abandon(attempt) => self.abandon(attempt),
            Action::Adopt { call, child } => self.adopt(call, child),
            Action::Answer { call, result } => {
                if let Some(pending) = self.orders.remove(&call) {
                    if result.is_err() {
                        self.give_back(pending.claims);
                    }
                    thrift::give_back(&mut self.orders);
                    (pending.finish)(self, result, pending.planned);
                }
            }
            Action::Rest(child) => {
                if let Some(entry) = self.children.get_mut(&child) {
                    entry.before = Before::Rest;
                    entry.enter(&self.shared.unwell);
                    let level = if entry.has_failed { Level::WARN } else { log::level(&EventKind::Down) };
                    let aside = || entry.last_exit.clone().map_or(Aside::Nothing, Aside::Ended);
                    self.shared.tell_at(level, entry.about(self.now), || entry.generation(), EventKind::Down, aside);
                    self.shared.directory.close(&entry.path, ServiceState::Down);
                    self.shared.required.wake();
                }
            }
            Action::Park { child, until } => {
                if let Some(entry) = self.children.get(&child) {
                    let until = until.map(|until| self.shared.clock.moment(until).into_std());
                    self.shared.directory.close(&entry.path, ServiceState::Parked { until });
                }
            }
            Action::Wait(child) => match self.children.get(&child) {
                Some(entry) if entry.kind.is_supervisor() => self.shared.directory.open(&entry.path),
                Some(entry) => entry.slot.wait(),
                None => {}
            },
            Action::Forget(child) => {
                self.dependency_watch.unwatch(child);
                if let Some(mut entry) = self.children.remove(&child) {
                    entry.leave(&self.shared.unwell);
                    entry.close_outdated();
                    self.supervisors -= usize::from(entry.kind.is_supervisor());
                    if let Some(completion) = entry.slot.completion() {
                        self.shared.directory.remember(&entry.path, completion, !entry.is_added);
                    }
                    self.shared.forget(&entry.path, true);
                    // This comes last, so that a subscriber that looks the child up does not find it.
                    self.shared.tell(entry.about(self.now), || entry.generation(), EventKind::Gone);
                    self.shared.log.forget(&entry.path);
                }
                self.heed_stop_order_anew();
                thrift::give_back(&mut self.children);
            }
            Action::NoteKept { child, failed, set_aside } => {
                if let Some(entry) = self.children.get(&child) {
                    entry.slot.note_kept(failed, set_aside);
                }
            }
            Action::Dismiss(child) => self.dismiss(child),
            Action::Withdraw(child) => self.withdraw(child),
            Action::Readmit(child) => self.readmit(child),
            Action::Up => {
                if let Some(watch) = &self.plan.watch {
                    watch.up();
                }
                self.is_up = true;
                self.plan.slot.life().supervise(&self.inbox, Supervision::IsUp);
                if self.parent.is_tree() {
                    self.shared.record(&self.plan.path, &*self.plan.slot, HistoryKind::TreeUp);
                    self.shared.log.tree_is_up(&self.plan.path, self.shared.clock.now());
                }
                self.parent.tell_up(self.plan.slot.status().generation);
            }
            Action::End(exit) => {
                self.end(exit);
                return Performed::Over;
            }
        }
        Performed::Done
    }

    /// Ends the supervisor (invariant 3 of `driver.rs`).
    pub(super) fn end(&mut self, exit: Exit) {
        self.testify(&Saying::Over, self.shared.clock.now());
        self.note_all_given_up();
        self.plan.slot.life().supervise(&self.inbox, Supervision::Ends);
        self.shared.living.ends(&self.inbox);
        self.inbox.close();
        for entry in self.children.values_mut() {
            entry.leave(&self.shared.unwell);
            entry.close_outdated();
        }
        for (_, pending) in std::mem::take(&mut self.orders) {
            self.give_back(pending.claims);
        }
        // A partitioned supervisor begins again with the number of partitions that it was resized to.
        let is_forgetful = !matches!(self.plan.shape, Shape::Partitioned { .. });
        for entry in self.children.values().filter(|entry| entry.is_added && is_forgetful) {
            self.shared.forget(&entry.path, false);
        }
        if self.has_new_subtrees {
            // The next life of this supervisor has the plan again, in which these are leaves.
            let leaves = self.plan.children.iter().filter(|planned| !planned.is_supervisor());
            leaves.for_each(|planned| self.shared.forget_below(&planned.path));
        }
        if let Some(watch) = &self.plan.watch {
            watch.ended(&exit, self.parent.was_up());
        }
        if self.parent.is_tree() {
            let over = HistoryKind::TreeOver { exit: exit.clone() };
            self.shared.record(&self.plan.path, &*self.plan.slot, over);
            self.shared.end();
            let report = ShutdownReport::new(self.plan.path.clone(), exit.clone(), self.shared.ending.notes());
            report.log(self.parent.was_up());
            if let Some(at_end) = &self.shared.options_in_force.at_end {
                let history = || self.shared.history();
                at_end.is_over(End { path: &report.path, gave_up: report.gave_up.as_ref(), history: &history });
            }
        }
        self.parent.tell_end(exit, self.gave_up.clone());
    }
}
