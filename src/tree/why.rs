//! The reasons for a child's present state: one plain paragraph, and the same as data.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::{self as machine, BudgetLeft, ChildState, Exit, ExitKind, FailuresSeen, RuleAction};

use crate::error::gave_up::GaveUp;
use crate::handle::Handle;
use crate::slot::NoMessages;
use crate::slot::activity::Activity;
use crate::slot::erased::AnySlot;
use crate::slot::kept::KeptInfo;
use crate::slot::room::LONG;
use crate::slot::saves::SaveFigures;
use crate::slot::status::{ServiceState, ServiceStatus};
use crate::tree::lookup::LookupError;
use crate::tree::paths::path_of;
use crate::tree::shared::Shared;

/// The reasons for a child's present state, the budget that is left, and what comes next. When displayed it is a
/// paragraph. With `{:#}` it is one line: the state, what the child waits for, and its last exit.
///
/// ```
/// use regrow::testing::{Journal, ProbeMsg, until};
/// use regrow::{Backoff, Policy, Supervisor};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
/// let slow = Policy::default().backoff(Backoff::new(Duration::from_secs(60)));
/// let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a").policy(slow)).start().await?;
///
/// let a = tree.lookup::<ProbeMsg>("app/a")?;
/// a.cast(ProbeMsg::Fail("disk full"))?;
/// # let mut events = tree.events();
/// # regrow::testing::until_event(&mut events, |event| matches!(event.kind, regrow::EventKind::Delayed { .. })).await;
/// let why = a.why().await.to_string();
/// assert!(why.starts_with("`app/a` is started again in"), "{why}");
/// assert!(why.contains("failed: disk full"));
/// # tree.shutdown().await; Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Why {
    /// Its full path.
    pub path: Arc<str>,
    /// Its status, as its callers see it.
    pub status: ServiceStatus,
    /// Its state, as its supervisor sees it; `None` for a root, and if the supervisor does not run.
    pub standing: Option<ChildState>,
    /// The last exit that its supervisor did not order; `None` if there was none under its present supervisor.
    pub exit: Option<Exit>,
    /// Time since that exit.
    pub ago: Option<Duration>,
    /// More about that exit: a start that failed, a life that was never ready.
    pub phase: Option<ExitKind>,
    /// The rule that fired: its place in the list, from 0, and its action.
    pub rule: Option<(usize, RuleAction)>,
    /// Number of restarts since its delays last began with the first.
    pub steps: u32,
    /// The budget that its next restart is charged to, with what is left of it; `None` without a limit.
    pub budget: Option<BudgetLeft>,
    /// Time until its next start, if one is set.
    pub next_try: Option<Duration>,
    /// The mailbox in which it waits for room, and the time it has waited, if that is longer than a second.
    pub waits_for_room: Option<(Arc<str>, Duration)>,
    /// The service that its code awaits an answer from, and the time it has waited, if that is known. Only a tree in
    /// which a child has a [watchdog](crate::Policy::watchdog) notes the begin of a wait.
    ///
    /// Without a watchdog, a call that is kept and not awaited may look like a wait. An answer that was put off or
    /// handed on is not seen.
    pub waits_for_answer: Option<(Arc<str>, Option<Duration>)>,
    /// Whether its incarnation has a message in hand.
    pub is_at_work: bool,
    /// Time for which its incarnation has had its message in hand. Only known for a service with a
    /// [watchdog](crate::Policy::watchdog), and for one that is [measured](crate::ServiceChild::measured).
    pub in_hand_for: Option<Duration>,
    /// Number of messages that wait in its mailbox.
    pub queued: usize,
    /// Capacity of its mailbox in messages; `None` without a limit, and for a child without a mailbox.
    pub capacity: Option<usize>,
    /// Number of senders that wait for room in its mailbox.
    pub senders_waiting: usize,
    /// The value that it [keeps](crate::Context::keep) for its next incarnation.
    pub kept: Option<KeptInfo>,
    /// Number of [monitors](crate::Context::monitor) that report its ends.
    pub monitors: usize,
    /// Whether its mailbox is held: messages wait in it while partitions that had its keys [hand them
    /// over](crate::Partitions::resize).
    pub is_held: bool,
    /// Services that it waits for before its start. A leading slash marks a full path.
    pub waits_for: Vec<Arc<str>>,
    /// Services that it depends on and that are gone for good. Its next start has to do without them.
    pub lost: Vec<Arc<str>>,
    /// Failures among its messages, within the window of its policy, as of the latest one. Of a parked child: those for
    /// which it is parked. See [`Policy::failure_rate`](field@crate::Policy::failure_rate).
    pub failures: Option<FailuresSeen>,
    /// Figures of its saves, if it has a checkpoint.
    pub saves: Option<SaveFigures>,
    /// The service with which it was restarted last, because that was ready again in a new life, and the time since then.
    /// See [`Dependency::restart`](crate::Dependency::restart).
    pub renewed: Option<(Arc<str>, Duration)>,
    /// Whether it is down because an order terminated it.
    pub was_terminated: bool,
    /// The reason of the order that [parked](crate::Handle::park) it, while it is parked for that.
    pub parked_by_order: Option<Arc<str>>,
    /// Whether it is parked, or on probation after that.
    pub is_half_open: bool,
    /// Whether it is parked because the value that it kept was set aside, or on probation after that. See
    /// [`KeptThen::Park`](crate::KeptThen::Park).
    pub is_parked_for_kept: bool,
    /// Time that a life has to be ready for its delays to begin with the first again.
    pub reset_after: Option<Duration>,
    /// The reason of its last restart by [order](crate::Handle::restart) under its present supervisor, and the time
    /// since.
    pub restarted: Option<(Arc<str>, Duration)>,
    /// The supervisor, if it does not run. It has to be started first, or has ended with the tree.
    pub supervisor: Option<Arc<str>>,
    /// The child on which this supervisor gave up at its last end, and why. `None` for other children and other ends.
    pub gave_up: Option<Arc<GaveUp>>,
    /// The reason why its supervisor gave up on this child. The supervisor does not run, or it goes on and the child is
    /// down for good ([`GiveUp::Stop`](crate::GiveUp::Stop)).
    pub given_up: Option<Arc<GaveUp>>,
}

