//! `Script`: one supervisor and its children, told as a short history.
//!
//! Facts and orders go in by name (`fails("db")`, `stop()`), and every action must be expected, in words
//! (`expect(["start db"])`). The machine is polled by `expect` and by the passing of time only: what is handed in between
//! two of them lies in the mailbox together. `"db"` is the newest attempt of `db`, `"db#1"` its first. Management orders
//! are numbered from 1, and their answers carry that number (`answer 1 done`, `refuse 2 not_found`).

use std::collections::BTreeMap;
use std::time::Duration;

use regrow_supervisors::{
    Action, Adjustment, Answer, Attempt, BudgetClock, Chance, ChildKey, ChildSpec, ChildState, Exit, Flags,
    GiveUpReason, Hang, Intensity, KeptNews, Machine, Order, OrderError, OrderId, Outlook, Reasons, Report, Strategy,
};

use super::sim::Sim;
use super::{IntoSpec, MS};

pub(crate) struct Script {
    sim: Sim,
    names: BTreeMap<ChildKey, String>,
    /// Every attempt so far, in the order of their starts.
    attempts: Vec<Attempt>,
    /// What was done and is not yet expected.
    done: Vec<String>,
    told: Vec<String>,
    gave_up: Option<(String, String, GiveUpReason)>,
    /// Whose callers are refused, and are not any more.
    refusals: Vec<String>,
}

impl Script {
    /// A supervisor whose children are all up, with a budget that no test uses up by chance.
    pub(crate) fn new<C: IntoSpec>(strategy: Strategy, children: impl IntoIterator<Item = C>) -> Self {
        Self::unbooted(strategy, children).boot()
    }

    /// A supervisor whose children are all up, with this budget.
    pub(crate) fn within<C: IntoSpec>(
        intensity: Intensity,
        strategy: Strategy,
        children: impl IntoIterator<Item = C>,
    ) -> Self {
        Self::made(intensity, strategy, children).boot()
    }

    /// A supervisor about to boot.
    pub(crate) fn unbooted<C: IntoSpec>(strategy: Strategy, children: impl IntoIterator<Item = C>) -> Self {
        Self::made(Intensity::new(100, 5000 * MS), strategy, children)
    }

    pub(crate) fn made<C: IntoSpec>(
        intensity: Intensity,
        strategy: Strategy,
        children: impl IntoIterator<Item = C>,
    ) -> Self {
        Self::flagged(Flags { strategy, intensity, ..Flags::default() }, children)
    }

    /// A supervisor about to boot, with all these flags.
    pub(crate) fn flagged<C: IntoSpec>(flags: Flags, children: impl IntoIterator<Item = C>) -> Self {
        Self::around(Sim::new(flags, children.into_iter().map(C::into_spec)))
    }

    /// A dynamic supervisor, which is up at once.
    pub(crate) fn dynamic(intensity: Intensity, children_max: Option<usize>) -> Self {
        let mut tree = Self::around(Sim::dynamic(intensity, children_max));
        tree.expect(["up"]);
        tree
    }

    fn around(sim: Sim) -> Self {
        let names = sim.asked().children().into_iter().map(|(key, spec, ..)| (key, spec.id().to_owned())).collect();
        Self {
            sim,
            names,
            attempts: Vec::new(),
            done: Vec::new(),
            told: Vec::new(),
            gave_up: None,
            refusals: Vec::new(),
        }
    }

    pub(crate) fn boot(mut self) -> Self {
        for name in self.names.values().cloned().collect::<Vec<_>>() {
            self.expect([format!("start {name}").as_str()]).started(&name);
        }
        self.expect(["up"]).tells([]);
        self
    }
}

/// Inbox.
impl Script {
    pub(crate) fn started(&mut self, name: &str) -> &mut Self {
        self.sim.started(self.attempt(name));
        self
    }

    pub(crate) fn ignored(&mut self, name: &str) -> &mut Self {
        self.sim.ignored(self.attempt(name));
        self
    }

    pub(crate) fn start_fails(&mut self, name: &str) -> &mut Self {
        self.sim.start_failed(self.attempt(name), Exit::failed("no"));
        self
    }

