//! One machine at work: facts in, actions out. There is no strategy in sight here, and nothing waits.
//!
//! Invariants:
//! 1. Facts are taken in the order in which they happened; all that are there are handed to the machine before its
//!    actions are performed, as a mailbox is filled before it is read.
//! 2. Every child that lives is reached through the control kept here, and is killed when the driver is dropped.
//! 3. The parent hears of the end exactly once, and after every child is gone.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ractor::ActorRef;
use regrow_supervisors::{Action, Attempt, ByChild, Call, ChildKey, Exit, Machine, Policy, Report};
use tokio::task::AbortHandle;

use crate::event::EventKind;
use crate::layer::Group;
use crate::slot::life::Supervision;
use crate::slot::status::State;
use crate::supervisor::configure;
use crate::supervisor::description::Shape;
use crate::supervisor::entry::Entry;
use crate::supervisor::facts::{Fact, Facts};
use crate::supervisor::gates::Gates;
use crate::supervisor::lookout::Lookout;
use crate::supervisor::manage::Pending;
use crate::supervisor::parent::{Link, Parent};
use crate::supervisor::plan::Plan;
#[cfg(feature = "chaos")]
use crate::supervisor::testify::Oath;
use crate::supervisor::testify::Saying;
use crate::world::World;

pub(crate) struct Driver {
    pub(super) machine: Box<dyn Machine + Send>,
    pub(super) plan: Arc<Plan>,
    pub(super) facts: Arc<Facts>,
    pub(super) world: Arc<World>,
    pub(super) parent: Parent,
    pub(super) children: ByChild<Box<Entry>>,
    /// What is in force about all of them.
    pub(super) group: Group,
    /// What a start has to pass.
    pub(super) gates: Gates,
    /// Starts that have been let in just now.
    admitted: Vec<Attempt>,
    lookout: Lookout,
    timer: Option<(std::time::Duration, AbortHandle)>,
    /// The queue that the facts are swapped with.
    spare: VecDeque<Fact>,
    /// Orders that wait for their answer.
    pub(super) orders: HashMap<Call, Pending>,
    pub(super) orders_given: u64,
    #[cfg(feature = "chaos")]
    pub(super) oath: Oath,
}

impl Driver {
    /// `gates` are those of the supervisors above.
    pub(crate) fn new(plan: &Arc<Plan>, world: Arc<World>, link: Link, gates: &Gates) -> Self {
        let facts = Arc::new(Facts::new(world.watchdog.clone()));
        plan.list(&world);
        plan.slot.life().supervise(&facts, Supervision::Begins);
        let group = configure::group(&world, plan, plan.group());
        let mut driver = Self {
            machine: plan.machine(Vec::new()),
            gates: group.starts_max.map_or_else(|| gates.clone(), |starts_max| gates.and(starts_max)),
            group,
            plan: plan.clone(),
            facts,
            world,
            parent: Parent::new(link),
            children: ByChild::default(),
            admitted: Vec::new(),
            lookout: Lookout::default(),
            timer: None,
            spare: VecDeque::new(),
            orders: HashMap::new(),
            orders_given: 0,
            #[cfg(feature = "chaos")]
            oath: Oath::default(),
        };
        let (specs, coded): (Vec<_>, Vec<_>) = plan.children.iter().map(|planned| driver.configured(planned)).unzip();
        driver.machine = plan.machine(specs);
        driver.machine.set_budget(group.intensity, group.budget_clock);
        let keys: Vec<_> = driver.machine.children().into_iter().map(|(key, ..)| key).collect();
        for ((key, planned), coded) in keys.into_iter().zip(&plan.children).zip(coded) {
            driver.children.insert(key, Entry::new(planned, false, coded));
            driver.prepare(key);
        }
        driver
    }

    /// Whatever a child's policy needs from outside of the machine.
    pub(super) fn prepare(&mut self, key: ChildKey) {
        let (Some(spec), Some(entry)) = (self.machine.spec(key), self.children.get(&key)) else { return };
        if spec.policy_rule() == Policy::default() {
            return;
        }
        self.lookout.watch(&self.world, &self.facts, spec);
        let chance = self.world.rulebook.chance(&entry.path);
        self.machine.set_chance(key, chance);
    }

    pub(crate) fn facts(&self) -> Arc<Facts> {
        self.facts.clone()
    }