/// The reasons for the state of a child, as its supervisor knows them.
pub(crate) struct Grounds {
    pub(crate) reasons: machine::Reasons,
    /// For a supervisor that gave up: the child on which it did.
    pub(crate) gave_up: Option<Arc<GaveUp>>,
    /// The reason of its last restart by order, and the time since.
    pub(crate) restarted: Option<(Arc<str>, Duration)>,
    /// The time at which all this holds.
    pub(crate) now: Duration,
}

impl Why {
    /// A child of which only the status is known.
    pub(crate) fn unknown(path: Arc<str>, status: ServiceStatus) -> Self {
        Self {
            path,
            status,
            standing: None,
            exit: None,
            ago: None,
            phase: None,
            rule: None,
            steps: 0,
            budget: None,
            next_try: None,
            waits_for_room: None,
            waits_for_answer: None,
            is_at_work: false,
            in_hand_for: None,
            queued: 0,
            capacity: None,
            senders_waiting: 0,
            kept: None,
            monitors: 0,
            is_held: false,
            waits_for: Vec::new(),
            lost: Vec::new(),
            failures: None,
            saves: None,
            renewed: None,
            was_terminated: false,
            parked_by_order: None,
            is_half_open: false,
            is_parked_for_kept: false,
            reset_after: None,
            restarted: None,
            supervisor: None,
            gave_up: None,
            given_up: None,
        }
    }

    fn known(path: Arc<str>, status: ServiceStatus, why: machine::Reasons, now: Duration) -> Self {
        Self {
            standing: Some(why.standing),
            exit: why.exit,
            ago: why.ended_at.map(|at| now.saturating_sub(at)),
            phase: why.phase,
            rule: why.rule,
            steps: why.steps,
            budget: why.budget,
            next_try: why.next_try.map(|at| at.saturating_sub(now)),
            waits_for: why.waits_for,
            lost: why.lost,
            failures: why.failures,
            renewed: why.renewed.map(|(name, at)| (name, now.saturating_sub(at))),
            was_terminated: why.was_terminated,
            parked_by_order: why.parked_by_order,
            is_half_open: why.is_half_open,
            is_parked_for_kept: why.is_parked_for_kept,
            reset_after: why.reset_after,
            ..Self::unknown(path, status)
        }
    }
}

