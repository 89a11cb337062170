//! A child as its supervisor's driver knows it.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use regrow_supervisors::{Exit, Policy};

use crate::base::time::TreeTime;
use crate::error::gave_up::GaveUp;
use crate::recorder::state;
use crate::slot::erased::{AnySlot, Control};
use crate::slot::restarts::RestartCause;
use crate::slot::status::ServiceState;
use crate::supervisor::failures::Tally;
use crate::supervisor::plan::{Make, Planned};
use crate::supervisor::start_limits::Ticket;
use crate::tree::directory::ChildKind;
use crate::tree::overrides::{Effective, Named};
use crate::tree::shared::About;
use crate::tree::unwell::{Place, Unwell};

/// A child as the driver knows it. The machine has its spec.
pub(crate) struct ChildEntry {
    pub(crate) path: Arc<str>,
    pub(crate) slot: Arc<dyn AnySlot>,
    pub(crate) make: Make,
    /// The control of the present attempt, by which the supervisor reaches it.
    pub(crate) control: Option<Control>,
    pub(crate) last_exit: Option<Arc<Exit>>,
    /// Whether its latest attempt failed unasked, and that failure is not answered yet.
    pub(crate) has_failed: bool,
    pub(crate) kind: ChildKind,
    /// Whether it was a supervisor in its previous description, and has not been started since.
    pub(crate) was_supervisor: bool,
    pub(crate) drain: bool,
    pub(crate) is_actor: bool,
    /// Settings that the code says for this child alone. `None` if they equal those in force.
    pub(crate) own: Option<Box<Own>>,
    pub(crate) named: Named,
    /// The time at which the present attempt was asked to stop.
    pub(crate) asked_at: Option<Duration>,
    /// Whether the supervisor has ordered a kill of the present attempt.
    pub(crate) was_killed: bool,
    /// Event before the next start. It decides whether that start is a restart.
    pub(crate) before: Before,
    /// Whether it was added at run time, and is lost with this supervisor (OTP rule 100).
    pub(crate) is_added: bool,
    /// Its place among the children that are not up.
    unwell: Option<Place>,
    rare: Option<Box<Rare>>,
}

/// State that few children need.
#[derive(Default)]
struct Rare {
    /// Slot of a life that began under an older description and has not ended. No later life uses that slot.
    outdated: Option<Arc<dyn AnySlot>>,
    /// The child on which its last life gave up, and why. Only for a supervisor that gave up.
    gave_up: Option<Arc<GaveUp>>,
    /// Set while the child is down because its policy ended it for good.
    given_up: Option<Arc<GaveUp>>,
    /// The line that the factory gave about the present incarnation.
    info: Option<Arc<str>>,
    /// Place in the line of starts, while the child is starting.
    ticket: Option<Ticket>,
    /// Counts of its messages, if failures among them count.
    tally: Option<Tally>,
    /// Messages handled before its present life, if they count.
    handled_before: Option<u64>,
    /// The reason for the kill that is under way, if it is not an ordinary one.
    blame: Option<Exit>,
    /// Its last restart by order.
    restarted: Option<Restarted>,
}

/// A restart by order.
struct Restarted {
    reason: Arc<str>,
    at: Duration,
    /// Whether the incarnation that is to end has not ended yet.
    is_under_way: bool,
}

/// Event before the next start of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nothing that this life of the supervisor has seen.
    Unknown,
    /// A rest: it was down, and is started by order.
    Rest,
    /// An end or a failed start.
    End(RestartCause),
}

