//! The state that both kinds of supervisor have: the table of children, and the parts around it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::action::{Action, Report};
use crate::child::{Child, Ending, Errand, Held, Hold, Live, Stage, StartCall, State};
use crate::children::{Attempt, ChildKey, Children};
use crate::circles::{Tie, untie};
use crate::dependency::{Outlook, Prospect};
use crate::exit::Exit;
use crate::history::Ended;
use crate::inbox::{Event, Inbox};
use crate::meter::Meter;
use crate::order::{Answer, OrderError};
use crate::outbox::Outbox;
use crate::policy::Readiness;
use crate::prompt::Prompt;
use crate::renewal::Renewals;
use crate::services::Services;
use crate::spec::{ChildSpec, Flags, Restart};
use crate::timers::Timers;

/// The state of a supervisor of either kind.
///
/// The parts keep their own state private. The rest of the crate changes a part through its verbs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Core {
    pub(crate) children: Children,
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Outbox,
    pub(crate) timers: Timers,
    pub(crate) meter: Meter,
    pub(crate) prompt: Prompt,
    pub(crate) services: Services,
    pub(crate) renewals: Renewals,
    flags: Flags,
    phase: Phase,
    /// Pairs of children of which the first is stopped before the second, besides those that the specs name.
    ties: BTreeSet<Tie>,
    /// Children that have lost their process since [`take_departed`](Self::take_departed) was called last.
    departed: Vec<ChildKey>,
    /// Whether the decision that is being carried out ends the supervisor.
    expects_end: bool,
}

/// A stage in the life of the supervisor itself.
#[derive(Debug, Clone, Default)]
enum Phase {
    #[default]
    Running,
    Ending {
        exit: Exit,
        by_force: bool,
    },
    /// No action follows any more but the refusal of orders.
    Ended,
}

impl Core {
    pub(crate) fn new(flags: Flags) -> Self {
        Self { flags, meter: Meter::new(flags.intensity), ..Self::default() }
    }

    pub(crate) fn flags(&self) -> &Flags {
        &self.flags
    }

    /// Replaces the flags. Spent units of the budget stay spent (OTP rule 95).
    pub(crate) fn set_flags(&mut self, flags: Flags) {
        self.flags = flags;
        self.meter.set_intensity(flags.intensity);
    }

    pub(crate) fn is_ending(&self) -> bool {
        !matches!(self.phase, Phase::Running)
    }