impl Shared {
    pub(crate) async fn why(self: &Arc<Self>, path: &str) -> Result<Why, LookupError> {
        let not_found = || LookupError::not_found(&self.directory, path);
        let slot = self.directory.get(path).ok_or_else(not_found)?.slot;
        let known = self.settled_why(path, &*slot).await?;
        let capacity = Some(slot.settings().capacity).filter(|capacity| *capacity != usize::MAX);
        Ok(Why {
            waits_for_room: room_wait(&*slot),
            waits_for_answer: self.answer_wait(&*slot),
            is_at_work: slot.in_hand().is_some(),
            in_hand_for: self.in_hand_for(path, &*slot),
            queued: usize::try_from(slot.accounting().queued).unwrap_or(usize::MAX),
            capacity,
            senders_waiting: slot.waiting_for_room(),
            kept: slot.kept_info(),
            monitors: slot.watchers(),
            is_held: slot.is_held(),
            saves: slot.saves().map(|saves| saves.figures()),
            ..known
        })
    }

    /// The time for which the present incarnation has had its message in hand, if that is noted.
    fn in_hand_for(&self, path: &str, slot: &dyn AnySlot) -> Option<Duration> {
        if slot.is_measured() {
            return slot.look().running;
        }
        let (message, incarnation) = slot.in_hand().filter(|_| self.watchdog.is_on())?;
        self.watchdog.in_hand_for(path, &incarnation, message)
    }

    /// The answer of the supervisor, with a status of the same time. A life may end or begin while the supervisor is asked.
    /// It is asked again then, but not for ever.
    async fn settled_why(self: &Arc<Self>, path: &str, slot: &dyn AnySlot) -> Result<Why, LookupError> {
        for _ in 0..2 {
            let status = slot.status();
            let why = self.why_by_its_supervisor(path, status).await?;
            if slot.status() == status {
                return Ok(why);
            }
        }
        self.why_by_its_supervisor(path, slot.status()).await
    }

    /// The service that the present incarnation awaits an answer from. The watchdog knows it. Without a watchdog, every
    /// mailbox is asked whether it holds a call of that incarnation.
    fn answer_wait(&self, slot: &dyn AnySlot) -> Option<(Arc<str>, Option<Duration>)> {
        let incarnation = slot.life().owner()?;
        // An incarnation with nothing to do waits for nothing, even if it keeps a call.
        let has_work =
            slot.in_hand().is_some() || !incarnation.is_up() || slot.message_type() == type_name::<NoMessages>();
        if !has_work {
            return None;
        }
        if let Some((peer, since)) = incarnation.activity().and_then(Activity::waits_for_answer) {
            return Some((peer, Some(since.elapsed())));
        }
        if self.watchdog.is_on() {
            return None;
        }
        let incarnation = [incarnation];
        self.directory.slots().iter().find(|slot| slot.owes_answer_to(&incarnation)).map(|slot| (slot.path(), None))
    }

    async fn why_by_its_supervisor(self: &Arc<Self>, path: &str, status: ServiceStatus) -> Result<Why, LookupError> {
        let not_found = || LookupError::not_found(&self.directory, path);
        let Some((scope, name)) = path.rsplit_once('/') else {
            return Ok(Why { gave_up: self.ending.root_gave_up(), ..Why::unknown(path.into(), status) });
        };
        let supervisor = self.supervisor_of(scope).ok_or_else(not_found)?;
        Ok(match supervisor.why_child(name).await {
            Ok(Some(Grounds { reasons, gave_up, restarted, now })) => {
                let given_up = reasons.given_up.map(|reason| {
                    let (supervisor, child, exit) =
                        (scope.into(), path.into(), reasons.exit.clone().unwrap_or(Exit::Shutdown));
                    Arc::new(GaveUp { supervisor, child, exit, reason, ends_tree: false, cause: gave_up.clone() })
                });
                Why { gave_up, given_up, restarted, ..Why::known(path.into(), status, reasons, now) }
            }
            Ok(None) => Why::unknown(path.into(), status),
            Err(_) => {
                let chain = self.last_give_up_above(scope).await;
                let (gave_up, given_up) =
                    (chain.as_ref().and_then(|chain| chain.by(path)), chain.as_ref().and_then(|chain| chain.on(path)));
                Why { supervisor: Some(scope.into()), gave_up, given_up, ..Why::unknown(path.into(), status) }
            }
        })
    }