    /// Takes what has happened and does what follows. `true` when the supervisor has ended.
    pub(crate) async fn drive(&mut self, myself: &ActorRef<()>) -> bool {
        let mut facts = std::mem::take(&mut self.spare);
        if !self.facts.take(&mut facts) {
            return false;
        }
        let now = self.world.now();
        self.testify(&Saying::Begin, now);
        for mut fact in facts.drain(..) {
            self.amend(&mut fact);
            self.note(&fact);
            self.testify(&Saying::Fact(&fact), now);
            self.hand_over(fact, now);
        }
        self.spare = facts;
        for attempt in std::mem::take(&mut self.admitted) {
            self.admit(attempt, myself).await;
        }
        self.machine.handle_timeout(now);
        let mut is_over = false;
        loop {
            let action = self.machine.poll_action();
            while let Some(report) = self.machine.poll_report() {
                self.blame(&report);
                self.testify(&Saying::Report(&report), now);
                self.report(report);
            }
            match action {
                Some(action) => {
                    self.testify(&Saying::Deed(&action), now);
                    is_over |= self.perform(action, myself).await;
                }
                None => break,
            }
        }
        self.testify(&Saying::Done, now);
        if self.parent.is_tree() && self.machine.is_ending() {
            self.world.begin_to_end();
        }
        self.set_timer();
        if let Some(watch) = &self.plan.watch {
            watch.worked(self.machine.poll_timeout().filter(|_| !is_over));
        }
        is_over
    }

    fn hand_over(&mut self, fact: Fact, now: std::time::Duration) {
        match fact {
            Fact::Started { attempt, .. } => self.machine.handle_started(attempt, now),
            Fact::Ready(attempt) => self.machine.handle_ready(attempt, now),
            Fact::Admitted(attempt) => {
                self.machine.handle_in_line(attempt, false, now);
                self.admitted.push(attempt);
            }
            Fact::Dependency { name, is_ready } => self.machine.handle_dependency(&name, is_ready, now),
            Fact::Ignored(attempt) => self.machine.handle_ignored(attempt, now),
            Fact::StartFailed { attempt, exit } => {
                self.machine.handle_start_failed(attempt, self.world.rulebook.named(exit), now);
            }
            Fact::Ended { attempt, exit } => {
                self.tell_progress(attempt, now);
                self.machine.handle_exit(attempt, self.world.rulebook.named(exit), now);
            }
            Fact::KillUnderWay(attempt) => self.machine.handle_kill_under_way(attempt, now),
            Fact::Hung { attempt, message, hang } => self.hung(attempt, message, hang, now),
            Fact::Stop(exit) => self.machine.stop(exit, now),
            Fact::Kill => self.machine.kill(now),
            Fact::Abandon => self.machine.abandon(now),
            Fact::Order(order) => self.order(*order, now),
            Fact::Tick => {}
        }
    }

    /// How many messages a life has handled, where that counts.
    fn tell_progress(&mut self, attempt: Attempt, now: std::time::Duration) {
        let asked = self.machine.spec(attempt.child()).and_then(|spec| spec.policy_rule().reset_after_messages);
        if let (Some(_), Some(entry)) = (asked, self.children.get(&attempt.child())) {
            let handled = entry.slot.accounting().handled.saturating_sub(entry.handled_before);
            self.machine.handle_progress(attempt, handled, now);
        }
    }

    /// Remembers and tells what a fact says of a child.
    fn note(&mut self, fact: &Fact) {
        let (attempt, exit, kind) = match fact {
            Fact::Started { attempt, info, .. } => (attempt, None, EventKind::Started { info: info.clone() }),
            Fact::Ignored(attempt) => (attempt, None, EventKind::Ignored),
            Fact::StartFailed { attempt, exit } => (attempt, Some(exit), EventKind::StartFailed { exit: exit.clone() }),
            Fact::Ended { attempt, exit } => (attempt, Some(exit), EventKind::Exited { exit: exit.clone() }),
            Fact::Ready(_)
            | Fact::Admitted(_)
            | Fact::Dependency { .. }
            | Fact::KillUnderWay(_)
            | Fact::Hung { .. }
            | Fact::Stop(_)
            | Fact::Kill
            | Fact::Abandon
            | Fact::Order(_)
            | Fact::Tick => return,
        };
        let Some(entry) = self.children.get_mut(&attempt.child()) else { return };
        // Whatever it came to, the start is over.
        entry.ticket = None;
        if let Fact::Started { info, .. } = fact {
            entry.info.clone_from(info);
        }
        if let Some(exit) = exit {
            entry.last_exit = Some(Arc::new(exit.clone()));
            entry.control = None;
            // Told when it ends and not when the kill is ordered: it may still end as it was asked to.
            if entry.was_asked && matches!(exit, Exit::Killed | Exit::Hung(_)) {
                self.world.note_killed(&entry.path);
            }
            if self.world.is_ending() {
                entry.slot.close(State::Gone);
            }
        }
        let generation = || match fact {
            Fact::Started { generation, .. } => *generation,
            _ => entry.generation(),
        };
        self.world.tell(&entry.path, generation, kind);
    }

