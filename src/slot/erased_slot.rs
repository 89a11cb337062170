//! The slot as the directory and the supervisors see it: without its type of messages.

use std::any::Any;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use regrow_supervisors::{Completion, ExitKind};
use tokio::sync::watch;

use crate::base::sync::lock;
use crate::base::time::TreeTime;
use crate::event::Outage;
use crate::slot::accounting::Accounting;
use crate::slot::bar::Bar;
use crate::slot::erased::{AnySlot, Control, Faulty, KillOutcome, Ownership, Refused, SlotTree, Standing};
use crate::slot::kept::KeptInfo;
use crate::slot::queue::{Back, Fall, Front};
use crate::slot::restarts::{RestartCause, Restarts};
use crate::slot::saves::Saves;
use crate::slot::settings::Settings;
use crate::slot::signals::Signals;
use crate::slot::status::{Counts, ServiceState, ServiceStatus};
use crate::slot::tally::Look;
use crate::slot::{IfFull, Push, Slot};

impl<M: Send + 'static> AnySlot for Slot<M> {
    fn path(&self) -> Arc<str> {
        self.path()
    }

    fn set_path(&self, path: &Arc<str>) -> bool {
        self.path.set(path.clone()).is_ok()
    }

    fn set_tree(&self, tree: Weak<dyn SlotTree>) {
        // A slot that is listed again is listed in the same tree.
        let _ = self.tree.set(tree);
    }

    fn tree(&self) -> Option<Arc<dyn SlotTree>> {
        self.tree()
    }

    fn settings(&self) -> Settings {
        lock(&self.back).settings()
    }

    fn configure(&self, settings: Settings) {
        self.configure(settings);
    }

    fn message_type(&self) -> &'static str {
        std::any::type_name::<M>()
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn status(&self) -> ServiceStatus {
        lock(&self.back).status()
    }

    fn watch(&self) -> watch::Receiver<ServiceStatus> {
        let mut watch = lock(&self.notifiers.get_or_init(Box::default).watch);
        // Read under the lock: a close that comes later finds this follower, and ends its watch.
        let status = self.status();
        if status.state == ServiceState::Gone {
            return watch::Sender::new(status).subscribe();
        }
        let receiver = watch.get_or_insert_with(|| watch::Sender::new(status)).subscribe();
        drop(watch);
        self.publish();
        receiver
    }

    fn recorded(&self) -> &AtomicU8 {
        &self.recorded
    }

    fn continue_after(&self, latest: u64) {
        {
            let mut back = lock(&self.back);
            let Some(skipped) = latest.checked_sub(back.generation).filter(|skipped| *skipped > 0) else { return };
            back.losses().generations_skipped += skipped;
            back.generation = latest;
            // The child has had a life.
            if back.state == ServiceState::Waiting {
                back.state = ServiceState::Restarting;
            }
        }
        self.publish();
    }

    fn accounting(&self) -> Accounting {
        let front = lock(&self.front);
        let back = lock(&self.back);
        Self::account(&front, &back)
    }

    fn note_end(&self, cause: ExitKind, fell: Option<TreeTime>) -> u64 {
        let mut back = lock(&self.back);
        back.note_exit(cause);
        if let Some(now) = fell {
            back.fell(false, now);
        }
        back.generation
    }

    fn note_restart(&self, cause: RestartCause, now: TreeTime) {
        self.note_restart(cause, now);
    }

    fn note_no_start(&self, is_failure: bool) {
        self.note_no_start(is_failure);
    }

    fn note_budget(&self, left: u32, restarts_max: u32, within: Duration) {
        self.note_budget(left, restarts_max, within);
    }

    fn note_gave_up(&self) {
        self.note_gave_up();
    }

    fn restarts(&self) -> Restarts {
        self.restarts()
    }

    fn look(&self) -> Look {
        self.look()
    }

    fn is_measured(&self) -> bool {
        self.is_measured.load(Ordering::Relaxed)
    }

    fn standing(&self) -> Standing {
        Standing::of(self.standing.load(Ordering::Relaxed))
    }

    fn set_standing(&self, standing: Standing) {
        self.standing.store(standing.number(), Ordering::Relaxed);
    }

    fn waiting_for_room(&self) -> usize {
        self.waiting_for_room()
    }

    fn kept_info(&self) -> Option<KeptInfo> {
        self.kept_info()
    }

    fn note_kept(&self, failed: u32, set_aside: bool) {
        self.note_kept(failed, set_aside);
    }

    fn watchers(&self) -> usize {
        self.watchers()
    }

    fn saves(&self) -> Option<Arc<Saves>> {
        lock(&self.back).losses.as_ref()?.saves.clone()
    }

    fn saves_or_new(&self) -> Arc<Saves> {
        lock(&self.back).losses().saves.get_or_insert_default().clone()
    }

    fn describe(&self, message: &dyn Any) -> Option<String> {
        self.describe_message(message)
    }

    fn described(&self) -> Option<Arc<str>> {
        self.description()
    }

    fn is_held(&self) -> bool {
        lock(&self.back).is_held()
    }

    fn in_hand(&self) -> Option<(u64, Arc<Signals>)> {
        let front = lock(&self.front);
        front.in_hand.as_ref()?;
        Some((front.number_in_hand(), front.owner.clone()?))
    }

    fn in_hand_of(&self, signals: &Signals) -> Option<u64> {
        let front = lock(&self.front);
        let is_owner = front.owner.as_deref().is_some_and(|owner| std::ptr::eq(owner, signals));
        (is_owner && front.in_hand.is_some()).then(|| front.number_in_hand())
    }

    fn close(&self, state: ServiceState) {
        self.close_as(state);
    }

    fn dismiss(&self) {
        self.set_bar(Some(Bar::Dismissed));
    }

    fn take_back_dismissal(&self) {
        let is_dismissed = matches!(lock(&self.back).bar, Some(Bar::Dismissed));
        // Only its supervisor sets bars, and only that supervisor calls this.
        if is_dismissed {
            self.set_bar(None);
        }
    }

    fn withdraw(&self, supervisor: &Arc<str>, is_below: &dyn Fn(usize) -> bool) {
        self.withdraw_from(supervisor, is_below);
    }

    fn readmit(&self) {
        self.set_bar(None);
    }

    fn replay(&self, message: Box<dyn Any + Send>) -> Result<(), (Refused, Box<dyn Any + Send>)> {
        match message.downcast::<M>() {
            Ok(message) => match self.push(*message, IfFull::Refuse) {
                Push::Accepted => Ok(()),
                Push::Refused(refusal, message, _) => Err((Refused::ByMailbox(refusal), Box::new(message))),
            },
            Err(message) => Err((Refused::OtherType { found: self.message_type() }, message)),
        }
    }

    fn kill(&self) -> bool {
        let control = lock(&self.back).control.clone();
        if let Some(control) = &control {
            control.kill_by_others();
        }
        control.is_some()
    }

    fn kill_generation(&self, generation: u64) -> KillOutcome {
        let control = {
            let back = lock(&self.back);
            let is_meant = match &back.control {
                Some(Control::Signals(signals)) => signals.origin().generation == generation,
                Some(Control::Supervisor(_)) => back.generation == generation && back.state == ServiceState::Up,
                None => false,
            };
            if !is_meant && back.generation != generation {
                return KillOutcome::Replaced { latest: back.generation };
            }
            back.control.clone().filter(|_| is_meant)
        };
        // The control is that of one incarnation: it does nothing if a later one has moved in since.
        match control {
            Some(control) => {
                control.kill_by_others();
                KillOutcome::Killed
            }
            None => KillOutcome::NotRunning,
        }
    }

    fn owes_answer_to(&self, incarnations: &[Arc<Signals>]) -> bool {
        let front = lock(&self.front);
        let back = lock(&self.back);
        let queued = front.batch.iter().chain(&back.queue).filter_map(|envelope| envelope.call.as_ref());
        let in_hand = front.in_hand.as_ref().and_then(|in_hand| in_hand.call.as_ref());
        queued.chain(in_hand).any(|call| incarnations.iter().any(|signals| call.is_awaited_by(signals)))
    }

    fn control(&self) -> Option<Control> {
        lock(&self.back).control.clone()
    }

    fn fell(&self, a_start: bool, now: TreeTime) {
        lock(&self.back).fell(a_start, now);
    }

    fn rose(&self, restart: Option<RestartCause>, now: TreeTime) -> (Option<Outage>, bool) {
        let mut back = lock(&self.back);
        if let Some(cause) = restart {
            back.note_restart(cause, now);
        }
        let is_ready = back.status().ready;
        let fall = back.losses.as_mut().and_then(|losses| losses.fall.take());
        drop(back);
        let outage = fall.map(|Fall { since, starts_failed }| Outage {
            time: now.at.saturating_sub(since),
            attempts: starts_failed.saturating_add(1),
        });
        (outage, is_ready)
    }

    fn reopen(&self) {
        {
            let mut back = lock(&self.back);
            back.bar = None;
            // The supervisor begins a new life, which knows nothing of the one before.
            if matches!(back.state, ServiceState::Down | ServiceState::Parked { .. } | ServiceState::Gone) {
                back.state = ServiceState::Restarting;
            }
        }
        self.publish();
    }

    fn wait(&self) {
        {
            let mut back = lock(&self.back);
            back.bar = None;
            if matches!(back.state, ServiceState::Down | ServiceState::Parked { .. }) {
                back.state = if back.generation == 0 { ServiceState::Waiting } else { ServiceState::Restarting };
            }
        }
        self.publish();
    }

    fn complete(&self, completion: Option<Completion>) {
        lock(&self.back).completion = completion;
        self.publish();
    }

    fn completion(&self) -> Option<Completion> {
        lock(&self.back).completion
    }

    fn counts(&self) -> Option<Counts> {
        lock(&self.back).counts
    }

    fn set_counts(&self, counts: Option<Counts>) -> bool {
        std::mem::replace(&mut lock(&self.back).counts, counts) != counts
    }

    fn life(&self) -> &dyn Ownership {
        self
    }

    fn faulty(&self) -> &dyn Faulty {
        self
    }
}

impl<M> Slot<M> {
    /// Returns the counters of the mailbox, of which both locks are held.
    pub(super) fn account(front: &Front<M>, back: &Back<M>) -> Accounting {
        let (returned, dead_lettered) = back.losses.as_ref().map_or((0, 0), |it| (it.returned, it.dead_lettered));
        Accounting {
            accepted: back.accepted,
            handled: front.handled,
            crashed: front.crashed,
            returned,
            dead_lettered,
            queued: (front.batch.len() + back.queue.len()) as u64,
            in_hand: u64::from(front.in_hand.is_some()),
            attempts: back.attempts,
            redelivered: front.redelivered,
        }
    }
}
