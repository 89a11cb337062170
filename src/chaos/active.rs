//! The one seam at which faults get into the runtime: what ails a service, and the places at which its incarnation
//! looks.
//!
//! A service that nothing ails looks nowhere: an affliction is a signal on the port of its incarnation, beside stop and
//! kill, for which the pump looks anyway.
//!
//! Invariants:
//! 1. Whoever ails has the signal on the port of the incarnation that lives in its slot, and whoever does not has none:
//!    both change under the lock of what ails it, and an incarnation looks once more when it has moved in.
//! 2. Ails are taken away by the number under which they came: what heals one leaves the others. Whoever suffers from
//!    what is taken away goes on at once.
//! 3. No lock is held across an await.
//! 4. What strikes is told before it strikes, so that the end that follows can be put down to it.

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

/// What is armed in a tree.
#[derive(Debug, Default)]
pub(crate) struct ActiveFaults {
    is_armed: AtomicBool,
    /// Counts experiments, so that supervisors notice a new one.
    experiments: AtomicU64,
    /// In order: what is done to all of them is done in the same order each time.
    patients: Mutex<BTreeMap<Arc<str>, Arc<FaultSet>>>,
    outcomes: Mutex<Option<Arc<Outcomes>>>,
    told: Mutex<Option<mpsc::UnboundedSender<FaultEvent>>>,
    said: Mutex<Option<mpsc::UnboundedSender<Statement>>>,
}

/// What the experiment is told of by those who suffer.
#[derive(Debug)]
pub(crate) enum FaultEvent {
    /// A start begins.
    Starting { path: Arc<str> },
    /// A fault takes effect on an incarnation, which may end of it; for the last time, or not.
    Strikes { number: usize, path: Arc<str>, generation: Option<u64>, is_last: bool },
    /// The incarnation has survived that.
    Passes { number: usize, path: Arc<str> },
}

/// A service that something ails.
#[derive(Debug, Default)]
pub(crate) struct FaultSet {
    ails: Mutex<Vec<ActiveFault>>,
    is_discharged: AtomicBool,
    /// Rung at each change.
    pub(super) bell: Notify,
}

#[derive(Debug, Clone)]
pub(super) struct ActiveFault {
    pub(super) number: usize,
    pub(super) fault: Fault,
    chance: Rng,
    /// Blocking code would stop a virtual clock.
    pub(super) is_virtual: bool,
    /// Strikes that are left, where they are counted.
    left: u32,
}

/// One strike of a fault.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strike {
    pub(super) number: usize,
    pub(super) is_last: bool,
    pub(super) is_virtual: bool,
}

impl ActiveFaults {
    /// The faults of this tree, made by its first experiment.
    pub(crate) fn of(shared: &Shared) -> Arc<Self> {
        let faults: Arc<dyn Any + Send + Sync> = shared.faults_or_new(|| Arc::<Self>::default()).clone();
        match faults.downcast() {
            Ok(faults) => faults,
            Err(_) => unreachable!("nothing but experiments injects faults"),
        }
    }

    /// `false` when another experiment is going on.
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

    /// The number of the experiment that is going on; zero for none.
    pub(super) fn experiment(&self) -> u64 {
        if self.is_armed() { self.experiments.load(Ordering::Acquire) } else { 0 }
    }

    pub(crate) fn is_armed(&self) -> bool {
        self.is_armed.load(Ordering::Acquire)
    }

    /// Where calls are counted.
    pub(crate) fn outcomes_of_calls(&self) -> Option<Arc<Outcomes>> {
        lock(&self.outcomes).clone()
    }

    pub(super) fn tell(&self, what: FaultEvent) {
        let told = lock(&self.told).clone();
        if let Some(told) = told {
            // The run may be over.
            let _ = told.send(what);
        }
    }

    /// Says something to the judge.
    pub(super) fn say_to_judge(&self, what: Statement) {
        let said = lock(&self.said).clone();
        if let Some(said) = said {
            // The run may be over.
            let _ = said.send(what);
        }
    }

    /// Everybody is healed.
    pub(crate) fn heal_all(&self, find: impl Fn(&str) -> Option<Arc<dyn AnySlot>>) {
        let patients = std::mem::take(&mut *lock(&self.patients));
        for (path, patient) in patients {
            patient.is_discharged.store(true, Ordering::Release);
            patient.change(find(&path).as_deref(), Vec::clear);
        }
    }