/// Settings that the code says for a child alone, if they differ from those in force. Without layers they never differ, and
/// no child keeps a copy.
#[derive(Debug, Clone)]
pub(crate) enum Own {
    /// Settings as in force, and no policy of the child: the policy comes from its supervisor or the root.
    NoPolicy,
    Else(#[cfg_attr(not(feature = "policy"), allow(dead_code, reason = "only layers ask"))] Box<Effective>),
}

impl Own {
    pub(crate) fn new(own: &Effective, in_force: &Effective) -> Option<Box<Self>> {
        if own == in_force {
            return None;
        }
        let silent = Effective { spec: in_force.spec.clone().policy(Policy::default()), ..in_force.clone() };
        Some(Box::new(if *own == silent { Self::NoPolicy } else { Self::Else(Box::new(own.clone())) }))
    }

    /// The settings of the code, if `now` is in force.
    #[cfg(feature = "policy")]
    pub(crate) fn get(&self, now: &Effective) -> Effective {
        match self {
            Self::NoPolicy => Effective { spec: now.spec.clone().policy(Policy::default()), ..now.clone() },
            Self::Else(own) => Effective::clone(own),
        }
    }
}

/// The exits that carry no more than their kind, shared by all children that end like this.
static NORMAL: LazyLock<Arc<Exit>> = LazyLock::new(|| Arc::new(Exit::Normal));
static SHUTDOWN: LazyLock<Arc<Exit>> = LazyLock::new(|| Arc::new(Exit::Shutdown));
static KILLED: LazyLock<Arc<Exit>> = LazyLock::new(|| Arc::new(Exit::Killed));

fn shared(exit: Exit) -> Arc<Exit> {
    match exit {
        Exit::Normal => NORMAL.clone(),
        Exit::Shutdown => SHUTDOWN.clone(),
        Exit::Killed => KILLED.clone(),
        exit => Arc::new(exit),
    }
}

impl ChildEntry {
    pub(crate) fn new(planned: &Planned, is_added: bool, own: Option<Box<Own>>) -> Box<Self> {
        Box::new(Self {
            path: planned.path.clone(),
            slot: planned.slot().clone(),
            make: planned.make.clone(),
            control: None,
            last_exit: None,
            has_failed: false,
            kind: planned.kind,
            was_supervisor: false,
            drain: planned.drain,
            is_actor: planned.is_actor,
            own,
            named: planned.named,
            asked_at: None,
            was_killed: false,
            before: Before::Unknown,
            is_added,
            unwell: None,
            rare: None,
        })
    }

    /// Takes a new description, which is used from the next start on. Returns the kind of child that it was before.
    pub(crate) fn replan(&mut self, planned: &Planned, own: Option<Box<Own>>) -> ChildKind {
        let before = self.kind;
        self.was_supervisor |= before.is_supervisor() && !planned.is_supervisor();
        (self.own, self.named) = (own, planned.named);
        let Planned { kind, drain, is_actor, .. } = *planned;
        let slot = std::mem::replace(&mut self.slot, planned.slot().clone());
        if let Make::Supervisor(before) = std::mem::replace(&mut self.make, planned.make.clone()) {
            // It comes back with the next life of this supervisor, which does not know what is below the new one.
            before.replace();
        }
        if !Arc::ptr_eq(&slot, &self.slot) {
            state::follows(self.slot.recorded(), slot.recorded());
            self.slot.continue_after(slot.status().generation);
            match slot.control() {
                Some(_) => self.set(|rare| &mut rare.outdated, Some(slot)),
                None => slot.close(ServiceState::Gone),
            }
        }
        (self.kind, self.drain, self.is_actor) = (kind, drain, is_actor);
        before
    }

    /// Lets the generations go on after those of the older description, whose life may have come up since the new
    /// description was there.
    pub(crate) fn follow_outdated(&self) {
        if let Some(slot) = self.rare.as_ref().and_then(|rare| rare.outdated.as_ref()) {
            self.slot.continue_after(slot.status().generation);
        }
    }

    /// Closes the slot of the older description, when no life of it is left.
    pub(crate) fn close_outdated(&mut self) {
        self.follow_outdated();
        if let Some(slot) = self.rare.as_mut().and_then(|rare| rare.outdated.take()) {
            slot.close(ServiceState::Gone);
        }
    }

