//! Long random lives under policies: delays, parks, dependencies, rules and orders in any order. Whatever happens:
//!
//! 1. No life goes on that the supervisor does not know of, and the promises of the [simulator](crate::common::sim) hold.
//! 2. No start before its delay is over, unless by an order about that child, or because another child became ready.
//! 3. It never goes silent: a child that is retrying or parked has a time, unless an order has parked it or what it
//!    depends on. A child that waits has something missing, and one that is down rests, or belongs to a group whose start is still to come. None waits for a service that is gone.
//! 4. It ends by the passing of time alone, and wants nothing afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::common::MS;
use crate::common::dice::Dice;
use crate::common::sim::{Sim, Stage};
use regrow_supervisors::{
    Abandon, Action, Adjustment, Attempt, Backoff, BudgetClock, ChildKey, ChildSpec, ChildState, Completion,
    Dependency, DependencyGone, Exit, ExitKind, ExitRule, FailureRate, Flags, GiveUp, Hang, Intensity, Jitter,
    KeptNews, KeptRule, KeptThen, NotReady, Order, OrderId, Outlook, Policy, Prospect, Readiness, Report, Restart,
    RuleAction, Shutdown, Strategy,
};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

struct Walk {
    sim: Sim,
    dice: Dice,
    has_groups: bool,
    delays: BTreeMap<ChildKey, Duration>,
    resting: BTreeSet<ChildKey>,
    /// Children that are about to be parked for a service.
    blocked: BTreeSet<ChildKey>,
    /// Orders that start a child whatever its delay.
    hasty: BTreeMap<OrderId, &'static str>,
    /// Children that orders have parked.
    parked: BTreeSet<ChildKey>,
    /// The child of the latest such order, if that was answered just now.
    revived: Option<&'static str>,
    trail: Vec<String>,
}

fn curve(dice: &mut Dice) -> Backoff {
    let jitter = dice.pick(&[Jitter::None, Jitter::Full, Jitter::Decorrelated]);
    match dice.below(3) {
        0 => Backoff::listed([Duration::ZERO, 20 * MS, 300 * MS]),
        1 => Backoff::new(50 * MS).max_delay(800 * MS).jitter(jitter),
        _ => Backoff::new(200 * MS).factor(1.0).max_delay(200 * MS).jitter(jitter),
    }
}

fn budget(dice: &mut Dice) -> Intensity {
    dice.pick(&[Intensity::new(0, 1000 * MS), Intensity::new(2, 500 * MS), Intensity::new(9, 5000 * MS)])
}

fn policy(name: &str, has_groups: bool, dice: &mut Dice) -> Policy {
    let mut policy = Policy::default();
    if dice.one_in(2) {
        policy = policy.backoff(curve(dice));
    }
    if dice.one_in(3) {
        policy = policy.budget(budget(dice));
    }
    if dice.one_in(2) {
        policy = policy.on_give_up(match dice.below(4) {
            0 => GiveUp::Stop,
            1 if dice.one_in(4) => GiveUp::EndTree,
            _ => GiveUp::Park(Backoff::new(100 * MS).max_delay(700 * MS)),
        });
    }
    if dice.one_in(3) {
        let then = if dice.one_in(2) { KeptThen::BeginEmpty } else { KeptThen::park(100 * MS) };
        policy = policy.kept(KeptRule::new(1 + dice.below(3) as u32).then(then));
    }
    if dice.one_in(4) {
        policy = policy.failure_rate(FailureRate::new(50, 4, 500 * MS));
    }
    if dice.one_in(4) {
        policy = policy.not_ready(NotReady::default().budget(budget(dice)).backoff(curve(dice)));
    }
    if dice.one_in(3) {
        policy = policy.readiness(Readiness::WhenSaid);
    }
    if dice.one_in(4) {
        policy = policy.start_timeout(60 * MS);
    }
    if dice.one_in(4) {
        policy = policy.reset_on_ready();
    }
    if dice.one_in(4) {
        policy = policy.retry_start();
    }
    if dice.one_in(3) {
        // Elders only: a circle would wait for ever.
        let elders = NAMES.iter().copied().filter(|elder| *elder < name);
        let names: Vec<_> = elders.chain(["x", "y"]).filter(|_| dice.one_in(3)).collect();
        let condition = |name: &str, dice: &mut Dice| match dice.one_in(3) {
            true => Dependency::completed(name),
            // A group would close a circle among siblings.
            false if dice.one_in(3) && (!has_groups || !NAMES.contains(&name)) => Dependency::ready(name).restart(),
            false => Dependency::ready(name),
        };
        policy = policy.depends_on(names.into_iter().map(|name| condition(name, dice)).collect::<Vec<_>>());
        policy = policy.on_dependency_gone(dice.pick(&[
            DependencyGone::Park,
            DependencyGone::Park,
            DependencyGone::Fail,
            DependencyGone::GoOn,
        ]));
    }
    for _ in 0..dice.below(3) {
        let on = [
            ExitKind::Normal,
            ExitKind::Killed,
            ExitKind::Failed,
            ExitKind::StartFailed,
            ExitKind::NotReady,
            ExitKind::Hung,
        ];
        let then = dice.pick(&[RuleAction::Restart, RuleAction::RestartGroup, RuleAction::Park, RuleAction::Stop]);
        let rule = ExitRule::new(then).on(dice.pick(&on));
        policy = policy.rule(if dice.one_in(3) { rule.free() } else { rule });
    }
    policy
}

