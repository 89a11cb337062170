//! Tasks beside a run: they record what happens, pass on the events that faults may follow, and check the claims.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::base::sync::lock;
use crate::base::time::{later, part};
use crate::chaos::active::FaultEvent;
use crate::chaos::checks::{Claims, ask_judge, look};
use crate::chaos::fault::Trigger;
use crate::chaos::judge::Judge;
use crate::chaos::recorder::Recorder;
use crate::event::Event;
use crate::tree::Directory;
use crate::tree::statements::Statement;

/// An event that faults may follow.
pub(super) struct Occurrence {
    pub(super) trigger: Trigger,
    pub(super) path: Arc<str>,
    pub(super) generation: u64,
}

/// The records of a run, shared by all its tasks.
#[derive(Clone)]
pub(super) struct Records {
    pub(super) claims: Arc<Mutex<Claims>>,
    pub(super) recorder: Arc<Mutex<Recorder>>,
    pub(super) judge: Arc<Mutex<Judge>>,
    /// Notified when a claim does not hold.
    pub(super) broken: Arc<Notify>,
}

impl Records {
    /// Takes over what the judge has found.
    pub(super) fn ask_judge(&self) {
        if ask_judge(&self.judge, &self.claims, &self.recorder) {
            self.broken.notify_one();
        }
    }
}

pub(super) async fn keep_looking(records: Records, directory: Directory, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        lock(&records.judge).look();
        records.ask_judge();
        look(&records.claims, &records.recorder, &directory, false).await;
        if lock(&records.claims).is_broken() {
            records.broken.notify_one();
        }
    }
}

/// Feeds the judge. It runs apart from [`observe`], because the channel of events is bounded and must be emptied
/// quickly.
pub(super) async fn keep_judging(mut said: mpsc::UnboundedReceiver<Statement>, records: Records, is_virtual: bool) {
    let mut next = later(Instant::now(), PULSE);
    loop {
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(next), if !is_virtual => {
                // A runtime that is late here is late for restarts too, and perhaps several times for one of them.
                let late = next.elapsed();
                if late > part(PULSE, 10) {
                    lock(&records.judge).jump(late.saturating_mul(10));
                }
                next = later(Instant::now(), PULSE);
            }
            heard = said.recv() => {
                let Some(heard) = heard else { return };
                lock(&records.judge).hear(heard);
                records.ask_judge();
            }
        }
    }
}

/// Time between two checks whether a live runtime is late.
const PULSE: Duration = Duration::from_millis(100);

/// Records events. What incarnations report of their faults goes first, because they report a strike before its effect.
pub(super) async fn observe(
    mut events: crate::Events,
    mut reports: mpsc::UnboundedReceiver<FaultEvent>,
    recorder: Arc<Mutex<Recorder>>,
    happened: mpsc::UnboundedSender<Occurrence>,
) {
    // When the run is over, the receiver is gone.
    let pass_on = |occurrence| drop(happened.send(occurrence));
    let hear = |told: FaultEvent| {
        lock(&recorder).hear(&told);
        if let FaultEvent::Starting { path } = told {
            pass_on(Occurrence { trigger: Trigger::Starting, path, generation: 0 });
        }
    };
    loop {
        tokio::select! {
            biased;
            Some(told) = reports.recv() => hear(told),
            event = events.next() => {
                // The report of a fault may have arrived while this waited for the event.
                while let Ok(told) = reports.try_recv() {
                    hear(told);
                }
                match event {
                    Some(Ok(event)) => {
                        lock(&recorder).note(&event);
                        let Event { path, generation, kind } = event;
                        if let Some(trigger) = Trigger::of(&kind) {
                            pass_on(Occurrence { trigger, path, generation });
                        }
                    }
                    Some(Err(missed)) => lock(&recorder).miss(missed.0),
                    None => return,
                }
            }
        }
    }
}
