//! The conditions of a start: services that must be ready, and jobs that must be completed. Also the decision about a
//! child when one of them is gone.
//!
//! Invariants:
//! 1. No child is started automatically before everything that it depends on is there. (An order to
//!    [revive](crate::Order::Revive) it does not wait.)
//! 2. A child that waits, for a dependency or for a delay, is started as soon as the last of its dependencies is back.
//!    The delay does not matter then.
//! 3. No child, and no order, waits for a service that is gone: the policy decides about the child instead.
//! 4. A child is restarted with a service once for each life of that service, and not if its own life is younger.
//! 5. Services outside of the table are remembered only while a spec in the table names them.

use std::sync::Arc;
use std::time::Duration;

use crate::action::{Action, Report};
use crate::child::{Child, Ending, Errand, Held, Hold, Live, Stage, State};
use crate::children::{Attempt, ChildKey};
use crate::core::Core;
use crate::dependency::{Completion, Dependency, DependencyCondition, DependencyGone, Outlook, Prospect};
use crate::exit::Exit;
use crate::inbox::Event;
use crate::prompt::PROMPT_WINDOW;

/// The time after which an attempt fails for a dependency that is gone, if the one before it failed for the same
/// reason.
const PAUSE: Duration = Duration::from_millis(100);

/// The obstacle to a start. Of several dependencies the hardest to get counts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Need {
    Met,
    /// A service that may come.
    Waits,
    /// A service that is parked until then; `None`: until it is revived.
    Parked(Option<Duration>),
    /// This service is gone.
    Gone(Arc<str>),
}

impl Core {
    /// Iterates over the services that the start of the child has to wait for, or to do without.
    pub(crate) fn missing(&self, key: ChildKey) -> impl Iterator<Item = &Arc<str>> {
        let child = self.children.get(key);
        let goes_on = child.is_some_and(|child| child.spec.when_dependency_is_gone() == DependencyGone::GoOn);
        self.unmet(key).filter(move |name| !goes_on || self.outlook(name).prospect != Prospect::Gone)
    }

    /// Iterates over the services that the child depends on and that are gone for good.
    pub(crate) fn lost(&self, key: ChildKey) -> impl Iterator<Item = &Arc<str>> {
        self.unmet(key).filter(|name| self.outlook(name).prospect == Prospect::Gone)
    }

    fn unmet(&self, key: ChildKey) -> impl Iterator<Item = &Arc<str>> {
        let child = self.children.get(key);
        let all = child.map(|child| child.spec.dependencies()).unwrap_or_default();
        let is_met = move |on: &&Dependency| child.is_none_or(|child| self.is_met(key, child, on));
        all.iter().filter(move |on| !is_met(on)).map(|on| &on.name)
    }

    /// Returns the outlook of a service: a sibling, or another as the driver has reported it.
    fn outlook(&self, name: &str) -> Outlook {
        match self.children.find(name).and_then(|key| self.children.get(key)) {
            Some(sibling) => sibling.outlook(),
            None => self.services.outlook(name),
        }
    }

    fn is_met(&self, key: ChildKey, child: &Child, on: &Dependency) -> bool {
        let Outlook { prospect, completion, .. } = self.outlook(&on.name);
        match on.condition {
            DependencyCondition::Completed => completion.is_some(),
            DependencyCondition::Ready if prospect == Prospect::Ready => true,
            DependencyCondition::Ready => {
                let was_told = !child.has_lived() || self.services.has_seen_end(key, &on.name);
                was_told && completion.is_some_and(|completion| completion.was_ready)
            }
        }
    }

    fn need(&self, key: ChildKey) -> Need {
        let mut need = Need::Met;
        for name in self.missing(key) {
            need = match (self.outlook(name).prospect, need) {
                (Prospect::Gone, _) => return Need::Gone(name.clone()),
                (Prospect::Parked { until }, Need::Parked(known)) => {
                    Need::Parked(until.zip(known).map(|(until, known)| until.max(known)))
                }
                // At that time the service is being tried: it may come.
                (Prospect::Parked { until }, _) if until.is_none_or(|until| until > self.meter.now()) => {
                    Need::Parked(until)
                }
                (Prospect::MayCome | Prospect::Ready, Need::Parked(known)) => Need::Parked(known),
                (Prospect::Parked { .. } | Prospect::MayCome | Prospect::Ready, _) => Need::Waits,
            };
        }
        need
    }