fn spec(name: &str, has_groups: bool, dice: &mut Dice) -> ChildSpec {
    let restart = dice.pick(&[Restart::Permanent, Restart::Permanent, Restart::Transient, Restart::Temporary]);
    let shutdown = dice.pick(&[Shutdown::Kill, Shutdown::After(30 * MS), Shutdown::After(Duration::ZERO)]);
    let spec = ChildSpec::new(name).restart(restart).shutdown(shutdown).abandon(Abandon::After(15 * MS));
    if dice.one_in(5) { spec } else { spec.policy(policy(name, has_groups, dice)) }
}

impl Walk {
    fn new(strategy: Option<Strategy>, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let has_groups = !matches!(strategy, None | Some(Strategy::OneForOne));
        let intensity = dice.pick(&[Intensity::unlimited(), Intensity::new(30, 500 * MS), Intensity::new(3, 100 * MS)]);
        let sim = match strategy {
            Some(strategy) => {
                let names = &NAMES[..usize::try_from(dice.below(5)).expect("small")];
                let specs: Vec<_> = names.iter().map(|name| spec(name, has_groups, &mut dice)).collect();
                Sim::new(Flags { strategy, intensity, ..Flags::default() }, specs)
            }
            None => Sim::dynamic(intensity, None),
        };
        let mut walk = Self {
            sim,
            dice,
            has_groups,
            delays: BTreeMap::new(),
            resting: BTreeSet::new(),
            blocked: BTreeSet::new(),
            hasty: BTreeMap::new(),
            parked: BTreeSet::new(),
            revived: None,
            trail: Vec::new(),
        };
        if walk.dice.one_in(3) {
            walk.sim
                .tell(|machine, _| machine.set_budget(intensity, BudgetClock::WithoutStops))
                .expect("a budget with a period");
        }
        walk.poll();
        walk
    }

    fn note(&mut self, words: impl Into<String>) {
        self.trail.push(format!("{:?} {}", self.sim.now, words.into()));
    }

    fn step(&mut self) {
        let roll = self.dice.below(100);
        match roll {
            0..30 => self.advance(),
            30..60 => self.live(),
            60..63 => self.elsewhere(),
            63..85 => self.order(),
            85 if self.dice.one_in(8) => {
                self.note("stop");
                self.sim.stop(Exit::Shutdown);
            }
            86 if self.dice.one_in(12) => {
                self.note("kill");
                self.sim.kill();
            }
            _ => self.due(),
        }
        if self.dice.below(3) > 0 {
            self.poll();
        }
    }

