//! One machine at work: facts in, actions out. There is no strategy in sight here, and nothing waits.
//!
//! Invariants:
//! 1. Facts are taken in the order in which they happened; all that are there are handed to the machine before its
//!    actions are performed, as a mailbox is filled before it is read.
//! 2. Every child that lives is reached through the control kept here, and is killed when the driver is dropped.
//! 3. The parent hears of the end exactly once, and after every child is gone.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ractor::ActorRef;
use regrow_supervisors::{
    Action, Attempt, ByChild, Call, ChildKey, ChildSpec, Completion, Exit, Health, Machine, Outlook, Panic, Policy,
    Prospect, Readiness, Report, Standing,
};
use tokio::task::AbortHandle;
use tracing::Level;

use crate::background;
use crate::directory::Kind;
use crate::event::EventKind;
use crate::gave_up::GaveUp;
use crate::layer::Group;
use crate::log::{self, Aside};
use crate::readiness::Counts;
use crate::shutdown::ShutdownReport;
use crate::slot::life::Supervision;
use crate::slot::status::State;
use crate::supervisor::configure;
use crate::supervisor::description::Shape;
use crate::supervisor::entry::Entry;
use crate::supervisor::facts::{Fact, Facts};
use crate::supervisor::gates::Gates;
use crate::supervisor::lookout::{self, Lookout, path_of};
use crate::supervisor::manage::Pending;
use crate::supervisor::parent::{Link, Parent};
use crate::supervisor::plan::Plan;
use crate::supervisor::stop_order::Heeded;
#[cfg(feature = "chaos")]
use crate::supervisor::testify::Oath;
use crate::supervisor::testify::Saying;
use crate::thrift;
use crate::world::World;

pub(crate) struct Driver {
    pub(super) machine: Box<dyn Machine + Send>,
    pub(super) plan: Arc<Plan>,
    pub(super) facts: Arc<Facts>,
    pub(super) world: Arc<World>,
    pub(super) parent: Parent,
    pub(super) children: ByChild<Box<Entry>>,
    /// How many of them are supervisors.
    pub(super) supervisors: usize,
    /// What is in force about all of them.
    pub(super) group: Group,
    /// What a start has to pass.
    pub(super) gates: Gates,
    /// Starts that have been let in just now.
    admitted: Vec<Attempt>,
    pub(super) lookout: Lookout,
    pub(crate) heeded: Heeded,
    timer: Option<(Duration, AbortHandle)>,
    /// The queue that the facts are swapped with.
    spare: VecDeque<Fact>,
    /// The time of the facts that were taken last.
    now: Duration,
    /// Orders that wait for their answer.
    pub(super) orders: HashMap<Call, Pending>,
    pub(super) orders_given: u64,
    /// The panic that has ended it: a bug of ours.
    pub(super) panic: Option<Panic>,
    /// The child that it gave up on, and why.
    pub(super) gave_up: Option<Arc<GaveUp>>,
    /// The first significant child that ended by a fault and was not restarted.
    pub(super) significant_fault: Option<Arc<GaveUp>>,
    /// It is being killed, and its children with it.
    pub(super) is_killed: bool,
    #[cfg(feature = "chaos")]
    pub(super) oath: Oath,
}

