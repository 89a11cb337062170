//! The methods of [`Machine`], carried out for both kinds of supervisor.
//!
//! Invariants:
//! 1. A fact about an attempt that is no longer live is dropped.
//! 2. Exits and orders go through the inbox, and are taken one at a time in the order of their arrival (OTP rule 72).
//! 3. Outcomes of starts and stops that the machine ordered are not queued: they are answers, not news.

use std::fmt;
use std::time::Duration;

use crate::action::{Action, Report};
use crate::backoff::Chance;
use crate::child::{ChildState, Ending, Hold, Live, Stage};
use crate::children::{Attempt, ChildCounts, ChildKey};
use crate::circles::circles;
use crate::dependency::{Completion, Outlook, Prospect};
use crate::exit::{Exit, Hang};
use crate::inbox::Event;
use crate::intensity::Intensity;
use crate::kept::KeptNews;
use crate::machine::{ChildLine, Machine};
use crate::order::{Order, OrderError, OrderId};
use crate::spec::{BudgetClock, ChildSpec, Flags, SpecError};
use crate::transitions::{Kind, Step, Transitions};
use crate::why::Reasons;

impl<T: Kind + fmt::Debug> Machine for T {
    fn handle_started(&mut self, attempt: Attempt, now: Duration) {
        self.at(now).started(attempt);
    }

    fn handle_ready(&mut self, attempt: Attempt, now: Duration) {
        self.at(now).became_ready(attempt);
    }

    fn handle_dependency(&mut self, name: &str, is_ready: bool, now: Duration) {
        let prospect = if is_ready { Prospect::Ready } else { Prospect::MayCome };
        self.handle_outlook(name, prospect.into(), now);
    }

    fn handle_outlook(&mut self, name: &str, outlook: Outlook, now: Duration) {
        self.at(now).set_outlook(name, outlook);
    }

    fn handle_progress(&mut self, attempt: Attempt, messages: u64, now: Duration) {
        let policy = self.spec(attempt.child()).and_then(|spec| spec.terms.policy.clone());
        let asked = policy.and_then(|policy| policy.reset_after_messages);
        if let Some(live) = self.at(now).children.live_mut(attempt) {
            live.is_proven |= asked.is_some_and(|asked| messages >= asked);
        }
    }

    fn handle_failures(&mut self, attempt: Attempt, messages: u64, failed: u64, exit: Exit, now: Duration) {
        self.at(now).count_failures(attempt, (messages, failed), exit);
    }

    fn handle_kept(&mut self, attempt: Attempt, news: KeptNews, now: Duration) {
        self.at(now).take_kept_news(attempt, news);
    }

    fn handle_hung(&mut self, attempt: Attempt, hang: Hang, now: Duration) {
        self.at(now).overdue(attempt, Exit::Hung(hang));
    }

    fn set_chance(&mut self, child: ChildKey, chance: Box<dyn Chance>) {
        if let Some(child) = self.core_mut().children.get_mut(child) {
            child.history_mut().set_chance(chance);
        }
    }

    fn handle_in_line(&mut self, attempt: Attempt, is_in_line: bool, now: Duration) {
        self.at(now).in_line(attempt, is_in_line);
    }

    fn set_budget(&mut self, intensity: Intensity, clock: BudgetClock) -> Result<(), SpecError> {
        Flags { intensity, ..Flags::default() }.check([])?;
        self.core_mut().meter.set_intensity(intensity);
        self.core_mut().meter.set_clock(clock);
        Ok(())
    }

    fn handle_ignored(&mut self, attempt: Attempt, now: Duration) {
        match self.at(now).children.live_mut(attempt) {
            Some(Live { stage: Stage::Starting, ending, .. }) => match ending {
                Ending::Asked => self.stopped(attempt.child(), &Exit::Shutdown),
                Ending::Killed => self.stopped(attempt.child(), &Exit::Killed),
                Ending::NotTold | Ending::Leaving | Ending::KilledByOthers => self.ignored(attempt),
            },
            Some(Live { stage: Stage::Up | Stage::Ready | Stage::Dead(_), .. }) | None => {}
        }
    }

    fn handle_start_failed(&mut self, attempt: Attempt, exit: Exit, now: Duration) {
        if let Some(Live { stage: Stage::Starting, .. }) = self.at(now).children.live_mut(attempt) {
            self.handle_exit(attempt, exit, now);
        }
    }

    fn handle_exit(&mut self, attempt: Attempt, exit: Exit, now: Duration) {
        let core = self.at(now);
        let now = core.meter.now();
        let Some(live) = core.children.live_mut(attempt) else { return };
        // An attempt that leaves in time may still have another exit than the one it announced.
        let exit = live.cause.take().filter(|_| live.ending != Ending::Leaving).map_or(exit, |cause| *cause);
        match &live.stage {
            _ if live.is_told() => self.stopped(attempt.child(), &exit),
            Stage::Starting => self.start_failed(attempt, exit),
            Stage::Dead(_) => {}
            Stage::Up | Stage::Ready => {
                let was_ready = matches!(live.stage, Stage::Ready);
                let is_completed = matches!(exit, Exit::Normal);
                live.stage = Stage::Dead(Box::new(live.ended(exit, now)));
                core.queue_exit(attempt);
                if is_completed {
                    core.complete(attempt.child(), Completion { was_ready });
                }
            }
        }
    }

    fn handle_kill_under_way(&mut self, attempt: Attempt, now: Duration) {
        self.at(now).kill_under_way(attempt);
    }