    pub(crate) fn is_killing(&self) -> bool {
        matches!(self.phase, Phase::Ending { by_force: true, .. })
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// Notes whether the decision that is being carried out ends the supervisor. If so, its dependents are stopped
    /// soon, and nothing else is decided about them.
    pub(crate) fn expect_end(&mut self, expects_end: bool) {
        self.expects_end = expects_end;
    }

    pub(crate) fn expects_end(&self) -> bool {
        self.expects_end
    }

    /// Begins to end the supervisor. Nothing is decided any more (OTP rule 56), and orders in the inbox are refused.
    pub(crate) fn begin_to_end(&mut self, exit: Exit, by_force: bool) {
        self.phase = Phase::Ending { exit, by_force };
        for event in self.inbox.take_all() {
            if let Event::Order { call, .. } = event {
                self.outbox.answer(call, Err(OrderError::Over));
            }
        }
        self.refuse_renewals();
    }

    /// Ends the supervisor after its last child. Returns `false` if it had ended already.
    pub(crate) fn finish(&mut self) -> bool {
        let Phase::Ending { exit, .. } = std::mem::replace(&mut self.phase, Phase::Ended) else { return false };
        self.outbox.act(Action::End(exit));
        true
    }

    /// Queues the exit of a child that ended unexpectedly, until its turn comes.
    pub(crate) fn queue_exit(&mut self, attempt: Attempt) {
        self.set_timer(attempt.child(), None);
        self.departed.push(attempt.child());
        self.inbox.push(Event::Exit(attempt));
    }

    /// Takes the children that have lost their process, for the operation that stops children. The list is to be given
    /// back, empty: see [`give_back_departed`](Self::give_back_departed).
    pub(crate) fn take_departed(&mut self) -> Vec<ChildKey> {
        std::mem::take(&mut self.departed)
    }

    /// Gives an emptied list back, for the next children that lose their process. Nothing was added meanwhile.
    pub(crate) fn give_back_departed(&mut self, emptied: Vec<ChildKey>) {
        const ROOMY: usize = 256;
        if emptied.capacity() <= ROOMY {
            self.departed = emptied;
        }
    }

    /// Forgets the children that have lost their process, if no operation stops children.
    pub(crate) fn forget_departed(&mut self) {
        self.departed.clear();
    }

    /// Takes the exit of a child that ended unexpectedly, when its turn comes. `None` if a stop that came first has
    /// consumed it (OTP rules 43, 52).
    pub(crate) fn take_exit(&mut self, attempt: Attempt) -> Option<Ended> {
        let Live { stage: Stage::Dead(_), .. } = self.children.live_mut(attempt)? else { return None };
        match self.vacate(attempt.child())?.stage {
            Stage::Dead(ended) => Some(*ended),
            Stage::Starting | Stage::Up | Stage::Ready => None,
        }
    }

    /// Takes the order that waits for a start of the child, because that start will not come.
    pub(crate) fn take_start_call(&mut self, key: ChildKey) -> Option<StartCall> {
        self.children.get_mut(key)?.start_call.take()
    }

    /// Puts off the start of a child, and reports that.
    pub(crate) fn hold(&mut self, key: ChildKey, hold: Hold, held: Held) {
        match hold {
            Hold::Queued => self.inbox.push(Event::Retry(key)),
            Hold::Backoff { until } => self.outbox.report(Report::Delayed { child: key, until }),
            Hold::Dependency => self.report_wait(key),
            Hold::Parked { .. } | Hold::Blocked { .. } => {}
        }
        self.hold_quietly(key, hold, held);
    }

    /// Puts off the start of a child that was reported to wait already.
    pub(crate) fn hold_quietly(&mut self, key: ChildKey, hold: Hold, held: Held) {
        let changed = self.children.change(key, |child| {
            child.state = State::Held(Held { hold, ..held });
            // A child that is to be started is not at rest: its mailbox stays closed until it is opened.
            child.is_closed |= std::mem::take(&mut child.is_at_rest);
        });
        if changed.is_none() {
            return;
        }
        self.set_timer(key, hold.until());
        match hold {
            Hold::Queued | Hold::Backoff { .. } | Hold::Dependency => self.reconsider_dependents_of(key),
            // The caller tells the dependents of such a child last.
            Hold::Parked { .. } | Hold::Blocked { .. } => self.answer_renewals(key, &Err(OrderError::Parked)),
        }
    }

    /// Adds a child in the last place, down.
    pub(crate) fn push(&mut self, spec: ChildSpec) -> ChildKey {
        let before = self.services.forget(&spec.id);
        let key = self.children.push(spec);
        if let (Some(before), Some(child)) = (before, self.children.get_mut(key)) {
            child.completion = before.completion;
        }
        key
    }

    /// Gives a child a new spec. The name stays.
    pub(crate) fn respec(&mut self, key: ChildKey, spec: ChildSpec) {
        if let Some(before) = self.children.respec(key, spec) {
            self.remember_only_what_is_named(before.dependencies());
            let now = self.children.get(key).map(|child| child.spec.dependencies().to_vec()).unwrap_or_default();
            self.services.forget_seen_by(key, |name| !now.iter().any(|on| *on.name == *name));
        }
    }

    /// Starts a child by order. The order waits with the child for the services that the child depends on.
    pub(crate) fn start_for(&mut self, key: ChildKey, call: StartCall) {
        if let Some(child) = self.children.get_mut(key) {
            child.start_call = Some(call);
        }
        self.start_after(key, Duration::ZERO, Held::ALONE);
    }

    /// Starts a child when the delay is over and everything that it depends on is ready: now, if possible.
    pub(crate) fn start_after(&mut self, key: ChildKey, delay: Duration, held: Held) {
        if !delay.is_zero() {
            self.hold(key, Hold::Backoff { until: self.meter.after(delay) }, held);
            self.open(key);
        } else {
            self.start_if_able(key, held);
        }
    }

    /// Retries a failed automatic restart: behind everything that already waits (OTP rules 30, 31), or after a delay.
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
        let now = self.meter.now();
        self.children.change(key, |child| child.state = State::Live(Live::new(attempt, now)));
        let Some(child) = self.children.get_mut(key) else { return };
        (child.is_at_rest, child.was_terminated, child.completion) = (false, false, None);
        if let Some(history) = &mut child.history {
            history.begin_start();
        }
        child.is_withdrawn = false;
        let limit = child.start_timeout();
        let name = child.spec.id.clone();
        self.arm(key, limit);
        self.outbox.act(Action::Start(attempt));
        self.wait_for(attempt);
        self.forget_what_it_saw(key);
        self.reconsider_dependents(&name);
    }

    /// Notes that the attempt is up, and answers the order that waits for it.
    pub(crate) fn started(&mut self, attempt: Attempt) {
        let key = attempt.child();
        let Some(live @ Live { stage: Stage::Starting, .. }) = self.children.live_mut(attempt) else { return };
        self.prompt.mark_done(live);
        // What is to be done when the child is gone stays.
        let errand = live.errand.take_if(|errand| matches!(**errand, Errand::RenewWhenUp(_)));
        self.children.change(key, |child| {
            (child.latest_up, child.is_closed) = (attempt.number(), false);
            if let State::Live(live) = &mut child.state {
                live.stage = Stage::Up;
            }
        });
        if let Some(StartCall { call, .. }) = self.take_start_call(key) {
            self.outbox.answer(call, Ok(Answer::Started(attempt)));
        }
        self.answer_renewals(key, &Ok(Answer::Started(attempt)));
        if let Some(Errand::RenewWhenUp(name)) = errand.map(|errand| *errand) {
            self.inbox.push(Event::Renew { attempt, name });
        }
        if self.children.get(key).is_some_and(|child| child.readiness() == Readiness::WhenUp) {
            self.became_ready(attempt);
        }
    }

