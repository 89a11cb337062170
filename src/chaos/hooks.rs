//! The hooks of faults in an incarnation: at its start, before it takes a message, in its handler, before it saves, and
//! when it is asked to stop.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use crate::base::sync::lock;
use crate::call::outcomes::Outcomes;
use crate::chaos::active::{ActiveFaults, FaultEvent, FaultSet, Strike};
use crate::chaos::fault::Fault;
use crate::slot::erased::AnySlot;
use crate::slot::signals::Signals;
use crate::tree::inject::{Hook, Inject, SaveFault, Target};
use crate::tree::statements::Statement;

const MS: Duration = Duration::from_millis(1);

/// An incarnation with its faults.
struct Victim<'a> {
    faults: &'a ActiveFaults,
    set: Arc<FaultSet>,
    slot: Arc<dyn AnySlot>,
    signals: Arc<Signals>,
}

impl Inject for ActiveFaults {
    fn armed(&self) -> u64 {
        if self.is_armed.load(Ordering::Acquire) { self.experiments.load(Ordering::Acquire) } else { 0 }
    }

    /// Looks at the faults when the incarnation has moved in (invariant 1 of `active.rs`).
    fn before_start(&self, target: Target) -> Hook<'_, anyhow::Result<()>> {
        Box::pin(async move {
            target.slot.faulty().set_counted(true);
            self.tell(FaultEvent::Starting { path: target.slot.path() });
            match self.victim_at(target) {
                Some(victim) => victim.before_start().await,
                None => Ok(()),
            }
        })
    }

    fn before_take(&self, target: Target) -> Hook<'_, bool> {
        Box::pin(async move {
            match self.victim_at(target) {
                Some(victim) => victim.before_take().await,
                None => false,
            }
        })
    }

    fn before_handle(&self, target: Target) -> Hook<'_, anyhow::Result<()>> {
        Box::pin(async move {
            match self.victim_at(target) {
                Some(victim) => victim.before_handle().await,
                None => Ok(()),
            }
        })
    }

    fn before_stop(&self, target: Target) -> Hook<'_, ()> {
        Box::pin(async move {
            if let Some(Victim { set, .. }) = self.victim_at(target) {
                set.until_not(|| set.has(|fault| *fault == Fault::RefuseStop)).await;
            }
        })
    }

    fn before_save(&self, path: Arc<str>, generation: u64) -> Hook<'_, Option<SaveFault>> {
        Box::pin(async move {
            let set = self.faults_of(&path)?;
            self.delay_save(&set, &path, generation).await;
            self.fail_save(&set, &path, generation)
        })
    }

    fn say(&self, what: Statement) {
        let said = lock(&self.said).clone();
        if let Some(said) = said {
            // The run may be over.
            let _ = said.send(what);
        }
    }

    fn outcomes(&self) -> Option<Arc<Outcomes>> {
        lock(&self.outcomes).clone()
    }

    fn remembered(&self) -> usize {
        lock(&self.services).len()
    }
}

impl ActiveFaults {
    fn victim_at(&self, Target { slot, signals }: Target) -> Option<Victim<'_>> {
        let set = self.faults_of(&slot.path())?;
        Some(Victim { faults: self, set, slot, signals })
    }

    async fn delay_save(&self, set: &FaultSet, path: &Arc<str>, generation: u64) {
        let delays = set.all(|fault| if let Fault::SaveDelay(time) = fault { Some(*time) } else { None });
        for (number, _) in &delays {
            let path = path.clone();
            self.tell(FaultEvent::Strikes { number: *number, path, generation: Some(generation), is_last: false });
        }
        let delay = delays.iter().fold(Duration::ZERO, |sum, (_, time)| sum.saturating_add(*time));
        if !delay.is_zero() {
            set.pass(delay, || set.has(|fault| matches!(fault, Fault::SaveDelay(_)))).await;
        }
        // A service does not end because a save takes longer.
        for (number, _) in delays {
            self.tell(FaultEvent::Passes { number, path: path.clone() });
        }
    }

    fn fail_save(&self, set: &FaultSet, path: &Arc<str>, generation: u64) -> Option<SaveFault> {
        let struck = set.strike(|fault| match fault {
            Fault::SaveFail(_) => Some(SaveFault::Fail),
            Fault::SaveTear(_) => Some(SaveFault::Tear),
            Fault::SaveLose(_) => Some(SaveFault::Lose),
            _ => None,
        });
        let passes = |number| self.tell(FaultEvent::Passes { number, path: path.clone() });
        // An incarnation that is told of a failure may end because of it.
        let failed = struck.filter(|(_, what)| *what != SaveFault::Lose).map(|(strike, _)| strike.number);
        if let Some(survived) = set.fails_save(failed, generation) {
            passes(survived);
        }
        let (Strike { number, is_last, .. }, what) = struck?;
        self.tell(FaultEvent::Strikes { number, path: path.clone(), generation: Some(generation), is_last });
        if failed.is_none() {
            passes(number);
        }
        Some(what)
    }
}

