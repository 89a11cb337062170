//! `Sim`: a supervisor of either kind with the lives of its children, driven by hand. Whatever drives a machine in these
//! tests drives this one, and so every test checks, beside its own subject:
//!
//! 1. Never two lives of one child, and the numbers of attempts rise.
//! 2. No life is told twice to stop, or killed twice. One is abandoned only after that was reported.
//! 3. Every order is answered exactly once, and before the supervisor has ended.
//! 4. An order is refused only for reasons that its kind may have.
//! 5. The supervisor ends once, after its last child, and then only refuses.
//!
//! Facts that change a life are methods here. All others are [told](Sim::tell) to the machine as they are.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use regrow_supervisors::{
    Action, Attempt, ChildKey, ChildSpec, ChildState, DynamicMachine, Exit, Flags, Intensity, Machine, Order,
    OrderError, OrderId, Report, StaticMachine,
};

use super::refusals::Verb;

/// How far a life is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Starting,
    Up,
    Asked,
    Killed,
}

#[derive(Clone, Debug)]
enum Kind {
    Static(StaticMachine),
    Dynamic(DynamicMachine),
}

#[derive(Clone, Debug)]
pub(crate) struct Sim {
    machine: Kind,
    pub(crate) now: Duration,
    lives: BTreeMap<Attempt, Stage>,
    /// Lives that end by themselves or at the hand of others.
    leaving: BTreeSet<Attempt>,
    /// Lives that are given up on, and to be cut off.
    abandoned: BTreeMap<Attempt, Stage>,
    /// Reports that were polled with an action and not yet heard.
    reports: VecDeque<Report>,
    unanswered: BTreeMap<OrderId, Verb>,
    orders: u64,
    newest: u64,
    has_ended: bool,
}

impl Sim {
    /// A supervisor about to boot.
    pub(crate) fn new(flags: impl Into<Flags>, specs: impl IntoIterator<Item = ChildSpec>) -> Self {
        Self::of(Kind::Static(StaticMachine::new(flags, specs).expect("good specs")))
    }

    pub(crate) fn dynamic(intensity: Intensity, children_max: Option<usize>) -> Self {
        Self::of(Kind::Dynamic(DynamicMachine::new(intensity, children_max).expect("good limits")))
    }

    fn of(machine: Kind) -> Self {
        Self {
            machine,
            now: Duration::ZERO,
            lives: BTreeMap::new(),
            leaving: BTreeSet::new(),
            abandoned: BTreeMap::new(),
            reports: VecDeque::new(),
            unanswered: BTreeMap::new(),
            orders: 0,
            newest: 0,
            has_ended: false,
        }
    }
}

/// Questions.
impl Sim {
    pub(crate) fn asked(&self) -> &dyn Machine {
        match &self.machine {
            Kind::Static(machine) => machine,
            Kind::Dynamic(machine) => machine,
        }
    }

    fn machine(&mut self) -> &mut dyn Machine {
        match &mut self.machine {
            Kind::Static(machine) => machine,
            Kind::Dynamic(machine) => machine,
        }
    }

    pub(crate) fn key(&self, name: &str) -> ChildKey {
        self.asked().find(name).expect("a child of this name")
    }

    pub(crate) fn name(&self, attempt: Attempt) -> String {
        self.asked().spec(attempt.child()).expect("a spec").id().to_owned()
    }

    pub(crate) fn lives(&self) -> &BTreeMap<Attempt, Stage> {
        &self.lives
    }

    pub(crate) fn is_live(&self, key: ChildKey) -> bool {
        self.lives.keys().any(|life| life.child() == key)
    }

    /// A life that is about to start or to end.
    pub(crate) fn moving(&self) -> Option<(Attempt, Stage)> {
        self.lives.iter().find(|(_, stage)| **stage != Stage::Up).map(|(&attempt, &stage)| (attempt, stage))
    }

    pub(crate) fn unanswered(&self) -> &BTreeMap<OrderId, Verb> {
        &self.unanswered
    }

    /// The number of the newest attempt.
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// How many orders there have been.
    pub(crate) fn orders(&self) -> u64 {
        self.orders
    }