    fn report(&self, report: Report) {
        if let Some(watch) = &self.plan.watch {
            let (Report::ChildTerminated { child, .. }
            | Report::StartError { child, .. }
            | Report::ShutdownError { child, .. }
            | Report::GaveUp { child }) = &report
            else {
                return;
            };
            let name = |entry: &Entry| entry.path.rsplit_once('/').map_or(String::new(), |(_, name)| name.to_owned());
            let name = self.children.get(child).map_or(String::new(), |entry| name(entry));
            watch.reported(&report, &name, self.machine.is_ending());
        }
        let (child, kind) = match report {
            // The facts behind these two were told as they came, and the third is where it is done.
            Report::ChildTerminated { .. } | Report::StartError { .. } | Report::Abandoned { .. } => return,
            Report::ShutdownError { child, exit } => (child, EventKind::ShutdownError { exit }),
            Report::Delayed { child, until } => (child, EventKind::Delayed { delay: self.time_until(until) }),
            Report::Waiting { child } => (child, EventKind::Waiting),
            Report::Parked { child, until } => (child, EventKind::Parked { probe_in: self.time_until(until) }),
            Report::Overdue { attempt, exit } => (attempt.child(), EventKind::Overdue { exit }),
            Report::GaveUp { child } => {
                let Some(entry) = self.children.get(&child) else { return };
                let kind = EventKind::GaveUp { child: entry.path.clone() };
                self.world.tell(&self.plan.path, || self.plan.slot.status().generation, kind);
                return;
            }
        };
        self.tell(child, kind);
    }

    fn time_until(&self, until: std::time::Duration) -> std::time::Duration {
        until.saturating_sub(self.world.now())
    }

    fn tell(&self, child: ChildKey, kind: EventKind) {
        if let Some(entry) = self.children.get(&child) {
            self.world.tell(&entry.path, || entry.generation(), kind);
        }
    }

    async fn perform(&mut self, action: Action, myself: &ActorRef<()>) -> bool {
        match action {
            Action::Start(attempt) => self.start(attempt, myself).await,
            Action::Ask(attempt) => {
                if let Some(entry) = self.children.get_mut(&attempt.child()) {
                    entry.was_asked = true;
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
                    (pending.finish)(self, result);
                }
            }
            Action::Rest(child) => {
                self.tell(child, EventKind::Down);
                if let Some(entry) = self.children.get(&child) {
                    self.world.directory.close(&entry.path, State::Down);
                }
            }
            Action::Park { child, until } => {
                if let Some(entry) = self.children.get(&child) {
                    let until = self.world.moment(until).into_std();
                    self.world.directory.close(&entry.path, State::Parked { until });
                }
            }
            Action::Forget(child) => {
                self.tell(child, EventKind::Gone);
                if let Some(entry) = self.children.remove(&child) {
                    self.world.directory.close(&entry.path, State::Gone);
                }
                // What many left behind is given back.
                if self.children.len() < self.children.capacity() / 8 {
                    self.children.shrink_to(2 * self.children.len());
                }
            }
            Action::Up => {
                if let Some(watch) = &self.plan.watch {
                    watch.up();
                }
                self.plan.slot.life().supervise(&self.facts, Supervision::IsUp);
                self.parent.tell_up(self.plan.slot.status().generation);
            }
            Action::End(exit) => {
                self.end(exit);
                return true;
            }
        }
        false
    }

    /// Invariant 3.
    fn end(&mut self, exit: Exit) {
        self.testify(&Saying::Over, self.world.now());
        self.plan.slot.life().supervise(&self.facts, Supervision::Ends);
        self.facts.close();
        self.orders.clear();
        // A partitioned supervisor begins again with what it was resized to.
        let is_forgetful = !matches!(self.plan.shape, Shape::Partitioned { .. });
        for entry in self.children.values().filter(|entry| entry.is_added && is_forgetful) {
            self.world.directory.close(&entry.path, State::Gone);
        }
        if let Some(watch) = &self.plan.watch {
            watch.ended(&exit, self.parent.was_up());
        }
        if self.parent.is_tree() {
            self.world.end();
        }
        self.parent.tell_end(exit);
    }

    /// Wakes the driver when the machine's next deadline has passed. A timer that is early does no harm; it is set again.
    fn set_timer(&mut self) {
        let now = self.world.now();
        let (due, set) = (self.machine.poll_timeout(), self.timer.as_ref().map(|(at, _)| *at).filter(|&at| at > now));
        // One that is early is left to be so: most deadlines pass unneeded, and the next will find it there.
        if due.is_none() || (set.is_some() && set <= due) {
            return;
        }
        if let Some((_, timer)) = self.timer.take() {
            timer.abort();
        }
        if let Some(at) = due {
            let (moment, facts) = (self.world.moment(at), self.facts.clone());
            let timer = tokio::spawn(async move {
                tokio::time::sleep_until(moment).await;
                facts.push(Fact::Tick);
            });
            self.timer = Some((at, timer.abort_handle()));
        }
    }
}

/// Invariant 2: whoever drops a driver that has not ended (ractor's kill, the end of the runtime) leaves nobody behind.
impl Drop for Driver {
    fn drop(&mut self) {
        if let Some((_, timer)) = self.timer.take() {
            timer.abort();
        }
        if self.parent.has_been_told() {
            return;
        }
        for entry in self.children.values() {
            if let Some(control) = &entry.control {
                control.kill();
            }
        }
        self.end(Exit::Killed);
    }
}