impl Victim<'_> {
    /// Reports a strike, before it takes effect (invariant 4 of `active.rs`).
    fn tell(&self, strike: Strike, generation: Option<u64>) {
        let Strike { number, is_last, .. } = strike;
        self.faults.tell(FaultEvent::Strikes { number, path: self.slot.path(), generation, is_last });
    }

    async fn before_start(&self) -> anyhow::Result<()> {
        let set = &self.set;
        set.change(Some(&*self.slot), |_| ());
        let slowness = || set.time_of(|fault| if let Fault::SlowStart(time) = fault { Some(*time) } else { None });
        set.pass(slowness(), || !slowness().is_zero()).await;
        let strikes = |fault: &Fault| match fault {
            Fault::StartPanic(_) => Some(true),
            Fault::StartError(_) => Some(false),
            _ => None,
        };
        let Some((strike, panics)) = set.strike(strikes) else { return Ok(()) };
        self.tell(strike, None);
        if strike.is_virtual {
            // A real start takes some time too. If it took none, failing starts would be retried for ever at one
            // instant.
            tokio::time::sleep(MS).await;
        }
        if panics { panic() } else { anyhow::bail!("an error that chaos injected") }
    }

    async fn before_take(&self) -> bool {
        let set = &self.set;
        let mut has_waited = false;
        loop {
            if !self.mail_may_be_taken(set).await {
                return false;
            }
            let delay = || set.time_of(|fault| if let Fault::Delay(time) = fault { Some(*time) } else { None });
            if !has_waited && !delay().is_zero() {
                if self.until_wanted(set.pass(delay(), || !delay().is_zero())).await.is_none() {
                    return false;
                }
                // A fault that holds the mail may have come meanwhile.
                has_waited = true;
                continue;
            }
            if !set.draws(|fault| if let Fault::Drop(share) = fault { Some(*share) } else { None }) {
                break;
            }
            self.slot.faulty().drop_first(&self.signals);
            has_waited = false;
        }
        if set.draws(|fault| if let Fault::Reorder(share) = fault { Some(*share) } else { None }) {
            self.slot.faulty().swap_first(&self.signals);
        }
        self.slot.faulty().may_repeat(&self.signals)
            && set.draws(|fault| if let Fault::Duplicate(share) = fault { Some(*share) } else { None })
    }

    async fn before_handle(&self) -> anyhow::Result<()> {
        let set = &self.set;
        let strikes = |fault: &Fault| match fault {
            Fault::Panic | Fault::Error | Fault::Hang | Fault::Block(_) => Some(fault.clone()),
            _ => None,
        };
        if let Some((strike, fault)) = set.strike(strikes) {
            self.tell(strike, Some(self.signals.origin().generation));
            match fault {
                Fault::Panic => panic(),
                Fault::Error => anyhow::bail!("an error that chaos injected"),
                Fault::Block(time) => self.block(set, time, strike.is_virtual).await,
                // Hangs until the incarnation is killed, or all faults are cleared.
                _ => set.until_not(|| true).await,
            }
            self.faults.tell(FaultEvent::Passes { number: strike.number, path: self.slot.path() });
            // The fault may have been the last one (invariant 1 of `active.rs`).
            set.change(Some(&*self.slot), |_| ());
        }
        let slowness = || set.time_of(|fault| if let Fault::Slow(time) = fault { Some(*time) } else { None });
        set.pass(slowness(), || !slowness().is_zero()).await;
        Ok(())
    }

    async fn block(&self, set: &FaultSet, time: Duration, is_virtual: bool) {
        if is_virtual {
            self.signals.set_ignores_kill(true);
            set.pass(time, || true).await;
            self.signals.set_ignores_kill(false);
            return;
        }
        let begun = std::time::Instant::now();
        while begun.elapsed() < time && !set.is_cleared() {
            std::thread::sleep(Duration::from_millis(10).min(time.saturating_sub(begun.elapsed())));
        }
    }

    /// Waits until there is mail that is not held. Returns `false` if an order has to be looked at first.
    async fn mail_may_be_taken(&self, set: &FaultSet) -> bool {
        let is_held = || set.has(|fault| *fault == Fault::Hold);
        loop {
            if is_held() {
                if self.until_wanted(set.until_not(is_held)).await.is_none() {
                    return false;
                }
                continue;
            }
            // The signals have the waker of the incarnation, and a message or a signal wakes it.
            // A fault that holds the mail may come meanwhile.
            let found = std::future::poll_fn(|_| match is_held() {
                true => Poll::Ready(None),
                false => self.slot.faulty().poll_mail(&self.signals).map(Some),
            });
            if let Some(found) = found.await {
                return found;
            }
        }
    }

    /// Runs the future. Returns `None` if an order has to be looked at first.
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

/// Panics without calling the panic hook, because an injected panic needs no report.
fn panic() -> ! {
    std::panic::resume_unwind(Box::new("a panic that chaos injected"))
}