    /// The counts that the machine keeps are those that a count finds.
    pub(crate) fn check_counts(&self) {
        let (children, counts) = (self.asked().children(), self.asked().counts());
        let active =
            children.iter().filter(|(_, _, standing, _)| matches!(standing, ChildState::Up | ChildState::Stopping));
        assert_eq!((counts.specs, counts.active), (children.len(), active.count()), "{:?}", self.machine);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Two of one print have one future, if time is all the same to them.
    pub(crate) fn print(&self) -> String {
        let Self { lives, leaving, abandoned, unanswered, orders, has_ended, .. } = self;
        format!("{:?} {lives:?} {leaving:?} {abandoned:?} {unanswered:?} {orders} {has_ended}", self.asked())
    }
}

/// Facts and commands.
impl Sim {
    /// Tells the machine something that changes no life, or sets something.
    pub(crate) fn tell<T>(&mut self, what: impl FnOnce(&mut dyn Machine, Duration) -> T) -> T {
        let now = self.now;
        let answer = what(self.machine(), now);
        self.listen();
        answer
    }

    pub(crate) fn started(&mut self, attempt: Attempt) {
        if let Some(stage @ Stage::Starting) = self.lives.get_mut(&attempt) {
            *stage = Stage::Up;
        }
        self.tell(|machine, now| machine.handle_started(attempt, now));
    }

    pub(crate) fn ignored(&mut self, attempt: Attempt) {
        self.is_gone(attempt);
        self.tell(|machine, now| machine.handle_ignored(attempt, now));
    }

    pub(crate) fn start_failed(&mut self, attempt: Attempt, exit: Exit) {
        self.is_gone(attempt);
        self.tell(|machine, now| machine.handle_start_failed(attempt, exit, now));
    }

    pub(crate) fn exits(&mut self, attempt: Attempt, exit: Exit) {
        self.is_gone(attempt);
        self.tell(|machine, now| machine.handle_exit(attempt, exit, now));
    }

    pub(crate) fn kill_under_way(&mut self, attempt: Attempt) {
        self.leaves(attempt);
        self.lives.entry(attempt).and_modify(|stage| *stage = Stage::Killed);
        self.tell(|machine, now| machine.handle_kill_under_way(attempt, now));
    }

    pub(crate) fn leaving(&mut self, attempt: Attempt, exit: Exit) {
        self.leaves(attempt);
        self.tell(|machine, now| machine.handle_leaving(attempt, exit, now));
    }

    pub(crate) fn remains(&mut self, attempt: Attempt, exit: Exit) {
        self.leaves(attempt);
        self.tell(|machine, now| machine.handle_remains(attempt, exit, now));
    }

    fn leaves(&mut self, attempt: Attempt) {
        if self.lives.contains_key(&attempt) {
            self.leaving.insert(attempt);
        }
    }

    fn is_gone(&mut self, attempt: Attempt) {
        self.lives.remove(&attempt);
        self.leaving.remove(&attempt);
    }

    pub(crate) fn order(&mut self, order: Order) -> OrderId {
        self.orders += 1;
        let call = OrderId(self.orders);
        self.unanswered.insert(call, Verb::of(&order));
        self.tell(|machine, now| machine.order(call, order, now));
        call
    }

    pub(crate) fn stop(&mut self, exit: Exit) {
        self.tell(|machine, now| machine.stop(exit, now));
    }

    pub(crate) fn kill(&mut self) {
        self.tell(|machine, now| machine.kill(now));
    }

    pub(crate) fn kill_at_once(&mut self) {
        self.tell(|machine, now| machine.kill_at_once(now));
    }

    pub(crate) fn abandon(&mut self) {
        self.tell(|machine, now| machine.abandon(now));
    }

    /// Time passes, and the machine is woken at the end of it.
    pub(crate) fn wakes_at(&mut self, time: Duration) {
        self.now = self.now.max(time);
        self.tell(|machine, now| machine.handle_timeout(now));
    }

    /// Time passes until the machine wants to be woken. `false`: it never does.
    pub(crate) fn wakes(&mut self) -> bool {
        let due = self.asked().poll_timeout();
        due.into_iter().for_each(|due| self.wakes_at(due));
        due.is_some()
    }
}

/// Drains.
impl Sim {
    /// The next thing that the machine wants to be done. Reports that came before it can be heard now.
    pub(crate) fn act(&mut self) -> Option<Action> {
        let action = self.machine().poll_action();
        self.listen();
        match &action {
            Some(action) => self.on_action(action),
            None => self.rests(),
        }
        action
    }

