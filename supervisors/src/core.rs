//! What both kinds of supervisor are made of: the children, what waits for its turn, and what comes out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::action::{Action, Report};
use crate::child::{Child, Ending, Held, Hold, Live, Stage, StartCall, State};
use crate::children::{Attempt, ChildKey, Children};
use crate::circles::{Tie, untie};
use crate::dependency::{Outlook, Prospect};
use crate::exit::Exit;
use crate::history::Ended;
use crate::intensity::Budget;
use crate::order::{Answer, Order, OrderError, OrderId};
use crate::policy::Readiness;
use crate::spec::{BudgetClock, ChildSpec, Flags, Restart};

#[derive(Debug, Clone, Default)]
pub(crate) struct Core {
    pub(crate) flags: Flags,
    pub(crate) phase: Phase,
    pub(crate) children: Children,
    pub(crate) budget: Budget,
    pub(crate) actions: VecDeque<Action>,
    pub(crate) reports: VecDeque<Report>,
    /// Exits and orders whose turn has not come yet.
    pub(crate) inbox: VecDeque<Event>,
    pub(crate) now: Duration,
    /// What is known of services that are not in the table and that children depend on, as the driver calls them.
    pub(crate) elsewhere: BTreeMap<Arc<str>, Outlook>,
    /// Children that waited when a service that they depend on, and that had been ready, ended normally.
    pub(crate) seen: BTreeSet<(ChildKey, Arc<str>)>,
    pub(crate) clock: BudgetClock,
    /// How many children are being stopped, and since when without a break.
    pub(crate) stops: usize,
    pub(crate) stops_since: Option<Duration>,
    /// The time that budgets do not know of, without the stops that are going on.
    pub(crate) left_out: Duration,
    pub(crate) timers: BTreeSet<(Duration, ChildKey)>,
    /// Pairs of children of which the first is stopped before the second, beside those that the specs name.
    pub(crate) ties: BTreeSet<Tie>,
    /// Children whose lives have ended: news for the operation that stops them.
    pub(crate) departed: Vec<ChildKey>,
    /// The start or stop that is given time to prove prompt, and since when.
    pub(crate) awaited: Option<(Attempt, Duration)>,
    /// How many have proved slow and are still going on.
    pub(crate) slow: usize,
    /// The end of the child that is decided about is that of the supervisor.
    pub(crate) is_to_end: bool,
}

/// How far the supervisor itself is.
#[derive(Debug, Clone, Default)]
pub(crate) enum Phase {
    #[default]
    Running,
    Ending {
        exit: Exit,
        by_force: bool,
    },
    /// Nothing will ever be again.
    Ended,
}

/// What waits in the inbox.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A child died unexpectedly. Its exit lies in the table, so that a stop that comes first can consume it.
    Exit(Attempt),
    /// An automatic restart failed and is to be tried again (OTP rule 31).
    Retry(ChildKey),
    /// The parent wants this supervisor to end.
    Stop { exit: Exit, given: Duration },
    /// A management order.
    Order { call: OrderId, order: Order, given: Duration },
}

impl Core {
    pub(crate) fn new(flags: Flags) -> Self {
        Self { flags, budget: Budget::new(flags.intensity), ..Self::default() }
    }

    pub(crate) fn is_ending(&self) -> bool {
        !matches!(self.phase, Phase::Running)
    }

    pub(crate) fn is_killing(&self) -> bool {
        matches!(self.phase, Phase::Ending { by_force: true, .. })
    }

    /// From now on nothing is decided any more (OTP rule 56): who has given an order is told so.
    pub(crate) fn begin_to_end(&mut self, exit: Exit, by_force: bool) {
        self.phase = Phase::Ending { exit, by_force };
        for event in std::mem::take(&mut self.inbox) {
            if let Event::Order { call, .. } = event {
                self.answer(call, Err(OrderError::Over));
            }
        }
    }

    /// The last child is gone. `false` where that is known.
    pub(crate) fn be_over(&mut self) -> bool {
        let Phase::Ending { exit, .. } = std::mem::replace(&mut self.phase, Phase::Ended) else { return false };
        self.actions.push_back(Action::End(exit));
        true
    }

    pub(crate) fn answer(&mut self, call: OrderId, result: Result<Answer, OrderError>) {
        self.actions.push_back(Action::Answer { call, result });
    }

    /// The end of a child that died, when its turn comes; `None` where a stop that came first has consumed it (OTP rules
    /// 43, 52).
    pub(crate) fn take_exit(&mut self, attempt: Attempt) -> Option<Ended> {
        let Live { stage: Stage::Dead(ended), .. } = self.children.live_mut(attempt)? else { return None };
        let ended = (**ended).clone();
        self.vacate(attempt.child());
        Some(ended)
    }

    /// The order that waits for the child's start, which is not to come.
    pub(crate) fn take_start_call(&mut self, key: ChildKey) -> Option<StartCall> {
        self.children.get_mut(key)?.start_call.take()
    }