    pub(crate) fn exits(&mut self, name: &str, exit: Exit) -> &mut Self {
        self.sim.exits(self.attempt(name), exit);
        self
    }

    pub(crate) fn fails(&mut self, name: &str) -> &mut Self {
        self.exits(name, Exit::failed("boom"))
    }

    pub(crate) fn ends(&mut self, name: &str) -> &mut Self {
        self.exits(name, Exit::Normal)
    }

    pub(crate) fn stopped(&mut self, name: &str) -> &mut Self {
        self.exits(name, Exit::Shutdown)
    }

    pub(crate) fn is_killed(&mut self, name: &str) -> &mut Self {
        self.exits(name, Exit::Killed)
    }

    pub(crate) fn kill_under_way(&mut self, name: &str) -> &mut Self {
        self.sim.kill_under_way(self.attempt(name));
        self
    }

    /// The supervisor of this name gave up for the whole tree, and is ending.
    pub(crate) fn ends_tree_below(&mut self, name: &str) -> &mut Self {
        let attempt = self.attempt(name);
        self.sim.tell(|machine, now| machine.handle_end_of_tree(attempt, now));
        self
    }

    /// It begins to end by itself.
    pub(crate) fn leaves(&mut self, name: &str, exit: Exit) -> &mut Self {
        self.sim.leaving(self.attempt(name), exit);
        self
    }

    /// It has ended, but for work that has been killed and does not end.
    pub(crate) fn lingers(&mut self, name: &str, exit: Exit) -> &mut Self {
        self.sim.remains(self.attempt(name), exit);
        self
    }

    /// Something below the first of a pair depends on something below the second. These circles come of it.
    #[track_caller]
    pub(crate) fn ties<const N: usize>(&mut self, pairs: &[(&str, &str)], circles: [&str; N]) -> &mut Self {
        let pairs = pairs.iter().map(|&(a, b)| (self.sim.key(a), self.sim.key(b))).collect();
        let found = self.sim.tell(|machine, _| machine.set_stop_order(pairs));
        let told = |circle: &Vec<_>| circle.iter().map(|key| self.names[key].as_str()).collect::<Vec<_>>().join(" ");
        assert_eq!(found.iter().map(told).collect::<Vec<_>>(), circles, "circles");
        self
    }

    /// The circles that come of pairs of which some may be gone.
    pub(crate) fn stop_order(&mut self, pairs: Vec<(ChildKey, ChildKey)>) -> Vec<Vec<ChildKey>> {
        self.sim.tell(|machine, _| machine.set_stop_order(pairs))
    }

    pub(crate) fn ready(&mut self, name: &str) -> &mut Self {
        let attempt = self.attempt(name);
        self.sim.tell(|machine, now| machine.handle_ready(attempt, now));
        self
    }

    /// Messages were handled, and some of them failed.
    pub(crate) fn fails_at(&mut self, name: &str, messages: u64, failed: u64) -> &mut Self {
        let attempt = self.attempt(name);
        self.sim.tell(|machine, now| machine.handle_failures(attempt, messages, failed, Exit::failed("bad"), now));
        self
    }

    /// It takes the value that its service keeps, with which as many lives in a row have failed.
    pub(crate) fn begins_with_kept(&mut self, name: &str, failed: u32) -> &mut Self {
        self.kept_news(name, KeptNews::BeganWith { failed })
    }

    /// It keeps a newer value.
    pub(crate) fn keeps(&mut self, name: &str) -> &mut Self {
        self.kept_news(name, KeptNews::Replaced)
    }

    pub(crate) fn kept_news(&mut self, name: &str, news: KeptNews) -> &mut Self {
        let attempt = self.attempt(name);
        self.sim.tell(|machine, now| machine.handle_kept(attempt, news, now));
        self
    }

    pub(crate) fn handled(&mut self, name: &str, messages: u64) -> &mut Self {
        let attempt = self.attempt(name);
        self.sim.tell(|machine, now| machine.handle_progress(attempt, messages, now));
        self
    }

