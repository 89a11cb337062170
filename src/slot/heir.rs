//! The heir of a service: the value that its incarnations keep for the next one.
//!
//! Invariants:
//! 1. A value that was kept while a message was in hand waits beside that message. It is committed in the hold of the
//!    lock of the front in which the message is counted as handled, and dropped if the message is not.
//! 2. Only the incarnation that owns the slot changes what is kept, and none does when the service is gone.
//! 3. No value is dropped under a lock: a change hands out what it has replaced.
//! 4. Nothing is allocated here, and nothing is looked at, before an incarnation keeps a value.

use std::sync::Arc;

use regrow_supervisors::KeptNews;

use crate::base::sweep;
use crate::base::sync::lock;
use crate::slot::Slot;
use crate::slot::fact::Fact;
use crate::slot::in_hand::Beside;
use crate::slot::kept::{AnyValue, Change, Committed, Heir, KeptInfo};
use crate::slot::queue::{Front, InHand};
use crate::slot::signals::Signals;
use crate::slot::status::ServiceState;

impl<M> Front<M> {
    fn heir(&self) -> Option<&Heir> {
        self.rare.as_ref()?.heir.as_deref()
    }

    fn heir_mut(&mut self) -> Option<&mut Heir> {
        self.rare.as_mut()?.heir.as_deref_mut()
    }

    fn heir_or_new(&mut self) -> &mut Heir {
        self.rare.get_or_insert_default().heir.get_or_insert_default()
    }

    /// Takes the change of the present incarnation that belongs to no message.
    pub(super) fn take_waiting(&mut self) -> Option<Change> {
        self.heir_mut()?.waiting.take()
    }

    /// Takes everything that is kept, because the service is gone.
    pub(super) fn take_heir(&mut self) -> Option<Box<Heir>> {
        self.rare.as_mut()?.heir.take()
    }

    /// Makes a change. A change that waits is older, and is dropped with what is replaced.
    fn make(&mut self, change: Change, generation: u64) -> Change {
        let heir = self.heir_or_new();
        let older = match heir.waiting.take() {
            Some(Change::Keep(kept)) => Some(kept),
            Some(Change::Forget | Change::Made(_)) | None => None,
        };
        let committed = match change {
            Change::Keep(kept) => Some(Committed { kept, generation, lives: 0, failed: 0, is_set_aside: false }),
            Change::Forget => None,
            Change::Made(_) => return change,
        };
        let replaced = std::mem::replace(&mut heir.committed, committed);
        Change::Made([replaced.map(|replaced| replaced.kept), older])
    }
}