    fn handle_leaving(&mut self, attempt: Attempt, exit: Exit, now: Duration) {
        self.at(now).leaving(attempt, exit);
    }

    fn handle_end_of_tree(&mut self, attempt: Attempt, now: Duration) {
        if let Some(live) = self.at(now).children.live_mut(attempt) {
            live.ends_tree = true;
        }
    }

    fn check_specs(&self, specs: &[ChildSpec]) -> Result<(), SpecError> {
        self.core().check_specs(specs)
    }

    fn is_last_life(&self, attempt: Attempt, exit: &Exit) -> bool {
        self.core().is_last_life(attempt, exit)
    }

    fn handle_remains(&mut self, attempt: Attempt, exit: Exit, now: Duration) {
        self.at(now).remains(attempt, exit);
    }

    fn set_stop_order(&mut self, before: Vec<(ChildKey, ChildKey)>) -> Vec<Vec<ChildKey>> {
        let core = self.core_mut();
        core.set_ties(before.into_iter().collect());
        circles(&core.all_ties())
    }

    fn handle_timeout(&mut self, now: Duration) {
        self.at(now);
        while let Some(abandoned) = self.core_mut().fire_timer() {
            if let Some(attempt) = abandoned {
                self.handle_exit(attempt, Exit::Killed, now);
            }
        }
        self.prompt_window_is_over();
    }

    fn order(&mut self, call: OrderId, order: Order, now: Duration) {
        let core = self.at(now);
        if core.is_ending() {
            core.outbox.answer(call, Err(OrderError::Over));
        } else {
            core.inbox.push(Event::Order { call, order, given: core.meter.now() });
        }
    }

    fn stop(&mut self, exit: Exit, now: Duration) {
        let core = self.at(now);
        if !core.is_ending() {
            core.inbox.push(Event::Stop { exit, given: core.meter.now() });
        }
    }

    fn kill(&mut self, now: Duration) {
        if !self.at(now).is_over() {
            self.end(Exit::Killed, true);
        }
    }

    fn kill_at_once(&mut self, now: Duration) {
        if self.at(now).is_over() {
            return;
        }
        self.end(Exit::Killed, true);
        let keys: Vec<_> = self.core().children.keys().rev().collect();
        for key in keys {
            self.stop_child(key, true);
        }
    }

    fn abandon(&mut self, now: Duration) {
        self.kill(now);
        let keys: Vec<_> = self.core().children.keys().rev().collect();
        for key in keys {
            if self.stop_child(key, true)
                && let Some(attempt) = self.core_mut().abandon(key)
            {
                self.handle_exit(attempt, Exit::Killed, now);
            }
        }
    }

    fn poll_action(&mut self) -> Option<Action> {
        loop {
            if let Some(action) = self.core_mut().outbox.next_action() {
                return Some(action);
            }
            match self.work() {
                Step::Taken => {}
                Step::Waits => return self.core_mut().outbox.next_action(),
                Step::Idle if self.core_mut().is_blocked() => return None,
                Step::Idle => {
                    let Some(event) = self.core_mut().inbox.pop() else {
                        self.core_mut().give_back_room();
                        return None;
                    };
                    self.take(event);
                }
            }
        }
    }

    fn poll_report(&mut self) -> Option<Report> {
        self.core_mut().outbox.next_report()
    }

    fn handle_retry(&mut self, child: ChildKey, now: Duration) {
        let core = self.at(now);
        let is_queued = core.children.held(child).is_some_and(|held| held.hold == Hold::Queued);
        if is_queued && !core.is_ending() {
            core.inbox.push(Event::Retry(child));
        }
    }

    fn poll_retry(&mut self) -> Option<ChildKey> {
        self.core_mut().inbox.pop_latest_retry()
    }

    fn is_ending(&self) -> bool {
        self.core().is_ending()
    }

    fn poll_timeout(&self) -> Option<Duration> {
        let due = self.core().timers.earliest();
        due.into_iter().chain(self.blocked_until()).min()
    }

    fn why(&self, child: ChildKey, now: Duration) -> Option<Reasons> {
        Reasons::new(self.core(), child, now)
    }

    fn outlook(&self, child: ChildKey) -> Option<Outlook> {
        Some(self.core().children.get(child)?.outlook())
    }

    fn spec(&self, child: ChildKey) -> Option<&ChildSpec> {
        Some(&self.core().children.get(child)?.spec)
    }

    fn find(&self, id: &str) -> Option<ChildKey> {
        self.core().children.find(id)
    }

    fn standing(&self, child: ChildKey) -> Option<ChildState> {
        Some(self.core().children.get(child)?.standing())
    }

    fn attempt(&self, child: ChildKey) -> Option<Attempt> {
        self.core().children.get(child)?.attempt()
    }

    fn latest_life(&self, child: ChildKey) -> Option<Attempt> {
        Some(Attempt::of(child, self.core().children.get(child)?.latest_up))
    }

    fn tables(&self) -> Vec<(&'static str, usize)> {
        self.core().tables()
    }

    fn counts(&self) -> ChildCounts {
        self.core().children.counts()
    }

    fn children(&self) -> Vec<ChildLine<'_>> {
        self.children_from(0, usize::MAX).0
    }

    fn children_from(&self, first: u64, max: usize) -> (Vec<ChildLine<'_>>, Option<u64>) {
        let mut children = self.core().children.iter_from(first);
        let portion = children.by_ref().take(max);
        let lines = portion.map(|(key, child)| (key, &child.spec, child.standing(), child.attempt())).collect();
        (lines, children.next().map(|(_, child)| child.place))
    }
}
