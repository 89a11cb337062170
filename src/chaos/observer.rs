//! Looking on while an experiment is carried out: noting what happens, passing on what faults may follow, looking at claims.

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
use crate::chaos::recorder::Book;
use crate::event::Event;
use crate::tree::Directory;
use crate::tree::statements::Statement;

/// Something that faults may follow.
pub(super) struct Occurrence {
    pub(super) trigger: Trigger,
    pub(super) path: Arc<str>,
    pub(super) generation: u64,
}

/// All that looks on has these.
#[derive(Clone)]
pub(super) struct Witnesses {
    pub(super) claims: Arc<Mutex<Claims>>,
    pub(super) book: Arc<Mutex<Book>>,
    pub(super) judge: Arc<Mutex<Judge>>,
    /// Rung when a claim was found that does not hold.
    pub(super) broken: Arc<Notify>,
}

impl Witnesses {
    /// Passes on what the judge has found.
    pub(super) fn ask_judge(&self) {
        if ask_judge(&self.judge, &self.claims, &self.book) {
            self.broken.notify_one();
        }
    }
}

pub(super) async fn keep_looking(witnesses: Witnesses, directory: Directory, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        lock(&witnesses.judge).look();
        witnesses.ask_judge();
        look(&witnesses.claims, &witnesses.book, &directory, false).await;
        if lock(&witnesses.claims).is_broken() {
            witnesses.broken.notify_one();
        }
    }
}

/// In a task of its own: what is said to the judge must not hold up the events, of which only so many wait.
pub(super) async fn keep_judging(mut said: mpsc::UnboundedReceiver<Statement>, witnesses: Witnesses, is_virtual: bool) {
    let mut next = later(Instant::now(), PULSE);
    loop {
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(next), if !is_virtual => {
                // A runtime that comes late to this comes late to restarts, and several times to a single one.
                let late = next.elapsed();
                if late > part(PULSE, 10) {
                    lock(&witnesses.judge).jump(late.saturating_mul(10));
                }
                next = later(Instant::now(), PULSE);
            }
            heard = said.recv() => {
                let Some(heard) = heard else { return };
                lock(&witnesses.judge).hear(heard);
                witnesses.ask_judge();
            }
        }
    }
}

/// How often a live runtime is asked whether it is late.
const PULSE: Duration = Duration::from_millis(100);

/// What is told by those who suffer comes first: it was told before what came of it.
pub(super) async fn observe(
    mut events: crate::Events,
    mut suffered: mpsc::UnboundedReceiver<FaultEvent>,
    book: Arc<Mutex<Book>>,
    happened: mpsc::UnboundedSender<Occurrence>,
) {
    // Nobody listens any more when the run is over.
    let pass_on = |occurrence| drop(happened.send(occurrence));
    let hear = |told: FaultEvent| {
        lock(&book).hear(&told);
        if let FaultEvent::Starting { path } = told {
            pass_on(Occurrence { trigger: Trigger::Starting, path, generation: 0 });
        }
    };
    loop {
        tokio::select! {
            biased;
            Some(told) = suffered.recv() => hear(told),
            event = events.next() => {
                // It may have been told while this looked the other way.
                while let Ok(told) = suffered.try_recv() {
                    hear(told);
                }
                match event {
                    Some(Ok(event)) => {
                        lock(&book).note(&event);
                        let Event { path, generation, kind } = event;
                        if let Some(trigger) = Trigger::of(&kind) {
                            pass_on(Occurrence { trigger, path, generation });
                        }
                    }
                    Some(Err(missed)) => lock(&book).miss(missed.0),
                    None => return,
                }
            }
        }
    }
}