impl Driver {
    /// `gates` are those of the supervisors above.
    pub(crate) fn new(plan: &Arc<Plan>, world: Arc<World>, link: Link, gates: &Gates) -> Self {
        let facts = Arc::new(Facts::new(world.watchdog.clone(), &plan.path));
        plan.list(&world);
        plan.slot.life().supervise(&facts, Supervision::Begins);
        world.supervisor_begins(&facts, &plan.path);
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
            supervisors: 0,
            admitted: Vec::new(),
            lookout: Lookout::default(),
            heeded: Heeded::default(),
            timer: None,
            spare: VecDeque::new(),
            now: Duration::ZERO,
            orders: HashMap::new(),
            orders_given: 0,
            panic: None,
            gave_up: None,
            significant_fault: None,
            is_killed: false,
            #[cfg(feature = "chaos")]
            oath: Oath::default(),
        };
        let (specs, own): (Vec<_>, Vec<_>) =
            plan.children.iter().map(|planned| driver.configured_to_start(planned)).unzip();
        driver.machine = plan.machine(specs);
        driver.machine.set_budget(group.intensity, group.budget_clock);
        let keys: Vec<_> = driver.machine.children().into_iter().map(|(key, ..)| key).collect();
        for ((key, planned), own) in keys.into_iter().zip(&plan.children).zip(own) {
            driver.children.insert(key, Entry::new(planned, false, own));
            driver.supervisors += usize::from(planned.is_supervisor());
            driver.prepare(key);
        }
        driver.heed_stop_order();
        driver
    }

    /// Whatever a child's policy needs from outside of the machine.
    pub(super) fn prepare(&mut self, key: ChildKey) {
        let (Some(spec), Some(entry)) = (self.machine.spec(key), self.children.get(&key)) else { return };
        let full = |name: &Arc<str>| match name.strip_prefix('/') {
            Some(path) => path.into(),
            None => format!("{}/{name}", self.plan.path).into(),
        };
        self.world.stop_order.set(&entry.path, spec.dependencies().iter().map(|on| full(&on.name)).collect());
        let policy = spec.policy_rule();
        let counts = match policy.health {
            Some(Health::Required) => Some(Counts::BySaying),
            Some(Health::Optional) => None,
            None => self.usual_counts(entry.kind),
        };
        self.world.required.set(&entry.path, counts);
        // Also where it depends on nothing any more.
        self.world.in_force.set((entry.path.clone(), self.needs(spec)));
        if policy == Policy::default() && !self.lookout.knows(key) {
            return;
        }
        for name in self.lookout.watch(&self.world, &self.facts, key, spec) {
            // A sibling that is done and forgotten: the machine came to be after that, or had no reason to remember it.
            let completion = self.world.directory.completion(&format!("{}/{name}", self.plan.path));
            if self.machine.find(&name).is_none() {
                let outlook = Outlook { prospect: Prospect::Gone, completion };
                self.machine.handle_outlook(&name, outlook, self.world.now());
            }
        }
        let chance = self.world.rulebook.chance(&entry.path);
        self.machine.set_chance(key, chance);
    }

    /// Whether a child counts if nothing is said of that: services and supervisors do, below a supervisor that does.
    fn usual_counts(&self, kind: Kind) -> Option<Counts> {
        let is_optional = kind == Kind::Task || matches!(self.plan.shape, Shape::Dynamic(_));
        (!is_optional).then_some(Counts::WithItsSupervisor)
    }

    /// The paths of those that a child depends on.
    pub(super) fn needs(&self, spec: &ChildSpec) -> Vec<Arc<str>> {
        spec.dependencies().iter().map(|on| path_of(&self.plan.path, &on.name)).collect()
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
        self.now = now;
        self.heed_stop_order();
        self.testify(&Saying::Begin, now);
        let many = facts.len();
        for mut fact in facts.drain(..) {
            self.amend(&mut fact);
            self.note(&fact);
            self.testify(&Saying::Fact(&fact), now);
            self.hand_over(fact, now);
        }
        thrift::give_back_queue(&mut facts, many);
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
            if self.machine.is_ending() {
                self.facts.begin_to_end();
                if self.parent.is_tree() {
                    self.world.begin_to_end();
                }
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
        self.set_timer();
        if let Some(watch) = &self.plan.watch {
            watch.worked(self.machine.poll_timeout().filter(|_| !is_over));
        }
        is_over
    }

    fn hand_over(&mut self, fact: Fact, now: Duration) {
        match fact {
            Fact::Started { attempt, .. } => self.machine.handle_started(attempt, now),
            Fact::Ready(attempt) => self.machine.handle_ready(attempt, now),
            Fact::Admitted(attempt) => {
                self.machine.handle_in_line(attempt, false, now);
                self.admitted.push(attempt);
            }
            Fact::Dependency { name, outlook } if self.is_news(outlook) => {
                self.machine.handle_outlook(&name, outlook, now);
            }
            Fact::Dependency { .. } => {}
            Fact::Ignored(attempt) => {
                let is_starting = self.machine.standing(attempt.child()) == Some(Standing::Starting);
                if is_starting && self.machine.attempt(attempt.child()) == Some(attempt) {
                    self.completed(attempt.child(), Completion { was_ready: false });
                }
                self.machine.handle_ignored(attempt, now);
            }
            Fact::StartFailed { attempt, exit } => {
                self.machine.handle_start_failed(attempt, self.world.rulebook.named(exit), now);
            }
            Fact::Ended { attempt, exit } => {
                self.tell_progress(attempt, now);
                self.machine.handle_exit(attempt, self.world.rulebook.named(exit), now);
                if let Some(completion) = self.machine.outlook(attempt.child()).and_then(|outlook| outlook.completion) {
                    self.completed(attempt.child(), completion);
                }
            }
            Fact::Chosen { attempt, exit } => self.dismiss_last_life(attempt, &self.world.rulebook.named(exit)),
            Fact::Leaving { attempt, exit } => {
                let exit = self.world.rulebook.named(exit);
                self.dismiss_last_life(attempt, &exit);
                self.machine.handle_leaving(attempt, exit, now);
            }
            Fact::Remains { attempt, exit } => {
                self.machine.handle_remains(attempt, self.world.rulebook.named(exit), now);
            }
            Fact::KillUnderWay(attempt) => self.machine.handle_kill_under_way(attempt, now),
            Fact::Hung { attempt, seen, hang } => self.hung(attempt, &seen, hang, now),
            Fact::Stop(exit) => self.machine.stop(exit, now),
            Fact::Kill => {
                self.is_killed = true;
                if self.world.ending.is_hurried() { self.machine.kill_at_once(now) } else { self.machine.kill(now) }
            }
            Fact::Abandon => {
                self.is_killed = true;
                self.machine.abandon(now);
            }
            Fact::Order(order) => self.order(*order, now),
            Fact::Ending { .. } | Fact::Tick => {}
        }
    }

    /// What stops because the tree ends, or a supervisor above, is not missed: those that depend on it stop as well.
    fn is_news(&self, outlook: Outlook) -> bool {
        match outlook.prospect {
            Prospect::Ready | Prospect::MayCome => true,
            Prospect::Gone | Prospect::Parked { .. } => {
                !self.world.is_ending() && !lookout::is_within_an_end(&self.world, &self.plan.path)
            }
        }
    }

    /// A life ended as it should: told before its slot is closed, so that no dependent takes it for gone.
    fn completed(&self, child: ChildKey, completion: Completion) {
        if let Some(entry) = self.children.get(&child) {
            entry.slot.complete(completion);
        }
    }

    /// How many messages a life has handled, where that counts.
    fn tell_progress(&mut self, attempt: Attempt, now: Duration) {
        let asked = self.machine.spec(attempt.child()).and_then(|spec| spec.policy_rule().reset_after_messages);
        if let (Some(_), Some(entry)) = (asked, self.children.get(&attempt.child())) {
            let handled = entry.slot.accounting().handled.saturating_sub(entry.handled_before);
            self.machine.handle_progress(attempt, handled, now);
        }
    }

    /// Remembers and tells what a fact says of a child.
    fn note(&mut self, fact: &Fact) {
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
            | Fact::Hung { .. }
            | Fact::Stop(_)
            | Fact::Kill
            | Fact::Abandon
            | Fact::Order(_)
            | Fact::Tick => return,
        };
        let Some(entry) = self.children.get_mut(&attempt.child()) else { return };
        let mut is_as_ordered = false;
        // Whatever it came to, the start is over.
        entry.ticket = None;
        entry.has_failed = false;
        let mut is_unready = false;
        if let EventKind::Started { info, outage } = &mut kind {
            entry.info.clone_from(info);
            *outage = entry.slot.rose();
            let says_so = |spec: &ChildSpec| spec.policy_rule().readiness == Some(Readiness::WhenSaid);
            is_unready = !entry.slot.status().ready && self.machine.spec(attempt.child()).is_some_and(says_so);
        }
        if let Some(exit) = exit {
            let is_start = matches!(fact, Fact::StartFailed { .. });
            is_as_ordered = entry.ends_as_ordered(exit);
            if !is_as_ordered && (exit.is_abnormal() || is_start) {
                entry.slot.fell(is_start);
            }
            entry.ended(exit.clone());
            entry.control = None;
            entry.close_outdated();
            if self.world.is_ending() {
                entry.slot.close(State::Gone);
            }
            if self.world.ending.is_noting() {
                self.note_end(attempt.child(), exit);
            }
        }
        let Some(entry) = self.children.get(&attempt.child()) else { return };
        let generation = || match fact {
            Fact::Started { generation, .. } => *generation,
            _ => entry.generation(),
        };
        let level = if is_as_ordered { Level::DEBUG } else { log::level(&kind) };
        let aside = || if is_unready { Aside::Unready } else { Aside::Nothing };
        self.world.tell_at(level, &entry.path, generation, kind, aside);
    }

    fn report(&mut self, report: Report) {
        if let Report::SignificantEnded { child, exit, is_last } = report {
            return self.significant_ended(child, exit, is_last);
        }
        if let Report::GaveUp { child, exit, reason } = &report
            && let Some(why) = self.link(*child, exit.clone(), *reason)
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
            let name = |entry: &Entry| entry.path.rsplit_once('/').map_or(String::new(), |(_, name)| name.to_owned());
            let name = self.children.get(child).map_or(String::new(), |entry| name(entry));
            watch.reported(&report, &name, self.machine.is_ending());
        }
        let mut services = Vec::new();
        let (child, kind) = match report {
            // The facts behind these two were told as they came, and the third is where it is done.
            Report::ChildTerminated { .. } | Report::StartError { .. } | Report::Abandoned { .. } => return,
            // Told above.
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
            Report::DependencyGone { child, name, then } => {
                (child, EventKind::DependencyGone { dependency: path_of(&self.plan.path, &name), then })
            }
            Report::Parked { child, until, services: names } => {
                services = names;
                if let Some(entry) = self.children.get(&child) {
                    entry.slot.fell(false);
                }
                (child, EventKind::Parked { probe_in: self.time_until(until) })
            }
            Report::Overran { attempt, exit } => (attempt.child(), EventKind::Overran { exit }),
            Report::Overdue { attempt, exit } => (attempt.child(), EventKind::Overdue { exit }),
        };
        let Some(entry) = self.children.get_mut(&child) else { return };
        entry.has_failed &= !matches!(kind, EventKind::Delayed { .. } | EventKind::Waiting | EventKind::Parked { .. });
        // What is to be mended is the dependency, which has lines of its own.
        let is_for_others = matches!(kind, EventKind::Parked { .. }) && !services.is_empty();
        let level = if is_for_others { Level::WARN } else { log::level(&kind) };
        let aside = || match &services[..] {
            [] => Aside::Nothing,
            names => Aside::Services(names.iter().map(|name| path_of(&self.plan.path, name)).collect()),
        };
        self.world.tell_at(level, &entry.path, || entry.generation(), kind, aside);
    }

    /// As it was planned, and not what is left of it by now.
    fn time_until(&self, until: Duration) -> Duration {
        until.saturating_sub(self.now)
    }

    async fn perform(&mut self, action: Action, myself: &ActorRef<()>) -> bool {
        // The log tells an end that was ordered from one that was not.
        if let Action::Kill(attempt) = &action
            && let Some(entry) = self.children.get_mut(&attempt.child())
        {
            entry.was_killed = true;
        }
        match action {
            Action::Start(attempt) => self.start(attempt, myself).await,
            Action::Ask(attempt) => {
                if let Some(entry) = self.children.get_mut(&attempt.child()) {
                    entry.asked_at = Some(self.world.now());
                    // Before the order: what comes behind it is not part of the drain.
                    entry.begin_to_drain(self.world.is_ending());
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
                    (pending.finish)(self, result);
                }
            }
            Action::Rest(child) => {
                if let Some(entry) = self.children.get(&child) {
                    let level = if entry.has_failed { Level::WARN } else { log::level(&EventKind::Down) };
                    let aside = || entry.last_exit.clone().map_or(Aside::Nothing, Aside::Ended);
                    self.world.tell_at(level, &entry.path, || entry.generation(), EventKind::Down, aside);
                    self.world.directory.close(&entry.path, State::Down);
                    self.world.required.ring();
                }
            }
            Action::Park { child, until } => {
                if let Some(entry) = self.children.get(&child) {
                    let until = self.world.moment(until).into_std();
                    self.world.directory.close(&entry.path, State::Parked { until });
                }
            }
            Action::Wait(child) => match self.children.get(&child) {
                Some(entry) if entry.kind.is_supervisor() => self.world.directory.open(&entry.path),
                Some(entry) => entry.slot.wait(),
                None => {}
            },
            Action::Forget(child) => {
                self.lookout.unwatch(child);
                if let Some(mut entry) = self.children.remove(&child) {
                    entry.close_outdated();
                    self.supervisors -= usize::from(entry.kind.is_supervisor());
                    if let Some(completion) = entry.slot.completion() {
                        self.world.directory.remember(&entry.path, completion, !entry.is_added);
                    }
                    self.world.forget(&entry.path);
                    // Last: a subscriber that looks it up does not find it.
                    self.world.tell(&entry.path, || entry.generation(), EventKind::Gone);
                    self.world.log.forget(&entry.path);
                }
                self.heed_stop_order_anew();
                thrift::give_back(&mut self.children);
            }
            Action::Dismiss(child) => self.dismiss(child),
            Action::Withdraw(child) => self.withdraw(child),
            Action::Readmit(child) => self.readmit(child),
            Action::Up => {
                if let Some(watch) = &self.plan.watch {
                    watch.up();
                }
                self.plan.slot.life().supervise(&self.facts, Supervision::IsUp);
                if self.parent.is_tree() {
                    self.world.log.tree_is_up(&self.plan.path, self.world.now());
                }
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
        self.world.supervisor_ends(&self.facts);
        self.facts.close();
        self.children.values_mut().for_each(|entry| entry.close_outdated());
        for (_, pending) in std::mem::take(&mut self.orders) {
            self.give_back(pending.claims);
        }
        // A partitioned supervisor begins again with what it was resized to.
        let is_forgetful = !matches!(self.plan.shape, Shape::Partitioned { .. });
        for entry in self.children.values().filter(|entry| entry.is_added && is_forgetful) {
            self.world.forget(&entry.path);
        }
        if let Some(watch) = &self.plan.watch {
            watch.ended(&exit, self.parent.was_up());
        }
        if self.parent.is_tree() {
            self.world.end();
            let report = ShutdownReport::new(self.plan.path.clone(), exit.clone(), self.world.ending.notes());
            self.world.log.tree_ended(&report, self.parent.was_up());
        }
        self.parent.tell_end(exit, self.gave_up.clone());
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
            let timer = background::keep("the timer of a supervisor", move || {
                let facts = facts.clone();
                async move {
                    tokio::time::sleep_until(moment).await;
                    facts.push(Fact::Tick);
                }
            });
            self.timer = Some((at, timer));
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
        let exit = self.panic.take().map_or(Exit::Killed, Exit::Panicked);
        self.end(exit);
    }
}