    /// Notes that the child has no process any more, and that no start of it is due.
    pub(crate) fn vacate(&mut self, key: ChildKey) -> Option<Live> {
        self.set_timer(key, None);
        match self.children.change(key, |child| std::mem::replace(&mut child.state, State::Down))? {
            State::Live(mut live) => {
                self.prompt.mark_done(&mut live);
                self.departed.push(key);
                if live.is_told() {
                    self.meter.stop_ends();
                }
                Some(live)
            }
            State::Down | State::Held(_) => None,
        }
    }

    /// Forgets the spec of a child.
    pub(crate) fn forget(&mut self, key: ChildKey) {
        self.vacate(key);
        let Some(child) = self.children.remove(key) else { return };
        self.answer_renewals(key, &Err(OrderError::Down));
        self.outbox.act(Action::Forget(key));
        self.forget_what_it_saw(key);
        self.remember_only_what_is_named(child.spec.dependencies());
        let name = child.spec.id.clone();
        if self.children.has_dependents(&name) {
            let outlook = Outlook { prospect: Prospect::Gone, completion: child.completion, life: 0 };
            self.services.note(name.clone(), outlook);
            self.reconsider_dependents(&name);
        }
    }

    /// Frees the memory of queues that a busy moment made long. Called when nothing is left to do.
    pub(crate) fn give_back_room(&mut self) {
        self.outbox.give_back_room();
        self.inbox.give_back_room();
    }

    /// Returns the sizes of the tables. The queues among them are empty if nothing is under way.
    pub(crate) fn tables(&self) -> Vec<(&'static str, usize)> {
        let own = [("machine: stop order", self.ties.len()), ("machine: departed", self.departed.len())];
        let mut tables = Vec::from(own);
        tables.extend(self.outbox.tables());
        tables.extend(self.inbox.tables());
        tables.extend(self.services.tables());
        tables.extend(self.timers.tables());
        tables.extend(self.renewals.tables());
        tables.extend(self.children.tables());
        tables
    }

    /// Replaces the pairs of children of which the first is stopped before the second.
    pub(crate) fn set_ties(&mut self, ties: BTreeSet<Tie>) {
        self.ties = ties;
    }

    /// Returns every pair of children of which the first depends on the second.
    pub(crate) fn all_ties(&self) -> BTreeSet<Tie> {
        let said = self.ties.iter().copied();
        let there = said.filter(|(a, b)| self.children.get(*a).is_some() && self.children.get(*b).is_some());
        there.chain(self.children.ties()).filter(|(a, b)| a != b).collect()
    }

    /// Returns those pairs without the ones that belong to a circle.
    pub(crate) fn sound_ties(&self) -> BTreeSet<Tie> {
        let mut ties = self.all_ties();
        untie(&mut ties);
        ties
    }

    /// Refuses calls to this child from below this supervisor, from now on.
    pub(crate) fn withdraw(&mut self, key: ChildKey) {
        let by_force = self.is_killing();
        let Some(child) = self.children.get_mut(key) else { return };
        let is_down = child.has_no_process() && !child.is_at_rest;
        if is_down && !by_force && !std::mem::replace(&mut child.is_withdrawn, true) {
            self.outbox.act(Action::Withdraw(key));
        }
    }

    /// Lets calls to this child wait again.
    pub(crate) fn readmit(&mut self, key: ChildKey) {
        if self.children.get_mut(key).is_some_and(|child| std::mem::take(&mut child.is_withdrawn)) {
            self.outbox.act(Action::Readmit(key));
        }
    }

    /// Stops the start time of an attempt that waits for a limiter. It runs in full from the moment the limiter lets it
    /// in.
    pub(crate) fn in_line(&mut self, attempt: Attempt, is_in_line: bool) {
        let key = attempt.child();
        if let Some(Live { stage: Stage::Starting, ending: Ending::NotTold, .. }) = self.children.live_mut(attempt) {
            let limit = self.children.get(key).and_then(Child::start_timeout).filter(|_| !is_in_line);
            self.arm(key, limit);
        }
    }

    /// Reports an unexpected exit, as OTP rule 19 says.
    pub(crate) fn report_exit(&mut self, key: ChildKey, exit: &Exit) {
        let Some(child) = self.children.get(key) else { return };
        if child.spec.terms.restart == Restart::Permanent || exit.is_abnormal() {
            self.outbox.report(Report::ChildTerminated { child: key, exit: exit.clone() });
        }
    }

    /// Sets the deadline of a child to this long from now, or removes it.
    pub(crate) fn arm(&mut self, key: ChildKey, limit: Option<Duration>) {
        self.set_timer(key, limit.map(|limit| self.meter.after(limit)));
    }

    /// Replaces the deadline of a child. A child has at most one, and a child that is down has none.
    pub(crate) fn set_timer(&mut self, key: ChildKey, deadline: Option<Duration>) {
        let Some(child) = self.children.get_mut(key) else { return };
        let before = std::mem::replace(&mut child.deadline, deadline);
        self.timers.replace(key, before, deadline);
    }
}