    /// The child is to be started later.
    pub(crate) fn hold(&mut self, key: ChildKey, hold: Hold, held: Held) {
        match hold {
            Hold::Queued => self.inbox.push_back(Event::Retry(key)),
            Hold::Backoff { until } => self.reports.push_back(Report::Delayed { child: key, until }),
            Hold::Dependency => self.report_wait(key),
            Hold::Parked { .. } | Hold::Blocked { .. } => {}
        }
        self.hold_quietly(key, hold, held);
    }

    /// As `hold`, where the reports know of it already.
    pub(crate) fn hold_quietly(&mut self, key: ChildKey, hold: Hold, held: Held) {
        let changed = self.children.change(key, |child| {
            child.state = State::Held(Held { hold, ..held });
            // It does not rest any more: its mailbox is closed until it is opened.
            child.is_closed |= std::mem::take(&mut child.is_at_rest);
        });
        if changed.is_none() {
            return;
        }
        self.set_timer(key, hold.until());
        match hold {
            Hold::Queued | Hold::Backoff { .. } | Hold::Dependency => self.stir_about(key),
            // Those that depend on it hear of it after all others.
            Hold::Parked { .. } | Hold::Blocked { .. } => {}
        }
    }

    /// A new child, in the last place, down.
    pub(crate) fn push(&mut self, spec: ChildSpec) -> ChildKey {
        let before = self.elsewhere.remove(&spec.id);
        let key = self.children.push(spec);
        if let (Some(before), Some(child)) = (before, self.children.get_mut(key)) {
            child.completion = before.completion;
        }
        key
    }

    /// Gives a child a new spec. Its name stays.
    pub(crate) fn respec(&mut self, key: ChildKey, spec: ChildSpec) {
        if let Some(before) = self.children.respec(key, spec) {
            self.remember_only_what_is_named(before.dependencies());
            let now = self.children.get(key).map(|child| child.spec.dependencies().to_vec()).unwrap_or_default();
            self.forget_seen_by(key, |name| !now.iter().any(|on| *on.name == *name));
        }
    }

    /// An ordered start. It waits for the services that the child depends on, and so does whoever ordered it.
    pub(crate) fn start_for(&mut self, key: ChildKey, call: StartCall) {
        if let Some(child) = self.children.get_mut(key) {
            child.start_call = Some(call);
        }
        self.start_after(key, Duration::ZERO, Held::ALONE);
    }

    /// Starts it when the delay is over and everything that it depends on is there: now, if it can be.
    pub(crate) fn start_after(&mut self, key: ChildKey, delay: Duration, held: Held) {
        if !delay.is_zero() {
            self.hold(key, Hold::Backoff { until: self.now.saturating_add(delay) }, held);
            self.open(key);
        } else {
            self.start_if_able(key, held);
        }
    }

    /// A failed automatic restart is tried again: behind what already waits (OTP rules 30, 31), or after a delay.
    pub(crate) fn try_again(&mut self, key: ChildKey, delay: Duration, held: Held) {
        if delay.is_zero() {
            self.hold(key, Hold::Queued, held);
            self.open(key);
        } else {
            self.start_after(key, delay, held);
        }
    }

    /// Begins an attempt.
    pub(crate) fn start(&mut self, key: ChildKey) {
        let attempt = self.children.next_attempt(key);
        let now = self.now;
        self.children.change(key, |child| child.state = State::Live(Live::new(attempt, now)));
        let Some(child) = self.children.get_mut(key) else { return };
        (child.is_at_rest, child.was_terminated, child.completion) = (false, false, None);
        if let Some(history) = &mut child.history {
            history.forget_looks();
        }
        child.is_withdrawn = false;
        let limit = child.start_timeout();
        let name = child.spec.id.clone();
        self.arm(key, limit);
        self.actions.push_back(Action::Start(attempt));
        self.wait_for(attempt);
        self.forget_what_it_saw(key);
        self.stir(&name);
    }

    /// The attempt is up; who waited for it is told.
    pub(crate) fn started(&mut self, attempt: Attempt) {
        let key = attempt.child();
        let Some(live @ Live { stage: Stage::Starting, .. }) = self.children.live_mut(attempt) else { return };
        self.slow -= usize::from(std::mem::take(&mut live.is_slow));
        self.children.change(key, |child| {
            (child.has_lived, child.is_closed) = (true, false);
            if let State::Live(live) = &mut child.state {
                live.stage = Stage::Up;
            }
        });
        if let Some(StartCall { call, .. }) = self.take_start_call(key) {
            self.answer(call, Ok(Answer::Started(attempt)));
        }
        if self.children.get(key).is_some_and(|child| child.readiness() == Readiness::WhenUp) {
            self.became_ready(attempt);
        }
    }

    /// The child has no process any more, and none is to come.
    pub(crate) fn vacate(&mut self, key: ChildKey) -> Option<Live> {
        self.set_timer(key, None);
        match self.children.change(key, |child| std::mem::replace(&mut child.state, State::Down))? {
            State::Live(live) => {
                self.slow -= usize::from(live.is_slow);
                self.departed.push(key);
                if live.is_told() {
                    self.stop_is_over();
                }
                Some(live)
            }
            State::Down | State::Held(_) => None,
        }
    }