    /// Starts a child now if everything that it depends on is there. Otherwise it waits, or does without (invariants 1,
    /// 3).
    pub(crate) fn start_if_able(&mut self, key: ChildKey, held: Held) {
        match self.need(key) {
            Need::Met => {
                let lost: Vec<_> = self.lost(key).cloned().collect();
                for name in lost {
                    self.outbox.report(Report::DependencyGone { child: key, name, then: DependencyGone::GoOn });
                }
                self.start(key);
            }
            Need::Waits => self.wait(key, held),
            Need::Parked(until) => {
                self.report_wait(key);
                self.block(key, until, held);
            }
            Need::Gone(name) => self.do_without(key, &name, held),
        }
    }

    fn wait(&mut self, key: ChildKey, held: Held) {
        self.hold(key, Hold::Dependency, held);
        self.open(key);
    }

    /// Lets a child wait, without a report, for services that may come. It does not refuse messages any more.
    fn wait_quietly(&mut self, key: ChildKey, held: Held) {
        self.hold_quietly(key, Hold::Dependency, held);
        self.open(key);
    }

    /// Notes that the mailbox of the child is closed.
    pub(crate) fn shut(&mut self, key: ChildKey) {
        if let Some(child) = self.children.get_mut(key) {
            child.is_closed = true;
        }
    }

    /// Opens the mailbox of a child that is to be started later.
    pub(crate) fn open(&mut self, key: ChildKey) {
        if self.children.get_mut(key).is_some_and(|child| std::mem::take(&mut child.is_closed)) {
            self.outbox.act(Action::Wait(key));
        }
    }

    pub(crate) fn report_wait(&mut self, key: ChildKey) {
        let services = self.missing(key).cloned().collect();
        self.outbox.report(Report::Waiting { child: key, services });
    }

    /// Closes a child that depends on a service that is gone or parked, and reports that. It is looked at again at
    /// `until`.
    fn block(&mut self, key: ChildKey, until: Option<Duration>, held: Held) {
        self.hold(key, Hold::Blocked { until }, held);
        let prospect = |name: &&Arc<str>| self.outlook(name).prospect;
        let is_away = |name: &&Arc<str>| matches!(prospect(name), Prospect::Gone | Prospect::Parked { .. });
        let services = self.missing(key).filter(is_away).cloned().collect();
        self.outbox.report(Report::Parked { child: key, until, services, reason: None });
        self.outbox.act(Action::Park { child: key, until });
        self.shut(key);
        self.reconsider_dependents_of(key);
    }

    /// Decides about a child that depends on a service that is gone (invariant 3). An order is refused, whatever the
    /// policy says: its sender decides.
    fn do_without(&mut self, key: ChildKey, name: &Arc<str>, held: Held) {
        let Some(child) = self.children.get(key) else { return };
        let is_ordered = child.start_call.is_some();
        let then = child.spec.when_dependency_is_gone();
        if !is_ordered {
            self.outbox.report(Report::DependencyGone { child: key, name: name.clone(), then });
        }
        match then {
            DependencyGone::Park if !is_ordered => {
                self.report_wait(key);
                let until = self.next_look(key);
                self.block(key, Some(until), held);
            }
            DependencyGone::Park | DependencyGone::Fail | DependencyGone::GoOn => self.fail_to_start(key, name),
        }
    }

    fn next_look(&mut self, key: ChildKey) -> Duration {
        let now = self.meter.now();
        let Some(child) = self.children.get_mut(key) else { return now };
        let policy = child.spec.policy_rule();
        now.saturating_add(child.history_mut().next_probe(&policy))
    }