    /// Something that is on its way arrives: a start, or the end of one that was told.
    fn advance(&mut self) {
        let moving: Vec<_> =
            self.sim.lives().iter().filter(|(_, stage)| **stage != Stage::Up).map(|(a, s)| (*a, *s)).collect();
        if moving.is_empty() {
            return;
        }
        let (attempt, stage) = self.dice.pick(&moving);
        self.note(format!("{stage:?} {attempt:?} gets on"));
        match stage {
            Stage::Starting if self.dice.one_in(3) => {
                self.sim.start_failed(attempt, Exit::failed("no"));
            }
            Stage::Starting if self.dice.one_in(15) => {
                self.became_ready(attempt);
                self.sim.ignored(attempt);
            }
            Stage::Starting => {
                self.became_ready(attempt);
                self.sim.started(attempt);
            }
            Stage::Asked => self.ends(attempt, Exit::Shutdown),
            Stage::Killed => self.ends(attempt, Exit::Killed),
            Stage::Up => {}
        }
    }

    /// Something happens to a child that is up.
    fn live(&mut self) {
        let up: Vec<_> = self.sim.lives().iter().filter(|(_, stage)| **stage == Stage::Up).map(|(a, _)| *a).collect();
        if up.is_empty() {
            return;
        }
        let attempt = self.dice.pick(&up);
        let what = self.dice.below(11);
        self.note(format!("{attempt:?} lives {what}"));
        match what {
            0..3 => {
                self.ready(attempt);
            }
            3 => {
                self.sim.tell(|machine, now| machine.handle_hung(attempt, Hang::new(MS, "Msg"), now));
            }
            4 => self.sim.kill_under_way(attempt),
            5 => {
                let counts = (self.dice.below(5), self.dice.below(4));
                let exit = Exit::failed("bad");
                self.sim
                    .tell(|machine, now| machine.handle_failures(attempt, counts.0.max(counts.1), counts.1, exit, now));
            }
            6 | 7 => {
                let failed = self.dice.below(4) as u32;
                let news = [KeptNews::BeganWith { failed }, KeptNews::Replaced, KeptNews::NotItsFault];
                let news = self.dice.pick(&news);
                self.sim.tell(|machine, now| machine.handle_kept(attempt, news, now));
            }
            _ => {
                let exit = self.dice.pick(&[Exit::Normal, Exit::Killed, Exit::failed("boom"), Exit::Shutdown]);
                self.ends(attempt, exit);
            }
        }
    }

    fn ends(&mut self, attempt: Attempt, exit: Exit) {
        if matches!(exit, Exit::Normal) {
            self.became_ready(attempt);
        }
        self.sim.exits(attempt, exit);
    }

    fn ready(&mut self, attempt: Attempt) {
        self.became_ready(attempt);
        self.sim.tell(|machine, now| machine.handle_ready(attempt, now));
    }

    /// Each child that depends on it may be woken.
    fn became_ready(&mut self, attempt: Attempt) {
        if let Some(id) = self.sim.asked().spec(attempt.child()).map(|spec| spec.id().to_owned()) {
            self.wake(&id);
        }
    }

    fn wake(&mut self, name: &str) {
        let dependents = self.sim.asked().children();
        let dependents =
            dependents.iter().filter(|(_, spec, ..)| spec.dependencies().iter().any(|on| *on.name == *name));
        // Its group comes along.
        if dependents.count() > 0 {
            self.delays.clear();
        }
    }

    fn elsewhere(&mut self) {
        let name = self.dice.pick(&["x", "y"]);
        let until = self.sim.now + self.dice.pick(&[MS, 200 * MS]);
        let prospect = self.dice.pick(&[
            Prospect::Ready,
            Prospect::Ready,
            Prospect::MayCome,
            Prospect::Parked { until: Some(until) },
            Prospect::Parked { until: None },
            Prospect::Gone,
        ]);
        let ended =
            self.dice.pick(&[None, Some(Completion { was_ready: true }), Some(Completion { was_ready: false })]);
        let completion = ended.filter(|_| prospect != Prospect::Ready);
        self.note(format!("{name}: {prospect:?} {completion:?}"));
        self.outlook(name, Outlook { prospect, completion, life: 0 });
    }