    /// Its spec is forgotten.
    pub(crate) fn forget(&mut self, key: ChildKey) {
        self.vacate(key);
        let Some(child) = self.children.remove(key) else { return };
        self.actions.push_back(Action::Forget(key));
        self.forget_what_it_saw(key);
        self.remember_only_what_is_named(child.spec.dependencies());
        let name = child.spec.id.clone();
        if self.children.has_dependents(&name) {
            let outlook = Outlook { prospect: Prospect::Gone, completion: child.completion };
            self.elsewhere.insert(name.clone(), outlook);
            self.stir(&name);
        }
    }

    /// Nothing is left to do: the queues of a busy moment do not stay as large as they were.
    pub(crate) fn give_back_room(&mut self) {
        const ROOMY: usize = 256;
        fn give_back<T>(queue: &mut VecDeque<T>) {
            if queue.is_empty() && queue.capacity() > ROOMY {
                *queue = VecDeque::new();
            }
        }
        give_back(&mut self.actions);
        give_back(&mut self.reports);
        give_back(&mut self.inbox);
    }

    /// The sizes of its tables. The queues among them are empty whenever nothing is under way.
    pub(crate) fn tables(&self) -> Vec<(&'static str, usize)> {
        let mut tables = vec![
            ("machine: actions", self.actions.len()),
            ("machine: reports", self.reports.len()),
            ("machine: inbox", self.inbox.len()),
            ("machine: services elsewhere", self.elsewhere.len()),
            ("machine: services seen", self.seen.len()),
            ("machine: timers", self.timers.len()),
            ("machine: stop order", self.ties.len()),
            ("machine: departed", self.departed.len()),
        ];
        tables.extend(self.children.tables());
        tables
    }

    /// Every pair of children of which the first depends on the second.
    pub(crate) fn all_ties(&self) -> BTreeSet<Tie> {
        let said = self.ties.iter().copied();
        let there = said.filter(|(a, b)| self.children.get(*a).is_some() && self.children.get(*b).is_some());
        there.chain(self.children.ties()).filter(|(a, b)| a != b).collect()
    }

    /// The same, less those that go in a circle.
    pub(crate) fn sound_ties(&self) -> BTreeSet<Tie> {
        let mut ties = self.all_ties();
        untie(&mut ties);
        ties
    }

    /// Nothing below this supervisor may wait for this child now.
    pub(crate) fn withdraw(&mut self, key: ChildKey) {
        let by_force = self.is_killing();
        let Some(child) = self.children.get_mut(key) else { return };
        let is_down = child.has_no_process() && !child.is_at_rest;
        if is_down && !by_force && !std::mem::replace(&mut child.is_withdrawn, true) {
            self.actions.push_back(Action::Withdraw(key));
        }
    }

    /// It may be waited for again.
    pub(crate) fn readmit(&mut self, key: ChildKey) {
        if self.children.get_mut(key).is_some_and(|child| std::mem::take(&mut child.is_withdrawn)) {
            self.actions.push_back(Action::Readmit(key));
        }
    }

    /// What waits in line is given no time, and all of it when it is let in.
    pub(crate) fn in_line(&mut self, attempt: Attempt, is_in_line: bool) {
        let key = attempt.child();
        if let Some(Live { stage: Stage::Starting, ending: Ending::NotTold, .. }) = self.children.live_mut(attempt) {
            let limit = self.children.get(key).and_then(Child::start_timeout).filter(|_| !is_in_line);
            self.arm(key, limit);
        }
    }

    /// An unexpected exit is reported as OTP rule 19 says.
    pub(crate) fn report_exit(&mut self, key: ChildKey, exit: &Exit) {
        let Some(child) = self.children.get(key) else { return };
        if child.spec.terms.restart == Restart::Permanent || exit.is_abnormal() {
            self.reports.push_back(Report::ChildTerminated { child: key, exit: exit.clone() });
        }
    }

    /// So long from now the next thing is due; without a limit, nothing is.
    pub(crate) fn arm(&mut self, key: ChildKey, limit: Option<Duration>) {
        self.set_timer(key, limit.map(|limit| self.now.saturating_add(limit)));
    }

    /// One entry at most for each child, and none for one that is down.
    pub(crate) fn set_timer(&mut self, key: ChildKey, deadline: Option<Duration>) {
        let Some(child) = self.children.get_mut(key) else { return };
        if let Some(before) = std::mem::replace(&mut child.deadline, deadline) {
            self.timers.remove(&(before, key));
        }
        self.timers.extend(deadline.map(|deadline| (deadline, key)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_that_were_long_once_give_their_room_back_and_short_ones_keep_it() {
        let mut core = Core::new(Flags::default());
        core.actions.reserve_exact(1000);
        core.inbox.reserve_exact(1000);
        core.reports.reserve_exact(256);
        core.give_back_room();
        let (actions, inbox, reports) = (core.actions.capacity(), core.inbox.capacity(), core.reports.capacity());
        assert!(actions < 256 && inbox < 256 && reports == 256, "{actions}, {inbox}, {reports}");
    }
}