    /// Makes an attempt that never begins, and fails a moment later. An attempt that is retried without a delay must
    /// leave other events their turn. If the attempt before failed for the same reason, this one takes longer. With
    /// neither a delay nor a budget to end it, the supervisor would do nothing else.
    fn fail_to_start(&mut self, key: ChildKey, name: &str) {
        let attempt = self.children.next_attempt(key);
        let now = self.meter.now();
        let exit = Exit::failed(format!("`{}`, which it depends on, is gone", name.trim_start_matches('/')));
        let is_repeated = self.latest_end(key).is_some_and(|end| end.to_string() == exit.to_string());
        let changed = self.children.change(key, |child| {
            let pause = if is_repeated && child.start_call.is_none() { PAUSE } else { PROMPT_WINDOW };
            child.state = State::Live(Live { never_began: true, cause: Some(exit.into()), ..Live::new(attempt, now) });
            (child.is_at_rest, child.was_terminated) = (false, false);
            pause
        });
        let Some(pause) = changed else { return };
        self.set_timer(key, Some(now.saturating_add(pause)));
    }

    /// Looks at the dependencies of a blocked child again, at the time that was set for that.
    pub(crate) fn look_again(&mut self, key: ChildKey, held: Held) {
        match self.need(key) {
            Need::Met => self.wake(key),
            Need::Waits => self.wait_quietly(key, held),
            Need::Parked(until) => self.block(key, until, held),
            Need::Gone(_) => {
                let until = self.next_look(key);
                self.block(key, Some(until), held);
            }
        }
    }

    /// Notes the outlook of a service outside of the table. Services that no child depends on are ignored.
    pub(crate) fn set_outlook(&mut self, name: &str, outlook: Outlook) {
        if !self.children.has_dependents(name) {
            return;
        }
        let known = self.services.note(name.into(), outlook);
        let before = known.unwrap_or(Prospect::MayCome.into());
        // What is reported first is no new life: a child may have begun to depend on the service just now.
        let is_new_life = known.is_some() && (before.prospect != Prospect::Ready || before.life != outlook.life);
        if outlook.prospect == Prospect::Ready && is_new_life {
            self.renew_dependents(name);
        }
        if let Some(completion) = outlook.completion.filter(|_| before.completion != outlook.completion) {
            self.has_completed(name, completion);
        }
        if outlook.prospect == Prospect::Ready && before.prospect != Prospect::Ready {
            self.wake_dependents(name, DependencyCondition::Ready);
        }
        // A child that waits for others may have counted on a completion that counts no more.
        if outlook.prospect != before.prospect || (before.completion.is_some() && outlook.completion.is_none()) {
            self.reconsider_dependents(name);
        }
    }

    /// Notes that the child's last life ended normally.
    pub(crate) fn complete(&mut self, key: ChildKey, completion: Completion) {
        let Some(child) = self.children.get_mut(key) else { return };
        child.completion = Some(completion);
        let name = child.spec.id.clone();
        self.has_completed(&name, completion);
    }

    fn has_completed(&mut self, name: &str, completion: Completion) {
        if completion.was_ready {
            for key in self.children.dependents(name) {
                let waits = self.children.get(key).is_some_and(|child| match &child.state {
                    State::Held(_) => true,
                    State::Down => !child.is_at_rest,
                    State::Live(_) => false,
                });
                if waits {
                    self.services.saw_end(key, name.into());
                }
            }
        }
        self.wake_dependents(name, DependencyCondition::Completed);
        self.reconsider_dependents(name);
    }

    /// Forgets which jobs the child saw end while it waited.
    pub(crate) fn forget_what_it_saw(&mut self, key: ChildKey) {
        self.services.forget_seen_by(key, |_| true);
    }

    /// Decides again about a child that waits: its spec was replaced, or the outlook of a service that it depends on
    /// has changed.
    pub(crate) fn reconsider(&mut self, key: ChildKey) {
        let Some(held) = self.children.held(key) else { return };
        let is_blocked = match held.hold {
            Hold::Dependency => false,
            Hold::Blocked { .. } => true,
            Hold::Queued | Hold::Backoff { .. } | Hold::Parked { .. } => return,
        };
        match self.need(key) {
            Need::Met => self.wake(key),
            Need::Waits if is_blocked => self.wait_quietly(key, held),
            Need::Waits => {}
            Need::Parked(until) if held.hold == (Hold::Blocked { until }) => {}
            Need::Parked(until) => self.block(key, until, held),
            // A child that is blocked until it is revived has no time to look again.
            Need::Gone(name) if !is_blocked || held.hold.until().is_none() => self.do_without(key, &name, held),
            Need::Gone(name) => {
                let is_refused = self.children.get(key).is_some_and(|child| {
                    child.start_call.is_some() || child.spec.when_dependency_is_gone() == DependencyGone::Fail
                });
                // A child that is not refused looks again when its time comes.
                if is_refused {
                    self.do_without(key, &name, held);
                }
            }
        }
    }

