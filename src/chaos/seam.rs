//! The one seam at which faults get into the runtime: what ails a service, and the places at which its incarnation looks.
//!
//! A service that nothing ails looks nowhere: an affliction is a signal on the port of its incarnation, beside stop and
//! kill, for which the pump looks anyway.
//!
//! Invariants:
//! 1. Whoever ails has the signal on the port of the incarnation that lives in its slot, and whoever does not has none:
//!    both change under the lock of what ails it, and an incarnation looks once more when it has moved in.
//! 2. Ails are taken away by the number under which they came: what heals one leaves the others.
//! 3. No lock is held across an await.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::Notify;

use crate::chaos::fault::{Fault, Times};
use crate::chaos::tally::Tally;
use crate::context::Inner;
use crate::redelivery::Redelivery;
use crate::slot::{AnySlot, Control};
use crate::sync::lock;

/// What is armed in a tree.
#[derive(Debug, Default)]
pub(crate) struct Infirmary {
    is_armed: AtomicBool,
    patients: Mutex<HashMap<Arc<str>, Arc<Patient>>>,
    tally: Mutex<Option<Arc<Tally>>>,
}

/// A service that something ails.
#[derive(Debug, Default)]
pub(crate) struct Patient {
    ails: Mutex<Vec<Ail>>,
    /// Rung at each change.
    bell: Notify,
}

#[derive(Debug, Clone)]
struct Ail {
    number: usize,
    fault: Fault,
    chance: Rng,
    /// Blocking code would stop a virtual clock.
    is_virtual: bool,
    /// Strikes that are left, where they are counted.
    left: u32,
}

/// What the message that is taken next will meet.
#[derive(Debug, Default)]
pub(crate) struct Suffering {
    pub(crate) strike: Option<Strike>,
    /// It is handed over twice.
    pub(crate) repeats: bool,
}

/// What happens in the handler.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Strike {
    Panic,
    Error,
    Hang,
    Block { time: Duration, is_virtual: bool },
    Slow(Duration),
}

impl Infirmary {
    /// `false` when another experiment is going on.
    pub(crate) fn arm(&self) -> bool {
        let is_first = !self.is_armed.swap(true, Ordering::AcqRel);
        if is_first {
            *lock(&self.tally) = Some(Arc::default());
        }
        is_first
    }

    /// Where calls are counted.
    pub(crate) fn tally(&self) -> Option<Arc<Tally>> {
        lock(&self.tally).clone()
    }

    /// Everybody is healed.
    pub(crate) fn heal_all(&self, find: impl Fn(&str) -> Option<Arc<dyn AnySlot>>) {
        let patients = std::mem::take(&mut *lock(&self.patients));
        for (path, patient) in patients {
            match find(&path) {
                Some(slot) => patient.change(&*slot, Vec::clear),
                None => lock(&patient.ails).clear(),
            }
        }
    }

    pub(crate) fn disarm(&self) {
        *lock(&self.tally) = None;
        self.is_armed.store(false, Ordering::Release);
    }

    pub(crate) fn patient(&self, path: &str) -> Option<Arc<Patient>> {
        lock(&self.patients).get(path).cloned()
    }

    /// Something ails `path` from now on (invariant 1).
    pub(crate) fn afflict(&self, slot: &dyn AnySlot, number: usize, fault: &Fault, seed: u64, is_virtual: bool) {
        let path = slot.path();
        let patient = lock(&self.patients).entry(path).or_default().clone();
        let left = match fault {
            Fault::StartPanic(Times::Count(count)) | Fault::StartError(Times::Count(count)) => *count,
            Fault::Panic | Fault::Error | Fault::Hang | Fault::Block(_) => 1,
            _ => u32::MAX,
        };
        let ail = Ail { number, fault: fault.clone(), chance: Rng::with_seed(seed), is_virtual, left };
        patient.change(slot, |ails| ails.push(ail));
    }

    /// Invariant 2.
    pub(crate) fn heal(&self, slot: &dyn AnySlot, number: usize) {
        if let Some(patient) = self.patient(&slot.path()) {
            patient.change(slot, |ails| ails.retain(|ail| ail.number != number));
        }
    }
}

impl Patient {
    /// What ails it is another matter from now on (invariant 1).
    fn change(&self, slot: &dyn AnySlot, change: impl FnOnce(&mut Vec<Ail>)) {
        let mut ails = lock(&self.ails);
        change(&mut ails);
        if let Some(Control::Port(port)) = slot.control() {
            port.set_afflicted(!ails.is_empty());
        }
        drop(ails);
        self.bell.notify_waiters();
    }

    /// The first ail of which `test` makes something. One whose strikes are used up is gone.
    fn strike<T>(&self, mut test: impl FnMut(&mut Ail) -> Option<T>) -> Option<T> {
        let mut ails = lock(&self.ails);
        let (at, struck) = ails.iter_mut().enumerate().find_map(|(at, ail)| Some((at, test(ail)?)))?;
        ails[at].left = ails[at].left.saturating_sub(1);
        if ails[at].left == 0 {
            ails.remove(at);
        }
        Some(struck)
    }

    fn is_held(&self) -> bool {
        lock(&self.ails).iter().any(|ail| ail.fault == Fault::Hold)
    }

    fn delay(&self) -> Duration {
        let ails = lock(&self.ails);
        ails.iter().filter_map(|ail| if let Fault::Delay(time) = ail.fault { Some(time) } else { None }).sum()
    }

    fn slowness(&self) -> Option<Strike> {
        let ails = lock(&self.ails);
        let slow = ails.iter().filter_map(|ail| if let Fault::Slow(time) = ail.fault { Some(time) } else { None });
        Some(slow.sum()).filter(|time: &Duration| !time.is_zero()).map(Strike::Slow)
    }

