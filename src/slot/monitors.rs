//! The monitors of a slot: each gets a report of the end of each incarnation that was up. A slot without monitors has no
//! list of them.
//!
//! Invariants:
//! 1. The reports are made without a lock, after the incarnation and all that it owned are gone, and before the next one
//!    can begin. An incarnation that was abandoned is the exception: it may still run.
//! 2. The list of a slot keeps no monitor alive. The incarnation that made one does, and ends it.

use std::sync::{Arc, Mutex, Weak};

use regrow_supervisors::Exit;

use crate::base::sync::lock;
use crate::base::thrift;
use crate::call::fate::Fate;
use crate::slot::Slot;
use crate::slot::in_hand::Leave;
use crate::slot::queue::Envelope;
use crate::slot::signals::Signals;

/// Receiver of the ends of a peer.
pub(crate) trait Watches: Send + Sync {
    /// An incarnation of the peer has ended.
    fn ended(self: Arc<Self>, path: &Arc<str>, generation: u64, exit: &Exit);
    /// The peer is gone.
    fn gone(&self);
}

/// Monitors of one slot.
#[derive(Default)]
pub(crate) struct Watchers(Mutex<Vec<Weak<dyn Watches>>>);

impl Watchers {
    fn living(&self) -> Vec<Arc<dyn Watches>> {
        let mut list = lock(&self.0);
        // Nothing of the user is dropped here: a monitor that is gone has left only its memory.
        list.retain(|one| one.strong_count() > 0);
        list.iter().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn gone(&self) {
        self.living().iter().for_each(|one| one.gone());
    }

    /// Tells the monitors of the end of this incarnation.
    #[cold]
    pub(super) fn tell(&self, path: Arc<str>, signals: &Signals, exit: &Exit, way: Leave) {
        let watchers = self.living();
        if watchers.is_empty() || !signals.is_up() {
            return;
        }
        let (generation, exit) = (signals.origin().generation, exit.clone());
        let tell = move || {
            for one in watchers {
                one.ended(&path, generation, &exit);
            }
        };
        match (way, tokio::runtime::Handle::try_current()) {
            // A supervisor runs this, and code of the user must not hold it up.
            (Leave::CutOff, Ok(runtime)) => drop(runtime.spawn(async move { tell() })),
            (Leave::CutOff, Err(_)) | (Leave::Ended, _) => tell(),
        }
    }
}

impl<M: Send + 'static> Slot<M> {
    /// Adds a monitor. It is told of each end from now on.
    pub(crate) fn watch_ends(&self, watcher: &Arc<dyn Watches>) {
        let watchers = self.notifiers.get_or_init(Box::default).watchers.get_or_init(Watchers::default);
        thrift::remember(&mut lock(&watchers.0), Arc::downgrade(watcher));
    }

    /// Number of monitors that are told of its ends.
    pub(crate) fn watchers(&self) -> usize {
        let watchers = self.notifiers.get().and_then(|notifiers| notifiers.watchers.get());
        watchers.map_or(0, |watchers| lock(&watchers.0).iter().filter(|one| one.strong_count() > 0).count())
    }

    /// Puts the report of a monitor into the mailbox, also if there is no room. The message comes back if the service
    /// takes none.
    pub(crate) fn push_report(&self, message: M, fate: Arc<dyn Fate>) -> Result<(), M> {
        let signals = {
            let mut back = lock(&self.back);
            if back.refusal(false).is_some() {
                return Err(message);
            }
            let in_front = back.front_max;
            back.accept_with_time(Envelope { message, call: Some(fate) }, in_front)
        };
        if let Some(signals) = signals {
            signals.wake();
        }
        Ok(())
    }
}
