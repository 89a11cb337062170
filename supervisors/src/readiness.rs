//! What the start of a child waits for: services that are to be ready, jobs that are to be completed; and what becomes of
//! the child when one of them is gone.
//!
//! Invariants:
//! 1. A child is started by itself only when everything that it depends on is there. (An order to
//!    [revive](crate::Order::Revive) it does not wait.)
//! 2. A child that waits, for a dependency or for a delay to pass, is started as soon as the last of its dependencies has
//!    come back, whatever the clock says.
//! 3. No child, and no order, waits for a service that is gone: it is decided what becomes of it instead.
//! 4. What is remembered of services that are not in the table is bounded by the names that specs in the table give.

use std::sync::Arc;
use std::time::Duration;

use crate::action::{Action, Report};
use crate::child::{Child, Ending, Held, Hold, Live, Stage, State};
use crate::children::{Attempt, ChildKey};
use crate::core::Core;
use crate::dependency::{Completion, Dependency, DependencyCondition, DependencyGone, Outlook, Prospect};
use crate::exit::Exit;
use crate::prompt::PROMPT_WINDOW;

/// How long an attempt takes to fail whose dependency is gone, if the one before it failed for the same reason.
const PAUSE: Duration = Duration::from_millis(100);

/// What a start waits for. Of several dependencies the hardest counts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Need {
    Met,
    /// For something that may come.
    Waits,
    /// For something that is parked until then.
    Parked(Duration),
    /// This one is gone.
    Gone(Arc<str>),
}

impl Core {
    /// The services that the start of the child has to wait for, or to do without.
    pub(crate) fn missing(&self, key: ChildKey) -> impl Iterator<Item = &Arc<str>> {
        let child = self.children.get(key);
        let goes_on = child.is_some_and(|child| child.spec.when_dependency_is_gone() == DependencyGone::GoOn);
        self.unmet(key).filter(move |name| !goes_on || self.outlook(name).prospect != Prospect::Gone)
    }

    /// The services that the child depends on and that are gone for good.
    pub(crate) fn lost(&self, key: ChildKey) -> impl Iterator<Item = &Arc<str>> {
        self.unmet(key).filter(|name| self.outlook(name).prospect == Prospect::Gone)
    }

    fn unmet(&self, key: ChildKey) -> impl Iterator<Item = &Arc<str>> {
        let child = self.children.get(key);
        let all = child.map(|child| child.spec.dependencies()).unwrap_or_default();
        let is_met = move |on: &&Dependency| child.is_none_or(|child| self.is_met(key, child, on));
        all.iter().filter(move |on| !is_met(on)).map(|on| &on.name)
    }

    /// What is known of a service: a sibling, or another as the driver tells of it.
    fn outlook(&self, name: &str) -> Outlook {
        match self.children.find(name).and_then(|key| self.children.get(key)) {
            Some(sibling) => sibling.outlook(),
            None => self.services.outlook(name),
        }
    }

    fn is_met(&self, key: ChildKey, child: &Child, on: &Dependency) -> bool {
        let Outlook { prospect, completion } = self.outlook(&on.name);
        match on.condition {
            DependencyCondition::Completed => completion.is_some(),
            DependencyCondition::Ready if prospect == Prospect::Ready => true,
            DependencyCondition::Ready => {
                let was_told = !child.has_lived || self.services.has_seen_end(key, &on.name);
                was_told && completion.is_some_and(|completion| completion.was_ready)
            }
        }
    }

    fn need(&self, key: ChildKey) -> Need {
        let mut need = Need::Met;
        for name in self.missing(key) {
            need = match (self.outlook(name).prospect, need) {
                (Prospect::Gone, _) => return Need::Gone(name.clone()),
                (Prospect::Parked { until }, Need::Parked(known)) => Need::Parked(until.max(known)),
                // One whose time has come is being tried.
                (Prospect::Parked { until }, _) if until > self.meter.now() => Need::Parked(until),
                (Prospect::MayCome | Prospect::Ready, Need::Parked(known)) => Need::Parked(known),
                (Prospect::Parked { .. } | Prospect::MayCome | Prospect::Ready, _) => Need::Waits,
            };
        }
        need
    }