    /// Sets a field of the rare state.
    fn set<T>(&mut self, which: impl FnOnce(&mut Rare) -> &mut Option<T>, value: Option<T>) {
        if value.is_some() || self.rare.is_some() {
            *which(self.rare.get_or_insert_default()) = value;
        }
    }

    /// The child on which its last life gave up, and why.
    pub(crate) fn gave_up(&self) -> Option<&Arc<GaveUp>> {
        self.rare.as_ref()?.gave_up.as_ref()
    }

    pub(crate) fn set_gave_up(&mut self, gave_up: Option<Arc<GaveUp>>) {
        self.set(|rare| &mut rare.gave_up, gave_up);
    }

    /// The reason why its policy ended it for good, while it is down for that.
    pub(crate) fn given_up(&self) -> Option<&Arc<GaveUp>> {
        self.rare.as_ref()?.given_up.as_ref()
    }

    pub(crate) fn set_given_up(&mut self, given_up: Option<Arc<GaveUp>>) {
        self.set(|rare| &mut rare.given_up, given_up);
    }

    /// The line that the factory gave about the present incarnation.
    pub(crate) fn info(&self) -> Option<&Arc<str>> {
        self.rare.as_ref()?.info.as_ref()
    }

    pub(crate) fn set_info(&mut self, info: Option<Arc<str>>) {
        self.set(|rare| &mut rare.info, info);
    }

    /// Whether its start waits in line, or has been let in.
    pub(crate) fn has_ticket(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.ticket.is_some())
    }

    pub(crate) fn set_ticket(&mut self, ticket: Option<Ticket>) {
        self.set(|rare| &mut rare.ticket, ticket);
    }

    pub(super) fn tally(&self) -> Option<Tally> {
        self.rare.as_ref()?.tally
    }

    pub(super) fn set_tally(&mut self, tally: Tally) {
        self.set(|rare| &mut rare.tally, Some(tally));
    }

    /// Number of messages handled before its present life; zero if none was noted.
    pub(crate) fn handled_before(&self) -> u64 {
        self.rare.as_ref().and_then(|rare| rare.handled_before).unwrap_or_default()
    }

    pub(crate) fn set_handled_before(&mut self, handled: u64) {
        self.set(|rare| &mut rare.handled_before, Some(handled));
    }

    /// The reason of its last restart by order, and its time.
    pub(crate) fn restarted(&self) -> Option<(Arc<str>, Duration)> {
        let restarted = self.rare.as_ref()?.restarted.as_ref()?;
        Some((restarted.reason.clone(), restarted.at))
    }

    /// Notes a restart by order.
    pub(crate) fn set_restarted(&mut self, reason: Arc<str>, at: Duration) {
        // Of orders that merge, some come when the old incarnation has ended.
        let is_first = self.asked_at.is_none() && !self.was_killed;
        let restarted = &mut self.rare.get_or_insert_default().restarted;
        let was_under_way = restarted.as_ref().is_some_and(|restarted| restarted.is_under_way);
        *restarted = Some(Restarted { reason, at, is_under_way: is_first || was_under_way });
    }

    /// The exit to report for an incarnation that ended as `exit` because of a restart by order: it has the reason.
    pub(crate) fn exit_of_restart(&mut self, exit: &Exit) -> Option<Exit> {
        let restarted = self.rare.as_mut()?.restarted.as_mut()?;
        let was_under_way = std::mem::take(&mut restarted.is_under_way);
        let is_by_order = was_under_way && matches!(exit, Exit::Shutdown);
        is_by_order.then(|| Exit::ShutdownWith(restarted.reason.clone()))
    }

    fn blame(&self) -> Option<&Exit> {
        self.rare.as_ref()?.blame.as_ref()
    }

    /// Notes the reason for which the present attempt is being killed.
    pub(crate) fn set_blame(&mut self, exit: Option<Exit>) {
        self.set(|rare| &mut rare.blame, exit);
    }