    /// The give-up of the supervisor `scope`, which does not run. The nearest running supervisor above knows it, or the
    /// end of the root does.
    async fn last_give_up_above(self: &Arc<Self>, scope: &str) -> Option<Arc<GaveUp>> {
        let mut below = scope;
        while let Some((above, name)) = below.rsplit_once('/') {
            if let Ok(known) = self.supervisor_of(above)?.why_child(name).await {
                return known.and_then(|known| known.gave_up);
            }
            below = above;
        }
        self.ending.root_gave_up()
    }
}

/// The longest wait for room of the present incarnation.
fn room_wait(slot: &dyn AnySlot) -> Option<(Arc<str>, Duration)> {
    let incarnation = slot.life().owner()?;
    let oldest = incarnation.room_waits().into_iter().next()?;
    Some((oldest.slot.path(), oldest.since.elapsed())).filter(|(_, waited)| *waited > LONG)
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ", self.path)?;
        self.say_where(f)?;
        if f.alternate() {
            return self.exit.as_ref().map_or(Ok(()), |exit| write!(f, " Last end: {exit}."));
        }
        self.say_what_led_here(f)?;
        self.say_who_gave_up(f)?;
        if let Some((name, ago)) = &self.renewed {
            let name = self.list(std::slice::from_ref(name));
            write!(f, " It was restarted {ago:.1?} ago, because {name} was ready again in a new life.")?;
        }
        self.say_what_is_kept(f)?;
        self.say_what_is_left(f)
    }
}

impl Why {
    /// The full paths of services in [`waits_for`](Self::waits_for) and [`lost`](Self::lost).
    pub(crate) fn paths_of<'a>(&'a self, names: &'a [Arc<str>]) -> impl Iterator<Item = Arc<str>> + 'a {
        let scope = self.path.rsplit_once('/').map_or("", |(scope, _)| scope);
        names.iter().map(move |name| path_of(scope, name))
    }

    fn say_where(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ServiceStatus { state, generation, ready } = self.status;
        if let Some(supervisor) = &self.supervisor {
            // A gone child is still listed only while the tree ends.
            if state == ServiceState::Gone {
                return write!(f, "is {state}: its supervisor `{supervisor}` has ended with the tree.");
            }
            return write!(f, "is {state}: its supervisor `{supervisor}` does not run, and has to be started first.");
        }
        if let Some(reason) = &self.parked_by_order {
            write!(f, "is parked by order: {reason}. Only an order brings it back: revive it.")?;
            return self.say_what_it_waits_for(f);
        }
        match (self.standing, self.next_try) {
            (Some(ChildState::Retrying), Some(next)) => write!(f, "is started again in {next:.1?}."),
            (Some(ChildState::Retrying), None) => f.write_str("is started again as soon as its turn comes."),
            (Some(ChildState::Parked), Some(next)) => write!(f, "is parked, and tried again in {next:.1?}."),
            (Some(ChildState::Parked), None) if !self.waits_for.is_empty() => {
                f.write_str("is parked with a service that it depends on: revive that one.")
            }
            (Some(ChildState::Parked), None) => f.write_str("is parked."),
            (Some(ChildState::Waiting), _) => f.write_str("is not started."),
            (Some(ChildState::Starting), _) => f.write_str("is being started."),
            (Some(ChildState::Stopping), _) => f.write_str("has been asked to stop."),
            (Some(ChildState::Up), _) if !ready && state == ServiceState::Up => {
                write!(f, "is up in generation {generation}, but has not said that it is ready.")
            }
            (Some(ChildState::Up), _) => write!(f, "is up in generation {generation}."),
            (Some(ChildState::Down), _) if state == ServiceState::Restarting => {
                f.write_str("is stopped, and is started again together with its group.")
            }
            (Some(ChildState::Down), _) if self.given_up.is_some() => {
                f.write_str("is down for good: only an order brings it back.")
            }
            (Some(ChildState::Down), _) if self.was_terminated => {
                f.write_str("is down: an order stopped it, and only an order or a restart of its group brings it back.")
            }
            (Some(ChildState::Down), _) => {
                f.write_str("is down: only an order or a restart of its group brings it back.")
            }
            (None, _) => write!(f, "is {state}, generation {generation}."),
        }?;
        self.say_what_it_waits_for(f)
    }

