//! The driver of one machine: facts in, actions out. It knows no strategy, and it waits for nothing.
//!
//! Invariants:
//! 1. Facts are taken in the order in which they happened. All that are there are handed to the machine before its
//!    actions are performed, as a mailbox is filled before it is read.
//! 2. Every living child is reached through the control kept here, and is killed when the driver is dropped.
//! 3. The parent learns of the end exactly once, after every child is gone.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::time::Duration;

use ractor::ActorRef;
use regrow_supervisors::{
    Attempt, ByChild, ChildKey, ChildState, Completion, Exit, KeyHasher, Machine, OrderId, Outlook, Panic, Prospect,
};
use tokio::task::AbortHandle;

use crate::base::wake::Wake;
use crate::base::{background, thrift};
use crate::error::gave_up::GaveUp;
use crate::slot::erased::Supervision;
use crate::slot::fact::Fact;
use crate::slot::inbox::Inbox;
use crate::supervisor::actions::Performed;
use crate::supervisor::child_entry::ChildEntry;
use crate::supervisor::configure;
use crate::supervisor::dependency_watch::{self, DependencyWatch};
use crate::supervisor::give_order::{Ordered, Pending};
use crate::supervisor::parent::{Link, Parent};
use crate::supervisor::plan::Plan;
use crate::supervisor::start_limits::Gates;
use crate::supervisor::stop_order::Heeded;
use crate::supervisor::testimony::{Oath, Saying};
use crate::tree::overrides::Group;
use crate::tree::shared::Shared;

pub(crate) struct Driver {
    pub(super) machine: Box<dyn Machine + Send>,
    pub(super) plan: Arc<Plan>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) shared: Arc<Shared>,
    pub(super) parent: Parent,
    pub(super) children: ByChild<Box<ChildEntry>>,
    /// Whether a child that the plan describes as a leaf has been described as a supervisor since.
    pub(super) has_new_subtrees: bool,
    /// Number of the children that are supervisors.
    pub(super) supervisors: usize,
    /// The settings in force for all children.
    pub(super) group: Group,
    /// The limits that a start has to pass.
    pub(super) gates: Gates,
    /// Starts that a limit let in during this turn.
    admitted: Vec<Attempt>,
    pub(super) dependency_watch: DependencyWatch,
    pub(crate) heeded: Heeded,
    timer: Option<(Duration, AbortHandle)>,
    /// The empty queue that is swapped with the one of the inbox.
    spare: VecDeque<Fact>,
    /// The time at which the latest facts were taken.
    pub(super) now: Duration,
    /// Orders that wait for their answer.
    pub(super) orders: HashMap<OrderId, Pending, BuildHasherDefault<KeyHasher>>,
    pub(super) orders_given: u64,
    /// The panic that has ended the driver: a bug of ours.
    pub(super) panic: Option<Panic>,
    /// Whether the budget may have been charged since it was noted.
    pub(super) is_charged: bool,
    /// The child that the supervisor gave up on, and why.
    pub(super) gave_up: Option<Arc<GaveUp>>,
    /// The first significant child that ended by a fault and was not restarted.
    pub(super) significant_fault: Option<Arc<GaveUp>>,
    /// Whether the supervisor has come up.
    pub(super) is_up: bool,
    /// Whether the supervisor is being killed, and its children with it.
    pub(super) is_killed: bool,
    pub(super) oath: Oath,
}