    pub(crate) fn hangs(&mut self, name: &str) -> &mut Self {
        let attempt = self.attempt(name);
        self.sim.tell(|machine, now| machine.handle_hung(attempt, Hang::new(now, "Msg"), now));
        self
    }

    /// A service elsewhere is ready, or is not any more.
    pub(crate) fn elsewhere(&mut self, name: &str, is_ready: bool) -> &mut Self {
        self.sim.tell(|machine, now| machine.handle_dependency(name, is_ready, now));
        self
    }

    /// What is known of a service elsewhere.
    pub(crate) fn outlook(&mut self, name: &str, outlook: impl Into<Outlook>) -> &mut Self {
        self.sim.tell(|machine, now| machine.handle_outlook(name, outlook.into(), now));
        self
    }

    /// Gives a child chance of its own.
    pub(crate) fn chance(&mut self, name: &str, chance: Box<dyn Chance>) -> &mut Self {
        let key = self.sim.key(name);
        self.sim.tell(|machine, _| machine.set_chance(key, chance));
        self
    }

    /// The start of this child waits in line, or waits no longer.
    pub(crate) fn in_line(&mut self, name: &str, is_in_line: bool) -> &mut Self {
        let attempt = self.attempt(name);
        self.sim.tell(|machine, now| machine.handle_in_line(attempt, is_in_line, now));
        self
    }

    /// What a driver asks of the machine.
    pub(crate) fn asked(&self) -> &dyn Machine {
        self.sim.asked()
    }

    pub(crate) fn why(&self, name: &str) -> Reasons {
        self.sim.asked().why(self.sim.key(name), self.sim.now).expect("it is known")
    }

    /// Time passes, and the machine is woken whenever it wants to be.
    pub(crate) fn after(&mut self, ms: u32) -> &mut Self {
        let end = self.sim.now + ms * MS;
        self.poll();
        let mut wakes = 0;
        while self.sim.asked().poll_timeout().is_some_and(|due| due <= end) {
            wakes += 1;
            assert!(wakes < 100, "woken for nothing");
            self.sim.wakes();
            self.poll();
        }
        self.sim.now = end;
        self
    }

    /// Time passes, and the machine is woken only at the end of it.
    pub(crate) fn overslept(&mut self, ms: u32) -> &mut Self {
        self.poll();
        self.sim.wakes_at(self.sim.now + ms * MS);
        self
    }

    /// The driver's clock is set back.
    pub(crate) fn set_back(&mut self, ms: u32) -> &mut Self {
        self.poll();
        self.sim.now -= ms * MS;
        self
    }
}

/// Orders.
impl Script {
    pub(crate) fn stop(&mut self) -> &mut Self {
        self.stop_with(Exit::Shutdown)
    }

    pub(crate) fn stop_with(&mut self, exit: Exit) -> &mut Self {
        self.sim.stop(exit);
        self
    }

    pub(crate) fn kill(&mut self) -> &mut Self {
        self.sim.kill();
        self
    }

    pub(crate) fn kill_at_once(&mut self) -> &mut Self {
        self.sim.kill_at_once();
        self
    }

    pub(crate) fn abandon(&mut self) -> &mut Self {
        self.sim.abandon();
        self
    }

    pub(crate) fn start_child(&mut self, child: impl IntoSpec) -> &mut Self {
        self.order(Order::StartChild(child.into_spec()))
    }

    pub(crate) fn revive(&mut self, name: &str) -> &mut Self {
        self.order(Order::Revive(name.into()))
    }

    pub(crate) fn adjust(&mut self, adjustment: Adjustment) -> &mut Self {
        self.order(Order::Adjust(Box::new(adjustment)))
    }

    pub(crate) fn set_budget(&mut self, intensity: Intensity, clock: BudgetClock) -> &mut Self {
        self.sim.tell(|machine, _| machine.set_budget(intensity, clock)).expect("a budget with a period");
        self
    }

    pub(crate) fn terminate(&mut self, name: &str) -> &mut Self {
        self.order(Order::TerminateChild(name.into()))
    }