    fn say_what_it_waits_for(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.waits_for.is_empty() {
            write!(f, " It waits for {}.", self.list(&self.waits_for))?;
        }
        match &self.waits_for_answer {
            Some((peer, Some(waited))) => write!(f, " It has waited {waited:.1?} for an answer of `{peer}`.")?,
            Some((peer, None)) => write!(f, " It waits for an answer of `{peer}`.")?,
            None => {}
        }
        if let Some((peer, waited)) = &self.waits_for_room {
            write!(f, " It has waited {waited:.1?} for room in the mailbox of `{peer}`.")?;
        }
        if self.is_held {
            f.write_str(" It takes no message yet: partitions that had its keys are handing them over.")?;
        }
        self.say_what_is_in_hand(f)?;
        self.say_how_full(f)?;
        self.say_what_is_saved(f)?;
        match self.lost.len() {
            0 => Ok(()),
            1 => write!(f, " {} is gone: only an order brings it back.", self.list(&self.lost)),
            _ => write!(f, " {} are gone: only an order brings them back.", self.list(&self.lost)),
        }
    }

    /// The full paths of these services, which the supervisor knows by their names.
    fn list(&self, names: &[Arc<str>]) -> String {
        let quoted: Vec<_> = self.paths_of(names).map(|path| format!("`{path}`")).collect();
        quoted.join(" and ")
    }

    fn say_what_is_saved(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(saves) = &self.saves else { return Ok(()) };
        // The text of a failed save is long, and most often that of the exit, which is told in any case.
        let is_told = |failure: &Arc<str>| self.exit.as_ref().is_some_and(|exit| exit.to_string().contains(&**failure));
        if saves.failure.as_ref().is_some_and(is_told) {
            let saves = SaveFigures { failure: None, ..saves.clone() };
            return write!(f, " Its state was {saves}; the last save failed, as its last end says.");
        }
        write!(f, " Its state was {saves}.")
    }

    fn say_what_is_in_hand(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.in_hand_for {
            Some(time) if time > LONG => write!(f, " It has had a message in hand for {time:.1?}."),
            // Without a time, only the messages behind it make it worth a word.
            None if self.is_at_work && self.is_crowded() => f.write_str(" It has a message in hand."),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether three quarters of its mailbox are used.
    fn is_crowded(&self) -> bool {
        self.capacity.is_some_and(|capacity| self.queued > 0 && self.queued >= capacity - capacity / 4)
    }

    fn say_how_full(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.queued, self.capacity) {
            (0, _) => return Ok(()),
            (queued, Some(capacity)) if queued >= capacity => {
                write!(f, " Its mailbox is full: {queued} of {capacity} messages wait in it")?;
            }
            (queued, Some(capacity)) => write!(f, " {queued} of {capacity} messages wait in its mailbox")?,
            (queued, None) => write!(f, " {queued} messages wait in its mailbox")?,
        }
        match self.senders_waiting {
            0 => f.write_str("."),
            1 => f.write_str(", and a sender waits for room."),
            senders => write!(f, ", and {senders} senders wait for room."),
        }
    }

    fn say_what_led_here(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((reason, ago)) = &self.restarted {
            write!(f, " An order restarted it {ago:.1?} ago: {reason}.")?;
        }
        let was_ended = self.was_terminated || self.parked_by_order.is_some();
        let Some(exit) = &self.exit else {
            // A message that takes long and a mailbox that is nearly full are wrong enough.
            let is_late = self.is_crowded() || self.in_hand_for.is_some_and(|time| time > LONG);
            return match self.standing {
                Some(_) if !was_ended && !is_late => f.write_str(self.say_nothing_is_wrong()),
                Some(_) | None => Ok(()),
            };
        };
        let was_restarted_since = matches!((&self.restarted, self.ago), (Some((_, since)), Some(ago)) if *since < ago);
        let what = match self.phase {
            _ if was_ended || was_restarted_since => "Before that, a life of it ended",
            Some(ExitKind::StartFailed) => "Its last start failed",
            Some(ExitKind::NotReady) => "Its last life ended before it was ready",
            // An order may have ended lives since, such as a park before a revival.
            Some(_) | None if self.status.state == ServiceState::Up => "It last ended without an order",
            Some(_) | None => "Its last life ended",
        };
        write!(f, " {what} {:.1?} ago: {exit}.", self.ago.unwrap_or_default())?;
        match self.rule {
            Some((place, then)) => write!(f, " Rule {} fired: {}.", place + 1, then.word()),
            None => Ok(()),
        }
    }

    /// The sentence of a child that has not failed. Only ends under its present supervisor are known.
    fn say_nothing_is_wrong(&self) -> &'static str {
        let ServiceStatus { state, generation, .. } = self.status;
        let lives_before = generation.saturating_sub(u64::from(state == ServiceState::Up));
        match (lives_before, &self.restarted) {
            (0, _) | (1, Some(_)) => " Nothing has gone wrong with it yet.",
            _ => " Nothing has gone wrong with it since its supervisor was started last.",
        }
    }