    /// Decides again about the children that wait for this service, because its outlook has changed.
    pub(crate) fn reconsider_dependents(&mut self, name: &str) {
        if !self.is_ending() && !self.expects_end() && self.children.has_dependents(name) {
            self.children.dependents(name).into_iter().for_each(|key| self.reconsider(key));
        }
    }

    pub(crate) fn reconsider_dependents_of(&mut self, key: ChildKey) {
        if let Some(name) = self.children.get(key).map(|child| child.spec.id.clone()) {
            self.reconsider_dependents(&name);
        }
    }

    /// Notes that the attempt is ready, because it has announced that or need not.
    pub(crate) fn became_ready(&mut self, attempt: Attempt) {
        let now = self.meter.now();
        let has_policy = self.children.get(attempt.child()).is_some_and(|child| child.spec.terms.policy.is_some());
        // Only once, and not if the attempt is being killed for not being ready.
        let Some(live @ Live { stage: Stage::Up, ending: Ending::NotTold, .. }) = self.children.live_mut(attempt)
        else {
            return;
        };
        // Only a policy makes use of the time for which a life was ready.
        if has_policy {
            live.since = now;
        }
        live.stage = Stage::Ready;
        // The limit for the start was met.
        self.set_timer(attempt.child(), None);
        if let Some(id) = self.children.get(attempt.child()).map(|child| child.spec.id.clone()) {
            self.renew_dependents(&id);
            self.wake_dependents(&id, DependencyCondition::Ready);
        }
    }

    /// Plans the restart of the children that are to be restarted with this service, which is ready in a new life. A
    /// child without a life begins the next one after that anyway, and so does one that is ending.
    fn renew_dependents(&mut self, name: &str) {
        if self.is_ending() || !self.children.has_dependents(name) {
            return;
        }
        for key in self.children.dependents(name) {
            let Some(child) = self.children.get_mut(key).filter(|child| child.spec.is_renewed_with(name)) else {
                continue;
            };
            let State::Live(live) = &mut child.state else { continue };
            match (&live.stage, live.ending) {
                (Stage::Starting, Ending::NotTold) if !live.never_began => {
                    live.errand = Some(Box::new(Errand::RenewWhenUp(name.into())))
                }
                (Stage::Up | Stage::Ready, Ending::NotTold) => {
                    let attempt = live.attempt;
                    self.inbox.push(Event::Renew { attempt, name: name.into() });
                }
                (Stage::Starting | Stage::Up | Stage::Ready | Stage::Dead(_), _) => {}
            }
        }
    }

    /// Wakes the children that waited for this service and for nothing else (invariant 2).
    fn wake_dependents(&mut self, name: &str, condition: DependencyCondition) {
        for key in self.children.dependents(name) {
            let Some(child) = self.children.get(key) else { continue };
            let is_waiting = match &child.state {
                // Only an order brings back a child that an order has parked.
                State::Held(Held { hold: Hold::Queued | Hold::Parked { until: None }, .. }) => false,
                State::Held(_) => true,
                State::Live(_) | State::Down => false,
            };
            let asks = child.spec.dependencies().iter().any(|on| *on.name == *name && on.condition == condition);
            if is_waiting && asks && self.need(key) == Need::Met {
                self.wake(key);
            }
        }
    }

    /// Forgets services that no spec names any more (invariant 5). Called when a spec goes or is replaced.
    pub(crate) fn remember_only_what_is_named(&mut self, named: &[Dependency]) {
        for Dependency { name, .. } in named {
            if !self.children.has_dependents(name) {
                self.services.forget(name);
            }
        }
    }
}
