//! What an incarnation suffers that something ails: at its start, before it takes a message, in its handler, when it is to
//! stop.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::base::panics;
use crate::chaos::active::{FaultEvent, FaultSet, Strike};
use crate::chaos::fault::Fault;
use crate::context::Inner;
use crate::incarnation::redelivery::Redelivery;
use crate::slot::AnySlot;

const MS: Duration = Duration::from_millis(1);

impl<M: Send + 'static> Inner<M> {
    fn patient(&self) -> Option<Arc<FaultSet>> {
        self.shared().active_faults.patient(&self.slot.path())
    }

    /// Invariant 4 of the seam.
    fn tell(&self, blow: Strike, generation: Option<u64>) {
        let Strike { number, is_last, .. } = blow;
        self.shared().active_faults.tell(FaultEvent::Strikes { number, path: self.slot.path(), generation, is_last });
    }

    /// Before the factory, when the incarnation has moved in (invariant 1 of the seam).
    pub(crate) async fn before_start(&self) -> anyhow::Result<()> {
        self.slot.set_tallied(true);
        self.shared().active_faults.tell(FaultEvent::Starting { path: self.slot.path() });
        let Some(patient) = self.patient() else { return Ok(()) };
        patient.change(Some(&*self.slot), |_| ());
        let slowness = || patient.time_of(|fault| if let Fault::SlowStart(time) = fault { Some(*time) } else { None });
        patient.pass(slowness(), || !slowness().is_zero()).await;
        let strikes = |fault: &Fault| match fault {
            Fault::StartPanic(_) => Some(true),
            Fault::StartError(_) => Some(false),
            _ => None,
        };
        let Some((blow, panics)) = patient.strike(strikes) else { return Ok(()) };
        self.tell(blow, None);
        if blow.is_virtual {
            // A real one takes some time too. Without any, starts that fail for ever would be tried for ever at one instant.
            tokio::time::sleep(MS).await;
        }
        if panics { panic() } else { anyhow::bail!("an error that chaos injected") }
    }

    /// Before a message is taken: waits until there is one that may be taken, or until something else wants attention.
    /// Whether that message is to be handed over twice.
    pub(crate) async fn before_take(&self) -> bool {
        let Some(patient) = self.patient() else { return false };
        let mut has_waited = false;
        loop {
            if !self.mail_may_be_taken(&patient).await {
                return false;
            }
            let delay = || patient.time_of(|fault| if let Fault::Delay(time) = fault { Some(*time) } else { None });
            if !has_waited && !delay().is_zero() {
                if self.until_wanted(patient.pass(delay(), || !delay().is_zero())).await.is_none() {
                    return false;
                }
                // It may have come to be held meanwhile.
                has_waited = true;
                continue;
            }
            if !patient.draws(|fault| if let Fault::Drop(share) = fault { Some(*share) } else { None }) {
                break;
            }
            self.slot.drop_first(&self.signals);
            has_waited = false;
        }
        if patient.draws(|fault| if let Fault::Reorder(share) = fault { Some(*share) } else { None }) {
            self.slot.swap_first(&self.signals);
        }
        self.slot.may_repeat(&self.signals)
            && patient.draws(|fault| if let Fault::Duplicate(share) = fault { Some(*share) } else { None })
    }

    /// With a message in hand, before the handler gets it.
    pub(crate) async fn before_handle(&self, message: M) -> anyhow::Result<M> {
        let Some(patient) = self.patient() else { return Ok(message) };
        let strikes = |fault: &Fault| match fault {
            Fault::Panic | Fault::Error | Fault::Hang | Fault::Block(_) => Some(fault.clone()),
            _ => None,
        };
        if let Some((blow, fault)) = patient.strike(strikes) {
            self.tell(blow, Some(self.generation()));
            match fault {
                Fault::Panic => panic(),
                Fault::Error => anyhow::bail!("an error that chaos injected"),
                Fault::Block(time) => self.block(&patient, time, blow.is_virtual).await,
                // Until it is killed, or everybody is healed.
                _ => patient.until_not(|| true).await,
            }
            self.shared().active_faults.tell(FaultEvent::Passes { number: blow.number, path: self.slot.path() });
            // It may be well again (invariant 1 of the seam).
            patient.change(Some(&*self.slot), |_| ());
        }
        let slowness = || patient.time_of(|fault| if let Fault::Slow(time) = fault { Some(*time) } else { None });
        patient.pass(slowness(), || !slowness().is_zero()).await;
        Ok(message)
    }

    async fn block(&self, patient: &FaultSet, time: Duration, is_virtual: bool) {
        if is_virtual {
            self.signals.set_ignores_kill(true);
            patient.pass(time, || true).await;
            self.signals.set_ignores_kill(false);
            return;
        }
        let begun = std::time::Instant::now();
        while begun.elapsed() < time && !patient.is_discharged() {
            std::thread::sleep(Duration::from_millis(10).min(time.saturating_sub(begun.elapsed())));
        }
    }

    /// When it may stop, who refuses to.
    pub(crate) async fn before_stop(&self) {
        if let Some(patient) = self.patient() {
            patient.until_not(|| patient.has(|fault| *fault == Fault::RefuseStop)).await;
        }
    }

    /// Puts a copy of the message in hand in front. A copy that panics is none.
    pub(crate) fn repeat(&self, redelivery: &Redelivery<M>, message: &M) {
        if let Ok(copy) = panics::catch_within(|| (redelivery.copy)(message)) {
            self.slot.repeat(&self.signals, copy);
        }
    }

    /// `false`: something else wants attention.
    async fn mail_may_be_taken(&self, patient: &FaultSet) -> bool {
        let is_held = || patient.has(|fault| *fault == Fault::Hold);
        loop {
            if is_held() {
                if self.until_wanted(patient.until_not(is_held)).await.is_none() {
                    return false;
                }
                continue;
            }
            // The port has the waker of the life: whoever sends, or signals, wakes it.
            // It may come to be held meanwhile.
            let found = std::future::poll_fn(|_| match is_held() {
                true => Poll::Ready(None),
                false => self.slot.poll_mail(&self.signals).map(Some),
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
            if self.signals.is_ordered() {
                return Poll::Ready(None);
            }
            future.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

/// Without the hook: it is no news to anybody.
fn panic() -> ! {
    std::panic::resume_unwind(Box::new("a panic that chaos injected"))
}
