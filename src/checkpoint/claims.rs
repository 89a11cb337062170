//! The claims that services of this process hold on a store, by key: they tell a service by what it was superseded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use crate::base::sync::lock;
use crate::checkpoint::turns::Turns;
use crate::slot::erased::AnySlot;
use crate::slot::signals::Signals;

/// Claims on one store. Only the newest of each key is here, while it is held.
#[derive(Clone, Default)]
pub(super) struct Claims {
    held: Arc<Mutex<BTreeMap<Arc<str>, Holder>>>,
    /// Turns for claims, which stores work on one after the other.
    pub(super) turns: Turns,
}

/// Incarnation that holds a claim.
#[derive(Clone)]
pub(super) struct Holder {
    pub(super) epoch: u64,
    pub(super) path: Arc<str>,
    pub(super) generation: u64,
    slot: Weak<dyn AnySlot>,
    signals: Weak<Signals>,
}

impl Holder {
    pub(super) fn new(epoch: u64, slot: &Arc<dyn AnySlot>, signals: &Arc<Signals>) -> Self {
        let (path, generation) = (slot.path(), signals.origin().generation);
        Self { epoch, path, generation, slot: Arc::downgrade(slot), signals: Arc::downgrade(signals) }
    }

    /// Whether the incarnation may still want to save.
    fn lives(&self) -> bool {
        self.signals.upgrade().is_some_and(|signals| !signals.is_over())
    }

    pub(super) fn is_of(&self, slot: &Arc<dyn AnySlot>) -> bool {
        std::ptr::addr_eq(self.slot.as_ptr(), Arc::as_ptr(slot))
    }
}

impl Claims {
    /// Enters a claim, unless a newer one is here already: claims may come here in another order than to the store. Returns
    /// the claim that it supersedes, if its incarnation lives.
    pub(super) fn enter(&self, key: &Arc<str>, holder: Holder) -> Option<Holder> {
        let before = {
            let mut claims = lock(&self.held);
            if claims.get(key).is_some_and(|newest| newest.epoch > holder.epoch) {
                return None;
            }
            claims.insert(key.clone(), holder)
        };
        before.filter(Holder::lives)
    }

    /// Removes a claim, unless a newer one has replaced it.
    pub(super) fn leave(&self, key: &str, epoch: u64) {
        let mut claims = lock(&self.held);
        if claims.get(key).is_some_and(|holder| holder.epoch == epoch) {
            claims.remove(key);
        }
    }

    /// Returns the newest claim of a key.
    pub(super) fn newest(&self, key: &str) -> Option<Holder> {
        lock(&self.held).get(key).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::Slot;
    use crate::slot::settings::Settings;
    use crate::slot::tests::signals;

    // Found by reading: on two threads, the older claim of two services came here last. It was taken for the newest, and the
    // error of its save named no service.
    #[test]
    fn the_newest_claim_stays_if_an_older_one_comes_late() {
        let (claims, key) = (Claims::default(), Arc::<str>::from("a"));
        let slot = Slot::<()>::new(Settings::default());
        let signals = signals(&slot);
        let slot: Arc<dyn AnySlot> = slot;
        assert!(claims.enter(&key, Holder::new(6, &slot, &signals)).is_none());
        assert!(claims.enter(&key, Holder::new(5, &slot, &signals)).is_none(), "it supersedes nothing");
        claims.leave(&key, 5);
        assert_eq!(claims.newest(&key).map(|newest| newest.epoch), Some(6));
        assert_eq!(claims.enter(&key, Holder::new(7, &slot, &signals)).map(|before| before.epoch), Some(6));
    }
}