impl<M: Send + 'static> Slot<M> {
    /// Makes the change beside a message that is being counted as handled (invariant 1). The lock of the front is held.
    #[cold]
    pub(super) fn make_change(&self, front: &mut Front<M>, done: &mut InHand<M>) {
        let Some(Beside { change: beside @ Some(_), .. }) = done.spare.as_deref_mut() else { return };
        if let Some(change) = beside.take()
            && let Some(generation) = front.owner.as_ref().map(|owner| owner.origin().generation)
        {
            *beside = Some(self.made(front, change, generation));
        }
    }

    /// Makes a change, unless the service is gone (invariant 2).
    fn made(&self, front: &mut Front<M>, change: Change, generation: u64) -> Change {
        if lock(&self.back).state != ServiceState::Gone {
            return front.make(change, generation);
        }
        match change {
            Change::Keep(kept) => Change::Made([Some(kept), None]),
            Change::Forget | Change::Made(_) => change,
        }
    }

    /// Drops what a change leaves, and tells the supervisor of the first change that this life has made.
    pub(super) fn settle_change(&self, signals: &Signals, change: Change) {
        let is_made = matches!(change, Change::Made(_));
        self.drop_change(Some(change));
        if is_made && signals.set_kept_anew() {
            signals.tell(Fact::Kept { attempt: signals.attempt(), news: KeptNews::Replaced });
        }
    }

    pub(super) fn drop_change(&self, change: Option<Change>) {
        let values = match change {
            Some(Change::Keep(kept)) => [Some(kept), None],
            Some(Change::Made(values)) => values,
            Some(Change::Forget) | None => return,
        };
        for kept in values.into_iter().flatten() {
            sweep::drop_quietly(kept.value, &self.path(), "a kept value");
        }
    }

    /// Changes what is kept when the message in hand is handled. Without one, the change is made at once, or when the
    /// incarnation is up, or after its stop hook. An incarnation that is over or was fenced changes nothing.
    pub(crate) fn keep(&self, signals: &Arc<Signals>, change: Change) {
        let mut made = None;
        let unused = {
            let mut front = lock(&self.front);
            if !front.is_owned_by(signals) {
                Some(change)
            } else if let Some(in_hand) = &mut front.in_hand {
                let beside = in_hand.spare.get_or_insert_default();
                beside.change.replace(change)
            } else {
                // Set before UP is read. The incarnation sets UP before it reads this mark, so one of the two sees the other.
                signals.set_keeps_later();
                if signals.is_between_messages() {
                    made = Some(self.made(&mut front, change, signals.origin().generation));
                    None
                } else {
                    front.heir_or_new().waiting.replace(change)
                }
            }
        };
        self.drop_change(unused);
        if let Some(made) = made {
            self.settle_change(signals, made);
        }
    }

    /// Makes a change at once, whatever becomes of the message in hand. Returns it if the incarnation is over or fenced.
    pub(crate) fn keep_now(&self, signals: &Arc<Signals>, change: Change) -> Option<Change> {
        let (made, older) = {
            let mut front = lock(&self.front);
            if signals.is_over() || !front.is_owned_by(signals) || lock(&self.back).state == ServiceState::Gone {
                return Some(change);
            }
            let older = front.in_hand.as_mut().and_then(|in_hand| in_hand.spare.as_mut()?.change.take());
            (front.make(change, signals.origin().generation), older)
        };
        self.drop_change(older);
        self.settle_change(signals, made);
        None
    }

    /// Makes the change that belongs to no message: the incarnation is up, or its stop hook has succeeded.
    pub(crate) fn make_waiting(&self, signals: &Arc<Signals>) {
        let made = {
            let mut front = lock(&self.front);
            if !front.is_owned_by(signals) {
                return;
            }
            let Some(change) = front.take_waiting() else { return };
            self.made(&mut front, change, signals.origin().generation)
        };
        self.settle_change(signals, made);
    }

    /// Returns the value that is kept, and the name of its type. `set_aside`: the one that was set aside.
    pub(crate) fn kept(&self, signals: &Arc<Signals>, set_aside: bool) -> Option<(AnyValue, &'static str)> {
        let (value, failed) = {
            let mut front = lock(&self.front);
            let is_own = front.is_owned_by(signals);
            let committed = front.heir_mut()?.committed.as_mut()?;
            if committed.is_set_aside != set_aside {
                return None;
            }
            // A life that has kept a value of its own meanwhile did not begin with this one.
            let begins = is_own && !set_aside && signals.set_began_with_kept();
            committed.lives = committed.lives.saturating_add(u32::from(begins));
            ((committed.kept.value.clone(), committed.kept.type_name), begins.then_some(committed.failed))
        };
        if let Some(failed) = failed {
            signals.tell(Fact::Kept { attempt: signals.attempt(), news: KeptNews::BeganWith { failed } });
        }
        Some(value)
    }

    pub(crate) fn kept_info(&self) -> Option<KeptInfo> {
        let front = lock(&self.front);
        let Committed { kept, generation, lives, failed, is_set_aside } = front.heir()?.committed.as_ref()?;
        let (type_name, bytes, age) = (kept.type_name, kept.bytes, kept.since.elapsed());
        let (generation, lives, failed, is_set_aside) = (*generation, *lives, *failed, *is_set_aside);
        Some(KeptInfo { type_name, bytes, age, generation, lives, failed, is_set_aside })
    }

    /// Records how many lives in a row that began with the kept value have failed. A value that no life began with is a
    /// newer one.
    pub(crate) fn note_kept(&self, failed: u32, set_aside: bool) {
        let mut front = lock(&self.front);
        if let Some(committed) = front.heir_mut().and_then(|heir| heir.committed.as_mut()).filter(|it| it.lives > 0) {
            (committed.failed, committed.is_set_aside) = (failed, committed.is_set_aside | set_aside);
        }
    }

    /// Drops what a service that is gone has kept.
    pub(super) fn drop_heir(&self, heir: Option<Box<Heir>>) {
        if let Some(Heir { committed, waiting }) = heir.map(|heir| *heir) {
            self.drop_change(waiting);
            self.drop_change(committed.map(|committed| Change::Keep(committed.kept)));
        }
    }
}