    /// The exit to report for an attempt that ended as `exit`: the reason for its kill, if there is one. See
    /// [`Signals::verdict`](crate::slot::signals::Signals::verdict). The reason is kept here because a supervisor has
    /// no signals, and an incarnation may have ended before it learned why it was to be killed.
    pub(crate) fn verdict(&self, exit: Exit) -> Exit {
        self.blame().cloned().unwrap_or(exit)
    }

    /// Replaces the exit by the noted reason, if there is one.
    pub(crate) fn amend(&self, exit: &mut Exit) {
        if let Some(blame) = self.blame() {
            *exit = blame.clone();
        }
    }

    /// Whether the supervisor wanted the present attempt to end, and to end like this. A kill counts as an order if it
    /// is the first step of a stop, but not if it is the last one.
    pub(crate) fn ends_as_ordered(&self, exit: &Exit) -> bool {
        match (self.asked_at.is_some(), self.was_killed) {
            (true, _) => !exit.is_abnormal(),
            (false, true) => self.blame().is_none() && matches!(exit, Exit::Killed),
            (false, false) => false,
        }
    }

    /// Fixes the messages that a draining incarnation still handles. Called before it is asked to stop. With
    /// `is_for_good` its mailbox refuses what comes after.
    pub(crate) fn begin_to_drain(&self, is_for_good: bool) {
        let Some(signals) = self.control.as_ref().and_then(Control::signals).filter(|_| self.drain) else { return };
        if is_for_good {
            self.slot.dismiss();
        }
        self.slot.life().begin_to_drain(signals);
    }

    /// Takes the cause of a start that is over, if the start was a restart. `had_a_life`: some incarnation had come up
    /// before.
    pub(crate) fn take_restart(&mut self, had_a_life: bool) -> Option<RestartCause> {
        match std::mem::replace(&mut self.before, Before::Rest) {
            Before::End(cause) => Some(cause),
            // Its supervisor was restarted, and the child with it.
            Before::Unknown if had_a_life => Some(RestartCause::TakenAlong),
            Before::Unknown | Before::Rest => None,
        }
    }

    /// Counts a start that failed, and returns the latest generation. `fell`: the time, if the child is not up for this
    /// failure.
    pub(crate) fn start_failed(&mut self, fell: Option<TreeTime>, now: TreeTime) -> u64 {
        let generation = self.generation();
        if let Some(cause) = self.take_restart(generation > 0) {
            self.slot.note_restart(cause, now);
        }
        self.slot.note_no_start(true);
        if let Some(now) = fell {
            self.slot.fell(true, now);
        }
        generation
    }

    /// Remembers how the present attempt ended.
    pub(crate) fn ended(&mut self, exit: Exit) {
        self.has_failed = exit.is_abnormal() && self.asked_at.is_none() && !self.ends_as_ordered(&exit);
        self.last_exit = Some(shared(exit));
    }

    /// The child as events are about it.
    pub(crate) fn about(&self, now: Duration) -> About<'_> {
        About { path: &self.path, slot: Some(&*self.slot), now }
    }

    /// Enters it among the children that are not up.
    pub(super) fn enter(&mut self, unwell: &Unwell) {
        if self.unwell.is_none() {
            self.unwell = unwell.enter(&self.path);
        }
    }

    /// Takes it out from among the children that are not up.
    pub(super) fn leave(&mut self, unwell: &Unwell) {
        if let Some(place) = self.unwell.take() {
            unwell.leave(place);
        }
    }

    /// Generation of the present incarnation, or of the latest one.
    pub(crate) fn generation(&self) -> u64 {
        // A new description may have brought another slot, and a life of the older one may have come up since.
        let outdated = self.rare.as_ref().and_then(|rare| rare.outdated.as_ref());
        outdated.unwrap_or(&self.slot).status().generation
    }
}