    fn outlook(&mut self, name: &str, outlook: Outlook) {
        self.wake(name);
        self.sim.tell(|machine, now| machine.handle_outlook(name, outlook, now));
    }

    fn due(&mut self) {
        let due = self.sim.asked().poll_timeout();
        let passing = MS * u32::try_from(self.dice.below(120)).expect("small");
        let now = match due {
            Some(due) if self.dice.one_in(2) => due.max(self.sim.now),
            Some(_) | None => self.sim.now + passing,
        };
        self.sim.now = now;
        self.note("time");
        if due.is_some_and(|due| due <= now) {
            self.sim.wakes_at(now);
        }
    }

    fn order(&mut self) {
        let name = self.dice.pick(&NAMES);
        let order = match self.dice.below(16) {
            0..3 => Order::StartChild(spec(name, self.has_groups, &mut self.dice)),
            3..5 => Order::TerminateChild(name.into()),
            5..7 => Order::RestartChild(name.into()),
            7 => Order::DeleteChild(name.into()),
            8..10 => Order::Revive(name.into()),
            10 => Order::Read,
            11..13 => Order::RenewChild { id: name.into(), reason: "".into() },
            13 => Order::Park { id: name.into(), reason: "".into() },
            14 => {
                let key = self.sim.asked().find(name);
                let life = key.and_then(|key| self.sim.asked().latest_life(key));
                Order::Park { id: name.into(), reason: "".into() }.meant(life)
            }
            _ => {
                let specs = self.sim.asked().children();
                let ids: Vec<_> = specs.iter().map(|(_, spec, ..)| spec.id().to_owned()).collect();
                let specs = ids.iter().map(|id| spec(id, self.has_groups, &mut self.dice)).collect();
                let clock = self.dice.pick(&[None, Some(BudgetClock::All), Some(BudgetClock::WithoutStops)]);
                Order::Adjust(Box::new(Adjustment { specs, intensity: None, budget_clock: clock }))
            }
        };
        let words = format!("{order:?}").chars().take(60).collect::<String>();
        // A group that waits for a child which is parked is started at once.
        let is_park = matches!(order, Order::Park { .. } | Order::Meant { .. });
        let is_hasty = is_park || matches!(order, Order::RestartChild(_) | Order::Revive(_));
        // One that has no dependencies any more is started.
        let is_adjusted = matches!(order, Order::Adjust(_));
        let call = self.sim.order(order);
        self.hasty.extend(is_hasty.then_some((call, name)));
        self.hasty.extend(is_adjusted.then_some((call, "")));
        self.note(format!("order {} {words}", call.0));
    }

    fn poll(&mut self) {
        while let Some(action) = self.sim.act() {
            self.read_reports();
            self.note(format!("    {action:?}"));
            self.on_action(&action);
        }
        self.read_reports();
        self.sim.check_counts();
        let present: BTreeSet<_> =
            self.sim.asked().children().into_iter().filter_map(|(.., attempt)| attempt).collect();
        assert!(self.sim.lives().keys().all(|attempt| present.contains(attempt)), "a life that nobody knows of");
    }

    fn read_reports(&mut self) {
        while let Some(report) = self.sim.hear() {
            self.note(format!("    {report:?}"));
            match report {
                Report::Delayed { child, until } => {
                    // What it depends on may be back since.
                    let why = self.sim.asked().why(child, self.sim.now);
                    if why.is_none_or(|why| why.next_try == Some(until)) {
                        self.delays.insert(child, until);
                    }
                }
                Report::Renewed { child, .. } => drop(self.delays.remove(&child)),
                // It waited for a service that was parked, and that is gone now.
                Report::DependencyGone { child, then: DependencyGone::GoOn, .. } => drop(self.delays.remove(&child)),
                Report::Parked { child, ref services, .. } if !services.is_empty() => drop(self.blocked.insert(child)),
                _ => {}
            }
        }
    }