    fn say_who_gave_up(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(gave_up) = &self.gave_up {
            write!(f, " It {gave_up}.")?;
        }
        if let Some(given_up) = self.given_up.as_ref().filter(|_| self.standing.is_some()) {
            // The exit was told.
            write!(f, " Its supervisor does not start it again: {}.", given_up.reason_text())?;
        } else if let Some(given_up) = &self.given_up {
            write!(f, " That supervisor gave up on it: ")?;
            given_up.say_why(f)?;
            f.write_str(".")?;
        }
        Ok(())
    }

    fn say_what_is_kept(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(kept) = &self.kept else { return Ok(()) };
        match kept.failed {
            _ if kept.is_set_aside => {
                write!(f, " It begins without {kept}: too many lives that began with it failed")?;
                let is_parked = self.is_parked_for_kept && self.standing == Some(ChildState::Parked);
                f.write_str(if is_parked { ", and its policy parks it for that." } else { "." })
            }
            0 => write!(f, " For its next life it has {kept}."),
            1 => write!(f, " For its next life it has {kept}, with which its last life failed."),
            failed => write!(f, " For its next life it has {kept}, with which {failed} lives in a row have failed."),
        }
    }

    fn say_what_is_left(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.standing.is_none() || self.given_up.is_some() {
            return Ok(());
        }
        let is_parked = self.standing == Some(ChildState::Parked);
        if let Some(failures) = self.failures {
            let more = if is_parked { ", which is more than its policy allows" } else { "" };
            write!(f, " Of its latest messages, {failures}{more}.")?;
        }
        // A child that is parked for a service that it depends on has its budget.
        let by_budget = self.is_half_open
            && self.parked_by_order.is_none()
            && self.failures.is_none()
            && !matches!(self.rule, Some((_, RuleAction::Park)))
            && !self.is_parked_for_kept;
        match self.budget {
            // Its restarts are charged only when a life has lasted, so what is left of the budget says nothing.
            Some(BudgetLeft { restarts_max, within, is_own, .. }) if is_parked && by_budget => {
                let whose = if is_own { "Its own budget" } else { "The budget that it shares with its siblings" };
                let restarts = if restarts_max == 1 { "restart" } else { "restarts" };
                write!(f, " {whose} of {restarts_max} {restarts} in {within:?} was used up.")?;
            }
            _ if self.is_half_open => {}
            Some(BudgetLeft { left, restarts_max, within, is_own }) => {
                let whose = if is_own { "its own budget" } else { "the budget that it shares with its siblings" };
                write!(f, " Of {whose}, {left} of {restarts_max} restarts in {within:?} are left.")?;
            }
            None => f.write_str(" Its restarts are not limited.")?,
        }
        if self.is_half_open && !is_parked {
            f.write_str(" It is on probation: if it fails again, it is parked for longer, whatever its budget.")?;
        }
        match self.reset_after {
            Some(time) if self.steps > 0 || self.is_half_open => {
                write!(f, " When a life has been ready for {time:?}, its delays begin with the first again.")
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl<M: Send + 'static> Handle<M> {
    /// Tells why the service is in its present state: in words when it is displayed, and as data. The supervisor is
    /// asked, and the service is not.
    pub async fn why(&self) -> Why {
        let path = self.path();
        let shared = Shared::of(self.slot());
        let known = match &shared {
            Some(shared) => shared.why(&path).await.ok(),
            None => None,
        };
        known.unwrap_or_else(|| Why::unknown(path, self.status()))
    }
}