    pub(crate) fn hear(&mut self) -> Option<Report> {
        self.listen();
        self.reports.pop_front()
    }

    fn listen(&mut self) {
        while let Some(report) = self.machine().poll_report() {
            if let Report::Abandoned { attempt } = report {
                self.abandoned.extend(self.lives.remove_entry(&attempt));
            }
            self.reports.push_back(report);
        }
    }

    /// Whatever is reported is not the point.
    pub(crate) fn hear_all(&mut self) {
        while self.hear().is_some() {}
    }

    /// Does nothing of what it is told.
    pub(crate) fn ignore_all(&mut self) {
        while self.act().is_some() {}
        self.hear_all();
    }

    fn on_action(&mut self, action: &Action) {
        let is_refusal = matches!(action, Action::Answer { result: Err(OrderError::Over), .. });
        assert!(!self.has_ended || is_refusal, "an action after the end: {action:?}");
        match action {
            Action::Start(attempt) => {
                assert!(attempt.number() > self.newest, "an attempt's number is used again");
                assert!(!self.is_live(attempt.child()), "two lives of one child");
                self.newest = attempt.number();
                self.lives.insert(*attempt, Stage::Starting);
            }
            // It may have ended between the decision and its performance.
            Action::Ask(attempt) => {
                let is_leaving = self.leaving.contains(attempt);
                if let Some(stage) = self.stage_mut(*attempt).filter(|stage| !is_leaving || **stage != Stage::Killed) {
                    assert!(is_leaving || matches!(stage, Stage::Starting | Stage::Up), "told twice");
                    *stage = Stage::Asked;
                }
            }
            Action::Kill(attempt) => {
                let is_leaving = self.leaving.contains(attempt);
                if let Some(stage) = self.stage_mut(*attempt) {
                    assert!(is_leaving || *stage != Stage::Killed, "killed twice");
                    *stage = Stage::Killed;
                }
            }
            Action::Abandon(attempt) => {
                assert!(self.abandoned.remove(attempt).is_some(), "abandoned without a report");
                self.leaving.remove(attempt);
            }
            Action::Answer { call, result } => {
                let verb = self.unanswered.remove(call);
                let verb = verb.unwrap_or_else(|| panic!("{call:?} is answered twice"));
                assert!(result.as_ref().err().is_none_or(|error| verb.may_be_refused(error)), "{verb:?}: {result:?}");
            }
            Action::Adopt { call, .. } => assert!(self.unanswered.contains_key(call), "adopted for no order"),
            Action::Rest(key) | Action::Forget(key) | Action::Park { child: key, .. } | Action::Wait(key) => {
                assert!(!self.is_live(*key), "{action:?}, and it lives");
            }
            Action::End(_) => {
                assert!(self.lives.is_empty(), "it ends before its children");
                self.has_ended = true;
            }
            Action::Up | Action::Dismiss(_) | Action::Withdraw(_) | Action::Readmit(_) | Action::NoteKept { .. } => {}
        }
    }

    /// Nothing is left to be done.
    fn rests(&self) {
        assert!(self.abandoned.is_empty(), "abandoned and not cut off");
        assert!(!self.has_ended || self.unanswered.is_empty(), "it ended and owes {:?}", self.unanswered);
    }

    fn stage_mut(&mut self, attempt: Attempt) -> Option<&mut Stage> {
        self.lives.get_mut(&attempt).or_else(|| self.abandoned.get_mut(&attempt))
    }
}

/// Lets something happen to a world. If that panics, the world tells how it came to that.
pub(crate) fn retold<W>(world: &mut W, happens: impl FnOnce(&mut W), tell: impl FnOnce(&W)) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| happens(world))) {
        tell(world);
        resume_unwind(panic);
    }
}

/// The history that led to a panic: each deed, and whether the next came before the machine was polled.
pub(crate) fn print_history(trail: &[(impl fmt::Debug, bool)]) {
    eprintln!("the history:");
    for (deed, is_hurried) in trail {
        eprintln!("    {deed:?}{}", if *is_hurried { ", and at once" } else { "" });
    }
}