    fn on_action(&mut self, action: &Action) {
        let revived = self.revived.take();
        match action {
            Action::Start(attempt) => {
                let key = attempt.child();
                let delay = self.delays.remove(&key);
                let id = self.sim.name(*attempt);
                let delay = delay.filter(|_| !self.hasty.values().any(|name| *name == id));
                assert!(delay.is_none_or(|until| until <= self.sim.now), "started before {delay:?}");
                self.resting.remove(&key);
                assert!(!self.parked.remove(&key) || revived == Some(&*id), "an order has parked it");
                let dice = Dice::new(attempt.number());
                self.sim.tell(|machine, _| machine.set_chance(key, Box::new(dice)));
            }
            Action::Answer { call, .. } => {
                self.revived = self.hasty.remove(call);
                if self.revived.is_some() {
                    // A group may have waited for that child.
                    self.delays.clear();
                }
            }
            Action::Park { child, until } => {
                self.resting.remove(child);
                // One that is parked for a service is started when that is back, or is done without. It may be back since.
                let is_blocked = self.blocked.remove(child);
                if !is_blocked && self.sim.asked().standing(*child) == Some(ChildState::Parked) {
                    match until {
                        Some(until) => drop(self.delays.insert(*child, *until)),
                        None => drop(self.parked.insert(*child)),
                    }
                }
            }
            Action::Rest(child) => {
                self.delays.remove(child);
                self.parked.remove(child);
                self.resting.insert(*child);
            }
            Action::Forget(child) => {
                self.delays.remove(child);
                self.parked.remove(child);
            }
            Action::Wait(key) => drop(self.resting.remove(key)),
            Action::Ask(_)
            | Action::Kill(_)
            | Action::Abandon(_)
            | Action::End(_)
            | Action::Adopt { .. }
            | Action::Up
            | Action::Dismiss(_)
            | Action::Withdraw(_)
            | Action::Readmit(_)
            | Action::NoteKept { .. } => {}
        }
    }

    /// A start that never began, because a service that it depends on is gone.
    fn is_about_to_fail(&self) -> bool {
        let is_stillborn = |standing, attempt: Option<Attempt>| {
            standing == ChildState::Starting && attempt.is_some_and(|attempt| !self.sim.lives().contains_key(&attempt))
        };
        self.sim.asked().children().into_iter().any(|(_, _, standing, attempt)| is_stillborn(standing, attempt))
    }

    /// A child fails at each start because a service is gone: with it, or with its group, the tree never comes to rest.
    fn fails_for_ever(&self) -> bool {
        let is_failing = |key, spec: &ChildSpec| {
            spec.when_dependency_is_gone() == DependencyGone::Fail
                && self.sim.asked().why(key, self.sim.now).is_some_and(|why| !why.lost.is_empty())
        };
        self.is_about_to_fail() || self.sim.asked().children().into_iter().any(|(key, spec, ..)| is_failing(key, spec))
    }

    /// Each child that is starting or stopping finishes that, and nothing else happens.
    fn settle(&mut self) {
        self.poll();
        // Each order that waits may wait for a start that is about to fail.
        for _ in 0..2000 {
            match self.sim.moving() {
                Some((attempt, Stage::Starting)) => {
                    self.note(format!("{attempt:?} starts"));
                    self.became_ready(attempt);
                    self.sim.started(attempt);
                }
                Some((attempt, _)) => {
                    self.note(format!("{attempt:?} is gone"));
                    self.ends(attempt, Exit::Killed);
                }
                None if self.is_about_to_fail() => {
                    self.sim.wakes_at(self.sim.now + MS);
                }
                None => break,
            }
            self.poll();
        }
    }