    pub(crate) fn restart(&mut self, name: &str) -> &mut Self {
        self.order(Order::RestartChild(name.into()))
    }

    /// Orders that a running child is restarted.
    pub(crate) fn renew(&mut self, name: &str) -> &mut Self {
        self.order(Order::RenewChild { id: name.into(), reason: "why not".into() })
    }

    /// Orders that a child is set aside.
    pub(crate) fn park(&mut self, name: &str) -> &mut Self {
        self.order(Order::Park { id: name.into(), reason: "on fire".into() })
    }

    /// Gives an order about the life of a child, which is written as `db` or `db#1`, as in [`attempt`](Self::attempt).
    pub(crate) fn meaning(&mut self, life: &str, order: Order) -> &mut Self {
        self.poll();
        let life = self.attempt(life);
        self.order(order.meant(Some(life)))
    }

    pub(crate) fn delete(&mut self, name: &str) -> &mut Self {
        self.order(Order::DeleteChild(name.into()))
    }

    pub(crate) fn read(&mut self) -> &mut Self {
        self.order(Order::Read)
    }

    pub(crate) fn reconfigure<C: IntoSpec>(
        &mut self,
        flags: impl Into<Flags>,
        children: impl IntoIterator<Item = C>,
    ) -> &mut Self {
        self.order(Order::Reconfigure(flags.into(), children.into_iter().map(C::into_spec).collect()))
    }

    pub(crate) fn given(&mut self, order: Order) -> &mut Self {
        self.order(order)
    }

    fn order(&mut self, order: Order) -> &mut Self {
        self.sim.order(order);
        self
    }
}

/// What must come of them.
impl Script {
    /// Exactly these actions, since the last time that any were expected.
    #[track_caller]
    pub(crate) fn expect<const N: usize>(&mut self, actions: [&str; N]) -> &mut Self {
        self.poll();
        self.sim.check_counts();
        assert_eq!(self.done, actions, "actions");
        self.done.clear();
        self
    }

    /// How many reports there are since the last time that any were asked for.
    pub(crate) fn count_reports(&mut self) -> usize {
        self.poll();
        std::mem::take(&mut self.told).len()
    }

    /// Exactly these reports, since the last time that any were asked for.
    #[track_caller]
    pub(crate) fn tells<const N: usize>(&mut self, reports: [&str; N]) -> &mut Self {
        self.poll();
        assert_eq!(self.told, reports, "reports");
        self.told.clear();
        self
    }

    /// Whatever was told so far is not the point.
    pub(crate) fn tells_whatever(&mut self) -> &mut Self {
        self.poll();
        self.told.clear();
        self
    }

    pub(crate) fn is_starting(&self, name: &str) -> bool {
        self.sim.asked().find(name).and_then(|key| self.sim.asked().standing(key)) == Some(ChildState::Starting)
    }

    /// Exactly these are the children whose callers are refused, or no longer, since the last time that it was asked.
    #[track_caller]
    pub(crate) fn refuses<const N: usize>(&mut self, refusals: [&str; N]) -> &mut Self {
        self.poll();
        assert_eq!(self.refusals, refusals, "refusals");
        self.refusals.clear();
        self
    }

    /// Whatever was done so far is not the point.
    pub(crate) fn ignore_actions(&mut self) -> &mut Self {
        self.poll();
        self.done.clear();
        self
    }

    /// These children are stopped, one after the other, and obey.
    #[track_caller]
    pub(crate) fn stops<const N: usize>(&mut self, names: [&str; N]) -> &mut Self {
        for name in names {
            self.expect([format!("stop {name}").as_str()]).stopped(name);
        }
        self
    }

    /// These children are started, one after the other, and come up.
    #[track_caller]
    pub(crate) fn starts<const N: usize>(&mut self, names: [&str; N]) -> &mut Self {
        for name in names {
            self.expect([format!("start {name}").as_str()]).started(name);
        }
        self
    }

    /// Where a child stands; `None` once its spec is forgotten.
    #[track_caller]
    pub(crate) fn stands(&mut self, name: &str, expected: Option<ChildState>) -> &mut Self {
        let standing = self.sim.asked().find(name).and_then(|key| self.sim.asked().standing(key));
        assert_eq!(standing, expected, "standing of {name}");
        self
    }