impl Driver {
    /// Makes the driver of a plan. `gates` are those of the supervisors above.
    pub(crate) fn new(plan: &Arc<Plan>, shared: Arc<Shared>, link: Link, gates: &Gates) -> Self {
        let inbox = Arc::new(Inbox::new(shared.watchdog.is_on.clone(), &plan.path));
        plan.list(&shared);
        plan.slot.life().supervise(&inbox, Supervision::Begins);
        shared.living.begins(&inbox, &plan.path);
        let group = configure::group(&shared, plan, plan.group());
        let mut driver = Self {
            machine: plan.machine(Vec::new()),
            gates: group.starts_max.map_or_else(|| gates.clone(), |starts_max| gates.and(starts_max)),
            group,
            plan: plan.clone(),
            inbox,
            shared,
            parent: Parent::new(link),
            children: ByChild::default(),
            has_new_subtrees: false,
            supervisors: 0,
            admitted: Vec::new(),
            dependency_watch: DependencyWatch::default(),
            heeded: Heeded::default(),
            timer: None,
            spare: VecDeque::new(),
            now: Duration::ZERO,
            orders: HashMap::default(),
            orders_given: 0,
            panic: None,
            is_charged: false,
            gave_up: None,
            significant_fault: None,
            is_up: false,
            is_killed: false,
            oath: Oath::default(),
        };
        let (specs, own): (Vec<_>, Vec<_>) =
            plan.children.iter().map(|planned| driver.configured_to_start(planned)).unzip();
        driver.children.reserve(specs.len());
        driver.machine = plan.machine(specs);
        if let Err(error) = driver.machine.set_budget(group.intensity, group.budget_clock) {
            unreachable!("the plan was checked, and so is what replaces its budget: {error}");
        }
        let keys: Vec<_> = driver.machine.children().into_iter().map(|(key, ..)| key).collect();
        for ((key, planned), own) in keys.into_iter().zip(&plan.children).zip(own) {
            driver.children.insert(key, ChildEntry::new(planned, false, own));
            driver.supervisors += usize::from(planned.is_supervisor());
            driver.prepare(key);
        }
        driver.heed_stop_order();
        driver
    }

    pub(crate) fn inbox(&self) -> Arc<Inbox> {
        self.inbox.clone()
    }