    /// Number of services that are remembered because a fault holds them, or did.
    pub(crate) fn patients(&self) -> usize {
        lock(&self.patients).len()
    }

    pub(crate) fn disarm(&self) {
        *lock(&self.outcomes) = None;
        *lock(&self.told) = None;
        *lock(&self.said) = None;
        self.is_armed.store(false, Ordering::Release);
    }

    pub(super) fn patient(&self, path: &str) -> Option<Arc<FaultSet>> {
        lock(&self.patients).get(path).cloned()
    }

    /// Something ails `path` from now on (invariant 1).
    pub(crate) fn afflict(&self, slot: &dyn AnySlot, number: usize, fault: &Fault, seed: u64, is_virtual: bool) {
        let patient = lock(&self.patients).entry(slot.path()).or_default().clone();
        let left = match fault {
            Fault::StartPanic(Times::Count(count)) | Fault::StartError(Times::Count(count)) => *count,
            Fault::Panic | Fault::Error | Fault::Hang | Fault::Block(_) => 1,
            _ => u32::MAX,
        };
        let ail = ActiveFault { number, fault: fault.clone(), chance: Rng::with_seed(seed), is_virtual, left };
        patient.change(Some(slot), |ails| ails.push(ail));
    }

    /// Invariant 2. Whoever has the path by now, if anybody.
    pub(crate) fn clear(&self, path: &str, slot: Option<&dyn AnySlot>, number: usize) {
        if let Some(patient) = self.patient(path) {
            patient.change(slot, |ails| ails.retain(|ail| ail.number != number));
        }
    }
}

impl FaultSet {
    /// What ails it is another matter from now on (invariant 1).
    pub(super) fn change(&self, slot: Option<&dyn AnySlot>, change: impl FnOnce(&mut Vec<ActiveFault>)) {
        let mut ails = lock(&self.ails);
        change(&mut ails);
        if let Some(Control::Signals(signals)) = slot.and_then(AnySlot::control) {
            signals.set_afflicted(!ails.is_empty());
        }
        drop(ails);
        self.bell.notify_waiters();
    }

    /// The first ail of which `test` makes something. One whose strikes are used up is gone.
    pub(super) fn strike<T>(&self, mut test: impl FnMut(&Fault) -> Option<T>) -> Option<(Strike, T)> {
        let mut ails = lock(&self.ails);
        let (at, struck) = ails.iter().enumerate().find_map(|(at, ail)| Some((at, test(&ail.fault)?)))?;
        let ail = &mut ails[at];
        ail.left = ail.left.saturating_sub(1);
        let blow = Strike { number: ail.number, is_last: ail.left == 0, is_virtual: ail.is_virtual };
        if blow.is_last {
            ails.remove(at);
        }
        Some((blow, struck))
    }

    pub(super) fn has(&self, test: impl Fn(&Fault) -> bool) -> bool {
        lock(&self.ails).iter().any(|ail| test(&ail.fault))
    }

    /// All of the times that ails of one kind have.
    pub(super) fn time_of(&self, time: impl Fn(&Fault) -> Option<Duration>) -> Duration {
        lock(&self.ails).iter().filter_map(|ail| time(&ail.fault)).fold(Duration::ZERO, Duration::saturating_add)
    }

    /// Whether a share of the messages is meant, and this one is among it.
    pub(super) fn draws(&self, share: impl Fn(&Fault) -> Option<f64>) -> bool {
        lock(&self.ails).iter_mut().any(|ail| share(&ail.fault).is_some_and(|share| ail.chance.f64() < share))
    }

    pub(super) fn is_discharged(&self) -> bool {
        self.is_discharged.load(Ordering::Acquire)
    }

    /// When the test fails, at the latest when everybody is healed.
    pub(super) async fn until_not(&self, test: impl Fn() -> bool) {
        loop {
            let mut changed = pin!(self.bell.notified());
            changed.as_mut().enable();
            if !test() || self.is_discharged() {
                return;
            }
            changed.await;
        }
    }

    /// So long, but no longer than the test holds.
    pub(super) async fn pass(&self, time: Duration, test: impl Fn() -> bool) {
        tokio::select! {
            biased;
            () = self.until_not(test) => {}
            () = tokio::time::sleep(time) => {}
        }
    }
}