    /// Whether a share of the messages is meant, and this one is among it.
    fn draws(&self, share: impl Fn(&Fault) -> Option<f64>) -> bool {
        lock(&self.ails).iter_mut().any(|ail| share(&ail.fault).is_some_and(|share| ail.chance.f64() < share))
    }
}

impl Strike {
    /// In the place of the handler, or before it.
    pub(crate) async fn suffer<M: Send + 'static>(self, inner: &Inner<M>) -> anyhow::Result<()> {
        match self {
            // Without the hook: it is no news to anybody.
            Self::Panic => std::panic::resume_unwind(Box::new("a panic that chaos injected")),
            Self::Error => anyhow::bail!("an error that chaos injected"),
            Self::Hang => std::future::pending().await,
            Self::Slow(time) => tokio::time::sleep(time).await,
            Self::Block { time, is_virtual: false } => std::thread::sleep(time),
            Self::Block { time, is_virtual: true } => {
                inner.port.set_stubborn(true);
                tokio::time::sleep(time).await;
                inner.port.set_stubborn(false);
            }
        }
        Ok(())
    }
}

impl<M: Send + 'static> Inner<M> {
    fn patient(&self) -> Option<Arc<Patient>> {
        self.world.infirmary.patient(&self.slot.path())
    }

    /// Before the factory, when the incarnation has moved in (invariant 1).
    pub(crate) async fn suffer_start(&self) -> anyhow::Result<()> {
        if !self.world.infirmary.is_armed.load(Ordering::Acquire) {
            return Ok(());
        }
        self.slot.set_tallied(true);
        let Some(patient) = self.patient() else { return Ok(()) };
        patient.change(&*self.slot, |_| ());
        let slow = |ail: &mut Ail| if let Fault::SlowStart(time) = ail.fault { Some(time) } else { None };
        if let Some(time) = patient.strike(slow) {
            tokio::time::sleep(time).await;
        }
        let strike = patient.strike(|ail| match ail.fault {
            Fault::StartPanic(_) => Some((Strike::Panic, ail.is_virtual)),
            Fault::StartError(_) => Some((Strike::Error, ail.is_virtual)),
            _ => None,
        });
        let Some((strike, is_virtual)) = strike else { return Ok(()) };
        if is_virtual {
            // A real one takes some time too. Without any, starts that fail for ever would be tried for ever at one instant.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        strike.suffer(self).await
    }

    /// Before a message is taken: waits until there is one that may be taken, or until something else wants attention;
    /// then says what it will meet.
    pub(crate) async fn suffer_mail(&self) -> Suffering {
        let Some(patient) = self.patient() else { return Suffering::default() };
        let mut has_waited = false;
        loop {
            if !self.mail_may_be_taken(&patient).await {
                return Suffering::default();
            }
            let delay = patient.delay();
            if !has_waited && !delay.is_zero() {
                if self.until_wanted(tokio::time::sleep(delay)).await.is_none() {
                    return Suffering::default();
                }
                // It may have come to be held meanwhile.
                has_waited = true;
                continue;
            }
            if !patient.draws(|fault| if let Fault::Drop(share) = fault { Some(*share) } else { None }) {
                break;
            }
            self.slot.drop_first(&self.port);
            has_waited = false;
        }
        if patient.draws(|fault| if let Fault::Reorder(share) = fault { Some(*share) } else { None }) {
            self.slot.swap_first(&self.port);
        }
        let strike = patient.strike(|ail| match ail.fault {
            Fault::Panic => Some(Strike::Panic),
            Fault::Error => Some(Strike::Error),
            Fault::Hang => Some(Strike::Hang),
            Fault::Block(time) => Some(Strike::Block { time, is_virtual: ail.is_virtual }),
            _ => None,
        });
        Suffering {
            strike: strike.or_else(|| patient.slowness()),
            repeats: self.slot.may_repeat(&self.port)
                && patient.draws(|fault| if let Fault::Duplicate(share) = fault { Some(*share) } else { None }),
        }
    }

    /// Puts a copy of the message in hand in front. A copy that panics is none.
    pub(crate) fn repeat(&self, redelivery: &Redelivery<M>, message: &M) {
        if let Ok(copy) = crate::current::catch_within(|| (redelivery.copy)(message)) {
            self.slot.repeat(&self.port, copy);
        }
    }

    /// `false`: something else wants attention.
    async fn mail_may_be_taken(&self, patient: &Patient) -> bool {
        loop {
            let changed = patient.bell.notified();
            if patient.is_held() {
                if self.until_wanted(changed).await.is_none() {
                    return false;
                }
                continue;
            }
            // The port has the waker of the life: whoever sends, or signals, wakes it.
            // It may come to be held meanwhile.
            let found = std::future::poll_fn(|_| match patient.is_held() {
                true => Poll::Ready(None),
                false => self.slot.poll_mail(&self.port).map(Some),
            });
            if let Some(found) = found.await {
                return found;
            }
        }
    }

    /// Polls until it is done; `None` when something else wants attention first.
    async fn until_wanted<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| {
            if self.port.is_ordered() {
                return Poll::Ready(None);
            }
            future.as_mut().poll(cx).map(Some)
        })
        .await
    }

    /// Whether it is too ill to stop when asked to.
    pub(crate) fn refuses_to_stop(&self) -> bool {
        self.port.is_afflicted()
            && self
                .patient()
                .is_some_and(|patient| lock(&patient.ails).iter().any(|ail| ail.fault == Fault::RefuseStop))
    }
}
