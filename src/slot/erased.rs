//! A slot whose message type is not known: how the directory and the supervisors see it.

use std::any::Any;
use std::sync::Arc;

use regrow_supervisors::Completion;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::dead_letters::Refused;
use crate::event::Outage;
use crate::mailbox::Settings;
use crate::readiness::Counts;
use crate::slot::accounting::Accounting;
use crate::slot::bar::Bar;
use crate::slot::consumer::Ownership;
use crate::slot::queue::Fall;
use crate::slot::signals::Signals;
use crate::slot::status::{ServiceState, ServiceStatus};
use crate::slot::{Control, IfFull, Push, Slot};
use crate::sync::lock;
use crate::tree::shared::Shared;

/// A slot whose message type is not known: how the directory and the supervisors see it.
pub(crate) trait AnySlot: Send + Sync {
    fn path(&self) -> Arc<str>;
    fn set_path(&self, path: &Arc<str>) -> bool;
    fn set_shared(&self, shared: &Arc<Shared>);
    /// The tree that it is listed in, while that is there.
    fn shared(&self) -> Option<Arc<Shared>>;
    fn settings(&self) -> Settings;
    fn configure(&self, settings: Settings);
    fn message_type(&self) -> &'static str;
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    fn status(&self) -> ServiceStatus;
    fn watch(&self) -> watch::Receiver<ServiceStatus>;
    fn accounting(&self) -> Accounting;
    /// How many senders wait for room.
    fn waiting_for_room(&self) -> usize;
    /// The number of the message in hand, the same as long as it is the same message, and who has it.
    fn in_hand(&self) -> Option<(u64, Arc<Signals>)>;
    /// The number of the message that `signals` has in hand.
    fn in_hand_of(&self, signals: &Signals) -> Option<u64>;
    fn close(&self, state: ServiceState);
    /// Accepts nothing more until it is started again.
    fn dismiss(&self);
    /// Takes that back.
    fn take_back_dismissal(&self);
    /// Refuses what waits for it from below this supervisor, and ends calls from there that are queued, as never ran.
    /// `is_below` knows the numbers of the supervisors there.
    fn withdraw(&self, supervisor: &Arc<str>, is_below: &dyn Fn(usize) -> bool);
    /// Takes that back.
    fn readmit(&self);
    /// Takes a message of a dead letter, where there is room for it.
    fn replay(&self, message: Box<dyn Any + Send>) -> Result<(), (Refused, Box<dyn Any + Send>)>;
    /// Kills the present incarnation; `false` when there is none.
    fn kill(&self) -> bool;
    /// Whether code of one of these incarnations waits for the answer to a call that is queued or in hand here.
    fn owes_answer_to(&self, incarnations: &[Arc<Signals>]) -> bool;
    /// How the present incarnation is reached.
    fn control(&self) -> Option<Control>;
    /// The child has failed, and is not up; `a_start`: it was a start that failed.
    fn fell(&self, a_start: bool);
    /// The child is up; the outage that this ends.
    fn rose(&self) -> Option<Outage>;
    /// The tree runs again what it had put away.
    fn reopen(&self);
    /// It rested or was parked, and is to be started as soon as it can be: it takes messages again.
    fn wait(&self);
    /// The last life ended as it should.
    fn complete(&self, completion: Completion);
    /// Whether it did, and no attempt has begun since.
    fn completion(&self) -> Option<Completion>;
    /// Whether the tree is ready only if it is.
    fn counts(&self) -> Option<Counts>;
    /// Sets that; `true` if it is news.
    fn set_counts(&self, counts: Option<Counts>) -> bool;
    fn life(&self) -> &dyn Ownership;
    /// Whether its messages can be handed over twice.
    #[cfg(feature = "chaos")]
    fn can_repeat(&self) -> bool;
    /// Makes its mailbox full, or takes that back.
    #[cfg(feature = "chaos")]
    fn set_jammed(&self, is_jammed: bool);
    /// Has its calls counted, or no longer.
    #[cfg(feature = "chaos")]
    fn set_tallied(&self, is_tallied: bool);
}

impl<M: Send + 'static> AnySlot for Slot<M> {
    fn path(&self) -> Arc<str> {
        self.path()
    }

    fn set_path(&self, path: &Arc<str>) -> bool {
        self.path.set(path.clone()).is_ok()
    }

    fn set_shared(&self, shared: &Arc<Shared>) {
        // A slot that is listed again is so in the same tree.
        let _ = self.shared.set(Arc::downgrade(shared));
    }

    fn shared(&self) -> Option<Arc<Shared>> {
        self.shared()
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
        let mut watch = lock(&self.bells.get_or_init(Box::default).watch);
        // Looked at under the lock: one that goes after this finds the follower, and closes it.
        let status = self.status();
        if status.state == ServiceState::Gone {
            return watch::Sender::new(status).subscribe();
        }
        let receiver = watch.get_or_insert_with(|| watch::Sender::new(status)).subscribe();
        drop(watch);
        self.publish();
        receiver
    }

    fn accounting(&self) -> Accounting {
        let front = lock(&self.front);
        let back = lock(&self.back);
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

    fn waiting_for_room(&self) -> usize {
        self.waiting_for_room()
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
        // Only its supervisor sets bars, and that is what calls this.
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

    fn fell(&self, a_start: bool) {
        let mut back = lock(&self.back);
        let fall = back.losses().fall.get_or_insert_with(|| Fall { since: Instant::now(), starts_failed: 0 });
        fall.starts_failed = fall.starts_failed.saturating_add(u32::from(a_start));
    }

    fn rose(&self) -> Option<Outage> {
        let fall = lock(&self.back).losses.as_mut()?.fall.take()?;
        Some(Outage { time: fall.since.elapsed(), attempts: fall.starts_failed.saturating_add(1) })
    }

    fn reopen(&self) {
        {
            let mut back = lock(&self.back);
            back.bar = None;
            // A life of its supervisor begins, which knows nothing of the one before.
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

    fn complete(&self, completion: Completion) {
        lock(&self.back).completion = Some(completion);
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

    #[cfg(feature = "chaos")]
    fn set_jammed(&self, is_jammed: bool) {
        self.set_jammed(is_jammed);
    }

    #[cfg(feature = "chaos")]
    fn set_tallied(&self, is_tallied: bool) {
        self.is_tallied.store(is_tallied, std::sync::atomic::Ordering::Relaxed);
    }

    #[cfg(feature = "chaos")]
    fn can_repeat(&self) -> bool {
        self.can_repeat.load(std::sync::atomic::Ordering::Relaxed)
    }
}