    /// Starts it now if everything it depends on is there; otherwise it waits, or does without (invariants 1, 3).
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
            Need::Gone(name) => self.be_without(key, &name, held),
        }
    }

    fn wait(&mut self, key: ChildKey, held: Held) {
        self.hold(key, Hold::Dependency, held);
        self.open(key);
    }

    /// It waits for what may come, and does not refuse messages any more.
    fn wait_quietly(&mut self, key: ChildKey, held: Held) {
        self.hold_quietly(key, Hold::Dependency, held);
        self.open(key);
    }

    /// Its mailbox is closed.
    pub(crate) fn shut(&mut self, key: ChildKey) {
        if let Some(child) = self.children.get_mut(key) {
            child.is_closed = true;
        }
    }

    /// It is to be started later, and takes messages until then.
    pub(crate) fn open(&mut self, key: ChildKey) {
        if self.children.get_mut(key).is_some_and(|child| std::mem::take(&mut child.is_closed)) {
            self.outbox.act(Action::Wait(key));
        }
    }

    pub(crate) fn report_wait(&mut self, key: ChildKey) {
        let services = self.missing(key).cloned().collect();
        self.outbox.report(Report::Waiting { child: key, services });
    }

    /// It refuses messages until then, when it is looked at again.
    fn block(&mut self, key: ChildKey, until: Duration, held: Held) {
        self.hold(key, Hold::Blocked { until }, held);
        let prospect = |name: &&Arc<str>| self.outlook(name).prospect;
        let is_away = |name: &&Arc<str>| matches!(prospect(name), Prospect::Gone | Prospect::Parked { .. });
        let services = self.missing(key).filter(is_away).cloned().collect();
        self.outbox.report(Report::Parked { child: key, until, services });
        self.outbox.act(Action::Park { child: key, until });
        self.shut(key);
        self.stir_about(key);
    }

    /// Invariant 3. An order is refused, whatever the policy says: its sender decides.
    fn be_without(&mut self, key: ChildKey, name: &Arc<str>, held: Held) {
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
                self.block(key, until, held);
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

    /// An attempt that is over before it begins. It fails a moment later: one that is tried again without a delay must
    /// not keep everything else from its turn. If the attempt before failed for the same reason, this one takes longer.
    /// With neither a delay nor a budget that ends it, the supervisor would do nothing else.
    fn fail_to_start(&mut self, key: ChildKey, name: &str) {
        let attempt = self.children.next_attempt(key);
        let now = self.meter.now();
        let exit = Exit::failed(format!("`{}`, which it depends on, is gone", name.trim_start_matches('/')));
        let is_repeated = self.latest_end(key).is_some_and(|end| end.to_string() == exit.to_string());
        let changed = self.children.change(key, |child| {
            let pause = if is_repeated && child.start_call.is_none() { PAUSE } else { PROMPT_WINDOW };
            child.state = State::Live(Live { is_stillborn: true, cause: Some(exit.into()), ..Live::new(attempt, now) });
            (child.is_at_rest, child.was_terminated) = (false, false);
            pause
        });
        let Some(pause) = changed else { return };
        self.set_timer(key, Some(now.saturating_add(pause)));
    }

    /// The time of a child that is blocked has come.
    pub(crate) fn look_again(&mut self, key: ChildKey, held: Held) {
        match self.need(key) {
            Need::Met => self.wake(key),
            Need::Waits => self.wait_quietly(key, held),
            Need::Parked(until) => self.block(key, until, held),
            Need::Gone(_) => {
                let until = self.next_look(key);
                self.block(key, until, held);
            }
        }
    }

    /// What is known of a service elsewhere has changed. Services that no child depends on are passed over.
    pub(crate) fn set_outlook(&mut self, name: &str, outlook: Outlook) {
        if !self.children.has_dependents(name) {
            return;
        }
        let before = self.services.note(name.into(), outlook);
        if let Some(completion) = outlook.completion.filter(|_| before.completion != outlook.completion) {
            self.has_completed(name, completion);
        }
        if outlook.prospect == Prospect::Ready && before.prospect != Prospect::Ready {
            self.wake_dependents(name, DependencyCondition::Ready);
        }
        if outlook.prospect != before.prospect {
            self.stir(name);
        }
    }

    /// The child's last life ended as it should.
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
        self.stir(name);
    }

    /// What the child saw while it waited is of no use any more.
    pub(crate) fn forget_what_it_saw(&mut self, key: ChildKey) {
        self.services.forget_seen_by(key, |_| true);
    }

    /// Its spec was replaced, or what is known of a service that it depends on has changed.
    pub(crate) fn reconsider(&mut self, key: ChildKey) {
        let Some(held) = self.children.held(key) else { return };
        let until = match held.hold {
            Hold::Dependency => None,
            Hold::Blocked { until } => Some(until),
            Hold::Queued | Hold::Backoff { .. } | Hold::Parked { .. } => return,
        };
        match (self.need(key), until) {
            (Need::Met, _) => self.wake(key),
            (Need::Waits, None) => {}
            (Need::Waits, Some(_)) => self.wait_quietly(key, held),
            (Need::Parked(at), Some(until)) if at == until => {}
            (Need::Parked(at), _) => self.block(key, at, held),
            (Need::Gone(name), None) => self.be_without(key, &name, held),
            (Need::Gone(name), Some(_)) => {
                let is_refused = self.children.get(key).is_some_and(|child| {
                    child.start_call.is_some() || child.spec.when_dependency_is_gone() == DependencyGone::Fail
                });
                // It looks again when its time comes.
                if is_refused {
                    self.be_without(key, &name, held);
                }
            }
        }
    }

    /// What is known of this service has changed: those that wait for it, and for nothing else, are decided about.
    pub(crate) fn stir(&mut self, name: &str) {
        if !self.is_ending() && !self.expects_end() && self.children.has_dependents(name) {
            self.children.dependents(name).into_iter().for_each(|key| self.reconsider(key));
        }
    }

    pub(crate) fn stir_about(&mut self, key: ChildKey) {
        if let Some(name) = self.children.get(key).map(|child| child.spec.id.clone()) {
            self.stir(&name);
        }
    }

    /// The attempt is ready: it has said so, or need not.
    pub(crate) fn became_ready(&mut self, attempt: Attempt) {
        let now = self.meter.now();
        let has_policy = self.children.get(attempt.child()).is_some_and(|child| child.spec.terms.policy.is_some());
        // Only once, and not when it is being killed for not being ready.
        let Some(live @ Live { stage: Stage::Up, ending: Ending::NotTold, .. }) = self.children.live_mut(attempt)
        else {
            return;
        };
        // Nobody asks how long the others live.
        if has_policy {
            live.since = now;
        }
        live.stage = Stage::Ready;
        // The time for the start has been kept.
        self.set_timer(attempt.child(), None);
        if let Some(id) = self.children.get(attempt.child()).map(|child| child.spec.id.clone()) {
            self.wake_dependents(&id, DependencyCondition::Ready);
        }
    }

    /// Invariant 2.
    fn wake_dependents(&mut self, name: &str, condition: DependencyCondition) {
        for key in self.children.dependents(name) {
            let Some(child) = self.children.get(key) else { continue };
            let is_waiting = match &child.state {
                State::Held(Held { hold, .. }) => *hold != Hold::Queued,
                State::Live(_) | State::Down => false,
            };
            let asks = child.spec.dependencies().iter().any(|on| *on.name == *name && on.condition == condition);
            if is_waiting && asks && self.need(key) == Need::Met {
                self.wake(key);
            }
        }
    }

    /// Invariant 4: a spec that named others has gone or was replaced, or a child that others name.
    pub(crate) fn remember_only_what_is_named(&mut self, named: &[Dependency]) {
        for Dependency { name, .. } in named {
            if !self.children.has_dependents(name) {
                self.services.forget(name);
            }
        }
    }
}
