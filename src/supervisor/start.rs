//! The start of children and their abandonment. An attempt that the machine has ordered passes the gates above the
//! child, and becomes a life.

use std::pin::Pin;

use ractor::ActorRef;
use regrow_supervisors::{Abandon, Attempt, ChildSpec, Exit, Readiness};

use crate::base::panics;
use crate::base::wake::Wake;
use crate::event::EventKind;
use crate::incarnation::{self, SpawnArgs, failure};
use crate::service::Ignore;
use crate::slot::erased::{Control, SlotTree};
use crate::slot::fact::Fact;
use crate::slot::signals::{Origin, Signals};
use crate::supervisor::actor;
use crate::supervisor::driver::Driver;
use crate::supervisor::parent::Link;
use crate::supervisor::plan::Make;
use crate::tree::shared::About;

/// The spawning of a ractor actor, which waits for that actor's own start. It is boxed, because ractor moves the
/// supervisor's future at each message, and most messages start no actor.
pub(super) type Spawning = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Driver {
    /// Calls off a start that waits in line.
    pub(super) fn leave_line(&mut self, attempt: Attempt, exit: Exit) {
        if let Some(entry) = self.children.get_mut(&attempt.child())
            && entry.has_ticket()
        {
            entry.set_ticket(None);
            self.inbox.push(Fact::StartFailed { attempt, exit });
        }
    }

    pub(super) fn start(&mut self, attempt: Attempt, myself: &ActorRef<Wake>) -> Option<Spawning> {
        let entry = self.children.get_mut(&attempt.child())?;
        (entry.asked_at, entry.was_killed) = (None, false);
        entry.control = None;
        // A reader finds the children of a supervisor that is not up without this.
        if self.is_up {
            entry.enter(&self.shared.unwell);
        }
        entry.set_blame(None);
        entry.set_given_up(None);
        self.shared.directory.begins(&entry.path);
        entry.close_outdated();
        if std::mem::take(&mut entry.was_supervisor) {
            self.shared.forget_below(&entry.path);
        }
        match &entry.make {
            Make::Life(_) if self.gates.is_empty() => self.launch(attempt, myself),
            Make::Life(_) => {
                entry.set_ticket(None);
                self.machine.handle_in_line(attempt, true, self.shared.clock.now());
                entry.set_ticket(Some(self.gates.enter(&self.inbox, attempt)));
                None
            }
            Make::Supervisor(recipe) => {
                // The user's code may run here: it makes the description, and may say that the subtree is not wanted.
                let span = tracing::info_span!(parent: None, "supervisor", path = %entry.path);
                let plan = panics::catch(|| {
                    let _span = span.enter();
                    let plan = recipe.next_plan(&self.shared)?;
                    plan.init()?;
                    anyhow::Ok(plan)
                });
                let fact = match plan {
                    Ok(Ok(plan)) => {
                        let link = Link::Supervisor { inbox: self.inbox.clone(), attempt };
                        let driver = Driver::new(&plan, self.shared.clone(), link, &self.gates);
                        entry.control = Some(Control::Supervisor(driver.inbox()));
                        return Some(Box::pin(actor::launch(driver, Some(myself.get_cell()))));
                    }
                    Ok(Err(error)) if error.is::<Ignore>() => Fact::Ignored(attempt),
                    Ok(Err(error)) => Fact::StartFailed { attempt, exit: failure(error) },
                    Err(panic) => Fact::StartFailed { attempt, exit: Exit::Panicked(panic) },
                };
                // The give-up of its last life is not the reason why this one does not begin.
                entry.set_gave_up(None);
                self.inbox.push(fact);
                None
            }
        }
    }

    /// Starts a child that was let in, unless its start was called off meanwhile.
    pub(super) fn admit(&mut self, attempt: Attempt, myself: &ActorRef<Wake>) -> Option<Spawning> {
        let is_wanted = self.machine.attempt(attempt.child()) == Some(attempt);
        let has_ticket = self.children.get(&attempt.child()).is_some_and(|entry| entry.has_ticket());
        if is_wanted && has_ticket { self.launch(attempt, myself) } else { None }
    }

    fn launch(&mut self, attempt: Attempt, myself: &ActorRef<Wake>) -> Option<Spawning> {
        let entry = self.children.get_mut(&attempt.child())?;
        let Make::Life(spawn) = &entry.make else { return None };
        let spawn = spawn.clone();
        let spec = self.machine.spec(attempt.child());
        let policy = spec.and_then(ChildSpec::own_policy);
        let generation = entry.slot.life().generation_to_be();
        let span = tracing::info_span!(parent: None, "incarnation", path = %entry.path, generation);
        let origin = Origin { generation, last_exit: entry.last_exit.clone() };
        let signals = Signals::new(attempt, span, self.inbox.clone(), &entry.slot, origin);
        if policy.is_some_and(|policy| policy.readiness == Some(Readiness::WhenSaid)) {
            signals.says_ready();
        }
        if spec.is_some_and(|spec| spec.is_restarted_after(&Exit::Normal)) {
            signals.set_comes_back();
        }
        if entry.slot.is_measured() {
            signals.activity_or_new().set_measured();
        }
        if policy.is_some_and(|policy| policy.reset_after_messages.is_some()) {
            entry.set_handled_before(entry.slot.accounting().handled);
        }
        if policy.is_some_and(|policy| policy.failure_rate.is_some()) {
            entry.begin_tally();
        }
        entry.control = Some(Control::Signals(signals.clone()));
        let life = spawn.spawn(SpawnArgs {
            slot: entry.slot.clone(),
            signals,
            shared: self.shared.clone(),
            drain: entry.drain,
            abandon: spec.map_or(Abandon::Never, ChildSpec::abandon_rule),
            cell: myself.get_cell(),
        });
        let is_actor = entry.is_actor;
        self.watch(attempt.child());
        if !is_actor {
            tokio::spawn(life);
            return None;
        }
        Some(Box::pin(incarnation::actor::launch(life, myself.get_cell())))
    }

    pub(super) fn abandon(&mut self, attempt: Attempt) {
        let Some(entry) = self.children.get_mut(&attempt.child()) else { return };
        // Its start may never end, and others wait for its place.
        entry.set_ticket(None);
        entry.enter(&self.shared.unwell);
        entry.ended(entry.verdict(Exit::Killed));
        entry.slot.fell(false, self.shared.clock.at(self.now));
        entry.set_gave_up(None);
        let (path, slot) = (&entry.path, &entry.slot);
        match entry.control.take() {
            Some(Control::Signals(signals)) => {
                self.shared.cut_off(path, &**slot, &signals);
            }
            Some(Control::Supervisor(inbox)) => {
                inbox.push(Fact::Abandon);
                // The supervisor may not get its turn before the tree is over, so the lives below it are cut off from
                // here.
                for (path, listed) in self.shared.directory.under(path) {
                    if let Some(signals) = listed.slot.life().owner() {
                        self.shared.cut_off(&path, &*listed.slot, &signals);
                    }
                }
                self.shared.ending.abandoned_supervisor(path);
                let about = About { path, slot: Some(&**slot), now: self.now };
                self.shared.tell(about, || slot.status().generation, EventKind::Abandoned);
            }
            None => {}
        }
    }
}