    /// Invariant 3.
    fn is_not_silent(&mut self) {
        if self.fails_for_ever() {
            return;
        }
        let lines: Vec<_> =
            self.sim.asked().children().into_iter().map(|(key, _, standing, _)| (key, standing)).collect();
        let is_paused = lines.iter().any(|(_, standing)| *standing == ChildState::Retrying);
        for (key, standing) in lines {
            let why = self.sim.asked().why(key, self.sim.now).expect("it is known");
            match standing {
                ChildState::Parked if why.next_try.is_none() => {
                    let waits = !why.waits_for.is_empty();
                    assert!(why.parked_by_order.is_some() || waits, "{key:?} is parked for nothing");
                }
                ChildState::Retrying | ChildState::Parked => {
                    let due = self.sim.asked().poll_timeout();
                    assert!(why.next_try.is_some_and(|at| due.is_some_and(|due| due <= at)), "{key:?} has no time");
                }
                ChildState::Waiting => {
                    assert!(!why.waits_for.is_empty(), "{key:?} waits for nothing");
                    let waits_for_the_dead = why.lost.iter().any(|lost| why.waits_for.contains(lost));
                    assert!(!waits_for_the_dead, "{key:?} waits for what will not come");
                }
                ChildState::Down => {
                    assert!(is_paused || self.resting.contains(&key), "{key:?} was left behind");
                }
                ChildState::Starting | ChildState::Stopping => panic!("{key:?} still moves"),
                ChildState::Up => {}
            }
        }
    }

    /// Every start succeeds, and each child that can be is up or rests.
    fn recovers(&mut self) {
        for name in ["x", "y"] {
            let completion = Some(Completion { was_ready: true });
            self.outlook(name, Outlook { prospect: Prospect::Ready, completion, life: 0 });
        }
        self.settle();
        for _ in 0..100 {
            if self.fails_for_ever() {
                return;
            }
            let is_held = |key, standing| match standing {
                ChildState::Retrying => true,
                // What depends on the dead is not started, and neither is what depends on that.
                ChildState::Parked => {
                    let why = self.sim.asked().why(key, self.sim.now);
                    why.is_some_and(|why| why.waits_for.is_empty() && why.parked_by_order.is_none())
                }
                _ => false,
            };
            if !self.sim.asked().children().into_iter().any(|(key, _, standing, _)| is_held(key, standing)) {
                return;
            }
            let said: Vec<_> = self.sim.lives().keys().copied().collect();
            for attempt in said {
                self.ready(attempt);
            }
            self.settle();
            self.sim.wakes();
            self.settle();
        }
        panic!("somebody is never started");
    }

    /// Invariant 4: no child answers any more.
    fn ends_by_time(&mut self) {
        self.sim.stop(Exit::Shutdown);
        self.poll();
        for _ in 0..300 {
            if !self.sim.wakes() {
                break;
            }
            self.poll();
        }
        assert!(self.sim.has_ended(), "it waits for ever");
        assert!(self.sim.asked().poll_timeout().is_none(), "it has ended and wants to be woken");
        assert!(self.sim.unanswered().is_empty(), "it owes {:?}", self.sim.unanswered());
    }

    fn through(&mut self, steps: u32) {
        for _ in 0..steps {
            self.step();
        }
        self.settle();
        if !self.sim.has_ended() && !self.sim.asked().is_ending() {
            self.is_not_silent();
            self.recovers();
            if !self.sim.asked().is_ending() {
                self.is_not_silent();
            }
        }
        self.ends_by_time();
    }
}

fn walk(name: &str, strategy: Option<Strategy>, seeds: std::ops::Range<u64>) {
    let mut ended = 0;
    for seed in seeds.clone() {
        let mut walk = Walk::new(strategy, seed);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| walk.through(120)));
        if let Err(panic) = outcome {
            for line in walk.trail.iter().rev().take(60).rev() {
                eprintln!("    {line}");
            }
            eprintln!("{name}, seed {seed}; {:#?}", walk.sim);
            std::panic::resume_unwind(panic);
        }
        ended += 1;
    }
    println!("{name}: seeds {seeds:?}, {ended} lives of 120 steps");
}

#[test]
fn no_promise_is_broken_under_one_for_one() {
    walk("one_for_one", Some(Strategy::OneForOne), 0..4000);
}

#[test]
fn no_promise_is_broken_under_one_for_all() {
    walk("one_for_all", Some(Strategy::OneForAll), 0..4000);
}

#[test]
fn no_promise_is_broken_under_rest_for_one() {
    walk("rest_for_one", Some(Strategy::RestForOne), 0..4000);
}

#[test]
fn no_promise_is_broken_in_a_dynamic_supervisor() {
    walk("dynamic", None, 0..4000);
}