    /// Takes the facts that are there and does what follows. Returns `true` when the supervisor has ended.
    pub(crate) async fn drive(&mut self, myself: &ActorRef<Wake>) -> bool {
        let mut inbox = std::mem::take(&mut self.spare);
        if !self.inbox.take(&mut inbox) {
            return false;
        }
        let now = self.shared.clock.now();
        self.now = now;
        self.heed_stop_order();
        self.testify(&Saying::Begin, now);
        let many = inbox.len();
        for mut fact in inbox.drain(..) {
            self.amend(&mut fact);
            self.note(&fact);
            self.testify(&Saying::Fact(&fact), now);
            self.hand_over(fact, now);
        }
        thrift::give_back_queue(&mut inbox, many);
        self.spare = inbox;
        for attempt in std::mem::take(&mut self.admitted) {
            if let Some(spawning) = self.admit(attempt, myself) {
                spawning.await;
            }
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
            if self.machine.is_ending() && !self.inbox.is_ending() {
                self.inbox.begin_to_end();
                if self.parent.is_tree() {
                    self.shared.begin_to_end();
                }
            }
            match action {
                Some(action) => {
                    self.testify(&Saying::Deed(&action), now);
                    match self.perform(action, myself) {
                        Performed::Done => {}
                        Performed::Spawns(spawning) => spawning.await,
                        Performed::Over => is_over = true,
                    }
                }
                None => break,
            }
        }
        self.testify(&Saying::Done, now);
        if std::mem::take(&mut self.is_charged)
            && self.shared.counts.are_budgets_read()
            && let Some((left, restarts_max, within)) = self.machine.budget_left(now)
        {
            self.plan.slot.note_budget(left, restarts_max, within);
        }
        self.set_timer();
        if let Some(watch) = &self.plan.watch {
            watch.worked(self.machine.poll_timeout());
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
                let is_starting = self.machine.standing(attempt.child()) == Some(ChildState::Starting);
                if is_starting && self.machine.attempt(attempt.child()) == Some(attempt) {
                    self.completed(attempt.child(), Completion { was_ready: false });
                }
                self.machine.handle_ignored(attempt, now);
            }
            Fact::StartFailed { attempt, exit } => {
                self.machine.handle_start_failed(attempt, self.shared.options_in_force.named(exit), now);
            }
            Fact::Ended { attempt, exit } => {
                self.tell_progress(attempt, now);
                self.tell_crash(attempt, &exit, now);
                let may_be_done = !exit.is_abnormal();
                self.machine.handle_exit(attempt, self.shared.options_in_force.named(exit), now);
                if may_be_done
                    && let Some(outlook) = self.machine.outlook(attempt.child())
                    && let Some(completion) = outlook.completion
                {
                    self.completed(attempt.child(), completion);
                }
            }
            Fact::Chosen { attempt, exit } => {
                self.dismiss_last_life(attempt, &self.shared.options_in_force.named(exit))
            }
            Fact::Leaving { attempt, exit } => {
                let exit = self.shared.options_in_force.named(exit);
                self.dismiss_last_life(attempt, &exit);
                self.machine.handle_leaving(attempt, exit, now);
            }
            Fact::Remains { attempt, exit } => {
                self.machine.handle_remains(attempt, self.shared.options_in_force.named(exit), now);
            }
            Fact::Failing { attempt, failures } => self.tell_failures(attempt, &failures, now),
            Fact::Kept { attempt, news } => self.machine.handle_kept(attempt, news, now),
            Fact::KillUnderWay(attempt) => self.machine.handle_kill_under_way(attempt, now),
            Fact::Hung { attempt, seen, hang } => self.hung(attempt, &seen, hang, now),
            Fact::Stop(exit) => self.machine.stop(exit, now),
            Fact::Kill => {
                self.is_killed = true;
                if self.shared.ending.is_hurried() { self.machine.kill_at_once(now) } else { self.machine.kill(now) }
            }
            Fact::Abandon => {
                self.is_killed = true;
                self.machine.abandon(now);
            }
            Fact::Order(order) => self.order(Ordered::of(order), now),
            // The supervisor below ends for it with the next fact.
            Fact::Ending { attempt, gave_up: Some(why) } if why.ends_tree => {
                self.machine.handle_end_of_tree(attempt, now);
            }
            Fact::Ending { .. } | Fact::Tick => {}
        }
    }

    /// Whether dependents must learn of this outlook. A service that stops because the tree or a supervisor above ends
    /// is not missed, because its dependents stop as well.
    fn is_news(&self, outlook: Outlook) -> bool {
        match outlook.prospect {
            Prospect::Ready | Prospect::MayCome => true,
            Prospect::Gone | Prospect::Parked { .. } => {
                !self.shared.is_ending() && !dependency_watch::is_within_an_end(&self.shared, &self.plan.path)
            }
        }
    }

    /// Notes that a life ended as it should. This comes before its slot is closed, so that no dependent takes it for
    /// gone.
    fn completed(&self, child: ChildKey, completion: Completion) {
        if let Some(entry) = self.children.get(&child) {
            entry.slot.complete(Some(completion));
        }
    }

    /// Reports to the machine how many messages a life has handled, if its policy counts them.
    fn tell_progress(&mut self, attempt: Attempt, now: Duration) {
        let asked = self.machine.spec(attempt.child()).and_then(|spec| spec.own_policy()?.reset_after_messages);
        if let (Some(_), Some(entry)) = (asked, self.children.get(&attempt.child())) {
            let handled = entry.slot.accounting().handled.saturating_sub(entry.handled_before());
            self.machine.handle_progress(attempt, handled, now);
        }
    }

    /// Wakes the driver when the machine's next deadline has passed. A timer that is early does no harm: it is set
    /// again.
    fn set_timer(&mut self) {
        // A timer that has passed since then has left a tick in the queue.
        let is_set = |&at: &Duration| at > self.now;
        let (due, set) = (self.machine.poll_timeout(), self.timer.as_ref().map(|(at, _)| *at).filter(is_set));
        // An early timer is left alone. Most deadlines pass unneeded, and the next one will find it there.
        if due.is_none() || (set.is_some() && set <= due) {
            return;
        }
        if let Some((_, timer)) = self.timer.take() {
            timer.abort();
        }
        if let Some(at) = due {
            let (moment, inbox) = (self.shared.clock.moment(at), self.inbox.clone());
            let timer = background::keep("the timer of a supervisor", move || {
                let inbox = inbox.clone();
                async move {
                    tokio::time::sleep_until(moment).await;
                    inbox.push(Fact::Tick);
                }
            });
            self.timer = Some((at, timer));
        }
    }
}

/// Invariant 2: a driver that is dropped before its end (by ractor's kill, or by the end of the runtime) leaves no
/// child behind.
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
            self.tell_killed(entry);
        }
        let exit = self.panic.take().map_or(Exit::Killed, Exit::Panicked);
        self.end(exit);
    }
}