    /// These children, in this order.
    #[track_caller]
    pub(crate) fn lists<const N: usize>(&mut self, names: [&str; N]) -> &mut Self {
        let ids: Vec<_> = self.sim.asked().children().into_iter().map(|(_, spec, ..)| spec.id()).collect();
        assert_eq!(ids, names, "children");
        self
    }

    /// The spec that the supervisor has of a child.
    #[track_caller]
    pub(crate) fn has_spec(&mut self, spec: &ChildSpec) -> &mut Self {
        assert_eq!(self.sim.asked().spec(self.sim.key(spec.id())), Some(spec));
        self
    }

    /// Every order so far has been answered.
    #[track_caller]
    pub(crate) fn owes_no_answer(&mut self) -> &mut Self {
        self.poll();
        assert!(self.sim.unanswered().is_empty(), "no answer to {:?}", self.sim.unanswered());
        self
    }

    /// Nothing is due at any time.
    #[track_caller]
    pub(crate) fn waits_for_no_time(&mut self) -> &mut Self {
        self.poll();
        assert_eq!(self.sim.asked().poll_timeout(), None);
        self
    }

    /// The child that it gave up on, the end of that child, and the reason.
    #[track_caller]
    pub(crate) fn gave_up(&mut self) -> (String, String, GiveUpReason) {
        self.poll();
        self.gave_up.take().expect("it gave up")
    }

    fn poll(&mut self) {
        while let Some(action) = self.sim.act() {
            match &action {
                Action::Start(attempt) => self.attempts.push(*attempt),
                Action::Adopt { child, .. } => {
                    let id = self.sim.asked().spec(*child).expect("a child that is adopted has a spec").id().to_owned();
                    self.names.insert(*child, id);
                }
                _ => {}
            }
            let words = self.words(&action);
            match action {
                // What is said to callers meanwhile is a story of its own.
                Action::Dismiss(_) | Action::Withdraw(_) | Action::Readmit(_) => self.refusals.push(words),
                _ => self.done.push(words),
            }
        }
        while let Some(report) = self.sim.hear() {
            if let Report::GaveUp { child, exit, reason, .. } = &report {
                self.gave_up = Some((self.names[child].clone(), exit.to_string(), *reason));
            }
            let words = self.report_words(&report);
            self.told.push(words);
        }
    }

    pub(crate) fn attempt(&self, name: &str) -> Attempt {
        let (id, number) = match name.split_once('#') {
            Some((id, number)) => (id, Some(number.parse::<usize>().expect("a number after #"))),
            None => (name, None),
        };
        let mut of_child = self.attempts.iter().filter(|attempt| self.names[&attempt.child()] == id);
        let found = match number {
            Some(number) => of_child.nth(number - 1),
            None => of_child.next_back(),
        };
        *found.unwrap_or_else(|| panic!("{name} was never started; outstanding: {:?}", self.done))
    }

