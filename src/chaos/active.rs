//! The faults that are active in a tree, and the incarnations that they belong to.
//!
//! A service without faults costs nothing: the core calls the hooks of messages and stops only while a signal of the
//! incarnation is set. It is a signal beside stop and kill, and the pump looks at those anyway.
//!
//! Invariants:
//! 1. The present incarnation of a service has the signal if and only if the service has active faults of messages and
//!    stops. Both change under the lock of the fault set, and an incarnation looks at its faults again when it has moved
//!    in. Faults of saves need no signal: each save looks for them while an experiment runs.
//! 2. A fault is cleared by its number, and others stay. An incarnation that waits because of it goes on at once.
//! 3. No lock is held across an await.
//! 4. A strike is reported before it takes effect, so that the end that follows can be put down to it.

use std::any::Any;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::{Notify, mpsc};

use crate::base::sync::lock;
use crate::call::outcomes::Outcomes;
use crate::chaos::fault::{Fault, Times};
use crate::slot::erased::{AnySlot, Control};
use crate::tree::shared::Shared;
use crate::tree::statements::Statement;

/// The faults of an experiment, by service, and the channels of that experiment.
#[derive(Debug, Default)]
pub(crate) struct ActiveFaults {
    pub(super) is_armed: AtomicBool,
    /// Counts experiments, so that supervisors notice a new one.
    pub(super) experiments: AtomicU64,
    /// Sorted, so that what is done to all of them is done in the same order each time.
    pub(super) services: Mutex<BTreeMap<Arc<str>, Arc<FaultSet>>>,
    pub(super) outcomes: Mutex<Option<Arc<Outcomes>>>,
    told: Mutex<Option<mpsc::UnboundedSender<FaultEvent>>>,
    pub(super) said: Mutex<Option<mpsc::UnboundedSender<Statement>>>,
}

/// Reports of incarnations about their faults, for the experiment.
#[derive(Debug)]
pub(crate) enum FaultEvent {
    /// A start begins.
    Starting { path: Arc<str> },
    /// A fault takes effect on an incarnation, which may end because of it. `is_last`: the fault cannot strike again.
    Strikes { number: usize, path: Arc<str>, generation: Option<u64>, is_last: bool },
    /// The incarnation has survived the strike.
    Passes { number: usize, path: Arc<str> },
}

/// The active faults of one service.
#[derive(Debug, Default)]
pub(crate) struct FaultSet {
    faults: Mutex<Vec<ActiveFault>>,
    is_cleared: AtomicBool,
    /// The fault that failed the latest save, and the generation that made it, which may end because of that.
    failed_save: Mutex<Option<(usize, u64)>>,
    /// Notified at each change.
    pub(super) changed: Notify,
}

#[derive(Debug, Clone)]
pub(super) struct ActiveFault {
    pub(super) number: usize,
    pub(super) fault: Fault,
    chance: Rng,
    /// In virtual time, where blocking code would stop the clock.
    pub(super) is_virtual: bool,
    /// Strikes that are left, if they are counted.
    left: u32,
}

/// A strike of a fault.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strike {
    pub(super) number: usize,
    pub(super) is_last: bool,
    pub(super) is_virtual: bool,
}

impl ActiveFaults {
    /// Returns the faults of this tree, which its first experiment makes.
    pub(crate) fn of(shared: &Shared) -> Arc<Self> {
        let faults: Arc<dyn Any + Send + Sync> = shared.faults_or_new(|| Arc::<Self>::default()).clone();
        match faults.downcast() {
            Ok(faults) => faults,
            Err(_) => unreachable!("nothing but experiments injects faults"),
        }
    }

    /// Begins an experiment. `false` if another one is going on.
    pub(crate) fn arm(&self, told: mpsc::UnboundedSender<FaultEvent>, said: mpsc::UnboundedSender<Statement>) -> bool {
        let is_first = !self.is_armed.swap(true, Ordering::AcqRel);
        if is_first {
            *lock(&self.outcomes) = Some(Arc::default());
            *lock(&self.told) = Some(told);
            *lock(&self.said) = Some(said);
            self.experiments.fetch_add(1, Ordering::AcqRel);
        }
        is_first
    }

    pub(super) fn tell(&self, what: FaultEvent) {
        let told = lock(&self.told).clone();
        if let Some(told) = told {
            // The run may be over.
            let _ = told.send(what);
        }
    }

    /// Clears all faults of all services.
    pub(crate) fn clear_all(&self, find: impl Fn(&str) -> Option<Arc<dyn AnySlot>>) {
        let services = std::mem::take(&mut *lock(&self.services));
        for (path, set) in services {
            set.is_cleared.store(true, Ordering::Release);
            set.change(find(&path).as_deref(), Vec::clear);
        }
    }