    fn words(&self, action: &Action) -> String {
        let name = |key: &ChildKey| &self.names[key];
        match action {
            Action::Start(attempt) => format!("start {}", name(&attempt.child())),
            Action::Ask(attempt) => format!("stop {}", name(&attempt.child())),
            Action::Kill(attempt) => format!("kill {}", name(&attempt.child())),
            Action::Abandon(attempt) => format!("abandon {}", name(&attempt.child())),
            Action::Rest(key) => format!("rest {}", name(key)),
            Action::Park { child, until } => format!("park {} until {}", name(child), time_or_revival(*until)),
            Action::Wait(key) => format!("wait {}", name(key)),
            Action::Forget(key) => format!("forget {}", name(key)),
            Action::Dismiss(key) => format!("dismiss {}", name(key)),
            Action::Withdraw(key) => format!("withdraw {}", name(key)),
            Action::Readmit(key) => format!("readmit {}", name(key)),
            Action::NoteKept { child, set_aside: true, .. } => format!("set aside what {} keeps", name(child)),
            Action::NoteKept { child, failed, .. } => format!("note {failed} for what {} keeps", name(child)),
            Action::Up => "up".to_owned(),
            Action::End(exit) => format!("end {exit}"),
            Action::Adopt { child, .. } => format!("adopt {}", name(child)),
            Action::Answer { call: OrderId(call), result: Ok(answer) } => match answer {
                Answer::Started(attempt) => format!("answer {call} started {}", name(&attempt.child())),
                Answer::Ignored => format!("answer {call} ignored"),
                Answer::Done => format!("answer {call} done"),
            },
            Action::Answer { call: OrderId(call), result: Err(error) } => match error {
                OrderError::AlreadyStarted(key) => format!("refuse {call} already_started {}", name(key)),
                OrderError::AlreadyPresent => format!("refuse {call} already_present"),
                OrderError::NotFound => format!("refuse {call} not_found"),
                OrderError::Running => format!("refuse {call} running"),
                OrderError::Restarting => format!("refuse {call} restarting"),
                OrderError::Stopping => format!("refuse {call} stopping"),
                OrderError::Starting => format!("refuse {call} starting"),
                OrderError::Parked => format!("refuse {call} parked"),
                OrderError::Down => format!("refuse {call} down"),
                OrderError::Replaced => format!("refuse {call} replaced"),
                OrderError::Failed(exit) => format!("refuse {call} {exit}"),
                OrderError::Refused(error) => format!("refuse {call} {error}"),
                OrderError::WrongKind => format!("refuse {call} dynamic"),
                OrderError::MaxChildren => format!("refuse {call} max_children"),
                OrderError::Over => format!("refuse {call} over"),
                error => panic!("a new error: {error}"),
            },
        }
    }

    fn report_words(&self, report: &Report) -> String {
        let name = |key: &ChildKey| &self.names[key];
        match report {
            Report::ChildTerminated { child, exit } => format!("child_terminated {} {exit}", name(child)),
            Report::StartError { child, exit } => format!("start_error {} {exit}", name(child)),
            Report::ShutdownError { child, exit } => format!("shutdown_error {} {exit}", name(child)),
            Report::GaveUp { child, ends_tree: true, .. } => format!("ended_tree {}", name(child)),
            Report::GaveUp { child, .. } => format!("gave_up {}", name(child)),
            Report::GivenUp { child, exit, .. } => format!("given_up {} {exit}", name(child)),
            Report::SignificantEnded { child, is_last: true, .. } => format!("last_significant_ended {}", name(child)),
            Report::SignificantEnded { child, .. } => format!("significant_ended {}", name(child)),
            Report::Abandoned { attempt } => format!("abandoned {}", name(&attempt.child())),
            Report::Delayed { child, until } => format!("delayed {} until {until:?}", name(child)),
            Report::TooManyFailures { child, seen, .. } => format!("too_many_failures {} {seen}", name(child)),
            Report::Renewed { child, name: service } => format!("renewed {} with {service}", name(child)),
            Report::KeptSetAside { child, failed, exit, .. } => {
                format!("kept_set_aside {} {failed} {exit}", name(child))
            }
            Report::Waiting { child, .. } => format!("waiting {}", name(child)),
            Report::DependencyGone { child, name: gone, then } => {
                format!("{} is without {gone}: {then:?}", name(child))
            }
            Report::Parked { child, reason: Some(reason), .. } => format!("parked {}: {reason}", name(child)),
            Report::Parked { child, until, .. } => format!("parked {} until {}", name(child), time_or_revival(*until)),
            Report::Overran { attempt, exit } => format!("overran {} {exit}", name(&attempt.child())),
            Report::RestartOrdered { child, reason } => format!("restart_ordered {} {reason}", name(child)),
            Report::Overdue { attempt, exit } => format!("overdue {} {exit}", name(&attempt.child())),
        }
    }
}

fn time_or_revival(until: Option<Duration>) -> String {
    until.map_or("it is revived".to_owned(), |until| format!("{until:?}"))
}

/// A history that ends while something is still to be told is not over.
impl Drop for Script {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.expect([]);
        }
    }
}