    pub(crate) fn disarm(&self) {
        *lock(&self.outcomes) = None;
        *lock(&self.told) = None;
        *lock(&self.said) = None;
        self.is_armed.store(false, Ordering::Release);
    }

    pub(super) fn faults_of(&self, path: &str) -> Option<Arc<FaultSet>> {
        lock(&self.services).get(path).cloned()
    }

    /// Adds a fault to the service in this slot (invariant 1).
    pub(crate) fn inject(&self, slot: &dyn AnySlot, number: usize, fault: &Fault, seed: u64, is_virtual: bool) {
        let set = lock(&self.services).entry(slot.path()).or_default().clone();
        let left = match (fault.times(), fault) {
            (Some(Times::Count(count)), _) => count,
            (_, Fault::Panic | Fault::Error | Fault::Hang | Fault::Block(_)) => 1,
            (_, _) => u32::MAX,
        };
        let active = ActiveFault { number, fault: fault.clone(), chance: Rng::with_seed(seed), is_virtual, left };
        set.change(Some(slot), |faults| faults.push(active));
    }

    /// Clears the fault with this number (invariant 2). `slot` is the one that has the path now, if any.
    pub(crate) fn clear(&self, path: &str, slot: Option<&dyn AnySlot>, number: usize) {
        if let Some(set) = self.faults_of(path) {
            set.change(slot, |faults| faults.retain(|active| active.number != number));
        }
    }
}

impl FaultSet {
    /// Changes the faults and the signal of the present incarnation together (invariant 1).
    pub(super) fn change(&self, slot: Option<&dyn AnySlot>, change: impl FnOnce(&mut Vec<ActiveFault>)) {
        let mut faults = lock(&self.faults);
        change(&mut faults);
        if let Some(Control::Signals(signals)) = slot.and_then(AnySlot::control) {
            signals.set_afflicted(faults.iter().any(|active| !active.fault.is_of_saves()));
        }
        drop(faults);
        self.changed.notify_waiters();
    }

    /// Strikes with the first fault for which `test` returns a value. A fault is removed after its last strike.
    pub(super) fn strike<T>(&self, mut test: impl FnMut(&Fault) -> Option<T>) -> Option<(Strike, T)> {
        let mut faults = lock(&self.faults);
        let (at, struck) = faults.iter().enumerate().find_map(|(at, active)| Some((at, test(&active.fault)?)))?;
        let active = &mut faults[at];
        active.left = active.left.saturating_sub(1);
        let strike = Strike { number: active.number, is_last: active.left == 0, is_virtual: active.is_virtual };
        if strike.is_last {
            faults.remove(at);
        }
        Some((strike, struck))
    }

    /// Notes that this fault fails a save, and takes the fault that failed the one before, if the same incarnation made
    /// both: it has survived that one.
    pub(super) fn fails_save(&self, number: Option<usize>, generation: u64) -> Option<usize> {
        let failed = number.map(|number| (number, generation));
        let (before, of) = std::mem::replace(&mut *lock(&self.failed_save), failed)?;
        (of == generation).then_some(before)
    }

    pub(super) fn has(&self, test: impl Fn(&Fault) -> bool) -> bool {
        lock(&self.faults).iter().any(|active| test(&active.fault))
    }

    /// Adds up the times of all faults of one kind.
    pub(super) fn time_of(&self, time: impl Fn(&Fault) -> Option<Duration>) -> Duration {
        lock(&self.faults)
            .iter()
            .filter_map(|active| time(&active.fault))
            .fold(Duration::ZERO, Duration::saturating_add)
    }

    /// Returns the faults for which `test` returns a value, by number.
    pub(super) fn all<T>(&self, test: impl Fn(&Fault) -> Option<T>) -> Vec<(usize, T)> {
        lock(&self.faults).iter().filter_map(|active| Some((active.number, test(&active.fault)?))).collect()
    }

    /// Draws whether this message is among the share that a fault of this kind concerns.
    pub(super) fn draws(&self, share: impl Fn(&Fault) -> Option<f64>) -> bool {
        lock(&self.faults)
            .iter_mut()
            .any(|active| share(&active.fault).is_some_and(|share| active.chance.f64() < share))
    }

    pub(super) fn is_cleared(&self) -> bool {
        self.is_cleared.load(Ordering::Acquire)
    }

    /// Waits until the test fails, or all faults are cleared.
    pub(super) async fn until_not(&self, test: impl Fn() -> bool) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if !test() || self.is_cleared() {
                return;
            }
            changed.await;
        }
    }

    /// Waits for this time, but only while the test holds.
    pub(super) async fn pass(&self, time: Duration, test: impl Fn() -> bool) {
        tokio::select! {
            biased;
            () = self.until_not(test) => {}
            () = tokio::time::sleep(time) => {}
        }
    }
}
